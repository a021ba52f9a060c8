"""Hue and saturation terms by hand, on colours whose hue or chroma alone is wrong."""

import colorsys
import math

import pytest
import torch

from basicsr.losses import HueLoss, SaturationLoss
from basicsr.utils.errors import OptionError


def flat(*rgb: float) -> torch.Tensor:
    return torch.tensor(rgb, dtype=torch.float64).view(1, 3, 1, 1).expand(1, 3, 2, 2).clone()


def cb_cr(red: float, green: float, blue: float) -> complex:
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return complex((blue - luma) / 1.772, (red - luma) / 1.402)


def rgb_of(luma: float, chroma: complex) -> tuple[float, float, float]:
    red, blue = luma + 1.402 * chroma.imag, luma + 1.772 * chroma.real
    return red, (luma - 0.299 * red - 0.114 * blue) / 0.587, blue


def test_hue_is_the_angle_weighted_by_chroma():
    chroma = cb_cr(0.3, 0.4, 0.7)
    for degrees in (0, 10, 60, 180):
        turned = chroma * complex(math.cos(math.radians(degrees)), math.sin(math.radians(degrees)))
        value = HueLoss(eps=1e-6)(flat(*rgb_of(0.45, turned)), flat(*rgb_of(0.45, chroma))).item()
        assert value == pytest.approx(abs(chroma) * (1 - math.cos(math.radians(degrees))), abs=1e-9)


def test_hue_is_an_augmented_cosine():
    first, second, eps = cb_cr(0.8, 0.3, 0.2), cb_cr(0.2, 0.5, 0.6), 0.03
    vectors = [torch.tensor([c.real, c.imag, eps], dtype=torch.float64) for c in (first, second)]
    cosine = torch.nn.functional.cosine_similarity(*vectors, dim=0)
    expected = vectors[1].norm() * (1 - cosine)
    value = HueLoss(eps=eps)(flat(0.8, 0.3, 0.2), flat(0.2, 0.5, 0.6))
    assert value.item() == pytest.approx(expected.item(), rel=1e-9)


def test_hue_hardly_feels_the_chroma_and_ignores_grey_targets():
    target = cb_cr(0.3, 0.4, 0.7)
    paler, turned = flat(*rgb_of(0.45, 0.7 * target)), flat(*rgb_of(0.45, target * complex(0.8, 0.6)))
    assert HueLoss()(paler, flat(0.3, 0.4, 0.7)) < 0.02 * HueLoss()(turned, flat(0.3, 0.4, 0.7))
    assert HueLoss()(flat(0.5, 0.5, 0.52), flat(0.5, 0.5, 0.5)) < 0.1 * HueLoss()(turned, flat(0.3, 0.4, 0.7))


@pytest.mark.parametrize('hue', [0, 1 / 6, 1 / 3, 1 / 2, 2 / 3, 5 / 6])
def test_saturation_is_that_of_hsv_times_value_at_the_primaries(hue):
    pred, target = flat(*colorsys.hsv_to_rgb(hue, 0.3, 0.8)), flat(*colorsys.hsv_to_rgb(hue, 0.9, 0.7))
    assert SaturationLoss()(pred, target).item() == pytest.approx(0.9 * 0.7 - 0.3 * 0.8, abs=1e-3)


def test_asymmetry_charges_a_loss_of_chroma():
    pale, strong = flat(0.5, 0.4, 0.4), flat(0.8, 0.3, 0.3)
    plain = SaturationLoss()(pale, strong).item()
    assert SaturationLoss(asymmetry=4.0)(pale, strong).item() == pytest.approx(4 * plain)
    assert SaturationLoss(asymmetry=4.0)(strong, pale).item() == pytest.approx(plain)


def test_linear_light_is_encoded_first():
    def linear(x):
        return torch.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)

    pred, target = flat(0.8, 0.3, 0.02), flat(0.2, 0.5, 0.6)
    for loss in (HueLoss, SaturationLoss):
        encoded = loss(where='saturated')(pred, target).item()
        assert loss(where='saturated', space='linear')(linear(pred), linear(target)).item() == pytest.approx(encoded)


def test_mistakes_are_refused_by_name():
    with pytest.raises(OptionError, match='SaturationLoss: asymmetry -1'):
        SaturationLoss(asymmetry=-1)
    with pytest.raises(OptionError, match='HueLoss: eps 0 is not above 0'):
        HueLoss(eps=0)
    with pytest.raises(OptionError, match="HueLoss: space 'rec709' is not one of srgb, linear"):
        HueLoss(space='rec709')
