"""Pairs pictures that any program made with their targets, by name."""

import os
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

from basicsr.data.data_util import paths_from_folder
from basicsr.utils.errors import DataError


@dataclass(frozen=True)
class Pair:
    """A result and its target, by the name of the target without ending; with the input, where there is one."""

    name: str
    result: str
    target: str
    input: str | None = None


@dataclass
class Pairs:
    """What was found.

    Attributes:
        pairs: in the order of the targets.
        faults: file -> why it is in no pair.
        notes: what was chosen, for the terminal.
    """

    pairs: list[Pair] = field(default_factory=list)
    faults: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def find_pairs(results: str, targets: str, suffix: str | None = None, inputs: str | None = None) -> Pairs:
    """Pair `<stem><suffix>.png`, or `<stem>/<stem>_<iteration>.png`, with the target `<stem>.*`; endings may differ.

    Args:
        suffix: behind the name of the target; by default none, or the one that most results have if no name is equal.
            With a suffix, `<stem>/<stem><suffix>.png` counts, without one the newest iteration.

    Raises:
        DataError: no such folder, nothing pairs up, or several suffixes do equally well.
    """
    of_targets = _by_stem(targets, 'targets')
    of_inputs = {} if inputs is None else _by_stem(inputs, 'inputs')
    of_results = _Results(results, suffix, of_targets)
    found = Pairs()
    for stem, (target, *others) in of_targets.items():
        candidates = of_results.take(stem)
        result = _choose(candidates, target)
        if others:
            found.faults[target] = f'targets that differ in the ending only: {_names([target, *others])}'
        elif not candidates:
            found.faults[target] = f'has no result in {results}'
        elif result is None:
            found.faults[target] = f'results that differ in the ending only: {_names(candidates)}'
        else:
            found.pairs.append(Pair(stem, result, target, _choose(of_inputs.get(stem, []), target)))
    found.faults |= dict.fromkeys(of_results.left(), f'has no target in {targets}')
    found.notes += of_results.notes()

    if not found.pairs:
        raise DataError(
            f'no picture in {results} ({_names(of_results.all())}) has the name of a target in {targets} '
            f'({_names(of_targets)}). Results are called <target><suffix>.png, see --suffix, or '
            '<target>/<target>_<iteration>.png'
        )
    without = sum(pair.input is None for pair in found.pairs)
    if inputs is not None and without:
        found.notes.append(f'{without} of {len(found.pairs)} images have no input in {inputs}')
    return found


class _Results:
    """The pictures in a folder of results, and in the sub-folders that are called like a target."""

    def __init__(self, folder: str, suffix: str | None, stems: Collection[str]) -> None:
        self.folder, self.suffix = folder, suffix
        self.flat = _by_stem(folder, 'results')
        self.ending = suffix or ''
        if suffix is None and not self.flat.keys() & set(stems):
            self.ending = _common_suffix(self.flat, stems)
        self.iterations: Counter[int] = Counter()
        self.taken: set[str] = set()

    def take(self, stem: str) -> list[str]:
        """Return the results of a target: one, unless there are several that differ in the ending only."""
        name = stem + self.ending
        if name in self.flat:
            self.taken.add(name)
            return self.flat[name]
        names = _by_stem(os.path.join(self.folder, stem), None)
        if self.suffix is not None:
            return names.get(stem + self.suffix, [])
        numbers = {int(n): files for name, files in names.items() if (n := _iteration(name, stem)) is not None}
        if not numbers:
            return []
        newest = max(numbers)
        self.iterations[newest] += 1
        return numbers[newest]

    def left(self) -> list[str]:
        """Return the pictures beside those that were taken; what lies in sub-folders may be older iterations."""
        return [path for stem, paths in self.flat.items() if stem not in self.taken for path in paths]

    def all(self) -> list[str]:
        """Return the pictures in the folder itself."""
        return [path for paths in self.flat.values() for path in paths]

    def notes(self) -> list[str]:
        """Return what was chosen among several possibilities."""
        notes = []
        if self.suffix is None and self.ending:
            notes.append(f'results are called <target>{self.ending}; for others give --suffix')
        if self.iterations:
            counts = ', '.join(f'{i} ({n} images)' for i, n in sorted(self.iterations.items(), reverse=True))
            notes.append(f'the newest iteration of each sub-folder: {counts}; for another give --suffix _<iteration>')
        return notes


def _by_stem(folder: str, what: str | None) -> dict[str, list[str]]:
    """Return stem -> pictures of a folder; nothing for a missing one that `what` does not name."""
    if what is not None and not os.path.isdir(folder):
        raise DataError(f'no such folder of {what}: {folder}')
    by_stem: dict[str, list[str]] = {}
    for path in paths_from_folder(folder):
        by_stem.setdefault(os.path.splitext(os.path.basename(path))[0], []).append(path)
    return by_stem


def _common_suffix(names: Collection[str], stems: Collection[str]) -> str:
    """Return what most names have behind the name of a target, '' for nothing; it begins with no letter or digit."""
    counts: Counter[str] = Counter()
    for name in names:
        for length in range(1, len(name)):
            if not name[length].isalnum() and name[:length] in stems:
                counts[name[length:]] += 1
    best = [suffix for suffix, count in counts.items() if count == max(counts.values())]
    if len(best) > 1:
        raise DataError(f'results of several kinds: choose one with --suffix: {", ".join(sorted(best)[:10])}')
    return best[0] if best else ''


def _iteration(name: str, stem: str) -> int | None:
    number = name.removeprefix(f'{stem}_')
    return int(number) if number != name and number.isdecimal() else None


def _choose(candidates: list[str], target: str) -> str | None:
    """Return the only candidate, or of several the one with the ending of the target."""
    ending = os.path.splitext(target)[1]
    same = [path for path in candidates if os.path.splitext(path)[1] == ending]
    chosen = candidates if len(candidates) == 1 else same
    return chosen[0] if len(chosen) == 1 else None


def _names(paths: Collection[str]) -> str:
    names = [os.path.basename(path) for path in paths]
    return ', '.join(names[:5]) + (f' and {len(names) - 5} more' if len(names) > 5 else '') or 'no pictures'
