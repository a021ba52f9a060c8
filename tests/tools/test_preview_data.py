"""The preview's command: the sheet shows what a run with these options reads."""

import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
import yaml

from basicsr.data import build_dataset, build_stream
from basicsr.utils.logger import close_root_logger
from basicsr.utils.options import load_options, runtime_options
from tests.conftest import tiny_options

TOOLS = Path(__file__).resolve().parents[2] / 'tools'
MODULES = ('preview_data', 'preview_samples', 'preview_sheet')
AUGMENTED = {
    'gt_size': 32,
    'photometric': {'prob': 0.5, 'exposure_ev': [-1, 1]},
    'mixup': {'prob': 0.5},
    'scale_jitter': [0.8, 1.2],
}


@pytest.fixture
def preview(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    import preview_data

    yield preview_data
    close_root_logger()
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture
def option_file(tiny_root):
    def write(**train) -> Path:
        options = tiny_options()
        folders = {f'dataroot_{kind}': str(tiny_root / 'data' / 'train' / kind) for kind in ('gt', 'lq')}
        options['datasets']['train'] |= folders | train
        file = tiny_root / 'preview.yml'
        file.write_text(yaml.safe_dump(options), encoding='utf-8')
        return file

    return write


def refusal(preview, capsys, *arguments: str) -> str:
    with pytest.raises(SystemExit) as stop:
        preview.main(list(arguments))
    told = capsys.readouterr().err
    close_root_logger()  # it keeps the stream that it was given
    assert stop.value.code == 1 and 'Traceback' not in told
    return told


def test_pairs_are_those_that_a_run_reads(preview, option_file, tiny_root):
    mean = {'mean': [0.5, 0.4, 0.3], 'std': [0.5, 0.5, 0.5]}
    opt = runtime_options(load_options(str(option_file(**AUGMENTED, **mean)))[0], str(tiny_root), True)['datasets']
    import preview_samples

    pairs = preview_samples.collect(opt['train'], 3, 3, 4)
    stream = build_stream(build_dataset(opt['train']), 2, 0, 3, first_iter=1, total_iter=4)
    batches = list(stream)
    assert [pair.k for pair in pairs] == [3, 4, 5, 6]
    for pair in pairs:
        batch, i = batches[pair.k // 2 - 1], pair.k % 2
        assert pair.name == Path(batch['lq_path'][i]).name
        for key, picture in (('lq', pair.before), ('gt', pair.after)):
            values = batch[key][i].numpy().transpose(1, 2, 0) * 0.5 + [0.5, 0.4, 0.3]
            assert abs(values.clip(0, 1) * 255 - picture).max() < 0.51
    assert any('exposure' in pair.draws for pair in pairs) and all('x ' in pair.draws for pair in pairs)


def test_components_of_a_mixture_are_named(preview, option_file, tiny_root):
    folders = {f'dataroot_{kind}': str(tiny_root / 'data' / 'val' / kind) for kind in ('gt', 'lq')}
    mix = [{'name': 'much', 'weight': 3}, {'name': 'little', 'weight': 1, **folders}]
    import preview_samples

    options = load_options(str(option_file(mix=mix)))[0]
    pairs = preview_samples.collect(runtime_options(options, '/', True)['datasets']['train'], 3, 0, 8)
    names = [pair.name.split(': ')[0] for pair in pairs]
    assert names.count('much') == 6 and names.count('little') == 2


def test_linear_light_is_encoded_and_grey_repeated(preview):
    import preview_samples

    # 18 % grey is 0.4614 in sRGB (IEC 61966-2-1): 118 of 255.
    light = torch.tensor([0.0, 0.18, 1.0, 7.0]).expand(1, 3, 1, 4)
    own = SimpleNamespace(mean=None, color=None)
    assert preview_samples._pictures(light, light, own)[0, 0, :, 0].tolist() == [0, 118, 255, 255]

    own = SimpleNamespace(mean=[0.5], std=[0.25], color='y')
    shown = preview_samples._pictures(torch.full((1, 1, 2, 2), -1.0), torch.rand(1, 1, 2, 2), own)
    assert shown.shape == (1, 2, 2, 3) and (shown == 64).all()


def test_pictures_are_on_the_sheet(preview, option_file, tmp_path, capsys):
    out = tmp_path / 'new' / 'sheet.png'
    preview.main(['-opt', str(option_file(gt_size=32)), '--num', '5', '--side', '32', '-o', str(out)])
    assert capsys.readouterr().out.endswith('sheet.png: samples 0 to 4\n')
    assert [path.name for path in out.parent.iterdir()] == ['sheet.png']

    sheet = cv2.imread(str(out))[..., ::-1]
    import preview_samples
    import preview_sheet

    opt = runtime_options(load_options(str(option_file(gt_size=32)))[0], '/', True)['datasets']['train']
    for number, pair in enumerate(preview_samples.collect(opt, 3, 0, 5)):
        both = np.concatenate([pair.before, np.full((32, preview_sheet.BETWEEN, 3), 46, np.uint8), pair.after], 1)
        distance = cv2.matchTemplate(np.ascontiguousarray(sheet), both, cv2.TM_SQDIFF)
        # Sums of float32; the nearest crop of another pair is a thousand times as far.
        assert distance.min() < 1e-5 * np.square(both.astype(float)).sum(), f'pair {number} is not on the sheet'


def test_captions_fit_and_keep_the_ends_of_names(preview):
    import preview_samples
    import preview_sheet

    picture = np.zeros((8, 8, 3), np.uint8)
    draws = 'x 12, y 64, hflip, vflip, rot90, exposure +0.21 EV, gains 1.03 1.00 0.96, contrast 1.10, mixup 0.71'
    pair = preview_samples.Pair(7, f'IMG_{"0" * 80}_edited.jpg', draws, picture, picture)
    lines = preview_sheet._caption(pair, 203)
    assert lines[0].startswith('7   IMG_0') and lines[0].endswith('_edited.jpg') and '...' in lines[0]
    assert ', '.join(lines[1:]) == draws
    assert all(preview_sheet.font(preview_sheet.TEXT).getlength(line) <= 203 for line in lines)


@pytest.mark.parametrize('count', [1, 7, 16, 40])
def test_sheets_have_the_shape_of_a_screen(preview, count):
    import preview_samples
    import preview_sheet

    picture = np.zeros((64, 64, 3), np.uint8)
    pairs = [preview_samples.Pair(k, 'a.png', 'x 1, y 2', picture, picture) for k in range(count)]
    width, height = preview_sheet.draw_sheet(pairs, 'title', 64).size
    assert 0.8 < width / height < 2.6


def test_small_pixels_stay_squares_and_wide_pictures_whole(preview):
    import preview_samples
    import preview_sheet

    picture = np.random.default_rng(0).integers(100, 255, (4, 8, 3), dtype=np.uint8)
    pair = preview_samples.Pair(0, '', '', picture, picture)
    sheet = np.asarray(preview_sheet.draw_sheet([pair], '', 64))
    top = preview_sheet.MARGIN + preview_sheet.TITLE + preview_sheet.GAP
    shown = sheet[top : top + 64, preview_sheet.MARGIN : preview_sheet.MARGIN + 64]
    assert np.array_equal(shown[16:48], picture.repeat(8, axis=0).repeat(8, axis=1))
    assert (shown[:16] == 46).all() and (shown[48:] == 46).all()


def test_mistakes_get_one_message(preview, option_file, capsys):
    file = str(option_file())
    assert '--num 0: expected 1 to 400' in refusal(preview, capsys, '-opt', file, '--num', '0')
    assert 'no/such.yml' in refusal(preview, capsys, '-opt', 'no/such.yml')
    told = refusal(preview, capsys, '-opt', file, '--force_yml', 'datasets:train:photometric={exposure_ev: [1, 0]}')
    assert 'expected [low, high]' in told
    assert 'cannot write the sheet' in refusal(preview, capsys, '-opt', file, '-o', '/proc/no/sheet.png')


def test_a_picture_that_cannot_be_read_is_named(preview, option_file, tiny_root, capsys):
    file = str(option_file())
    damaged = tiny_root / 'data' / 'train' / 'lq' / '02.png'
    damaged.write_bytes(damaged.read_bytes()[:200])
    assert '02.png' in refusal(preview, capsys, '-opt', file, '-o', str(tiny_root / 'sheet.png'))
    assert not (tiny_root / 'sheet.png').exists()
