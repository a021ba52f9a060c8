"""The page of a run: everything is on it, nothing is fetched, odd names do no harm, and it keeps its size."""

import base64
import re
from dataclasses import replace

import pytest

from basicsr.metrics.gallery.page import MAX_BYTES, fitting, write_page
from basicsr.metrics.gallery.store import load_entries
from basicsr.metrics.gallery.trend import trends
from basicsr.metrics.scores import Scores
from tests.metrics.gallery_samples import Page, write_run

ODD = ['two words', "it's", '"quoted"', '<script>alert(1)</script>', '台所', 'a&b', '%2e%2e', '#1']


def checkpoints(*iterations: int) -> dict[int, dict[str, float]]:
    return {i: {'a.png': 0.1, 'b.png': 0.5, 'c.png': 0.9} for i in iterations}


def test_page_has_every_image_and_iteration(tmp_path):
    write_run(tmp_path / 'my_run', checkpoints(100, 200, 1000), worst=2)
    write_run(tmp_path / 'my_run', {200: {'z.png': 0.3}, 1000: {'z.png': 0.4}}, 'val')
    path = tmp_path / 'my_run' / 'val' / 'gallery.html'
    page = Page(path)
    assert page.open == [] and page.external() == [] and 'Gallery of my_run' in page.text
    figures = [(f['data-image'], f['data-iter'], 'hidden' in f) for f in page.all('figure')]
    expected = [(name, i, i != '1000') for name in 'ab' for i in ('100', '200', '1000')]
    assert sorted(figures) == sorted([*expected, ('z', '200', True), ('z', '1000', False)])
    assert len(page.all('img')) == 8
    # The slider goes from checkpoint to checkpoint, in their order, and begins at the last.
    (slider,) = page.all('input')
    assert (slider['min'], slider['max'], slider['value']) == ('0', '2', '2')
    assert re.findall(r'<option value="\d">(\d+)</option>', path.read_text()) == ['100', '200', '1000']
    jpeg = (tmp_path / 'my_run' / 'val' / 'val_color' / 'gallery' / '100_a.jpg').read_bytes()
    assert f'base64,{base64.b64encode(jpeg).decode()}"' in path.read_text()


def test_page_fetches_nothing(tmp_path):
    path = write_run(tmp_path / 'run', checkpoints(100)) / 'gallery.html'
    text = re.sub(r'base64,[A-Za-z0-9+/=]+', '', path.read_text(encoding='utf-8'))
    assert not re.search(r'https?:|//[a-z]|url\(|@import|<link|<iframe|fetch\(|XMLHttp', text)


def test_the_number_that_averages_hide_is_on_the_page(tmp_path):
    folder = write_run(tmp_path / 'run', checkpoints(100))
    row = {'sat_ratio_60': 0.77, 'sat_ratio_all': 1.0, 'collapsed_60': 0.31, 'de00_mean': 2.5}
    Scores({'a': row, 'b': row}).save(folder / 'val_color' / '100.csv')
    page = Page(write_page(folder))
    assert '×0.77 saturation where the target is saturated, ×1.00 over all pixels, 31% of the saturated' in page.text
    assert '2.50 delta E 2000, 2 images' in page.text


def test_odd_names(tmp_path):
    keeps = {f'lq/{name.replace("/", "")}.png': 0.1 + 0.05 * i for i, name in enumerate(ODD)}
    write_run(tmp_path / 'run <i>', {100: keeps}, 'set <b>', worst=len(ODD))
    path = tmp_path / 'run <i>' / 'val' / 'gallery.html'
    page = Page(path)
    assert page.open == [] and len(page.all('script')) == 1 and page.all('b') and page.all('i') == []
    assert sorted(f['data-image'] for f in page.all('figure')) == sorted(name.replace('/', '') for name in ODD)
    assert 'set <b>' in page.text and 'Gallery of run <i>' in page.text
    files = list((tmp_path / 'run <i>' / 'val' / 'set <b>' / 'gallery').iterdir())
    assert len(files) == 3 * len(ODD) and all(re.fullmatch(r'100_[\w.-]+', f.name, re.ASCII) for f in files)


def test_checkpoints_are_thinned_evenly(tmp_path):
    folder = write_run(tmp_path / 'run', checkpoints(*range(1, 10)), worst=1)
    size = folder.joinpath('gallery.html').stat().st_size
    path = write_page(folder, max_bytes=size * 6 // 10)
    page = Page(path)
    assert path.stat().st_size <= size * 6 // 10
    assert [f['data-iter'] for f in page.all('figure')] == ['1', '3', '5', '7', '9']
    assert '5 of 9 checkpoints are shown, evenly spaced' in page.text
    assert len([p for p in page.all('circle') if p['data-point'] == '4']) == len(page.all('svg'))  # trends have all


def test_one_checkpoint_that_does_not_fit_shows_the_worst(tmp_path):
    folder = write_run(tmp_path / 'run', checkpoints(10, 20), worst=3)
    entries = load_entries(folder, [])
    size = sum(entry.jpeg.stat().st_size for entry in entries) / 6 * 4 / 3 + 800
    notes = []
    shown = fitting(entries, int(2.5 * size), notes)
    assert [(entry.iteration, entry.image) for entry in shown] == [(20, 'a'), (20, 'b')]
    assert len(notes) == 2 and notes[1].startswith('2 of 3 images are shown')
    others = [replace(entry, iteration=i) for i in range(6) for entry in entries[:1]]
    assert [entry.iteration for entry in fitting(others, int(4.5 * size), [])] == [0, 2, 3, 5]
    assert fitting([], MAX_BYTES, notes) == [] and len(notes) == 2


def test_pictures_keep_their_order_from_checkpoint_to_checkpoint(tmp_path):
    keeps = {1: {'a.png': 0.1, 'b.png': 0.5}, 2: {'a.png': 0.5, 'b.png': 0.1}}
    page = Page(write_run(tmp_path / 'run', keeps) / 'gallery.html')
    order = [(f['data-image'], f['data-iter']) for f in page.all('figure')]
    assert order == [('b', '1'), ('b', '2'), ('a', '1'), ('a', '2')]


def test_wanted_images_that_no_set_has_are_told(tmp_path):
    page = Page(write_run(tmp_path / 'run', checkpoints(1), images=['c', 'nowhere']) / 'gallery.html')
    assert 'nowhere: none of the sets validated so far has this image' in page.text
    assert [f['data-image'] for f in page.all('figure')] == ['a', 'b', 'c'] and 'c: none' not in page.text


def test_damaged_files_are_told_and_left_out(tmp_path):
    folder = write_run(tmp_path / 'run', checkpoints(1, 2))
    gallery = folder / 'val_color' / 'gallery'
    (gallery / '1_a.json').write_text('{"image": ')
    (gallery / '2_b.jpg').unlink()
    (folder / 'val_color' / '1.csv').write_text('nonsense')
    page = Page(write_page(folder))
    assert sorted((f['data-image'], f['data-iter']) for f in page.all('figure')) == [('a', '2'), ('b', '1')]
    for told in ('1_a.json is left out', '2_b.json is left out: the pictures', '1.csv: is not a CSV file of scores'):
        assert told in page.text


def test_trends():
    tables = {i: {'sat_ratio_60': value, 'mine': 5.0, 'x': 1.0} for i, value in ((100, 0.5), (200, 0.75))}
    charts = trends(tables, 'mine')
    assert charts.count('<svg') == 2  # the key metric, and that of the gallery
    assert re.findall(r'<title>(.*?)</title>', charts)[:2] == ['iteration 100: 0.5', 'iteration 200: 0.75']
    (first, second), mark = (
        [float(y) for y in re.search(r'points="[\d.]+,([\d.]+) [\d.]+,([\d.]+)"', charts).groups()],
        float(re.search(r'y1="([\d.]+)" y2="[\d.]+" class="mark"', charts)[1]),
    )
    # On a linear axis 0.75 lies half-way from 0.5 to the ideal 1.
    assert second == pytest.approx((first + mark) / 2, abs=0.1) and mark < first
    assert trends({}) == '' and trends({'final': tables[100]}) == ''


def test_tables_are_read_once(tmp_path, monkeypatch):
    folder = write_run(tmp_path / 'run', checkpoints(1, 2, 3))
    monkeypatch.setattr(Scores, 'load', lambda path: pytest.fail(f'{path} is read again'))
    assert len(Page(write_page(folder)).all('circle')) > 0
    monkeypatch.undo()
    Scores({'a': {'psnr': 12.5}}).save(folder / 'val_color' / '3.csv')
    assert '12.50 dB PSNR, 1 image' in Page(write_page(folder)).text
