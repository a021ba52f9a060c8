"""The scores of a set: a row an image, a column a metric, and what is said of all images together."""

import csv
import io
import math
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from basicsr.utils.atomic import write_atomic
from basicsr.utils.errors import DataError

_IMAGE = 'image'


def short_names(paths: Mapping[int, str]) -> dict[int, str]:
    """Return what images are called in tables: the names of their files without ending, longer where two are equal."""
    names = {index: Path(path).stem for index, path in paths.items()}
    for longer in (lambda path: str(Path(path).with_suffix('')), str):
        counts = Counter(names.values())
        names = {i: longer(paths[i]) if counts[name] > 1 else name for i, name in names.items()}
    return names


class Scores:
    """Scores by image and metric. NaN is no score: it counts in no mean.

    Attributes:
        rows: image -> metric -> score, in the order of the set.
    """

    def __init__(self, rows: Mapping[str, Mapping[str, float]] | None = None) -> None:
        self.rows: dict[str, dict[str, float]] = {name: dict(row) for name, row in (rows or {}).items()}

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def metrics(self) -> list[str]:
        """The metrics of any image, in the order in which they first appear."""
        return list(dict.fromkeys(label for row in self.rows.values() for label in row))

    def column(self, metric: str) -> dict[str, float]:
        """Return the scores of the images that have one."""
        return {n: row[metric] for n, row in self.rows.items() if not math.isnan(row.get(metric, math.nan))}

    def means(self) -> dict[str, float]:
        """Return the mean of each metric over the images where it has a value; NaN if there are none."""
        columns = {metric: list(self.column(metric).values()) for metric in self.metrics}
        return {metric: sum(values) / len(values) if values else math.nan for metric, values in columns.items()}

    def save(self, path: str | os.PathLike) -> None:
        """Write the rows as CSV, every digit; no score is an empty field. The file appears whole or not at all.

        Raises:
            UserError: it cannot be written.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator='\n')
        metrics = self.metrics
        writer.writerow([_IMAGE, *metrics])
        for name, row in self.rows.items():
            values = [row.get(metric, math.nan) for metric in metrics]
            writer.writerow([name, *('' if math.isnan(value) else repr(float(value)) for value in values)])
        write_atomic(path, text.getvalue())

    @classmethod
    def load(cls, path: str | os.PathLike) -> 'Scores':
        """Read what `save` wrote.

        Raises:
            DataError: it cannot be read, or is no such file.
        """
        try:
            lines = list(csv.reader(io.StringIO(Path(path).read_text(encoding='utf-8-sig'))))
        except OSError as error:
            raise DataError(f'{path}: cannot read the scores: {error.strerror}') from None
        except (UnicodeDecodeError, csv.Error):
            raise DataError(f'{path}: is not a CSV file of scores') from None
        if not lines or lines[0][:1] != [_IMAGE]:
            raise DataError(f'{path}: is not a CSV file of scores: its first column should be called {_IMAGE!r}')

        scores, metrics = cls(), lines[0][1:]
        for number, (name, *values) in enumerate((line for line in lines[1:] if line), start=2):
            if name in scores.rows:
                raise DataError(f'{path}, line {number}: a second line for the image {name!r}')
            try:
                scores.rows[name] = {m: float(v) if v else math.nan for m, v in zip(metrics, values, strict=True)}
            except ValueError:
                raise DataError(f'{path}, line {number}: expected {len(metrics)} numbers, got {values}') from None
        return scores
