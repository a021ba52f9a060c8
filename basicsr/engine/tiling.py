"""Networks on images that do not fit into memory: overlapping tiles, blended.

Tiles are spread evenly, so that neighbours share at least `overlap` pixels. The central third of what two share is a
linear cross-fade; outside it one tile alone counts. So nothing nearer than a third of the overlap to an inner border of
a tile is used, and a network whose receptive field reaches no further gives what it gives for the whole image.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import nn

from basicsr.utils.errors import UserError

# Part of what two tiles share over which one fades into the other.
_FADE = 1 / 3


class Tile(NamedTuple):
    """Rows and columns of the input that a tile covers, and its number in either direction."""

    row: int
    column: int
    rows: slice
    columns: slice


def tiled(
    net: nn.Module,
    image: torch.Tensor,
    size: int,
    overlap: int = 64,
    scale: int = 1,
    batch: int = 1,
    align: int | None = None,
) -> torch.Tensor:
    """Run a network tile by tile, without gradients: (N, C, H, W) -> (N, C', H * scale, W * scale) in float32.

    Tiles go to the network's device one batch after the other; input and result stay on the image's.

    Args:
        size: side of the tiles in pixels of the input, rounded up to a multiple of `align`.
        overlap: pixels that neighbours share at least; below half of `size`.
        scale: size of the output over the size of the input.
        batch: tiles that run at once.
        align: tiles start at multiples of this. A network that strides gives for a tile what it gives for the whole
            image only then; by default its `padder_size`, if it has one. Tiles at the right and the bottom are up to
            `align - 1` pixels smaller when the image is no multiple of it.

    Raises:
        UserError: `size` and `overlap` make no tiles, or the output is not `scale` times the input.
    """
    align = align or getattr(net, 'padder_size', 1)
    check_tiles(size, overlap)
    height, width = image.shape[-2:]
    tiles = list(lay_tiles(height, width, size, overlap, align))
    row_weights = blending_weights(height, _starts(height, size, overlap, align), _side(size, align), scale)
    column_weights = blending_weights(width, _starts(width, size, overlap, align), _side(size, align), scale)

    device = next((p.device for p in net.parameters()), image.device)
    result = None
    for group in _batches(tiles, batch):
        inputs = torch.cat([image[..., tile.rows, tile.columns] for tile in group]).to(device)
        with torch.inference_mode():
            outputs = last_output(net(inputs))
        _check_scale(inputs, outputs, scale)

        if result is None:
            result = torch.zeros(len(image), outputs.shape[1], height * scale, width * scale, device=image.device)
        for tile, output in zip(group, outputs.float().to(image.device).chunk(len(group))):
            rows, columns = _scaled(tile.rows, scale), _scaled(tile.columns, scale)
            weight = row_weights[tile.row][rows, None] * column_weights[tile.column][None, columns]
            result[..., rows, columns] += output * weight.to(image.device)
    return result


def last_output(output: torch.Tensor | list | tuple) -> torch.Tensor:
    """Return the image that a network gives, which is the last one where it returns several."""
    return output[-1] if isinstance(output, list | tuple) else output


def check_tiles(size: int, overlap: int) -> None:
    """Raise UserError unless tiles of `size` that share `overlap` pixels advance."""
    if size < 1 or overlap < 0 or 2 * overlap >= size:
        raise UserError(
            f'tiles of {size} pixels with an overlap of {overlap}: the overlap must be at least 0 and below half of '
            'the size'
        )


def lay_tiles(height: int, width: int, size: int, overlap: int, align: int = 1) -> Iterator[Tile]:
    """Yield the tiles of an image, row by row."""
    side = _side(size, align)
    for row, top in enumerate(_starts(height, size, overlap, align)):
        for column, left in enumerate(_starts(width, size, overlap, align)):
            rows, columns = slice(top, min(top + side, height)), slice(left, min(left + side, width))
            yield Tile(row, column, rows, columns)


def blending_weights(length: int, starts: list[int], size: int, scale: int = 1) -> torch.Tensor:
    """Return the weight of each tile at each output pixel along one side: (tiles, length * scale), summing to one."""
    positions = (torch.arange(length * scale, dtype=torch.float64) + 0.5) / scale
    reached = [torch.ones_like(positions)]
    for start, previous in zip(starts[1:], starts):
        shared = previous + size - start
        middle, half = start + shared / 2, max(shared * _FADE / 2, 1e-6)
        reached.append(((positions - (middle - half)) / (2 * half)).clamp(0, 1))
    reached.append(torch.zeros_like(positions))

    # What fades in at the next tile fades out here, so the sum is one by construction.
    faded = torch.stack(reached)
    return (faded[:-1] - faded[1:]).float()


def _side(size: int, align: int) -> int:
    return math.ceil(size / align) * align


def _starts(length: int, size: int, overlap: int, align: int) -> list[int]:
    """Return where tiles start along a side: evenly spread, at multiples of `align`, the last one reaching the end."""
    side = _side(size, align)
    spare = (_side(length, align) - side) // align
    if spare <= 0:
        return [0]
    steps = math.ceil(spare / max((side - overlap) // align, 1))
    return [index * spare // steps * align for index in range(steps + 1)]


def _batches(tiles: list[Tile], batch: int) -> Iterator[list[Tile]]:
    """Yield runs of at most `batch` tiles of equal size."""
    group: list[Tile] = []
    for tile in tiles:
        if group and (len(group) == batch or _shape(tile) != _shape(group[0])):
            yield group
            group = []
        group.append(tile)
    yield group


def _shape(tile: Tile) -> tuple[int, int]:
    return tile.rows.stop - tile.rows.start, tile.columns.stop - tile.columns.start


def _scaled(part: slice, scale: int) -> slice:
    return slice(part.start * scale, part.stop * scale)


def _check_scale(inputs: torch.Tensor, outputs: torch.Tensor, scale: int) -> None:
    expected = (inputs.shape[-2] * scale, inputs.shape[-1] * scale)
    if tuple(outputs.shape[-2:]) != expected:
        raise UserError(
            f'the network turns {tuple(inputs.shape[-2:])} pixels into {tuple(outputs.shape[-2:])}, not into '
            f'{expected}: it does not fit scale {scale}'
        )


def global_layers(net: nn.Module) -> list[str]:
    """Return the names of the layers whose output at one pixel depends on the whole image: tiles change it."""
    pools = (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.InstanceNorm2d, nn.GroupNorm)
    return [name for name, module in net.named_modules() if isinstance(module, pools)]
