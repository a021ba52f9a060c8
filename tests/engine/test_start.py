"""Where a training starts: every rule, every contradiction."""

import copy
import logging
import os
from pathlib import Path

import pytest
import torch

from basicsr.engine.start import (
    Start,
    changed_options,
    choose_seed,
    decide_start,
    newest_state,
    seed_iteration,
    set_deterministic,
)
from basicsr.models.base_model import BaseModel
from basicsr.utils.errors import CheckpointError, OptionError
from basicsr.utils.logger import close_root_logger, get_root_logger
from basicsr.utils.options import dump_options

RESOLVED = {
    'model_type': 'ImageRestorationModel',
    'manual_seed': 3,
    'scale': 1,
    'network_g': {'type': 'NAFNet', 'width': 4},
    'datasets': {'train': {'gt_size': 24, 'num_worker_per_gpu': 0, 'pin_memory': False, 'name': 'train'}, 'val': {}},
    'train': {
        'mode': None,
        'total_iter': 10,
        'losses': [{'type': 'L1Loss', 'loss_weight': 1.0}, {'type': 'SSIMLoss', 'loss_weight': {0: 0.0, 5: 0.1}}],
        'ema_decay': 0.0,
        'optim_g': {'type': 'Adam', 'lr': 1e-3},
        'scheduler': {'type': 'Constant'},
        'grad_clip': None,
        'warmup_iter': -1,
        'calibration_iter': 100,
    },
}


class Project:
    """Run folders, and options of the run called `mine`."""

    def __init__(self, root):
        self.root = root

    def state(self, iteration, run='mine', manual_seed=3, weights=True, **more):
        """Write a state and its weights, as a run does."""
        for folder in ('models', 'training_states'):
            (self.root / run / folder).mkdir(parents=True, exist_ok=True)
        state = {'iter': iteration, 'epoch': 0, 'optimizers': [], 'schedulers': [], 'manual_seed': manual_seed, **more}
        path = self.root / run / 'training_states' / f'{iteration}.state'
        torch.save(state, path)
        if weights:
            torch.save({'params': {'w': torch.ones(1)}}, self.root / run / 'models' / f'net_g_{iteration}.pth')
        return str(path)

    def weights(self, iteration, run='mine'):
        return str(self.root / run / 'models' / f'net_g_{iteration}.pth')

    def resolved_file(self, run='mine', resolved=RESOLVED):
        (self.root / run).mkdir(exist_ok=True)
        (self.root / run / 'resolved.yml').write_text(dump_options(resolved), encoding='utf-8')

    def start(
        self, mode=None, auto_resume=False, allow_changed=False, resolved=RESOLVED, ignore=(), world_size=1, **path
    ):
        folders = {
            'training_states': str(self.root / 'mine' / 'training_states'),
            'ignore_resume_networks': list(ignore),
        }
        given = {'resume_state': None, 'pretrain_network_g': None, **path}
        opt = {'path': given | folders, 'train': {'mode': mode}, 'auto_resume': auto_resume, 'world_size': world_size}
        return decide_start(opt, resolved, allow_changed)


@pytest.fixture
def project(tmp_path):
    close_root_logger()
    yield Project(tmp_path)
    close_root_logger()


@pytest.fixture
def logged():
    """The lines that the logger gets."""
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    get_root_logger().addHandler(handler)
    yield lines
    get_root_logger().removeHandler(handler)


class TestRules:
    def test_1_auto_resume_wins_over_everything(self, project):
        project.state(5)
        project.state(10)
        other = project.state(7, run='other')
        for mode, path in [
            (None, {}),
            ('scratch', {}),
            ('finetune', {'pretrain_network_g': 'w.pth'}),
            ('resume', {'resume_state': other}),
            (None, {'resume_state': other}),
        ]:
            start = project.start(mode, auto_resume=True, **path)
            assert (start.mode, start.iteration, start.weights) == ('resume', 10, project.weights(10))
            assert start.reason == f'--auto_resume found {project.root}/mine/training_states/10.state'

    def test_1_auto_resume_without_a_state_is_as_the_file_says(self, project):
        prefix = '--auto_resume found no training state of this run; '
        start = project.start(auto_resume=True)
        assert (start.mode, start.reason) == ('scratch', prefix + 'no train.mode and no weights are given')
        start = project.start('finetune', auto_resume=True, pretrain_network_g='w.pth')
        assert (start.mode, start.weights, start.reason) == ('finetune', 'w.pth', prefix + 'train.mode: finetune')
        other = project.state(7, run='other')
        start = project.start(auto_resume=True, resume_state=other)
        assert (start.mode, start.iteration, start.weights) == ('resume', 7, project.weights(7, 'other'))

    def test_2_resume_this_run(self, project):
        project.state(5)
        project.state(10)
        project.state(9)
        start = project.start('resume')
        assert (start.mode, start.iteration, start.weights) == ('resume', 10, project.weights(10))
        assert start.reason == f'train.mode: resume, from {project.root}/mine/training_states/10.state'
        assert start.state['schedulers'] == []

    def test_2_resume_another(self, project):
        project.state(10)
        other = project.state(7, run='other')
        start = project.start('resume', resume_state=other)
        assert (start.iteration, start.weights) == (7, project.weights(7, 'other'))
        assert start.run == project.root / 'other'

    def test_2_resume_nothing(self, project):
        with pytest.raises(OptionError) as caught:
            project.start('resume')
        assert str(caught.value) == (
            f'train.mode: resume, but {project.root}/mine/training_states holds no training state; '
            'give path.resume_state, or start with mode: scratch'
        )
        with pytest.raises(CheckpointError, match=r'gone\.state: no such file'):
            project.start('resume', resume_state=str(project.root / 'gone.state'))

    def test_3_finetune(self, project):
        project.state(10)  # an earlier run of this name has no say
        start = project.start('finetune', pretrain_network_g='w.pth')
        assert start == Start('finetune', 'train.mode: finetune', None, 'w.pth')
        assert start.iteration == 0

    def test_4_scratch(self, project):
        project.state(10)
        assert project.start('scratch') == Start('scratch', 'train.mode: scratch')

    def test_5_without_a_mode(self, project):
        project.state(10)
        assert project.start() == Start('scratch', 'no train.mode and no weights are given')
        start = project.start(pretrain_network_g='w.pth')
        assert start == Start('finetune', 'no train.mode, and path.pretrain_network_g is given', weights='w.pth')
        other = project.state(7, run='other')
        start = project.start(resume_state=other, pretrain_network_g='w.pth')
        assert (start.mode, start.iteration, start.weights) == ('resume', 7, project.weights(7, 'other'))
        assert start.reason == f'no train.mode, and path.resume_state is given: {other}'


@pytest.mark.parametrize(
    ('mode', 'path', 'message'),
    [
        (
            'finetune',
            {'pretrain_network_g': 'w.pth', 'resume_state': 'x.state'},
            'train.mode: finetune starts afresh, but path.resume_state is given: remove one of them',
        ),
        ('finetune', {}, 'train.mode: finetune needs weights: give path.pretrain_network_g'),
        (
            'scratch',
            {'resume_state': 'x.state'},
            'train.mode: scratch starts afresh, but path.resume_state is given: remove one of them',
        ),
        (
            'scratch',
            {'pretrain_network_g': 'w.pth'},
            'train.mode: scratch starts from random weights, but path.pretrain_network_g is given: remove it',
        ),
    ],
)
def test_contradictions(project, mode, path, message):
    with pytest.raises(OptionError) as caught:
        project.start(mode, **path)
    assert str(caught.value) == message


def test_weights_that_a_resumed_run_does_not_read(project, logged):
    project.state(5)
    project.start('resume', pretrain_network_g='w.pth')
    assert logged == ['note: path.pretrain_network_g is not read: a run that is continued has its own weights']


@pytest.mark.parametrize('name', ['network_g', 'g'])  # as BasicSR and NAFNet write it
def test_ignore_resume_networks(project, logged, name):
    project.state(5)
    start = project.start('resume', pretrain_network_g='w.pth', ignore=[name])
    assert (start.weights, start.iteration) == ('w.pth', 5)
    assert logged == []


@pytest.mark.parametrize(
    'content',
    [
        [1],
        {'iter': 3},
        {'iter': 'x', 'optimizers': [], 'schedulers': []},
        {'params': {'w': torch.ones(1)}},
    ],
)
def test_what_is_no_state(project, content):
    path = Path(project.state(5))
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=r'5\.state: is no training state'):
        project.start('resume', resume_state=str(path))


class TestNewestState:
    def test_order_is_that_of_the_numbers(self, project):
        for iteration in (900, 1000, 50):
            path = project.state(iteration)
        for name in ('latest.state', '2000.state.partial.5', '3000.pth'):
            (Path(path).parent / name).touch()
        assert newest_state(Path(path).parent).name == '1000.state'

    def test_damaged_states_are_skipped_and_named(self, project, logged):
        for iteration in (10, 20, 30, 40, 50):
            folder = Path(project.state(iteration)).parent
        (folder / '50.state').write_bytes((folder / '50.state').read_bytes()[:200])
        Path(project.weights(40)).unlink()
        Path(project.weights(30)).write_bytes(b'')
        torch.save({'iter': 20}, folder / '20.state')
        assert newest_state(folder) == folder / '10.state'
        assert [line.partition(':')[0] for line in logged] == [f'{i}.state is skipped' for i in (50, 40, 30, 20)]
        assert logged[1] == f'40.state is skipped: {project.weights(40)}: no such file'
        assert logged[3] == f'20.state is skipped: {folder}/20.state: is no training state'

    def test_no_folder(self, tmp_path):
        assert newest_state(tmp_path / 'gone') is None


def changed(**changes):
    """Return options with values at colon paths replaced."""
    options = copy.deepcopy(RESOLVED)
    for path, value in changes.items():
        *parents, last = path.split('__')
        node = options
        for part in parents:
            node = node[int(part) if part.isdigit() else part]
        node[int(last) if last.isdigit() else last] = value
    return options


class TestChangedOptions:
    @pytest.mark.parametrize(
        ('changes', 'lines'),
        [
            ({}, []),
            ({'network_g__width': 8}, ['network_g.width: 4 -> 8']),
            ({'scale': 2}, ['scale: 1 -> 2']),
            ({'manual_seed': 4}, ['manual_seed: 3 -> 4']),
            ({'manual_seed': None}, []),  # left open: the run's own goes on
            ({'train__losses__0__loss_weight': 2.0}, ['train.losses[0].loss_weight: 1.0 -> 2.0']),
            ({'train__losses__1__loss_weight__5': 1.0}, ['train.losses[1].loss_weight.5: 0.1 -> 1.0']),
            ({'train__losses': []}, None),
            ({'train__ema_decay': 0.9}, ['train.ema_decay: 0.0 -> 0.9']),
            ({'train__optim_g__lr': 1e-4}, ['train.optim_g.lr: 0.001 -> 0.0001']),
            (
                {'train__scheduler': {'type': 'LinearLR', 'total_iter': 5}},
                ["train.scheduler.type: 'Constant' -> 'LinearLR'", 'train.scheduler.total_iter: None -> 5'],
            ),
            ({'model_type': 'SRModel'}, ["model_type: 'ImageRestorationModel' -> 'SRModel'"]),
            ({'train__grad_clip': {'type': 'none'}}, ["train.grad_clip: None -> {'type': 'none'}"]),
            ({'train__warmup_iter': 5}, ['train.warmup_iter: -1 -> 5']),
            ({'train__calibration_iter': 5}, ['train.calibration_iter: 100 -> 5']),
            ({'datasets__train__gt_size': 32}, ['datasets.train.gt_size: 24 -> 32']),
            ({'datasets__train__num_worker_per_gpu': 8, 'datasets__train__name': 'x'}, []),
            ({'datasets__train__cache': {'type': 'none', 'dir': 'c', 'max_gb': None}}, []),
            ({'datasets__train__pin_memory': True, 'datasets__val': {'x': 1}}, []),
            ({'train__total_iter': 1000}, []),  # training on for longer
        ],
    )
    def test_differences(self, project, changes, lines):
        project.resolved_file()
        found = changed_options(project.root / 'mine' / 'resolved.yml', changed(**changes))
        if lines is None:
            assert len(found) == 1
            assert found[0].startswith('train.losses: [{')
        else:
            assert found == lines

    def test_a_tuple_is_a_list(self, project):
        project.resolved_file(resolved=changed(network_g__width=[1, 2]))
        assert changed_options(project.root / 'mine' / 'resolved.yml', changed(network_g__width=(1, 2))) == []

    def test_a_run_of_basicsr(self, project):
        assert changed_options(project.root / 'mine' / 'resolved.yml', RESOLVED) == []

    def test_what_an_older_version_did_not_know(self, project):
        old = copy.deepcopy(RESOLVED)
        del old['model_type'], old['train']['grad_clip']
        project.resolved_file(resolved=old)
        file = project.root / 'mine' / 'resolved.yml'
        new = changed(train__grad_clip={'type': 'none'}, train__warmup_iter=5)
        assert changed_options(file, new) == ['train.warmup_iter: -1 -> 5']

    @pytest.mark.parametrize(
        ('content', 'reason'),
        [
            (b'', 'parts of the options are missing'),
            (b'- 1', 'parts of the options are missing'),
            (b'network_g: {type: NAFNet}\n', 'parts of the options are missing'),
            (b'network_g: 5\ndatasets: {}\ntrain: {}\n', 'parts of the options are missing'),
            (b'[1', 'line 1: not valid YAML'),
            (b'\xff\xfe\xff', "'utf-8' codec can't decode"),
        ],
    )
    def test_a_damaged_file(self, project, content, reason):
        project.state(5)
        file = project.root / 'mine' / 'resolved.yml'
        file.write_bytes(content)
        with pytest.raises(CheckpointError) as caught:
            project.start('resume')
        assert str(caught.value).startswith(
            f'{file}: is damaged, so the options cannot be compared with those that this run was started with; '
            '--allow_changed continues without the comparison ('
        )
        assert reason in str(caught.value)
        assert project.start('resume', allow_changed=True).iteration == 5

    def test_refused_unless_allowed(self, project):
        path = project.state(5)
        project.resolved_file()
        new = changed(network_g__width=8, train__losses__0__type='MSELoss')
        with pytest.raises(OptionError) as caught:
            project.start('resume', resolved=new)
        assert str(caught.value) == (
            f'{path}: the options were changed since this run was started:\n'
            '    network_g.width: 4 -> 8\n'
            "    train.losses[0].type: 'L1Loss' -> 'MSELoss'\n"
            'Take the change back, fine-tune instead (train.mode: finetune), or continue all the same: --allow_changed'
        )
        assert project.start('resume', resolved=new, allow_changed=True).iteration == 5


class TestNumberOfProcesses:
    def test_another_is_refused_unless_allowed(self, project):
        path = project.state(5, world_size=2)
        with pytest.raises(OptionError) as caught:
            project.start('resume')
        assert str(caught.value) == (
            f'{path}: the run was started with 2 processes and goes on with 1: the order of the data would change. '
            'Start 2 processes, or continue all the same: --allow_changed'
        )
        assert project.start('resume', allow_changed=True).iteration == 5
        assert project.start('resume', world_size=2).iteration == 5

    def test_a_state_says(self):
        opt = {'num_gpu': 0, 'is_train': True, 'manual_seed': 3}
        assert BaseModel(opt | {'world_size': 4}).training_state()['world_size'] == 4
        assert BaseModel(opt).training_state()['world_size'] == 1

    def test_a_state_that_does_not_say(self, project):
        project.state(5)
        assert project.start('resume', world_size=2).iteration == 5


class TestSeed:
    def test_choice(self):
        resumed = Start('resume', '', {'iter': 1, 'manual_seed': 8})
        assert choose_seed(5, resumed) == 5
        assert choose_seed(0, Start('scratch', '')) == 0
        assert choose_seed(None, resumed) == 8
        drawn = {choose_seed(None, Start('resume', '', {'iter': 1})) for _ in range(20)}
        assert len(drawn) > 1
        assert all(1 <= seed <= 10000 for seed in drawn)

    def test_each_iteration_and_rank_draws_its_own(self):
        def draw(*position):
            seed_iteration(*position)
            return torch.rand(1).item()

        draws = [draw(seed, rank, i) for seed in (1, 2) for rank in (0, 1) for i in (1, 2, 3)]
        assert len(set(draws)) == 12
        assert draw(1, 0, 2) == draws[1]


def test_set_deterministic(monkeypatch):
    monkeypatch.setenv('CUBLAS_WORKSPACE_CONFIG', 'x')  # so that it is restored
    monkeypatch.delenv('CUBLAS_WORKSPACE_CONFIG')
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    try:
        set_deterministic()
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.backends.cudnn.benchmark is False
        assert os.environ['CUBLAS_WORKSPACE_CONFIG'] == ':4096:8'  # without it cuBLAS raises
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.benchmark = before[1]
