"""NAFNet (Chen et al., "Simple Baselines for Image Restoration", ECCV 2022); the official weights load as they are."""

from collections.abc import Iterator, Sequence

import torch
from torch import nn
from torch.nn import functional as F

from basicsr.archs.arch_util import LayerNorm2d
from basicsr.archs.local_pool import LocalAvgPool2d
from basicsr.utils.errors import OptionError, UserError
from basicsr.utils.registry import ARCH_REGISTRY

# Side of the local window in units of the training crop, as in the official NAFNetLocal: 384 pixels for crops of 256.
TLC_WINDOW = 1.5


class SimpleGate(nn.Module):
    """Product of the two halves of the channels: (N, 2C, H, W) -> (N, C, H, W)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first, second = x.chunk(2, dim=1)
        return first * second


class NAFBlock(nn.Module):
    """Two residual branches without activation functions: convolution with channel attention, then feed-forward.

    A new block is the identity, since the factors of its branches (`beta`, `gamma`) start at 0.

    Args:
        c: channels of the input and the output.
        drop_out_rate: dropout probability at the end of both branches.
    """

    def __init__(self, c: int, drop_out_rate: float = 0.0) -> None:
        super().__init__()
        self.norm1 = LayerNorm2d(c)
        self.conv1 = nn.Conv2d(c, 2 * c, 1)
        self.conv2 = nn.Conv2d(2 * c, 2 * c, 3, padding=1, groups=2 * c)
        self.sg = SimpleGate()
        self.sca = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(c, c, 1))
        self.conv3 = nn.Conv2d(c, c, 1)
        self.dropout1 = nn.Dropout(drop_out_rate) if drop_out_rate > 0 else nn.Identity()
        self.beta = nn.Parameter(torch.zeros(1, c, 1, 1))

        self.norm2 = LayerNorm2d(c)
        self.conv4 = nn.Conv2d(c, 2 * c, 1)
        self.conv5 = nn.Conv2d(c, c, 1)
        self.dropout2 = nn.Dropout(drop_out_rate) if drop_out_rate > 0 else nn.Identity()
        self.gamma = nn.Parameter(torch.zeros(1, c, 1, 1))

    def forward(self, inp: torch.Tensor) -> torch.Tensor:
        x = self.sg(self.conv2(self.conv1(self.norm1(inp))))
        x = self.conv3(x * self.sca(x))
        y = inp + self.dropout1(x) * self.beta

        x = self.conv5(self.sg(self.conv4(self.norm2(y))))
        return y + self.dropout2(x) * self.gamma


@ARCH_REGISTRY.register()
class NAFNet(nn.Module):
    """A U-shaped network of NAFBlocks that predicts what to add to the image: (N, img_channel, H, W) to the same shape.

    Any size will do: inside, zeros at the right and the bottom make it a multiple of `2 ** len(enc_blk_nums)`.

    Args:
        img_channel: channels of the image.
        width: channels at full resolution; each level below doubles them.
        middle_blk_num: blocks at the lowest resolution.
        enc_blk_nums: blocks of each encoder, from full resolution down.
        dec_blk_nums: blocks of each decoder, from the lowest resolution up; as many as encoders.

    Raises:
        OptionError: when the numbers describe no network.
    """

    def __init__(
        self,
        img_channel: int = 3,
        width: int = 16,
        middle_blk_num: int = 1,
        enc_blk_nums: Sequence[int] = (),
        dec_blk_nums: Sequence[int] = (),
    ) -> None:
        super().__init__()
        _check_sizes(img_channel, width, middle_blk_num, enc_blk_nums, dec_blk_nums)
        self.img_channel = img_channel
        self.padder_size = 2 ** len(enc_blk_nums)

        self.intro = nn.Conv2d(img_channel, width, 3, padding=1)
        self.encoders, self.downs = nn.ModuleList(), nn.ModuleList()
        for num in enc_blk_nums:
            self.encoders.append(_stage(width, num))
            self.downs.append(nn.Conv2d(width, 2 * width, 2, stride=2))
            width *= 2

        self.middle_blks = _stage(width, middle_blk_num)

        self.ups, self.decoders = nn.ModuleList(), nn.ModuleList()
        for num in dec_blk_nums:
            self.ups.append(nn.Sequential(nn.Conv2d(width, 2 * width, 1, bias=False), nn.PixelShuffle(2)))
            width //= 2
            self.decoders.append(_stage(width, num))
        self.ending = nn.Conv2d(width, img_channel, 3, padding=1)

    def forward(self, inp: torch.Tensor) -> torch.Tensor:
        if inp.ndim != 4 or inp.shape[1] != self.img_channel:
            expected = f'(N, {self.img_channel}, H, W)'
            raise UserError(
                f'{type(self).__name__}: expected images of shape {expected}, got {tuple(inp.shape)}; '
                'set network_g.img_channel to the channels of the images'
            )
        height, width = inp.shape[-2:]
        inp = F.pad(inp, (0, -width % self.padder_size, 0, -height % self.padder_size))

        x = self.intro(inp)
        skips = []
        for encoder, down in zip(self.encoders, self.downs):
            x = encoder(x)
            skips.append(x)
            x = down(x)

        x = self.middle_blks(x)

        for decoder, up, skip in zip(self.decoders, self.ups, reversed(skips)):
            x = decoder(up(x) + skip)
        return (self.ending(x) + inp)[..., :height, :width]

    def stages(self) -> Iterator[tuple[int, nn.Sequential]]:
        """Yield every run of blocks with its level: its features are `2 ** level` times smaller than the image."""
        depth = len(self.encoders)
        yield from enumerate(self.encoders)
        yield depth, self.middle_blks
        yield from ((depth - 1 - index, decoder) for index, decoder in enumerate(self.decoders))


@ARCH_REGISTRY.register()
class NAFNetLocal(NAFNet):
    """NAFNet whose channel attention averages over windows of 1.5 training crops, not over the whole image.

    A network trained on crops so meets the statistics of crops in a large image too (TLC: Chu et al., "Improving Image
    Restoration by Revisiting Global Information Aggregation", ECCV 2022). The parameters are NAFNet's. So is the output
    for an input that the window covers, such as a training crop; for a larger one it is not, in training mode either.

    Args:
        train_size: (N, C, height, width) of the training crops, of which the first two have no effect.

    Raises:
        OptionError: when the numbers describe no network.
    """

    def __init__(
        self,
        img_channel: int = 3,
        width: int = 16,
        middle_blk_num: int = 1,
        enc_blk_nums: Sequence[int] = (),
        dec_blk_nums: Sequence[int] = (),
        train_size: Sequence[int] = (1, 3, 256, 256),
    ) -> None:
        super().__init__(img_channel, width, middle_blk_num, enc_blk_nums, dec_blk_nums)
        if len(train_size) != 4 or min(train_size) < 1:
            raise OptionError(f'train_size must be [N, C, height, width] of the training crops, got {list(train_size)}')

        for level, stage in self.stages():
            window = tuple(self._window(side, level) for side in train_size[2:])
            for block in stage:
                block.sca[0] = LocalAvgPool2d(window)

    def _window(self, train_side: int, level: int) -> int:
        """Return the window's side in features of a level, rounded as in the official code, so that outputs agree."""
        padded_side = train_side + -train_side % self.padder_size
        return (padded_side >> level) * int(TLC_WINDOW * train_side) // train_side


def _stage(channels: int, num_blocks: int) -> nn.Sequential:
    return nn.Sequential(*(NAFBlock(channels) for _ in range(num_blocks)))


def _check_sizes(
    img_channel: int, width: int, middle_blk_num: int, enc_blk_nums: Sequence[int], dec_blk_nums: Sequence[int]
) -> None:
    if img_channel < 1 or width < 1:
        raise OptionError(f'img_channel and width must be at least 1, got {img_channel} and {width}')
    if len(enc_blk_nums) != len(dec_blk_nums):
        raise OptionError(
            f'enc_blk_nums has {len(enc_blk_nums)} entries and dec_blk_nums {len(dec_blk_nums)}; '
            'give every encoder its decoder: both lists need the same length'
        )
    if min((middle_blk_num, *enc_blk_nums, *dec_blk_nums)) < 0:
        raise OptionError('middle_blk_num, enc_blk_nums and dec_blk_nums count blocks: they must not be negative')
