"""The table of all runs: state, iteration, time left, latest scores."""

import dataclasses
import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterable
from typing import TextIO

from basicsr.ablation.runs import Progress, RunPlace, State, progress_of, state_of

_SCORES = 4


@dataclasses.dataclass(frozen=True)
class Row:
    """One run in the table."""

    name: str
    state: State
    progress: Progress

    @property
    def seconds_left(self) -> float | None:
        """Time that training will take, without validation; None if not known."""
        if self.state == 'done':
            return 0.0
        per_iter = self.progress.seconds_per_iter
        return None if per_iter is None else per_iter * (self.progress.total_iter - self.progress.iteration)


def rows_of(places: Iterable[RunPlace]) -> list[Row]:
    """Read where every run stands."""
    return [Row(place.name, state_of(place), progress_of(place)) for place in places]


def table(rows: list[Row], width: int | None = None) -> list[str]:
    """Return the lines of the table, cut at `width`."""
    cells = [('run', 'state', 'iteration', 'left', 'latest scores')]
    for row in rows:
        done, total = row.progress.iteration, row.progress.total_iter
        left = duration(row.seconds_left) if row.state == 'running' else ''
        cells.append((row.name, row.state, f'{done:,}/{total:,}' if total else '', left, scores(row.progress)))
    widths = [max(len(row[column]) for row in cells) for column in range(4)]
    lines = ['  '.join([*(text.ljust(w) for text, w in zip(row, widths)), row[4]]).rstrip() for row in cells]
    return [line[:width] for line in lines]


def summary(rows: list[Row]) -> str:
    """Return one line: how many runs are in which state."""
    counts = Counter(row.state for row in rows)
    order = ('done', 'running', 'interrupted', 'planned', 'stale', 'failed')
    return f'{len(rows)} runs: ' + ', '.join(f'{counts[state]} {state}' for state in order if counts[state])


def scores(progress: Progress) -> str:
    """Return the latest scores, the first few of each set: `val psnr 24.31 ssim 0.8124  val_color psnr 19.87 ...`."""
    parts = []
    for name, metrics in progress.metrics.items():
        values = ' '.join(f'{label} {_digits(value)}' for label, value in list(metrics.items())[:_SCORES])
        parts.append(f'{name} {values}')
    return '  '.join(parts)


def _digits(value: float | None) -> str:
    return 'none' if value is None else f'{value:.2f}' if abs(value) >= 10 else f'{value:.4f}'


def duration(seconds: float | None) -> str:
    """Return a time for people: 45 s, 12 min, 3 h 05 min."""
    if seconds is None:
        return '?'
    if seconds < 90:
        return f'{seconds:.0f} s'
    minutes = round(seconds / 60)
    return f'{minutes} min' if minutes < 60 else f'{minutes // 60} h {minutes % 60:02d} min'


class Display:
    """The table, kept up to date on a terminal; elsewhere one line per event."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stdout
        self.is_live = self.stream.isatty() and os.environ.get('TERM') != 'dumb'
        self._height = 0

    def event(self, text: str) -> None:
        """Say something that stays."""
        self._erase()
        print(text, file=self.stream, flush=True)

    def update(self, rows: list[Row]) -> None:
        """Draw the table again, where there is a terminal; runs that are of no more interest are left out first."""
        if not self.is_live:
            return
        size = shutil.get_terminal_size()
        room = max(3, size.lines - 4)
        if len(rows) > room:
            order = {'running': 0, 'failed': 1, 'interrupted': 2, 'planned': 3}
            kept = sorted(rows, key=lambda row: order.get(row.state, 4))[:room]
            shown = [row for row in rows if row in kept]
        else:
            shown = rows
        lines = [*table(shown, size.columns - 1), summary(rows)[: size.columns - 1]]
        self._erase()
        print('\n'.join(lines), file=self.stream, flush=True)
        self._height = len(lines)

    def _erase(self) -> None:
        if self._height:
            print(f'\x1b[{self._height}A\x1b[J', end='', file=self.stream)
            self._height = 0
