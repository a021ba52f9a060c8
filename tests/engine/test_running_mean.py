"""Means over a print interval."""

import pytest
import torch

from basicsr.engine.running_mean import RunningMean


def test_means_since_the_last_read():
    mean = RunningMean()
    assert mean.read() == {}
    for value in (1.0, 2.0, 6.0):
        mean.add({'a': torch.tensor(value), 'b': torch.tensor(-value)})
    mean.add({'c': torch.tensor(5, dtype=torch.int64)})  # logged now and then: a mean over its own count
    assert mean.read() == {'a': 3.0, 'b': -3.0, 'c': 5.0}
    assert mean.read() == {}
    mean.add({'a': torch.tensor(7.0)})
    assert mean.read() == {'a': 7.0}


def test_does_not_touch_what_was_added():
    value = torch.tensor(1.0, requires_grad=True) * 2
    mean = RunningMean()
    mean.add({'a': value})
    mean.add({'a': value})
    assert value.item() == 2.0
    assert mean.read() == {'a': 2.0}


def test_half_precision_is_summed_in_float32():
    mean = RunningMean()
    for _ in range(3000):  # beyond 2048 a sum of ones in half precision stands still
        mean.add({'a': torch.tensor(1.0, dtype=torch.float16)})
    assert mean.read()['a'] == pytest.approx(1.0)


def test_a_nan_is_seen():
    mean = RunningMean()
    mean.add({'a': torch.tensor(float('nan')), 'b': torch.tensor(1.0)})
    mean.add({'a': torch.tensor(1.0), 'b': torch.tensor(1.0)})
    values = mean.read()
    assert values['a'] != values['a']
    assert values['b'] == 1.0
