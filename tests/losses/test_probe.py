"""The probe finds faults that were planted into losses, and names no other; numbers are those of formulas by hand."""

import math

import pytest
import torch
from torch import nn

from basicsr.color import chroma_uv
from basicsr.losses import ChromaLoss, L1Loss, PSNRLoss, SSIMLoss
from basicsr.losses.probe import CHANGES, find_faults, patchwork, probe_loss, read
from basicsr.losses.probe.cost import measure_cost
from basicsr.losses.probe.measures import channel_costs, extreme_readings, response_curve
from basicsr.losses.probe.pictures import grey_of, turn_hue, warm
from basicsr.losses.term import takes_target

PICTURE = patchwork(128)


class NaiveChromaLength(nn.Module):
    """A root without an epsilon."""

    def forward(self, pred, target):
        lengths = [chroma_uv(image).square().sum(1).sqrt() for image in (pred, target)]
        return (lengths[0] - lengths[1]).abs().mean()


class ChromaLength(nn.Module):
    """Safe, but an amount of colour."""

    def forward(self, pred, target):
        lengths = [(chroma_uv(image).square().sum(1) + 1e-6).sqrt() for image in (pred, target)]
        return (lengths[0] - lengths[1]).abs().mean()


class NaiveCosine(nn.Module):
    """The epsilon in the quotient moves the minimum to endless chroma."""

    def forward(self, pred, target):
        u, v = chroma_uv(pred), chroma_uv(target)
        lengths = [(vector.square().sum(1) + 1e-12).sqrt() for vector in (u, v)]
        return (1 - (u * v).sum(1) / (lengths[0] * lengths[1] + 0.01)).mean()


class RawFFT(nn.Module):
    """Not divided by the root of the number of pixels."""

    def forward(self, pred, target):
        return torch.fft.rfft2(pred - target).abs().mean()


class HalfPrecisionChroma(nn.Module):
    """Rounds inside, whatever the objective does."""

    def forward(self, pred, target):
        rows = torch.tensor([[-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]], device=pred.device)
        chroma = [torch.einsum('kc,nchw->nkhw', rows.bfloat16(), image.bfloat16()) for image in (pred, target)]
        return (chroma[0] - chroma[1]).float().abs().mean()


class MatrixChroma(nn.Module):
    """Right in the objective, wrong where autocast rounds matrix products."""

    def forward(self, pred, target):
        rows = torch.tensor([[-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]], device=pred.device)
        chroma = [image.movedim(1, -1) @ rows.T for image in (pred, target)]
        return (chroma[0] - chroma[1]).abs().mean()


class UnevenScales(nn.Module):
    """Sees red at the finest scale and blue at a coarse one, as a known MS-SSIM with its windows in a wrong order."""

    def forward(self, pred, target):
        difference = (pred - target).square().mean((-2, -1))
        coarse = nn.functional.avg_pool2d(pred - target, 8).square().mean((-2, -1))
        return (0.05 * difference[:, 0] + 0.3 * coarse[:, 1] + coarse[:, 2]).mean()


class NaivePower(nn.Module):
    """A power of a correlation, which may be negative."""

    def forward(self, pred, target):
        x, y = (image - image.mean((-2, -1), keepdim=True) for image in (pred, target))
        product, squares = (x * y).mean((-2, -1)), (x.square() + y.square()).mean((-2, -1))
        return 1 - ((2 * product + 9e-4) / (squares + 9e-4)).pow(0.3).mean()


class Clamped(nn.Module):
    def forward(self, pred, target):
        return (pred.clamp(0, 1) - target).abs().mean()


class Constant(nn.Module):
    """Built from numbers: nothing flows back."""

    def forward(self, pred, target):
        return torch.tensor((pred - target).abs().mean().item())


class RgbAngle(nn.Module):
    """The direction of a nearly black pixel turns with every bit of noise."""

    def forward(self, pred, target):
        return (1 - nn.functional.cosine_similarity(pred, target, dim=1, eps=1e-8)).mean()


class Summed(nn.Module):
    def forward(self, pred, target):
        return (pred - target).abs().sum()


class Smoothness(nn.Module):
    def forward(self, pred):
        return (pred[..., 1:] - pred[..., :-1]).abs().mean()


def findings(loss: nn.Module) -> dict[str, bool]:
    """Name -> is it a fault."""
    return {finding.name: finding.is_fault for finding in find_faults(probe_loss(loss, PICTURE))}


@pytest.mark.parametrize(
    'loss, name',
    [
        (NaiveChromaLength(), 'NaN at identity'),
        (ChromaLength(), 'dead at grey'),
        (NaiveCosine(), 'minimum not at the target'),
        (RawFFT(), 'patch-size-dependent scale'),
        (Summed(), 'patch-size-dependent scale'),
        (HalfPrecisionChroma(), 'wrong under autocast'),
        (UnevenScales(), 'asymmetric channels'),
        (NaivePower(), 'non-finite when anti-correlated'),
        (Clamped(), 'dead out of range'),
        (Constant(), 'no gradient'),
        (RgbAngle(), 'explodes'),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_planted_fault_is_found(loss, name):
    assert findings(loss).get(name) is True


# Faults that follow from the planted one; everything else would be a false alarm.
CONSEQUENCES = {
    ChromaLength: set(),
    NaiveCosine: set(),
    RawFFT: {'off scale'},
    Clamped: set(),
    HalfPrecisionChroma: set(),
}


@pytest.mark.parametrize('loss', CONSEQUENCES, ids=lambda loss: loss.__name__)
def test_only_the_planted_fault_is_found(loss):
    assert len(findings(loss()).keys() - CONSEQUENCES[loss]) == 1


@pytest.mark.parametrize('loss', [L1Loss(), ChromaLoss(), ChromaLoss(where='saturated'), SSIMLoss()])
def test_sound_losses_have_no_findings(loss):
    assert findings(loss) == {}


def test_what_is_by_design_is_no_fault():
    assert findings(Smoothness()) == {'minimum not at the target': False}
    assert findings(PSNRLoss()) == {'off scale': False}
    assert findings(MatrixChroma()) == {'wrong under autocast': False}


def test_a_declared_weakness_is_no_fault():
    loss = ChromaLength()
    loss.dead_at_gray = True
    assert findings(loss) == {'dead at grey': False}


def test_gradient_counts_l1s():
    reading = read(L1Loss(loss_weight=3.0), PICTURE + 0.1, PICTURE)
    assert reading.value == pytest.approx(0.3, rel=1e-5)
    assert reading.gradient == pytest.approx(3.0, rel=1e-5)
    assert reading.peak == pytest.approx(3.0, rel=1e-5)


def test_mse_gradient_is_twice_the_error():
    assert read(nn.MSELoss(), PICTURE + 0.1, PICTURE).gradient == pytest.approx(0.2, rel=1e-4)


def test_channel_costs_are_the_weights_of_luma():
    class Luma(nn.Module):
        def forward(self, pred, target):
            weights = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
            return ((pred - target) * weights).sum(1).abs().mean()

    costs = channel_costs(Luma(), PICTURE, step=0.05)
    assert costs['areas'] == pytest.approx((0.05 * 0.299, 0.05 * 0.587, 0.05 * 0.114), rel=1e-3)
    assert 'asymmetric channels' not in findings(Luma())


def test_curve_of_l1_against_noise_is_the_mean_of_a_half_normal():
    curve = response_curve(L1Loss(), PICTURE, CHANGES['noise'])
    for amount, reading in zip(curve.change.amounts, curve.readings):
        assert reading.value == pytest.approx(amount * math.sqrt(2 / math.pi), rel=0.02, abs=1e-9)


def test_non_finite_pairs_are_named():
    class Log(nn.Module):
        def forward(self, pred, target):
            return (pred.log() - target.log()).abs().mean()

    broken = extreme_readings(Log(), PICTURE).non_finite
    assert 'below 0 on grey' in broken
    assert 'white on grey' not in broken


def test_neutral_amounts_change_nothing():
    for change in CHANGES.values():
        if change.name != 'blur':
            torch.testing.assert_close(change.apply(PICTURE, change.neutral), PICTURE, rtol=1e-5, atol=2e-6)


def test_grey_is_exactly_grey():
    red, green, blue = grey_of(PICTURE).unbind(1)
    assert torch.equal(red, green)
    assert torch.equal(green, blue)


def test_hue_turns_red_to_green_and_back():
    red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
    torch.testing.assert_close(turn_hue(red, 120.0).flatten(), torch.tensor([0.0, 1.0, 0.0]), atol=1e-6, rtol=0)
    torch.testing.assert_close(turn_hue(turn_hue(PICTURE, 40.0), -40.0), PICTURE, atol=1e-6, rtol=0)


def test_warmer_is_redder():
    grey = torch.full((1, 3, 1, 1), 0.5)
    red, green, blue = warm(grey, 0.3).flatten().tolist()
    assert red > green > blue
    assert green == pytest.approx(0.5)


def test_cost_counts_what_is_kept_for_the_backward_pass():
    class Square(nn.Module):
        def forward(self, pred, target):
            return (pred - target).square().mean()  # keeps the difference

    assert measure_cost(Square(), (2, 3, 16, 16)).kept_bytes == 2 * 3 * 16 * 16 * 4
    assert measure_cost(Square(), (2, 3, 16, 16)).seconds > 0


def test_terms_without_a_target_are_recognised():
    assert takes_target(L1Loss())
    assert not takes_target(Smoothness())
