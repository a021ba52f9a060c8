"""Gates: limits that a network has to keep, on the means of a set or against those of a reference run."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from basicsr.metrics.scores import Scores
from basicsr.utils.errors import DataError
from basicsr.utils.run_options import GateOptions


@dataclass(frozen=True)
class Verdict:
    """What one gate says of one set.

    Attributes:
        value: mean over the set; NaN if no image has a score.
        delta: the mean of the differences to the reference, image by image, if the gate asks for it.
    """

    metric: str
    passed: bool
    value: float
    limits: str
    delta: float | None = None

    def __str__(self) -> str:
        change = '' if self.delta is None else f' ({self.delta:+.4f} against the reference)'
        return f'{"PASS" if self.passed else "FAIL"} {self.metric} {self.value:.4f}{change}, asked for: {self.limits}'


def judge(gates: Mapping[str, Mapping], scores: Scores, reference: Scores | None = None) -> list[Verdict]:
    """Return what the gates say: metric -> `min`, `max`, `min_delta`, `max_delta`.

    A mean of nothing passes no gate. A difference is the mean over the images that have a score in both.

    Raises:
        DataError: a gate asks for a difference to a reference that has no such metric, or no image in common.
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
    differences = [ours[name] - theirs[name] for name in ours if name in theirs]
    if not differences:
        raise DataError(
            f'val.gates.{metric}: the reference has no score of this metric for any of these images '
            f'(it has {len(theirs)}, this set {len(ours)})'
        )
    return sum(differences) / len(differences)


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


def read_reference(val: Mapping, dataset_name: str) -> Scores | None:
    """Return the scores that the gates compare a set with; None if no gate does.

    Args:
        val: the section of the options: `gates`, `gates_reference`.

    Raises:
        DataError: there are none, or not of the metrics that are asked for.
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
    return reference
