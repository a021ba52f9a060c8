"""Where runs are placed: Slurm and Ray for real on one machine, where they are installed; and the job script alone."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from basicsr.ablation.backends import local, slurm_array
from basicsr.ablation.backends.local import LocalProcesses
from basicsr.ablation.backends.slurm_array import SlurmArray
from basicsr.ablation.driver import Driver
from basicsr.ablation.process import package_environment
from basicsr.ablation.runs import RunPlace, state_of
from basicsr.utils.errors import UserError
from tests.ablation import slurm_cluster
from tests.ablation.test_run_one import REPO, final_value, has_state, starts, wait_for
from tests.ablation.toy import TOTAL

VALUE = pow(31, TOTAL, 1_000_003)


def toy_arguments(run: RunPlace, root: Path, num_processes: int, stall_minutes: float) -> list[str]:
    return ['-m', 'tests.ablation.toy', str(run.folder), '--root', str(root)]


@pytest.fixture
def places(written, monkeypatch) -> list[RunPlace]:
    """Four planned runs of the toy trainer."""
    plan = written()
    (plan.folder / 'seconds').write_text('0.01')
    monkeypatch.setattr(slurm_array, 'run_one_arguments', toy_arguments)
    return [run.place for run in plan.runs]


def test_local_slots_share_devices_and_cores(tmp_path, monkeypatch):
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    monkeypatch.setattr(local, 'number_of_cores', lambda: 8)
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '3,GPU-ab,5,6')
    backend = LocalProcesses(tmp_path)
    assert [backend.environment(slot)['CUDA_VISIBLE_DEVICES'] for slot in range(4)] == ['3', 'GPU-ab', '5', '6']
    assert backend.environment(0)['OMP_NUM_THREADS'] == '2'
    pairs = LocalProcesses(tmp_path, gpus_per_run=2)
    assert [pairs.environment(slot)['CUDA_VISIBLE_DEVICES'] for slot in range(pairs.jobs)] == ['3,GPU-ab', '5,6']
    crowded = LocalProcesses(tmp_path, jobs=6)
    assert [crowded.groups[slot] for slot in (0, 4, 5)] == [['3'], ['3'], ['GPU-ab']]
    with pytest.raises(UserError, match='--gpus_per_run 5: there are 4 GPUs'):
        LocalProcesses(tmp_path, gpus_per_run=5)
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
    assert LocalProcesses(tmp_path).jobs == 4


# Slurm.


def stub_queue(folder: Path, monkeypatch, squeue: str) -> None:
    """Put stand-ins for Slurm's commands on the path."""
    folder.mkdir(exist_ok=True)
    for name, text in (('sbatch', 'echo 7'), ('squeue', squeue), ('scontrol', f'echo "$@" >> {folder}/scontrol.txt')):
        (folder / name).write_text(f'#!/bin/bash\n{text}\n')
        (folder / name).chmod(0o755)
    monkeypatch.setenv('PATH', f'{folder}:{os.environ["PATH"]}')


def test_slurm_script_runs_its_task_and_asks_for_a_requeue(places, tiny_root, tmp_path, monkeypatch):
    """The script under plain bash: the second run of the array; stopped, it saves and goes back to the queue."""
    stub_queue(tmp_path / 'bin', monkeypatch, '')
    (places[0].folder.parent / 'seconds').write_text('0.05')
    script = tmp_path / 'job.sh'
    script.write_text(SlurmArray(tiny_root, places[0].folder.parent).script(places[:2]))
    for place in places[:2]:
        place.state.mkdir(parents=True)
    variables = {'SLURM_ARRAY_TASK_ID': '1', 'SLURM_ARRAY_JOB_ID': '7'}
    process = subprocess.Popen(['bash', str(script)], env=os.environ | variables, cwd=tmp_path)
    wait_for(lambda: has_state(places[1]))
    process.send_signal(signal.SIGUSR1)
    assert process.wait(timeout=60) == 75
    assert (tmp_path / 'bin' / 'scontrol.txt').read_text() == 'requeue 7_1\n'
    assert subprocess.run(['bash', str(script)], env=os.environ | variables, cwd=tmp_path, check=False).returncode == 0
    assert final_value(places[1]) == VALUE and starts(places[1])[1] > 5
    assert not places[0].folder.exists()


def test_slurm_jobs_are_found_again_and_waited_for(places, tiny_root, tmp_path, monkeypatch):
    folder = places[0].folder.parent
    stub_queue(tmp_path / 'bin', monkeypatch, 'echo "7_0 PENDING"; echo "7_1 RUNNING"; echo "8_0 RUNNING"')
    backend = SlurmArray(tiny_root, folder, jobs=3, gpus_per_run=2, options='--partition=x', grace_seconds=0.2)
    backend.place(places[:3])
    assert backend.options == ['--gpus-per-node=2', '--partition=x']
    assert '--array=0-2%3\n' in next((folder / 'state' / 'slurm').glob('*.sh')).read_text()
    assert backend.finished() == []  # 7_2 has left the queue, a result may still appear
    time.sleep(0.3)
    assert backend.finished() == [places[2]]
    assert SlurmArray(tiny_root, folder).adopted() == places[:2]
    stub_queue(tmp_path / 'bin', monkeypatch, 'echo "slurm_load_jobs error: Invalid job id specified" >&2; exit 1')
    assert SlurmArray(tiny_root, folder).adopted() == []
    stub_queue(tmp_path / 'bin', monkeypatch, 'echo "controller is away" >&2; exit 1')
    with pytest.raises(UserError, match='--launcher slurm: squeue: controller is away'):
        SlurmArray(tiny_root, folder)
    assert backend.finished() == []


@pytest.mark.slow
@pytest.mark.skipif(slurm_cluster.why_not() is not None, reason=str(slurm_cluster.why_not()))
def test_slurm_for_real(places, tiny_root, tmp_path, monkeypatch):
    """Two nodes, four runs; a trainer and a whole task are killed; the driver is replaced by another on the way."""
    folder = places[0].folder.parent
    (folder / 'seconds').write_text('0.1')
    with slurm_cluster.SlurmCluster(tmp_path / 'slurm') as cluster:
        for name, value in cluster.environment.items():
            monkeypatch.setenv(name, value)
        SlurmArray(tiny_root, folder).place(places)
        backend = SlurmArray(tiny_root, folder, grace_seconds=1)
        assert backend.adopted() == places
        wait_for(lambda: all(has_state(place) for place in places[:2]))
        os.kill(places[0].status()['pid'], signal.SIGKILL)
        task = next(task for task, run in backend.tasks.items() if run == places[1])
        cluster.call('scontrol', 'requeue', task)
        deadline = time.time() + 60
        while len(starts(places[1])) < 2 and time.time() < deadline:
            time.sleep(0.5)
            # Slurm lets a task that was requeued wait for two minutes.
            subprocess.run(['scontrol', 'update', f'jobid={task}', 'starttime=now'], check=False, capture_output=True)
        assert Driver(places, backend).run() == []
    assert [state_of(place) for place in places] == ['done'] * 4
    assert [final_value(place) for place in places] == [VALUE] * 4
    assert len(starts(places[0])) == len(starts(places[1])) == 2


# Ray.

_RAY_DRIVER = """
import sys
from pathlib import Path
from basicsr.ablation.backends import ray_tasks
from basicsr.ablation.driver import Driver
from basicsr.ablation.grid_folder import places_of
from tests.ablation.test_backends import toy_arguments
ray_tasks.run_one_arguments = toy_arguments
root = Path(sys.argv[1])
failed = Driver(places_of(root / 'experiments' / 'grid'), ray_tasks.RayTasks(root, jobs=2, use_gpu=False)).run()
sys.exit(len(failed))
"""


@pytest.mark.slow
def test_ray_for_real(places, tiny_root):
    """A cluster of this machine; a run and then the driver are killed, and another driver brings all to their end."""
    pytest.importorskip('ray', reason='the extra `ray` is not installed: pip install "basicsr[ray]"')
    (places[0].folder.parent / 'seconds').write_text('0.1')
    environment = package_environment() | {'RAY_USAGE_STATS_ENABLED': '0'}
    command = [sys.executable, '-c', _RAY_DRIVER, str(tiny_root)]

    process = subprocess.Popen(command, cwd=REPO, env=environment)
    wait_for(lambda: has_state(places[0]) or process.poll() is not None, 120)
    os.kill(places[0].status()['pid'], signal.SIGKILL)
    wait_for(lambda: len(starts(places[0])) == 2, 60)
    process.kill()
    process.wait()
    wait_for(lambda: not any(state_of(place) == 'running' for place in places), 30)
    assert not all(state_of(place) == 'done' for place in places)

    assert subprocess.run(command, cwd=REPO, env=environment, timeout=300, check=False).returncode == 0
    assert [final_value(place) for place in places] == [VALUE] * 4
    assert starts(places[0])[1] >= 5, 'it did not go on from its state'
