"""Statistics of few runs: judged by scipy, published tables, and simulated grids with known effects and noise."""

import numpy as np
import pytest
from scipy import stats

from basicsr.ablation.statistics import (
    between_seeds,
    crossed_interval,
    holm,
    paired_t,
    seeds_needed,
    share_improved,
)
from basicsr.utils.errors import UserError


def simulated(grids, seeds, images, of_seed, of_image, of_both, seed=0, effect=0.0):
    """Differences (grids, seeds, images) with an effect, and noise of seeds, of images, and of each run and image."""
    random = np.random.default_rng(seed)
    noise = of_seed * random.standard_normal((grids, seeds, 1)) + of_image * random.standard_normal((grids, 1, images))
    return effect + noise + of_both * random.standard_normal((grids, seeds, images))


def test_paired_t_is_that_of_scipy():
    random = np.random.default_rng(0)
    ours, theirs = random.normal(28, 1, (2, 4, 3, 20))
    expected = stats.ttest_rel(ours.mean(-1), theirs.mean(-1), axis=-1).pvalue
    np.testing.assert_allclose(paired_t(ours - theirs), expected, rtol=1e-12)


def test_paired_t_of_equal_runs_and_of_one_seed():
    assert paired_t(np.zeros((3, 5))) == 1
    assert paired_t(np.ones((3, 5))) == 0  # no noise at all
    assert np.isnan(paired_t(np.ones((1, 5))))


def test_holm():
    # The example of R's documentation of p.adjust does not print digits; by hand: 4 * 0.01, 3 * 0.02, then the maximum.
    assert holm([0.02, 0.01, 0.03, 0.5]).tolist() == pytest.approx([0.06, 0.04, 0.06, 0.5])
    assert holm([0.04, 0.03]).tolist() == pytest.approx([0.06, 0.06])
    assert holm([0.6, 0.7]).tolist() == pytest.approx([1, 1])
    corrected = holm([0.02, np.nan, 0.01])
    assert corrected[[0, 2]].tolist() == pytest.approx([0.02, 0.02])
    assert np.isnan(corrected[1])
    assert holm([]).shape == (0,)


# Sample sizes of the two-sided paired t-test, alpha 0.05, power 0.80 (Cohen 1988; G*Power 3.1).
@pytest.mark.parametrize(('effect', 'count'), [(0.3, 90), (0.5, 34), (0.8, 15), (1.0, 10), (2.0, 5)])
def test_seeds_needed_is_the_published_sample_size(effect, count):
    assert seeds_needed(effect * 0.1, 0.1) == count
    assert seeds_needed(-effect * 0.1, 0.1) == count


def test_seeds_needed_at_the_ends():
    assert seeds_needed(0.2 * 0.1, 0.1) is None  # 199 in the tables
    assert seeds_needed(0.0, 0.1) is None
    assert seeds_needed(1.0, float('nan')) is None
    assert seeds_needed(1.0, 0.0) == 2


def test_seeds_needed_have_the_power_they_promise():
    count = seeds_needed(0.1, 0.08, alpha=0.01)
    powers = [
        np.mean(paired_t(simulated(4000, number, 1, 0.08, 0, 0, effect=0.1)) < 0.01) for number in (count, count - 1)
    ]
    assert powers[0] > 0.78 and powers[1] < 0.8


# Noise of seeds alone, of images too, of images alone, and of neither.
REGIMES = [(0.07, 0.0, 0.21), (0.07, 0.1, 0.2), (0.05, 3.0, 0.15), (0.0, 0.0, 0.2)]


@pytest.mark.parametrize('seeds', [3, 5])
@pytest.mark.parametrize('regime', REGIMES)
def test_intervals_hold_the_true_mean_as_often_as_they_say(seeds, regime):
    """1,000 grids with 57 images: between 92 and 98 % of the intervals hold the known effect."""
    low, high = crossed_interval(simulated(1000, seeds, 57, *regime, seed=seeds, effect=0.15))
    assert 0.92 <= np.mean((low <= 0.15) & (high >= 0.15)) <= 0.98
    # Both ends miss about as often.
    assert max(np.mean(low > 0.15), np.mean(high < 0.15)) < 0.05


def test_an_interval_is_the_t_interval_where_only_seeds_differ():
    values = np.repeat(np.random.default_rng(3).normal(28, 0.05, (8, 1)), 30, axis=1)
    low, high = crossed_interval(values)
    expected = stats.t.interval(0.95, 7, values[:, 0].mean(), stats.sem(values[:, 0]))
    np.testing.assert_allclose([low, high], expected, atol=0.15 * (expected[1] - expected[0]))


def test_an_interval_is_that_of_images_where_only_images_differ():
    values = np.tile(np.random.default_rng(4).normal(28, 3, 200), (4, 1))
    expected = stats.bootstrap(
        (values[0],), np.mean, confidence_level=0.95, rng=np.random.default_rng(0), method='basic'
    )
    np.testing.assert_allclose(crossed_interval(values), expected.confidence_interval, atol=0.05)


def test_intervals_are_the_same_every_time_and_whatever_is_beside_them():
    values = simulated(3, 4, 10, 0.1, 0.1, 0.1)
    together = np.array(crossed_interval(values))
    np.testing.assert_array_equal(together, crossed_interval(values))
    np.testing.assert_allclose(together[:, 1], crossed_interval(values[1]), rtol=1e-12)


def test_equal_values_have_an_interval_without_width():
    assert np.allclose(crossed_interval(np.full((3, 4), 2.5)), 2.5)
    assert np.allclose(crossed_interval(np.full((2, 1), 2.5)), 2.5)


def test_one_seed_has_no_interval():
    with pytest.raises(UserError, match='at least 2 seeds'):
        crossed_interval(np.ones((1, 20)))


def test_equal_recipes_are_rarely_called_different():
    """1,000 A/A grids of five variants: at most 5 % hold a false alarm. A test over images finds one in nearly all."""
    random = np.random.default_rng(7)
    seeds = 3
    runs = 0.05 * random.standard_normal((1000, 6, seeds, 1)) + 0.15 * random.standard_normal((1000, 6, seeds, 57))
    p = paired_t(runs[:, 1:] - runs[:, :1])
    alarms = np.mean([holm(of_grid).min() < 0.05 for of_grid in p])
    assert alarms <= 0.05
    over_images = stats.ttest_1samp((runs[:, 1:] - runs[:, :1]).mean(2), 0, axis=-1).pvalue
    assert np.mean([holm(of_grid).min() < 0.05 for of_grid in over_images]) > 0.5


def test_description():
    values = np.array([[1.0, 2.0, 3.0], [3.0, 4.0, 5.0]])
    assert between_seeds(values) == pytest.approx(np.sqrt(2))  # means 2 and 4
    assert np.isnan(between_seeds(values[:1]))
    assert share_improved([[1, -1, 0.5], [1, -1, -1]]) == pytest.approx(1 / 3)
