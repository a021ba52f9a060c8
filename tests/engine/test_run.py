"""The folder of a run: what it holds, what is archived, what a resumed run keeps."""

import json
import os
import signal
import subprocess
import sys

import pytest

from basicsr.engine import run as run_module
from basicsr.engine.run import Run
from basicsr.engine.start import Start
from basicsr.utils.errors import UserError
from basicsr.utils.logger import close_root_logger, get_root_logger


@pytest.fixture(autouse=True)
def fresh_logger():
    close_root_logger()
    yield
    close_root_logger()


@pytest.fixture
def open_run(tmp_path):
    (tmp_path / 'my.yml').write_text('name: group/mine\n', encoding='utf-8')
    folder = tmp_path / 'experiments' / 'group' / 'mine'
    opt = {
        'name': 'group/mine',
        'path': {
            'experiments_root': str(folder),
            'log': str(folder),
            'tb_root': str(tmp_path / 'tb_logger' / 'group' / 'mine'),
            **{key: str(folder / key) for key in ('models', 'training_states', 'visualization')},
        },
        'logger': {'print_freq': 1, 'use_tb_logger': True},
        'train': {'total_iter': 10},
    }

    def open_(start=None, opt_file=tmp_path / 'my.yml', **logger):
        options = opt | {'logger': opt['logger'] | logger}
        run = Run(options, {'name': 'group/mine', 'n': 1}, str(opt_file), start or Start('scratch', ''))
        get_root_logger().info('hello')
        return run

    return open_


def resume(iteration, run):
    return Start('resume', '', {'iter': iteration}, run=run)


TIMES = {'time': 0.5, 'data_time': 0.1}


def events(run):
    return [json.loads(line) for line in (run.folder / 'metrics.jsonl').read_text().splitlines()]


def scalars(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(folder))
    accumulator.Reload()
    return {
        tag: [(e.step, round(e.value, 4)) for e in accumulator.Scalars(tag)] for tag in accumulator.Tags()['scalars']
    }


def test_what_is_written(open_run):
    run = open_run()
    run.log(0, 1, [1e-3], TIMES, {'l_pix': 0.5})
    run.log_validation(1, 'Set5', {'psnr': 30.0}, {'psnr': 20.0})
    run.log_validation(1, 'Nothing', {}, {})
    run.close()
    names = set(os.listdir(run.folder))
    (log,) = [name for name in names if name.endswith('.log')]
    assert names - {log, '.lock'} == {
        'models',
        'training_states',
        'visualization',
        'my.yml',
        'resolved.yml',
        'metrics.jsonl',
    }
    assert log.startswith('train_group_mine_')
    assert 'hello' in (run.folder / log).read_text()
    assert (run.folder / 'resolved.yml').read_text() == 'name: group/mine\nn: 1\n'
    assert events(run) == [
        {'iter': 1, 'epoch': 0, 'lr': [1e-3], **TIMES, 'l_pix': 0.5},
        {'iter': 1, 'val': 'Set5', 'psnr': 30.0, 'input_psnr': 20.0},
    ]
    assert scalars(run.tb_folder) == {'losses/l_pix': [(1, 0.5)], 'lr': [(1, 0.001)]}


def test_a_folder_of_the_same_name_is_archived(open_run):
    first = open_run()
    first.close()
    (first.folder / 'models' / 'net_g_5.pth').touch()
    second = open_run()
    second.close()
    assert not (second.folder / 'models' / 'net_g_5.pth').exists()
    for folder in (second.folder, second.tb_folder):
        names = sorted(os.listdir(folder.parent))
        assert len(names) == 2
        assert names[1].startswith('mine_archived_')
    archived = next(second.folder.parent.glob('*_archived_*'))
    assert (archived / 'models' / 'net_g_5.pth').exists()


def test_a_resumed_run_keeps_what_was_before(open_run):
    first = open_run()
    for i in (1, 2, 3):
        first.log(0, i, [1e-3], TIMES, {'l_pix': i / 10})
    first.close()
    (first.folder / 'models' / 'net_g_2.pth').touch()
    (first.folder / 'models' / 'net_g_3.pth.partial.77').touch()
    close_root_logger()

    second = open_run(resume(2, first.folder))
    assert [event['iter'] for event in events(second)] == [1, 2]
    second.log(0, 3, [1e-3], TIMES, {'l_pix': 0.9})
    second.close()
    assert os.listdir(second.folder / 'models') == ['net_g_2.pth']
    assert os.listdir(second.folder.parent) == ['mine']
    # The interrupted run's iteration 3 has gone from the curve, too.
    assert scalars(second.tb_folder)['losses/l_pix'] == [(1, 0.1), (2, 0.2), (3, 0.9)]


def test_without_curves(open_run):
    run = open_run(use_tb_logger=False)
    run.log(0, 1, [1e-3], TIMES, {})
    run.close()
    assert run.tb_logger is None
    assert not run.tb_folder.exists()


class TestWhatANewerBranchLeft:
    def fill(self, folder):
        for name in ('net_g_2.pth', 'net_g_4.pth', 'net_g_10.pth', 'net_d_10.pth', 'net_g_latest.pth', 'other_10.pth'):
            (folder / 'models' / name).write_text(name)
        for name in ('2.state', '4.state', '10.state'):
            (folder / 'training_states' / name).write_text(name)

    def test_it_is_put_aside(self, open_run):
        first = open_run()
        first.close()
        self.fill(first.folder)
        second = open_run(resume(4, first.folder))
        second.close()
        assert sorted(os.listdir(second.folder / 'models')) == [
            'net_g_2.pth',
            'net_g_4.pth',
            'net_g_latest.pth',
            'other_10.pth',
        ]
        assert sorted(os.listdir(second.folder / 'training_states')) == ['2.state', '4.state']
        (aside,) = second.folder.glob('abandoned_*')
        moved = {str(p.relative_to(aside)): p.read_text() for p in aside.rglob('*') if p.is_file()}
        assert moved == {
            'models/net_g_10.pth': 'net_g_10.pth',
            'models/net_d_10.pth': 'net_d_10.pth',
            'training_states/10.state': '10.state',
        }
        log = ''.join(p.read_text() for p in second.folder.glob('*.log'))
        assert f'3 states and weights after iteration 4 are moved to {aside}' in log

    def test_nothing_newer(self, open_run):
        first = open_run()
        first.close()
        self.fill(first.folder)
        second = open_run(resume(10, first.folder))
        second.close()
        assert list(second.folder.glob('abandoned_*')) == []
        assert len(os.listdir(second.folder / 'models')) == 6

    def test_a_state_of_another_run_archives_this_folder(self, open_run, tmp_path):
        first = open_run()
        first.close()
        self.fill(first.folder)
        second = open_run(resume(4, tmp_path / 'experiments' / 'other'))
        second.close()
        assert os.listdir(second.folder / 'models') == []
        (archived,) = second.folder.parent.glob('mine_archived_*')
        assert len(os.listdir(archived / 'models')) == 6
        assert len(list(second.tb_folder.parent.glob('mine_archived_*'))) == 1

    def test_the_same_folder_by_another_path(self, open_run, tmp_path):
        first = open_run()
        first.close()
        (tmp_path / 'link').symlink_to(first.folder)
        open_run(resume(4, tmp_path / 'link')).close()
        assert os.listdir(first.folder.parent) == ['mine']


def test_the_option_file_of_the_archived_folder(open_run):
    """A run that starts anew from its own resolved.yml."""
    first = open_run()
    first.close()
    second = open_run(opt_file=first.folder / 'my.yml')
    second.close()
    assert (second.folder / 'my.yml').read_text().endswith('name: group/mine\n')


def test_a_write_that_fails_leaves_the_old_options(open_run, monkeypatch):
    first = open_run()
    first.close()
    (first.folder / 'resolved.yml').write_text('old: 1\n')
    (first.folder / 'resolved.yml.partial.77').write_text('ol')

    def full(*_):
        raise OSError(28, 'No space left on device')

    with monkeypatch.context() as patch:
        patch.setattr(run_module.shutil, 'copyfileobj', full)
        with pytest.raises(OSError, match='No space left'):
            open_run(resume(0, first.folder))
    assert (first.folder / 'resolved.yml').read_text() == 'old: 1\n'
    open_run(resume(0, first.folder)).close()
    assert (first.folder / 'resolved.yml').read_text() == 'name: group/mine\nn: 1\n'
    assert list(first.folder.glob('*.partial*')) == []


_HOLD = """
import os, sys, time
from pathlib import Path
from basicsr.engine.run import FolderLock
lock = FolderLock(Path(sys.argv[1]))
if os.fork() == 0:
    time.sleep(30)  # a worker that outlives its run
    os._exit(0)
print('held', flush=True)
sys.stdin.readline()
lock.release()
print('released', flush=True)
sys.stdin.readline()
"""


_TRY = """
import fcntl, sys
with open(sys.argv[1], 'r+') as file:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        print('free', file.read())
    except OSError:
        print('held', file.read())
"""


@pytest.mark.skipif(run_module.fcntl is None, reason='this system has no file locks')
class TestLock:
    @pytest.fixture
    def hold(self):
        """Hold the lock of a folder in another process, which has forked a worker."""
        processes = []

        def start(folder):
            command = [sys.executable, '-c', _HOLD, str(folder)]
            pipes = {'stdin': subprocess.PIPE, 'stdout': subprocess.PIPE, 'text': True}
            process = subprocess.Popen(command, start_new_session=True, **pipes)
            processes.append(process)
            assert process.stdout.readline() == 'held\n'
            return process

        yield start
        for process in processes:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()

    def contents(self, folder):
        return {str(p): p.read_bytes() for p in folder.rglob('*') if p.is_file()}

    def test_another_process_is_kept_out_until_the_first_ends(self, open_run, hold, tmp_path):
        first = open_run()
        first.close()
        (first.folder / 'models' / 'net_g_9.pth').touch()
        holder = hold(first.folder)
        before = self.contents(tmp_path)
        for start in (None, resume(4, first.folder), resume(4, tmp_path / 'other')):
            with pytest.raises(UserError) as caught:
                open_run(start)
            assert str(caught.value) == (
                f'{first.folder} is being trained by another process (pid {holder.pid}): use another name, or wait'
            )
        assert self.contents(tmp_path) == before
        assert os.listdir(first.folder.parent) == ['mine']

        os.kill(holder.pid, signal.SIGKILL)  # the worker lives on
        holder.wait()
        open_run(resume(4, first.folder)).close()

    def test_release(self, open_run, hold):
        first = open_run()
        first.close()
        holder = hold(first.folder)
        holder.stdin.write('\n')
        holder.stdin.flush()
        assert holder.stdout.readline() == 'released\n'
        open_run().close()

    def test_an_open_run_holds_it_and_close_gives_it_back(self, open_run):
        def free(folder):
            command = [sys.executable, '-c', _TRY, str(folder / '.lock')]
            answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
            assert answer[1] == str(os.getpid())
            return answer[0] == 'free'

        first = open_run()
        first.close()
        for start in (None, resume(0, first.folder)):
            run = open_run(start)
            assert not free(run.folder)
            run.close()
            assert free(run.folder)

    def test_a_run_that_failed_does_not_keep_the_next_out(self, open_run):
        failed = open_run(use_tb_logger=False)
        second = open_run(resume(0, failed.folder), use_tb_logger=False)
        third = open_run(use_tb_logger=False)
        assert failed.lock.descriptor is not None
        for run in (failed, second, third):
            run.close()

    def test_a_system_without_locks(self, open_run, monkeypatch):
        monkeypatch.setattr(run_module, 'fcntl', None)
        run = open_run()
        run.close()
        assert not (run.folder / '.lock').exists()

    def test_a_file_system_without_locks(self, open_run, monkeypatch):
        def unsupported(*_):
            raise OSError(38, 'Function not implemented')

        monkeypatch.setattr(run_module.fcntl, 'lockf', unsupported)
        run = open_run()
        run.close()
        (log,) = run.folder.glob('*.log')
        assert 'this file system has no locks ([Errno 38] Function not implemented)' in log.read_text()
