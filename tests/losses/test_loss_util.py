"""Reduction and weighting."""

import pytest
import torch

from basicsr.losses.loss_util import reduce_loss, weight_reduce_loss, weighted_loss
from basicsr.utils.errors import OptionError, UserError

LOSS = torch.tensor([[[[1.0, 2.0]], [[3.0, 6.0]]]])  # (1, 2, 1, 2)


def test_reductions():
    assert torch.equal(reduce_loss(LOSS, 'none'), LOSS)
    assert reduce_loss(LOSS, 'mean').item() == 3.0
    assert reduce_loss(LOSS, 'sum').item() == 12.0
    with pytest.raises(OptionError, match="'avg' is not one of none, mean, sum"):
        reduce_loss(LOSS, 'avg')


def test_mean_is_the_weighted_mean():
    per_pixel = torch.tensor([[[[1.0, 3.0]]]])
    # (1 * 1 + 3 * 2 + 1 * 3 + 3 * 6) / (2 * (1 + 3))
    assert weight_reduce_loss(LOSS, per_pixel).item() == pytest.approx(28 / 8)
    assert weight_reduce_loss(LOSS, per_pixel, 'sum').item() == 28.0
    assert weight_reduce_loss(LOSS, per_pixel, 'none').flatten().tolist() == [1, 6, 3, 18]

    per_value = torch.tensor([[[[1.0, 0.0]], [[1.0, 0.0]]]])
    assert weight_reduce_loss(LOSS, per_value).item() == 2.0


def test_weights_of_zero_give_zero_and_keep_the_graph():
    loss = LOSS.clone().requires_grad_()
    value = weight_reduce_loss(loss, torch.zeros(1, 1, 1, 2))
    value.backward()
    assert value.item() == 0
    assert loss.grad.abs().max() == 0


@pytest.mark.parametrize('shape', [(1, 3, 1, 2), (1, 1, 1, 1), (2, 1, 1, 2), (1, 2)])
def test_weights_of_another_shape_are_refused(shape):
    with pytest.raises(UserError, match=r'for a loss of \(1, 2, 1, 2\)'):
        weight_reduce_loss(LOSS, torch.ones(shape))


def test_decorator_adds_weight_and_reduction():
    @weighted_loss
    def scaled_error(pred, target, scale=1.0):
        return scale * (pred - target)

    zero = torch.zeros_like(LOSS)
    assert scaled_error(LOSS, zero).item() == 3.0
    assert scaled_error(LOSS, zero, reduction='sum', scale=2.0).item() == 24.0
    assert scaled_error(LOSS, zero, torch.tensor([[[[0.0, 1.0]]]])).item() == 4.0
    assert scaled_error.__name__ == 'scaled_error'
