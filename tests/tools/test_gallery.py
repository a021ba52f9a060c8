"""Several galleries side by side: the same images, each with what every run made of it."""

import base64
import re
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from basicsr.utils.logger import close_root_logger
from tests.metrics.gallery_samples import Page, write_run

TOOLS = Path(__file__).resolve().parents[2] / 'tools'
MODULES = ('gallery', 'gallery_runs', 'gallery_sheet')


@pytest.fixture
def gallery(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    import gallery

    close_root_logger()
    yield gallery.main
    close_root_logger()
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture
def runs(tmp_path):
    """`grey` loses colour and `good` keeps it; they differ in their worst image, and `good` has one set more."""
    grey, good = tmp_path / 'grey', tmp_path / 'good'
    write_run(grey, {10: {'a.png': 0.6, 'b.png': 0.8}, 20: {'a.png': 0.1, 'b.png': 0.3}}, worst=1)
    write_run(good, {10: {'a.png': 0.8, 'b.png': 0.7}, 30: {'a.png': 0.95, 'b.png': 0.9}}, worst=1)
    write_run(good, {30: {'z.png': 0.9}}, 'val')
    return grey, good


def pictures(path: Path) -> dict[str, np.ndarray]:
    """alt -> the last picture of the page with this text."""
    found = re.findall(r'<img alt="([^"]*)" src="data:image/jpeg;base64,([^"]*)"', path.read_text(encoding='utf-8'))
    return {alt: cv2.imdecode(np.frombuffer(base64.b64decode(code), np.uint8), 1) for alt, code in found}


def test_union_of_the_images_with_a_column_for_each_run(gallery, runs, tmp_path, capsys):
    out = tmp_path / 'page.html'
    gallery([*map(str, runs), '-o', str(out), '--set', 'val_color'])
    assert capsys.readouterr().out == f'{out}: 2 images of val_color, 2 runs\n'
    page = Page(out)
    assert page.open == [] and page.external() == [] and out.stat().st_size < 15e6
    assert [h['data-image'] for h in page.all('h3') if 'data-image' in h] == ['a', 'b']
    # The worst of `grey` is a, that of `good` is b; the other run says what it scored there.
    assert page.text.count('not in its gallery. delta E 2000 mean') == 2
    assert 'iteration 20' in page.text and 'iteration 30' in page.text
    assert 'grey | good' in page.text
    shown = pictures(out)
    assert set(shown) == {f'{n}, {k}' for n in 'ab' for k in ('input', 'target', 'output', 'delta_e', 'saturation')}
    # BGR of the wall: blue in the target, nearly grey in the output of `grey`, kept in that of `good`.
    for alt, spread in (('a, target', 130), ('a, output', 13), ('b, output', 117)):
        middle = shown[alt][100:140, -60:-20].reshape(-1, 3).mean(0)
        assert middle[0] - middle[2] == pytest.approx(spread, abs=3), alt


@pytest.mark.parametrize('choice, told', [('10', ['10', '10']), ('best', ['10', '30']), ('last', ['20', '30'])])
def test_iterations(gallery, runs, tmp_path, choice, told):
    out = tmp_path / 'page.html'
    gallery([*map(str, runs), '-o', str(out), '--iter', choice, '--set', 'val_color'])
    assert re.findall(r'iteration (\d+)', Page(out).text) == told


def test_a_set_that_one_run_lacks(gallery, runs, tmp_path):
    out = tmp_path / 'page.html'
    gallery([*map(str, runs), '-o', str(out)])
    page = Page(out)
    assert [h['data-image'] for h in page.all('h3') if 'data-image' in h] == ['a', 'b', 'z']
    assert page.text.count('no gallery of this set') == 1


def test_runs_of_one_name_are_told_apart(gallery, tmp_path):
    folders = [tmp_path / place / 'run' for place in ('one', 'two')]
    for folder in folders:
        write_run(folder, {10: {'a.png': 0.5}})
    out = tmp_path / 'page.html'
    gallery([*map(str, folders), '-o', str(out)])
    assert f'{folders[0]} | {folders[1]}' in Page(out).text


def test_page_keeps_its_size(gallery, runs, tmp_path, monkeypatch):
    import gallery_sheet

    monkeypatch.setattr(gallery_sheet, 'MAX_BYTES', 9_000)
    out = tmp_path / 'page.html'
    gallery([*map(str, runs), '-o', str(out)])
    assert 'images are left out, to keep this page below' in Page(out).text


def test_mistakes_get_one_message(gallery, runs, tmp_path, capsys):
    empty, plain = tmp_path / 'empty', tmp_path / 'plain'
    empty.mkdir()
    (plain / 'val').mkdir(parents=True)
    grey = str(runs[0])
    for arguments, message in (
        ([str(tmp_path / 'none')], 'none: no such folder; give run folders'),
        ([grey, str(empty)], 'empty: has no folder `val`'),
        ([str(plain)], 'plain: has no gallery: train or fine-tune with `val: {gallery: {worst: 4}}`'),
        (
            [grey, '--set', 'val_colour'],
            '--set val_colour: no run has a gallery of it, only of val_color; did you mean',
        ),
        ([grey, '--iter', '30'], 'grey: has no gallery at iteration 30; it has 10, 20'),
        ([grey, '--iter', 'first'], '--iter first: expected an iteration, last or best'),
    ):
        with pytest.raises(SystemExit) as stop:
            gallery([*arguments, '-o', str(tmp_path / 'out.html')])
        told = capsys.readouterr().err
        assert stop.value.code == 1 and message in told and 'Traceback' not in told
        assert not (tmp_path / 'out.html').exists()
