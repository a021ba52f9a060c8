"""Chroma terms against other libraries, by hand, and on the failure that they exist for: a grey prediction."""

import numpy as np
import pytest
import skimage.color
import torch

from basicsr.losses.color_loss import ChromaLoss, LabABLoss
from basicsr.utils.errors import OptionError, UserError

EVERY_TERM = [
    ChromaLoss(),
    ChromaLoss(components='lab'),
    ChromaLoss(magnitude_weight=0.5),
    ChromaLoss(where='saturated'),
    LabABLoss(),
    LabABLoss(where='saturated'),
]
IDS = ['ycbcr', 'lab', 'magnitude', 'saturated', 'lab_ab', 'lab_ab saturated']


def random_pair(seed: int = 0, **options) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.rand(2, 3, 12, 10, generator=generator, **options) for _ in range(2)]


def flat(*rgb: float, size: int = 4) -> torch.Tensor:
    return torch.tensor(rgb).view(1, 3, 1, 1).expand(1, 3, size, size).clone()


def test_chroma_by_its_definition():
    pred, target = random_pair(dtype=torch.float64)

    def cb_cr(x):
        luma = 0.299 * x[:, 0] + 0.587 * x[:, 1] + 0.114 * x[:, 2]
        return torch.stack([(x[:, 2] - luma) / 1.772, (x[:, 0] - luma) / 1.402], dim=1)

    first, second = cb_cr(pred), cb_cr(target)
    vector = (first - second).abs().mean()
    magnitude = (first.norm(dim=1) - second.norm(dim=1)).abs().mean()
    assert ChromaLoss()(pred, target).item() == pytest.approx(vector.item(), rel=1e-9)
    # The magnitude is rounded at 0 by 1e-3.
    combined = ChromaLoss(loss_weight=2.0, magnitude_weight=0.5)(pred, target).item()
    assert combined == pytest.approx(2 * (vector + 0.5 * magnitude).item(), rel=1e-3)


@pytest.mark.parametrize('loss', [LabABLoss(), ChromaLoss(components='lab')], ids=['LabABLoss', 'ChromaLoss'])
def test_lab_against_scikit_image(loss):
    pred, target = random_pair(dtype=torch.float64)
    labs = [skimage.color.rgb2lab(x.permute(0, 2, 3, 1).numpy()) for x in (pred, target)]
    expected = np.abs(labs[0] - labs[1])[..., 1:].mean() / 100
    assert loss(pred, target).item() == pytest.approx(expected, rel=1e-4)


def test_saturated_pixels_by_hand():
    # Saturation and value of the target: 1 and 0.8; 0.25 and 0.8; 1 but too dark; just at the threshold of 0.5.
    target = torch.tensor([[0.8, 0.4, 0.0], [0.8, 0.7, 0.6], [0.05, 0.0, 0.0], [0.8, 0.6, 0.4]]).T.reshape(1, 3, 2, 2)
    pred = target + torch.tensor([0.1, 0.0, 0.0]).view(1, 3, 1, 1) * torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 1, 2, 2)

    # A red that is d too large moves Cb by -0.299 d / 1.772 and Cr by 0.701 d / 1.402 = d / 2.
    per_unit = (0.299 / 1.772 + 0.5) / 2
    loss = ChromaLoss(where='saturated', threshold=0.499)
    assert loss(pred, target).item() == pytest.approx(per_unit * (0.1 + 0.4) / 2, rel=1e-5)
    assert ChromaLoss()(pred, target).item() == pytest.approx(per_unit * (0.1 + 0.2 + 0.3 + 0.4) / 4, rel=1e-5)
    per_pixel = ChromaLoss(where='saturated', threshold=0.499, reduction='none')(pred, target)
    assert per_pixel.flatten().tolist() == pytest.approx([per_unit * 0.1, 0, 0, per_unit * 0.4], rel=1e-5)


@pytest.mark.parametrize('loss_type', [ChromaLoss, LabABLoss])
def test_mask_comes_from_the_target_alone(loss_type):
    colourful, grey = flat(0.9, 0.1, 0.1), flat(0.5, 0.5, 0.5)
    assert loss_type(where='saturated')(colourful, grey).item() == 0
    assert loss_type(where='saturated')(grey, colourful).item() > 0.1


@pytest.mark.parametrize('loss_type', [ChromaLoss, LabABLoss])
def test_empty_mask_is_zero_and_still_has_a_graph(loss_type):
    pred = random_pair()[0].requires_grad_()
    value = loss_type(where='saturated')(pred, torch.full_like(pred, 0.5).detach())
    (gradient,) = torch.autograd.grad(value, pred)
    assert value.item() == 0
    assert gradient.abs().max() == 0


@pytest.mark.parametrize('loss', EVERY_TERM, ids=IDS)
@pytest.mark.parametrize('colour', [(0.1, 0.2, 0.8), (0.8, 0.15, 0.1), (0.2, 0.7, 0.3)], ids=['blue', 'red', 'green'])
def test_a_grey_prediction_is_pulled_to_the_colour_of_the_target(loss, colour):
    target = flat(*colour)
    start = flat(0.5, 0.5, 0.5)
    pred = start.clone().requires_grad_()
    for _ in range(300):
        (gradient,) = torch.autograd.grad(loss(pred, target) * pred.numel(), pred)
        assert gradient.isfinite().all()
        pred = (pred - 0.002 * gradient).detach().requires_grad_()

    # Judged without this package's colours: what is left of the distance between the channels' differences.
    def tint(x):
        return x - x.mean(1, keepdim=True)

    assert (tint(pred) - tint(target)).norm() < 0.2 * (tint(start) - tint(target)).norm()


@pytest.mark.parametrize('loss', EVERY_TERM, ids=IDS)
def test_identical_images_cost_nothing(loss):
    pred = random_pair()[0].requires_grad_()
    value = loss(pred, pred.detach())
    (gradient,) = torch.autograd.grad(value, pred)
    assert value.item() == 0
    assert gradient.abs().max() == 0


@pytest.mark.parametrize('loss', EVERY_TERM, ids=IDS)
def test_gradient_is_that_of_finite_differences(loss):
    generator = torch.Generator().manual_seed(1)
    pred, target = (torch.rand(1, 3, 3, 3, dtype=torch.float64, generator=generator) for _ in range(2))
    assert torch.autograd.gradcheck(loss, (pred.requires_grad_(), target))


@pytest.mark.parametrize('loss', EVERY_TERM, ids=IDS)
def test_extreme_colours_stay_finite(loss):
    levels = torch.tensor([-0.3, -0.05, 0.0, 1e-38, 0.5, 1.0, 1.05, 1.7])
    colours = torch.cartesian_prod(levels, levels, levels)
    target = colours.T.reshape(1, 3, 8, 64)
    pred = colours[torch.randperm(512, generator=torch.Generator().manual_seed(0))].T.reshape(1, 3, 8, 64).clone()
    pred[..., :32] = target[..., :32]

    value = loss(pred.requires_grad_(), target)
    (gradient,) = torch.autograd.grad(value, pred)
    assert value.isfinite()
    assert gradient.isfinite().all()


@pytest.mark.parametrize('loss', EVERY_TERM, ids=IDS)
def test_size_of_the_gradient_is_of_the_order_of_l1(loss):
    target = random_pair()[0]
    pred = (target + 0.05 * torch.randn(target.shape, generator=torch.Generator().manual_seed(2))).requires_grad_()
    (gradient,) = torch.autograd.grad(loss(pred, target), pred)
    in_units_of_l1 = (gradient * pred.numel()).square().mean().sqrt().item()
    assert 0.5 < in_units_of_l1 < 4


@pytest.mark.parametrize('loss', EVERY_TERM, ids=IDS)
def test_autocast_changes_nothing(loss):
    pred, target = random_pair()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        under_autocast = loss(pred, target)
    assert torch.equal(under_autocast, loss(pred, target))
    assert loss(pred.bfloat16(), target.bfloat16()).dtype == torch.float32


def test_asymmetry_charges_a_loss_of_chroma_alone():
    pale, strong = flat(0.5, 0.4, 0.4), flat(0.8, 0.3, 0.3)

    def magnitude_part(pred, target, asymmetry):
        loss = ChromaLoss(magnitude_weight=1.0, asymmetry=asymmetry)
        return (loss(pred, target) - ChromaLoss()(pred, target)).item()

    assert magnitude_part(pale, strong, 3.0) == pytest.approx(3 * magnitude_part(pale, strong, 1.0), rel=1e-5)
    assert magnitude_part(strong, pale, 3.0) == pytest.approx(magnitude_part(strong, pale, 1.0), rel=1e-5)
    with pytest.raises(OptionError, match='ChromaLoss: asymmetry 0 is not above 0'):
        ChromaLoss(asymmetry=0)


@pytest.mark.parametrize('loss_type', [ChromaLoss, LabABLoss])
def test_pixel_weights_multiply_the_mask(loss_type):
    pred, target = random_pair()
    weight = torch.rand(2, 1, 12, 10, generator=torch.Generator().manual_seed(3))
    error = loss_type(reduction='none')(pred, target)
    mask = loss_type(where='saturated', threshold=0.5, reduction='none')(pred, target) > 0
    expected = (error * weight * mask).sum() / (weight * mask).sum()
    assert 0.1 < mask.float().mean() < 0.9
    loss = loss_type(where='saturated', threshold=0.5)
    assert loss(pred, target, weight).item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize('loss_type', [ChromaLoss, LabABLoss])
def test_mistakes_are_refused_by_name(loss_type):
    with pytest.raises(OptionError, match=f'{loss_type.__name__}: threshold 60 .* write 60 of 255 as 0.235'):
        loss_type(where='saturated', threshold=60)
    with pytest.raises(OptionError, match=f"{loss_type.__name__}: where 'dark'"):
        loss_type(where='dark')
    with pytest.raises(UserError, match=f'{loss_type.__name__}: the prediction is'):
        loss_type()(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 8, 8))
    with pytest.raises(OptionError, match="components 'hsv'"):
        ChromaLoss(components='hsv')
