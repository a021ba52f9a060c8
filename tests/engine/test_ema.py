"""The moving average against its closed form."""

import copy

import torch
from torch import nn

from basicsr.engine.ema import update_ema


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.register_buffer('count', torch.tensor(0))

    def forward(self, x):
        self.count += 1
        return self.norm(self.conv(x))


def test_closed_form_and_buffers():
    torch.manual_seed(0)
    net, decay = Net(), 0.9
    ema = copy.deepcopy(net).eval().requires_grad_(False)
    expected = {name: value.detach().clone() for name, value in net.named_parameters()}
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        net(torch.rand(2, 3, 8, 8)).square().mean().backward()
        optimizer.step()
        update_ema(ema, net, decay)
        for name, value in net.named_parameters():
            expected[name].mul_(decay).add_(value.detach(), alpha=1 - decay)

    for name, value in ema.named_parameters():
        assert torch.equal(value, expected[name]), name
        assert not torch.equal(value, dict(net.named_parameters())[name])
    # Running statistics are copied: an average that keeps those of an untrained network is no use.
    buffers = dict(net.named_buffers())
    assert buffers['norm.running_mean'].abs().max() > 0
    assert buffers['count'] == 3
    for name, value in ema.named_buffers():
        assert torch.equal(value, buffers[name]), name
    assert all(not value.requires_grad for value in ema.parameters())


def test_sum_of_powers():
    """`ema` after n steps is d^n x_0 + sum (1 - d) d^(n - i) x_i."""
    net, ema, decay = nn.Linear(1, 1, bias=False).double(), nn.Linear(1, 1, bias=False).double(), 0.75
    values = [5.0, 1.0, -2.0, 7.0]
    ema.weight.data.fill_(values[0])
    for value in values[1:]:
        net.weight.data.fill_(value)
        update_ema(ema, net, decay)
    expected = decay**3 * 5 + 0.25 * (decay**2 * 1 + decay * -2 + 7)
    assert ema.weight.item() == expected


def test_decay_0_copies():
    net, ema = Net(), Net()
    update_ema(ema, net, 0)
    for one, other in zip(ema.state_dict().values(), net.state_dict().values()):
        assert torch.equal(one, other)
