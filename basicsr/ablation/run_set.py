"""The runs that are compared: those of a grid, or any others, found in their folders."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from basicsr.ablation.run_data import RESOLVED, RunData, read_mapping, read_run
from basicsr.utils.errors import DataError, suggest

_GRID_FILES = ('grid.yml', 'grid.json')
# Taken without a grid file that names it.
_BASELINES = ('baseline', 'full')


@dataclass
class RunSet:
    """Runs that are compared.

    Attributes:
        name: of the grid, or of the folder that holds the runs.
        baseline: the variant with which the others are compared.
        notes: what a reader should know: runs that are missing, or left out.
    """

    name: str
    folder: Path
    baseline: str
    runs: list[RunData]
    notes: list[str] = field(default_factory=list)

    @property
    def variants(self) -> list[str]:
        """The variants, the baseline first."""
        return list(dict.fromkeys([self.baseline, *(run.variant for run in self.runs)]))

    def of(self, variant: str) -> dict[int, RunData]:
        """Return seed -> run of a variant, in the order of the seeds."""
        return {run.seed: run for run in sorted(self.runs, key=lambda run: run.seed) if run.variant == variant}


def read_runs(source: Path | Sequence[Path], baseline: str | None = None) -> RunSet:
    """Read a grid, or runs.

    Args:
        source: folder of a grid; or folders of runs, grids among them.
        baseline: variant to compare with; by default that of the grid, or the variant of the first run.

    Raises:
        DataError: a folder is no run; two runs are the same variant and seed; no run has scores; no such baseline.
    """
    paths = list(dict.fromkeys(Path(path) for path in ([source] if isinstance(source, str | Path) else source)))
    if not paths:
        raise DataError('no run to report on: give the folder of a grid, or folders of runs')
    found = [_read_folder(path) for path in paths]
    folder = found[0].folder if len(found) == 1 else paths[0].resolve().parent
    runs = [run for part in found for run in part.runs]
    _check_distinct(runs)
    notes = [note for part in found for note in part.notes]

    known = list(dict.fromkeys(run.variant for run in runs))
    chosen = baseline or next((part.baseline for part in found if part.baseline in known), found[0].baseline)
    if chosen not in known:
        raise DataError(
            f'baseline {chosen}: no run is of this variant, only of {", ".join(known)}{suggest(chosen, known)}'
        )
    kept = _with_scores(runs, notes)
    if chosen not in {run.variant for run in kept}:
        raise DataError(f'baseline {chosen}: none of its runs was validated, so there is nothing to compare with')
    name = found[0].name if len(found) == 1 else ', '.join(known)
    return RunSet(name, folder, chosen, kept, notes)


def _read_folder(path: Path) -> RunSet:
    """Read a run, or the runs below a folder."""
    if not path.is_dir():
        raise DataError(f'{path}: no such folder; give the folder of a grid, or folders of runs')
    if (path / RESOLVED).is_file():
        run = read_run(path)
        return RunSet(path.resolve().name, path, run.variant, [run])
    grid_file = next((path / name for name in _GRID_FILES if (path / name).is_file()), None)
    # A run that was started again was archived beside it, under another name than its own.
    runs = [
        read_run(file.parent) for file in sorted(path.glob(f'*/{RESOLVED}')) if '_archived_' not in file.parent.name
    ]
    if not runs:
        raise DataError(
            f'{path}: holds neither {RESOLVED} nor folders of runs: it is no run, and no grid that was started'
        )
    grid = _read_grid(grid_file) if grid_file else {}
    return _as_grid(path, grid, runs)


def _as_grid(path: Path, grid: dict[str, Any], runs: list[RunData]) -> RunSet:
    """Put runs into the order of the grid file, and note what it lacks."""
    variants = dict(grid.get('variants') or {})
    order = list(variants)
    notes = [
        f'{run.folder} is left out: the grid has no variant {run.variant}'
        for run in runs
        if variants and run.variant not in variants
    ]
    kept = [run for run in runs if not variants or run.variant in variants]
    kept.sort(key=lambda run: (order.index(run.variant) if run.variant in order else 0, run.variant, run.seed))
    there = {(run.variant, run.seed) for run in kept}
    missing = [f'{v}_s{s}' for v in variants for s in grid.get('seeds') or [] if (v, s) not in there]
    if missing:
        notes.append(f'{len(missing)} runs of the grid have not been started: {", ".join(missing)}')
    if not kept:
        raise DataError(f'{path}: none of its runs is of a variant of the grid ({", ".join(order)})')
    names = [*order, *(run.variant for run in kept)]
    baseline = grid.get('baseline') or next((name for name in _BASELINES if name in names), names[0])
    return RunSet(str(grid.get('name') or path.resolve().name), path, str(baseline), kept, notes)


def _read_grid(file: Path) -> dict[str, Any]:
    grid = read_mapping(file)
    if not isinstance(grid.get('variants') or {}, dict) or not isinstance(grid.get('seeds') or [], list):
        raise DataError(f'{file}: expected `variants`, a mapping, and `seeds`, a list')
    return grid


def _check_distinct(runs: Sequence[RunData]) -> None:
    seen: dict[tuple[str, int], RunData] = {}
    for run in runs:
        other = seen.setdefault((run.variant, run.seed), run)
        if other is not run:
            raise DataError(
                f'{other.folder} and {run.folder} are both variant {run.variant}, seed {run.seed}: leave one out'
            )


def _with_scores(runs: Sequence[RunData], notes: list[str]) -> list[RunData]:
    """Return the runs that were validated; note the others.

    Raises:
        DataError: none was.
    """
    kept = [run for run in runs if run.datasets]
    if not kept:
        raise DataError(
            f'none of the {len(runs)} runs has scores (val/<set>/<iteration>.csv), the first is {runs[0].folder}: '
            'they were not validated yet, or by a version that kept none; train with a section `val`'
        )
    without = [run.name for run in runs if not run.datasets]
    if without:
        notes.append(f'{len(without)} runs are left out, they were not validated: {", ".join(without)}')
    return kept
