"""Weights from shares."""

import numpy as np
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


@pytest.mark.parametrize('num_iters', [8, 40])
def test_a_term_whose_first_batches_say_nothing_gets_its_weight_later(num_iters):
    """No saturated target in the first batches: the weight stays until there is one."""
    calibration = ShareCalibration({'chroma': 0.2}, ['pixel'], num_iters)
    for i in range(num_iters):
        weights = calibration.update({'pixel': 1.0, 'chroma': 0.0 if i < 5 else 0.5})
        assert weights['chroma'] > 0
        if i < 5:
            assert weights['chroma'] == 1.0
    assert shares_of({'pixel': 1.0, 'chroma': 0.5}, weights)['chroma'] == pytest.approx(0.2, rel=0.05)


def test_a_term_that_never_pulls_is_named():
    calibration = ShareCalibration({'chroma': 0.2, 'lab': 0.1}, ['pixel'], 3)
    norms = {'pixel': 1.0, 'chroma': 0.0, 'lab': 2.0}
    calibration.update(norms)
    calibration.update(norms)
    with pytest.raises(ValueError, match='chroma had no gradient in the first 3 iterations'):
        calibration.update(norms)


def test_shares_are_right_on_average_for_a_term_that_scatters():
    """Norms that scatter by a factor of two: the mean share over later batches is the one that was asked for."""
    generator = np.random.default_rng(0)
    calibration = ShareCalibration({'chroma': 0.15}, ['pixel'], 400)

    def norms() -> dict:
        return {'pixel': 1.0, 'chroma': float(np.exp(generator.normal(0, 0.7)))}

    for _ in range(400):
        weights = calibration.update(norms())
    later = [shares_of(norms(), weights)['chroma'] for _ in range(2000)]
    assert np.mean(later) == pytest.approx(0.15, rel=0.1)
