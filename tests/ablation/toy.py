"""`run_one` with a stand-in for the trainer: 40 iterations of a few milliseconds, a state every 5, and no torch.

python -m tests.ablation.toy RUN_FOLDER --root ROOT. A file `<state>/crash_at` names an iteration to crash at once,
`always_crash_at` one to crash at every time, `refuse` makes it end as for a user's mistake.
"""

import json
import shutil
import signal
import sys
import time
from pathlib import Path

from basicsr.ablation import run_one as module
from basicsr.ablation.runs import RunPlace
from basicsr.ablation.trainer import PREEMPTED, REFUSED

TOTAL, SAVE_FREQ = 40, 5


def train(place: RunPlace, seconds: float) -> int:
    """Write what a training writes; each iteration is a function of the one before."""
    states, metrics = place.folder / 'training_states', place.folder / 'metrics.jsonl'
    states.mkdir(parents=True, exist_ok=True)
    shutil.copy(place.options, place.folder / 'resolved.yml')
    done = max((int(p.stem) for p in states.glob('*.state')), default=0)
    value = int((states / f'{done}.state').read_text()) if done else 1
    lines = [] if not metrics.exists() else metrics.read_text().splitlines()
    metrics.write_text(''.join(f'{line}\n' for line in lines if json.loads(line)['iter'] <= done))
    with (place.state / 'starts').open('a') as file:
        file.write(f'{done}\n')

    asked = []
    signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
    for iteration in range(done + 1, TOTAL + 1):
        time.sleep(seconds)
        value = value * 31 % 1_000_003
        with metrics.open('a') as file:
            file.write(json.dumps({'iter': iteration, 'time': seconds, 'l_total': value}) + '\n')
        crash_if_told(place, iteration)
        if iteration % SAVE_FREQ == 0 or asked:
            partial = states / 'partial'
            partial.write_text(str(value))
            partial.rename(states / f'{iteration}.state')
        if asked:
            return PREEMPTED
    with metrics.open('a') as file:
        file.write(json.dumps({'iter': TOTAL, 'val': 'val', 'psnr': value / 1e5, 'input_psnr': 1.0}) + '\n')
    return 0


def crash_if_told(place: RunPlace, iteration: int) -> None:
    """Crash where a file says so."""
    once, always = place.state / 'crash_at', place.state / 'always_crash_at'
    for file in (once, always):
        if file.exists() and int(file.read_text()) == iteration:
            once.unlink(missing_ok=True)
            raise RuntimeError(f'told to crash at {iteration}')


if __name__ == '__main__':
    if sys.argv[1] == 'train':
        run = RunPlace(Path(sys.argv[2]))
        if (run.state / 'refuse').exists():
            print('ERROR: a mistake of the user')
            sys.exit(REFUSED)
        sys.exit(train(run, float((run.folder.parent / 'seconds').read_text())))
    command = [sys.executable, '-m', 'tests.ablation.toy', 'train']
    module._Attempt.command = lambda self: [*command, str(self.place.folder)]
    sys.exit(module.main())
