"""What one rank finds while it validates its share of a set, and how the shares become one table."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from basicsr.metrics.scores import Scores, short_names
from basicsr.utils.errors import DataError
from basicsr.utils.logger import get_root_logger


@dataclass
class Part:
    """What one rank found of a set, by the index of the image."""

    paths: dict[int, str] = field(default_factory=dict)
    scores: dict[int, dict[str, float]] = field(default_factory=dict)
    inputs: dict[int, dict[str, float]] = field(default_factory=dict)
    unreadable: dict[int, str] = field(default_factory=dict)

    @classmethod
    def joined(cls, parts: Iterable['Part']) -> 'Part':
        """Return what all ranks found, in the order of the set."""
        whole = cls()
        for part in parts:
            for name, values in vars(part).items():
                getattr(whole, name).update(values)
        return cls(**{name: dict(sorted(values.items())) for name, values in vars(whole).items()})

    def table(self, rows: Mapping[int, dict[str, float]]) -> Scores:
        """Return scores by the name of the image."""
        names = short_names(self.paths)
        return Scores({names[index]: row for index, row in rows.items()})


def picture_name(lq_path: str, dataset: Any) -> str:
    """Return the name of a result without ending: that of the input, with its folder where two are called so."""
    stem = Path(lq_path).stem
    paths = [pair['lq_path'] for pair in getattr(dataset, 'paths', []) if isinstance(pair, Mapping)]
    if sum(Path(path).stem == stem for path in paths) < 2:
        return stem
    return '_'.join(Path(lq_path).parts[-3:]).replace('.', '_')


def undo_normalization(visuals: dict[str, torch.Tensor], dataset_opt: Mapping) -> dict[str, torch.Tensor]:
    """Return the images as they were before the dataset subtracted its `mean` and divided by its `std`.

    BasicSR scores and saves the normalized values, clamped to [0, 1]; its numbers for such sets are others.
    """
    mean, std = dataset_opt.get('mean'), dataset_opt.get('std')
    if mean is None and std is None:
        return visuals
    shift = torch.tensor(0.0 if mean is None else mean).view(-1, 1, 1)
    factor = torch.tensor(1.0 if std is None else std).view(-1, 1, 1)
    images = {key: visuals[key] * factor + shift for key in ('lq', 'result', 'gt') if key in visuals}
    return {**visuals, **images}


def warn_of_unreadable(dataset_name: str, part: Part) -> None:
    """List the images that could not be read.

    Raises:
        DataError: there was nothing else.
    """
    if not part.unreadable:
        return
    lines = ''.join(f'\n    {error}' for error in part.unreadable.values())
    count = len(part.unreadable) + len(part.paths)
    message = f'{dataset_name}: {len(part.unreadable)} of {count} images cannot be read, and are left out:{lines}'
    if not part.paths:
        raise DataError(message)
    get_root_logger().warning(message)


def warn_of_nan(scores: Scores) -> None:
    """Say of each metric which images its mean leaves out: SSIM has no value for images smaller than its window."""
    for label in scores.metrics:
        without = [name for name in scores.rows if name not in scores.column(label)]
        if without and not label.endswith(('_60', '_100')):  # few saturated pixels are no mishap; they are counted
            others = 'the mean is that of the others' if len(without) < len(scores) else 'there is no mean'
            get_root_logger().warning(
                f'{label}: {len(without)} of {len(scores)} images have no value, the first is {without[0]}; {others}'
            )
