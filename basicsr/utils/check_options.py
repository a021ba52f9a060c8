"""Checks a whole option file before anything is built or read, and fills in every default."""

from typing import Any

from basicsr.utils.check_datasets import DatasetChecker
from basicsr.utils.check_validation import ValidationChecker
from basicsr.utils.checker import dotted
from basicsr.utils.explain import Path, describe
from basicsr.utils.legacy import translate_legacy
from basicsr.utils.option_tree import Tree, entry_name
from basicsr.utils.registry import (
    ARCH_REGISTRY,
    LOSS_REGISTRY,
    MODEL_REGISTRY,
    OPTIMIZER_REGISTRY,
    SCHEDULER_REGISTRY,
)
from basicsr.utils.run_options import (
    SECTIONS,
    RunOptions,
    TermOptions,
    start_contradiction,
)
from basicsr.utils.schema import check_section
from basicsr.utils.weight_schedule import breakpoints, weight_at


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


class _Check(DatasetChecker, ValidationChecker):
    """One pass over the options of a run."""

    def run(self, source: str) -> tuple[dict, list[str]]:
        data = self.tree.data
        if not self.is_train:  # a training option file will do for a test
            data.pop('train', None)
        self.drop_empty(data)
        model = self.find(MODEL_REGISTRY, data.get('model_type'), ('model_type',))
        third_party = model is not None and not MODEL_REGISTRY.is_own(model)
        notes, problems = translate_legacy(self.tree, third_party, self.foreign_sets(data.get('datasets')))
        self.notes += notes
        self.problems += problems

        checked = self.sections(data, third_party)
        checked['network_g'] = self.component(ARCH_REGISTRY, data.get('network_g'), ('network_g',))
        checked['datasets'] = self.datasets(data.get('datasets'))
        if checked['train'] and checked['path']:
            contradiction = start_contradiction(checked['train'].get('mode'), checked['path'])
            if contradiction:
                self.problems.append((('train', 'mode'), contradiction))
        if checked['train'] is not None:
            checked['train'] |= self.train(data['train'], checked['train'], third_party)
        if checked['val'] is not None:
            checked['val'] |= self.metrics(data.get('val'))
            self.names_of_metrics(checked['val'], checked['datasets'])

        self.raise_problems(source)
        self.note_contradictions(checked)
        return checked, self.notes

    def drop_empty(self, data: dict) -> None:
        """Take out what stands there without a value: sections, sets and metrics, which `~` removes."""
        val = data.get('val')
        parts = [(data, SECTIONS), (data.get('datasets'), None)]
        parts += [(val.get('metrics'), None)] if isinstance(val, dict) else []
        for section, keys in parts:
            if isinstance(section, dict):
                for key in [k for k, value in section.items() if value is None and (keys is None or k in keys)]:
                    del section[key]

    def sections(self, data: dict, third_party: bool) -> dict:
        """Check the top level and the sections below it."""
        # A third-party model may read keys of its own; they cannot be checked.
        known, unchecked = self.split_unknown(RunOptions, data, (), third_party)
        checked = self.collect(check_section(RunOptions, known, ())) or {}
        for key, section in SECTIONS.items():
            value = data.get(key)
            if value is None and (key == 'train' or (key == 'val' and self.is_train)):
                checked[key] = None
            elif value is None or isinstance(value, dict):
                known, extra = self.split_unknown(section, value or {}, (key,), third_party)
                if key == 'train' and third_party:  # its objective may be its own
                    known.setdefault('losses', [])
                checked[key] = (self.collect(check_section(section, known, (key,))) or {}) | extra
            else:
                checked[key] = {}
        if self.is_train and 'train' not in data:
            self.problems.append((('train',), 'is required'))
        return checked | unchecked

    def split_unknown(self, section: type, value: dict, path: Path, third_party: bool) -> tuple[dict, dict]:
        """Split off the keys that only a third-party model can know."""
        known = {k: v for k, v in value.items() if k in section.model_fields or not third_party}
        extra = {k: v for k, v in value.items() if k not in known}
        self.notes += [f'{dotted(path + (key,))} is passed to the model unchecked' for key in extra]
        return known, extra

    def train(self, options: Any, checked: dict, third_party: bool) -> dict:
        if not isinstance(options, dict):
            return {}
        import torch

        path = ('train', 'optim_g')
        optimizer = self.component(OPTIMIZER_REGISTRY, options.get('optim_g'), path, filled=('params',))
        schedule = options.get('scheduler', {'type': 'Constant'})
        # Where a schedule stands is up to the run, not to the file; its length can be that of the run.
        filled = ('optimizer', 'last_epoch')
        scheduler = self.component(SCHEDULER_REGISTRY, schedule, ('train', 'scheduler'), filled=filled)
        if 'total_iter' in scheduler and scheduler['total_iter'] is None:
            scheduler['total_iter'] = checked.get('total_iter', 1)

        # Both are tried out on one number, here, where a mistake still has a line.
        number = torch.zeros(1, 1, requires_grad=True)
        tried = self.try_out(OPTIMIZER_REGISTRY, optimizer, [number], ('train', 'optim_g'))
        tried = torch.optim.SGD([number], lr=1.0) if tried is None else tried
        self.try_out(SCHEDULER_REGISTRY, scheduler, tried, ('train', 'scheduler'))

        losses = [] if third_party and 'losses' not in options else self.losses(options.get('losses'))
        self.weights(losses, options)
        return {'losses': losses, 'optim_g': optimizer, 'scheduler': scheduler}

    def losses(self, losses: Any) -> list[dict]:
        path = ('train', 'losses')
        if not isinstance(losses, list):
            return []
        if not losses:
            self.problems.append((path, 'is empty: nothing to train on'))
        checked = [self.term(entry, path + (index,)) for index, entry in enumerate(losses)]
        first: dict[str, int] = {}
        for index, entry in enumerate(losses):
            name = entry_name(entry)
            if name is not None and name in first:
                other = dotted(path + (first[name],))
                self.problems.append(
                    (path + (index,), f"is called '{name}', as is {other}: give one of them another `name`")
                )
            elif name == 'total':
                self.problems.append(
                    (path + (index,), "is called 'total', as is the sum in the log: name it otherwise")
                )
            first.setdefault(name, index)
        return checked

    def term(self, entry: Any, path: Path) -> dict:
        if not isinstance(entry, dict):
            self.problems.append((path, f'expected a loss: {{type: ..., loss_weight: ...}}, got {describe(entry)}'))
            return {}
        own = {k: v for k, v in entry.items() if k not in TermOptions.model_fields}
        common = {k: v for k, v in entry.items() if k not in own}
        common = self.collect(check_section(TermOptions, common, path)) or {}
        if 'share' in entry and 'loss_weight' in entry:
            self.problems.append((path + ('share',), 'stands beside `loss_weight`: give one of them'))
        loss = self.find(LOSS_REGISTRY, entry.get('type'), path + ('type',))
        arguments = self.arguments(loss, own, path, also_known=TermOptions.model_fields) if loss is not None else None
        # The objective multiplies by the weight, whose default is that of the constructor, where it has one.
        given = {k: v for k, v in common.items() if k in entry}
        term = {**common, **(arguments or {}), **given, 'name': entry_name(entry)}
        if 'share' in given:
            del term['loss_weight']  # it is found in the first iterations
        unused = [key for key in ('share', 'start_iter', 'end_iter') if term.get(key) is None]
        return {key: value for key, value in term.items() if key not in unused}

    def weights(self, losses: list[dict], train: dict) -> None:
        """Check the weights of all terms together."""
        path = ('train', 'losses')
        schedules = [
            (term.get('loss_weight', 1.0), term.get('start_iter'), term.get('end_iter')) for term in losses if term
        ]
        for index, (weight, _, _) in enumerate(schedules):
            values = weight.values() if isinstance(weight, dict) else [weight]
            if any(value < 0 for value in values):
                where = path + (index, 'loss_weight')
                self.problems.append((where, 'is negative: training would make the loss larger'))
        total_iter = train.get('total_iter')
        ends = {point for schedule in schedules for point in breakpoints(*schedule)}
        bare = [p for p in sorted(ends) if not any(weight_at(weight, p, *window) for weight, *window in schedules)]
        if bare and isinstance(total_iter, int) and bare[0] <= total_iter:
            self.problems.append((path, f'at iteration {bare[0]} every weight is 0: nothing to train on'))

        shares = {index: term['share'] for index, term in enumerate(losses) if 'share' in term}
        fixed = [term['name'] for term in losses if term and 'share' not in term]
        if fixed and sum(shares.values()) >= 1:
            rest = ', '.join(fixed)
            self.problems.append((path, f'the shares add up to {sum(shares.values()):g}: nothing is left for {rest}'))
        for index in shares:
            if train.get('split_backward') is False:
                message = 'needs the gradients of the terms: take `split_backward: false` away, or give a `loss_weight`'
                self.problems.append((path + (index, 'share'), message))
            if {'start_iter', 'end_iter'} & losses[index].keys():
                message = 'is found in the first iterations, so the term cannot have a `start_iter` or `end_iter`'
                self.problems.append((path + (index, 'share'), message))

    def note_contradictions(self, checked: dict) -> None:
        """Note what is allowed, but does nothing as it stands."""
        num_gpu, val = checked['num_gpu'], checked['val'] or {}
        if num_gpu != 'auto' and num_gpu > 1:
            self.notes.append(f'num_gpu: {num_gpu}: the number of processes is up to torchrun; each uses one GPU')
        sets = [f'datasets.{key}' for key in checked['datasets'] if key != 'train']
        if self.is_train and sets and val.get('val_freq') is None:
            verb = 'has' if len(sets) == 1 else 'have'
            self.notes.append(f'{", ".join(sets)} {verb} no effect: there is no `val.val_freq`')
        batched = [k for k, o in checked['datasets'].items() if k != 'train' and o.get('batch_size_per_gpu', 1) != 1]
        self.notes += [
            f'datasets.{key}.batch_size_per_gpu has no effect: images are validated one by one' for key in batched
        ]
        train_set = checked['datasets'].get('train', {})
        mixes = any(entry.get('mixup') for entry in [train_set, *(train_set.get('mix') or [])])
        if mixes and train_set.get('batch_size_per_gpu') == 1:
            self.notes.append('mixup has no effect: a batch of one pair has no other pair to mix it with')
        if self.is_train and not sets and val.get('val_freq') is not None:
            self.notes.append('val has no effect: there is no set to validate on')
