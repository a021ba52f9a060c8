"""Clipping against a computation by hand, and against torch."""

import pytest
import torch
from torch import nn

from basicsr.engine.grad_clip import clip_gradients


def params_with(*grads):
    params = []
    for grad in grads:
        params.append(nn.Parameter(torch.zeros(1 if grad is None else len(grad))))
        params[-1].grad = None if grad is None else torch.tensor(grad)
    return params


def grads_of(params):
    return [None if p.grad is None else p.grad.tolist() for p in params]


def test_norm():
    params = params_with([3.0, 0.0], None, [0.0, 4.0, 12.0])  # 3, 4, 12: norm 13
    norm, clipped = clip_gradients(params, 'norm', max_norm=6.5)
    assert (norm.item(), clipped.item()) == (13.0, 1.0)
    assert grads_of(params)[0] == pytest.approx([1.5, 0.0], rel=1e-6)
    assert grads_of(params)[2] == pytest.approx([0.0, 2.0, 6.0], rel=1e-6)
    assert params[1].grad is None


def test_norm_that_is_small_enough():
    params = params_with([3.0, 4.0])
    norm, clipped = clip_gradients(params, 'norm', max_norm=5.0)
    assert (norm.item(), clipped.item()) == (5.0, 0.0)
    assert grads_of(params)[0] == pytest.approx([3.0, 4.0], rel=1e-6)


def test_value():
    params = params_with([3.0, -0.5], [0.25, -12.0])
    norm, clipped = clip_gradients(params, 'value', max_value=1.0)
    assert norm.item() == pytest.approx((9 + 0.25 + 0.0625 + 144) ** 0.5, rel=1e-6)
    assert clipped.item() == 1.0
    assert grads_of(params) == [[1.0, -0.5], [0.25, -1.0]]
    assert clip_gradients(params, 'value', max_value=1.0)[1].item() == 0.0


def test_none():
    params = params_with([3.0, 4.0])
    norm, clipped = clip_gradients(params, 'none')
    assert (norm.item(), clipped.item()) == (5.0, 0.0)
    assert grads_of(params) == [[3.0, 4.0]]


@pytest.mark.parametrize(('type', 'limit'), [('norm', {'max_norm': 0.3}), ('value', {'max_value': 0.01}), ('none', {})])
def test_agrees_with_torch(type, limit):
    torch.manual_seed(0)
    ours, torchs = ([nn.Parameter(torch.zeros(n, 7)) for n in (3, 11)] for _ in range(2))
    for one, other in zip(ours, torchs):
        one.grad = torch.randn(one.shape)
        other.grad = one.grad.clone()
    norm, _ = clip_gradients(iter(ours), type, **limit)
    total = torch.cat([p.grad.flatten() for p in torchs]).norm()
    torch.testing.assert_close(norm, total)
    if type == 'norm':
        nn.utils.clip_grad_norm_(torchs, **{'max_norm': 0.3})
    elif type == 'value':
        nn.utils.clip_grad_value_(torchs, 0.01)
    for one, other in zip(ours, torchs):
        assert torch.equal(one.grad, other.grad)


@pytest.mark.parametrize('type', ['none', 'value'])
def test_an_infinite_gradient_spoils_no_other(type):
    params = params_with([float('inf'), 1.0], [2.0])
    norm, _ = clip_gradients(params, type, max_value=5.0 if type == 'value' else None)
    assert norm.item() == float('inf')
    assert grads_of(params)[1] == [2.0]


@pytest.mark.parametrize(('type', 'limit'), [('norm', {'max_norm': 1.0}), ('value', {'max_value': 1.0}), ('none', {})])
def test_no_gradient_at_all(type, limit):
    norm, clipped = clip_gradients(params_with(None, None), type, **limit)
    assert (norm.item(), clipped.item()) == (0.0, 0.0)
