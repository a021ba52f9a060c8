"""Reads the scores of all runs, and returns all numbers of a report."""

from collections.abc import Sequence

from basicsr.ablation.report.compare import compare_all, judge_together
from basicsr.ablation.report.metric_names import HEAD, senses
from basicsr.ablation.report.results import SetResults, check_known
from basicsr.ablation.run_data import RunData
from basicsr.ablation.run_set import RunSet
from basicsr.metrics.scores import Scores
from basicsr.utils.errors import DataError


def measure(runs: RunSet, head: Sequence[str] | None = None) -> list[SetResults]:
    """Return the numbers of all sets.

    Args:
        head: metrics to show first and to judge together; by default those of `HEAD`.

    Raises:
        DataError: the runs have no set, iteration or image in common; no run has one of the metrics.
    """
    names = list(dict.fromkeys(name for run in runs.runs for name in run.datasets))
    found = [part for name in names if (part := _read_set(runs, name, head)) is not None]
    if not found:
        raise DataError(
            f'{runs.folder}: the {len(runs.runs)} runs have no set with iterations and images in common:\n'
            + '\n'.join(f'    {note}' for note in runs.notes)
        )
    for part in found:
        for metric in part.better:
            compare_all(part, runs.baseline, metric)
        _note_empty(part, runs)
    check_known(found, head or ())
    for is_head in (True, False):
        judge_together(
            [r for part in found for r in part.results.values() if (r.metric in part.head) == is_head], found
        )
    return found


def _read_set(runs: RunSet, name: str, head: Sequence[str] | None) -> SetResults | None:
    """Read a set at the last iteration that all of its runs have; None, and a note, if nothing is in common."""
    having = [run for run in runs.runs if name in run.datasets]
    without = [run.name for run in runs.runs if name not in run.datasets]
    if without:
        runs.notes.append(f'{name}: not validated in {", ".join(without)}')
    if runs.baseline not in {run.variant for run in having}:
        runs.notes.append(f'{name} is left out: the baseline was not validated on it')
        return None
    common = set.intersection(*(set(run.iterations(name)) for run in having))
    if not common:
        each = '; '.join(f'{run.name}: {run.iterations(name)[-1]}' for run in having)
        runs.notes.append(f'{name} is left out: the runs were validated at no common iteration (the last: {each})')
        return None
    iteration = max(common)
    _note_later(runs, name, iteration, having)

    tables: dict[str, dict[int, Scores]] = {}
    for run in having:
        tables.setdefault(run.variant, {})[run.seed] = run.scores(name, iteration)
    every = [table for of_seeds in tables.values() for table in of_seeds.values()]
    images = [image for image in every[0].rows if all(image in table.rows for table in every)]
    if not images:
        runs.notes.append(f'{name} is left out: the runs have no image of it in common')
        return None
    largest = max(len(table) for table in every)
    if largest > len(images):
        runs.notes.append(f'{name}: {len(images)} images are compared, those that all runs have, of up to {largest}')
    metrics = list(dict.fromkeys(metric for table in every for metric in table.metrics))
    variants = [variant for variant in runs.variants if variant in tables]
    shown = [metric for metric in head or HEAD if metric in metrics] or metrics[:4]
    better = senses([run.options for run in having], metrics)
    return SetResults(name, iteration, images, better, variants, shown, tables)


def _note_later(runs: RunSet, name: str, iteration: int, having: Sequence[RunData]) -> None:
    later = [run for run in having if run.iterations(name)[-1] > iteration]
    if later:
        short = [run.name for run in having if run not in later]
        runs.notes.append(
            f'{name} is compared at iteration {iteration:,}, the last that all runs have: '
            f'{", ".join(short) or "no two runs"} went no further'
        )


def _note_empty(part: SetResults, runs: RunSet) -> None:
    """Name the runs without a single value of a metric that others have: NaN is what a diverged network scores."""
    for metric in part.better:
        scored = {run.name: bool(part.tables[run.variant][run.seed].column(metric)) for run in _runs_of(part, runs)}
        empty = [name for name, has_values in scored.items() if not has_values]
        if empty and len(empty) < len(scored):
            runs.notes.append(f'{part.dataset}: {metric} has no value for any image in {", ".join(empty)}')


def _runs_of(part: SetResults, runs: RunSet) -> list[RunData]:
    return [run for run in runs.runs if run.seed in part.tables.get(run.variant, {})]
