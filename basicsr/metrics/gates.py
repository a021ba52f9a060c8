"""Gates: limits that a network has to keep, on the means of a set or against those of a reference run."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from basicsr.metrics.scores import Scores, short_names
from basicsr.utils.errors import DataError
from basicsr.utils.run_options import GateOptions


@dataclass(frozen=True)
class Verdict:
    """What one gate says of one set.

    Attributes:
        value: mean over the set; NaN if no image has a score.
        delta: the mean of the differences to the reference, image by image, if the gate asks for it; NaN if no image
            has a score in both.
    """

    metric: str
    passed: bool
    value: float
    limits: str
    delta: float | None = None

    def __str__(self) -> str:
        change = '' if self.delta is None else f' ({self.delta:+.4f} against the reference)'
        if self.delta is not None and math.isnan(self.delta):
            change = ' (no image has a score here and in the reference)'
        return f'{"PASS" if self.passed else "FAIL"} {self.metric} {self.value:.4f}{change}, asked for: {self.limits}'


def judge(gates: Mapping[str, Mapping], scores: Scores, reference: Scores | None = None) -> list[Verdict]:
    """Return what the gates say: metric -> `min`, `max`, `min_delta`, `max_delta`.

    A mean of nothing passes no gate. A difference is the mean over the images that have a score in both: a network
    whose colours are all gone has no hues that could be compared, and fails.
    """
    return [_judge(metric, GateOptions(**gate), scores, reference) for metric, gate in gates.items()]


def _judge(metric: str, gate: GateOptions, scores: Scores, reference: Scores | None) -> Verdict:
    value, delta = scores.means().get(metric, math.nan), None
    # `not x >= limit` rather than `x < limit`: NaN keeps no limit.
    failed = (gate.min is not None and not value >= gate.min) or (gate.max is not None and not value <= gate.max)
    if gate.compares:
        delta = _mean_difference(metric, scores, reference or Scores())
        failed |= gate.min_delta is not None and not delta >= gate.min_delta
        failed |= gate.max_delta is not None and not delta <= gate.max_delta
    limits = ', '.join(f'{key} {limit:g}' for key, limit in gate if limit is not None)
    return Verdict(metric, not failed, value, limits, delta)


def _mean_difference(metric: str, scores: Scores, reference: Scores) -> float:
    ours, theirs = scores.column(metric), reference.column(metric)
    # Two infinite PSNR are equal; their difference would be NaN.
    differences = [0.0 if ours[n] == theirs[n] else ours[n] - theirs[n] for n in ours if n in theirs]
    return sum(differences) / len(differences) if differences else math.nan


def find_reference(path: str, dataset_name: str) -> Path:
    """Return the CSV of a set: `path` itself, or the newest of that set in a run folder.

    Raises:
        DataError: there is none.
    """
    if Path(path).is_file():
        return Path(path)
    files = [file for file in Path(path, 'val', dataset_name).glob('*.csv') if file.stem.isdecimal()]
    if not files:
        raise DataError(
            f'val.gates_reference: {path} is neither a CSV file of scores nor a run folder with '
            f'val/{dataset_name}/<iteration>.csv'
        )
    return max(files, key=lambda file: int(file.stem))


def read_reference(val: Mapping, dataset_name: str, paths: Collection[str] = ()) -> Scores | None:
    """Return the scores that the gates compare a set with; None if no gate does.

    Args:
        val: the section of the options: `gates`, `gates_reference`.
        paths: of the inputs of the set, where they are known.

    Raises:
        DataError: there are none, or not of the metrics that are asked for, or of none of the images.
    """
    compared = [metric for metric, gate in (val.get('gates') or {}).items() if GateOptions(**gate).compares]
    if not compared:
        return None
    path = find_reference(val['gates_reference'], dataset_name)
    reference = Scores.load(path)
    missing = [metric for metric in compared if metric not in reference.metrics]
    if missing:
        has = ', '.join(reference.metrics) or 'none'
        raise DataError(f'val.gates: {path} has no scores of {", ".join(missing)}; it has {has}')
    names = list(short_names(dict(enumerate(paths))).values())
    if names and reference.rows.keys().isdisjoint(names):
        raise DataError(
            f'val.gates: {path} has none of the images of {dataset_name}, the first of which is {names[0]}; for '
            'several sets give the folder of a run as `gates_reference`'
        )
    return reference
