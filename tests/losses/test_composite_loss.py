"""ColorAwareLoss is the sum of its terms."""

import pytest
import torch

from basicsr.losses import ChromaLoss, ColorAwareLoss, L1Loss, SSIMLoss
from basicsr.utils.errors import OptionError


@pytest.fixture(scope='module')
def images():
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(2, 3, 16, 20, generator=generator) for _ in range(2)]


def test_value_is_the_sum_of_the_terms(images):
    loss = ColorAwareLoss(2.0, l1_weight=0.8, chroma_weight=0.5, ssim_weight=0.3, where='saturated', threshold=0.4)
    chroma = ChromaLoss(where='saturated', threshold=0.4)(*images)
    expected = 2 * (0.8 * L1Loss()(*images) + 0.5 * chroma + 0.3 * SSIMLoss()(*images))
    assert loss(*images).item() == pytest.approx(expected.item(), rel=1e-6)


def test_terms_of_weight_zero_are_left_out(images):
    loss = ColorAwareLoss(chroma_weight=0, ssim_weight=0)
    small = [image[..., :5, :5] for image in images]  # too small for SSIM
    assert loss(*small).item() == pytest.approx(L1Loss()(*small).item())


def test_arguments_of_a_pixel_loss_are_understood():
    assert ColorAwareLoss(loss_weight=1.0, reduction='mean').loss_weight == 1
    with pytest.raises(OptionError, match="ColorAwareLoss: reduction 'sum' is not one of mean"):
        ColorAwareLoss(reduction='sum')
    with pytest.raises(OptionError, match='ColorAwareLoss: l1_weight 0'):
        ColorAwareLoss(l1_weight=0)
