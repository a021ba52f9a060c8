"""NAFNet against published parameter counts, restated key names and a plain second implementation."""

import pytest
import torch
from torch.nn import functional as F

from basicsr.archs.nafnet_arch import NAFBlock, NAFNet, NAFNetLocal
from basicsr.utils.errors import OptionError, UserError
from basicsr.utils.registry import ARCH_REGISTRY
from basicsr.utils.schema import check_arguments

SMALL = {'width': 4, 'middle_blk_num': 2, 'enc_blk_nums': [1, 2], 'dec_blk_nums': [2, 1]}


def _randomized(net: torch.nn.Module) -> torch.nn.Module:
    """Give every parameter, beta and gamma included, a value that matters."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            parameter.normal_(1.0 if name.endswith(('norm1.weight', 'norm2.weight')) else 0.0, 0.3)
    return net.eval()


def _block_shapes(prefix: str, c: int) -> dict[str, tuple[int, ...]]:
    shapes = {
        'beta': (1, c, 1, 1),
        'gamma': (1, c, 1, 1),
        'conv1.weight': (2 * c, c, 1, 1),
        'conv1.bias': (2 * c,),
        'conv2.weight': (2 * c, 1, 3, 3),
        'conv2.bias': (2 * c,),
        'conv3.weight': (c, c, 1, 1),
        'conv3.bias': (c,),
        'sca.1.weight': (c, c, 1, 1),
        'sca.1.bias': (c,),
        'conv4.weight': (2 * c, c, 1, 1),
        'conv4.bias': (2 * c,),
        'conv5.weight': (c, c, 1, 1),
        'conv5.bias': (c,),
        'norm1.weight': (c,),
        'norm1.bias': (c,),
        'norm2.weight': (c,),
        'norm2.bias': (c,),
    }
    return {f'{prefix}.{name}': shape for name, shape in shapes.items()}


@pytest.mark.parametrize('cls', [NAFNet, NAFNetLocal])
def test_state_dict_has_the_official_keys_and_shapes(cls):
    expected = {
        'intro.weight': (8, 3, 3, 3),
        'intro.bias': (8,),
        'ending.weight': (3, 8, 3, 3),
        'ending.bias': (3,),
        'downs.0.weight': (16, 8, 2, 2),
        'downs.0.bias': (16,),
        'downs.1.weight': (32, 16, 2, 2),
        'downs.1.bias': (32,),
        'ups.0.0.weight': (64, 32, 1, 1),
        'ups.1.0.weight': (32, 16, 1, 1),
        **_block_shapes('encoders.0.0', 8),
        **_block_shapes('encoders.1.0', 16),
        **_block_shapes('encoders.1.1', 16),
        **_block_shapes('middle_blks.0', 32),
        **_block_shapes('decoders.0.0', 16),
        **_block_shapes('decoders.1.0', 8),
        **_block_shapes('decoders.1.1', 8),
    }
    net = cls(img_channel=3, width=8, middle_blk_num=1, enc_blk_nums=[1, 2], dec_blk_nums=[1, 2])
    assert {name: tuple(value.shape) for name, value in net.state_dict().items()} == expected


@pytest.mark.parametrize(
    ('width', 'middle', 'encoders', 'decoders', 'millions'),
    [
        (32, 12, [2, 2, 4, 8], [2, 2, 2, 2], 29.16),  # SIDD
        (64, 12, [2, 2, 4, 8], [2, 2, 2, 2], 115.98),  # SIDD
        (64, 1, [1, 1, 1, 28], [1, 1, 1, 1], 67.89),  # GoPro
    ],
)
def test_published_parameter_counts(width, middle, encoders, decoders, millions):
    with torch.device('meta'):
        net = NAFNet(3, width, middle, encoders, decoders)
    assert round(sum(p.numel() for p in net.parameters()) / 1e6, 2) == millions


def test_a_new_block_is_the_identity_and_starts_to_learn():
    block = NAFBlock(6)
    x = torch.randn(2, 6, 9, 7)
    y = block(x)
    torch.testing.assert_close(y, x, rtol=0, atol=0)
    y.square().sum().backward()
    assert block.beta.grad.abs().min() > 0 and block.gamma.grad.abs().min() > 0


def _plain_norm(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    normed = (x - x.mean(1, keepdim=True)) / (x.var(1, correction=0, keepdim=True) + 1e-6).sqrt()
    return normed * weight[None, :, None, None] + bias[None, :, None, None]


def _plain_block(state: dict, prefix: str, inp: torch.Tensor, pool) -> torch.Tensor:
    """The block of figure 3c of the paper, from its parameters; `pool` averages a feature map."""

    def conv(name, x, **options):
        return F.conv2d(x, state[f'{prefix}.{name}.weight'], state[f'{prefix}.{name}.bias'], **options)

    def norm(name, x):
        return _plain_norm(x, state[f'{prefix}.{name}.weight'], state[f'{prefix}.{name}.bias'])

    c = inp.shape[1]
    x = conv('conv2', conv('conv1', norm('norm1', inp)), padding=1, groups=2 * c)
    x = x[:, :c] * x[:, c:]
    y = inp + state[f'{prefix}.beta'] * conv('conv3', x * conv('sca.1', pool(x)))
    x = conv('conv4', norm('norm2', y))
    return y + state[f'{prefix}.gamma'] * conv('conv5', x[:, :c] * x[:, c:])


def _plain_net(state: dict, image: torch.Tensor, pool=lambda x: x.mean((2, 3), keepdim=True)) -> torch.Tensor:
    """NAFNet of the configuration SMALL for images of 4m x 4n, written out."""
    skip0 = _plain_block(
        state, 'encoders.0.0', F.conv2d(image, state['intro.weight'], state['intro.bias'], padding=1), pool
    )
    x = F.conv2d(skip0, state['downs.0.weight'], state['downs.0.bias'], stride=2)
    skip1 = _plain_block(state, 'encoders.1.1', _plain_block(state, 'encoders.1.0', x, pool), pool)
    x = F.conv2d(skip1, state['downs.1.weight'], state['downs.1.bias'], stride=2)

    x = _plain_block(state, 'middle_blks.1', _plain_block(state, 'middle_blks.0', x, pool), pool)

    x = F.pixel_shuffle(F.conv2d(x, state['ups.0.0.weight']), 2) + skip1
    x = _plain_block(state, 'decoders.0.1', _plain_block(state, 'decoders.0.0', x, pool), pool)
    x = F.pixel_shuffle(F.conv2d(x, state['ups.1.0.weight']), 2) + skip0
    x = _plain_block(state, 'decoders.1.0', x, pool)
    return F.conv2d(x, state['ending.weight'], state['ending.bias'], padding=1) + image


@torch.no_grad()
def test_outputs_equal_a_plain_implementation():
    net = _randomized(NAFNet(3, **SMALL)).double()
    image = torch.rand(2, 3, 12, 20, dtype=torch.float64)
    expected = _plain_net(net.state_dict(), image)
    torch.testing.assert_close(net(image), expected, rtol=1e-9, atol=1e-9)
    assert (expected - image).abs().mean() > 0.1


@torch.no_grad()
@pytest.mark.parametrize('size', [(1, 1), (13, 20), (12, 19), (9, 15), (3, 30)])
def test_odd_sizes_are_padded_with_zeros_at_the_right_and_the_bottom(size):
    net = _randomized(NAFNet(3, **SMALL)).double()
    height, width = size
    image = torch.rand(1, 3, height, width, dtype=torch.float64)
    padded = torch.zeros(1, 3, -(-height // 4) * 4, -(-width // 4) * 4, dtype=torch.float64)
    padded[..., :height, :width] = image
    output = net(image)
    assert output.shape == image.shape
    torch.testing.assert_close(output, _plain_net(net.state_dict(), padded)[..., :height, :width], rtol=1e-9, atol=1e-9)


def test_channels_last_equals_contiguous_with_gradients():
    net = _randomized(NAFNet(3, **SMALL))
    image = torch.rand(2, 3, 16, 24)
    results = []
    for memory_format in (torch.contiguous_format, torch.channels_last):
        net.to(memory_format=memory_format)
        output = net(image.contiguous(memory_format=memory_format))
        results.append((output, *torch.autograd.grad(output.square().mean(), list(net.parameters()))))
    assert results[1][0].is_contiguous(memory_format=torch.channels_last)
    for contiguous, last in zip(*results):
        torch.testing.assert_close(last, contiguous, rtol=1e-3, atol=1e-4)


def test_dropout_ends_both_branches():
    block = NAFBlock(4, drop_out_rate=0.5)
    with torch.no_grad():
        for parameter, value in ((block.beta, 1), (block.gamma, 1), (block.conv3.bias, 1e6), (block.conv5.bias, 1e12)):
            parameter.fill_(value)
    change = block(torch.zeros(1, 4, 32, 32)).detach()
    # Zeros and doubled values, half of each: the four sums of {0, 2e6} and {0, 2e12}.
    counts = [(change.sub(level).abs() < 0.2 * max(level, 1e6)).float().mean().item() for level in (0, 2e6, 2e12)]
    assert counts == pytest.approx([0.25, 0.25, 0.5], abs=0.05)


def _mean_of_every_window(x: torch.Tensor, side: int) -> torch.Tensor:
    """The definition of local pooling: each pixel's window of `side`, moved inside the feature map."""
    if side >= max(x.shape[-2:]):
        return x.mean((2, 3), keepdim=True)
    out = torch.empty_like(x)
    height, width = min(side, x.shape[-2]), min(side, x.shape[-1])
    for i in range(x.shape[-2]):
        top = min(max(i - (height - 1) // 2, 0), x.shape[-2] - height)
        for j in range(x.shape[-1]):
            left = min(max(j - (width - 1) // 2, 0), x.shape[-1] - width)
            out[..., i, j] = x[..., top : top + height, left : left + width].mean((2, 3))
    return out


@torch.no_grad()
@pytest.mark.parametrize('training', [False, True])
def test_local_equals_window_means_at_every_level(training):
    # Crops of 8: windows of 12, 6 and 3 features at strides 1, 2 and 4.
    net = _randomized(NAFNetLocal(3, **SMALL, train_size=[1, 3, 8, 8])).double().train(training)
    image = torch.rand(1, 3, 20, 16, dtype=torch.float64)
    sides = {20: 12, 10: 6, 5: 3}
    expected = _plain_net(net.state_dict(), image, lambda x: _mean_of_every_window(x, sides[x.shape[-2]]))
    torch.testing.assert_close(net(image), expected, rtol=1e-9, atol=1e-9)
    assert (expected - _plain_net(net.state_dict(), image)).abs().max() > 1e-3


@pytest.mark.parametrize(
    ('train_size', 'windows'),
    [
        # 1.5 * 256 = 384 at full resolution, halved at each level.
        ([1, 3, 256, 256], [(384, 384), (192, 192), (96, 96), (48, 48), (24, 24)]),
        # 250 and 100 are padded to 256 and 112; windows are floor(features * 375 / 250), floor(features * 150 / 100).
        ([4, 3, 250, 100], [(384, 168), (192, 84), (96, 42), (48, 21), (24, 10)]),
    ],
)
def test_windows_of_each_level(train_size, windows):
    net = NAFNetLocal(3, 2, 1, [1, 1, 1, 1], [1, 1, 1, 1], train_size=train_size)
    stages = [*net.encoders, net.middle_blks]
    assert [stage[0].sca[0].window for stage in stages] == windows
    assert [stage[0].sca[0].window for stage in net.decoders] == windows[-2::-1]


@torch.no_grad()
def test_local_is_nafnet_exactly_up_to_its_window():
    net = _randomized(NAFNet(3, **SMALL))
    local = NAFNetLocal(3, **SMALL, train_size=[1, 3, 16, 16])
    local.load_state_dict(net.state_dict(), strict=True)
    for height, width in ((16, 16), (24, 24), (23, 5)):
        image = torch.rand(1, 3, height, width)
        assert torch.equal(local(image), net(image))
    image = torch.rand(1, 3, 28, 24)
    assert not torch.equal(local(image), net(image))


def test_grey_and_four_channel_images():
    for channels in (1, 4):
        image = torch.rand(1, channels, 6, 6)
        assert NAFNet(channels, 4)(image).shape == image.shape


def test_options_are_checked_by_the_signature():
    given = {'type': 'NAFNet', **SMALL}
    cls = ARCH_REGISTRY.get(given.pop('type'))
    arguments, problems = check_arguments(cls, given, ('network_g',))
    assert problems == []
    assert arguments == {'img_channel': 3, **SMALL}
    assert check_arguments(NAFNetLocal, {}, ())[0]['train_size'] == (1, 3, 256, 256)

    wrong = {'enc_blk_nums': [1, 2.5], 'dec_blk_nums': 3, 'fast_imp': False}
    _, problems = check_arguments(NAFNetLocal, wrong, ('network_g',))
    assert {path[1] for path, _ in problems} == {'enc_blk_nums', 'dec_blk_nums', 'fast_imp'}


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'enc_blk_nums': [1, 1], 'dec_blk_nums': [1]}, 'enc_blk_nums has 2 entries and dec_blk_nums 1'),
        ({'enc_blk_nums': [1], 'dec_blk_nums': [-1]}, 'must not be negative'),
        ({'middle_blk_num': -1}, 'must not be negative'),
        ({'width': 0}, 'at least 1, got 3 and 0'),
        ({'img_channel': 0}, 'at least 1, got 0 and 16'),
        ({'train_size': [256, 256]}, r'train_size must be \[N, C, height, width\] .* got \[256, 256\]'),
        ({'train_size': [1, 3, 256, 0]}, 'train_size must be'),
    ],
)
def test_numbers_that_describe_no_network_are_refused(options, message):
    with pytest.raises(OptionError, match=message):
        NAFNetLocal(**options)


@pytest.mark.parametrize('shape', [(1, 4, 8, 8), (3, 8, 8)])
def test_images_of_another_shape_are_refused(shape):
    with pytest.raises(UserError, match=r'NAFNet: expected images of shape \(N, 3, H, W\), got .*img_channel'):
        NAFNet(3, 4)(torch.zeros(shape))
