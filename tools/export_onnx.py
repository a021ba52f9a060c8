"""From a network to an ONNX file of any image size, checked with onnxruntime."""

import copy
import inspect
import os
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import nn

from basicsr.archs.local_pool import LocalAvgPool2d
from basicsr.engine.tiling import last_output
from basicsr.utils.errors import UserError

# The first version with LayerNormalization; every runtime of the last years reads it.
_OPSET = 17


class TraceableLocalPool(nn.Module):
    """LocalAvgPool2d without a decision that depends on the size of the image, which a trace would freeze."""

    def __init__(self, window: tuple[int, int]) -> None:
        super().__init__()
        self.window = window

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for dim, side in zip((-2, -1), self.window):
            # While tracing, a size is a tensor that the graph computes.
            length = torch.as_tensor(x.shape[dim])
            size = torch.minimum(torch.as_tensor(side), length)
            start = torch.arange(x.shape[dim]) - torch.div(size - 1, 2, rounding_mode='floor')
            start = torch.minimum(start.clamp(min=0), length - size)

            sums = x.cumsum(dim)
            sums = torch.cat((torch.zeros_like(sums.narrow(dim, 0, 1)), sums), dim)
            x = (sums.index_select(dim, start + size) - sums.index_select(dim, start)) / size
        return x


class _LastOutput(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return last_output(self.net(image))


def export_onnx(net: nn.Module, path: Path, channels: int, size: int, tolerance: float) -> list[tuple[tuple, float]]:
    """Write a network on the CPU as ONNX: `image` (N, C, H, W) -> `result`, with N, H and W free. It is checked first.

    Args:
        size: side of the image that is traced, and about that of those that are checked.
        tolerance: largest difference from PyTorch, in units of the largest output where that is above 1.

    Returns:
        The shapes that were checked, with the largest absolute difference of each.

    Raises:
        UserError: a package is missing, the network cannot be exported, or the file gives other results.
    """
    _import_packages()
    partial = path.with_name(f'.{path.name}.partial.{os.getpid()}')
    try:
        _trace(net, partial, channels, size)
        differences = _compare(net, partial, _shapes_to_check(net, channels, size), tolerance)
        os.replace(partial, path)
    except OSError as error:
        raise UserError(f'{path}: cannot be written: {error.strerror}') from None
    finally:
        partial.unlink(missing_ok=True)
    return differences


def _import_packages() -> None:
    try:
        import onnx  # noqa: F401  (PyTorch's exporter needs it)
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise UserError(f'{error}; ONNX files need more packages: pip install "basicsr[onnx]"') from None


def _trace(net: nn.Module, path: Path, channels: int, size: int) -> None:
    net = _LastOutput(_traceable(net)).eval()
    free = {0: 'n', 2: 'h', 3: 'w'}
    options = {'dynamo': False} if 'dynamo' in inspect.signature(torch.onnx.export).parameters else {}
    with warnings.catch_warnings(), torch.no_grad():
        # Of the tracer, about checks of the input; and that there is a newer exporter, which needs more packages.
        warnings.simplefilter('ignore')
        try:
            torch.onnx.export(
                net,
                (torch.rand(1, channels, size, size),),
                str(path),
                input_names=['image'],
                output_names=['result'],
                dynamic_axes={'image': free, 'result': free},
                opset_version=_OPSET,
                **options,
            )
        except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
            reason = str(error).partition('\n')[0]
            raise UserError(f'PyTorch cannot export this network to ONNX: {reason}') from None


def _traceable(net: nn.Module) -> nn.Module:
    net = copy.deepcopy(net)
    for module in list(net.modules()):
        for name, child in module.named_children():
            if isinstance(child, LocalAvgPool2d):
                setattr(module, name, TraceableLocalPool(child.window))
    return net


def _shapes_to_check(net: nn.Module, channels: int, size: int) -> list[tuple[int, int, int, int]]:
    """Return shapes that tell: the traced one, odd ones, and one that is larger than any window of local averages."""
    window = max((max(m.window) for m in net.modules() if isinstance(m, LocalAvgPool2d)), default=0)
    large = max(window, size) + 21
    return [(1, channels, size, size), (2, channels, size // 2 + 1, 35), (1, channels, large, window + 13)]


def _compare(
    net: nn.Module, path: Path, shapes: list[tuple[int, int, int, int]], tolerance: float
) -> list[tuple[tuple, float]]:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    generator = torch.Generator().manual_seed(0)
    differences = []
    for shape in shapes:
        image = torch.rand(shape, generator=generator)
        with torch.inference_mode():
            expected = last_output(net(image)).numpy()
        result = session.run(None, {'image': image.numpy()})[0]
        if result.shape != expected.shape:
            raise UserError(f'for {shape} the ONNX file gives {result.shape}, PyTorch {expected.shape}')
        difference = float(np.abs(result - expected).max())
        allowed = tolerance * max(1.0, float(np.abs(expected).max()))
        if not difference <= allowed:
            raise UserError(
                f'for {shape} the ONNX file differs from PyTorch by {difference:.1e}, more than {allowed:.1e}: it is '
                'not written'
            )
        differences.append((shape, difference))
    return differences
