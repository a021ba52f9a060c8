"""Checks a whole option file before anything is built or read, and fills in every default."""

import re
from collections.abc import Iterable
from typing import Any

from basicsr.utils.errors import OptionError, suggest
from basicsr.utils.legacy import translate_legacy
from basicsr.utils.registry import (
    ARCH_REGISTRY,
    DATASET_REGISTRY,
    LOSS_REGISTRY,
    METRIC_REGISTRY,
    MODEL_REGISTRY,
    OPTIMIZER_REGISTRY,
    SCHEDULER_REGISTRY,
    Registry,
)
from basicsr.utils.run_options import (
    DistOptions,
    LoaderOptions,
    LoggerOptions,
    PathOptions,
    RunOptions,
    TermOptions,
    TrainOptions,
    ValOptions,
)
from basicsr.utils.schema import Path, Problem, check_arguments, check_section, takes_opt
from basicsr.utils.yaml_file import Tree, entry_name

_SECTIONS = {
    'path': PathOptions,
    'train': TrainOptions,
    'val': ValOptions,
    'logger': LoggerOptions,
    'dist_params': DistOptions,
}


def check_options(tree: Tree, source: str, is_train: bool) -> tuple[dict, list[str]]:
    """Check the options of a run and complete them.

    Args:
        source: name of the option file, for messages.

    Returns:
        The complete options, and notes for the log about keys that have no effect or another name.

    Raises:
        OptionError: names every problem with its line.
    """
    return _Check(tree, is_train).run(source)


class _Check:
    """One pass over the options. Problems are collected, never raised on the way."""

    def __init__(self, tree: Tree, is_train: bool) -> None:
        self.tree, self.is_train = tree, is_train
        self.problems: list[Problem] = []
        self.notes: list[str] = []

    def run(self, source: str) -> tuple[dict, list[str]]:
        data = self.tree.data
        model = self.find(MODEL_REGISTRY, data.get('model_type'), ('model_type',)) if 'model_type' in data else None
        third_party = model is not None and model.__module__.split('.')[0] != 'basicsr'
        self.notes, problems = translate_legacy(self.tree, keep_loss_opts=third_party)
        self.problems += problems

        checked = self.sections(data, third_party)
        network = self.component(ARCH_REGISTRY, data.get('network_g'), ('network_g',))
        datasets = self.datasets(data.get('datasets'))
        train = self.train(data.get('train')) if self.is_train else {}
        metrics = self.metrics(data.get('val'))

        self.raise_problems(source)
        checked |= {'network_g': network, 'datasets': datasets}
        if self.is_train:
            checked['train'] |= train
        if checked.get('val') and metrics:
            checked['val']['metrics'] = metrics
        return checked, self.notes

    def sections(self, data: dict, third_party: bool) -> dict:
        """Check the top level and the sections below it."""
        # A third-party model may read keys of its own; they cannot be checked.
        top, unchecked = self.split_unknown(RunOptions, data, (), third_party)
        checked = self.collect(check_section(RunOptions, top, ())) or {}
        for key, section in _SECTIONS.items():
            value = data.get(key)
            if key == 'train' and (not self.is_train or value is None):
                if self.is_train:
                    self.problems.append((('train',), 'is required'))
                checked[key] = None
                continue
            if key == 'val' and value is None:
                checked[key] = None if self.is_train else ValOptions().model_dump()
                continue
            if value is not None and not isinstance(value, dict):
                self.problems.append(((key,), 'expected a section of keys'))
                continue
            known, extra = self.split_unknown(section, value or {}, (key,), third_party)
            checked[key] = (self.collect(check_section(section, known, (key,))) or {}) | extra
        return checked | unchecked

    def split_unknown(self, section: type, value: dict, path: Path, third_party: bool) -> tuple[dict, dict]:
        if not third_party:
            return value, {}
        known = {k: v for k, v in value.items() if k in section.model_fields}
        extra = {k: v for k, v in value.items() if k not in known}
        self.notes += [f'{_dotted(path + (key,))} is passed to the model unchecked' for key in extra]
        return known, extra

    def datasets(self, datasets: Any) -> dict:
        result = {}
        for key, options in datasets.items() if isinstance(datasets, dict) else ():
            path = ('datasets', key)
            if self.is_train and str(key) != 'train' and str(key).split('_')[0] != 'val':
                self.problems.append(
                    (path, "expected 'train', or a key that starts with 'val'" + suggest(key, ['train', 'val']))
                )
            elif isinstance(options, dict):
                result[key] = self.dataset(str(key), options, path)
        if self.is_train and isinstance(datasets, dict) and 'train' not in datasets:
            self.problems.append((('datasets', 'train'), 'is required'))
        return result

    def dataset(self, key: str, options: dict, path: Path) -> dict:
        dataset = self.find(DATASET_REGISTRY, options.get('type'), path + ('type',)) if 'type' in options else None
        section = getattr(dataset, 'Options', None)
        own = {k: v for k, v in options.items() if k not in LoaderOptions.model_fields}
        loader = {k: v for k, v in options.items() if k not in own}
        if section is None and dataset is not None and not takes_opt(dataset):
            checked = self.collect(check_arguments(dataset, own, path))
        elif section is None:
            checked = own
            if own and dataset is not None:
                self.notes.append(f'{_dotted(path)}: the keys of {dataset.__name__} are passed on unchecked')
        else:
            # One message for an unknown key should suggest from both sets of keys.
            typos = [k for k in own if k not in section.model_fields]
            known = [*section.model_fields, *LoaderOptions.model_fields]
            self.problems += [(path + (k,), 'unknown key' + suggest(k, known)) for k in typos]
            checked = self.collect(check_section(section, {k: v for k, v in own.items() if k not in typos}, path))
            if key == 'train' and checked is not None and checked.get('gt_size', 0) is None:
                self.problems.append((path + ('gt_size',), 'is required for training: the side of the square patches'))
        loader = self.collect(check_section(LoaderOptions, loader, path)) or {}
        return {**loader, 'name': loader.get('name') or key, **(checked or {})}

    def train(self, train: Any) -> dict:
        if not isinstance(train, dict):
            return {}
        options = train.get('scheduler', {'type': 'Constant'})
        scheduler = self.component(SCHEDULER_REGISTRY, options, ('train', 'scheduler'), skip=1)
        scheduler.pop('last_epoch', None)  # where it stands is up to the run, not to the file
        return {
            'losses': self.losses(train.get('losses')),
            'optim_g': self.component(OPTIMIZER_REGISTRY, train.get('optim_g'), ('train', 'optim_g'), skip=1),
            'scheduler': scheduler,
        }

    def losses(self, losses: Any) -> list[dict]:
        path = ('train', 'losses')
        if not isinstance(losses, list):
            return []
        if not losses:
            self.problems.append((path, 'is empty: nothing to train on'))
        checked = [self.term(entry, path + (index,)) for index, entry in enumerate(losses)]
        first = {}
        for index, entry in enumerate(losses):
            name = entry_name(entry)
            if name is not None and name in first:
                other = _dotted(path + (first[name],))
                self.problems.append(
                    (path + (index,), f"is called '{name}', as is {other}: give one of them another `name`")
                )
            first.setdefault(name, index)
        return checked

    def term(self, entry: Any, path: Path) -> dict:
        if not isinstance(entry, dict):
            self.problems.append((path, 'expected a loss: {type: ..., loss_weight: ...}'))
            return {}
        own = {k: v for k, v in entry.items() if k not in TermOptions.model_fields}
        common = {k: v for k, v in entry.items() if k not in own}
        common = self.collect(check_section(TermOptions, common, path)) or {}
        arguments = {}
        if 'type' in entry:
            arguments = self.component(
                LOSS_REGISTRY, {'type': entry['type'], **own}, path, also_known=TermOptions.model_fields
            )
        # The objective multiplies by the weight, which may change with the iteration.
        return {**arguments, **common, 'name': entry_name(entry)}

    def metrics(self, val: Any) -> dict:
        metrics = val.get('metrics') if isinstance(val, dict) else None
        result = {}
        for label, options in metrics.items() if isinstance(metrics, dict) else ():
            path = ('val', 'metrics', label)
            if not isinstance(options, dict):
                continue
            own = {k: v for k, v in options.items() if k != 'better'}
            if options.get('better', 'higher') not in ('higher', 'lower'):
                self.problems.append((path + ('better',), f"{options['better']!r} is not one of 'higher', 'lower'"))
            result[label] = {**self.component(METRIC_REGISTRY, own, path, skip=2)}
            if 'better' in options:
                result[label]['better'] = options['better']
        return result

    def component(
        self, registry: Registry, options: Any, path: Path, skip: int = 0, also_known: Iterable[str] = ()
    ) -> dict:
        """Check `{type: ..., argument: ...}` against the signature of what `type` names."""
        if not isinstance(options, dict):
            return {}
        if options.get('type') is None:
            self.problems.append((path + ('type',), 'is required'))
            return {}
        component = self.find(registry, options['type'], path + ('type',))
        if component is None:
            return {}
        arguments = {k: v for k, v in options.items() if k != 'type'}
        checked = self.collect(check_arguments(component, arguments, path, skip, also_known)) or {}
        return {'type': options['type'], **checked}

    def find(self, registry: Registry, name: Any, path: Path) -> Any:
        if not isinstance(name, str):
            self.problems.append((path, f'expected the name of a class, got {name!r}'))
            return None
        try:
            return registry.get(name)
        except OptionError as error:
            self.problems.append((path, str(error)))
            return None

    def collect(self, result: tuple[dict | None, list[Problem]]) -> dict | None:
        self.problems += result[1]
        return result[0]

    def raise_problems(self, source: str) -> None:
        rows = [(mark, _dotted(path), message) for path, message, mark in self.tree.problems]
        rows += [(self.tree.mark(path), _dotted(path), message) for path, message in self.problems]
        rows = sorted(dict.fromkeys(rows), key=_file_order)
        if rows:
            width = max(len(mark) for mark, _, _ in rows)
            lines = [f'  {mark:<{width}}  {path}: {message}' for mark, path, message in rows]
            raise OptionError('\n'.join([f'{source}: {len(rows)} problem{"s" * (len(rows) > 1)}', *lines]))


def _dotted(path: Path) -> str:
    """Return a path as people write it: `train.losses[0].type`."""
    text = ''.join(f'[{part}]' if isinstance(part, int) else f'.{part}' for part in path)
    return text.lstrip('.') or 'top level'


def _file_order(row: tuple[str, str, str]) -> tuple:
    line = re.search(r'(\d+)$', row[0])
    return (row[0].rstrip('0123456789'), int(line.group()) if line else 0, row[1])
