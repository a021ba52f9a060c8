"""What an option file is refused for, word for word: these messages are the interface."""

import re

import pytest
import torch
import yaml

from basicsr.utils.errors import OptionError
from basicsr.utils.options import dump_options, load_options
from basicsr.utils.registry import DATASET_REGISTRY, LOSS_REGISTRY, METRIC_REGISTRY
from tests.utils.option_files import RUN, problems, write


def test_an_acceptable_file_is_completed(tmp_path):
    options, notes = load_options(write(tmp_path, RUN))
    assert notes == []
    assert options['name'] == 'run'
    assert options['network_g']['img_channel'] == 3
    assert options['datasets']['val']['name'] == 'val'
    assert options['train']['losses'][1] == {
        'type': 'SSIMLoss',
        'name': 'ssim',
        'loss_weight': 0.1,
        'outputs': 'all',
        'space': 'srgb',
        'reduction': 'mean',
    }
    assert options['train']['optim_g'].items() >= {'type': 'Adam', 'lr': 1e-3, 'eps': 1e-8}.items()
    assert options['train']['scheduler'] == {'type': 'TrueCosineAnnealingLR', 'T_max': 100, 'eta_min': 0.0}
    assert options['val']['metrics']['psnr'] == {
        'type': 'calculate_psnr',
        'crop_border': 0,
        'input_order': 'HWC',
        'test_y_channel': False,
    }
    assert options['logger']['print_freq'] == 100


def test_what_is_printed_can_be_run_again(tmp_path):
    options, _ = load_options(write(tmp_path, RUN))
    again, notes = load_options(write(tmp_path, dump_options(options), 'resolved.yml'))
    assert yaml.safe_load(dump_options(again)) == yaml.safe_load(dump_options(options))
    assert notes == []


def test_all_problems_in_the_order_of_the_file(tmp_path):
    text = """\
model_type: ImageRestorationModl
network_g: {type: NAFNet, wdith: 4, enc_blk_nums: [1, x]}
datasets:
  train:
    type: PairedImageDataset
    dataroot_gt: data/gt
    gt_size: 32
    batch_size_per_gp: 2
  valid: {type: PairedImageDataset}
train:
  total_iter: 200k
  loses: []
  optim_g: {type: Adm, lr: 1e-3}
  losses:
    - {type: L1Los}
    - {type: SSIMLoss, loss_wieght: 0.1}
    - {type: MSELoss, name: a b, outputs: first}
  grad_clip: {type: nrm, max_norm: -1}
  ema_decay: 1
val:
  val_freq: 0
  metrics:
    psnr: {type: calculate_psnr, crop_boder: 4}
    ssim: {type: calculate_sim}
lgger: {}
"""
    assert problems(tmp_path, text) == [
        "line 1 model_type: 'ImageRestorationModl' is not a registered model; did you mean 'ImageRestorationModel'?",
        "line 2 network_g.enc_blk_nums[1]: expected int, got 'x' (str)",
        "line 2 network_g.wdith: NAFNet has no such argument; did you mean 'width'?",
        'line 4 datasets.train.dataroot_lq: is required',
        "line 8 datasets.train.batch_size_per_gp: unknown key; did you mean 'batch_size_per_gpu'?",
        "line 9 datasets.valid: expected 'train', 'val' or 'val_<name>'",
        "line 11 train.total_iter: expected int, got '200k' (str)",
        "line 12 train.loses: unknown key; did you mean 'losses'?",
        "line 13 train.optim_g.type: 'Adm' is not a registered optimizer; did you mean 'Adam'?",
        "line 15 train.losses[0].type: 'L1Los' is not a registered loss; did you mean 'L1Loss'?",
        "line 16 train.losses[1].loss_wieght: SSIMLoss has no such argument; did you mean 'loss_weight'?",
        "line 17 train.losses[2].name: expected text that matches ^[A-Za-z0-9_-]+$, got 'a b' (str)",
        "line 17 train.losses[2].outputs: 'first' is not one of 'all', 'last'",
        'line 18 train.grad_clip.max_norm: expected a number above 0, got -1 (int)',
        "line 18 train.grad_clip.type: 'nrm' is not one of 'none', 'norm', 'value'; did you mean 'norm'?",
        'line 19 train.ema_decay: expected a number below 1.0, got 1.0 (float)',
        'line 21 val.val_freq: expected a number above 0, got 0 (int)',
        "line 23 val.metrics.psnr.crop_boder: calculate_psnr has no such argument; did you mean 'crop_border'?",
        "line 24 val.metrics.ssim.type: 'calculate_sim' is not a registered metric; did you mean 'calculate_ssim'?",
        "line 25 lgger: unknown key; did you mean 'logger'?",
    ]


ONE_CHANGE = {
    # The top level.
    'network_g=NAFNet': "network_g: expected a section of keys, got 'NAFNet' (str)",
    'network_g={width: 4}': 'network_g.type: is required',
    'network_g={type: 5}': 'network_g.type: expected text, got 5 (int)',
    'model_type=~': 'model_type: expected text, got nothing',
    'model_type=[a]': "model_type: expected text, got ['a'] (list)",
    'datasets=[]': 'datasets: expected a section of keys, got [] (list)',
    'datasets:train=~': 'datasets.train: is required',
    'datasets:val=5': 'datasets.val: expected a section of keys, got 5 (int)',
    'datasets:val:type=~': 'datasets.val.type: expected text, got nothing',
    'train=~': 'train: is required',
    'train=5': 'train: expected a section of keys, got 5 (int)',
    'logger=[1]': 'logger: expected a section of keys, got [1] (list)',
    'name=.': "name: cannot be the name of a folder: '.'",
    'name=../x': "name: cannot be the name of a folder: '../x'",
    'name=/x': "name: cannot be the name of a folder: '/x'",
    'name=""': "name: cannot be the name of a folder: ''",
    'name="a\\nb"': "name: cannot be the name of a folder: 'a\\nb'",
    'name=2024-05-17': 'name: expected text, got datetime.date(2024, 5, 17) (date)',
    'scale=0': 'scale: expected a number of at least 1, got 0 (int)',
    'num_gpu=aut': "num_gpu: expected int or 'auto', got 'aut' (str)",
    'num_gpu=-1': "num_gpu: expected a number of at least 0 or 'auto', got -1 (int)",
    'manual_seed=-1': 'manual_seed: expected a number of at least 0, got -1 (int)',
    'manual_seed=1e99': 'manual_seed: expected int, got 1e+99 (float)',
    # Optimizer and schedule: their constructors know best.
    'train:optim_g:lr=-1': 'train.optim_g: Adam: Invalid learning rate: -1.0',
    'train:optim_g:lr=.nan': 'train.optim_g.lr: expected a number, got nan (float)',
    'train:optim_g:lr=.inf': 'train.optim_g.lr: expected a number, got inf (float)',
    'train:optim_g:lr="1e-3"': "train.optim_g.lr: expected a number, got '1e-3' (str)",
    'train:optim_g:betas=[0.9, 1.5]': 'train.optim_g: Adam: Invalid beta parameter at index 1: 1.5',
    'train:optim_g:betas=[0.9]': 'train.optim_g.betas: expected more entries, got [0.9] (list)',
    'train:optim_g:betas=[0.9, x]': "train.optim_g.betas[1]: expected a number, got 'x' (str)",
    'train:optim_g:params=1': 'train.optim_g.params: Adam has no such argument',
    'train:optim_g={type: SGD, nesterov: true}': (
        'train.optim_g: SGD: Nesterov momentum requires a momentum and zero dampening'
    ),
    'train:optim_g={type: LBFGS}': "train.optim_g.type: 'LBFGS' is not a registered optimizer",
    'train:scheduler:T_max=0': 'train.scheduler: TrueCosineAnnealingLR: T_max: expected a number above 0, got 0',
    'train:scheduler:last_epoch=3': 'train.scheduler.last_epoch: TrueCosineAnnealingLR has no such argument',
    'train:scheduler={type: CosineAnnealingRestartLR, periods: [50, 50]}': (
        'train.scheduler: CosineAnnealingRestartLR: periods has 2 entries and restart_weights 1: give one for each'
    ),
    'train:scheduler={type: CosineAnnealingRestartLR, periods: [0]}': (
        'train.scheduler: CosineAnnealingRestartLR: periods: expected a number above 0, got 0'
    ),
    'train:scheduler={type: MultiStepLR, milestones: 5}': 'train.scheduler.milestones: expected a list, got 5 (int)',
    'train:scheduler={type: LinearLR, total_iter: -5}': (
        'train.scheduler: LinearLR: total_iter: expected a number above 0, got -5'
    ),
    # The objective.
    'train:losses={type: L1Loss}': "train.losses: expected a list, got {'type': 'L1Loss'} (dict)",
    'train:losses=[]': 'train.losses: is empty: nothing to train on',
    'train:losses=[L1Loss]': "train.losses[0]: expected a loss: {type: ..., loss_weight: ...}, got 'L1Loss' (str)",
    'train:losses:0={loss_weight: 1}': 'train.losses[0].type: is required',
    'train:losses:0:type=5': 'train.losses[0].type: expected text, got 5 (int)',
    'train:losses:0:name=ssim': (
        "train.losses[1]: is called 'ssim', as is train.losses[0]: give one of them another `name`"
    ),
    'train:losses:0:name=total': "train.losses[0]: is called 'total', as is the sum in the log: name it otherwise",
    'train:losses:0:loss_weight=high': (
        "train.losses[0].loss_weight: expected a number or a section of keys, got 'high' (str)"
    ),
    'train:losses:0:loss_weight={}': (
        'train.losses[0].loss_weight: expected a number or 1 or more entries, got {} (dict)'
    ),
    'train:losses:0:loss_weight={start: 0}': "train.losses[0].loss_weight.start: expected int, got 'start' (str)",
    'train:losses:0:loss_weight={"0": 0}': "train.losses[0].loss_weight.0: expected int, got '0' (str)",
    'train:losses:0:loss_weight={-10: 0}': (
        'train.losses[0].loss_weight[-10]: expected a number of at least 0, got -10 (int)'
    ),
    'train:losses:0:loss_weight={0: x}': "train.losses[0].loss_weight[0]: expected a number, got 'x' (str)",
    'train:losses:0:reduction=avg': "train.losses[0].reduction: 'avg' is not one of 'none', 'mean', 'sum'",
    # Sections.
    'train:mode=fine': "train.mode: 'fine' is not one of 'scratch', 'resume', 'finetune'; did you mean 'finetune'?",
    'train:grad_clip=0.01': 'train.grad_clip: expected a section of keys, got 0.01 (float)',
    'train:grad_clip={type: norm}': 'train.grad_clip: `type: norm` needs `max_norm`',
    'train:grad_clip={type: none, max_norm: 1}': 'train.grad_clip: `type: none` takes no `max_norm`',
    'train:grad_clip={type: value, max_norm: 1}': 'train.grad_clip: `type: value` takes no `max_norm`',
    'train:grad_clip={max_norm: 1, max: 2}': 'train.grad_clip.max: unknown key',
    'train:grad_clip:max_norm=0': 'train.grad_clip.max_norm: expected a number above 0, got 0 (int)',
    'val:metrics=[]': 'val.metrics: expected a section of keys, got [] (list)',
    'val:metrics:psnr=calculate_psnr': "val.metrics.psnr: expected a section of keys, got 'calculate_psnr' (str)",
    'val:metrics:psnr:better=up': "val.metrics.psnr.better: expected 'higher', 'lower' or the number that is best, "
    "got 'up' (str)",
    'val:key_metric=ssim': "val.key_metric: 'ssim' is not computed (computed: psnr; `color_fidelity: true` measures "
    'colours)',
    'val:key_metric=vall/psnr': "val.key_metric: there is no set 'vall'; did you mean 'val'? (sets: val)",
    'val:gates={psn: {min: 3}}': "val.gates.psn: 'psn' is not computed; did you mean 'psnr'? (computed: psnr; "
    '`color_fidelity: true` measures colours)',
    'val:gates={psnr: {}}': 'val.gates.psnr: give a limit: `min`, `max`, `min_delta` or `max_delta`',
    'val:gates={psnr: {min_delta: -0.1}}': 'val.gates: compare with a run: give its folder as `gates_reference`',
    'val:gallery={metric: de00}': "val.gallery.metric: 'de00' is not computed (computed: psnr; `color_fidelity: true` "
    'measures colours)',
    'val:tile={size: 32, overlap: 16}': 'val.tile: `overlap` must be below half of `size`: 16 and 32',
    'val:metrics:psnr:img=1': 'val.metrics.psnr.img: calculate_psnr has no such argument',
    'dist_params:backend=mpi': "dist_params.backend: 'mpi' is not one of 'nccl', 'gloo'",
    # Data.
    'datasets:train:gt_size=~': 'datasets.train.gt_size: is required for training: the side of the square patches',
    'datasets:train:use_hflip=maybe': "datasets.train.use_hflip: expected true or false, got 'maybe' (str)",
    'datasets:train:batch_size_per_gpu=0': (
        'datasets.train.batch_size_per_gpu: expected a number above 0, got 0 (int)'
    ),
    'datasets:train:name=a/../b': "datasets.train.name: cannot be the name of a folder: 'a/../b'",
    'datasets:train:io_backend:type=lmdv': (
        "datasets.train.io_backend.type: 'lmdv' is not one of 'disk', 'lmdb'; did you mean 'lmdb'?"
    ),
    'datasets:train:io_backend:lok=1': "datasets.train.io_backend.lok: unknown key; did you mean 'lock'?",
    'datasets:val_b={type: PairedImageDataset, dataroot_gt: a, dataroot_lq: b, name: val}': (
        "datasets.val_b: is called 'val', as is datasets.val: give it another `name`"
    ),
}


@pytest.mark.parametrize('change', ONE_CHANGE, ids=lambda text: text[:50])
def test_one_mistake_is_one_line(tmp_path, change):
    (found,) = problems(tmp_path, RUN, change)
    assert re.sub(r'^(--force_yml|line \d+) ', '', found) == ONE_CHANGE[change]


def test_an_empty_section_is_none(tmp_path):
    text = RUN.replace('val:\n  val_freq', 'logger:\npath: ~\ndist_params:\nval:\n  val_freq')
    assert load_options(write(tmp_path, text))[0] == load_options(write(tmp_path, RUN))[0]


def test_nothing_removes_a_set_and_a_metric(tmp_path):
    options, notes = load_options(write(tmp_path, RUN), ['datasets:val=~', 'val:metrics:psnr=none'])
    assert list(options['datasets']) == ['train']
    assert options['val']['metrics'] == {}
    assert notes == ['val has no effect: there is no set to validate on']


def test_sets_that_are_never_validated_on(tmp_path):
    _, notes = load_options(write(tmp_path, RUN), ['val=~'])
    assert notes == ['datasets.val has no effect: there is no `val.val_freq`']


def test_number_of_gpus(tmp_path):
    _, notes = load_options(write(tmp_path, RUN), ['num_gpu=8'])
    assert notes == ['num_gpu: 8: the number of processes is up to torchrun; each uses one GPU']


def test_a_schedule_without_a_length_has_that_of_the_run(tmp_path):
    options, _ = load_options(write(tmp_path, RUN), ['train:scheduler={type: LinearLR}'])
    assert options['train']['scheduler'] == {'type': 'LinearLR', 'total_iter': 100}


# Adafactor and Muon are younger than the oldest torch that we support.
OPTIMIZERS = [n for n in ('SGD', 'AdamW', 'RMSprop', 'NAdam', 'Adafactor', 'Muon', 'Rprop') if hasattr(torch.optim, n)]


@pytest.mark.parametrize('name', OPTIMIZERS)
def test_optimizers_of_torch(tmp_path, name):
    options, _ = load_options(write(tmp_path, RUN), [f'train:optim_g={{type: {name}, lr: 1e-3}}'])
    arguments = {k: v for k, v in options['train']['optim_g'].items() if k != 'type'}
    built = getattr(torch.optim, name)([torch.zeros(2, 2, requires_grad=True)], **arguments)
    assert built.defaults['lr'] == 1e-3


def test_a_training_file_will_do_for_a_test(tmp_path):
    text = RUN.replace('total_iter: 100', 'total_iter: many').replace('  val:\n', '  extra:\n')
    options, _ = load_options(write(tmp_path, text), is_train=False)
    assert options['train'] is None
    assert set(options['datasets']) == {'train', 'extra'}
    assert problems(tmp_path, text)[0] == ("line 10 datasets.extra: expected 'train', 'val' or 'val_<name>'")


def test_a_test_needs_no_val_section(tmp_path):
    text = RUN[: RUN.index('train:\n  total')]
    options, _ = load_options(write(tmp_path, text), is_train=False)
    assert options['val']['metrics'] is None
    assert options['val']['save_img'] is False


def test_a_file_whose_name_cannot_be_a_folder(tmp_path):
    (tmp_path / '..yml').write_text(RUN, encoding='utf-8')
    with pytest.raises(OptionError) as caught:
        load_options(str(tmp_path / '..yml'))
    assert str(caught.value) == (
        f"{tmp_path}/..yml: name: is required: the name of the file cannot be the name of a folder: '.'"
    )


def test_problems_of_a_base_carry_its_name(tmp_path):
    write(tmp_path, RUN.replace('total_iter: 100', 'total_iter: x'), 'base.yml')
    assert problems(tmp_path, 'base: base.yml\nscale: x\noverride:\n  train:losses:sim: ~\n', 'val:val_freq=x') == [
        "--force_yml val.val_freq: expected int, got 'x' (str)",
        "base.yml line 15 train.total_iter: expected int, got 'x' (str)",
        "line 2 scale: expected int, got 'x' (str)",
        "line 4 override.train:losses:sim: there is no entry 'sim'; did you mean 'ssim'? (entries: pix, ssim)",
    ]


def test_the_name_is_not_inherited(tmp_path):
    write(tmp_path, 'name: parent\n' + RUN, 'base.yml')
    assert load_options(write(tmp_path, 'base: base.yml\n', 'child.yml'))[0]['name'] == 'child'
    assert load_options(write(tmp_path, 'base: base.yml\nname: own\n', 'child.yml'))[0]['name'] == 'own'


def test_overrides_in_the_file(tmp_path):
    write(tmp_path, RUN, 'base.yml')
    text = """\
base: base.yml
override:
  train:losses:ssim: ~
  train:losses:pix:loss_weight: {0: 0.5, 10: 1}
  train:losses:lab: {type: LabABLoss, loss_weight: 0.4}
  train:optim_g:lr: 1e-4
"""
    train = load_options(write(tmp_path, text))[0]['train']
    assert [(term['name'], term['type'], term['loss_weight']) for term in train['losses']] == [
        ('pix', 'L1Loss', {0: 0.5, 10: 1.0}),
        ('lab', 'LabABLoss', 0.4),
    ]
    assert train['optim_g']['lr'] == 1e-4


def test_an_override_that_is_no_section(tmp_path):
    assert problems(tmp_path, RUN + 'override: [a]\n') == [
        "line 25 override: expected lines such as `train:optim_g:lr: 1e-4`, got ['a'] (list)"
    ]


def test_keys_written_twice(tmp_path):
    assert problems(tmp_path, RUN.replace('  total_iter: 100', '  total_iter: 100\n  total_iter: 200')) == [
        'line 16 train.total_iter: is written twice, first at line 15; only one can count'
    ]
    assert problems(tmp_path, RUN, 'train:grad_clip={max_norm: 1, max_norm: 2}') == [
        '--force_yml train.grad_clip.max_norm: is written twice, first at line 1; only one can count'
    ]


def test_anchors(tmp_path):
    text = RUN.replace('  train:\n', '  train: &pairs\n').replace(
        '  val:\n    type: PairedImageDataset\n', '  val:\n    <<: *pairs\n    gt_size: ~\n'
    )
    options, _ = load_options(write(tmp_path, text))
    assert options['datasets']['val'] | {'gt_size': 32, 'name': 'train'} == options['datasets']['train']


class Flat:
    """A dataset with arguments of its own, in place of BasicSR's one dictionary."""

    def __init__(self, folder: str, size: int = 8) -> None:
        raise AssertionError('checking builds nothing')


def test_a_dataset_with_arguments(tmp_path):
    DATASET_REGISTRY.register(Flat)
    try:
        options, notes = load_options(write(tmp_path, RUN), ['datasets:val={type: Flat, folder: x}'])
        found = problems(tmp_path, RUN, 'datasets:val={type: Flat, sise: x, pin_memoy: true}')
    finally:
        del DATASET_REGISTRY._obj_map['Flat']
    assert options['datasets']['val'].items() >= {'name': 'val', 'type': 'Flat', 'folder': 'x', 'size': 8}.items()
    assert notes == []
    assert found == [
        '--force_yml datasets.val.folder: is required',
        "--force_yml datasets.val.pin_memoy: Flat has no such argument; did you mean 'pin_memory'?",
        "--force_yml datasets.val.sise: Flat has no such argument; did you mean 'size'?",
    ]


def calculate_contrast(img, img2, border: int = 0, **kwargs) -> float:
    """A metric as clients write them."""


def test_a_metric_that_takes_any_keyword(tmp_path):
    METRIC_REGISTRY.register(calculate_contrast)
    change = 'val:metrics:contrast={type: calculate_contrast, border: 2, better: lower, extra: 1}'
    try:
        options, notes = load_options(write(tmp_path, RUN), [change])
        found = problems(tmp_path, RUN, change, 'val:metrics:contrast:border=x')
    finally:
        del METRIC_REGISTRY._obj_map['calculate_contrast']
    expected = {'type': 'calculate_contrast', 'border': 2, 'extra': 1, 'better': 'lower'}
    assert options['val']['metrics']['contrast'] == expected
    assert notes == ['val.metrics.contrast.extra is passed to calculate_contrast unchecked']
    assert found == ["--force_yml val.metrics.contrast.border: expected int, got 'x' (str)"]


class GentleLoss:
    """A client's loss whose weight has a default of its own."""

    def __init__(self, loss_weight: float = 0.25) -> None:
        raise AssertionError('checking builds nothing')


def test_the_weight_of_a_loss_is_by_default_its_own(tmp_path):
    LOSS_REGISTRY.register(GentleLoss)
    try:
        for change, weight in (('{type: GentleLoss}', 0.25), ('{type: GentleLoss, loss_weight: {5: 2}}', {5: 2.0})):
            options, _ = load_options(write(tmp_path, RUN), [f'train:losses:gentle={change}'])
            assert options['train']['losses'][2]['loss_weight'] == weight
    finally:
        del LOSS_REGISTRY._obj_map['GentleLoss']


def test_shares_and_windows(tmp_path):
    run = RUN.replace('loss_weight: 0.1}', 'share: 0.2}\n    - {type: MSELoss, start_iter: 100, end_iter: 200}')
    options, _ = load_options(write(tmp_path, run))
    pix, ssim, mse = options['train']['losses']
    assert ssim['share'] == 0.2 and 'loss_weight' not in ssim
    assert (mse['start_iter'], mse['end_iter']) == (100, 200)
    assert not {'share', 'start_iter', 'end_iter'} & pix.keys()

    again, _ = load_options(write(tmp_path, dump_options(options), 'resolved.yml'))
    assert again['train']['losses'] == options['train']['losses']
    both = RUN.replace('loss_weight: 0.1', 'loss_weight: 0.1, share: 0.2')
    assert any('share: stands beside `loss_weight`: give one of them' in line for line in problems(tmp_path, both))


TERM = '- {type: SSIMLoss, loss_weight: 0.1}'


@pytest.mark.parametrize(
    ('old', 'new', 'expected'),
    [
        ('loss_weight: 0.1', 'loss_weight: -0.1', 'train.losses[1].loss_weight: is negative'),
        ('loss_weight: 0.1', 'loss_weight: {0: 1, 9: -1}', 'train.losses[1].loss_weight: is negative'),
        (
            '- {type: L1Loss, name: pix}',
            '- {type: L1Loss, name: pix, start_iter: 5}',
            None,
        ),
        (
            TERM,
            '- {type: SSIMLoss, share: 0.4}\n    - {type: MSELoss, share: 0.6}',
            'train.losses: the shares add up to 1: nothing is left for pix',
        ),
        (TERM, '- {type: SSIMLoss, share: 0.4, start_iter: 5}', 'is found in the first iterations'),
        ('losses:', 'split_backward: false\n  losses:', None),
        (
            f'losses:\n    - {{type: L1Loss, name: pix}}\n    {TERM}',
            'split_backward: false\n  losses:\n    - {type: L1Loss}\n    - {type: SSIMLoss, share: 0.4}',
            'needs the gradients of the terms',
        ),
        (
            f'- {{type: L1Loss, name: pix}}\n    {TERM}',
            '- {type: L1Loss, loss_weight: {0: 1.0, 5: 0.0}}',
            'train.losses: at iteration 5 every weight is 0: nothing to train on',
        ),
        ('losses:', 'mode: finetune\n  losses:', 'train.mode: finetune needs weights: give path.pretrain_network_g'),
    ],
)
def test_weights_and_modes_are_checked_together(old, new, expected, tmp_path):
    text = RUN.replace(old, new)
    assert text != RUN
    if expected is None:
        load_options(write(tmp_path, text))
    else:
        (line,) = problems(tmp_path, text)
        assert expected in line
