"""Keys of BasicSR's and NAFNet's option files: each entry of the table, and whole files as they stand in the wild."""

import pytest

from basicsr.models import SRModel
from basicsr.utils import legacy
from basicsr.utils.legacy import LOSS_OPTS, NO_EFFECT, REFUSED, RENAMED
from basicsr.utils.options import load_options
from basicsr.utils.registry import ARCH_REGISTRY, DATASET_REGISTRY, MODEL_REGISTRY
from tests.utils.option_files import RUN, problems, write


def path_of(pattern):
    """Return the colon path of a pattern, with a set that stands in the file."""
    return pattern.replace('*', 'train').replace('.', ':')


@pytest.mark.parametrize('pattern', NO_EFFECT)
def test_keys_without_effect_are_accepted_and_noted(tmp_path, pattern):
    options, notes = load_options(write(tmp_path, RUN), [f'{path_of(pattern)}=5'])
    assert notes == [f'{pattern.replace("*", "train")} {NO_EFFECT[pattern]}']
    assert options == load_options(write(tmp_path, RUN))[0]


@pytest.mark.parametrize('pattern', NO_EFFECT)
def test_keys_that_ask_for_nothing_need_no_note(tmp_path, pattern):
    assert load_options(write(tmp_path, RUN), [f'{path_of(pattern)}=~'])[1] == []
    nothing = f'{path_of(pattern)}={{project: ~, resume_id: ~}}'
    assert load_options(write(tmp_path, RUN), [nothing])[1] == []


@pytest.mark.parametrize('pattern', REFUSED)
def test_keys_that_are_refused(tmp_path, pattern):
    assert problems(tmp_path, RUN, f'{path_of(pattern)}=[1]') == [
        f'--force_yml {pattern.replace("*", "train")}: {REFUSED[pattern]}'
    ]
    for nothing in ('false', '~', '[]'):
        options, notes = load_options(write(tmp_path, RUN), [f'{path_of(pattern)}={nothing}'])
        assert notes == []
        assert options == load_options(write(tmp_path, RUN))[0]


def test_grids_of_nafnet_are_tiles(tmp_path):
    def load(*changes):
        options, notes = load_options(write(tmp_path, RUN), [f'val:{change}' for change in changes])
        return options['val']['tile'], notes

    note = "val.grids is called tile here: {'size': 320, 'overlap': 64}"
    assert load('grids=true', 'crop_size_h=256', 'crop_size_w=320') == ({'size': 320, 'overlap': 64}, [note])
    assert load('grids=true', 'crop_size_h=64', 'crop_size_w=64')[0] == {'size': 64, 'overlap': 31}
    assert load('grids=false', 'crop_size_h=256', 'crop_size_w=256') == (None, [])
    tile, notes = load('grids=true', 'crop_size_h_ratio=0.5', 'crop_size_w_ratio=0.5')
    assert tile is None and len(notes) == 3 and all('give the size of tiles in pixels' in note for note in notes)
    twice = '--force_yml val.grids: is an old name of `tile`, which is given too: remove one of them'
    assert problems(tmp_path, RUN, 'val:grids=true', 'val:tile={size: 256}') == [twice]


def test_mixing_augs_of_restormer(tmp_path):
    def load(value):
        return load_options(write(tmp_path, RUN), [f'train:mixing_augs={value}'])

    plain = load_options(write(tmp_path, RUN))
    assert load('~') == load('{mixup: false, mixup_beta: 1.2}') == plain
    options, notes = load('{mixup: true, mixup_beta: 0.8, use_identity: true}')
    assert options['datasets']['train']['mixup'] == {'prob': 0.5, 'beta': 0.8}
    assert notes == ["train.mixing_augs is called datasets.train.mixup here: {'prob': 0.5, 'beta': 0.8}"]
    assert load('{mixup: true}')[0]['datasets']['train']['mixup'] == {'prob': 1.0, 'beta': 1.2}
    twice = '--force_yml train.mixing_augs: is an old name of `datasets.train.mixup`, which is given too'
    forced = ['train:mixing_augs={mixup: true}', 'datasets:train:mixup={prob: 0.3}']
    assert problems(tmp_path, RUN, *forced) == [twice]


VALUES = {
    'use_flip': 'false',
    'geometric_augs': 'false',
    'param_key': 'params_ema',
    'strict_load': 'false',
    'pretrain_network': 'x.pth',
}


@pytest.mark.parametrize('pattern', RENAMED)
def test_renamed_keys(tmp_path, pattern):
    section, _, old = path_of(pattern).rpartition(':')
    value, new = VALUES[old], RENAMED[pattern]
    options, notes = load_options(write(tmp_path, RUN), [f'{section}:{old}={value}'])
    assert notes == [f'{section.replace(":", ".")}.{old} is called {" and ".join(new)} here']
    assert options == load_options(write(tmp_path, RUN), [f'{section}:{key}={value}' for key in new])[0]

    assert problems(tmp_path, RUN, f'{section}:{old}={value}', f'{section}:{new[0]}={value}') == [
        f'--force_yml {section.replace(":", ".")}.{old}: is an old name of `{new[0]}`, which is given too: '
        'remove one of them'
    ]
    wrong = problems(tmp_path, RUN, f'{section}:{old}=[5]')
    assert len(wrong) == len(new)
    assert wrong[0].startswith(f'--force_yml {section.replace(":", ".")}.{new[0]}: expected ')


class TestClipping:
    def test_on_and_off(self, tmp_path):
        options, notes = load_options(write(tmp_path, RUN), ['train:use_grad_clip=true'])
        assert options['train']['grad_clip'] == {'type': 'norm', 'max_norm': 0.01, 'max_value': None}
        assert notes == ["train.use_grad_clip is called grad_clip here: {'type': 'norm', 'max_norm': 0.01}"]
        options, notes = load_options(write(tmp_path, RUN), ['train:use_grad_clip=false'])
        assert options['train']['grad_clip'] == {'type': 'none', 'max_norm': None, 'max_value': None}
        assert notes == ["train.use_grad_clip is called grad_clip here: {'type': 'none'}"]

    def test_mistakes(self, tmp_path):
        assert problems(tmp_path, RUN, 'train:use_grad_clip=0.01') == [
            '--force_yml train.use_grad_clip: expected true or false, got 0.01'
        ]
        assert problems(tmp_path, RUN, 'train:use_grad_clip=true', 'train:grad_clip={max_norm: 1}') == [
            '--force_yml train.use_grad_clip: is an old name of `grad_clip`, which is given too: remove one of them'
        ]


OLD_LOSSES = (
    RUN[: RUN.index('  losses:')]
    + '  pixel_opt: {type: PSNRLoss, loss_weight: 1, reduction: mean}\n'
    + '  perceptual_opt:\n    type: PerceptualLoss\n    layer_weights: {conv5_4: 1}\n    vgg_type: vgg19\n'
    + RUN[RUN.index('val:\n  val_freq') :]
)


class TestLosses:
    def test_become_entries_of_the_list(self, tmp_path):
        options, notes = load_options(write(tmp_path, OLD_LOSSES))
        assert [(term['name'], term['type']) for term in options['train']['losses']] == [
            ('pix', 'PSNRLoss'),
            ('percep', 'PerceptualLoss'),
        ]
        assert notes == [
            "train.pixel_opt is the entry 'pix' of train.losses here",
            "train.perceptual_opt is the entry 'percep' of train.losses here",
        ]
        assert not set(LOSS_OPTS) & options['train'].keys()

    def test_problems_name_their_lines(self, tmp_path):
        text = OLD_LOSSES.replace('reduction: mean', 'reduction: avg').replace('vgg_type', 'vgg')
        assert problems(tmp_path, text) == [
            "line 18 train.losses[0].reduction: 'avg' is not one of 'mean'",
            'line 22 train.losses[1].vgg: PerceptualLoss has no such argument',
        ]

    def test_without_a_perceptual_loss(self, tmp_path):
        options, notes = load_options(write(tmp_path, OLD_LOSSES), ['train:perceptual_opt=~'])
        assert [term['name'] for term in options['train']['losses']] == ['pix']
        assert notes == ["train.pixel_opt is the entry 'pix' of train.losses here"]

    def test_mistakes(self, tmp_path):
        assert problems(tmp_path, RUN, 'train:pixel_opt={type: L1Loss}') == [
            '--force_yml train.pixel_opt: stands beside `losses`: move it into the list'
        ]
        assert problems(tmp_path, OLD_LOSSES, 'train:pixel_opt=L1Loss') == [
            "--force_yml train.pixel_opt: expected a loss: {type: ..., loss_weight: ...}, got 'L1Loss'"
        ]
        assert problems(tmp_path, RUN, 'train:fft_opt={type: FFTLoss}', 'train:l1_opt=~') == [
            '--force_yml train.fft_opt: is not supported: list your terms under `train.losses`'
        ]
        assert problems(tmp_path, RUN, 'train:losses=~') == ['--force_yml train.losses: expected a list, got nothing']


NAFNET_TRAIN = """\
# general settings
name: NAFNet-SIDD-width32
model_type: ImageRestorationModel
scale: 1
num_gpu: 8
manual_seed: 10

datasets:
  train:
    name: SIDD
    type: PairedImageDataset
    dataroot_gt: ./datasets/SIDD/train/gt_crops.lmdb
    dataroot_lq: ./datasets/SIDD/train/input_crops.lmdb
    filename_tmpl: '{}'
    io_backend:
      type: lmdb

    gt_size: 256
    use_flip: true
    use_rot: true

    use_shuffle: true
    num_worker_per_gpu: 8
    batch_size_per_gpu: 8
    dataset_enlarge_ratio: 1
    prefetch_mode: ~
    pin_memory: true

  val:
    name: SIDD-val
    type: PairedImageDataset
    dataroot_gt: ./datasets/SIDD/val/gt_crops.lmdb
    dataroot_lq: ./datasets/SIDD/val/input_crops.lmdb
    io_backend:
      type: lmdb

network_g:
  type: NAFNet
  width: 32
  enc_blk_nums: [2, 2, 4, 8]
  middle_blk_num: 12
  dec_blk_nums: [2, 2, 2, 2]

path:
  pretrain_network_g: ~
  strict_load_g: true
  resume_state: ~

train:
  optim_g:
    type: AdamW
    lr: !!float 1e-3
    weight_decay: 0.
    betas: [0.9, 0.9]

  scheduler:
    type: TrueCosineAnnealingLR
    T_max: 400000
    eta_min: !!float 1e-7

  total_iter: 400000
  warmup_iter: -1 # none

  pixel_opt:
    type: PSNRLoss
    loss_weight: 1
    reduction: mean

val:
  val_freq: !!float 2e4
  save_img: false
  rgb2bgr: true
  use_image: false
  max_minibatch: 8
  grids: true
  crop_size_h: 256
  crop_size_w: 256
  trans_num: 1
  metrics:
    psnr:
      type: calculate_psnr
      crop_border: 0
      test_y_channel: false
    ssim:
      type: calculate_ssim
      crop_border: 0
      test_y_channel: false

logger:
  print_freq: 200
  save_checkpoint_freq: !!float 5e3
  use_tb_logger: true
  wandb:
    project: ~
    resume_id: ~

dist_params:
  backend: nccl
  port: 29500
"""

NAFNET_TEST = """\
name: NAFNet-GoPro-width64-test
model_type: ImageRestorationModel
scale: 1
num_gpu: 1
manual_seed: 10

datasets:
  test:
    name: gopro-test
    type: PairedImageDataset
    dataroot_gt: ./datasets/GoPro/test/target.lmdb
    dataroot_lq: ./datasets/GoPro/test/input.lmdb
    io_backend: {type: lmdb}

network_g:
  type: NAFNetLocal
  width: 64
  enc_blk_nums: [1, 1, 1, 28]
  middle_blk_num: 1
  dec_blk_nums: [1, 1, 1, 1]

path:
  pretrain_network_g: experiments/pretrained_models/NAFNet-GoPro-width64.pth
  strict_load_g: true
  resume_state: ~

val:
  save_img: true
  rgb2bgr: true
  use_image: true
  max_minibatch: 8
  grids: false
  metrics:
    psnr: {type: calculate_psnr, crop_border: 0, test_y_channel: false}

dist_params: {backend: nccl, port: 29500}
"""

BASICSR_TRAIN = """\
name: 001_TinySR_x4
model_type: SRModel
scale: 4
num_gpu: 1  # set num_gpu: 0 for cpu mode
manual_seed: 0

datasets:
  train:
    name: DIV2K
    type: PairedImageDataset
    dataroot_gt: datasets/DIV2K/train_HR_sub.lmdb
    dataroot_lq: datasets/DIV2K/train_LR_bicubic_X4_sub.lmdb
    filename_tmpl: '{}'
    io_backend:
      type: lmdb
    gt_size: 128
    use_hflip: true
    use_rot: true
    use_shuffle: true
    num_worker_per_gpu: 6
    batch_size_per_gpu: 16
    dataset_enlarge_ratio: 100
    prefetch_mode: cuda
    pin_memory: true

  val:
    name: Set5
    type: PairedImageDataset
    dataroot_gt: datasets/Set5/GTmod12
    dataroot_lq: datasets/Set5/LRbicx4
    io_backend:
      type: disk

  val_2:
    name: Set14
    type: PairedImageDataset
    dataroot_gt: datasets/Set14/GTmod12
    dataroot_lq: datasets/Set14/LRbicx4
    io_backend:
      type: disk

network_g:
  type: TinySR
  num_feat: 64
  upscale: 4

path:
  pretrain_network_g: ~
  param_key_g: params
  strict_load_g: true
  resume_state: ~

train:
  ema_decay: 0.999
  optim_g:
    type: Adam
    lr: !!float 2e-4
    weight_decay: 0
    betas: [0.9, 0.99]
  scheduler:
    type: CosineAnnealingRestartLR
    periods: [250000, 250000, 250000, 250000]
    restart_weights: [1, 1, 1, 1]
    eta_min: !!float 1e-7
  total_iter: 1000000
  warmup_iter: -1
  pixel_opt:
    type: L1Loss
    loss_weight: 1.0
    reduction: mean

val:
  val_freq: !!float 5e3
  save_img: false
  pbar: False
  metrics:
    psnr:
      type: calculate_psnr
      crop_border: 4
      test_y_channel: false
      better: higher
    ssim:
      type: calculate_ssim
      crop_border: 4
      test_y_channel: true
      better: higher

logger:
  print_freq: 100
  save_checkpoint_freq: !!float 5e3
  use_tb_logger: true
  wandb:
    project: ~
    resume_id: ~

dist_params:
  backend: nccl
  port: 29500
"""

BASICSR_TEST = """\
name: 001_TinySR_x4_test
model_type: SRModel
scale: 4
num_gpu: 1
manual_seed: 0

datasets:
  test_1:  # the 1st test dataset
    name: Set5
    type: PairedImageDataset
    dataroot_gt: datasets/Set5/GTmod12
    dataroot_lq: datasets/Set5/LRbicx4
    io_backend:
      type: disk
  test_2:
    name: Set14
    type: PairedImageDataset
    dataroot_gt: datasets/Set14/GTmod12
    dataroot_lq: datasets/Set14/LRbicx4
    filename_tmpl: '{}x4'
    io_backend:
      type: disk

network_g: {type: TinySR, num_feat: 64, upscale: 4}

path:
  pretrain_network_g: experiments/pretrained_models/TinySR.pth
  param_key_g: params_ema
  strict_load_g: true

val:
  save_img: true
  suffix: ~
  metrics:
    psnr: {type: calculate_psnr, crop_border: 4, test_y_channel: false, better: higher}
    ssim: {type: calculate_ssim, crop_border: 4, test_y_channel: false}
"""


class TinySR:
    """A network that is there for its signature."""

    def __init__(self, num_in_ch: int = 3, num_feat: int = 64, upscale: int = 4) -> None:
        raise AssertionError('checking builds nothing')


@pytest.fixture
def tiny_sr():
    ARCH_REGISTRY.register(TinySR)
    yield
    del ARCH_REGISTRY._obj_map['TinySR']


def test_nafnet_training(tmp_path):
    options, notes = load_options(write(tmp_path, NAFNET_TRAIN))
    tiles = 'has no effect: tiles run one by one'
    stream = 'has no effect: the stream of training samples is endless and always shuffled'
    assert notes == [
        'datasets.train.use_flip is called use_hflip here',
        f'datasets.train.use_shuffle never had an effect in BasicSR, and {stream}',
        f'datasets.train.dataset_enlarge_ratio {stream}',
        'val.rgb2bgr has no effect: pictures are written with their colours in the right order',
        f'val.max_minibatch {tiles}',
        'val.trans_num never had an effect in NAFNet',
        "train.pixel_opt is the entry 'pix' of train.losses here",
        "val.grids is called tile here: {'size': 256, 'overlap': 64}",
        'num_gpu: 8: the number of processes is up to torchrun; each uses one GPU',
    ]
    assert options['name'] == 'NAFNet-SIDD-width32'
    assert options['datasets']['train']['use_hflip'] is True
    assert options['train']['optim_g']['lr'] == 1e-3
    assert options['val']['val_freq'] == 20000
    assert options['val']['use_image'] is False
    assert options['train']['grad_clip'] is None  # the model has a default of its own


def test_nafnet_testing(tmp_path):
    options, notes = load_options(write(tmp_path, NAFNET_TEST), is_train=False)
    tiles = 'has no effect: tiles run one by one'
    assert notes == [
        'val.rgb2bgr has no effect: pictures are written with their colours in the right order',
        f'val.max_minibatch {tiles}',
    ]
    assert options['network_g']['train_size'] == (1, 3, 256, 256)
    assert options['val']['save_img'] is True


def test_basicsr_training(tmp_path, tiny_sr):
    options, notes = load_options(write(tmp_path, BASICSR_TRAIN))
    stream = 'has no effect: the stream of training samples is endless and always shuffled'
    assert notes == [
        f'datasets.train.use_shuffle never had an effect in BasicSR, and {stream}',
        f'datasets.train.dataset_enlarge_ratio {stream}',
        'datasets.train.prefetch_mode has no effect: workers persist, and the next batches are always read ahead',
        "train.pixel_opt is the entry 'pix' of train.losses here",
    ]
    assert options['scale'] == 4
    assert options['train']['ema_decay'] == 0.999
    assert options['train']['scheduler']['periods'] == [250000] * 4
    assert options['train']['losses'] == [
        {'type': 'L1Loss', 'name': 'pix', 'loss_weight': 1.0, 'outputs': 'all', 'reduction': 'mean'}
    ]
    assert options['val']['metrics']['psnr']['better'] == 'higher'
    assert options['val']['metrics']['ssim']['test_y_channel'] is True
    assert options['network_g'] == {'type': 'TinySR', 'num_in_ch': 3, 'num_feat': 64, 'upscale': 4}


def test_basicsr_testing(tmp_path, tiny_sr):
    options, notes = load_options(write(tmp_path, BASICSR_TEST), is_train=False)
    assert notes == []
    assert options['datasets']['test_2']['filename_tmpl'] == '{}x4'
    assert options['path']['param_key_g'] == 'params_ema'


class TheirModel(SRModel):
    """A client's model, which reads keys of its own."""


class TheirDataset:
    """A client's dataset in BasicSR's convention."""

    def __init__(self, opt):
        self.opt = opt


@pytest.fixture
def clients():
    MODEL_REGISTRY.register(TheirModel)
    DATASET_REGISTRY.register(TheirDataset)
    yield
    del MODEL_REGISTRY._obj_map['TheirModel'], DATASET_REGISTRY._obj_map['TheirDataset']


def test_a_clients_model_keeps_the_keys_it_may_read(tmp_path, clients):
    forced = [
        'model_type=TheirModel',
        'network_d={type: VGGStyleDiscriminator}',
        'queue_size=180',
        'rank=3',
        'train:gan_opt={type: GANLoss}',
        'train:use_grad_clip=true',
        'train:total_iter=x',
        'val:window_size=8',
    ]
    assert problems(tmp_path, OLD_LOSSES, *forced) == [
        f'--force_yml rank: {REFUSED["rank"]}',
        "--force_yml train.total_iter: expected int, got 'x' (str)",
    ]
    forced = [change for change in forced if not change.startswith(('rank', 'train:total_iter'))]
    options, notes = load_options(write(tmp_path, OLD_LOSSES), forced)
    assert options['network_d'] == {'type': 'VGGStyleDiscriminator'}
    assert options['queue_size'] == 180
    assert options['train']['gan_opt'] == {'type': 'GANLoss'}
    assert options['train']['pixel_opt']['type'] == 'PSNRLoss'
    assert options['train']['use_grad_clip'] is True
    assert options['train']['grad_clip']['max_norm'] == 0.01
    assert options['val']['window_size'] == 8
    assert [term['name'] for term in options['train']['losses']] == ['pix', 'percep']
    passed = [note.partition(' is passed to the model unchecked')[0] for note in notes if 'unchecked' in note]
    assert passed == [
        'network_d',
        'queue_size',
        'train.pixel_opt',
        'train.perceptual_opt',
        'train.gan_opt',
        'train.use_grad_clip',
        'val.window_size',
    ]


def test_a_clients_model_may_have_an_objective_of_its_own(tmp_path, clients):
    text = RUN[: RUN.index('  losses:')] + RUN[RUN.index('val:\n  val_freq') :]
    assert problems(tmp_path, text) == ['line 14 train.losses: is required']
    options, _ = load_options(write(tmp_path, text), ['model_type=TheirModel', 'train:fft_opt={weight: 1}'])
    assert options['train']['losses'] == []
    assert options['train']['fft_opt'] == {'weight': 1}


def test_a_clients_dataset_keeps_the_keys_it_may_read(tmp_path, clients):
    forced = ['type=TheirDataset', 'geometric_augs=true', 'use_flip=true', 'gt_sizes=[1]', 'use_shuffle=true', 'n=[1]']
    options, notes = load_options(write(tmp_path, RUN), [f'datasets:train:{change}' for change in forced])
    assert options['datasets']['train'] == {
        'name': 'train',
        'type': 'TheirDataset',
        'batch_size_per_gpu': 2,
        'num_worker_per_gpu': 0,
        'pin_memory': None,
        'mix': None,
        'dataroot_gt': 'data/gt',
        'dataroot_lq': 'data/lq',
        'gt_size': 32,
        'geometric_augs': True,
        'use_flip': True,
        'gt_sizes': [1],
        'n': [1],
    }
    assert notes == [
        f'datasets.train.use_shuffle {legacy.NO_EFFECT["datasets.*.use_shuffle"]}',
        'datasets.train: the keys of TheirDataset are passed on unchecked',
    ]
    # Keys of the loader are ours.
    assert problems(tmp_path, RUN, *[f'datasets:train:{c}' for c in forced], 'datasets:train:pin_memory=5') == [
        '--force_yml datasets.train.pin_memory: expected true or false, got 5 (int)'
    ]
