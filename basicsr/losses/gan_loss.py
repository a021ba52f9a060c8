"""Adversarial terms and the penalties of their discriminators, with BasicSR's names; for models that train one."""

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, autograd, nn
from torch.nn import functional as F

from basicsr.losses.loss_util import check_choice
from basicsr.utils.registry import LOSS_REGISTRY

GANType = Literal['vanilla', 'lsgan', 'wgan', 'wgan_softplus', 'hinge']


@LOSS_REGISTRY.register()
class GANLoss(nn.Module):
    """Adversarial loss of a discriminator's output. It is no term of `train.losses`, for it needs a discriminator.

    For an output q and "real" (for "fake", the label of fakes, and -q for q): `vanilla` is the binary cross entropy of
    the logit q (I. Goodfellow et al., 2014); `lsgan` (q - label)^2 (X. Mao et al., 2017); `wgan` -q (M. Arjovsky et
    al., 2017), unbounded; `wgan_softplus` ln(1 + exp(-q)) (T. Karras et al., 2020); `hinge` max(0, 1 - q) for the
    discriminator, and for the generator always -q (J. Lim, J. Ye, 2017).

    Size: that of the discriminator's slope; weights of 0.005 to 0.1 are common beside L1Loss.
    Use it for detail that looks real. Not where fidelity counts: it invents.

    Args:
        real_label_val: label of real images, for `vanilla` and `lsgan`.
        fake_label_val: label of fakes.
        loss_weight: of the generator's loss; the discriminator's has weight 1.
    """

    def __init__(
        self,
        gan_type: GANType,
        real_label_val: float = 1.0,
        fake_label_val: float = 0.0,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        check_choice(type(self).__name__, 'gan_type', gan_type, ('vanilla', 'lsgan', 'wgan', 'wgan_softplus', 'hinge'))
        self.gan_type = gan_type
        self.real_label_val = real_label_val
        self.fake_label_val = fake_label_val
        self.loss_weight = loss_weight

    def forward(self, input: Tensor, target_is_real: bool, is_disc: bool = False) -> Tensor:
        """Output of a discriminator, any shape -> scalar.

        Args:
            target_is_real: whether it should have said "real".
            is_disc: whether the discriminator is trained, and not the generator.
        """
        loss = self._loss(input, target_is_real, is_disc)
        return loss if is_disc else self.loss_weight * loss

    def _loss(self, output: Tensor, target_is_real: bool, is_disc: bool) -> Tensor:
        if self.gan_type in ('vanilla', 'lsgan'):
            label = torch.full_like(output, self.real_label_val if target_is_real else self.fake_label_val)
            distance = F.mse_loss if self.gan_type == 'lsgan' else F.binary_cross_entropy_with_logits
            return distance(output, label)
        if self.gan_type == 'hinge' and not is_disc:
            return -output.mean()
        wrong = -output if target_is_real else output
        if self.gan_type == 'wgan':
            return wrong.mean()
        return F.softplus(wrong).mean() if self.gan_type == 'wgan_softplus' else F.relu(1 + wrong).mean()


@LOSS_REGISTRY.register()
class MultiScaleGANLoss(GANLoss):
    """Mean of GANLoss over the outputs of a discriminator of several scales; of a list inside, the last one counts.

    Its arguments are those of GANLoss.
    """

    def forward(
        self, input: Tensor | list[Tensor | list[Tensor]], target_is_real: bool, is_disc: bool = False
    ) -> Tensor:
        """One output or a list of them -> scalar."""
        outputs = input if isinstance(input, list) else [input]
        last = [output[-1] if isinstance(output, list) else output for output in outputs]
        return sum(super(MultiScaleGANLoss, self).forward(x, target_is_real, is_disc) for x in last) / len(last)


def r1_penalty(real_pred: Tensor, real_img: Tensor) -> Tensor:
    """Squared gradient of a discriminator at real images, summed over each image, mean over images.

    L. Mescheder, A. Geiger, S. Nowozin, "Which training methods for GANs do actually converge?" (2018), equation 9,
    without its factor gamma / 2.

    Args:
        real_pred: output for `real_img`, which requires a gradient.
        real_img: (N, ...).
    """
    (gradient,) = autograd.grad(real_pred.sum(), real_img, create_graph=True)
    return gradient.square().flatten(1).sum(1).mean()


def gradient_penalty_loss(
    discriminator: Callable[[Tensor], Tensor], real_data: Tensor, fake_data: Tensor, weight: Tensor | None = None
) -> Tensor:
    """Deviation from 1 of a discriminator's gradient, at random points between real and fake images.

    I. Gulrajani et al., "Improved training of Wasserstein GANs" (2017), equation 3, without its factor lambda. As in
    BasicSR the length of the gradient is taken over the channels of each pixel.

    Args:
        real_data: (N, C, H, W).
        weight: of each pixel, (N, 1 or C, H, W).
    """
    share = real_data.new_empty(real_data.shape[0], 1, 1, 1).uniform_()
    between = (share * real_data + (1 - share) * fake_data).detach().requires_grad_()
    (gradient,) = autograd.grad(discriminator(between).sum(), between, create_graph=True)
    if weight is not None:
        gradient = gradient * weight
    penalty = (torch.linalg.vector_norm(gradient, dim=1) - 1).square().mean()
    return penalty if weight is None else penalty / weight.mean()


def g_path_regularize(
    fake_img: Tensor, latents: Tensor, mean_path_length: float | Tensor, decay: float = 0.01
) -> tuple[Tensor, Tensor, Tensor]:
    """Deviation of the lengths of a generator's paths from their running mean.

    T. Karras et al., "Analyzing and improving the image quality of StyleGAN" (2020), section 3.2.

    Args:
        fake_img: (N, C, H, W), made from `latents`.
        latents: (N, number of layers, size).
        mean_path_length: running mean so far.
        decay: share of the new mean in the running one.

    Returns:
        The penalty, the mean length, and the new running mean; the last two without gradient.
    """
    noise = torch.randn_like(fake_img) / math.sqrt(fake_img.shape[2] * fake_img.shape[3])
    (gradient,) = autograd.grad((fake_img * noise).sum(), latents, create_graph=True)
    lengths = gradient.square().sum(2).mean(1).sqrt()
    running = mean_path_length + decay * (lengths.mean() - mean_path_length)
    return (lengths - running).square().mean(), lengths.detach().mean(), running.detach()
