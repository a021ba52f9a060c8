"""PerceptualLoss against slices of torchvision's network, written out by hand."""

import gc
import weakref

import pytest
import torch
from torchvision.models import vgg

from basicsr.losses.perceptual_loss import PerceptualLoss, StyleLoss, gram_matrix
from basicsr.losses.shared_conversions import share_conversions
from basicsr.utils.errors import OptionError, UserError

# Layers of VGG11 (configuration A) by their index in `features`.
CONV2_1, RELU3_1, CONV3_2 = 3, 7, 8


@pytest.fixture(scope='module')
def network(tmp_path_factory):
    """The convolutional part of a seeded VGG11 and the file with its weights."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        features = vgg.make_layers(vgg.cfgs['A'], batch_norm=False).eval()
    path = tmp_path_factory.mktemp('vgg') / 'vgg11.pth'
    torch.save({f'features.{key}': value for key, value in features.state_dict().items()}, path)
    return features, str(path)


@pytest.fixture(scope='module')
def images():
    generator = torch.Generator().manual_seed(1)
    return [torch.rand(2, 3, 32, 24, generator=generator) for _ in range(2)]


def feature(features, image, index, normalise=True):
    if normalise:
        mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        image = (image - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
    return features[: index + 1](image)


DISTANCES = {
    'l1': lambda a, b: (a - b).abs().mean(),
    'l2': lambda a, b: (a - b).square().mean(),
    'fro': lambda a, b: (a - b).square().sum().sqrt(),
}


@pytest.mark.parametrize('criterion', DISTANCES)
def test_value_is_that_of_the_slices(network, images, criterion):
    features, path = network
    loss = PerceptualLoss(
        {'conv2_1': 0.5, 'relu3_1': 2.0, 'conv3_2': 1.0},
        'vgg11',
        perceptual_weight=0.3,
        style_weight=0.7,
        criterion=criterion,
        loss_weight=10.0,
        weights=path,
    )
    with torch.no_grad():
        percep, style = loss(*images)

        expected_percep = expected_style = 0.0
        for index, weight in ((CONV2_1, 0.5), (RELU3_1, 2.0), (CONV3_2, 1.0)):
            a, b = (feature(features, image, index) for image in images)
            expected_percep += weight * DISTANCES[criterion](a, b)
            # Gram matrix: inner products of the channels over C H W.
            grams = [torch.einsum('nchw,ndhw->ncd', x, x) / x[0].numel() for x in (a, b)]
            expected_style += weight * DISTANCES[criterion](*grams)
    assert percep.item() == pytest.approx(10 * 0.3 * expected_percep.item(), rel=1e-5)
    assert style.item() == pytest.approx(10 * 0.7 * expected_style.item(), rel=1e-4)


def test_input_ranges(network, images):
    features, path = network
    options = {'layer_weights': {'conv3_2': 1.0}, 'vgg_type': 'vgg11', 'weights': path}
    with torch.no_grad():
        unit, _ = PerceptualLoss(**options)(*images)
        signed, _ = PerceptualLoss(**options, range_norm=True)(*[image * 2 - 1 for image in images])
        bare, _ = PerceptualLoss(**options, use_input_norm=False)(*images)
        a, b = (feature(features, image, CONV3_2, normalise=False) for image in images)
    assert signed.item() == pytest.approx(unit.item(), rel=1e-5)
    assert bare.item() == pytest.approx((a - b).abs().mean().item(), rel=1e-5)


def test_parts_of_weight_zero_are_none(network, images):
    options = {'layer_weights': {'conv1_1': 1.0}, 'vgg_type': 'vgg11', 'weights': network[1]}
    percep, style = PerceptualLoss(**options)(*images)
    assert percep is not None and style is None
    percep, style = PerceptualLoss(**options, perceptual_weight=0, style_weight=1.0)(*images)
    assert percep is None and style is not None


def test_gram_matrix_by_hand():
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])  # (1, 2, 1, 2)
    expected = torch.tensor([[[5.0, 11.0], [11.0, 25.0]]]) / 4
    torch.testing.assert_close(gram_matrix(features), expected)


def test_gradient_reaches_the_prediction_alone(network, images):
    loss = PerceptualLoss({'conv2_1': 1.0}, 'vgg11', style_weight=1.0, weights=network[1])
    pred, target = (image.clone().requires_grad_() for image in images)
    sum(loss(pred, target)).backward()

    assert pred.grad.isfinite().all() and pred.grad.abs().max() > 0
    assert target.grad is None
    assert all(parameter.grad is None for parameter in loss.parameters())


@pytest.mark.parametrize('criterion', DISTANCES)
def test_identical_images_cost_nothing(network, images, criterion):
    loss = PerceptualLoss({'conv2_1': 1.0}, 'vgg11', style_weight=1.0, criterion=criterion, weights=network[1])
    pred = images[0].clone().requires_grad_()
    total = sum(loss(pred, images[0]))
    (gradient,) = torch.autograd.grad(total, pred)
    assert total.item() == 0
    assert gradient.abs().max() == 0


def test_small_images_are_refused_with_what_would_do(network):
    loss = PerceptualLoss({'conv3_2': 1.0}, 'vgg11', weights=network[1])
    with pytest.raises(UserError, match=r'PerceptualLoss: images of 3x64 pixels .* conv3_2; use .* at least 4x4'):
        loss(torch.rand(1, 3, 3, 64), torch.rand(1, 3, 3, 64))
    assert loss(torch.rand(1, 3, 4, 4), torch.rand(1, 3, 4, 4))[0].isfinite()


def test_default_layer_is_the_last_convolution_of_vgg19():
    loss = PerceptualLoss(weights='random')
    assert loss.layer_weights == {'conv5_4': 1.0}
    assert list(dict(loss.vgg.vgg_net.named_children()))[-1] == 'conv5_4'


def test_mistakes_are_refused():
    with pytest.raises(OptionError, match="criterion 'l3' is not one of l1, l2, fro"):
        PerceptualLoss(criterion='l3', weights='random')
    with pytest.raises(OptionError, match=r"vgg11 has no layer 'conv5_4'; did you mean 'conv5_[12]'"):
        PerceptualLoss(vgg_type='vgg11', weights='random')


def test_style_loss_is_the_style_part(network, images):
    options = {'layer_weights': {'relu1_1': 0.5, 'relu2_1': 2.0}, 'vgg_type': 'vgg11', 'weights': network[1]}
    for criterion in DISTANCES:
        _, expected = PerceptualLoss(**options, style_weight=1.0, criterion=criterion)(*images)
        value = StyleLoss(loss_weight=3.0, **options, criterion=criterion)(*images)
        assert value.item() == pytest.approx(3 * expected.item(), rel=1e-6)
    assert list(StyleLoss(weights='random').layer_weights) == ['relu1_1', 'relu2_1', 'relu3_1', 'relu4_1', 'relu5_1']


def test_terms_of_equal_settings_hold_one_network(network):
    options = {'layer_weights': {'conv1_1': 1.0, 'conv2_1': 2.0}, 'vgg_type': 'vgg11', 'weights': network[1]}
    first = PerceptualLoss(**options)
    reordered = {'conv2_1': 0.5, 'conv1_1': 3.0}
    second = StyleLoss(**{**options, 'layer_weights': reordered})
    assert second.vgg is first.vgg
    for other in ({'use_input_norm': False}, {'range_norm': True}, {'weights': 'random'}, {'vgg_type': 'vgg13'}):
        different = {**options, **({'weights': 'random'} if 'vgg_type' in other else {}), **other}
        assert PerceptualLoss(**different).vgg is not first.vgg
    assert PerceptualLoss(**{**options, 'layer_weights': {'conv2_1': 1.0}}).vgg is not first.vgg

    gone = weakref.ref(first.vgg)
    del first
    assert gone() is second.vgg
    del second
    gc.collect()
    assert gone() is None


def test_features_are_computed_once_inside_a_step(network, images):
    options = {'layer_weights': {'conv2_1': 1.0}, 'vgg_type': 'vgg11', 'weights': network[1]}
    perceptual, style = PerceptualLoss(**options), StyleLoss(**options)
    pred = images[0].clone().requires_grad_()
    expected = perceptual(pred, images[1])[0] + style(pred, images[1])
    (expected_gradient,) = torch.autograd.grad(expected, pred)

    calls = []
    handle = perceptual.vgg.register_forward_hook(lambda module, inputs, features: calls.append(inputs[0]))
    with share_conversions():
        value = perceptual(pred, images[1])[0] + style(pred, images[1])
        (gradient,) = torch.autograd.grad(value, pred)
    handle.remove()
    assert len(calls) == 2
    assert value.item() == expected.item()
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-5, atol=1e-5 * expected_gradient.abs().max().item())


def test_linear_light_is_encoded_first(network, images):
    linear = [torch.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4) for x in images]
    options = {'layer_weights': {'conv2_1': 1.0}, 'vgg_type': 'vgg11', 'weights': network[1]}
    expected = PerceptualLoss(**options)(*images)[0].item()
    assert PerceptualLoss(**options, space='linear')(*linear)[0].item() == pytest.approx(expected, rel=1e-4)
