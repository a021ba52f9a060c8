"""Has every run of a grid brought to its end that is not there yet. All it knows between two looks is in files."""

import dataclasses
import signal
import time
from typing import Literal

from basicsr.ablation.backends import Backend
from basicsr.ablation.runs import RunPlace, progress_of, recorded_state, state_of
from basicsr.ablation.status import Display, duration, rows_of, scores
from basicsr.ablation.trainer import PREEMPTED, REFUSED

_TICK_SECONDS = 0.2
_TABLE_SECONDS = 2.0
_LOG_LINES = 12


@dataclasses.dataclass
class _Job:
    """A run as this driver sees it. `stands`: is it to be placed, placed here, at work elsewhere, or over?"""

    place: RunPlace
    stands: Literal['waiting', 'placed', 'elsewhere', 'done', 'failed'] = 'waiting'
    attempts: int = 0
    saved_iter: int = 0
    last_error: str = ''
    not_before: float = 0.0


class Driver:
    """Places runs until all are done or have failed; a failure keeps no other run from going on.

    Args:
        max_attempts: crashes in a row without a new checkpoint, after which a run is given up.
    """

    def __init__(
        self, places: list[RunPlace], backend: Backend, display: Display | None = None, max_attempts: int = 3
    ) -> None:
        self.jobs = {place.name: _Job(place) for place in places}
        self.backend, self.display, self.max_attempts = backend, display or Display(), max_attempts
        self.stops = 0
        self._next_look = self._next_table = 0.0

    def run(self) -> list[RunPlace]:
        """Work until nothing is left to do, or the user asks to stop. Returns the runs that failed.

        SIGINT and SIGTERM ask the runs to save and end; a second one kills them.

        Raises:
            KeyboardInterrupt: it was asked to stop.
        """
        for job in self.jobs.values():
            job.stands = 'done' if recorded_state(job.place) == 'done' else 'waiting'
        skipped = sum(job.stands == 'done' for job in self.jobs.values())
        if skipped:
            self.display.event(f'{skipped} of {len(self.jobs)} runs are finished already')
        for place in self.backend.adopted():
            if place.name in self.jobs and self.jobs[place.name].stands == 'waiting':
                self.jobs[place.name].stands = 'placed'

        handlers = {number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        stopped = 0
        try:
            while self._is_open():
                self.look()
                if self.stops > stopped:
                    stopped = self.stops
                    message = self.backend.stop(kill=stopped > 1)
                    self.display.event(message or 'asked the runs to save and end; once more kills them')
                    if message:
                        break
                time.sleep(_TICK_SECONDS)
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        self.display.update(rows_of(job.place for job in self.jobs.values()))
        if self.stops:
            raise KeyboardInterrupt
        return [job.place for job in self.jobs.values() if job.stands == 'failed']

    def _on_signal(self, number: int, frame: object) -> None:
        self.stops += 1

    def _is_open(self) -> bool:
        wanted = {'placed'} if self.stops else {'waiting', 'placed', 'elsewhere'}
        return any(job.stands in wanted for job in self.jobs.values())

    def look(self) -> None:
        """Settle what has ended, and place what can be placed."""
        now = time.time()
        for place in self.backend.finished():
            if place.name in self.jobs:
                self.settle(self.jobs[place.name])
        if now >= self._next_look:
            self._next_look = now + 1
            for job in self.jobs.values():
                if job.stands == 'elsewhere':
                    self.look_elsewhere(job)
        if not self.stops:
            self.place(now)
        if self.display.is_live and now >= self._next_table:
            self._next_table = now + _TABLE_SECONDS
            self.display.update(rows_of(job.place for job in self.jobs.values()))

    def place(self, now: float) -> None:
        """Hand runs to the backend, in their order."""
        free, ready = self.backend.free(), []
        for job in self.jobs.values():
            if len(ready) >= free:
                break
            if job.stands != 'waiting' or job.not_before > now:
                continue
            state = state_of(job.place)  # meanwhile, another driver may have taken it
            if state == 'done':
                self.note_done(job)
            elif state == 'running':
                job.stands = 'elsewhere'
                self.display.event(f'{job.place.name}: is running elsewhere')
            else:
                ready.append(job)
        for job in ready:
            job.stands = 'placed'
            job.saved_iter = _saved_iter(job.place)
            at = f', from iteration {job.saved_iter:,}' if job.saved_iter else ''
            self.display.event(f'{job.place.name}: started{at}')
        self.backend.place([job.place for job in ready])

    def look_elsewhere(self, job: _Job) -> None:
        """See what became of a run that somebody else is at."""
        state = state_of(job.place)
        if state == 'done':
            self.note_done(job)
        elif state != 'running':
            job.stands = 'waiting'

    def settle(self, job: _Job) -> None:
        """Decide what follows for a run that is no longer placed."""
        state, status = state_of(job.place), job.place.status()
        code, reason = status.get('code'), status.get('reason') or 'killed'
        if state == 'done':
            self.note_done(job)
        elif state == 'running':
            job.stands = 'elsewhere'
        elif self.stops or (state == 'interrupted' and code == PREEMPTED):
            job.stands = 'waiting'
        elif state == 'stale' or (state == 'failed' and code == REFUSED):
            self.give_up(job, 'its error is no accident')
        else:
            self.count_attempt(job, reason)

    def count_attempt(self, job: _Job, reason: str) -> None:
        """Let a run that crashed go on from its last checkpoint, unless that makes no sense."""
        saved, error = _saved_iter(job.place), f'{progress_of(job.place).iteration} {_last_error(job.place)}'
        job.attempts = 1 if saved > job.saved_iter else job.attempts + 1
        same = error == job.last_error and 'Error' in error
        job.last_error = error
        if same or job.attempts >= self.max_attempts:
            self.give_up(job, 'the same error twice' if same else f'{job.attempts} times without a new checkpoint')
            return
        job.stands, job.not_before = 'waiting', time.time() + min(30, 2 ** (job.attempts - 1))
        self.display.event(f'{job.place.name}: {reason}; goes on from iteration {saved:,}')

    def note_done(self, job: _Job) -> None:
        """Tell of a run that is done."""
        job.stands = 'done'
        seconds = job.place.status().get('seconds')
        self.display.event(f'{job.place.name}: done in {duration(seconds)}  {scores(progress_of(job.place))}')

    def give_up(self, job: _Job, why: str) -> None:
        """Tell of a run that failed, with the end of its log."""
        job.stands = 'failed'
        lines = '\n'.join(f'    {line}' for line in log_tail(job.place))
        self.display.event(f'{job.place.name}: FAILED ({why}). The end of {job.place.log}:\n{lines}')


def log_tail(place: RunPlace, count: int = _LOG_LINES) -> list[str]:
    """Return the last lines that a run printed."""
    try:
        with place.log.open('rb') as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - 20_000))
            text = file.read().decode('utf-8', errors='replace')
    except OSError:
        return ['(it printed nothing)']
    return [line for line in text.splitlines() if line.strip()][-count:]


def _last_error(place: RunPlace) -> str:
    """Return the last log line that names an error, without its time."""
    lines = [line for line in log_tail(place) if 'Error' in line or 'ERROR' in line]
    return lines[-1].rpartition('ERROR: ')[2] if lines else ''


def _saved_iter(place: RunPlace) -> int:
    """Return the iteration of the newest checkpoint."""
    return max((int(p.stem) for p in place.folder.glob('training_states/*.state') if p.stem.isdigit()), default=0)
