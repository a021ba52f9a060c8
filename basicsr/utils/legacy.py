"""Keys of BasicSR's and NAFNet's option files that are spelt differently here, or that have no effect, and what we say of each."""

import fnmatch
from collections.abc import Callable

from basicsr.utils.schema import Problem
from basicsr.utils.yaml_file import Tree

_STREAM = 'has no effect: the stream of training samples is endless and always shuffled'
_TILES = 'has no effect: images are validated whole'
_LOADER = 'has no effect: workers persist, and the next batches are always read ahead'
_FILLED_IN = 'is filled in by the program, and cannot be given'
_LIST = 'is not supported: list your terms under `train.losses`'

# Pattern of a dotted path -> why the key has no effect. `*` stands for one part.
NO_EFFECT = {
    'crop_border': 'has no effect at the top level: give it to a metric',
    'suffix': 'has no effect at the top level: write `val.suffix`',
    'save_img': 'has no effect at the top level: write `val.save_img`',
    'tile': _TILES,
    'network_d': 'has no effect: no discriminator is trained',
    'datasets.*.phase': 'has no effect: it follows from the key of the set',
    'datasets.*.use_shuffle': f'never had an effect in BasicSR, and {_STREAM}',
    'datasets.*.dataset_enlarge_ratio': _STREAM,
    'datasets.*.prefetch_mode': _LOADER,
    'datasets.*.num_prefetch_queue': _LOADER,
    'datasets.*.persistent_workers': _LOADER,
    'path.root': 'has no effect: the root is the folder of the project',
    'path.pretrain_network_d': 'has no effect: no discriminator is trained',
    'path.param_key_d': 'has no effect: no discriminator is trained',
    'path.strict_load_d': 'has no effect: no discriminator is trained',
    'train.optim_d': 'has no effect: no discriminator is trained',
    'val.rgb2bgr': 'has no effect: pictures are written with their colours in the right order',
    'val.max_minibatch': _TILES,
    'val.grids': _TILES,
    'val.crop_size_h': _TILES,
    'val.crop_size_w': _TILES,
    'val.crop_size_h_ratio': _TILES,
    'val.crop_size_w_ratio': _TILES,
    'val.trans_num': 'never had an effect in NAFNet',
    'val.window_size': 'has no effect: networks pad their input themselves',
    'val.key_metric': 'has no effect: the best value of every metric is logged',
    'logger.wandb': 'has no effect: use `wandb sync` on the TensorBoard folder',
}

# Pattern -> (new key, conversion of the value).
RENAMED: dict[str, tuple[str, Callable]] = {
    'datasets.*.use_flip': ('use_hflip', bool),
    'path.param_key': ('param_key_g', lambda key: key),
    'path.strict_load': ('strict_load_g', bool),
    'path.pretrain_network': ('pretrain_network_g', lambda path: path),
}

# Pattern -> why a run with this key cannot be what its author meant. Only if the value is not empty, zero or false.
REFUSED = {
    'train.gan_opt': 'is not supported: ImageRestorationModel and SRModel train without a discriminator',
    'train.ldl_opt': _LIST,
    'train.mixup': 'is not supported; NAFNet itself has no such method',
    'train.mixing_augs': 'is not supported',
    'datasets.*.mini_batch_sizes': 'is not supported: patches keep one size',
    'datasets.*.gt_sizes': 'is not supported: patches keep one size',
    'datasets.*.iters': 'is not supported: patches keep one size',
    'val.use_chop': 'is not supported: images are validated whole',
    'val.selfensemble_testing': 'is not supported',
    **dict.fromkeys(('rank', 'world_size', 'dist', 'is_train', 'auto_resume', 'root_path'), _FILLED_IN),
}


def translate_legacy(tree: Tree, keep_loss_opts: bool = False) -> tuple[list[str], list[Problem]]:
    """Rewrite the legacy keys of `tree` in place.

    Args:
        keep_loss_opts: leave `pixel_opt` and `perceptual_opt` beside the entries made of them, for a third-party model.

    Returns:
        Notes for the log, one per key, and problems.
    """
    notes, problems = [], []
    for path in list(_paths(tree.data, ())):
        _translate_key(tree, path, notes, problems)
    _translate_augmentation(tree, notes)
    train = tree.data.get('train')
    if isinstance(train, dict):
        _translate_clipping(tree, train, notes)
        _translate_losses(tree, train, notes, problems, keep_loss_opts)
    return notes, problems


def _paths(node: object, path: tuple):
    """Yield the paths of all keys down to the third level, where the legacy keys are."""
    if isinstance(node, dict) and len(path) < 3:
        for key, value in node.items():
            yield path + (key,)
            yield from _paths(value, path + (key,))


def _find(table: dict, path: tuple):
    """Return the table's value for a path, or None; patterns have as many parts as the path."""
    dotted = '.'.join(map(str, path))
    for pattern, value in table.items():
        if pattern.count('.') == len(path) - 1 and fnmatch.fnmatchcase(dotted, pattern):
            return value
    return None


def _section(tree: Tree, path: tuple) -> dict:
    node = tree.data
    for part in path:
        node = node[part]
    return node


def _translate_key(tree: Tree, path: tuple, notes: list[str], problems: list[Problem]) -> None:
    section, key = _section(tree, path[:-1]), path[-1]
    dotted = '.'.join(map(str, path))
    why = _find(REFUSED, path)
    if why is not None:
        value = section.pop(key)
        asks_for_nothing = not value or (isinstance(value, dict) and not value.get('mixup', True))
        if not asks_for_nothing:
            problems.append((path, why))
        return

    renamed = _find(RENAMED, path)
    if renamed is not None:
        new_key, convert = renamed
        notes.append(f'{dotted} is called {new_key} here')
        section.setdefault(new_key, convert(section.pop(key)))
        tree.move(path, path[:-1] + (new_key,))
        return

    why = _find(NO_EFFECT, path)
    if why is not None:
        value = section.pop(key)
        said_nothing = value is None or (isinstance(value, dict) and not any(value.values()))
        if not said_nothing:
            notes.append(f'{dotted} {why}')


def _translate_augmentation(tree: Tree, notes: list[str]) -> None:
    """Restormer's `geometric_augs` is flips and rotations in one switch."""
    datasets = tree.data.get('datasets')
    for phase, options in datasets.items() if isinstance(datasets, dict) else ():
        if isinstance(options, dict) and 'geometric_augs' in options:
            value = options.pop('geometric_augs')
            options.setdefault('use_hflip', value)
            options.setdefault('use_rot', value)
            notes.append(f'datasets.{phase}.geometric_augs is called use_hflip and use_rot here')


def _translate_clipping(tree: Tree, train: dict, notes: list[str]) -> None:
    if 'use_grad_clip' not in train:
        return
    clip = {'type': 'norm', 'max_norm': 0.01} if train.pop('use_grad_clip') else {'type': 'none'}
    train.setdefault('grad_clip', clip)
    tree.move(('train', 'use_grad_clip'), ('train', 'grad_clip'))
    notes.append(f'train.use_grad_clip is called grad_clip here: {train["grad_clip"]}')


def _translate_losses(tree: Tree, train: dict, notes: list[str], problems: list[Problem], keep: bool) -> None:
    """`pixel_opt` and `perceptual_opt` become the entries `pix` and `percep`."""
    old = {key: name for key, name in (('pixel_opt', 'pix'), ('perceptual_opt', 'percep')) if train.get(key)}
    if old and train.get('losses') is not None and not keep:
        for key in old:
            del train[key]
            problems.append((('train', key), 'stands beside `losses`: move it into the list'))
        return
    losses = []
    for key, name in old.items():
        losses.append({'name': name, **train[key]})
        tree.move(('train', key), ('train', 'losses', len(losses) - 1))
        notes.append(f"train.{key} is the entry '{name}' of train.losses here")
    for key in ('pixel_opt', 'perceptual_opt'):
        if not keep:
            train.pop(key, None)
    if losses:
        train.setdefault('losses', losses)
