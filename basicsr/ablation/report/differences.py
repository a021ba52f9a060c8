"""What a variant changes in the options, and which of them leave out a single term of the objective."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from basicsr.ablation.run_set import RunSet
from basicsr.utils.option_tree import entry_name

# These differ between any two runs.
_OF_RUN = ('name', 'manual_seed', 'path.experiments_root', 'path.tb_root', 'path.results_root', 'logger.hparams')
_ABSENT = object()


def option_differences(baseline: Mapping[str, Any], variant: Mapping[str, Any]) -> list[str]:
    """Return a line for each option that differs, by its path; entries of lists go by their names."""
    return _differences('', baseline, variant)


def left_out_terms(runs: RunSet) -> dict[str, str]:
    """Return variant -> the term of the baseline that it lacks, for those that differ in nothing else."""
    base = _options(runs, runs.baseline)
    return {
        variant: term for variant in runs.variants[1:] if (term := _left_out(base, _options(runs, variant))) is not None
    }


def fullest_variant(runs: RunSet) -> str:
    """Return the variant that most others lack a single term of; the baseline, where none has more."""
    counts = {name: len(left_out_terms(dataclasses.replace(runs, baseline=name))) for name in runs.variants}
    return max(runs.variants, key=lambda name: (counts[name], name == runs.baseline))


def differences_of(runs: RunSet, variant: str) -> list[str]:
    """Return how the options of a variant differ from those of the baseline."""
    return option_differences(_options(runs, runs.baseline), _options(runs, variant))


def _options(runs: RunSet, variant: str) -> Mapping[str, Any]:
    return next(iter(runs.of(variant).values())).options


def _left_out(base: Mapping[str, Any], variant: Mapping[str, Any]) -> str | None:
    ours, theirs = _active_terms(variant), _active_terms(base)
    removed = [name for name in theirs if name not in ours]
    if len(removed) != 1 or set(ours) - set(theirs):
        return None
    path = f'train.losses.{removed[0]}'
    changed = [line.split(':')[0] for line in option_differences(base, variant)]
    return removed[0] if all(line == path or line.startswith(f'{path}.') for line in changed) else None


def _active_terms(options: Mapping[str, Any]) -> set[str]:
    """Names of the terms whose weight is not 0."""
    losses = (options.get('train') or {}).get('losses') or []
    return {name for entry in losses if (name := entry_name(entry)) and entry.get('loss_weight') != 0}


def _differences(path: str, before: Any, after: Any) -> list[str]:
    if path in _OF_RUN or before == after:
        return []
    if isinstance(before, list) and isinstance(after, list) and _is_named(before) and _is_named(after):
        before, after = ({entry_name(entry): entry for entry in entries} for entries in (before, after))
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        prefix = f'{path}.' if path else ''
        return [
            line
            for key in dict.fromkeys([*before, *after])
            for line in _differences(f'{prefix}{key}', before.get(key, _ABSENT), after.get(key, _ABSENT))
        ]
    if after is _ABSENT:
        return [f'{path}: left out']
    return [f'{path}: {_text(after)}' if before is _ABSENT else f'{path}: {_text(before)} → {_text(after)}']


def _is_named(entries: list) -> bool:
    """True if every entry has a name of its own."""
    names = [entry_name(entry) for entry in entries]
    return None not in names and len(set(names)) == len(names)


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return '{' + ', '.join(f'{key}: {_text(item)}' for key, item in value.items()) + '}'
    if value is None:
        return '~'
    return str(value).lower() if isinstance(value, bool) else f'{value:g}' if isinstance(value, float) else str(value)
