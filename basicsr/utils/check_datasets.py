"""Checks the sets of an option file: each by its type, mixtures by their entries."""

from typing import Any

from basicsr.utils.checker import Checker, dotted, options_section
from basicsr.utils.errors import OptionError, suggest
from basicsr.utils.explain import Path, describe
from basicsr.utils.option_tree import Tree, entry_name
from basicsr.utils.registry import DATASET_REGISTRY, DEGRADATION_REGISTRY
from basicsr.utils.run_options import DegradationOptions, LoaderOptions, MixOptions
from basicsr.utils.schema import check_section, takes_opt


class DatasetChecker(Checker):
    """Checks `datasets`."""

    def __init__(self, tree: Tree, is_train: bool) -> None:
        super().__init__(tree)
        self.is_train = is_train

    def foreign_sets(self, datasets: Any) -> list:
        """Return the keys of the sets whose type is a client's class that takes one `opt`."""
        foreign = []
        for key, options in datasets.items() if isinstance(datasets, dict) else ():
            name = options.get('type') if isinstance(options, dict) else None
            dataset = self.find(DATASET_REGISTRY, name, ('datasets', key, 'type'))
            if dataset is not None and takes_opt(dataset) and options_section(dataset) is None:
                foreign.append(key)
        return foreign

    def datasets(self, datasets: Any) -> dict:
        result = {}
        names: dict[str, Any] = {}
        for key, options in datasets.items() if isinstance(datasets, dict) else ():
            path = ('datasets', key)
            if not isinstance(key, str) or not isinstance(options, dict):
                continue
            if self.is_train and key != 'train' and key.split('_')[0] != 'val':
                self.problems.append((path, "expected 'train', 'val' or 'val_<name>'"))
                continue
            result[key] = (self.mixture if options.get('mix') is not None else self.dataset)(key, options, path)
            name = result[key]['name']
            if key != 'train' and name in names:
                self.problems.append((path, f'is called {name!r}, as is {dotted(names[name])}: give it another `name`'))
            names |= {name: path} if key != 'train' else {}
        if self.is_train and isinstance(datasets, dict) and 'train' not in datasets:
            self.problems.append((('datasets', 'train'), 'is required'))
        return result

    def dataset(self, key: str, options: dict, path: Path) -> dict:
        dataset = self.find(DATASET_REGISTRY, options.get('type'), path + ('type',))
        own = {k: v for k, v in options.items() if k not in LoaderOptions.model_fields}
        loader = {k: v for k, v in options.items() if k not in own}
        loader = self.collect(check_section(LoaderOptions, loader, path)) or {}
        checked = own if dataset is None else self.dataset_arguments(dataset, own, path)
        if key == 'train' and self.is_train and checked is not None and checked.get('gt_size', 0) is None:
            self.problems.append((path + ('gt_size',), 'is required for training: the side of the square patches'))
        if checked and isinstance(checked.get('degradations'), list):
            checked['degradations'] = self.degradations(checked['degradations'], path + ('degradations',))
        return {**loader, 'name': loader.get('name') or key, **(checked or {})}

    def mixture(self, key: str, options: dict, path: Path) -> dict:
        """Check a set that is a mixture: what its entries do not give, they have from the set itself.

        A key that is for some entries alone (`dataroot_lq`, where others make their inputs) goes to these.
        """
        shared = {k: v for k, v in options.items() if k not in ('mix', 'name')}
        of_loader = {k: v for k, v in shared.items() if k in LoaderOptions.model_fields}
        result = self.collect(check_section(LoaderOptions, {'type': 'MixedDataset', **of_loader}, path)) or {}
        if key != 'train':
            self.problems.append((path + ('mix',), 'is for training: validate on each set by itself, as `val_<name>`'))

        entries, names = [], []
        given = options['mix'] if isinstance(options['mix'], list) else []
        keys_of_entries = [_keys_of({**shared, **entry}) for entry in given if isinstance(entry, dict)]
        for index, entry in enumerate(given):
            where = path + ('mix', index)
            if not isinstance(entry, dict):
                self.problems.append((where, f'expected a set: {{name: ..., weight: ..., ...}}, got {describe(entry)}'))
                continue
            common = {k: entry[k] for k in MixOptions.model_fields if k in entry}
            common = self.collect(check_section(MixOptions, common, where)) or {}
            keys = _keys_of({**shared, **entry})
            of_others = set().union(*keys_of_entries) - keys if keys else ()
            inherited = {k: v for k, v in shared.items() if k not in of_others}
            entries.append({**self.inheriting(key, inherited, entry, path, where), **common})
            names.append(common.get('name'))
        repeated = sorted({name for name in names if name and names.count(name) > 1})
        if repeated or not names:
            message = f'two entries are called {repeated[0]!r}' if repeated else 'expected a list of sets'
            self.problems.append((path + ('mix',), message))
        return {**shared, **result, 'name': options.get('name') or key, 'mix': entries}

    def inheriting(self, key: str, shared: dict, entry: dict, path: Path, where: Path) -> dict:
        """Check an entry of a mixture; a problem with an inherited key is one of the set it comes from."""
        already, self.problems = self.problems, []
        own = {k: v for k, v in entry.items() if k not in MixOptions.model_fields}
        checked = self.dataset(key, {**shared, **own}, where)
        inherited = {where + (k,): path + (k,) for k in shared.keys() - own}
        depth = len(where) + 1
        found = [(inherited.get(p[:depth], p[:depth]) + p[depth:], message) for p, message in self.problems]
        self.problems = already + found
        return checked

    def degradations(self, entries: list, path: Path) -> list[dict]:
        """Check the list that makes inputs of targets: the contract is that of `train.losses`."""
        checked, names = [], []
        for index, entry in enumerate(entries):
            where = path + (index,)
            if not isinstance(entry, dict):
                self.problems.append((where, f'expected a degradation: {{type: ..., ...}}, got {describe(entry)}'))
                continue
            own = {k: v for k, v in entry.items() if k == 'type' or k not in DegradationOptions.model_fields}
            common = {k: v for k, v in entry.items() if k in DegradationOptions.model_fields}
            common = self.collect(check_section(DegradationOptions, common, where)) or {}
            known = DegradationOptions.model_fields
            component = self.component(DEGRADATION_REGISTRY, own, where, filled=('img',), also_known=known)
            name = entry_name(entry)
            if name in names:
                self.problems.append((where, f"is called '{name}', as is an entry before it: give it another `name`"))
            names.append(name)
            checked.append({**common, **component, 'name': name})
            self.try_degradation(component, where)
        return checked

    def dataset_arguments(self, dataset: Any, own: dict, path: Path) -> dict | None:
        """Check the keys of a set that belong to its type."""
        section = options_section(dataset)
        if section is not None:
            # One message for an unknown key should suggest from both sets of keys.
            typos = [k for k in own if k not in section.model_fields]
            known = [*section.model_fields, *LoaderOptions.model_fields]
            self.problems += [(path + (k,), 'unknown key' + suggest(k, known)) for k in typos]
            return self.collect(check_section(section, {k: v for k, v in own.items() if k not in typos}, path))
        if not takes_opt(dataset):
            return self.arguments(dataset, own, path, also_known=LoaderOptions.model_fields)
        if own:
            self.notes.append(f'{dotted(path)}: the keys of {dataset.__name__} are passed on unchecked')
        return own

    def try_degradation(self, options: dict, path: Path) -> None:
        """Build a degradation: its constructor knows which ranges make sense."""
        if not options or any(where[: len(path)] == path for where, _ in self.problems):
            return
        try:
            DEGRADATION_REGISTRY.get(options['type'])(**{k: v for k, v in options.items() if k != 'type'})
        except ValueError as error:
            self.problems.append((path, f'{options["type"]}: {error}'))


def _keys_of(options: dict) -> set[str]:
    """Return the keys that the type of a set declares; nothing for one that does not tell."""
    try:
        section = options_section(DATASET_REGISTRY.get(options['type']))
    except (KeyError, TypeError, OptionError):  # said where the set is checked
        return set()
    return set() if section is None else set(section.model_fields)
