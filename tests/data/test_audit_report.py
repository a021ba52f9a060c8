"""Pairing, findings, lists and page, on small sets made here."""

import csv
import html.parser

import cv2
import numpy as np
import pytest

from basicsr.data.audit.alignment import Alignment
from basicsr.data.audit.color_fit import ColorFit
from basicsr.data.audit.comparison import find_odd_ones
from basicsr.data.audit.findings import Thresholds
from basicsr.data.audit.page import write_page
from basicsr.data.audit.pair import PairReport, measure_pair, measure_pairs
from basicsr.data.audit.sets import Pair, pairs_of_folders
from basicsr.data.audit.summary import judge, set_notes
from basicsr.data.audit.svg import histogram, scatter
from basicsr.data.audit.tables import exclude_lines, write_csv, write_excludes
from basicsr.data.exclude import read_exclude
from basicsr.utils.errors import DataError
from tests.data.test_audit_alignment import as_taken, scene


def write_pair(folder, name, lq, gt):
    for kind, img in (('lq', lq), ('gt', gt)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        if img is not None:
            cv2.imwrite(str(folder / kind / name), img.clip(0, 255).round().astype(np.uint8))


@pytest.fixture
def folder(tmp_path):
    """Three good pairs."""
    for number in range(3):
        img = scene(number, 160, 120)
        write_pair(tmp_path, f'{number}.png', as_taken(img), img)
    return tmp_path


def audit(folder, **sets):
    pairs = pairs_of_folders(str(folder / 'lq'), str(folder / 'gt'))
    for name, other in sets.items():
        pairs += pairs_of_folders(str(other / 'lq'), str(other / 'gt'), name)
    return judge(measure_pairs(pairs))


def faults(result) -> dict[str, list[str]]:
    return {row.report.pair.name: [fault.name for fault in row.faults] for row in result.rows if row.faults}


def remarks(result) -> dict[str, list[str]]:
    found = {row.report.pair.name: [f.name for f in row.findings if not f.is_fault] for row in result.rows}
    return {name: names for name, names in found.items() if names}


def test_good_pairs_have_no_findings(folder):
    result = audit(folder)
    assert faults(result) == {} and remarks(result) == {}
    assert result.worst() == []


def test_what_has_no_partner_is_listed(folder):
    (folder / 'lq' / '0.png').unlink()
    write_pair(folder, 'extra.png', scene(8, 160, 120), None)
    result = audit(folder)
    assert faults(result) == {'0.png': ['no input'], 'extra.png': ['no target']}
    # A line for the target; a comment for what has none.
    lines = exclude_lines(result.rows)
    assert [line.split(':')[0] for line in lines] == ['0.png  # no input', '# extra.png']


def test_sizes_that_do_not_fit(folder):
    img = scene(5, 160, 120)
    write_pair(folder, 'wide.png', img[:, :100], img)
    write_pair(folder, 'half.png', cv2.resize(img, (80, 60), interpolation=cv2.INTER_AREA), scene(5, 160, 120))
    assert faults(audit(folder)) == {'wide.png': ['sizes differ'], 'half.png': ['sizes differ']}


def test_flat_clipped_and_identical(folder):
    img = scene(5, 160, 120)
    white, black = img.copy(), img.copy()
    white[:, :40], black[:, :40] = 255, 0
    write_pair(folder, 'flat.png', np.full_like(img, 90), np.full_like(img, 120))
    write_pair(folder, 'same.png', scene(6, 160, 120), scene(6, 160, 120))
    write_pair(folder, 'white.png', as_taken(white), white)
    write_pair(folder, 'black.png', as_taken(black), black)
    result = audit(folder)
    assert faults(result) == {}
    found = remarks(result)
    assert {'alignment unknown', 'flat input', 'flat target'} <= set(found['flat.png'])
    assert found['same.png'] == ['input is target']
    assert 'clipped highlights' in found['white.png'] and 'clipped shadows' in found['black.png']


def test_noise_does_not_make_a_pair_unrelated(folder):
    rng = np.random.default_rng(0)
    smooth = cv2.resize(rng.uniform(40, 200, (4, 5, 3)), (160, 120), interpolation=cv2.INTER_CUBIC)
    write_pair(folder, 'noisy.png', smooth + rng.normal(0, 40, smooth.shape), smooth + rng.normal(0, 6, smooth.shape))
    assert faults(audit(folder)) == {}


def test_duplicates_and_leaks(folder, tmp_path):
    val = tmp_path / 'validation'
    gts = [cv2.imread(str(folder / 'gt' / f'{number}.png')) for number in range(3)]
    write_pair(val, 'a.png', as_taken(gts[0], 4), gts[0])
    write_pair(val, 'b.png', as_taken(gts[1], 4) * 0.9, 255 * (gts[1] / 255) ** 0.8)
    write_pair(folder, '3.png', as_taken(gts[2], 4), gts[2])
    write_pair(val, 'c.png', as_taken(scene(9, 160, 120)), scene(9, 160, 120))
    result = audit(folder, val=val)
    assert faults(result) == {'0.png': ['leak']}
    assert remarks(result) == {'1.png': ['near leak'], '3.png': ['duplicate']}
    assert sorted([result.rows[i].report.pair.name for i in group] for group in result.groups) == [
        ['0.png', 'a.png'], ['1.png', 'b.png'], ['2.png', '3.png'],
    ]  # fmt: skip


def test_the_same_picture_in_two_sets_that_are_not_trained_on(folder, tmp_path):
    one, two = tmp_path / 'one', tmp_path / 'two'
    img = scene(9, 160, 120)
    for other in (one, two):
        write_pair(other, 'x.png', as_taken(img), img)
    result = audit(folder, val=one, val_hard=two)
    assert faults(result) == {} and remarks(result) == {'x.png': ['in two sets']}


def test_swapped_inputs_are_given_back(folder):
    a, b = folder / 'lq' / '0.png', folder / 'lq' / '1.png'
    kept = a.read_bytes()
    a.write_bytes(b.read_bytes())
    b.write_bytes(kept)
    result = audit(folder)
    assert faults(result) == {'0.png': ['unrelated'], '1.png': ['unrelated']}
    texts = {row.report.pair.name: row.faults[0].text for row in result.rows if row.faults}
    assert 'the input of train/1.png looks like its own' in texts['0.png']


def test_a_pair_that_goes_the_other_way():
    def report(stops: float) -> PairReport:
        made = PairReport(Pair('train', 'x', 'a', 'b'), is_comparable=True)
        made.fit = ColorFit((2.0**stops,) * 3, (1.0,) * 3, 1.0, 1.0)
        assert made.fit.stops == pytest.approx(stops)
        return made

    found = find_odd_ones([report(stops) for stops in (1.5, 1.7, 1.4, 1.6, 2.6, -1.5)])
    assert [[f.name for f in notes] for notes in found] == [[]] * 5 + [['opposite exposure']]


def test_a_shift_that_all_inputs_share_is_said():
    made = []
    for offset in (0.02, -0.03, 0.0, 0.04, -0.02):
        report = PairReport(Pair('train', 'x', 'a', 'b'), is_comparable=True)
        report.alignment = Alignment(0.5 + offset, -0.25, 0.0, 0.0, 0.9, (100, 100))
        made.append(report)
    assert any('+0.50 px right, -0.25 px down' in note for note in set_notes(made))


def test_lists_are_read_by_the_dataset(folder):
    for name in ('0.png', '2.png'):
        (folder / 'gt' / name).write_bytes(b'\x89PNG\r\n\x1a\n broken')
    result = audit(folder)
    path, *others = write_excludes(result, folder)
    assert others == [] and path.name == 'exclude.txt'
    assert read_exclude(str(path)) == ['0.png', '2.png']
    assert all('unreadable target' in line for line in exclude_lines(result.rows))


def test_lists_of_sets_with_several_folders_tell_them_apart(tmp_path):
    pairs = []
    for number in range(2):
        write_pair(tmp_path / str(number), 'a.png', scene(number, 64, 64)[:, :30], scene(number, 64, 64))
        pairs += pairs_of_folders(str(tmp_path / str(number) / 'lq'), str(tmp_path / str(number) / 'gt'))
    # Both folders are called gt: their parents differ.
    lines = exclude_lines(judge(measure_pairs(pairs)).rows)
    assert [line.split(' ')[0] for line in lines] == ['0/gt/a.png', '1/gt/a.png']


def test_the_table_has_all_pairs_and_what_was_measured(folder):
    (folder / 'lq' / '0.png').unlink()
    result = audit(folder)
    write_csv(result, folder / 'audit.csv')
    with open(folder / 'audit.csv', newline='') as file:
        lines = list(csv.DictReader(file))
    assert [line['name'] for line in lines] == ['0.png', '1.png', '2.png']
    assert (
        lines[0]['verdict'] == 'fault' and lines[0]['shift_x_px'] == '' and lines[0]['findings'].startswith('no input')
    )
    # `as_taken` has 0.18 of the light, a cast, and the contrast 0.85.
    fit = result.rows[1].report.fit
    assert float(lines[1]['exposure_stops']) == pytest.approx(fit.stops, abs=1e-3) and 1.5 < fit.stops < 3.5
    assert float(lines[1]['size_ratio']) == 1


class Reader(html.parser.HTMLParser):
    """Collects what an HTML page refers to, and checks that its tags are closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []
        self.text = ''

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.sources += [values[key] for key in ('src', 'href') if key in values]
        if tag not in ('img', 'br', 'meta', 'input'):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_data(self, data):
        self.text += data


def test_the_page_needs_nothing_beside_it(folder):
    name = 'a<b>&.png'
    img = scene(7, 160, 120)
    write_pair(folder, name, np.roll(as_taken(img), 4, 1), img)
    result = audit(folder)
    write_page(result, 'Rooms <1>', folder / 'audit.html', Thresholds())
    reader = Reader()
    reader.feed((folder / 'audit.html').read_text(encoding='utf-8'))
    assert reader.open == []
    pictures = [source for source in reader.sources if source.startswith('data:image/jpeg;base64,')]
    assert set(reader.sources) - set(pictures) == {'exclude.txt', 'audit.csv'}
    # Four pictures of the one with a fault, and one in the table for each of four.
    assert len(pictures) == 8
    assert name in reader.text and 'misaligned' in reader.text and 'Rooms <1>' in reader.text


def test_an_unreadable_pair_is_measured_as_far_as_it_goes(folder):
    (folder / 'lq' / '0.png').write_bytes(b'')
    report = measure_pair(pairs_of_folders(str(folder / 'lq'), str(folder / 'gt'))[0])
    assert report.lq is None and report.gt.size == (160, 120) and '0.png' in report.errors['lq']
    assert set(report.pictures) == {'gt', 'strip'}


def test_folders_without_images_are_refused(tmp_path):
    (tmp_path / 'a').mkdir()
    with pytest.raises(DataError, match='no images in'):
        pairs_of_folders(str(tmp_path / 'a'), str(tmp_path / 'a'))
    with pytest.raises(DataError, match='no such folder'):
        pairs_of_folders(str(tmp_path / 'a'), str(tmp_path / 'b'))


def test_plots_of_nothing_and_of_equal_values():
    assert 'nothing measured' in histogram([], 'x')
    assert '<rect' in histogram([3.0, 3.0], 'x') and '<title>' in scatter([(0, 0, 'a')], 'x', 2)
