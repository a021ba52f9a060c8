"""The split backward pass against the plain one, and last-layer shares against true parameter gradients."""

import numpy as np
import pytest
import torch
from torch import nn

from basicsr.archs.nafnet_arch import NAFNet
from basicsr.losses import CharbonnierLoss, ChromaLoss, L1Loss, LabABLoss, MSELoss, Objective, SSIMLoss, Term
from basicsr.losses.ledger import LastLayer, SplitGradient, read_ledger


def objective() -> Objective:
    terms = [L1Loss(), MSELoss(), CharbonnierLoss(eps=1e-6), ChromaLoss(), LabABLoss(), SSIMLoss()]
    weights = [1.0, 2.0, 0.3, 0.36, 0.13, {0: 0.05, 10: 0.1}]
    return Objective([Term(f't{i}', term, weight) for i, (term, weight) in enumerate(zip(terms, weights))])


def plain_net() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 12, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(12, 12, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(12, 3, 3, padding=1),
    )


class TwoScales(nn.Module):
    """A small encoder and decoder with a skip connection and normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, 16, 3, stride=2, padding=1)
        self.norm = nn.GroupNorm(4, 16)
        self.body = nn.Conv2d(16, 16, 3, padding=1)
        self.up = nn.Sequential(nn.Conv2d(16, 12, 1), nn.PixelShuffle(2))
        self.ending = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x):
        y = nn.functional.gelu(self.norm(self.down(x)))
        return x + self.ending(self.up(y + self.body(y)))


def naf_net() -> nn.Module:
    net = NAFNet(width=8, middle_blk_num=1, enc_blk_nums=[1], dec_blk_nums=[1])
    for name, parameter in net.named_parameters():  # beta and gamma start at 0, where the blocks have no gradient
        if name.endswith(('beta', 'gamma')):
            nn.init.normal_(parameter, std=0.5)
    return net


NETS = {'plain': plain_net, 'two scales': TwoScales, 'NAFNet': naf_net}


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Smooth coloured patches, and the same darker, paler and noisy."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(2, 3, 6, 6, generator=generator)
    target = nn.functional.interpolate(coarse, size=(32, 32), mode='bicubic').clamp(0, 1)
    grey = target.mean(1, keepdim=True)
    lq = 0.6 * (grey + 0.7 * (target - grey)) + 0.02 * torch.randn(target.shape, generator=generator)
    return lq, target


@pytest.mark.parametrize('build', NETS.values(), ids=NETS.keys())
def test_split_equals_plain(build):
    torch.manual_seed(1)
    net, (lq, target) = build().double(), [image.double() for image in batch()]
    total, plain_log = objective()([net(lq)], target, current_iter=5)
    total.backward()
    expected = [p.grad.clone() for p in net.parameters()]
    net.zero_grad()

    gradient, log = objective().split([net(lq)], target, current_iter=5)
    gradient.backward()
    for ours, theirs in zip(net.parameters(), expected):
        torch.testing.assert_close(ours.grad, theirs, rtol=1e-9, atol=1e-12)
    assert log.keys() == plain_log.keys()
    for name, value in log.items():
        assert value.item() == pytest.approx(plain_log[name].item(), rel=1e-12)


def test_split_handles_several_outputs():
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(1, 3, 16, 16, generator=generator, requires_grad=True)
    target = torch.rand(1, 3, 16, 16, generator=generator)
    terms = [Term('all', L1Loss()), Term('last', MSELoss(), outputs='last')]
    total, _ = Objective(terms)([x * 2, x**2], target)
    expected = torch.autograd.grad(total, x)[0]
    gradient, _ = Objective(terms).split([x * 2, x**2], target)
    gradient.backward()
    torch.testing.assert_close(x.grad, expected)
    assert gradient.by_term['last'][0] is None


@pytest.mark.parametrize('build', NETS.values(), ids=NETS.keys())
def test_last_layer_norms_predict_parameter_norms(build):
    """Norms at the last layer against those of all parameters, over terms and training states."""
    torch.manual_seed(2)
    net, (lq, target) = build(), batch()
    last, full = [], []
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    layer = LastLayer(net)
    for step in range(31):
        with layer.watch():
            output = net(lq)
        gradient, _ = objective().split([output], target)
        if step % 10 == 0:
            last += gradient.at_parameters(layer.parameters).norm(dim=1).log().tolist()
            full += gradient.at_parameters(list(net.parameters())).norm(dim=1).log().tolist()
        optimizer.zero_grad()
        gradient.backward()
        optimizer.step()
    assert np.corrcoef(last, full)[0, 1] >= 0.95


def test_rows_are_the_gradients_of_the_terms_alone():
    torch.manual_seed(3)
    net, (lq, target) = plain_net(), batch()
    terms = [Term('a', L1Loss(), 2.0), Term('b', SSIMLoss(), 0.5)]
    gradient, _ = Objective(terms).split([net(lq)], target)
    rows = gradient.at_parameters(list(net.parameters()))
    for row, value in zip(rows, (2.0 * L1Loss()(net(lq), target), 0.5 * SSIMLoss()(net(lq), target))):
        alone = torch.cat([g.flatten() for g in torch.autograd.grad(value, net.parameters())])
        torch.testing.assert_close(row, alone, rtol=1e-4, atol=1e-7)


def test_ledger_by_hand():
    """Three vectors in the plane: (3, 0), (0, 4), (-1, 0)."""
    values = read_ledger(['a', 'b', 'c'], torch.tensor([[3.0, 0.0], [0.0, 4.0], [-1.0, 0.0]]))
    total = 2.0**2 + 4.0**2
    expected = {
        'grad_share/a': 3 / 8,
        'grad_share/b': 4 / 8,
        'grad_share/c': 1 / 8,
        'grad_contribution/a': 3 * 2 / total,
        'grad_contribution/b': 16 / total,
        'grad_contribution/c': -1 * 2 / total,
        'grad_cos/a/b': 0.0,
        'grad_cos/a/c': -1.0,
        'grad_cos/b/c': 0.0,
    }
    assert {name: value.item() for name, value in values.items()} == pytest.approx(expected)


def test_ledger_of_no_gradient_is_zero_and_finite():
    values = read_ledger(['a', 'b'], torch.zeros(2, 5))
    assert all(value.item() == 0 for value in values.values())


def test_nonfinite_and_zero_gradients_are_attributed():
    output = torch.zeros(1, 3, 4, 4, requires_grad=True)
    ones, bad = torch.ones(1, 3, 4, 4), torch.zeros(1, 3, 4, 4)
    bad[0, 0, 0, 0] = float('nan')
    gradient = SplitGradient([output], {'good': [ones], 'bad': [bad], 'half': [torch.eye(4).expand(1, 3, 4, 4)]})
    assert {name: flag.item() for name, flag in gradient.nonfinite().items()} == {'good': 0, 'bad': 1, 'half': 0}
    zero = {name: share.item() for name, share in gradient.zero_fraction().items()}
    assert zero == pytest.approx({'good': 0, 'bad': 47 / 48, 'half': 0.75})


def test_last_layer_is_found_or_named():
    net = NAFNet(width=4, middle_blk_num=1, enc_blk_nums=[1], dec_blk_nums=[1])
    layer = LastLayer(net)
    with layer.watch():
        net(torch.rand(1, 3, 8, 8))
    assert layer.name == 'ending'
    assert {id(p) for p in layer.parameters} == {id(p) for p in net.ending.parameters()}
    assert not any(module._forward_hooks for module in net.modules()), 'the hooks are gone'
    assert {id(p) for p in LastLayer(net, 'intro').parameters} == {id(p) for p in net.intro.parameters()}
    with pytest.raises(
        ValueError, match=r"train.last_layer: the network has no module 'endin'; did you mean 'ending'\?"
    ):
        LastLayer(net, 'endin')


def test_a_term_without_gradient_is_named():
    class Constant(nn.Module):
        def forward(self, pred, target):
            return torch.tensor(0.5)

    target = torch.zeros(1, 3, 4, 4)
    with pytest.raises(ValueError, match="'stuck' does not depend on the prediction"):
        Objective([Term('stuck', Constant())]).split([target + 0.1], target)
