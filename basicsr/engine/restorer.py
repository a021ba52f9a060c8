"""Runs a trained network on images of any size: whole where memory allows it, else tile by tile."""

import contextlib
import logging

import torch
from torch import nn

from basicsr.engine.memory import fits_in_memory, is_out_of_memory
from basicsr.engine.tiling import check_tiles, global_layers, last_output, tiled
from basicsr.utils.errors import DataError, UserError

# Sides that are tried, the largest first.
TILE_SIZES = (2048, 1536, 1024, 768, 512, 384, 256, 128, 64)
_OVERLAP = 64
# Below this, an image is not worth asking how much memory it takes.
_SMALL = 256 * 256


class Restorer:
    """A network with its device, precision and tiles; call it with an image.

    Args:
        net: in evaluation mode, on its device.
        scale: size of the output over the size of the input.
        dtype: float32, or float16 or bfloat16 for mixed precision.
        tile: side of the tiles; 0 runs every image whole; None tiles the images that do not fit into free memory.
        overlap: pixels that neighbouring tiles share at least. None: the window of a network with local averages, 64
            for others, and less where tiles are too small for that.
        mean, std: what the input is normalised with, per channel; the output is brought back.
    """

    def __init__(
        self,
        net: nn.Module,
        scale: int = 1,
        dtype: torch.dtype = torch.float32,
        tile: int | None = None,
        overlap: int | None = None,
        mean: list[float] | None = None,
        std: list[float] | None = None,
    ) -> None:
        if overlap is not None:
            check_tiles(tile or TILE_SIZES[0], overlap)
        self.net = net.to(memory_format=torch.channels_last)
        self.device = next((p.device for p in net.parameters()), torch.device('cpu'))
        self.scale, self.dtype, self.tile, self.overlap = scale, dtype, tile, overlap
        self.wanted_overlap = max(_window(net), _OVERLAP) if overlap is None else overlap
        self.mean = None if mean is None else torch.tensor(mean).view(-1, 1, 1)
        self.std = None if std is None else torch.tensor(std).view(-1, 1, 1)
        # The largest tile that memory has not yet refused; None while it has refused nothing.
        self.limit: int | None = None
        self.told: set[str] = set()

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """Restore an image: float32 (1, C, H, W) in [0, 1] -> (1, C, H * scale, W * scale), clamped to [0, 1].

        Raises:
            DataError: the network gives NaN or infinity.
            UserError: memory is too small for the smallest tile, or the output is not `scale` times the input.
        """
        image = image if self.mean is None else image - self.mean
        image = image if self.std is None else image / self.std
        result = self._run_within_memory(image)
        result = result if self.std is None else result * self.std
        result = result if self.mean is None else result + self.mean

        if not torch.isfinite(result).all():
            advice = '' if self.dtype == torch.float32 else ', in half precision'
            raise DataError(f'the network gives NaN or infinity for it{advice}')
        return result.clamp(0, 1)

    def _run_within_memory(self, image: torch.Tensor) -> torch.Tensor:
        """Run with the largest tiles that memory allows; take smaller ones when it runs out after all."""
        size = self._choose_tile(image)
        while True:
            try:
                return self._run(image, size)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            if self.device.type == 'cuda':
                torch.cuda.empty_cache()
            self.limit = size = self._next_smaller(size or max(image.shape[-2:]))
            self._tell(f'out of memory: goes on with tiles of {size} pixels')

    def _choose_tile(self, image: torch.Tensor) -> int:
        """Return the side of the tiles for an image; 0 for none."""
        height, width = image.shape[-2:]
        if self.limit is not None:
            size = min(self.tile or self.limit, self.limit)
        elif self.tile is not None:
            size = self.tile
        elif height * width <= _SMALL or fits_in_memory(self.net, tuple(image.shape), self.dtype):
            size = 0
        else:
            sides = self._sides()
            shapes = ((1, image.shape[1], side, side) for side in sides)
            fits = (fits_in_memory(self.net, shape, self.dtype) for shape in shapes)
            size = next((side for side, is_fine in zip(sides, fits) if is_fine), sides[-1])
        return 0 if size >= max(height, width) else size

    def _next_smaller(self, size: int) -> int:
        smaller = next((side for side in self._sides() if side < size), None)
        if smaller is None:
            raise UserError(f'the memory of {self.device} is too small even for tiles of {size} pixels')
        return smaller

    def _sides(self) -> list[int]:
        """Return the sides that tiles may have, the largest first."""
        return [side for side in TILE_SIZES if self.overlap is None or side > 2 * self.overlap]

    def _run(self, image: torch.Tensor, size: int) -> torch.Tensor:
        half = self.dtype != torch.float32
        with torch.autocast(self.device.type, self.dtype) if half else contextlib.nullcontext():
            if size:
                overlap = min(self.wanted_overlap, (size - 1) // 2)
                self._warn_of_tiles(size, overlap)
                return tiled(self.net, image, size, overlap, self.scale)
            with torch.inference_mode():
                whole = image.to(self.device).contiguous(memory_format=torch.channels_last)
                result = last_output(self.net(whole)).float().cpu()
        if tuple(result.shape[-2:]) != tuple(side * self.scale for side in image.shape[-2:]):
            raise UserError(
                f'the network turns {tuple(image.shape[-2:])} pixels into {tuple(result.shape[-2:])}, which is not '
                f'scale {self.scale}: give the option file of its training'
            )
        return result

    def _warn_of_tiles(self, size: int, overlap: int) -> None:
        """Say when tiles change the result."""
        layers = global_layers(self.net)
        if layers:
            self._tell(
                f'tiles of {size} pixels: {len(layers)} layers of this network average over the whole image, the first '
                f'is {layers[0]}, so tiles change the result; NAFNet depends far less on them with --local. '
                'See docs/inference.md'
            )
        elif overlap < self.wanted_overlap:
            self._tell(
                f'tiles of {size} pixels share {overlap}, not {self.wanted_overlap}: the result may differ from that '
                'of the whole image by more than 1/255'
            )

    def _tell(self, text: str) -> None:
        """Log a warning once."""
        if text not in self.told:
            self.told.add(text)
            logging.getLogger('basicsr').warning(text)


def _window(net: nn.Module) -> int:
    """Return the side of the largest local average in a network, in pixels of the image; 0 without any."""
    windows = (getattr(module, 'window', None) for module in net.modules())
    return max((max(window) for window in windows if isinstance(window, tuple)), default=0)
