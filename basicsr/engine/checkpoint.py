"""Weights and training states on disk: written whole or not at all, read without running code."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import torch

from basicsr.utils.errors import CheckpointError


def save_atomic(data: Any, path: str | Path) -> None:
    """Write `data` so that `path` is, at any moment, the old file or the complete new one.

    Args:
        path: `*.safetensors` takes a state dict and writes that format; other names, anything that torch.save takes.

    Raises:
        CheckpointError: the file cannot be written, or holds NaN or infinity.
    """
    path = Path(path)
    name = next(nonfinite_tensors(data), None)
    if name is not None:
        raise CheckpointError(
            f'{path.name} is not written: {name} holds NaN or infinity; the last checkpoint before it is good'
        )
    partial = path.with_name(f'{path.name}.partial.{os.getpid()}')
    try:
        with open(partial, 'wb') as file:
            _serialize(data, path, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
        _sync_folder(path.parent)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
        raise CheckpointError(f'{path}: cannot be written: {error}') from error
    finally:
        partial.unlink(missing_ok=True)


def _serialize(data: Any, path: Path, file: BinaryIO) -> None:
    if path.suffix != '.safetensors':
        torch.save(data, file)
        return
    # Tensors that share memory, or are strided, are no error here: each is written by itself.
    file.write(_safetensors(path).save({name: value.contiguous().clone() for name, value in data.items()}))


def _safetensors(path: Path) -> Any:
    """Import the optional package for safetensors files."""
    try:
        import safetensors.torch
    except ImportError:
        raise CheckpointError(
            f'{path}: needs the package safetensors: pip install "basicsr[safetensors]", or safetensors itself'
        ) from None
    return safetensors.torch


def _sync_folder(folder: Path) -> None:
    """Make a rename outlast a power failure, where folders can be opened for that."""
    if os.name == 'posix':
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sweep_partial(folder: str | Path) -> None:
    """Remove what writes that were killed left in `folder`."""
    for partial in Path(folder).glob('*.partial.*'):
        partial.unlink(missing_ok=True)


def nonfinite_tensors(data: Any, name: str = '') -> Iterator[str]:
    """Yield the names of the floating-point tensors in nested containers that hold NaN or infinity."""
    if isinstance(data, torch.Tensor):
        if data.is_floating_point() and not torch.isfinite(data).all():
            yield name
    elif isinstance(data, dict | list | tuple):
        for key, value in data.items() if isinstance(data, dict) else enumerate(data):
            yield from nonfinite_tensors(value, f'{name}.{key}'.lstrip('.'))


def load_file(path: str | Path) -> Any:
    """Read a file of torch.save, or a safetensors file by its ending, onto the CPU. Never runs code that it holds.

    Raises:
        CheckpointError: there is no such file, it is damaged, or it holds more than tensors and plain values.
    """
    if not Path(path).is_file():
        raise CheckpointError(f'{path}: no such file')
    if Path(path).suffix == '.safetensors':
        return _load_safetensors(Path(path))
    try:
        return torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:  # torch raises a dozen types for damaged and foreign files
        foreign = re.search(r'GLOBAL (\S+)', str(error))
        if foreign:
            raise CheckpointError(f'{path}: is not read: it would run code, {foreign[1]}, to restore objects') from None
        reason = str(error).partition('\n')[0].partition('. ')[0] or type(error).__name__
        raise CheckpointError(f'{path}: is damaged, or no file of torch.save: {reason}') from None


def _load_safetensors(path: Path) -> dict[str, torch.Tensor]:
    reader = _safetensors(path)
    try:
        return reader.load_file(path)
    except Exception as error:  # its own error type is no part of what the package promises
        raise CheckpointError(f'{path}: is damaged, or no safetensors file: {error}') from None


def select_weights(
    data: Any, key: str | None, path: str, option: str = 'path.param_key_g'
) -> tuple[dict[str, torch.Tensor], str]:
    """Pick the state dict out of a weights file, without `module.` prefixes.

    Args:
        key: key of the weights; `auto` takes `params_ema` if present, else `params`, else the file itself; None takes
            the file itself.
        option: what messages call the place where the user gives the key.

    Returns:
        The state dict, and what was taken: a key, or `the file itself`.
    """
    layouts = [k for k, v in data.items() if _is_weights(v)] if isinstance(data, dict) else []
    if not layouts and not _is_weights(data):
        raise CheckpointError(f'{path}: holds no weights')
    if key == 'auto':
        key = next((k for k in ('params_ema', 'params') if k in layouts), None)
    elif key is not None and key not in data and 'params' in layouts:
        key = 'params'  # BasicSR's fall-back
    if key not in layouts and not (key is None and _is_weights(data)):
        place = 'at its top level' if key is None else f"at the key '{key}'"
        choices = ', '.join(map(str, layouts)) or '~ (the file itself)'
        raise CheckpointError(f'{path}: holds no weights {place}; set {option} to one of: {choices}')
    weights = data if key is None else data[key]
    return {name.removeprefix('module.'): value for name, value in weights.items()}, key or 'the file itself'


def _is_weights(data: Any) -> bool:
    return (
        isinstance(data, dict)
        and len(data) > 0
        and all(isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in data.items())
    )


def misfits(weights: dict[str, torch.Tensor], net: torch.nn.Module) -> list[str]:
    """Return one line per tensor that is missing, superfluous or of another shape."""
    own = net.state_dict()
    lines = [f'{name}: missing in the file' for name in own if name not in weights]
    lines += [f'{name}: not in the network' for name in weights if name not in own]
    for name in own:
        if name in weights and own[name].shape != weights[name].shape:
            lines.append(f'{name}: {tuple(weights[name].shape)} in the file, {tuple(own[name].shape)} in the network')
    return lines


def load_weights(net: torch.nn.Module, path: str, key: str | None, strict: bool) -> tuple[str, list[str]]:
    """Load weights into `net`.

    Returns:
        What was taken (see `select_weights`), and the lines of `misfits`, empty if everything fitted.

    Raises:
        CheckpointError: nothing fits, or something does not and `strict` is true.
    """
    weights, taken = select_weights(load_file(path), key, path)
    problems = misfits(weights, net)
    own = net.state_dict()
    fitting = {name: value for name, value in weights.items() if name in own and own[name].shape == value.shape}
    if problems and (strict or not fitting):
        shown = '\n    '.join(problems[:5] + ['...'] * (len(problems) > 5))
        advice = '; set path.strict_load_g: false to load the rest' if fitting else ''
        raise CheckpointError(
            f'{path} does not fit {type(net).__name__}: {len(fitting)} of {len(own)} tensors fit{advice}\n    {shown}'
        )
    net.load_state_dict(fitting, strict=False)
    return taken, problems
