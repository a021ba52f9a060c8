"""A trained network out of a file: its architecture, its weights, and what the pictures it sees must look like."""

import dataclasses
from pathlib import Path
from typing import Any

from torch import nn

from basicsr.archs import build_network
from basicsr.archs.nafnet_weights import infer_nafnet
from basicsr.engine.checkpoint import load_file, misfits, select_weights
from basicsr.utils.errors import CheckpointError, OptionError
from basicsr.utils.yaml_file import read_tree


@dataclasses.dataclass
class Pretrained:
    """A trained network, on the CPU and in evaluation mode.

    Attributes:
        network_g: its `type` and arguments.
        scale: size of the output over the size of the input.
        mean: what the dataset subtracted from each channel of the input, in [0, 1]; None for nothing.
        std: what it divided by; None for nothing.
        source: where the architecture was found, and which weights were taken, for the log.
    """

    net: nn.Module
    network_g: dict
    scale: int
    mean: list[float] | None
    std: list[float] | None
    source: str


def load_pretrained(
    weights: str | Path, opt: str | Path | None = None, key: str = 'auto', local: int | None = None
) -> Pretrained:
    """Load a network.

    Its architecture is that of the option file `opt`; without one, of the `resolved.yml` in the run folder that the
    weights lie in; without that, what the shapes of the weights say, for NAFNet.

    Args:
        weights: `.pth` as BasicSR writes it, a bare state dict, or `.safetensors`.
        key: key of the weights in the file; see `select_weights`.
        local: side of the training crops, to run a NAFNet as NAFNetLocal; 0 takes it from the option file.

    Raises:
        CheckpointError: no such weights, or they do not fit.
        OptionError: the option file holds no network that can be built.
    """
    weights = Path(weights)
    state, taken = select_weights(load_file(weights), key, str(weights), '--key')
    file = Path(opt) if opt is not None else _resolved_beside(weights)
    options = _read_options(file) if file is not None else {}
    network_g = options.get('network_g') or {'type': 'NAFNet', **_inferred(state, weights)}
    if local is not None:
        network_g = _made_local(network_g, local or _crop_size(options), file)

    net = build_network(network_g)
    problems = misfits(state, net)
    if problems:
        shown = '\n    '.join(problems[:5] + ['...'] * (len(problems) > 5))
        raise CheckpointError(f'{weights} does not fit the {type(net).__name__} of {file}:\n    {shown}')
    net.load_state_dict(state)
    train = _training_set(options)
    return Pretrained(
        net=net.eval().requires_grad_(False),
        network_g=network_g,
        scale=options.get('scale') or 1,
        mean=train.get('mean'),
        std=train.get('std'),
        source=f"architecture from {file or 'the shapes of the weights'}, weights '{taken}'",
    )


def _resolved_beside(weights: Path) -> Path | None:
    """Return the complete options of the run that wrote the weights, if they are where a run leaves them."""
    folders = [weights.resolve().parent, weights.resolve().parent.parent]
    return next((folder / 'resolved.yml' for folder in folders if (folder / 'resolved.yml').is_file()), None)


def _read_options(file: Path) -> dict:
    """Read an option file for its network alone: what it says of data and training is not checked here."""
    tree = read_tree(file)
    for path, message, where in tree.problems:
        raise OptionError(f'{file}: {where}: {".".join(map(str, path))}: {message}')
    network_g = tree.data.get('network_g')
    if not isinstance(network_g, dict) or not isinstance(network_g.get('type'), str):
        raise OptionError(f'{file}: network_g: expected the network with its `type`, as in an option file for training')
    scale = tree.data.get('scale', 1)
    if not isinstance(scale, int) or scale < 1:
        raise OptionError(f'{file}: scale: expected a whole number from 1 on, got {scale!r}')
    if _training_set(tree.data).get('color') == 'y':
        raise OptionError(f'{file}: the network was trained on luma alone (`color: y`), which is not supported here')
    return tree.data


def _training_set(options: dict) -> dict[str, Any]:
    datasets = options.get('datasets')
    train = datasets.get('train') if isinstance(datasets, dict) else None
    return train if isinstance(train, dict) else {}


def _crop_size(options: dict) -> int | None:
    size = _training_set(options).get('gt_size')
    return size // (options.get('scale') or 1) if isinstance(size, int) else None


def _inferred(state: dict, weights: Path) -> dict:
    try:
        return infer_nafnet(state)
    except CheckpointError as error:
        raise CheckpointError(f'{weights}: {error}.\nGive the option file of its training: --opt FILE.yml') from None


def _made_local(network_g: dict, crop: int | None, file: Path | None) -> dict:
    if network_g['type'] not in ('NAFNet', 'NAFNetLocal'):
        raise OptionError(f'--local is for NAFNet; this network is a {network_g["type"]}')
    if crop is None:
        where = f'{file} does not say' if file else 'there is no option file that says'
        raise OptionError(f'--local: {where} how large the training crops were: give their side, such as --local 256')
    channels = network_g.get('img_channel', 3)
    return {**network_g, 'type': 'NAFNetLocal', 'train_size': [1, channels, crop, crop]}
