"""Paired differences: closed forms, scipy, and how often the interval holds the truth."""

import math
import random
import warnings

import numpy as np
import pytest
from scipy import stats

from basicsr.metrics import paired
from basicsr.metrics.paired import bootstrap_interval, paired_changes, paired_difference
from basicsr.metrics.scores import Scores
from basicsr.utils.errors import DataError

NAN, INF = math.nan, math.inf


def table(values, metric: str = 'm') -> Scores:
    return Scores({f'{i:03d}': {metric: float(value)} for i, value in enumerate(values)})


@pytest.fixture
def noisy():
    """Two tables of 40 images; images differ far more than A and B do."""
    rng = np.random.default_rng(7)
    images = rng.normal(25, 5, 40)
    return table(images), table(images + rng.normal(0.5, 1, 40))


def test_closed_form():
    found = paired_difference(table([1, 2, 3, 4]), table([2, 4, 3, 1]), 'm', 'higher')
    assert (found.mean_a, found.mean_b, found.delta, found.count) == (2.5, 2.5, 0.0, 4)
    assert found.improved == 0.5
    assert found.verdict == 'not separable'
    # No mean of resampled differences 1, 2, 0, -3 lies outside of them.
    assert -3 <= found.low < 0 < found.high <= 2


def test_the_interval_is_that_of_scipy(noisy):
    a, b = noisy
    differences = [b.rows[name]['m'] - a.rows[name]['m'] for name in a.rows]
    expected = stats.bootstrap(
        (differences,), np.mean, n_resamples=9999, method='BCa', random_state=np.random.default_rng(5)
    ).confidence_interval
    found = paired_difference(a, b, 'm', 'higher', seed=5)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-9)
    assert found.delta == pytest.approx(np.mean(differences), rel=1e-12)


def test_the_interval_is_near_that_of_student(noisy):
    """Differences are normal here, and 40 images are enough for both to agree to within the bootstrap's noise."""
    a, b = noisy
    differences = np.array([b.rows[name]['m'] - a.rows[name]['m'] for name in a.rows])
    student = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    found = paired_difference(a, b, 'm', 'higher')
    assert found.high - found.low == pytest.approx(student.high - student.low, rel=0.12)
    assert found.low == pytest.approx(student.low, abs=0.1) and found.high == pytest.approx(student.high, abs=0.1)


def test_pairing_finds_what_unpaired_tables_hide(noisy):
    a, b = noisy
    assert paired_difference(a, b, 'm', 'higher').verdict == 'better'
    unpaired = stats.ttest_ind(list(a.column('m').values()), list(b.column('m').values()))
    assert unpaired.pvalue > 0.3


@pytest.mark.parametrize(('count', 'least', 'most'), [(30, 0.91, 0.98), (13, 0.87, 0.95)])
def test_coverage(monkeypatch, count, least, most):
    """The interval holds the true mean as often as it says; with 13 images a little less often, as documented.

    400 draws: a true coverage of 0.95 is seen within 0.95 +- 0.033 in 99.8 % of such tests.
    """
    monkeypatch.setattr(paired, '_NUM_RESAMPLES', 499)
    rng = np.random.default_rng(11)
    hits = 0
    for seed in range(400):
        low, high = bootstrap_interval(rng.normal(0.3, 1, count), seed)
        hits += low <= 0.3 <= high
    assert least <= hits / 400 <= most


def test_equal_tables_are_not_separable():
    a = table([20.0, 30.0, INF, NAN])
    found = paired_difference(a, a, 'm', 'higher')
    assert (found.delta, found.low, found.high, found.improved, found.count) == (0.0, 0.0, 0.0, 0.0, 3)
    assert found.verdict == 'not separable'
    assert found.mean_a == found.mean_b == INF


def test_equal_differences_have_an_interval_of_no_width():
    """Powers of two: no rounding."""
    found = paired_difference(table([1, 2, 4]), table([1.5, 2.5, 4.5]), 'm', 'lower')
    assert (found.delta, found.low, found.high, found.verdict, found.improved) == (0.5, 0.5, 0.5, 'worse', 0.0)


def test_equal_differences_but_for_rounding_are_equal():
    """One more everywhere, give or take the last bit: what BCa divides by is 0 then."""
    differences = np.array([1.0] * 29 + [np.nextafter(1, 2)])
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert bootstrap_interval(differences) == (1.0, differences[-1])


def test_swapping_turns_everything_round(noisy):
    there, back = (paired_difference(*tables, 'm', 'higher') for tables in (noisy, noisy[::-1]))
    assert back.delta == pytest.approx(-there.delta)
    assert (back.low, back.high) == pytest.approx((-there.high, -there.low), rel=1e-6)
    assert (there.verdict, back.verdict) == ('better', 'worse')
    assert back.improved == pytest.approx(1 - there.improved)


def test_the_sense_turns_the_verdict_and_nothing_else(noisy):
    higher, lower = (paired_difference(*noisy, 'm', better) for better in ('higher', 'lower'))
    assert (higher.verdict, lower.verdict) == ('better', 'worse')
    assert (higher.delta, higher.low, higher.high) == (lower.delta, lower.low, lower.high)
    assert lower.improved == pytest.approx(1 - higher.improved)


def test_a_ratio_is_better_the_nearer_it_is_to_one():
    """0.5 -> 0.75 and 1.5 -> 1.25 are gains, though one rises and the other falls."""
    a, b = table([0.5, 1.5] * 10), table([0.75, 1.25] * 10)
    found = paired_difference(a, b, 'm', 1.0)
    assert (found.delta, found.improved, found.verdict) == (0.0, 1.0, 'better')
    assert found.low < 0 < found.high
    assert paired_difference(b, a, 'm', 1.0).verdict == 'worse'


def test_past_the_ideal_is_no_gain():
    """0.75 -> 1.5 is a clear rise, and further from 1; 0.75 -> 1.25 is neither nearer nor further."""
    rise = paired_difference(table([0.75] * 12), table([1.5] * 12), 'm', 1.0)
    assert (rise.low, rise.improved, rise.verdict) == (0.75, 0.0, 'worse')
    across = paired_difference(table([0.75] * 12), table([1.25] * 12), 'm', 1.0)
    assert (across.delta, across.improved, across.verdict) == (0.5, 0.0, 'not separable')


def test_a_metric_without_a_better_value_has_a_difference_alone():
    found = paired_difference(table([1, 2, 3]), table([2, 4, 8]), 'm', None)
    assert found.delta == pytest.approx(8 / 3) and found.low > 0
    assert found.verdict == '' and math.isnan(found.improved)


def test_images_without_a_score_in_both_do_not_count():
    a = Scores({'a': {'m': 1.0}, 'b': {'m': NAN}, 'c': {'m': 3.0}, 'd': {}, 'only a': {'m': 100.0}, 'e': {'m': 5.0}})
    b = Scores(
        {'only b': {'m': -9.0}, 'e': {'m': 7.0}, 'd': {'m': 1.0}, 'c': {'m': NAN}, 'b': {'m': 2.0}, 'a': {'m': 3.0}}
    )
    found = paired_difference(a, b, 'm', 'higher')
    assert (found.count, found.mean_a, found.mean_b, found.delta) == (2, 3.0, 5.0, 2.0)


def test_the_order_of_the_rows_does_not_matter(noisy):
    a, b = noisy
    rows = list(b.rows.items())
    random.Random(1).shuffle(rows)
    assert list(dict(rows)) != list(b.rows)
    assert paired_difference(a, Scores(dict(rows)), 'm', 'lower') == paired_difference(a, b, 'm', 'lower')
    assert paired_difference(Scores(dict(rows)), a, 'm', 'lower') == paired_difference(b, a, 'm', 'lower')


def test_the_seed_is_of_the_bootstrap_alone(noisy):
    one, two = (paired_difference(*noisy, 'm', 'higher', seed=seed) for seed in (0, 1))
    assert one == paired_difference(*noisy, 'm', 'higher')
    assert one.low != two.low and one.low == pytest.approx(two.low, abs=0.05)
    assert one.delta == two.delta


def test_one_image_has_no_interval():
    found = paired_difference(table([1]), table([2]), 'm', 'higher')
    assert found.delta == 1 and found.improved == 1
    assert math.isnan(found.low) and math.isnan(found.high) and found.verdict == 'not separable'


def test_infinite_differences_have_no_interval_and_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        found = paired_difference(table([20, 30, 40]), table([21, INF, 41]), 'm', 'higher')
        both_ways = paired_difference(table([20, INF, 40]), table([INF, 30, 41]), 'm', 'higher')
    assert found.delta == INF and math.isnan(found.low) and found.verdict == 'not separable' and found.improved == 1
    assert math.isnan(both_ways.delta)


def test_many_images(monkeypatch):
    """Above a limit the percentile interval takes over; there both agree."""
    values = np.random.default_rng(2).exponential(1, 600)
    bca = bootstrap_interval(values)
    monkeypatch.setattr(paired, '_MANY_IMAGES', 100)
    percentile = bootstrap_interval(values)
    assert percentile != bca and percentile == pytest.approx(bca, rel=0.02)


@pytest.mark.parametrize('b', [Scores(), table([NAN]), table([1], 'other'), Scores({'other': {'m': 1.0}})])
def test_nothing_in_common_is_said_by_name(b):
    with pytest.raises(DataError, match=r'^m: no image has a score in both \(1 of 1 images'):
        paired_difference(table([1]), b, 'm', 'higher')


def test_changes_are_by_image():
    a = Scores({'b, ü': {'m': 1.5}, 'a': {'m': INF}, 'x': {'m': 2.0}})
    b = Scores({'a': {'m': INF}, 'b, ü': {'m': 1.25}})
    changes = paired_changes(a, b, 'm', 1.0)
    assert [(c.name, c.a, c.b, c.delta, c.gain) for c in changes] == [
        ('a', INF, INF, 0.0, 0.0),
        ('b, ü', 1.5, 1.25, -0.25, 0.25),
    ]
    assert [c.gain for c in paired_changes(a, b, 'm', 'lower')] == [0.0, 0.25]
    assert [c.gain for c in paired_changes(a, b, 'm', 'higher')] == [0.0, -0.25]
    assert all(math.isnan(c.gain) for c in paired_changes(a, b, 'm', None))
