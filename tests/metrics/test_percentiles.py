"""Percentiles against numpy, the way of the CPU and the way of a GPU."""

import math

import numpy as np
import pytest
import torch

from basicsr.metrics.percentiles import keep, keep_all, percentiles, percentiles_by_sorting

WAYS = {'cpu': percentiles, 'gpu': percentiles_by_sorting}
PERCENTS = (0, 5, 50, 95, 99, 100)


@pytest.mark.parametrize('way', WAYS)
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
@pytest.mark.parametrize('count', [1, 2, 3, 20, 21, 1000, 12345])
def test_percentiles_of_numpy(way, dtype, count):
    values = torch.rand(count, dtype=dtype).square()
    expected = np.percentile(values.double().numpy(), PERCENTS)
    found = WAYS[way](values.clone(), PERCENTS)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6 if dtype == torch.float32 else 1e-13)


@pytest.mark.parametrize('way', WAYS)
def test_equal_values_and_infinite_ones(way):
    values = torch.tensor([3.0, math.inf, 3.0, 3.0, math.inf])
    assert WAYS[way](values, (50, 95)).tolist() == [3.0, 3.0]


@pytest.mark.parametrize('way', WAYS)
@pytest.mark.parametrize('values', [[], [math.inf, math.inf]])
def test_nothing_has_no_percentiles(way, values):
    if way == 'gpu' and not values:
        values = [math.inf]  # what `keep` makes of no valid value there
    assert WAYS[way](torch.tensor(values), (50, 95)).isnan().all()


def test_what_is_kept():
    values, valid = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[True, False], [False, True]])
    assert keep(values, valid).tolist() == [1.0, 4.0]
    assert keep_all(values, valid).tolist() == [1.0, math.inf, math.inf, 4.0]


def test_more_values_than_torch_quantile_takes():
    values = torch.arange(2**24 + 2**20, dtype=torch.float32).flip(0)
    found = percentiles(values, (50, 99)).tolist()
    assert found == pytest.approx([0.5 * (2**24 + 2**20 - 1), 0.99 * (2**24 + 2**20 - 1)], rel=2e-7)
