"""Where the weights of VGG features come from."""

import http.client
import logging
import os
import pickle
import re
import urllib.request
from pathlib import Path

import torch
from torch import Tensor, nn

from basicsr.utils.errors import CheckpointError, OptionError, UserError, suggest

PRETRAINED_FOLDER = Path('experiments/pretrained_models')
_RANDOM_SEED = 0


def load_vgg_weights(vgg_type: str, weights: str = 'pretrained') -> dict[str, Tensor]:
    """Return the convolutional part (`features.*`) of a torchvision VGG's state dict; draws no global random numbers.

    Args:
        weights:
            pretrained: torchvision's file, from `experiments/pretrained_models` below the working directory, else from
                torch.hub's cache, else downloaded into that cache.
            auto: the same, but random with a warning where the file is not at hand and its server is out of reach.
            random: from a fixed seed.
            anything else: path of a torchvision state dict, bare or under `state_dict` or `params`.

    Raises:
        UserError: when pretrained weights cannot be had; the message says which file to put where.
        CheckpointError: for a file that is not a state dict of this network.
    """
    logger = logging.getLogger('basicsr')
    if weights == 'pretrained':
        return _read_features(_find_or_download(vgg_type, timeout=30), vgg_type)
    if weights == 'auto':
        try:
            return _read_features(_find_or_download(vgg_type, timeout=5), vgg_type)
        except DownloadError as error:
            logger.warning(
                'RANDOM %s weights: the pretrained ones cannot be had, and `weights: auto` goes on without them. The '
                'perceptual term still acts, but comparisons with other runs mean little.\n%s',
                vgg_type,
                error,
            )
            return _random_features(vgg_type)
    if weights == 'random':
        logger.info('%s has random weights (seed %d), as asked for by `weights: random`.', vgg_type, _RANDOM_SEED)
        return _random_features(vgg_type)
    if not os.path.isfile(weights):
        keywords = ('pretrained', 'auto', 'random')
        raise OptionError(
            f'VGG weights {weights!r} are neither a file (looked for at {os.path.abspath(weights)}) nor one of '
            f'{", ".join(keywords)}{suggest(weights, keywords)}'
        )
    return _read_features(Path(weights), vgg_type)


class DownloadError(UserError):
    """Pretrained weights are neither on this machine nor within its reach."""


def torchvision_model(vgg_type: str) -> nn.Module:
    """torchvision's network without memory behind its parameters: nothing is allocated, nothing drawn."""
    vgg = _import_vgg()
    with torch.random.fork_rng(devices=[]), torch.device('meta'):
        return getattr(vgg, vgg_type)(weights=None, init_weights=False)


def _import_vgg():
    try:
        from torchvision.models import vgg
    except ImportError as error:
        raise UserError(f'VGG features need torchvision, which cannot be imported: {error}') from error
    return vgg


def _find_or_download(vgg_type: str, timeout: float) -> Path:
    url = getattr(_import_vgg(), f'{vgg_type.upper()}_Weights').DEFAULT.url
    file_name = url.rsplit('/', 1)[-1]
    local, cached = PRETRAINED_FOLDER / file_name, Path(torch.hub.get_dir()) / 'checkpoints' / file_name
    for path in (local, cached):
        if path.is_file():
            return path
    try:
        _download(url, cached, timeout)
    except (OSError, RuntimeError, http.client.HTTPException) as error:
        raise DownloadError(
            f'The pretrained weights of {vgg_type} are not on this machine and cannot be downloaded ({error}).\n'
            f'Download {url}\nand put it at {local.absolute()}\nor {cached}.\n'
            'Or train without them: `weights: random`, or `weights: auto` to use them only where they can be had.'
        ) from error
    return cached


def _download(url: str, path: Path, timeout: float) -> None:
    """Download to `path` and check the hash in its name, if the server answers at all within `timeout` seconds."""
    with urllib.request.urlopen(urllib.request.Request(url, method='HEAD'), timeout=timeout):
        pass
    logging.getLogger('basicsr').info('Downloading %s to %s', url, path)
    path.parent.mkdir(parents=True, exist_ok=True)
    digest = re.search(r'-([0-9a-f]{8,})\.', path.name).group(1)
    torch.hub.download_url_to_file(url, str(path), hash_prefix=digest, progress=False)


def _read_features(path: Path, vgg_type: str) -> dict[str, Tensor]:
    try:
        state = torch.load(path, map_location='cpu', weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise CheckpointError(f'{path}: cannot be read as {vgg_type} weights: {error}') from error
    for key in ('state_dict', 'params'):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict):
        raise CheckpointError(f'{path}: holds a {type(state).__name__}, not the state dict of {vgg_type}')

    expected = _expected_features(vgg_type)
    missing = [key for key in expected if key not in state and not key.endswith('num_batches_tracked')]
    if missing:
        raise CheckpointError(f'{path}: not the weights of {vgg_type}; missing keys: {", ".join(missing)}')
    misfits = [key for key, tensor in expected.items() if key in state and state[key].shape != tensor.shape]
    if misfits:
        raise CheckpointError(f'{path}: not the weights of {vgg_type}; other shapes: {", ".join(misfits)}')
    return {key: state.get(key, torch.tensor(0)) for key in expected}


def _expected_features(vgg_type: str) -> dict[str, Tensor]:
    """Names and shapes, without values."""
    state = torchvision_model(vgg_type).state_dict()
    return {key: tensor for key, tensor in state.items() if key.startswith('features.')}


def _random_features(vgg_type: str) -> dict[str, Tensor]:
    """Weights as torchvision initialises them, from a generator of their own with a fixed seed."""
    features = torchvision_model(vgg_type).features.to_empty(device='cpu')
    generator = torch.Generator().manual_seed(_RANDOM_SEED)
    for layer in features:
        if isinstance(layer, nn.Conv2d):
            # K. He et al., "Delving deep into rectifiers" (2015), equation 14: variance 2 / fan-out.
            fan_out = layer.out_channels * layer.kernel_size[0] * layer.kernel_size[1]
            layer.weight.data.normal_(0, (2 / fan_out) ** 0.5, generator=generator)
            layer.bias.data.zero_()
        elif isinstance(layer, nn.BatchNorm2d):
            layer.reset_parameters()
    return {f'features.{key}': tensor for key, tensor in features.state_dict().items()}
