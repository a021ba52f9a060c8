"""Optimizers by name."""

import pytest
import torch

from basicsr.engine.optim import build_optimizer
from basicsr.utils.errors import OptionError


def parameter():
    return [torch.zeros(1, requires_grad=True)]


@pytest.mark.parametrize('name', ['Adam', 'AdamW', 'Adamax', 'SGD', 'ASGD', 'RMSprop', 'Rprop'])  # those of BasicSR
def test_optimizers_of_basicsr(name):
    optimizer = build_optimizer(parameter(), name, lr=0.25)
    assert type(optimizer) is getattr(torch.optim, name)
    assert optimizer.param_groups[0]['lr'] == 0.25


def test_a_whole_number_beside_a_float():
    optimizer = build_optimizer(parameter(), 'Adam', lr=1, betas=[0, 0.99])
    assert optimizer.defaults['betas'] == (0.0, 0.99)
    assert [type(beta) for beta in optimizer.defaults['betas']] == [float, float]


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'lr': -1}, 'train.optim_g: Adam: Invalid learning rate: -1'),
        ({'betas': [0.9]}, 'train.optim_g: Adam: tuple index out of range'),
        ({'betas': 0.9}, "train.optim_g: Adam: 'float' object is not iterable"),
        ({'betas': ['x', 0.9]}, "train.optim_g: Adam: could not convert string to float: 'x'"),
        ({'eps': -1}, 'train.optim_g: Adam: Invalid epsilon value: -1'),
        ({'momentum': 1}, "train.optim_g: Adam: Adam.__init__() got an unexpected keyword argument 'momentum'"),
    ],
)
def test_mistakes(arguments, message):
    with pytest.raises(OptionError) as caught:
        build_optimizer(parameter(), 'Adam', **arguments)
    assert str(caught.value) == message


def test_unknown():
    with pytest.raises(OptionError, match="'AdamQ' is not a registered optimizer; did you mean 'Adam"):
        build_optimizer(parameter(), 'AdamQ')
