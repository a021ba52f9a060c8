"""Reads the galleries of runs, and finds the checkpoints that are to be compared."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from basicsr.metrics.gallery.store import Entry, load_entries, load_tables
from basicsr.metrics.gallery.worst import best_iteration
from basicsr.metrics.scores import Scores
from basicsr.utils.errors import DataError, suggest


@dataclass
class Run:
    """What the validations of a run left.

    Attributes:
        entries: set -> iteration -> image -> its entry.
        tables: set -> iteration -> scores of all images.
    """

    name: str
    folder: Path
    entries: dict[str, dict[int | str, dict[str, Entry]]] = field(default_factory=dict)
    tables: dict[str, dict[int | str, Scores]] = field(default_factory=dict)

    def iteration_of(self, dataset: str, choice: str) -> int | str | None:
        """Return the iteration of a set that `last`, `best` or a number means; None if it has no gallery there.

        The best is that with the best mean of the metric by which images are the worst, among those with a gallery.
        """
        there = self.entries.get(dataset, {})
        if choice.isdecimal():
            return int(choice) if int(choice) in there else None
        if choice == 'best' and there:
            entry = next(iter(next(iter(there.values())).values()))
            tables = {i: table for i, table in self.tables.get(dataset, {}).items() if i in there}
            best = best_iteration(tables, entry.metric, entry.better)
            if best is not None:
                return best
        return next(reversed(there), None)


def load_run(folder: Path, notes: list[str]) -> Run:
    """Read the gallery of a run folder.

    Raises:
        DataError: it is no run folder, or has no gallery.
    """
    if not folder.is_dir():
        raise DataError(f'{folder}: no such folder; give run folders, such as experiments/quickstart')
    if not (folder / 'val').is_dir():
        raise DataError(f'{folder}: has no folder `val`: it is no run folder, or the run was not validated yet')
    run = Run(folder.resolve().name, folder, tables=load_tables(folder / 'val', notes))
    for entry in load_entries(folder / 'val', notes):
        run.entries.setdefault(entry.dataset, {}).setdefault(entry.iteration, {})[entry.image] = entry
    if not run.entries:
        raise DataError(f'{folder}: has no gallery: train or fine-tune with `val: {{gallery: {{worst: 4}}}}`')
    return run


def names_of_sets(runs: Sequence[Run], only: str | None) -> list[str]:
    """Return the sets of all runs, or the one that is asked for.

    Raises:
        DataError: no run has a gallery of it.
    """
    names = list(dict.fromkeys(name for run in runs for name in run.entries))
    if only is None:
        return names
    if only not in names:
        raise DataError(f'--set {only}: no run has a gallery of it, only of {", ".join(names)}{suggest(only, names)}')
    return [only]


def choose_iterations(runs: Sequence[Run], sets: Sequence[str], choice: str) -> dict[str, list[int | str | None]]:
    """Return set -> the iteration of each run; None where a run has no gallery of that set and iteration.

    Raises:
        DataError: a run has no gallery at that iteration at all.
    """
    chosen = {name: [run.iteration_of(name, choice) for run in runs] for name in sets}
    for number, run in enumerate(runs):
        if choice.isdecimal() and all(chosen[name][number] is None for name in sets):
            there = dict.fromkeys(str(i) for name in sets for i in run.entries.get(name, {}))
            found = ', '.join(there) or 'none of these sets'
            raise DataError(f'{run.folder}: has no gallery at iteration {choice}; it has {found}')
    return chosen
