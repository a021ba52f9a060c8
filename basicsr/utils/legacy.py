"""Keys of BasicSR's and NAFNet's option files that have another name here, or no effect, and what we say of each."""

from collections.abc import Collection
from typing import Any

from basicsr.utils.explain import Problem
from basicsr.utils.option_tree import Tree

_STREAM = 'has no effect: the stream of training samples is endless and always shuffled'
_TILES = 'has no effect at the top level: write `val.tile: {size: 512, overlap: 64}`'
_RATIO = 'has no effect: give the size of tiles in pixels, `val.tile: {size: 512, overlap: 64}`'
_LOADER = 'has no effect: workers persist, and the next batches are always read ahead'
_DISCRIMINATOR = 'has no effect: no discriminator is trained'
_FILLED_IN = 'is filled in by the program, and cannot be given'
_LIST = 'is not supported: list your terms under `train.losses`'
_PATCHES = 'is not supported: patches keep one size'

# Pattern of a dotted path -> why the key has no effect. `*` stands for one part.
NO_EFFECT = {
    'crop_border': 'has no effect at the top level: give it to a metric',
    'suffix': 'has no effect at the top level: write `val.suffix`',
    'save_img': 'has no effect at the top level: write `val.save_img`',
    'tile': _TILES,
    'network_d': _DISCRIMINATOR,
    'datasets.*.phase': 'has no effect: it follows from the key of the set',
    'datasets.*.use_shuffle': f'never had an effect in BasicSR, and {_STREAM}',
    'datasets.*.dataset_enlarge_ratio': _STREAM,
    'datasets.*.prefetch_mode': _LOADER,
    'datasets.*.num_prefetch_queue': _LOADER,
    'datasets.*.persistent_workers': _LOADER,
    'path.root': 'has no effect: the root is the folder of the project',
    'path.pretrain_network_d': _DISCRIMINATOR,
    'path.param_key_d': _DISCRIMINATOR,
    'path.strict_load_d': _DISCRIMINATOR,
    'train.optim_d': _DISCRIMINATOR,
    'train.net_d_iters': _DISCRIMINATOR,
    'train.net_d_init_iters': _DISCRIMINATOR,
    'val.rgb2bgr': 'has no effect: pictures are written with their colours in the right order',
    'val.max_minibatch': 'has no effect: tiles run one by one',
    'val.crop_size_h_ratio': _RATIO,
    'val.crop_size_w_ratio': _RATIO,
    'val.trans_num': 'never had an effect in NAFNet',
    'val.window_size': 'has no effect: networks pad their input themselves',
    'logger.wandb': 'has no effect: use `wandb sync` on the TensorBoard folder',
}

# Pattern -> the names that the key has here.
RENAMED = {
    'datasets.*.use_flip': ('use_hflip',),
    'datasets.*.geometric_augs': ('use_hflip', 'use_rot'),
    'path.param_key': ('param_key_g',),
    'path.strict_load': ('strict_load_g',),
    'path.pretrain_network': ('pretrain_network_g',),
}

# Pattern -> why a run with this key cannot be what its author meant. Only if the value is not empty, zero or false.
REFUSED = {
    'train.gan_opt': 'is not supported: ImageRestorationModel and SRModel train without a discriminator',
    'train.mixup': 'is not supported, nor has NAFNet such a method: write `datasets.train.mixup`',
    'datasets.*.mini_batch_sizes': _PATCHES,
    'datasets.*.gt_sizes': _PATCHES,
    'datasets.*.iters': _PATCHES,
    'val.use_chop': 'is not supported: write `val.tile: {size: 512, overlap: 64}`',
    'val.selfensemble_testing': 'is not supported',
    **dict.fromkeys(('rank', 'world_size', 'dist', 'is_train', 'auto_resume', 'root_path'), _FILLED_IN),
}

# What is rewritten by more than a new name: path -> what becomes of it, for the documentation.
REWRITTEN = {
    'train.use_grad_clip': 'true: `grad_clip: {type: norm, max_norm: 0.01}`, as in NAFNet; false: none',
    'train.mixing_augs': 'becomes `datasets.train.mixup`; with `use_identity`, `prob: 0.5`',
    'val.grids': 'becomes `val.tile`, whose `size` is that of `crop_size_h` and `crop_size_w`',
    'val.crop_size_h': 'see `val.grids`',
    'val.crop_size_w': 'see `val.grids`',
}

# Key under `train` -> name of the entry of `train.losses` that it becomes.
LOSS_OPTS = {'pixel_opt': 'pix', 'perceptual_opt': 'percep'}


def translate_legacy(
    tree: Tree, third_party: bool = False, foreign_sets: Collection[str] = ()
) -> tuple[list[str], list[Problem]]:
    """Rewrite the legacy keys of `tree` in place.

    Args:
        third_party: the model is a client's, and may read BasicSR's keys itself: they stay where they are, and the
            entries of `train.losses` made of `pixel_opt` and `perceptual_opt` stand beside them.
        foreign_sets: keys of the sets whose type is a client's; the same holds for their augmentations.

    Returns:
        Notes for the log, one per key, and problems.
    """
    translation = _Translation(tree, third_party, foreign_sets)
    translation.section(tree.data, ())
    train = tree.data.get('train')
    if isinstance(train, dict):
        translation.clipping(train)
        translation.mixing(train)
        translation.losses(train)
    translation.grids()
    return translation.notes, translation.problems


class _Translation:
    """One pass over the options."""

    def __init__(self, tree: Tree, third_party: bool, foreign_sets: Collection[str]) -> None:
        self.tree, self.third_party, self.foreign_sets = tree, third_party, foreign_sets
        self.notes: list[str] = []
        self.problems: list[Problem] = []

    def section(self, section: dict, path: tuple) -> None:
        """Translate the keys of a section and of those below it, down to the third level, where the last ones are."""
        for key in list(section):
            where = path + (key,)
            self.key(section, key, where)
            if isinstance(section.get(key), dict) and len(where) < 3:
                self.section(section[key], where)

    def key(self, section: dict, key: Any, path: tuple) -> None:
        dotted = '.'.join(map(str, path))
        of_model = self.third_party and path[0] not in ('datasets', 'logger')
        of_dataset = path[0] == 'datasets' and len(path) > 1 and path[1] in self.foreign_sets
        refused = _find(REFUSED, path)
        if refused is not None and (refused == _FILLED_IN or not (of_model or of_dataset)):
            value = section.pop(key)
            if value:
                self.problems.append((path, refused))
        elif (new_keys := _find(RENAMED, path)) is not None and not of_dataset:
            self.rename(section, key, path, new_keys)
        elif (why := _find(NO_EFFECT, path)) is not None and not of_model:
            value = section.pop(key)
            asks_for_nothing = value is None or (isinstance(value, dict) and not any(value.values()))
            if not asks_for_nothing:
                self.notes.append(f'{dotted} {why}')

    def rename(self, section: dict, key: Any, path: tuple, new_keys: tuple[str, ...]) -> None:
        twins = [new_key for new_key in new_keys if new_key in section]
        value = section.pop(key)
        if twins:
            self.problems.append((path, f'is an old name of `{twins[0]}`, which is given too: remove one of them'))
            return
        mark = self.tree.mark(path)
        for new_key in new_keys:
            section[new_key] = value
            self.tree.marks[path[:-1] + (new_key,)] = mark
        self.notes.append(f'{".".join(map(str, path))} is called {" and ".join(new_keys)} here')

    def clipping(self, train: dict) -> None:
        """NAFNet's switch clips to a norm of 0.01, a number that stands in its code."""
        if 'use_grad_clip' not in train:
            return
        value = train['use_grad_clip'] if self.third_party else train.pop('use_grad_clip')
        where = ('train', 'use_grad_clip')
        if not isinstance(value, bool):
            self.problems.append((where, f'expected true or false, got {value!r}'))
        elif 'grad_clip' in train:
            self.problems.append((where, 'is an old name of `grad_clip`, which is given too: remove one of them'))
        else:
            train['grad_clip'] = {'type': 'norm', 'max_norm': 0.01} if value else {'type': 'none'}
            self.tree.marks['train', 'grad_clip'] = self.tree.mark(where)
            self.notes.append(f'train.use_grad_clip is called grad_clip here: {train["grad_clip"]}')

    def mixing(self, train: dict) -> None:
        """Restormer's mixup stands under `train`; with `use_identity` it leaves half of the batches alone."""
        where, sets = ('train', 'mixing_augs'), self.tree.data.get('datasets')
        options = train.get('mixing_augs')
        if self.third_party or 'mixing_augs' not in train:
            return
        del train['mixing_augs']
        train_set = sets.get('train') if isinstance(sets, dict) else None
        if not isinstance(options, dict) or not options.get('mixup') or not isinstance(train_set, dict):
            return
        if 'mixup' in train_set:
            self.problems.append((where, 'is an old name of `datasets.train.mixup`, which is given too'))
            return
        prob = 0.5 if options.get('use_identity') else 1.0
        train_set['mixup'] = {'prob': prob, 'beta': options.get('mixup_beta', 1.2)}
        self.tree.marks['datasets', 'train', 'mixup'] = self.tree.mark(where)
        self.notes.append(f'train.mixing_augs is called datasets.train.mixup here: {train_set["mixup"]}')

    def grids(self) -> None:
        """NAFNet's `grids` cuts crops of `crop_size_h` x `crop_size_w`, and averages where they overlap."""
        val = self.tree.data.get('val')
        if self.third_party or not isinstance(val, dict) or not {'grids', 'crop_size_h', 'crop_size_w'} & val.keys():
            return
        is_on, *sides = (val.pop(key, None) for key in ('grids', 'crop_size_h', 'crop_size_w'))
        sides = [side for side in sides if isinstance(side, int) and side > 2]
        where = ('val', 'grids')
        if not is_on:
            return
        if val.get('tile') is not None:
            self.problems.append((where, 'is an old name of `tile`, which is given too: remove one of them'))
        elif sides:
            size = max(sides)
            val['tile'] = {'size': size, 'overlap': min(64, (size - 1) // 2)}
            self.tree.marks['val', 'tile'] = self.tree.mark(where)
            self.notes.append(f'val.grids is called tile here: {val["tile"]}')
        else:
            self.notes.append(f'val.grids {_RATIO}')

    def losses(self, train: dict) -> None:
        """`pixel_opt` and `perceptual_opt` become the entries `pix` and `percep`; every fork has more `<x>_opt`."""
        old = {key: train[key] for key in LOSS_OPTS if train.get(key) is not None}
        if not self.third_party:
            for key in [key for key in train if str(key).endswith('_opt')]:
                if train.pop(key) and key not in LOSS_OPTS:
                    self.problems.append((('train', key), _LIST))
        if not old or (train.get('losses') is not None and self.third_party):
            return

        entries = []
        for key, options in old.items():
            where = ('train', key)
            if train.get('losses') is not None:
                self.problems.append((where, 'stands beside `losses`: move it into the list'))
            elif not isinstance(options, dict):
                self.problems.append((where, f'expected a loss: {{type: ..., loss_weight: ...}}, got {options!r}'))
            else:
                self.tree.move(where, ('train', 'losses', len(entries)))
                entries.append({'name': LOSS_OPTS[key], **options})
                self.notes.append(f"train.{key} is the entry '{LOSS_OPTS[key]}' of train.losses here")
        train.setdefault('losses', entries)
        if train['losses'] is None:
            train['losses'] = entries


def _find(table: dict, path: tuple) -> Any:
    """Return the table's value for a path, or None."""
    for pattern, value in table.items():
        parts = pattern.split('.')
        if len(parts) == len(path) and all(part in ('*', key) for part, key in zip(parts, path)):
            return value
    return None
