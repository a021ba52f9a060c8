"""Sharing conversions: computed once, the same values and gradients, and nothing left behind."""

import gc
import weakref

import pytest
import torch

from basicsr.color import rgb_to_lab
from basicsr.losses import ChromaLoss, DeltaE76Loss, HueLoss, LabABLoss, LabLoss, SaturationLoss, share_conversions
from basicsr.losses.shared_conversions import shared

TERMS = [
    LabABLoss(where='saturated'),
    LabLoss(),
    DeltaE76Loss(),
    ChromaLoss(components='lab', magnitude_weight=0.5),
    ChromaLoss(),
    HueLoss(where='saturated'),
    SaturationLoss(space='linear'),
]


class Double:
    """A conversion that counts how often it is done."""

    def __init__(self):
        self.count = 0

    def __call__(self, image, factor=2):
        self.count += 1
        return image * factor


@pytest.fixture
def images():
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(2, 3, 16, 16, generator=generator) for _ in range(2)]


def test_once_per_image_and_option_inside_each_time_outside(images):
    convert = Double()
    for image in (*images, *images):
        shared(convert, image)
    assert convert.count == 4

    convert = Double()
    with share_conversions():
        for image in (*images, *images):
            assert torch.equal(shared(convert, image), image * 2)
            assert torch.equal(shared(convert, image, 3), image * 3)
    assert convert.count == 4


def test_changed_image_is_another_one(images):
    convert, image = Double(), images[0]
    with share_conversions():
        shared(convert, image)
        image += 1
        assert torch.equal(shared(convert, image), image * 2)
    assert convert.count == 2


def test_conversion_without_graph_does_not_serve_where_one_is_needed(images):
    convert, pred = Double(), images[0].requires_grad_()
    with share_conversions():
        with torch.no_grad():
            assert not shared(convert, pred).requires_grad
        assert shared(convert, pred).requires_grad


def test_image_cannot_inherit_the_conversion_of_a_freed_one():
    with share_conversions():
        for value in range(20):
            image = torch.full((4,), float(value))
            assert torch.equal(shared(torch.neg, image), -image)
            del image  # the next one would likely be given its place, and so its id


def test_inference_tensors_are_shared_too(images):
    convert = Double()
    with torch.inference_mode(), share_conversions():
        image = images[0] + 0
        shared(convert, image)
        shared(convert, image)
    assert convert.count == 1


def test_inner_block_shares_with_the_outer_one(images):
    convert = Double()
    with share_conversions():
        with share_conversions():
            shared(convert, images[0])
        shared(convert, images[0])
    assert convert.count == 1


@pytest.mark.parametrize('fails', [False, True])
def test_nothing_is_left_behind(images, fails):
    image = images[0].clone().requires_grad_()
    seen = []
    try:
        with share_conversions():
            seen.append(weakref.ref(shared(Double(), image)))
            assert seen[0]() is not None
            if fails:
                raise KeyError
    except KeyError:
        pass
    gone = weakref.ref(image)
    del image
    gc.collect()
    assert seen[0]() is None
    assert gone() is None


def gradients_term_by_term(pred: torch.Tensor, target: torch.Tensor) -> list[torch.Tensor]:
    return [torch.autograd.grad(term(pred, target), pred, retain_graph=True)[0] for term in TERMS]


def test_terms_have_the_same_values_and_gradients(images):
    pred, target = images[0].requires_grad_(), images[1]
    values, gradients = [term(pred, target) for term in TERMS], gradients_term_by_term(pred, target)
    with share_conversions():
        torch.testing.assert_close([term(pred, target) for term in TERMS], values, rtol=0, atol=0)
    with share_conversions():
        torch.testing.assert_close(gradients_term_by_term(pred, target), gradients, rtol=1e-6, atol=1e-9)
    with share_conversions():
        (together,) = torch.autograd.grad(sum(term(pred, target) for term in TERMS), pred)
    torch.testing.assert_close(together, sum(gradients), rtol=1e-5, atol=1e-8)


def test_each_conversion_runs_once_per_image(images, monkeypatch):
    from basicsr.losses import color_difference_loss, color_loss

    seen = []

    def convert(image, space):
        seen.append(image)
        return rgb_to_lab(image, space)

    for module in (color_loss, color_difference_loss):
        monkeypatch.setattr(module, 'rgb_to_lab', convert)
    with share_conversions():
        for term in (LabABLoss(), LabLoss(), DeltaE76Loss(), ChromaLoss(components='lab')):
            term(images[0], images[1])
    assert len(seen) == 2
