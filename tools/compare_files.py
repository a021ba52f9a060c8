"""Finds the tables of scores that are to be compared, and which value of each metric is the better one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from basicsr.metrics.best import Better
from basicsr.metrics.color_fidelity import BETTER
from basicsr.metrics.scores import Scores
from basicsr.metrics.scoring import Scorer
from basicsr.utils.errors import DataError, OptionError, UserError, suggest
from basicsr.utils.options import yaml_load


@dataclass(frozen=True)
class Comparison:
    """Two tables of one set; `set_name` is empty for two files."""

    set_name: str
    path_a: Path
    path_b: Path
    a: Scores
    b: Scores


def find_comparisons(a: str, b: str, sets: Sequence[str] = ()) -> list[Comparison]:
    """Return what A and B have in common.

    Args:
        a: CSV file of scores; folder that `tools/evaluate.py` wrote; folder of a run, whose sets have a table each for
            every validation, of which the newest counts. `b` alike.
        sets: names of the sets to compare; by default all that both have.

    Raises:
        DataError: no such file, no scores, no set in common, no image in common.
    """
    files_a, files_b = find_tables(a), find_tables(b)
    for path, files in ((a, files_a), (b, files_b)):
        unknown = [name for name in sets if name not in files and list(files) != ['']]
        if unknown:
            raise DataError(f'{path}: has no set {unknown[0]!r}{suggest(unknown[0], files)}; it has {_list(files)}')
        if sets:
            for name in files.keys() - {'', *sets}:
                del files[name]
    if len(files_a) == len(files_b) == 1 and '' in (*files_a, *files_b):
        pairs = [(max(*files_a, *files_b), *files_a.values(), *files_b.values())]
    else:
        pairs = [(name, files_a[name], files_b[name]) for name in files_a if name in files_b]
    if not pairs:
        raise DataError(f'no set in common: {a} has {_list(files_a)}, {b} has {_list(files_b)}; choose with --sets')
    return [_load(*pair) for pair in pairs]


def find_tables(path: str) -> dict[str, Path]:
    """Return set -> table of scores; the set of a single file is called ''.

    Raises:
        DataError: there is none.
    """
    root = Path(path)
    if root.is_file():
        return {'': root}
    if not root.is_dir():
        raise DataError(f'{path}: no such file or folder')
    if (root / 'scores.csv').is_file():
        return {'': root / 'scores.csv'}
    newest: dict[str, Path] = {}
    for file in sorted(root.glob('val/*/*.csv'), key=_age):
        newest[file.parent.name] = file
    if not newest:
        raise DataError(f'{path}: has neither scores.csv nor val/<set>/<iteration>.csv')
    return dict(sorted(newest.items()))


def common_metrics(comparison: Comparison, wanted: Sequence[str] = ()) -> list[str]:
    """Return the metrics to compare: those of both tables that have a score for one image at least.

    Args:
        wanted: by default all.

    Raises:
        DataError: there are none, or not all that are wanted.
    """
    a, b = comparison.a, comparison.b
    for path, scores in ((comparison.path_a, a), (comparison.path_b, b)):
        for metric in wanted:
            if metric not in scores.metrics:
                known = suggest(metric, scores.metrics) or f'; it has {_list(scores.metrics)}'
                raise DataError(f'{path}: has no metric {metric!r}{known}')
    common = [m for m in wanted or a.metrics if a.column(m).keys() & b.column(m).keys()]
    if not common:
        what = f'{_list(wanted)}: no image has a score in both' if wanted else 'no metric in common'
        raise DataError(f'{comparison.path_a}, {comparison.path_b}: {what}')
    return common


def senses(metrics: Iterable[str], folders: Sequence[str], given: Sequence[str]) -> dict[str, Better | None]:
    """Return which value of each metric is the better one; what is not known is left out.

    What was given counts, then what the options of the runs say, then the metric of that name itself.

    Args:
        folders: A and B.
        given: `lpips=lower`, `ratio=1.0`.

    Raises:
        OptionError: something else was given.
    """
    known: dict[str, Better | None] = dict(map(_parse_sense, given))
    for folder in folders:
        for metric, better in _of_run(Path(folder)).items():
            known.setdefault(metric, better)
    for metric in metrics:
        if metric in BETTER:
            known.setdefault(metric, BETTER[metric])
        elif metric not in known:
            known |= _of_metrics({metric: {'type': f'calculate_{metric}'}})
    return known


def _load(set_name: str, path_a: Path, path_b: Path) -> Comparison:
    comparison = Comparison(set_name, path_a, path_b, Scores.load(path_a), Scores.load(path_b))
    if not comparison.a.rows.keys() & comparison.b.rows.keys():
        names = [', '.join(list(scores.rows)[:3]) or 'nothing' for scores in (comparison.a, comparison.b)]
        raise DataError(f'{path_a}, {path_b}: no image in common: one has {names[0]}, the other {names[1]}')
    return comparison


def _age(file: Path) -> tuple[bool, int, float]:
    """Sort by iteration; tables of another name are older than all of them."""
    return file.stem.isdecimal(), int(file.stem) if file.stem.isdecimal() else 0, file.stat().st_mtime


def _parse_sense(text: str) -> tuple[str, Better]:
    metric, _, better = text.partition('=')
    if better in ('higher', 'lower'):
        return metric, better
    try:
        return metric, float(better)
    except ValueError:
        raise OptionError(f'--better {text}: expected <metric>=higher, <metric>=lower, or <metric>=<number>') from None


def _of_run(folder: Path) -> dict[str, Better | None]:
    file = folder / 'resolved.yml'
    if not file.is_file():
        return {}
    try:
        val = yaml_load(str(file)).get('val')
    except UserError:
        return {}
    return _of_metrics((val or {}).get('metrics') or {})


def _of_metrics(metrics: dict[str, dict]) -> dict[str, Better | None]:
    known: dict[str, Better | None] = {}
    for label, metric in metrics.items():
        try:
            known |= Scorer({'metrics': {label: metric}}, 'cpu').better
        except UserError:  # a metric that is not installed here: its scores are numbers all the same
            continue
    return known


def _list(names: Iterable[str]) -> str:
    return ', '.join(name or 'one table' for name in names) or 'none'
