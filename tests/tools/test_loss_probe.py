"""The probe's command: the page and plots on disk, and what its user is told."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

TOOLS = Path(__file__).resolve().parents[2] / 'tools'
MODULES = ('loss_probe', 'probe_inputs', 'probe_plots', 'probe_report')
OPTIONS = """
model_type: ImageRestorationModel
network_g: {type: NAFNet, width: 4, enc_blk_nums: [1], dec_blk_nums: [1]}
datasets: {train: {type: PairedImageDataset, dataroot_lq: a, dataroot_gt: b, gt_size: 32}}
train:
  total_iter: 10
  optim_g: {type: AdamW, lr: 1e-3}
  losses:
    - {type: L1Loss, name: pixel}
    - {type: ChromaLoss, name: colour, loss_weight: {0: 0.0, 5: 0.4}}
"""


@pytest.fixture
def probe(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    import loss_probe

    yield loss_probe.main
    for name in MODULES:
        sys.modules.pop(name, None)


def refusal(main, capsys, *arguments: str) -> str:
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    assert stop.value.code == 1
    return capsys.readouterr().err


def test_terms_of_an_option_file(probe, tmp_path, capsys):
    file, out = tmp_path / 'mine.yml', tmp_path / 'page'
    file.write_text(OPTIONS)
    probe(['-opt', str(file), '--out', str(out), '--size', '128'])

    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1][:4] == ['pixel', '1', '1', '1']
    assert lines[2][:2] == ['colour', '0.4']
    pulls = [float(cell) for cell in lines[2][2:4]]
    assert pulls[1] == pytest.approx(0.4 * pulls[0], rel=0.01)

    page = (out / 'probe.md').read_text(encoding='utf-8')
    for name in ('overview.png', 'changes.png', 'pixel.png', 'colour.png'):
        assert f']({name})' in page
        height, width = cv2.imread(str(out / name)).shape[:2]
        assert min(height, width) > 150


def test_photograph(probe, tmp_path, capsys):
    photo = tmp_path / 'photo.png'
    cv2.imwrite(str(photo), np.random.default_rng(0).integers(0, 255, (140, 200, 3), dtype=np.uint8))
    probe(['--loss', 'ChromaLoss(where=saturated, threshold=0.5)', '--image', str(photo), '--out', str(tmp_path)])
    assert 'Picture: photo.png.' in (tmp_path / 'probe.md').read_text(encoding='utf-8')
    assert capsys.readouterr().out.splitlines()[1].startswith('ChromaLoss(where=saturated, threshold=0.5)')


@pytest.mark.parametrize(
    'arguments, message',
    [
        (('--loss', 'Chromaloss'), "error: 'Chromaloss' is not a registered loss; did you mean 'ChromaLoss'?"),
        (('--loss', 'ChromaLoss(were=all)'), "were: ChromaLoss has no such argument; did you mean 'where'?"),
        (('--loss', "ChromaLoss(where='here')"), "where: 'here' is not one of 'all', 'saturated'"),
        (('--loss', 'ChromaLoss('), "write 'ChromaLoss' or 'ChromaLoss(where=saturated"),
        (('--loss', 'L1Loss', '--image', 'no/such.jpg'), 'no/such.jpg'),
        (('--loss', 'L1Loss', '--size', '64'), '--size 64: the probe needs at least 128 pixels'),
        (('--loss', 'L1Loss', '--device', 'gpu'), '--device gpu: use cpu, or cuda'),
        (('-opt', 'no/such.yml'), 'no/such.yml'),
    ],
)
def test_mistakes_get_one_message(probe, capsys, arguments, message):
    told = refusal(probe, capsys, *arguments)
    assert message in told
    assert 'Traceback' not in told


def test_small_photograph_is_refused(probe, tmp_path, capsys):
    photo = tmp_path / 'small.png'
    cv2.imwrite(str(photo), np.zeros((100, 300, 3), np.uint8))
    assert 'its shorter side is 100 pixels' in refusal(probe, capsys, '--loss', 'L1Loss', '--image', str(photo))
