"""Whole runs, small ones: what is written, exact resume, fine-tuning, and what a user's mistake gets."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml

from basicsr.test import test_pipeline
from basicsr.train import train_pipeline
from basicsr.utils.errors import UserError
from tests.conftest import tiny_options

REPO = Path(__file__).resolve().parents[1]


def weights(root: Path, name: str = 'tiny', iteration: int | str = 12) -> dict:
    return torch.load(root / 'experiments' / name / 'models' / f'net_g_{iteration}.pth', weights_only=True)


def assert_equal(first: dict, second: dict) -> None:
    assert first.keys() == second.keys()
    for group in first:
        assert first[group].keys() == second[group].keys()
        for name, value in first[group].items():
            assert torch.equal(value, second[group][name]), f'{group}.{name} differs'


def test_a_run_writes_what_basicsr_writes(train, tiny_root):
    options = tiny_options()
    options['val']['save_img'] = True
    train(options)
    run = tiny_root / 'experiments' / 'tiny'
    assert sorted(p.name for p in (run / 'models').iterdir()) == ['net_g_12.pth', 'net_g_6.pth', 'net_g_latest.pth']
    assert sorted(p.name for p in (run / 'training_states').iterdir()) == ['12.state', '6.state']
    assert sorted(p.name for p in (run / 'visualization' / 'val' / '00').iterdir()) == ['00_12.png', '00_6.png']
    assert (run / 'tiny.yml').read_text().startswith('# GENERATE TIME: ')
    assert_equal(weights(tiny_root), weights(tiny_root, iteration='latest'))
    assert weights(tiny_root).keys() == {'params'}

    log = next(run.glob('train_tiny_*.log')).read_text()
    assert '[tiny..][epoch:  1, iter:       4, lr:(' in log
    assert 'Validation val\n\t # psnr: ' in log
    assert 'Network: NAFNet, with parameters: 1,687' in log
    assert f'tensorboard --logdir {tiny_root / "tb_logger"}' in log

    events = [json.loads(line) for line in (run / 'metrics.jsonl').read_text().splitlines()]
    assert [e['iter'] for e in events if 'val' not in e] == [4, 8, 12]
    assert [e['iter'] for e in events if 'val' in e] == [6, 12]
    last = events[-1]
    assert last['psnr'] > 0 and last['input_psnr'] > 0
    assert all(e['l_total'] == pytest.approx(e['l_pixel'] + e['l_ssim'], rel=1e-5) for e in events if 'val' not in e)


def test_tensorboard_has_a_curve_per_term(train, tiny_root):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(tiny_options())
    events = EventAccumulator(str(tiny_root / 'tb_logger' / 'tiny'))
    events.Reload()
    assert set(events.Tags()['scalars']) == {
        'grad/clipped',
        'grad/norm',
        'data_wait',
        'grad/skipped',
        'loss_weight/pixel',
        'loss_weight/ssim',
        'losses/l_pixel',
        'losses/l_ssim',
        'losses/l_total',
        'losses_raw/pixel',
        'losses_raw/ssim',
        'lr',
        'metrics/val/psnr',
        'metrics/val/ssim',
    }
    assert [event.step for event in events.Scalars('losses/l_ssim')] == [4, 8, 12]


def test_resolved_options_start_the_same_run(train, tiny_root):
    train(tiny_options())
    resolved = yaml.safe_load((tiny_root / 'experiments' / 'tiny' / 'resolved.yml').read_text())
    train(resolved | {'name': 'again'})
    assert_equal(weights(tiny_root), weights(tiny_root, 'again'))


@pytest.mark.parametrize('num_workers', [0, 2])
def test_killed_and_resumed_equals_uninterrupted(num_workers, train, tiny_root):
    """kill -9 in the middle, restart with --auto_resume: bit-equal weights and moving average."""
    options = tiny_options()
    options['train'] |= {'total_iter': 40, 'ema_decay': 0.9}
    options['train']['scheduler']['T_max'] = 40
    options['logger'] = {'print_freq': 4, 'save_checkpoint_freq': 5}
    options['network_g'] |= {'width': 8}
    train(options | {'name': 'whole'})

    options['datasets']['train']['num_worker_per_gpu'] = num_workers
    file = tiny_root / 'killed.yml'
    file.write_text(yaml.safe_dump(options | {'name': 'killed'}))
    command = [sys.executable, '-c', _RUN.format(root=str(tiny_root), file=str(file))]
    process = subprocess.Popen(command, cwd=REPO, start_new_session=True, env=os.environ | {'OMP_NUM_THREADS': '1'})
    states = tiny_root / 'experiments' / 'killed' / 'training_states'
    deadline = time.time() + 120
    while not (states / '10.state').exists() and time.time() < deadline and process.poll() is None:
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (states / '40.state').exists(), 'the run ended before it could be killed'

    train(options | {'name': 'killed'}, '--auto_resume')
    assert_equal(weights(tiny_root, 'whole', 40), weights(tiny_root, 'killed', 40))
    lines = (states.parent / 'metrics.jsonl').read_text().splitlines()
    iterations = [json.loads(line)['iter'] for line in lines if '"val"' not in line]
    assert iterations == list(range(4, 41, 4)), 'no event is lost or doubled'
    assert list((tiny_root / 'experiments').glob('killed_archived_*')) == []


_RUN = """
import torch
torch.set_num_threads(1)
from basicsr.train import train_pipeline
train_pipeline({root!r}, ['-opt', {file!r}])
"""


def test_resume_keeps_best_scores_and_repeats_the_validation(train, tiny_root):
    options = tiny_options()
    options['train']['total_iter'] = 6
    first = train(options)
    options['train']['total_iter'] = 12
    second = train(options, '--auto_resume')
    assert second.best_metric_results['val']['psnr']['val'] >= first.best_metric_results['val']['psnr']['val']
    lines = (tiny_root / 'experiments' / 'tiny' / 'metrics.jsonl').read_text().splitlines()
    assert [json.loads(line)['iter'] for line in lines if '"val"' in line] == [6, 12]


def test_finetune_starts_fresh_from_weights(train, tiny_root):
    options = tiny_options()
    options['train']['ema_decay'] = 0.9
    trained = train(options)
    pretrained = 'experiments/tiny/models/net_g_12.pth'

    tuned = tiny_options() | {'name': 'tuned', 'path': {'pretrain_network_g': pretrained}}
    tuned['train'] |= {'mode': 'finetune', 'total_iter': 1, 'ema_decay': 0.5}
    tuned['train']['optim_g'] = {'type': 'SGD', 'lr': 0.0, 'momentum': 0.9}
    model = train(tuned)

    # A learning rate of 0 leaves the weights that training started from: the moving average, where there is one.
    start = {k: v.cpu() for k, v in trained.net_g_ema.state_dict().items()}
    assert_equal({'params': start, 'params_ema': start}, weights(tiny_root, 'tuned', 1))
    assert model.get_current_learning_rate() == [0.0]
    state = torch.load(tiny_root / 'experiments/tuned/training_states/1.state', weights_only=True)
    assert state['iter'] == 1
    log = next((tiny_root / 'experiments' / 'tuned').glob('*.log')).read_text()
    assert 'Start mode: finetune (train.mode: finetune).' in log
    assert (
        f'Fine-tuning from {tiny_root / pretrained} at iteration 0. Fresh: optimizer, schedule (learning rate 0)' in log
    )


def test_finetune_uses_the_learning_rate_of_the_file(train, tiny_root):
    train(tiny_options())
    tuned = tiny_options() | {'name': 'tuned', 'path': {'pretrain_network_g': 'experiments/tiny/models/net_g_12.pth'}}
    tuned['train'] |= {'mode': 'finetune', 'total_iter': 2}
    tuned['train']['optim_g']['lr'] = 2e-4
    train(tuned)
    events = [json.loads(line) for line in (tiny_root / 'experiments/tuned/metrics.jsonl').read_text().splitlines()]
    # One step of the cosine over 12 iterations.
    assert events[0]['lr'] == [pytest.approx(2e-4 * 0.5 * (1 + torch.cos(torch.tensor(torch.pi / 12)).item()))]


def test_an_existing_run_is_archived(train, tiny_root):
    train(tiny_options())
    before = weights(tiny_root)
    options = tiny_options() | {'manual_seed': 4}
    train(options)
    archived = list((tiny_root / 'experiments').glob('tiny_archived_*'))
    assert len(archived) == 1
    assert_equal(before, torch.load(archived[0] / 'models' / 'net_g_12.pth', weights_only=True))
    assert len(list((tiny_root / 'tb_logger').glob('tiny_archived_*'))) == 1


def test_evaluation_says_which_weights_and_agrees_with_training(train, tiny_root, capfd):
    options = tiny_options()
    options['train']['ema_decay'] = 0.9
    model = train(options)
    options |= {'path': {'pretrain_network_g': 'experiments/tiny/models/net_g_12.pth'}, 'name': 'evaluated'}
    options['val']['save_img'] = True
    file = tiny_root / 'evaluate.yml'
    file.write_text(yaml.safe_dump(options))
    from basicsr.utils.logger import close_root_logger

    scores = test_pipeline(str(tiny_root), ['-opt', str(file)])
    close_root_logger()
    assert scores['val'] == model.metric_results
    assert 'with param key: [params_ema]' in capfd.readouterr().err
    pictures = tiny_root / 'results' / 'evaluated' / 'visualization' / 'val'
    assert sorted(p.name for p in pictures.iterdir()) == ['00_evaluated.png', '01_evaluated.png']


def _run_mistakes():
    """Changes to the tiny options, and what the message must say."""
    return {
        'missing folder': (
            {'datasets': {'train': {'dataroot_gt': 'no/such/folder'}}},
            ['datasets.train.dataroot_gt', 'no/such/folder', 'python tools/make_demo_data.py'],
        ),
        'no weights': (
            {'train': {'mode': 'finetune'}},
            ['train.mode: finetune needs weights: give path.pretrain_network_g'],
        ),
        'weights that are not there': (
            {'train': {'mode': 'finetune'}, 'path': {'pretrain_network_g': 'nowhere.pth'}},
            ['nowhere.pth: no such file'],
        ),
        'finetune and resume': (
            {'train': {'mode': 'finetune'}, 'path': {'resume_state': 'a.state', 'pretrain_network_g': 'a.pth'}},
            ['train.mode: finetune starts afresh, but path.resume_state is given'],
        ),
        'nothing to resume': ({'train': {'mode': 'resume'}}, ['holds no training state']),
        'unknown key': ({'train': {'optm_g': {}}}, ["train.optm_g: unknown key; did you mean 'optim_g'?"]),
        'two losses of one name': (
            {'train': {'losses': [{'type': 'L1Loss'}, {'type': 'L1Loss'}]}},
            ["train.losses[1]: is called 'l1', as is train.losses[0]"],
        ),
        'empty losses': ({'train': {'losses': []}}, ['train.losses: is empty']),
    }


def merge(options: dict, changes: dict) -> dict:
    for key, value in changes.items():
        options[key] = merge(options[key], value) if isinstance(value, dict) and key in options else value
    return options


@pytest.mark.parametrize('case', list(_run_mistakes()))
def test_mistakes_get_one_message_and_write_nothing(case, train, tiny_root):
    changes, expected = _run_mistakes()[case]
    with pytest.raises(UserError) as error:
        train(merge(tiny_options(), changes))
    for text in expected:
        assert text in str(error.value)
    assert not (tiny_root / 'experiments').exists()
    assert not (tiny_root / 'tb_logger').exists()


def test_weights_of_another_network_are_refused(train, tiny_root):
    train(tiny_options())
    other = tiny_options() | {'name': 'other', 'path': {'pretrain_network_g': 'experiments/tiny/models/net_g_12.pth'}}
    other['network_g']['width'] = 8
    other['train']['mode'] = 'finetune'
    with pytest.raises(UserError, match=r'net_g_12.pth does not fit NAFNet: \d+ of \d+ tensors fit') as error:
        train(other)
    assert 'path.strict_load_g: false' in str(error.value)
    assert not (tiny_root / 'experiments' / 'other').exists()


def test_changed_options_are_not_resumed(train, tiny_root):
    options = tiny_options()
    options['train']['total_iter'] = 6
    train(options)
    options['train']['losses'][1]['loss_weight'] = 0.2
    options['train']['total_iter'] = 12
    with pytest.raises(UserError, match=r'train.losses\[1\].loss_weight: 0.1 -> 0.2'):
        train(options, '--auto_resume')
    train(options, '--auto_resume', '--allow_changed')


def test_a_corrupt_image_is_named(train, tiny_root):
    image = tiny_root / 'data' / 'train' / 'lq' / '03.png'
    image.write_bytes(image.read_bytes()[:200])
    for num_workers in (0, 2):
        options = tiny_options()
        options['datasets']['train']['num_worker_per_gpu'] = num_workers
        with pytest.raises(UserError, match=r'data/train/lq/03.png') as error:
            train(options)
        assert 'Traceback' not in str(error.value)


def test_command_line(tiny_root):
    """As a script, from another folder, not installed; exit codes 0, 1 and 2."""

    def call(*arguments, script='train'):
        command = [sys.executable, '-I', str(REPO / 'basicsr' / f'{script}.py'), *arguments]
        return subprocess.run(command, cwd=tiny_root, capture_output=True, text=True, timeout=120)

    good, bad = tiny_root / 'good.yml', tiny_root / 'bad.yml'
    good.write_text(yaml.safe_dump(tiny_options()))
    bad.write_text('name: [')
    done = call('-opt', str(good), '--check', '--force_yml', 'train:optim_g:lr=1e-4', '--local-rank=0')
    assert done.returncode == 0, done.stderr
    assert yaml.safe_load(done.stdout)['train']['optim_g']['lr'] == 1e-4
    failed = call('-opt', str(bad))
    assert failed.returncode == 1
    assert failed.stderr.startswith('error: ') and 'line 1' in failed.stderr and 'Traceback' not in failed.stderr
    assert call('-opt').returncode == 2
    assert call('-opt', str(good), '--force_yaml', 'a=1').returncode == 2
    missing = call('-opt', str(good), script='test')
    assert missing.returncode == 1
    assert 'path.pretrain_network_g is required' in missing.stderr and 'Traceback' not in missing.stderr


def test_check_reads_no_data(tmp_path, capsys):
    file = tmp_path / 'run.yml'
    file.write_text(yaml.safe_dump(tiny_options()))
    assert train_pipeline(str(tmp_path), ['-opt', str(file), '--check']) is None
    assert yaml.safe_load(capsys.readouterr().out)['datasets']['train']['gt_size'] == 24
    assert list(tmp_path.iterdir()) == [file]


def test_two_ranks_equal_one_process(train, tiny_root):
    """Two gloo ranks with half the batch each see the same samples and take the same steps."""
    options = tiny_options()
    options['train']['ema_decay'] = 0.9
    train(options | {'name': 'one'})
    options['datasets']['train']['batch_size_per_gpu'] = 1
    file = tiny_root / 'two.yml'
    roots = {'path:experiments_root': 'experiments', 'path:tb_root': 'tb_logger'}
    roots |= {'datasets:train:cache:dir': 'pixel_cache'}
    roots |= {f'datasets:{d}:dataroot_{k}': f'data/{d}/{k}' for d in ('train', 'val') for k in ('gt', 'lq')}
    overrides = [f'{key}={tiny_root / folder}' for key, folder in roots.items()]
    file.write_text(yaml.safe_dump(options | {'name': 'two'}))
    command = [sys.executable, '-m', 'torch.distributed.run', '--nproc-per-node=2', '--master-port=29617']
    command += [
        str(REPO / 'basicsr' / 'train.py'),
        '-opt',
        str(file),
        '--launcher',
        'pytorch',
        '--force_yml',
        *overrides,
    ]
    result = subprocess.run(
        command, env=os.environ | {'OMP_NUM_THREADS': '1'}, capture_output=True, text=True, timeout=180
    )
    assert result.returncode == 0, result.stderr[-2000:]
    one, two = weights(tiny_root, 'one'), weights(tiny_root, 'two')
    for group in one:
        for name, value in one[group].items():
            torch.testing.assert_close(two[group][name], value, rtol=0, atol=1e-5)
