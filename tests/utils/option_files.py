"""Option files for the tests of this folder."""

from pathlib import Path

import pytest

from basicsr.utils.errors import OptionError
from basicsr.utils.options import load_options

RUN = """\
model_type: ImageRestorationModel
network_g: {type: NAFNet, width: 4, middle_blk_num: 1, enc_blk_nums: [1], dec_blk_nums: [1]}
datasets:
  train:
    type: PairedImageDataset
    dataroot_gt: data/gt
    dataroot_lq: data/lq
    gt_size: 32
    batch_size_per_gpu: 2
  val:
    type: PairedImageDataset
    dataroot_gt: data/gt
    dataroot_lq: data/lq
train:
  total_iter: 100
  optim_g: {type: Adam, lr: 1e-3}
  scheduler: {type: TrueCosineAnnealingLR, T_max: 100}
  losses:
    - {type: L1Loss, name: pix}
    - {type: SSIMLoss, loss_weight: 0.1}
val:
  val_freq: 50
  metrics:
    psnr: {type: calculate_psnr}
"""


def write(folder: Path, text: str, name: str = 'run.yml') -> str:
    """Write an option file and return its path."""
    (folder / name).write_text(text, encoding='utf-8')
    return str(folder / name)


def problems(folder: Path, text: str, *forced: str, is_train: bool = True) -> list[str]:
    """Return the lines of the message that an option file is refused with, without the heading, spaces squeezed."""
    with pytest.raises(OptionError) as caught:
        load_options(write(folder, text), forced, is_train)
    heading, *lines = str(caught.value).splitlines()
    word = 'problem' if len(lines) == 1 else 'problems'
    assert heading == f'{folder / "run.yml"}: {len(lines)} {word}'
    return [' '.join(line.split()) for line in lines]
