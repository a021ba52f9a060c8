"""The unit of work: done once, never twice at a time, and equal however often it is interrupted."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from basicsr.ablation.lock import RunLock, is_locked
from basicsr.ablation.runs import RunPlace, state_of
from basicsr.ablation.trainer import BUSY, DONE, PREEMPTED, REFUSED
from tests.ablation.toy import TOTAL

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture
def place(written) -> RunPlace:
    """A planned run, whose toy trainer takes 5 ms per iteration."""
    place = written().runs[0].place
    (place.folder.parent / 'seconds').write_text('0.005')
    return place


def start_toy(place: RunPlace, *arguments: str) -> subprocess.Popen:
    command = [sys.executable, '-m', 'tests.ablation.toy', str(place.folder), '--root', str(place.folder.parents[2])]
    return subprocess.Popen([*command, *arguments], cwd=REPO, start_new_session=True)


def starts(place: RunPlace) -> list[int]:
    return [int(line) for line in (place.state / 'starts').read_text().split()]


def final_value(place: RunPlace) -> int:
    return int((place.folder / 'training_states' / f'{TOTAL}.state').read_text())


def wait_for(condition, seconds: float = 60) -> None:
    deadline = time.time() + seconds
    while not condition():
        assert time.time() < deadline, 'it did not happen'
        time.sleep(0.005)


def has_state(place: RunPlace, at_least: int = 1) -> bool:
    return any(int(p.stem) >= at_least for p in place.folder.glob('training_states/*.state'))


def test_a_run_is_done_once(place):
    assert state_of(place) == 'planned'
    assert start_toy(place).wait() == DONE
    assert state_of(place) == 'done'
    result = json.loads(place.result.read_text())
    assert (result['variant'], result['seed'], result['iter'], result['attempts']) == ('full', 0, TOTAL, 1)
    value = pow(31, TOTAL, 1_000_003)
    assert final_value(place) == value
    assert result['metrics'] == {'val': {'psnr': value / 1e5}} and result['inputs'] == {'val': {'psnr': 1.0}}

    assert start_toy(place).wait() == DONE
    assert starts(place) == [0], 'it was trained again'


def test_two_at_a_time_train_once(place):
    (place.folder.parent / 'seconds').write_text('0.05')
    first = start_toy(place)
    wait_for(lambda: has_state(place))
    assert state_of(place) == 'running'
    assert start_toy(place).wait() == BUSY
    assert first.wait() == DONE
    assert starts(place) == [0]


def test_killed_run_one_takes_its_trainer_along_and_goes_on(place):
    (place.folder.parent / 'seconds').write_text('0.03')
    process = start_toy(place)
    wait_for(lambda: has_state(place, 10))
    process.kill()
    process.wait()
    wait_for(lambda: state_of(place) == 'interrupted', 5)
    size = (place.folder / 'metrics.jsonl').stat().st_size
    time.sleep(0.3)
    assert (place.folder / 'metrics.jsonl').stat().st_size == size, 'the trainer lives on'

    assert start_toy(place).wait() == DONE
    assert starts(place)[1] >= 10 and final_value(place) == pow(31, TOTAL, 1_000_003)
    assert json.loads(place.result.read_text())['attempts'] == 2


def test_asked_to_stop_it_saves(place):
    (place.folder.parent / 'seconds').write_text('0.03')
    process = start_toy(place)
    wait_for(lambda: has_state(place))
    process.terminate()
    assert process.wait() == PREEMPTED
    assert state_of(place) == 'interrupted'
    assert start_toy(place).wait() == DONE
    assert starts(place)[1] > 5 and final_value(place) == pow(31, TOTAL, 1_000_003)


def test_remains_without_a_state_are_removed(place):
    (place.state).mkdir(parents=True)
    (place.state / 'crash_at').write_text('3')
    assert start_toy(place).wait() == 1
    assert state_of(place) == 'failed' and place.folder.exists()
    (place.folder / 'half').touch()
    assert start_toy(place).wait() == DONE
    assert not (place.folder / 'half').exists() and starts(place) == [0, 0]


def test_a_silent_trainer_is_killed(place):
    (place.folder.parent / 'seconds').write_text('60')
    began = time.time()
    assert start_toy(place, '--stall_minutes', '0.02').wait() == 1
    assert time.time() - began < 30
    assert 'wrote nothing for 0.02 minutes' in place.status()['reason']


def test_results_of_other_options_are_not_touched(place):
    assert start_toy(place).wait() == DONE
    place.options.write_text(place.options.read_text().replace('lr: 0.002', 'lr: 0.001'))
    assert state_of(place) == 'stale'
    before = place.result.read_bytes()
    assert start_toy(place).wait() == REFUSED
    assert place.result.read_bytes() == before


def test_a_heartbeat_from_elsewhere_counts_for_a_while(place):
    place.state.mkdir(parents=True)
    status = {'state': 'running', 'host': 'another', 'heartbeat': time.time()}
    (place.state / 'status.json').write_text(json.dumps(status))
    assert state_of(place) == 'running'
    assert start_toy(place).wait() == BUSY
    (place.state / 'status.json').write_text(json.dumps(status | {'heartbeat': time.time() - 200}))
    assert state_of(place) == 'interrupted'


def test_lock_is_not_inherited_by_forked_workers(tmp_path):
    """A DataLoader worker that outlives a killed trainer must not keep the run from going on."""
    script = (
        'import os, sys, time; from pathlib import Path; from basicsr.ablation.lock import RunLock\n'
        f'lock = RunLock(Path({str(tmp_path / "lock")!r}))\n'
        'pid = os.fork()\n'
        'if pid == 0: time.sleep(60)\n'
        'print(pid, flush=True); time.sleep(60)'
    )
    process = subprocess.Popen([sys.executable, '-c', script], cwd=REPO, stdout=subprocess.PIPE, text=True)
    child = int(process.stdout.readline())
    try:
        assert is_locked(tmp_path / 'lock') and not RunLock(tmp_path / 'lock').held
        process.kill()
        process.wait()
        assert not is_locked(tmp_path / 'lock') and RunLock(tmp_path / 'lock').held
    finally:
        os.kill(child, signal.SIGKILL)


_RUN = [sys.executable, '-m', 'basicsr.ablation.run_one']


@pytest.mark.slow
def test_a_real_run_killed_and_stopped_equals_an_undisturbed_one(written, tiny_root):
    """The real trainer: kill -9 at the first state, SIGTERM later, then the end: bit-equal weights and scores."""
    from tests.conftest import tiny_options

    options = tiny_options()
    options['train']['total_iter'] = options['train']['scheduler']['T_max'] = 60
    options['val']['val_freq'] = 30
    options['logger'] = {'print_freq': 5, 'save_checkpoint_freq': 10, 'ledger_freq': 5}
    plan = written({'variants': {'full': {}, 'twin': {'logger:print_freq': 6, 'train:ema_decay': 0.0001}}}, options)
    disturbed = plan.runs[0].place
    environment = os.environ | {'OMP_NUM_THREADS': '1'}

    def run(folder: Path, root: Path) -> subprocess.Popen:
        return subprocess.Popen([*_RUN, str(folder), '--root', str(root)], cwd=REPO, env=environment)

    process = run(disturbed.folder, tiny_root)
    wait_for(lambda: has_state(disturbed) or process.poll() is not None, 120)
    process.kill()
    process.wait()
    wait_for(lambda: state_of(disturbed) != 'running', 20)
    process = run(disturbed.folder, tiny_root)
    wait_for(lambda: has_state(disturbed, 30) or process.poll() is not None, 120)
    process.terminate()
    assert process.wait() in (PREEMPTED, DONE)
    assert run(disturbed.folder, tiny_root).wait() == DONE

    other = tiny_root / 'other'
    (other / 'experiments' / 'grid' / 'options').mkdir(parents=True)
    (other / 'data').symlink_to(tiny_root / 'data')
    (other / 'experiments' / 'grid' / 'options' / 'full_s0.yml').write_text(disturbed.options.read_text())
    calm = RunPlace(other / 'experiments' / 'grid' / 'full_s0')
    assert run(calm.folder, other).wait() == DONE
    results = [json.loads(p.result.read_text()) for p in (disturbed, calm)]
    assert results[0]['attempts'] >= 2 and results[1]['attempts'] == 1
    assert results[0]['metrics'] == results[1]['metrics'] and results[0]['metrics']['val']['psnr'] > 0
    weights = [
        torch.load(p.folder / 'models' / 'net_g_latest.pth', weights_only=True)['params'] for p in (disturbed, calm)
    ]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    assert not list((tiny_root / 'experiments' / 'grid').glob('*_archived_*'))


@pytest.mark.slow
def test_a_mistake_is_one_under_torchrun_too(written, tiny_root):
    """Two ranks: torchrun ends with 1, a crash, and the same again would be tried."""
    place = written().runs[0].place
    shutil.rmtree(tiny_root / 'data' / 'train')
    command = [sys.executable, '-m', 'basicsr.ablation.run_one', str(place.folder), '--root', str(tiny_root)]
    environment = os.environ | {'OMP_NUM_THREADS': '1'}
    done = subprocess.run([*command, '--num_processes', '2'], cwd=REPO, env=environment, check=False)
    assert done.returncode == REFUSED
    assert place.status()['code'] == REFUSED and 'no such folder' in place.log.read_text()
