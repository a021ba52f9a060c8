"""The unit of work, wherever it is placed: `python -m basicsr.ablation.run_one RUN_FOLDER --root PROJECT`.

Lock, done already?, train or continue, `result.json` last. The exit code says what to do next: 0 done, 1 try again (it
goes on from its last checkpoint), 3 trying again is no use, 11 it runs elsewhere, 75 it was asked to stop. Loads no
torch: it waits beside a trainer.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import sys
import time
from pathlib import Path

from basicsr.ablation.identity import hash_of_file
from basicsr.ablation.lock import RunLock
from basicsr.ablation.process import kill_group, package_environment, start
from basicsr.ablation.result import write_result
from basicsr.ablation.runs import HEARTBEAT_SECONDS, RunPlace, is_running, recorded_state
from basicsr.ablation.trainer import BUSY, CRASHED, DONE, PREEMPTED, REFUSED
from basicsr.utils.atomic import write_atomic
from basicsr.utils.yaml_file import parse_text

_STATES = {DONE: 'done', PREEMPTED: 'interrupted', CRASHED: 'failed', REFUSED: 'failed'}
# A trainer that is asked to stop saves at its next iteration.
_SECONDS_TO_SAVE = 60


def run_one(place: RunPlace, root: Path, num_processes: int = 1, stall_minutes: float = 60) -> int:
    """Bring a run to its end, from wherever it stands, and return an exit code.

    Args:
        num_processes: ranks, one GPU each, started by torchrun if there are several.
        stall_minutes: a trainer that writes nothing for so long is killed; 0 for never.
    """
    if is_running(place, place.status()):
        return BUSY
    lock = RunLock(place.state / 'lock')
    if not lock.held:
        return BUSY
    try:
        state = recorded_state(place)
        if state == 'done':
            return DONE
        if state == 'stale':
            print(f'{place.name}: was trained with other options: archive it first (--redo)', flush=True)
            return REFUSED
        return _Attempt(place, root, num_processes, stall_minutes).run()
    finally:
        lock.release()


class _Attempt:
    """One training process, and what is noted about it."""

    def __init__(self, place: RunPlace, root: Path, num_processes: int, stall_minutes: float) -> None:
        self.place, self.root, self.num_processes = place, root, num_processes
        self.stall_seconds = stall_minutes * 60
        self.began = self.last_beat = time.time()
        self.refused = place.state / 'refused'
        self.stop_asked = False
        self.stop_at: float | None = None
        self.options_hash = hash_of_file(place.options)
        before = place.status()
        same = before.get('options_hash') == self.options_hash
        self.seconds_before = before.get('seconds', 0.0) if same else 0.0
        self.number = before.get('attempts', 0) + 1 if same else 1

    def run(self) -> int:
        """Train, watch, and note how it ended."""
        if self.options_hash is None:
            print(f'{self.place.options}: no such option file, or it is damaged', flush=True)
            return REFUSED
        self.clear_remains()
        self.refused.unlink(missing_ok=True)
        handlers = {s: signal.signal(s, self.ask_to_stop) for s in (signal.SIGTERM, signal.SIGINT)}
        try:
            self.note('running')
            self.process = start(
                self.command(), self.place.log, package_environment(), getattr(signal, 'SIGKILL', 0), self.root
            )
            code, reason = self.watch()
            if code == DONE:
                threads = os.environ.get('OMP_NUM_THREADS', '')
                write_result(self.place, self.options_hash, self.seconds, self.number, threads)
            self.note(_STATES[code], code=code, reason=reason)
            return code
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def command(self) -> list[str]:
        """Return what starts the trainer."""
        arguments = ['-m', 'basicsr.ablation.trainer', str(self.place.options), '--root', str(self.root)]
        if self.num_processes == 1:
            return [sys.executable, *arguments]
        # Port 0: any free one. No restarts: those are up to the driver.
        launcher = ['-m', 'torch.distributed.run', '--nproc-per-node', str(self.num_processes), '--max-restarts', '0']
        rendezvous = ['--rdzv-backend', 'c10d', '--rdzv-endpoint', 'localhost:0', '--rdzv-id', self.place.name]
        refused = ['--refused', str(self.refused)]  # torchrun ends with 1, whatever its ranks end with
        return [sys.executable, *launcher, *rendezvous, *arguments, '--launcher', 'pytorch', *refused]

    def clear_remains(self) -> None:
        """Remove what an attempt left that has nothing to go on from: training would archive it beside the others."""
        folder = self.place.folder
        if self.number > 1 and not any(folder.glob('training_states/*.state')):
            options = parse_text(self.place.options.read_text(encoding='utf-8'), str(self.place.options)).data
            shutil.rmtree(folder, ignore_errors=True)
            shutil.rmtree(self.root / options['path']['tb_root'] / options['name'], ignore_errors=True)

    def watch(self) -> tuple[int, str]:
        """Wait for the trainer to end; returns an exit code and the reason for people."""
        while (code := self.process.poll()) is None:
            time.sleep(0.1)
            now = time.time()
            if now - self.last_beat > HEARTBEAT_SECONDS:
                self.last_beat = now
                self.note('running')
            if self.stop_asked and self.stop_at is None:  # the trainer saves, and ends
                self.stop_at = now
                self.process.terminate()
            if self.stop_at is not None and now > self.stop_at + _SECONDS_TO_SAVE:
                kill_group(self.process, signal.SIGKILL)
            if self.stall_seconds and now - self.last_sign() > self.stall_seconds:
                kill_group(self.process, signal.SIGKILL)
                self.process.wait()
                return CRASHED, f'wrote nothing for {self.stall_seconds / 60:g} minutes: killed'
        kill_group(self.process, signal.SIGKILL)  # workers that it left behind
        if code == DONE:
            return DONE, ''
        if self.stop_asked or code == PREEMPTED:
            return PREEMPTED, 'asked to stop'
        if code < 0:
            return CRASHED, f'killed by {signal.Signals(-code).name}' + ' (out of memory?)' * (code == -9)
        return (REFUSED if code == REFUSED or self.refused.exists() else CRASHED), f'ended with code {code}'

    def last_sign(self) -> float:
        """Return when the trainer last wrote a log line."""
        times = [self.began]
        for file in (self.place.log, self.place.folder / 'metrics.jsonl'):
            if file.exists():
                times.append(file.stat().st_mtime)
        return max(times)

    def ask_to_stop(self, number: int, frame: object) -> None:
        """Note that this process should end; `watch` passes it on."""
        self.stop_asked = True

    @property
    def seconds(self) -> float:
        """Time that all attempts took so far."""
        return self.seconds_before + time.time() - self.began

    def note(self, state: str, code: int | None = None, reason: str = '') -> None:
        """Write the status, which is also the heartbeat."""
        status = {
            'state': state,
            'code': code,
            'reason': reason,
            'attempts': self.number,
            'seconds': round(self.seconds, 1),
            'options_hash': self.options_hash,
            'host': socket.gethostname(),
            'pid': os.getpid(),
            'heartbeat': time.time(),
        }
        write_atomic(self.place.state / 'status.json', json.dumps(status, indent=2) + '\n')


def main(argv: list[str] | None = None) -> int:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('run', type=Path, metavar='RUN_FOLDER', help='experiments/<grid>/<variant>_s<seed>')
    parser.add_argument('--root', type=Path, default=Path.cwd(), help='project root (default: the current folder)')
    parser.add_argument('--num_processes', type=int, default=1, help='ranks, one GPU each (default: %(default)s)')
    parser.add_argument('--stall_minutes', type=float, default=60, help='kill a silent trainer (default: %(default)g)')
    parser.add_argument(
        '--wait', type=float, default=0, metavar='SECONDS', help='wait for a run that is busy elsewhere'
    )
    args = parser.parse_args(argv)

    place, deadline = RunPlace(args.run.resolve()), time.time() + args.wait
    while (code := run_one(place, args.root.resolve(), args.num_processes, args.stall_minutes)) == BUSY:
        if time.time() >= deadline:
            break
        time.sleep(5)
    return code


if __name__ == '__main__':
    sys.exit(main())
