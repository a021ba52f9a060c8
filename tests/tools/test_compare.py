"""The comparison of two results on the command line: what it finds, what it writes, and what it refuses."""

import csv
import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from basicsr.metrics.paired import paired_difference
from basicsr.metrics.scores import Scores

TOOLS = Path(__file__).resolve().parents[2] / 'tools'
MODULES = ('compare', 'compare_files', 'compare_report', 'image_sets')
NAMES = ['sofa, red', 'küche 厨房', 'a|b', *(f'room {i}' for i in range(27))]
METRICS = {'psnr': 'higher', 'de00_mean': 'lower', 'sat_ratio_60': 1.0, 'masked_share_60': None}


@pytest.fixture
def compare(monkeypatch):
    """The command; returns the exit code."""
    monkeypatch.syspath_prepend(str(TOOLS))
    import compare as tool

    def run(*arguments) -> int:
        try:
            tool.main([str(argument) for argument in arguments])
        except SystemExit as stop:
            return stop.code
        return 0

    yield run
    for name in MODULES:
        sys.modules.pop(name, None)


def make_scores(seed: int, gain: float = 0.0, names=NAMES) -> Scores:
    """Scores of one kind of images; B is `gain` better, give or take what differs by image."""
    images, own = np.random.default_rng(1), np.random.default_rng(seed)
    rows = {}
    for name in names:
        psnr, de00, share = images.uniform(15, 30), images.uniform(2, 9), images.uniform(0, 0.5)
        psnr, de00, ratio = psnr + gain + own.normal(0, 0.3), de00 - gain + own.normal(0, 0.3), own.uniform(0.6, 1.3)
        rows[name] = {'psnr': psnr, 'de00_mean': de00, 'sat_ratio_60': ratio, 'masked_share_60': share}
    rows[names[4]]['sat_ratio_60'] = math.nan
    return Scores(rows)


@pytest.fixture
def tables(tmp_path):
    """Two files; B is better by 1 in PSNR and delta E. Their rows are in different orders."""
    a, b = make_scores(2), make_scores(3, gain=1.0)
    a.save(tmp_path / 'a.csv')
    Scores(dict(reversed(b.rows.items()))).save(tmp_path / 'b.csv')
    return a, b, tmp_path / 'a.csv', tmp_path / 'b.csv'


def lines_of(text: str) -> dict[str, list[str]]:
    """The lines of the table, by metric."""
    lines = [line.split() for line in text.partition('B is\n')[2].partition('\n\n')[0].splitlines()]
    return {line[0]: line[1:] for line in lines}


def test_the_table(compare, tables, capsys):
    a, b, *files = tables
    assert compare(*files) == 0
    out = capsys.readouterr().out
    assert '30 images in common\n' in out
    found = lines_of(out)
    assert list(found) == list(METRICS)
    for metric, better in METRICS.items():
        d = paired_difference(a, b, metric, better)
        numbers = [f'{d.mean_a:.4f}', f'{d.mean_b:.4f}', f'{d.delta:+.4f}', f'{d.low:+.4f}', f'{d.high:+.4f}']
        improved = '-' if better is None else f'{d.improved:.0%}'
        assert found[metric] == [*numbers, improved, f'{d.count}', *(d.verdict or '-').split()]
    assert [found[m][-1] for m in METRICS] == ['better', 'better', 'separable', '-']
    assert found['sat_ratio_60'][-3:] == ['29', 'not', 'separable']


def test_the_warning_of_seeds_is_always_there(compare, tables, capsys, tmp_path):
    compare(*tables[2:], '--metrics', 'psnr', '-o', tmp_path / 'c.md')
    for text in (capsys.readouterr().out, (tmp_path / 'c.md').read_text(encoding='utf-8')):
        assert 'Images are not independent of the training run' in text and 'several seeds' in text


def test_equal_files_are_not_separable(compare, tables, capsys):
    assert compare(tables[2], tables[2]) == 0
    out = capsys.readouterr().out
    for metric, line in lines_of(out).items():
        assert line[2:5] == ['+0.0000'] * 3
        assert line[-1] == ('-' if metric == 'masked_share_60' else 'separable')
    assert 'de00_mean: none gained' in out and 'de00_mean: none lost' in out


def test_images_that_changed_most(compare, tables, capsys, tmp_path):
    a, b, *files = tables
    compare(*files, '-o', tmp_path / 'c.json')
    gains = {name: a.rows[name]['de00_mean'] - b.rows[name]['de00_mean'] for name in NAMES}
    most = sorted(gains, key=gains.get, reverse=True)[:10]
    part = capsys.readouterr().out.partition('de00_mean: gained most')[2].partition('\n\n')[0]
    assert [line.rsplit(maxsplit=3)[0] for line in part.splitlines()[1:]] == most

    lost = {name: b.rows[name]['sat_ratio_60'] for name in NAMES if not math.isnan(b.rows[name]['sat_ratio_60'])}
    lost = {name: abs(a.rows[name]['sat_ratio_60'] - 1) - abs(ratio - 1) for name, ratio in lost.items()}
    lost = {name: gain for name, gain in sorted(lost.items(), key=lambda pair: pair[1]) if gain < 0}
    (row,) = [row for row in json.loads((tmp_path / 'c.json').read_text('utf-8')) if row['metric'] == 'sat_ratio_60']
    assert [image['name'] for image in row['down']] == list(lost)[:10]
    assert [image['gain'] for image in row['down']] == pytest.approx(list(lost.values())[:10])


def test_how_many_images_and_by_what(compare, tables, capsys):
    files = tables[2:]
    compare(*files, '--images', '2', '--by', 'masked_share_60')
    out = capsys.readouterr().out
    assert 'masked_share_60: none rose' in out and 'gained' not in out
    compare(*files, '--images', '2', '--by', 'psnr')
    part = capsys.readouterr().out.partition('psnr: gained most')[2].partition('\n\n')[0]
    assert len(part.splitlines()) == 3


def test_csv_holds_every_digit(compare, tables, tmp_path):
    a, b, *files = tables
    assert compare(*files, '-o', tmp_path / 'new' / 'c.csv', '--seed', '4') == 0
    with (tmp_path / 'new' / 'c.csv').open(encoding='utf-8', newline='') as file:
        rows = {row['metric']: row for row in csv.DictReader(file)}
    assert list(rows) == list(METRICS)
    for metric, better in METRICS.items():
        d = paired_difference(a, b, metric, better, seed=4)
        for key in ('mean_a', 'mean_b', 'delta', 'low', 'high'):
            assert float(rows[metric][key]) == getattr(d, key)
        assert (int(rows[metric]['count']), rows[metric]['verdict']) == (d.count, d.verdict)
    assert rows['masked_share_60']['improved'] == ''


def test_json_has_no_nan(compare, tmp_path):
    Scores({'a': {'psnr': 30.0}, 'b': {'psnr': 20.0}}).save(tmp_path / 'a.csv')
    Scores({'a': {'psnr': math.inf}, 'b': {'psnr': 21.0}}).save(tmp_path / 'b.csv')
    assert compare(tmp_path / 'a.csv', tmp_path / 'b.csv', '-o', tmp_path / 'c.json') == 0
    (row,) = json.loads((tmp_path / 'c.json').read_text('utf-8'), parse_constant=pytest.fail)
    assert (row['mean_a'], row['mean_b'], row['delta'], row['low'], row['verdict']) == (
        25.0,
        None,
        None,
        None,
        'not separable',
    )
    assert row['improved'] == 1.0 and [image['name'] for image in row['up']] == ['a', 'b']


def test_markdown_is_a_table(compare, tables, tmp_path):
    compare(*tables[2:], '-o', tmp_path / 'c.md', '--images', '30')
    text = (tmp_path / 'c.md').read_text(encoding='utf-8')
    rows = [line for line in text.splitlines() if line.startswith('|')]
    assert any(line.startswith('| a\\|b |') for line in rows)
    # Every row has the cells of the heading above it.
    widths = [line.replace('\\|', '').count('|') for line in rows]
    assert set(widths) == {10, 5} and widths == sorted(widths, reverse=True)


def make_run(folder: Path, sets: dict[str, dict[str, Scores]], options: dict | None = None) -> Path:
    for name, files in sets.items():
        for iteration, scores in files.items():
            scores.save(folder / 'val' / name / f'{iteration}.csv')
    if options is not None:
        (folder / 'resolved.yml').write_text(yaml.safe_dump(options), encoding='utf-8')
    return folder


@pytest.fixture
def runs(tmp_path):
    """Two runs with two sets in common, and one of its own each."""
    early, late, better = make_scores(2), make_scores(3), make_scores(4, gain=1.0)
    a = make_run(tmp_path / 'a', {'val': {'900': early, '1000': late}, 'colors': {'1000': late}, 'only_a': {'5': late}})
    b = make_run(tmp_path / 'b', {'val': {'500': better}, 'colors': {'500': late}, 'only_b': {'500': late}})
    return a, b


def test_runs_are_compared_set_by_set_in_their_newest_tables(compare, runs, capsys):
    a, b = runs
    assert compare(a, b, '--metrics', 'psnr') == 0
    out = capsys.readouterr().out
    first, second = out.split('val: 30 images in common')
    assert first.startswith('colors: 30 images in common') and 'only_' not in out
    assert f'A: {a / "val" / "val" / "1000.csv"}\nB: {b / "val" / "val" / "500.csv"}\n' in second
    assert lines_of(first)['psnr'][-1] == 'separable' and lines_of(second)['psnr'][-1] == 'better'


def test_chosen_sets(compare, runs, capsys):
    assert compare(*runs, '--sets', 'val') == 0
    out = capsys.readouterr().out
    assert out.startswith('val: ') and 'colors' not in out

    assert compare(*runs, '--sets', 'vall') == 1
    assert "has no set 'vall'; did you mean 'val'?" in capsys.readouterr().err
    assert compare(*runs, '--sets', 'only_a') == 1
    assert f"{runs[1]}: has no set 'only_a'" in capsys.readouterr().err


def test_a_run_and_a_file(compare, runs, tables, capsys):
    a, _ = runs
    assert compare(a, tables[3], '--sets', 'val', '--metrics', 'psnr') == 0
    assert lines_of(capsys.readouterr().out)['psnr'][-1] == 'better'
    assert compare(tables[3], a, '--sets', 'val', '--metrics', 'psnr') == 0
    assert lines_of(capsys.readouterr().out)['psnr'][-1] == 'worse'
    assert compare(a, tables[3]) == 1
    assert 'choose with --sets' in capsys.readouterr().err


def test_a_folder_of_evaluate(compare, tables, tmp_path, capsys):
    tables[0].save(tmp_path / 'evaluated' / 'scores.csv')
    tables[0].save(tmp_path / 'evaluated' / 'val' / 'results' / 'results.csv')
    assert compare(tmp_path / 'evaluated', tables[3], '--metrics', 'psnr') == 0
    out = capsys.readouterr().out
    assert f'A: {tmp_path / "evaluated" / "scores.csv"}' in out and lines_of(out)['psnr'][-1] == 'better'


def test_images_of_one_table_alone_are_counted(compare, tables, tmp_path, capsys):
    a, b, *_ = tables
    Scores(dict(list(a.rows.items())[3:])).save(tmp_path / 'a.csv')
    Scores(dict(list(b.rows.items())[:-1])).save(tmp_path / 'b.csv')
    compare(tmp_path / 'a.csv', tmp_path / 'b.csv')
    assert capsys.readouterr().out.startswith('26 images in common, 1 in A alone, 3 in B alone\n')


def test_few_images_are_said(compare, tmp_path, capsys):
    for name, gain in (('a', 0.0), ('b', 1.0)):
        make_scores(5, gain, NAMES[:9]).save(tmp_path / f'{name}.csv')
    compare(tmp_path / 'a.csv', tmp_path / 'b.csv')
    assert 'fewer than 10 images, so that intervals are too narrow: psnr, de00_mean' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('given', 'verdict'), [('higher', 'better'), ('lower', 'worse'), ('30', 'better'), ('0', 'worse')]
)
def test_metrics_whose_sense_is_not_known(compare, tmp_path, capsys, given, verdict):
    for name, offset in (('a', 0), ('b', 1)):
        Scores({f'{i}': {'own': 10.0 + i % 3 + offset + 0.1 * offset * (i % 4)} for i in range(12)}).save(
            tmp_path / f'{name}.csv'
        )
    files = tmp_path / 'a.csv', tmp_path / 'b.csv'
    assert compare(*files) == 0
    out = capsys.readouterr().out
    assert lines_of(out)['own'][-1] == '?' and 'own: rose most' in out
    assert 'which value is better is not known, see --better: own' in out
    assert compare(*files, '--better', f'own={given}') == 0
    out = capsys.readouterr().out
    assert lines_of(out)['own'][-1] == verdict and '--better' not in out


def test_the_sense_of_a_metric_is_that_of_the_run(compare, tmp_path, capsys):
    """`score` is a metric's label in the option file; `psnr` is what that run says it is."""
    metrics = {
        'score': {'type': 'calculate_de00_mean'},
        'psnr': {'type': 'calculate_psnr', 'better': 'lower'},
        'gone': {'type': 'calculate_not_installed'},
    }
    a, b = (Scores({f'{i}': dict.fromkeys(metrics, float(value)) for i in range(12)}) for value in (1, 2))
    a = make_run(tmp_path / 'a', {'val': {'5': a}}, {'val': {'metrics': metrics}})
    b = make_run(tmp_path / 'b', {'val': {'5': b}}, {'val': None})
    assert compare(a, b) == 0
    found = lines_of(capsys.readouterr().out)
    assert [found[metric][-1] for metric in metrics] == ['worse', 'worse', '?']
    assert compare(a, b, '--better', 'score=higher') == 0
    assert lines_of(capsys.readouterr().out)['score'][-1] == 'better'


def refused(compare, capsys, *arguments) -> str:
    assert compare(*arguments) == 1
    return capsys.readouterr().err


def test_mistakes_are_said_by_name(compare, tables, tmp_path, capsys):
    _, _, a, b = tables
    assert f'{tmp_path / "none.csv"}: no such file' in refused(compare, capsys, a, tmp_path / 'none.csv')
    (tmp_path / 'odd.csv').write_text('name,psnr\n', encoding='utf-8')
    assert f'{tmp_path / "odd.csv"}: is not a CSV file' in refused(compare, capsys, tmp_path / 'odd.csv', b)
    (tmp_path / 'empty').mkdir()
    assert f'{tmp_path / "empty"}: has neither' in refused(compare, capsys, tmp_path / 'empty', b)

    make_scores(1, names=[f'other {i}' for i in range(5)]).save(tmp_path / 'others.csv')
    message = refused(compare, capsys, a, tmp_path / 'others.csv')
    assert f'{a}, {tmp_path / "others.csv"}: no image in common: one has sofa, red' in message and 'other 0' in message

    Scores({name: {'lpips': 0.5} for name in NAMES}).save(tmp_path / 'lpips.csv')
    assert 'no metric in common' in refused(compare, capsys, a, tmp_path / 'lpips.csv')
    assert "no metric 'psrn'; did you mean 'psnr'?" in refused(compare, capsys, a, b, '--metrics', 'psrn')
    assert "lpips.csv: has no metric 'psnr'; it has lpips" in refused(
        compare, capsys, a, tmp_path / 'lpips.csv', '--metrics', 'psnr'
    )
    assert '--by ssim' in refused(compare, capsys, a, b, '--by', 'ssim')
    assert '--better psnr=best' in refused(compare, capsys, a, b, '--better', 'psnr=best')
    assert '.csv, .md, .json' in refused(compare, capsys, a, b, '-o', tmp_path / 'c.xls')


def test_metrics_without_a_score_in_common(compare, tmp_path, capsys):
    nan = math.nan
    Scores({'a': {'x': 1.0, 'y': nan}, 'b': {'x': nan, 'y': 1.0}}).save(tmp_path / 'a.csv')
    Scores({'a': {'x': nan, 'y': 1.0}, 'b': {'x': 1.0, 'y': 2.0}}).save(tmp_path / 'b.csv')
    assert compare(tmp_path / 'a.csv', tmp_path / 'b.csv', '--better', 'y=higher') == 0
    found = lines_of(capsys.readouterr().out)
    assert list(found) == ['y']
    assert ' '.join(found['y']) == '1.0000 2.0000 +1.0000 - - 100% 1 not separable'
    assert 'no image has a score in both' in refused(
        compare, capsys, tmp_path / 'a.csv', tmp_path / 'b.csv', '--metrics', 'x'
    )


def test_negative_numbers_are_mistakes_of_usage(compare, tables, capsys):
    for option in ('--images', '--seed'):
        assert compare(*tables[2:], option, '-1') == 2
        assert f'{option} -1' in capsys.readouterr().err
