"""The report of runs with known effects: its numbers, its words, its files, and what it says of bad input."""

import base64
import csv
import json
import math
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
import yaml
from scipy import stats

from basicsr.ablation.report import write_report
from basicsr.ablation.report.answer import answer
from basicsr.ablation.report.compare import compare_all, judge_together
from basicsr.ablation.report.curves import curve_plot
from basicsr.ablation.report.differences import fullest_variant, left_out_terms, option_differences
from basicsr.ablation.report.measure import measure
from basicsr.ablation.report.metric_names import number, quantity, senses
from basicsr.ablation.report.plots import pareto_front
from basicsr.ablation.report.results import BETTER, PROBABLY_BETTER, PROBABLY_WORSE, WORSE, SetResults
from basicsr.ablation.run_set import read_runs
from basicsr.metrics.color_fidelity import BETTER as BETTER_OF
from basicsr.metrics.gallery.store import Entry, save_entry
from basicsr.metrics.scores import Scores
from basicsr.utils.errors import UserError
from basicsr.utils.img_util import read_image
from tests.ablation.synthetic_runs import ENVIRONMENT, SCORES, scores_of, write_grid, write_pictures, write_run

IMAGES = [f'room_{number:03}' for number in range(12)]


@pytest.fixture(scope='module')
def grid(tmp_path_factory):
    """Three variants, three seeds; pictures of all images of two of them."""
    folder = write_grid(tmp_path_factory.mktemp('runs') / 'experiments' / 'grid')
    for run in folder.glob('*_s0'):
        write_pictures(run, [f'room_{number:03}' for number in range(30)], 600, 0.5 if 'chroma' in run.name else 0.9)
    return folder


@pytest.fixture(scope='module')
def page(grid):
    return write_report(grid)


@pytest.fixture(scope='module')
def results(page):
    return json.loads((page.parent / 'results.json').read_text(encoding='utf-8'))


def result_of(results, metric, variant):
    return next(r for r in results['results'] if (r['metric'], r['variant']) == (metric, variant))


def values_of(grid, variant, metric, seeds=(0, 1, 2)):
    tables = [Scores.load(grid / f'{variant}_s{seed}' / 'val' / 'val_color' / '600.csv') for seed in seeds]
    return np.array([list(table.column(metric).values()) for table in tables])


def test_numbers_are_those_of_the_tables_and_of_scipy(grid, results):
    ours, theirs = values_of(grid, 'no_chroma', 'psnr'), values_of(grid, 'full', 'psnr')
    found = result_of(results, 'psnr', 'no_chroma')
    assert found['mean'] == pytest.approx(ours.mean())
    assert found['difference'] == pytest.approx((ours - theirs).mean())
    assert found['by_seed'] == pytest.approx(dict(zip('012', ours.mean(1))))
    assert found['p'] == pytest.approx(stats.ttest_rel(ours.mean(1), theirs.mean(1)).pvalue)
    assert found['improved'] == pytest.approx(((ours - theirs).mean(0) > 0).mean())
    assert found['difference_low'] < found['difference'] < found['difference_high']
    assert results['noise_of_baseline']['val_color']['psnr'] == pytest.approx(theirs.mean(1).std(ddof=1))


def test_known_effects_are_found_and_no_others(results):
    found = result_of(results, 'sat_ratio_60', 'no_chroma')
    assert found['difference_low'] < 0.15 < found['difference_high']
    verdicts = {r['metric']: r['verdict'] for r in results['results'] if r['variant'] == 'no_chroma'}
    assert verdicts['collapsed_60'] == verdicts['sat_ratio_60'] == verdicts['de00_p95'] == WORSE
    assert verdicts['hue_shift_60'] == 'not separable'
    assert verdicts['masked_share_60'] == ''  # says something of the target alone
    of_ssim = {r['verdict'] for r in results['results'] if r['variant'] == 'no_ssim'}
    assert not of_ssim & {BETTER, WORSE}


def test_a_ratio_is_judged_by_its_distance_to_one(grid, results):
    ours, theirs = (np.abs(values_of(grid, v, 'sat_ratio_60') - 1) for v in ('no_chroma', 'full'))
    found = result_of(results, 'sat_ratio_60', 'no_chroma')
    assert found['difference'] == pytest.approx((ours - theirs).mean())
    assert found['gain'] == pytest.approx(-found['difference'])
    assert found['p'] == pytest.approx(stats.ttest_rel(ours.mean(1), theirs.mean(1)).pvalue)


def test_a_metric_that_should_be_low_gains_by_falling(results):
    found = result_of(results, 'de00_p95', 'no_chroma')
    assert found['difference'] == pytest.approx(1.5, abs=0.3)
    assert found['gain'] == -found['difference']
    assert found['gain_low'] == -found['difference_high']
    assert found['improved'] < 0.1


def test_equal_recipes_are_not_called_better_or_worse():
    """100 A/A reports on three variants and seven metrics: about one of 20 may call anything better or worse."""
    alarms = 0
    for number_ in range(100):
        seeds = range(10 * number_, 10 * number_ + 3)
        tables = {v: {seed: scores_of(IMAGES[:6], {}, seed, v) for seed in seeds} for v in ('a', 'b', 'c')}
        head = [metric for metric in SCORES if BETTER_OF[metric] is not None]
        part = SetResults('val', 600, IMAGES[:6], {m: BETTER_OF[m] for m in head}, list(tables), head, tables)
        for metric in head:
            compare_all(part, 'a', metric)
        judge_together(list(part.results.values()), [part])
        alarms += any(result.verdict in (BETTER, WORSE) for result in part.results.values())
    assert alarms <= 11  # more than 11 of 100 at 5 % has a probability of 0.4 %


def test_verdicts_follow_from_p_values_that_are_corrected(results):
    """By hand, for two variants and seven metrics: Holm within a metric, and over all fourteen."""
    head = [r for r in results['results'] if r['p'] is not None]
    assert len(head) == 14
    least = min(head, key=lambda r: r['p'])
    assert least['p_all'] == pytest.approx(14 * least['p'])
    for found in head:
        other = next(r['p'] for r in head if r['metric'] == found['metric'] and r is not found)
        expected = 2 * found['p'] if found['p'] < other else max(found['p'], 2 * other)
        assert found['p_holm'] == pytest.approx(min(1, expected))
        assert (found['verdict'] in (BETTER, WORSE)) == (found['p_all'] < 0.05)
        probably = found['p_holm'] < 0.05 <= found['p_all']
        assert (found['verdict'] in (PROBABLY_BETTER, PROBABLY_WORSE)) == probably


def test_the_page_begins_with_the_answer(page):
    text = page.read_text(encoding='utf-8')
    answer_ = re.search(r'<div class="card answer">(.*?)</div>', text, re.S)[1]
    assert answer_.startswith('<p><b>What matters for saturated colours: the term chroma.</b></p>')
    assert 'Without the term chroma (no_chroma)' in answer_
    assert re.search(r'saturation 0\.89\d → 0\.7\d\d \(<b>worse</b>\)', answer_)
    assert '<b>no_ssim: ' not in answer_
    assert text.index('card answer') < text.index('<table') < text.index('Where the numbers come from')


class Links(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.sources, self.targets = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.sources += [attrs[key] for key in ('src', 'srcset', 'poster', 'data') if key in attrs]
        self.targets += [attrs['href']] if 'href' in attrs else []


def test_the_page_needs_nothing_beside_it(page):
    text = page.read_text(encoding='utf-8')
    links = Links(text)
    assert len(links.sources) > 10
    assert all(source.startswith('data:image/') for source in links.sources)
    assert all((page.parent / target).is_file() for target in links.targets)
    assert 'url(' not in text and '<script' not in text and '@import' not in text
    assert page.stat().st_size < 10_000_000


def test_every_plot_is_there(page):
    text = page.read_text(encoding='utf-8')
    for heading in (
        'Better or worse than the baseline',
        'What each term contributes',
        'What is gained at what price',
        'Scores while training',
        'Terms while training',
        'Shares of the gradient',
        'Images that gained and lost most',
    ):
        assert f'<h2>{heading}</h2>' in text
    assert text.count('class="plot"') == 7


def test_strips_show_the_images_that_moved_most(grid, page, results):
    gains = (values_of(grid, 'full', 'de00_mean') - values_of(grid, 'no_ssim', 'de00_mean')).mean(0)
    text = page.read_text(encoding='utf-8')
    section = text[text.index('<h3>no_ssim against full') : text.index('Where the numbers come from')]
    shown = re.findall(r'data-image="(\w+)"', section)
    order = np.argsort(-gains)
    assert shown == [f'room_{index:03}' for index in (order[0], order[1], order[-1], order[-2])]
    # Baseline and variant; there is no target in these runs, so no map of the error.
    assert re.findall(r'<figcaption>(.*?)</figcaption>', section)[:2] == ['full', 'no_ssim']


def test_strips_take_their_pictures_from_galleries(tmp_path):
    """Flat pictures, so that each can be told in the page by its colour."""
    grid = write_grid(tmp_path / 'grid', (0, 1), ('full', 'no_ssim'), 3)
    levels = {'input': 30, 'output': {'full': 120, 'no_ssim': 90}, 'target': 150}
    boxes = {key: (40 * number, 5, 40, 30) for number, key in enumerate(levels)}
    for variant in ('full', 'no_ssim'):
        strip = np.zeros((40, 120, 3), np.uint8)
        for key, (left, top, width, height) in boxes.items():
            level = levels[key][variant] if key == 'output' else levels[key]
            strip[top : top + height, left : left + width] = level
        for image in ('room_000', 'room_001', 'room_002'):
            entry = Entry(image, f'{image}.png', 'val_color', 600, 1, 'de00_mean', 'lower', {}, boxes)
            save_entry(grid / f'{variant}_s0' / 'val', entry, strip)
    text = write_report(grid).read_text(encoding='utf-8')

    strip = re.search(r'<div class="strip" data-image.*?</div></div>', text, re.S)[0]
    assert re.findall(r'<figcaption>([\w ]+)', strip) == [
        'input', 'target', 'full', 'no_ssim', 'error of full ', 'error of no_ssim '
    ]  # fmt: skip
    pictures = [base64.b64decode(content) for content in re.findall(r'base64,([^"]+)"', strip)]
    means = [read_image(picture).mean() for picture in pictures]
    assert means[:4] == pytest.approx([30, 150, 120, 90], abs=2)
    assert means[5] > means[4] > 0  # 90 is farther from 150 than 120 is


def test_markdown_says_the_same(page, results):
    text = (page.parent / 'report.md').read_text(encoding='utf-8')
    assert text.startswith('# Report of grid\n\n**What matters for saturated colours: the term chroma.**')
    found = result_of(results, 'psnr', 'no_chroma')
    assert f'{found["mean"]:.2f}<br>' in text
    table = [line for line in text.splitlines() if line.startswith('| **no_chroma**')]
    assert table[0].count(' | ') == 7


def test_every_number_can_be_traced(grid, page, results):
    rows = list(csv.DictReader((page.parent / 'per_image.csv').open(encoding='utf-8')))
    assert len(rows) == 9 * 30
    one = next(row for row in rows if (row['variant'], row['seed'], row['image']) == ('no_ssim', '1', 'room_004'))
    table = Scores.load(grid / 'no_ssim_s1' / 'val' / one['set'] / f'{one["iteration"]}.csv')
    assert float(one['psnr']) == table.rows['room_004']['psnr']
    assert results['option_differences'] == {
        'no_chroma': ['train.losses.chroma: left out'],
        'no_ssim': ['train.losses.ssim: left out'],
    }
    for run in results['runs']:
        assert run['environment'] == ENVIRONMENT
        assert run['checkpoint'].endswith(f'{run["run"]}/models/net_g_latest.pth')
        assert run['scores'] == {'val_color': f'{run["folder"]}/val/val_color/600.csv'}
        assert run['seconds_per_iteration'] == pytest.approx(0.2)
    lines = list(csv.DictReader((page.parent / 'results.csv').open(encoding='utf-8')))
    assert len(lines) == 3 * len(SCORES)
    assert lines[0]['seed_2'] and lines[0]['seeds'] == '0 1 2'


def test_one_seed_is_reported_without_claims(tmp_path):
    folder = write_grid(tmp_path / 'single', seeds=(4,), num_images=5)
    page = write_report(folder, tmp_path / 'out')
    text = page.read_text(encoding='utf-8')
    assert 'There is one seed for each variant. Nothing here can tell an effect from noise' in text
    results = json.loads((page.parent / 'results.json').read_text(encoding='utf-8'))
    assert all(r['low'] is r['p'] is r['difference_low'] is None for r in results['results'])
    assert {r['verdict'] for r in results['results'] if r['variant'] != 'full'} == {'one seed', ''}
    assert not re.search(r'class="(better|worse)', text)


def test_runs_are_compared_at_the_last_common_iteration(tmp_path):
    runs = [write_run(tmp_path, variant, seed, IMAGES) for variant in ('full', 'no_ssim') for seed in (0, 1)]
    (runs[3] / 'val' / 'val_color' / '600.csv').unlink()
    found = read_runs(runs)
    (part,) = measure(found)
    assert part.iteration == 300
    assert any('compared at iteration 300' in note and 'no_ssim_s1' in note for note in found.notes)


def test_only_images_and_seeds_in_common_are_paired(tmp_path):
    for variant, seeds, images in (('full', (0, 1, 2), IMAGES), ('no_ssim', (1, 2, 3), IMAGES[3:])):
        for seed in seeds:
            write_run(tmp_path, variant, seed, images, {}, (600,))
    found = read_runs(tmp_path, 'full')
    (part,) = measure(found)
    result = part.results['psnr', 'no_ssim']
    assert (result.paired_seeds, result.images) == ((1, 2), 9)
    assert any('9 images are compared' in note for note in found.notes)


def test_images_without_a_value_are_left_out_of_both(tmp_path):
    for variant in ('full', 'no_ssim'):
        for seed in (0, 1):
            run = write_run(tmp_path, variant, seed, IMAGES, {}, (600,))
            table = Scores.load(run / 'val' / 'val_color' / '600.csv')
            table.rows[IMAGES[seed]]['hue_shift_60'] = math.nan if variant == 'full' else 90.0
            table.save(run / 'val' / 'val_color' / '600.csv')
    (part,) = measure(read_runs(tmp_path))
    result = part.results['hue_shift_60', 'no_ssim']
    assert abs(result.difference) < 1
    assert part.results['hue_shift_60', 'full'].images == 10


def test_a_run_that_diverged_is_named(tmp_path):
    for variant in ('full', 'no_ssim'):
        for seed in (0, 1):
            scores = dict.fromkeys(SCORES, (math.nan, 0, 0, 0)) if (variant, seed) == ('no_ssim', 1) else SCORES
            write_run(tmp_path, variant, seed, IMAGES, {}, (600,), scores=scores)
    page = write_report(tmp_path, tmp_path / 'out')
    assert 'psnr has no value for any image in no_ssim_s1' in page.read_text(encoding='utf-8')


def test_identical_runs_are_called_identical(tmp_path):
    for seed in (0, 1):
        run = write_run(tmp_path, 'full', seed, IMAGES)
        other = write_run(tmp_path, 'copy', seed, IMAGES)
        for file in run.glob('val/*/*.csv'):
            shutil.copy(file, other / file.relative_to(run))
    found = read_runs(tmp_path, 'full')
    parts = measure(found)
    assert {r.verdict for r in parts[0].results.values() if r.variant == 'copy'} == {'identical', ''}
    assert 'no variant can be told from full' in answer(found, parts, {})[0]


def test_a_missing_and_an_unvalidated_run_are_noted(tmp_path):
    folder = write_grid(tmp_path / 'grid', num_images=5)
    shutil.rmtree(folder / 'no_ssim_s2')
    shutil.rmtree(folder / 'no_chroma_s0' / 'val')
    shutil.copytree(folder / 'full_s1', folder / 'full_s1_archived_20260101_000000')
    found = read_runs(folder)
    assert [run.name for run in found.runs if run.variant == 'full'] == ['full_s0', 'full_s1', 'full_s2']
    assert any('1 runs of the grid have not been started: no_ssim_s2' in note for note in found.notes)
    assert any('not validated: no_chroma_s0' in note for note in found.notes)


def bad_inputs(tmp_path):
    """Name -> arguments, what the message says."""
    good = write_run(tmp_path / 'good', 'full', 0, IMAGES)
    bare = write_run(tmp_path / 'bare', 'full', 0, IMAGES, iterations=())
    other = write_run(tmp_path / 'other', 'no_ssim', 0, ['beach', 'forest'])
    early = write_run(tmp_path / 'early', 'no_ssim', 0, IMAGES, iterations=(50,))
    empty = tmp_path / 'empty'
    empty.mkdir()
    unseeded = write_run(tmp_path / 'unseeded', 'full', 0, IMAGES)
    options = yaml.safe_load((unseeded / 'resolved.yml').read_text())
    (unseeded / 'resolved.yml').write_text(yaml.safe_dump(options | {'manual_seed': None}))
    damaged = write_run(tmp_path / 'damaged', 'full', 0, IMAGES)
    (damaged / 'resolved.yml').write_text('a: [')
    twice = write_run(tmp_path / 'twice', 'full', 0, IMAGES)
    broken = write_run(tmp_path / 'broken', 'full', 0, IMAGES)
    (broken / 'val' / 'val_color' / '600.csv').write_text('image,psnr\nroom,many\n')
    return {
        'no scores': (([bare],), 'none of the 1 runs has scores'),
        'no image': (([good, other],), 'no image of it in common'),
        'no iteration': (([good, early],), 'no common iteration'),
        'baseline': (([good], None, 'fulll'), "did you mean 'full'"),
        'no folder': ((tmp_path / 'nothing',), 'no such folder'),
        'no run': ((empty,), 'holds neither resolved.yml nor folders of runs'),
        'nothing': (([],), 'no run to report on'),
        'no seed': (([unseeded],), 'no manual_seed'),
        'damaged': (([damaged],), 'is damaged'),
        'twice': (([good, twice],), 'are both variant full, seed 0'),
        'broken table': (([broken],), 'expected 1 numbers'),
        'metric': (([good], None, None, ['snr']), "did you mean 'psnr'"),
        'pareto': (([good], None, None, None, [('psnr', 'cost')]), 'cost: no run has such a metric'),
    }


def test_bad_input_gets_one_clear_message(tmp_path):
    for name, (arguments, message) in bad_inputs(tmp_path).items():
        with pytest.raises(UserError) as error:
            write_report(*arguments)
        assert message in str(error.value), name
    assert not list(tmp_path.rglob('report.html'))


def test_without_matplotlib_the_report_is_written_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'matplotlib', None)
    page = write_report(write_grid(tmp_path / 'grid', num_images=4), tmp_path / 'out')
    text = page.read_text(encoding='utf-8')
    assert 'pip install basicsr[report]' in text and 'class="plot"' not in text and '<table' in text


def test_which_differences_of_options_leave_out_one_term(tmp_path):
    runs = [write_run(tmp_path, variant, 0, IMAGES) for variant in ('full', 'no_ssim', 'zeroed', 'slower')]
    for run, change in zip(runs[2:], ({'loss_weight': 0}, {'loss_weight': 0.5})):
        options = yaml.safe_load((run / 'resolved.yml').read_text())
        options['train']['losses'][1] |= change
        (run / 'resolved.yml').write_text(yaml.safe_dump(options))
    for run in runs:  # as a grid writes them
        options = yaml.safe_load((run / 'resolved.yml').read_text())
        options['logger'] = {'hparams': {'variant': run.name, 'ssim.loss_weight': 0.0}}
        (run / 'resolved.yml').write_text(yaml.safe_dump(options))
    found = read_runs(runs)
    assert left_out_terms(found) == {'no_ssim': 'ssim', 'zeroed': 'chroma'}
    base, slower = (found.of(name)[0].options for name in ('full', 'slower'))
    assert option_differences(base, slower) == ['train.losses.chroma.loss_weight: 0.36 → 0.5']
    changed = {**base, 'network_g': {'type': 'NAFNet', 'width': 16, 'extra': None}, 'scale': 2}
    assert option_differences(base, changed) == ['network_g.width: 8 → 16', 'network_g.extra: ~', 'scale: 2']


def test_what_each_term_contributes_is_compared_with_the_variant_that_has_them_all(tmp_path):
    grid = write_grid(tmp_path / 'grid', variants=('no_chroma', 'full', 'no_ssim'), num_images=4)
    assert fullest_variant(read_runs(grid)) == 'full'
    page = write_report(grid)
    other = page.parent / 'against_full' / 'report.html'
    assert 'against_full/report.html compares with full' in page.read_text(encoding='utf-8')
    assert 'the term chroma' in other.read_text(encoding='utf-8')
    assert 'the term chroma' not in page.read_text(encoding='utf-8')

    write_report(write_grid(tmp_path / 'usual', num_images=4))
    assert not list((tmp_path / 'usual').rglob('against_*'))


def test_pareto_front():
    points = {'a': (28, 5), 'b': (29, 6), 'c': (27, 5), 'd': (28.5, 7), 'e': (30, 9)}
    assert pareto_front(points, [False, True]) == ['a', 'b', 'e']
    assert pareto_front(points, [False, False]) == ['e']
    assert pareto_front({'a': (1, 1), 'b': (1, 1)}, [False, False]) == ['a', 'b']


def test_curves_are_drawn_of_what_was_logged(tmp_path):
    found = read_runs([write_run(tmp_path, 'full', seed, IMAGES) for seed in (0, 1)])
    assert len(found.runs[0].events) == 14  # 12 prints and 2 validations; the line that was cut off is none
    assert curve_plot(found, {'losses_raw/pixel': 'pixel'}, 'x').startswith('<img class="plot"')
    assert curve_plot(found, {'losses_raw/none': 'none'}, 'x') == ''


def test_metrics_are_written_and_judged_as_they_should_be():
    assert quantity('psnr', 28.126) == '28.13 dB'
    assert number('collapsed_60', 0.0512) == '5.1'
    assert number('psnr', -0.0004, sign=True) == '+0.00'
    assert number('psnr', -1.5, sign=True) == '−1.50'
    assert number('psnr', math.nan) == '–'
    options = {'val': {'metrics': {'mine': {'type': 'calculate_psnr', 'better': 'lower'}, 'x': {'type': 'unknown'}}}}
    assert senses([options], ['mine', 'x', 'de00_mean', 'sat_ratio_60', 'masked_share_60', 'other']) == {
        'mine': 'lower',
        'x': None,
        'de00_mean': 'lower',
        'sat_ratio_60': 1.0,
        'masked_share_60': None,
        'other': None,
    }
