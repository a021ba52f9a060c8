"""The folder of a run: what it holds, what is archived, what a resumed run keeps."""

import json
import os

import pytest

from basicsr.engine.run import Run
from basicsr.engine.start import Start
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

    def open_(start=None, **logger):
        options = opt | {'logger': opt['logger'] | logger}
        run = Run(options, {'name': 'group/mine', 'n': 1}, str(tmp_path / 'my.yml'), start or Start('scratch', ''))
        get_root_logger().info('hello')
        return run

    return open_


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
    assert names - {log} == {'models', 'training_states', 'visualization', 'my.yml', 'resolved.yml', 'metrics.jsonl'}
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

    second = open_run(Start('resume', '', {'iter': 2}))
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
