"""What makes two runs the same, and what variants differ in."""

import copy
import functools
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from basicsr.utils.errors import UserError
from basicsr.utils.option_tree import entry_name
from basicsr.utils.yaml_file import parse_text

# Options without influence on the weights and scores of a run: where it writes, what it logs, how its data is read.
_FREE = {
    ('name',),
    ('num_gpu',),
    ('logger',),
    ('dist_params',),
    ('find_unused_parameters',),
    ('path', 'experiments_root'),
    ('path', 'tb_root'),
    ('path', 'results_root'),
    ('val', 'pbar'),
    ('val', 'save_img'),
    ('val', 'suffix'),
    ('val', 'gallery'),
    ('val', 'gates'),
    ('val', 'gates_reference'),
    ('val', 'key_metric'),
}
_FREE_OF_A_SET = {'num_worker_per_gpu', 'pin_memory', 'cache'}


def options_hash(options: Mapping) -> str:
    """Return 16 digits that are equal for two complete sets of options if, and only if, they train the same."""
    text = json.dumps(_plain(_without_free(options)), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def hash_of_file(path: Path) -> str | None:
    """Return the hash of a file of complete options, such as `resolved.yml`; None without such a file."""
    try:
        stat = os.stat(path)
    except FileNotFoundError:
        return None
    return _hash_of_version(path, stat.st_mtime_ns, stat.st_size)


@functools.lru_cache(maxsize=4096)
def _hash_of_version(path: Path, mtime: int, size: int) -> str | None:
    try:
        options = parse_text(path.read_text(encoding='utf-8'), str(path)).data
    except (UserError, OSError, UnicodeDecodeError):  # cut off when its writer was killed
        return None
    return options_hash(options) if isinstance(options, dict) else None


def _without_free(options: Mapping) -> dict:
    kept = copy.deepcopy(dict(options))
    for *parents, key in _FREE:
        section = kept
        for parent in parents:
            section = section.get(parent) or {}
        section.pop(key, None)
    for dataset in (kept.get('datasets') or {}).values():
        for part in (dataset, *(dataset.get('mix') or [])):
            for key in _FREE_OF_A_SET:
                part.pop(key, None)
    return kept


def _plain(value: Any) -> Any:
    """Return what JSON writes in one way only: keys as text, tuples as lists, 1.0 as 1."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def flatten(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yield (dotted path, value) of every leaf; entries of a list of components go by their names."""
    if isinstance(value, Mapping) and value and all(isinstance(key, str) for key in value):
        for key, item in value.items():
            yield from flatten(item, (*path, key))
    elif isinstance(value, list) and value and all(entry_name(item) for item in value):
        for item in value:
            yield from flatten(item, (*path, entry_name(item)))
    else:
        yield '.'.join(path), value


def differences(old: Mapping, new: Mapping) -> list[str]:
    """Return one line per option that decides the result and differs."""
    before, after = (dict(flatten(_plain(_without_free(options)))) for options in (old, new))
    paths = [path for path in dict.fromkeys([*before, *after]) if before.get(path) != after.get(path)]
    return [f'{path}: {before.get(path, "absent")!r} -> {after.get(path, "absent")!r}' for path in paths]


def varied_options(variants: Mapping[str, Mapping]) -> dict[str, dict[str, Any]]:
    """Return variant -> option -> value of the options in which variants differ; all have the same keys.

    A term that a variant lacks has weight 0; what else it lacks is 'absent'. Values are numbers, texts and truth
    values, and of one kind for each option, as the HParams page of TensorBoard wants them.
    """
    rows = {name: dict(flatten(_plain(_without_free(options)))) for name, options in variants.items()}
    paths = dict.fromkeys(path for row in rows.values() for path in row)
    varied = {}
    for path in paths:
        is_weight = path.startswith('train.losses.') and path.endswith(('.loss_weight', '.share'))
        given = [row[path] for row in rows.values() if path in row]
        if any(value != given[0] for value in given) or (is_weight and len(given) < len(rows)):
            absent = 0.0 if is_weight else 'absent'
            varied[path] = _one_kind([row.get(path, absent) for row in rows.values()])
    return {
        name: {_short(path): values[index] for path, values in varied.items()} for index, name in enumerate(variants)
    }


def _one_kind(values: list) -> list:
    if all(isinstance(value, bool) for value in values):
        return values
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return [float(value) for value in values]
    return [value if isinstance(value, str) else json.dumps(value) for value in values]


def _short(path: str) -> str:
    return path.removeprefix('train.losses.').removeprefix('train.')
