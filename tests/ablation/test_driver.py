"""The driver: what is missing gets done, once, whatever dies; a failure keeps nobody else from going on."""

import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from basicsr.ablation.runs import RunPlace, state_of
from basicsr.ablation.status import Display, rows_of, summary, table
from tests.ablation.test_run_one import REPO, final_value, has_state, starts, wait_for
from tests.ablation.toy import TOTAL

# A driver over the toy trainer: arguments are the root, the number of jobs and of attempts.
_DRIVER = """
import sys
from pathlib import Path
from basicsr.ablation.backends import local
from basicsr.ablation.driver import Driver
from basicsr.ablation.grid_folder import places_of
root, jobs, attempts = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
place_of = local.run_one_arguments
def toy(*arguments):
    return ['-m', 'tests.ablation.toy', *place_of(*arguments)[2:]]
local.run_one_arguments = toy
backend = local.LocalProcesses(root, jobs, use_gpu=False)
failed = Driver(places_of(root / 'experiments' / 'grid'), backend, max_attempts=attempts).run()
sys.exit(len(failed))
"""
VALUE = pow(31, TOTAL, 1_000_003)


@pytest.fixture
def places(written, tiny_root) -> list[RunPlace]:
    """Four planned runs, whose toy trainer takes 5 ms per iteration."""
    plan = written()
    (plan.folder / 'seconds').write_text('0.005')
    return [run.place for run in plan.runs]


def start_driver(root: Path, jobs: int = 2, attempts: int = 3) -> subprocess.Popen:
    command = [sys.executable, '-c', _DRIVER, str(root), str(jobs), str(attempts)]
    environment = os.environ | {'PYTHONPATH': str(REPO)}
    return subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE, text=True, env=environment)


def finish(process: subprocess.Popen) -> str:
    output, _ = process.communicate(timeout=120)
    return output


def test_all_runs_are_done_and_then_skipped(places, tiny_root):
    output = finish(start_driver(tiny_root))
    assert all(state_of(place) == 'done' and final_value(place) == VALUE for place in places)
    assert output.count(': started') == 4 and output.count(': done in') == 4 and 'val psnr ' in output
    began = time.time()
    assert finish(start_driver(tiny_root)) == '4 of 4 runs are finished already\n'
    assert time.time() - began < 10 and all(starts(place) == [0] for place in places)


def test_kill_loop_ends_complete_and_equal(places, tiny_root):
    """kill -9 of the driver, of trainers and of `run_one`s, at random: every run ends as if nothing had happened."""
    (places[0].folder.parent / 'seconds').write_text('0.04')
    rng, kills = random.Random(0), 0
    process = start_driver(tiny_root, attempts=50)
    deadline = time.time() + 120
    while kills < 12 and time.time() < deadline:
        time.sleep(rng.uniform(0.2, 0.5))
        if rng.random() < 0.3:
            process.kill()
            process.communicate()
            process = start_driver(tiny_root, attempts=50)
            kills += 1
            continue
        pids = [place.status().get('pid') for place in places if state_of(place) == 'running']
        if pids:
            pid = rng.choice(pids)
            victims = [pid, *map(int, _children(pid))]
            kills += _kill(rng.choice(victims))
    assert kills == 12
    assert process.wait(timeout=120) == 0, finish(process)
    assert [state_of(place) for place in places] == ['done'] * 4
    assert [final_value(place) for place in places] == [VALUE] * 4
    for place in places:
        events = [json.loads(line) for line in (place.folder / 'metrics.jsonl').read_text().splitlines()]
        assert [event['iter'] for event in events if 'val' not in event] == list(range(1, TOTAL + 1))
    assert sum(len(starts(place)) for place in places) > 4, 'nothing was interrupted'


def _children(pid: int) -> list[str]:
    return Path(f'/proc/{pid}/task/{pid}/children').read_text().split() if Path(f'/proc/{pid}').exists() else []


def _kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def test_children_end_with_the_driver(places, tiny_root):
    (places[0].folder.parent / 'seconds').write_text('0.05')
    process = start_driver(tiny_root)
    wait_for(lambda: has_state(places[0]) and has_state(places[1]))
    process.kill()
    process.communicate()
    wait_for(lambda: not any(state_of(place) == 'running' for place in places), 10)
    # They were asked to stop, so that they saved where they were.
    assert [place.status()['state'] for place in places[:2]] == ['interrupted'] * 2


def test_two_drivers_start_every_run_once(places, tiny_root):
    (places[0].folder.parent / 'seconds').write_text('0.02')
    drivers = [start_driver(tiny_root), start_driver(tiny_root)]
    outputs = [finish(driver) for driver in drivers]
    assert [driver.returncode for driver in drivers] == [0, 0]
    assert [starts(place) for place in places] == [[0]] * 4, outputs


def test_a_failure_is_shown_and_the_others_go_on(places, tiny_root):
    for place in places[:3]:
        place.state.mkdir(parents=True)
    (places[0].state / 'always_crash_at').write_text('12')
    (places[1].state / 'refuse').touch()
    (places[2].state / 'crash_at').write_text('12')
    process = start_driver(tiny_root)
    output = finish(process)
    assert process.returncode == 2
    assert [state_of(place) for place in places] == ['failed', 'failed', 'done', 'done']
    assert starts(places[0]) == [0, 10], 'the same error at the same iteration: no third attempt'
    assert not (places[1].state / 'starts').exists()
    assert starts(places[2]) == [0, 10] and final_value(places[2]) == VALUE
    assert 'full_s0: FAILED (the same error twice)' in output and 'RuntimeError: told to crash at 12' in output
    assert 'no_ssim_s0: FAILED (its error is no accident)' in output and 'ERROR: a mistake of the user' in output

    (places[0].state / 'always_crash_at').unlink()
    (places[1].state / 'refuse').unlink()
    process = start_driver(tiny_root)
    finish(process)
    assert process.returncode == 0 and all(final_value(place) == VALUE for place in places)


def test_ctrl_c_lets_the_runs_save(places, tiny_root):
    (places[0].folder.parent / 'seconds').write_text('0.05')
    process = start_driver(tiny_root)
    wait_for(lambda: has_state(places[0]) and has_state(places[1]))
    process.send_signal(signal.SIGINT)
    output = finish(process)
    assert process.returncode != 0 and 'asked the runs to save and end' in output
    assert [state_of(place) for place in places] == ['interrupted', 'interrupted', 'planned', 'planned']
    finish(start_driver(tiny_root))
    assert starts(places[0])[1] > 5 and all(final_value(place) == VALUE for place in places)


def test_table(places):
    place = places[1]
    place.folder.mkdir()
    events = [{'iter': 6, 'time': 30.0}, {'iter': 6, 'val': 'val', 'psnr': 23.456, 'ssim': 0.81239, 'input_psnr': 9.0}]
    (place.folder / 'metrics.jsonl').write_text(
        ''.join(json.dumps(event) + '\n' for event in events) + '{"iter": 7, "ti'
    )
    place.state.mkdir(parents=True)
    status = {'state': 'running', 'host': 'another', 'heartbeat': time.time()}
    (place.state / 'status.json').write_text(json.dumps(status))
    rows = rows_of(places)
    assert table(rows) == [
        'run         state    iteration  left   latest scores',
        'full_s0     planned  0/12',
        'no_ssim_s0  running  6/12       3 min  val psnr 23.46 ssim 0.8124',
        'full_s1     planned  0/12',
        'no_ssim_s1  planned  0/12',
    ]
    assert summary(rows) == '4 runs: 1 running, 3 planned'


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_live_table_replaces_itself(places, monkeypatch):
    monkeypatch.setenv('TERM', 'xterm')
    terminal = _Terminal()
    display = Display(terminal)
    display.update(rows_of(places))
    display.event('something')
    display.update(rows_of(places))
    assert terminal.getvalue().count('\x1b[6A\x1b[J') == 1
    assert terminal.getvalue().index('\x1b[6A') < terminal.getvalue().index('something')
