"""Weights from shares."""

import pytest

from basicsr.losses.calibration import ShareCalibration


def shares_of(norms: dict, weights: dict) -> dict:
    weighted = {name: norm * weights.get(name, 1.0) for name, norm in norms.items()}
    return {name: value / sum(weighted.values()) for name, value in weighted.items()}


def test_shares_beside_fixed_weights():
    norms = {'pixel': 2.0, 'lab': 400.0, 'edge': 0.01, 'fixed': 1.0}
    calibration = ShareCalibration({'lab': 0.3, 'edge': 0.1}, ['pixel', 'fixed'], 5)
    for _ in range(5):
        weights = calibration.update(norms)
    assert calibration.is_done
    shares = shares_of(norms, weights)
    assert shares['lab'] == pytest.approx(0.3)
    assert shares['edge'] == pytest.approx(0.1)


def test_shares_alone_are_relative_to_each_other():
    norms = {'a': 2.0, 'b': 0.5}
    weights = ShareCalibration({'a': 0.2, 'b': 0.2}, [], 1).update(norms)
    assert weights['a'] == pytest.approx(1.0)
    assert shares_of(norms, weights) == pytest.approx({'a': 0.5, 'b': 0.5})


def test_norms_that_say_nothing_are_left_out():
    calibration = ShareCalibration({'lab': 0.5}, ['pixel'], 3)
    for norm in (4.0, 0.0, float('nan')):
        weights = calibration.update({'pixel': 1.0, 'lab': norm})
    assert weights['lab'] == pytest.approx(0.25)


def test_a_resumed_calibration_ends_where_the_other_does():
    norms = [{'pixel': 1.0, 'lab': 3.0 + i} for i in range(6)]
    whole, first, second = (ShareCalibration({'lab': 0.5}, ['pixel'], 6) for _ in range(3))
    for item in norms:
        whole.update(item)
    for item in norms[:3]:
        first.update(item)
    second.load_state_dict(first.state_dict())
    for item in norms[3:]:
        second.update(item)
    assert second.state_dict() == whole.state_dict()
    assert second.is_done


def test_shares_that_leave_nothing_are_refused():
    with pytest.raises(ValueError, match=r'the shares add up to 1\.1, which leaves nothing for pixel'):
        ShareCalibration({'a': 0.6, 'b': 0.5}, ['pixel'], 5)
