"""Scores of two folders: those of the trainer, whatever the pictures are called; and what cannot be scored."""

import csv
import math
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from basicsr.data import build_dataset, build_val_loader
from basicsr.metrics.scores import Scores
from basicsr.metrics.scoring import Scorer
from basicsr.models.validation import ValidationMixin
from basicsr.utils.logger import close_root_logger

TOOLS = Path(__file__).resolve().parents[2] / 'tools'
PAIRS = Path(__file__).resolve().parents[3] / 'shared' / 'data' / 'underwater_pairs'
MODULES = ('evaluate', 'result_pairs', 'result_scores', 'result_tables', 'image_sets')
METRICS = {'psnr': {'type': 'calculate_psnr'}, 'ssim': {'type': 'calculate_ssim'}}
# PSNR of an error of 10 codes everywhere.
OF_TEN = 20 * math.log10(255 / 10)


@pytest.fixture
def evaluate(monkeypatch, tmp_path):
    """The command with its output in `tmp_path/out`; returns the exit code."""
    monkeypatch.syspath_prepend(str(TOOLS))
    import evaluate as tool

    def run(results, targets, *arguments: str) -> int:
        jobs = [] if '--jobs' in arguments else ['--jobs', '1']
        try:
            tool.main([str(results), str(targets), '-o', str(tmp_path / 'out'), *jobs, *arguments])
        except SystemExit as stop:
            return stop.code
        return 0

    yield run
    for name in MODULES:
        sys.modules.pop(name, None)


def picture(seed: int, shape: tuple[int, int] = (24, 30), dtype=np.uint8) -> np.ndarray:
    """Smooth colours that leave room for an error of 20 codes."""
    rng = np.random.default_rng(seed)
    most = np.iinfo(dtype).max
    small = rng.uniform(0.1 * most, 0.9 * most, (3, 4, 3)).astype(np.float32)
    return cv2.resize(small, shape[::-1], interpolation=cv2.INTER_LINEAR).round().astype(dtype)


def write(path: Path, img: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, img)[1].tobytes())


@pytest.fixture
def targets(tmp_path):
    """Targets 0 to 4; the picture of number i, plus an error, is `picture(i) + error`."""
    for i in range(5):
        write(tmp_path / 'targets' / f'{i}.png', picture(i))
    return tmp_path / 'targets'


def scores_of(tmp_path) -> Scores:
    return Scores.load(tmp_path / 'out' / 'scores.csv')


class Network(ValidationMixin):
    """A model whose output is its input, or a function of it."""

    def __init__(self, folder, function=lambda lq: lq):
        self.opt = {
            'dist': False,
            'name': 'network',
            'path': {'visualization': str(folder)},
            'val': {'metrics': METRICS, 'color_fidelity': True, 'pbar': False},
        }
        self.is_train, self.best_metric_results, self.input_results = True, {}, {}
        self.device, self.function = torch.device('cpu'), function

    def feed_data(self, data, is_val=False):
        self.data = data

    def test(self):
        self.output = self.function(self.data['lq'])

    def get_current_visuals(self):
        return {'lq': self.data['lq'], 'result': self.output, 'gt': self.data['gt']}


def validate(model: Network, current_iter: int, save_img: bool = False) -> Network:
    """Validate on the underwater pairs, as the trainer does."""
    if not PAIRS.is_dir():
        pytest.skip('needs ../shared/data/underwater_pairs')
    options = {'name': 'water', 'phase': 'val', 'scale': 1, 'type': 'PairedImageDataset'}
    roots = {'dataroot_lq': str(PAIRS / 'lq'), 'dataroot_gt': str(PAIRS / 'gt')}
    try:
        model.validation(build_val_loader(build_dataset({**options, **roots})), current_iter, None, save_img)
    finally:
        close_root_logger()
    return model


def test_inputs_have_the_numbers_of_the_trainer(evaluate, tmp_path, capsys):
    """To the last digit: `Input:` in the log of a validation, and all colours."""
    inputs = validate(Network(tmp_path / 'pictures'), 5).input_results['water']
    assert evaluate(PAIRS / 'lq', PAIRS / 'gt', '--jobs', '2') == 0
    assert scores_of(tmp_path).means() == inputs
    assert len(inputs) > 20

    table = capsys.readouterr().out
    assert table.startswith('13 images\n')
    for metric in ('psnr', 'ssim', 'de00_mean'):
        (line,) = [line.split() for line in table.splitlines() if line.startswith(f'{metric} ')]
        assert line[1] == f'{inputs[metric]:.4f}'


def test_saved_pictures_have_the_numbers_of_the_trainer(evaluate, tmp_path, capsys):
    """PSNR and SSIM to the last digit; colours, which a validation measures before rounding, to that rounding."""
    model = Network(tmp_path / 'pictures', lambda lq: 0.8 * lq + 0.1)
    validate(model, 900, save_img=True)
    model.function = lambda lq: 0.9 * lq + 0.04
    validate(model, 1000, save_img=True)
    assert evaluate(tmp_path / 'pictures' / 'water', PAIRS / 'gt') == 0
    assert 'newest iteration of each sub-folder: 1000 (13 images)' in capsys.readouterr().out

    scores, expected = scores_of(tmp_path), model.validation_scores['water']
    assert scores.rows.keys() == expected.rows.keys()
    assert [scores.means()[metric] for metric in METRICS] == [expected.means()[metric] for metric in METRICS]
    assert scores.means()['de00_mean'] != expected.means()['de00_mean']
    assert scores.means()['de00_mean'] == pytest.approx(expected.means()['de00_mean'], abs=0.05)


def test_closed_form(evaluate, targets, tmp_path, capsys):
    for i in range(5):
        write(tmp_path / 'results' / f'{i}.png', picture(i) + np.uint8(5 * (1 + i % 2)))
    assert evaluate(tmp_path / 'results', targets) == 0
    worst, best = OF_TEN, OF_TEN + 20 * math.log10(2)
    found = scores_of(tmp_path)
    assert list(found.column('psnr').values()) == pytest.approx([best, worst, best, worst, best])

    (line,) = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith('psnr ')]
    assert line == ['psnr', f'{(3 * best + 2 * worst) / 5:.4f}', f'{best:.4f}', '5', f'{worst:.4f}', '1']


def test_worst_images_of_each_metric(evaluate, targets, tmp_path):
    for i, factor in enumerate((0.9, 0.5, 1.0, 0.7, 0.3)):
        grey = picture(i).mean(2, keepdims=True)
        write(tmp_path / 'results' / f'{i}.png', (grey + factor * (picture(i) - grey)).round().astype(np.uint8))
    evaluate(tmp_path / 'results', targets)
    with (tmp_path / 'out' / 'worst.csv').open(encoding='utf-8') as file:
        rows = list(csv.DictReader(file))
    found = scores_of(tmp_path)
    for metric in ('de00_mean', 'sat_ratio_all', 'psnr'):
        of_metric = [row for row in rows if row['metric'] == metric]
        assert [row['image'] for row in of_metric] == ['4', '1', '3', '0', '2']
        assert [row['place'] for row in of_metric] == ['1', '2', '3', '4', '5']
        assert [float(row['score']) for row in of_metric] == [found.rows[row['image']][metric] for row in of_metric]
    assert not [row for row in rows if row['metric'].startswith('masked_share')]


def test_16_bits_are_rounded_to_8_unless_told_otherwise(evaluate, tmp_path):
    """An error of a quarter of an 8-bit code: none is left in an 8-bit picture."""
    target = picture(3, dtype=np.uint8).astype(np.uint16) * 257
    write(tmp_path / 'targets' / 'a.png', target)
    write(tmp_path / 'results' / 'a.png', target + np.uint16(64))
    evaluate(tmp_path / 'results', tmp_path / 'targets', '--8bit')
    assert scores_of(tmp_path).rows['a']['psnr'] == math.inf
    evaluate(tmp_path / 'results', tmp_path / 'targets', '--no-8bit')
    assert scores_of(tmp_path).rows['a']['psnr'] == pytest.approx(20 * math.log10(65535 / 64), abs=1e-3)

    images = [torch.from_numpy((i[..., ::-1] / 65535).astype(np.float32)) for i in (target + np.uint16(64), target)]
    direct = Scorer({'metrics': METRICS, 'use_image': False, 'color_fidelity': True}, 'cpu')(
        *(image.permute(2, 0, 1)[None] for image in images)
    )
    assert scores_of(tmp_path).rows['a'] == pytest.approx(direct, rel=1e-5, nan_ok=True)


def test_processes_change_nothing(evaluate, targets, tmp_path):
    for i in range(5):
        write(tmp_path / 'results' / f'{i}.png', picture(i + 1))
    written = []
    for jobs in ('1', '2'):
        evaluate(tmp_path / 'results', targets, '--jobs', jobs, '--gallery', '0')
        written.append((tmp_path / 'out' / 'scores.csv').read_bytes())
    assert written[0] == written[1]


@pytest.mark.parametrize(
    ('name', 'arguments', 'note'),
    [
        ('{}.tif', [], ''),
        ('{}_mine.png', [], 'results are called <target>_mine'),
        ('{}_mine.png', ['--suffix', '_mine'], ''),
        ('{}-v2.1 {{x}}.png', [], 'results are called <target>-v2.1 {x}'),
        ('{0}/{0}_500.png', [], 'newest iteration of each sub-folder: 500 (5 images)'),
        ('{0}/{0}_best.png', ['--suffix', '_best'], ''),
    ],
)
def test_names(evaluate, targets, tmp_path, capsys, name, arguments, note):
    for i in range(5):
        write(tmp_path / 'results' / name.format(i), picture(i) + np.uint8(10))
    assert evaluate(tmp_path / 'results', targets, *arguments, '--gallery', '0') == 0
    assert scores_of(tmp_path).column('psnr') == pytest.approx({f'{i}': OF_TEN for i in range(5)})
    out = capsys.readouterr().out
    assert (f'note: {note}' in out or f'note: the {note}' in out) if note else 'note' not in out


def test_odd_names(evaluate, tmp_path):
    names = ['sofa, red', 'küche 厨房', 'a.b', 'a', 'a_1', '100%', '{}']
    for i, name in enumerate(names):
        write(tmp_path / 'targets' / f'{name}.png', picture(i))
        write(tmp_path / 'results' / f'{name}_x.png', picture(i) + np.uint8(10))
    assert evaluate(tmp_path / 'results', tmp_path / 'targets', '--gallery', '7') == 0
    assert scores_of(tmp_path).column('psnr') == pytest.approx(dict.fromkeys(sorted(names), OF_TEN))
    assert len(list((tmp_path / 'out' / 'val' / 'results' / 'gallery').glob('*.png'))) == 7


def test_newest_iteration_is_by_number(evaluate, targets, tmp_path, capsys):
    for i in range(5):
        folder = tmp_path / 'results' / f'{i}'
        for iteration, error in ((900, 20), (1000 if i else 950, 10), (50, 20)):
            write(folder / f'{i}_{iteration}.png', picture(i) + np.uint8(error))
        write(folder / f'{i}_final.png', picture(i))
    (tmp_path / 'results' / 'elsewhere').mkdir()
    assert evaluate(tmp_path / 'results', targets, '--gallery', '0') == 0
    assert scores_of(tmp_path).means()['psnr'] == pytest.approx(OF_TEN)
    assert 'sub-folder: 1000 (4 images), 950 (1 images)' in capsys.readouterr().out

    assert evaluate(tmp_path / 'results', targets, '--gallery', '0', '--suffix', '_900') == 0
    assert scores_of(tmp_path).means()['psnr'] == pytest.approx(OF_TEN - 20 * math.log10(2))


def test_what_cannot_be_scored_is_listed_after_everything_else(evaluate, targets, tmp_path, capsys):
    results = tmp_path / 'results'
    for i in (0, 1, 2):
        write(results / f'{i}.png', picture(i) + np.uint8(10))
    write(results / '1.png', picture(1, (24, 31)))
    (results / '2.png').write_bytes((results / '2.png').read_bytes()[:300])
    write(results / 'other.png', picture(9))
    write(results / '3.bmp', picture(3))
    write(results / '3.jpg', picture(3))

    assert evaluate(results, targets) == 1
    assert scores_of(tmp_path).column('psnr') == pytest.approx({'0': OF_TEN})
    assert (tmp_path / 'out' / 'val' / 'gallery.html').is_file()
    err = capsys.readouterr().err
    assert 'not scored: 5' in err
    lines = (tmp_path / 'out' / 'not_scored.txt').read_text(encoding='utf-8').splitlines()
    assert len(lines) == 5 and all(line in err for line in lines)
    for path, reason in (
        (targets / '4.png', 'has no result'),
        (targets / '3.png', '3.bmp, 3.jpg'),
        (results / 'other.png', 'has no target'),
        (results / '1.png', 'has 31 x 24 pixels, its target 30 x 24'),
        (results / '2.png', ''),
    ):
        assert len([line for line in lines if line.startswith(f'{path}: ') and reason in line]) == 1

    for path in ('1.png', '2.png', 'other.png', '3.bmp', '3.jpg'):
        (results / path).unlink()
    for i in range(5):
        write(results / f'{i}.png', picture(i))
    assert evaluate(results, targets, '--gallery', '0') == 0
    assert not (tmp_path / 'out' / 'not_scored.txt').exists()


def test_nothing_that_can_be_scored(evaluate, targets, tmp_path, capsys):
    for i in range(5):
        write(tmp_path / 'results' / f'{i}.png', picture(i, (10, 12)))
    assert evaluate(tmp_path / 'results', targets) == 1
    assert 'not scored: 5' in capsys.readouterr().err
    assert not (tmp_path / 'out' / 'scores.csv').exists()


def test_several_targets_of_a_name(evaluate, targets, tmp_path, capsys):
    write(targets / '2.bmp', picture(2))
    shutil.copytree(targets, tmp_path / 'results')
    assert evaluate(tmp_path / 'results', targets, '--gallery', '0') == 1
    assert 'targets that differ in the ending only: 2.bmp, 2.png' in capsys.readouterr().err
    assert list(scores_of(tmp_path).rows) == ['0', '1', '3', '4']


def test_the_same_ending_wins(evaluate, targets, tmp_path):
    for i in range(5):
        write(tmp_path / 'results' / f'{i}.png', picture(i) + np.uint8(10))
        write(tmp_path / 'results' / f'{i}.bmp', picture(i))
    assert evaluate(tmp_path / 'results', targets, '--gallery', '0') == 0
    assert scores_of(tmp_path).means()['psnr'] == pytest.approx(OF_TEN)


def test_inputs_are_scored_beside(evaluate, targets, tmp_path, capsys):
    for i in range(5):
        write(tmp_path / 'results' / f'{i}.png', picture(i) + np.uint8(5))
        if i < 3:
            write(tmp_path / 'inputs' / f'{i}.bmp', picture(i))
            write(tmp_path / 'inputs' / f'{i}.png', picture(i) + np.uint8(10))
    write(tmp_path / 'inputs' / '2.png', picture(2, (12, 15)))
    assert evaluate(tmp_path / 'results', targets, '--inputs', str(tmp_path / 'inputs')) == 0
    out = capsys.readouterr().out
    assert f'note: 2 of 5 images have no input in {tmp_path / "inputs"}' in out
    assert 'note: the input is not scored: ' in out and 'has 15 x 12 pixels, its target 30 x 24' in out
    (line,) = [line.split() for line in out.splitlines() if line.startswith('psnr ')]
    assert line[3] == f'{OF_TEN:.4f}'
    inputs = Scores.load(tmp_path / 'out' / 'inputs.csv')
    assert inputs.column('psnr') == pytest.approx({'0': OF_TEN, '1': OF_TEN})

    assert evaluate(tmp_path / 'results', targets, '--gallery', '0') == 0
    assert not (tmp_path / 'out' / 'inputs.csv').exists()


def test_gallery_shows_the_worst(evaluate, targets, tmp_path):
    for i in range(5):
        write(tmp_path / 'results' / f'{i}.png', picture(i) + np.uint8(20 - 4 * i))
    evaluate(tmp_path / 'results', targets, '--gallery', '2')
    worst = sorted(range(5), key=lambda i: -scores_of(tmp_path).rows[f'{i}']['de00_mean'])[:2]
    strips = (tmp_path / 'out' / 'val' / 'results' / 'gallery').glob('*.png')
    assert sorted(path.stem for path in strips) == sorted(f'results_{i}' for i in worst)
    page = (tmp_path / 'out' / 'val' / 'gallery.html').read_text(encoding='utf-8')
    assert page.count('<figure') == 2 and 'PSNR' in page

    shutil.rmtree(tmp_path / 'out')
    evaluate(tmp_path / 'results', targets, '--gallery', '0')
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == ['scores.csv', 'worst.csv']


def test_crop_border_and_metrics(evaluate, tmp_path):
    """An error in a frame of 2 pixels is outside of what is compared."""
    result = picture(0)
    result[2:-2, 2:-2] += 10
    write(tmp_path / 'results' / 'a.png', result)
    write(tmp_path / 'targets' / 'a.png', picture(0))
    evaluate(tmp_path / 'results', tmp_path / 'targets', '--crop_border', '2', '--metrics', 'psnr, calculate_de00_p95')
    row = scores_of(tmp_path).rows['a']
    assert list(row)[:2] == ['psnr', 'de00_p95'] and row['psnr'] == pytest.approx(OF_TEN)
    share = 20 * 26 / (24 * 30)
    evaluate(tmp_path / 'results', tmp_path / 'targets', '--metrics', 'psnr')
    assert scores_of(tmp_path).rows['a']['psnr'] == pytest.approx(OF_TEN - 10 * math.log10(share))


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--metrics', 'psrn'], 'calculate_psnr'),
        (['--device', 'nowhere'], '--device nowhere'),
        (['--suffix', '_other'], 'has the name of a target'),
        (['--inputs', '/no/such/folder'], 'no such folder of inputs: /no/such/folder'),
    ],
)
def test_mistakes_are_said_by_name(evaluate, targets, tmp_path, capsys, arguments, message):
    shutil.copytree(targets, tmp_path / 'results')
    assert evaluate(tmp_path / 'results', targets, *arguments) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_folders_that_do_not_fit_are_said_by_name(evaluate, targets, tmp_path, capsys):
    (tmp_path / 'empty').mkdir()
    write(tmp_path / 'others' / 'x.png', picture(0))
    for i in range(2):
        write(tmp_path / 'numbers' / f'{i}0.png', picture(0))
        for kind in ('a', 'b'):
            write(tmp_path / 'kinds' / f'{i}_{kind}.png', picture(0))
    for results, message in (
        ('missing', f'no such folder of results: {tmp_path / "missing"}'),
        ('empty', 'no pictures'),
        ('others', 'x.png'),
        ('numbers', '00.png, 10.png'),
        ('kinds', 'results of several kinds: choose one with --suffix: _a, _b'),
    ):
        assert evaluate(tmp_path / results, targets) == 1
        assert message in capsys.readouterr().err
    assert evaluate(targets, tmp_path / 'missing') == 1
    assert 'no such folder of targets' in capsys.readouterr().err


@pytest.mark.parametrize('arguments', [['--jobs', '0'], ['--crop_border', '-1'], ['--gallery', '-1']])
def test_numbers_out_of_range_are_mistakes_of_usage(evaluate, targets, arguments, capsys):
    assert evaluate(targets, targets, *arguments) == 2
    assert arguments[0] in capsys.readouterr().err
