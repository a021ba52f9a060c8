"""What holds for every registered term on images: each is covered here the moment it is registered.

Every option that is a choice is tested at each of its values. What a term is for comes from its class attributes
(`is_full_reference`, `restores_gray`, `dead_at_gray`), so an exception has to be stated there or in a table below.
"""

import copy
import functools
import importlib
import inspect
import itertools
import logging
import pkgutil
import typing

import pytest
import torch
from torch.nn import functional as F

import basicsr.losses
from basicsr.losses import Objective, Term, share_conversions
from basicsr.utils.errors import UserError
from basicsr.utils.registry import LOSS_REGISTRY
from basicsr.utils.schema import check_arguments

# Options without which a term cannot be built here, or takes long.
NEEDED = {
    'PerceptualLoss': {'weights': 'random', 'vgg_type': 'vgg11', 'layer_weights': {'relu1_1': 1.0, 'conv2_1': 1.0}},
    'StyleLoss': {'weights': 'random', 'vgg_type': 'vgg11', 'layer_weights': {'relu1_1': 1.0, 'conv2_1': 1.0}},
}
# More options than the choices in the signatures.
MORE = {
    'CharbonnierLoss': [{'eps': 1e-6}],
    'ChromaLoss': [{'magnitude_weight': 1.0, 'asymmetry': 3.0}],
    'ExposureLoss': [{'target': 0.6}],
    'FocalFrequencyLoss': [{'alpha': 0.0}],
    'PSNRLoss': [{'toY': True}],
    'PerceptualLoss': [{'style_weight': 1.0}],
    'SaturationLoss': [{'asymmetry': 3.0}],
}
# Terms that do not treat the three channels alike.
UNEVEN = {
    'ChromaLoss': 'BT.601 and Lab weigh the channels',
    'ColorAwareLoss': 'it contains ChromaLoss',
    'DeltaE76Loss': 'Lab weighs the channels',
    'ExposureLoss': 'luma weighs the channels',
    'HueLoss': 'BT.601 weighs the channels',
    'LabABLoss': 'Lab weighs the channels',
    'LabLoss': 'Lab weighs the channels',
    'OklabLoss': 'OkLab weighs the channels',
    'PerceptualLoss': 'the network weighs the channels',
    'StyleLoss': 'the network weighs the channels',
}
# Gradients at weight 1 that are not of the order of that of L1Loss, and why.
OFF_SCALE = {
    'FocalFrequencyLoss': 'quadratic, as published',
    'MSELoss': 'quadratic',
    'PSNRLoss': 'in dB, as in NAFNet',
    'PerceptualLoss': 'in units of the features',
    'StyleLoss': 'in units of the features',
}


@functools.cache
def image_terms() -> dict[str, type]:
    """The package's own terms, without those that judge the output of a discriminator."""
    for module in pkgutil.iter_modules(basicsr.losses.__path__, 'basicsr.losses.'):
        if module.name.endswith('_loss'):
            importlib.import_module(module.name)
    own = {name: loss for name, loss in LOSS_REGISTRY if loss.__module__.startswith('basicsr.')}
    return {name: loss for name, loss in own.items() if 'target_is_real' not in parameters(loss.forward)}


def parameters(function) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(function).parameters)


def choices(loss: type) -> dict[str, tuple]:
    """Options that are one of a few values."""
    hints = typing.get_type_hints(loss.__init__)
    return {
        name: typing.get_args(hint)
        for name, hint in hints.items()
        if typing.get_origin(hint) is typing.Literal and name != 'reduction'
    }


def all_cases() -> list:
    cases = []
    for name, loss in sorted(image_terms().items()):
        variants = [{}, *MORE.get(name, [])]
        for option, values in choices(loss).items():
            variants += [{option: value} for value in values if value != parameters(loss)[option].default]
        for variant in variants:
            label = ', '.join(f'{key}={value}' for key, value in variant.items())
            cases.append(pytest.param(name, variant, id=f'{name}({label})'))
    return cases


CASES = all_cases()


def cases(keep) -> pytest.MarkDecorator:
    """Parametrize by the cases that `keep(term, name, options)` is true for."""
    kept = [case for case in CASES if keep(image_terms()[case.values[0]], *case.values)]
    return pytest.mark.parametrize('name, options', kept)


every_term = cases(lambda loss, name, options: True)
full_reference = cases(
    lambda loss, name, options: getattr(loss, 'is_full_reference', True) and options.get('target') is None
)


def lowest(name: str, options: dict) -> float:
    """Value at the target."""
    if name == 'CharbonnierLoss':
        return options.get('eps', 1e-12) ** 0.5
    return -80.0 if name == 'PSNRLoss' else 0.0


@functools.cache
def _build(name: str, options: tuple):
    return image_terms()[name](**NEEDED.get(name, {}), **dict(options))


def build(name: str, options: dict, **more):
    return _build(name, tuple({**options, **more}.items()))


def evaluate(term, pred: torch.Tensor, target: torch.Tensor, **weight) -> torch.Tensor:
    """Value of a term, of one image or two, of one part or several."""
    takes_target = 'target' in parameters(term.forward)
    value = term(pred, target, **weight) if takes_target else term(pred, **weight)
    return sum(part for part in value if part is not None) if isinstance(value, tuple) else value


def evaluate_with_gradient(term, pred: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    pred = pred.detach().requires_grad_()
    value = evaluate(term, pred, target)
    return value.detach(), torch.autograd.grad(value, pred)[0]


def size_of(gradient: torch.Tensor) -> float:
    """Root mean square in units of L1Loss, whose gradient is +-1 / number of values."""
    return (gradient * gradient.numel()).square().mean().sqrt().item()


def colourful(batch: int, size: int, dtype=torch.float32, seed: int = 0) -> torch.Tensor:
    """Smooth periodic images with every degree of saturation, in [0.05, 0.95]."""
    generator = torch.Generator().manual_seed(seed)
    position = torch.arange(size, dtype=torch.float64) / size
    waves = torch.zeros(batch, 3, size, size, dtype=torch.float64)
    for down, across in itertools.product(range(4), repeat=2):
        phase = torch.rand(batch, 3, 1, 1, generator=generator, dtype=torch.float64) + down * position.view(-1, 1)
        waves += torch.cos(2 * torch.pi * (phase + across * position)) / (1 + down + across)
    return (0.5 + 0.45 * waves / waves.abs().amax((1, 2, 3), keepdim=True)).to(dtype)


def pair(batch: int = 2, size: int = 24, dtype=torch.float32) -> tuple[torch.Tensor, torch.Tensor]:
    """A prediction that is paler, a little tinted and noisy, and its target."""
    target = colourful(batch, size, dtype)
    return spoil(target), target


def spoil(target: torch.Tensor) -> torch.Tensor:
    noise = torch.randn(target.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(target.dtype)
    mean = target.mean(1, keepdim=True)
    tint = torch.tensor([0.04, 0.0, -0.03], dtype=target.dtype).view(3, 1, 1)
    return mean + 0.8 * (target - mean) + tint + 0.03 * noise


@every_term
def test_options_fit_the_schema(name, options):
    loss = image_terms()[name]
    arguments, problems = check_arguments(loss, {**NEEDED.get(name, {}), **options}, ())
    assert problems == []
    assert arguments['loss_weight'] == 1.0, f'{name}: loss_weight is 1 by default'
    unknown = [p.name for p in parameters(loss).values() if p.annotation is p.empty]
    assert unknown == [], f'{name}: the option check cannot know {unknown}, which have no annotation'


@pytest.mark.parametrize('name', sorted(image_terms()))
def test_docstring_helps_to_choose(name):
    text = inspect.getdoc(image_terms()[name])
    for word in ('Size: ', 'Use it '):
        assert word in text, f'{name}: the docstring has no "{word.strip()}"'


@every_term
def test_value_is_a_scalar_times_the_weight(name, options):
    pred, target = pair()
    value = evaluate(build(name, options), pred, target)
    assert value.shape == (), f'{name}: the value has shape {tuple(value.shape)}'
    assert value.dtype == torch.float32
    doubled = evaluate(build(name, options, loss_weight=2.0), pred, target)
    assert doubled.item() == pytest.approx(2 * value.item(), rel=1e-6), f'{name}: loss_weight does not multiply'


@full_reference
def test_target_is_the_minimum(name, options):
    _, target = pair()
    at_target, gradient = evaluate_with_gradient(build(name, options), target, target)
    assert at_target.item() == pytest.approx(lowest(name, options), abs=1e-6), f'{name}: value at the target'
    assert gradient.isfinite().all(), f'{name}: gradient at the target is not finite'

    term = copy.deepcopy(build(name, options)).double()
    pred, target = pair(dtype=torch.float64)
    at_target = evaluate(term, target, target)
    nearby = target + 1e-3 * (pred - target)
    grey = target.mean(1, keepdim=True).expand_as(target)
    for other in (nearby, pred, grey, 1 - target):
        assert evaluate(term, other, target) > at_target - 1e-14, f'{name}: another image costs less than the target'
    assert evaluate(term, pred, target) > at_target + 1e-10, f'{name}: cannot tell a spoilt image from its target'


@full_reference
def test_gradient_at_the_target_is_zero(name, options):
    target = colourful(2, 24, torch.float64)
    _, gradient = evaluate_with_gradient(copy.deepcopy(build(name, options)).double(), target, target)
    assert size_of(gradient) < 1e-6, f'{name}: pushes away from the target, by {size_of(gradient)} of L1Loss'


TORTURE = {
    'black': (0.0, 0.0, 0.0),
    'white': (1.0, 1.0, 1.0),
    'grey': (0.5, 0.5, 0.5),
    'red': (1.0, 0.0, 0.0),
    'green': (0.0, 1.0, 0.0),
    'blue': (0.0, 0.0, 1.0),
    'yellow': (1.0, 1.0, 0.0),
    'below': (-0.05, -0.05, -0.05),
    'above': (1.05, 1.05, 1.05),
    'tiny': (1e-38, 1e-38, 1e-38),
    'mixed': (-0.05, 1.05, 1e-38),
    'nearly grey': (0.5, 0.5, 0.5 + 1e-7),
}


@every_term
def test_extreme_colours_stay_finite(name, options):
    term = build(name, options)
    flat = {label: torch.tensor(colour).view(3, 1, 1).expand(3, 16, 16) for label, colour in TORTURE.items()}
    flat['patchwork'] = torch.stack([*flat.values()] * 22)[:256, :, 0, 0].T.reshape(3, 16, 16)
    for label, target in flat.items():
        preds, targets = torch.stack(list(flat.values())), target.expand(len(flat), 3, 16, 16)
        value, gradient = evaluate_with_gradient(term, preds, targets)
        assert value.isfinite(), f'{name}: value is {value} for extreme predictions and a {label} target'
        bad = [other for other, part in zip(flat, gradient) if not part.isfinite().all()]
        assert bad == [], f'{name}: gradient is not finite for {bad} and a {label} target'
        # Not a number is one way to ruin a step, a hundred thousand is another: hue angles near grey reach 1e7.
        steep = [other for other, part in zip(flat, gradient) if part.abs().max() * gradient.numel() > 1e4]
        assert steep == [], f'{name}: gradient above 10,000 times that of L1Loss for {steep} and a {label} target'


# The weights of the focal frequency loss are constants for its gradient, as published; with alpha = 0 they are 1.
@cases(lambda loss, name, options: name != 'FocalFrequencyLoss' or options.get('alpha') == 0)
def test_gradient_is_that_of_finite_differences(name, options):
    term = copy.deepcopy(build(name, options)).double()
    pred, target = (image.clone() for image in pair(1, 24, torch.float64))
    pred.requires_grad_()
    assert torch.autograd.gradcheck(lambda p: evaluate(term, p, target), pred, fast_mode=True), name


# A mean over the saturated pixels of the whole batch, and a norm over all of it, are no means over images.
@cases(lambda loss, name, options: options.get('where') != 'saturated' and options.get('criterion') != 'fro')
def test_batch_is_the_mean_of_its_images(name, options):
    term = build(name, options)
    pred, target = pair(batch=3)
    whole = evaluate(term, pred, target)
    parts = [evaluate(term, pred[i : i + 1], target[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(whole, torch.stack(parts).mean(), rtol=1e-5, atol=1e-7, msg=explain(name))


@every_term
def test_memory_format_does_not_matter(name, options):
    term = build(name, options)
    pred, target = pair()
    last = [image.contiguous(memory_format=torch.channels_last) for image in (pred, target)]
    value, gradient = evaluate_with_gradient(term, pred, target)
    other_value, other_gradient = evaluate_with_gradient(term, *last)
    torch.testing.assert_close(other_value, value, rtol=1e-5, atol=1e-7, msg=explain(name))
    scale = gradient.abs().max().item()
    torch.testing.assert_close(other_gradient, gradient, rtol=1e-4, atol=1e-4 * scale, msg=explain(name))


@every_term
@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_precision_through_the_objective_is_float32(name, options, dtype):
    term = build(name, options)
    pred, target = (image.to(dtype) for image in pair())
    with torch.autocast('cpu', dtype=dtype):
        total, _ = Objective([Term('term', term)])([pred], target)
    expected = evaluate(term, pred.float(), target.float())
    torch.testing.assert_close(total, expected, rtol=1e-6, atol=1e-8, msg=explain(name))


@every_term
def test_shared_conversions_change_nothing(name, options):
    term = build(name, options)
    pred, target = pair()
    value, gradient = evaluate_with_gradient(term, pred, target)
    with share_conversions():
        shared_value, shared_gradient = evaluate_with_gradient(term, pred, target)
    assert torch.equal(shared_value, value), name
    # A gradient through a shared part is one sum where it else is a sum of two.
    scale = gradient.abs().max().item()
    torch.testing.assert_close(shared_gradient, gradient, rtol=1e-5, atol=1e-6 * scale, msg=explain(name))


def explain(name: str):
    return lambda text: f'{name}: {text}'


GREY = torch.full((1, 3, 16, 16), 0.5)
COLOURS = {'blue': (0.1, 0.2, 0.8), 'red': (0.8, 0.15, 0.1), 'green': (0.2, 0.7, 0.3)}


@cases(lambda loss, name, options: getattr(loss, 'restores_gray', False))
@pytest.mark.parametrize('colour', COLOURS)
def test_grey_is_pulled_to_the_colour_of_the_target(name, options, colour):
    target = torch.tensor(COLOURS[colour]).view(1, 3, 1, 1).expand_as(GREY)
    _, gradient = evaluate_with_gradient(build(name, options), GREY, target)
    step, wanted = (tint - tint.mean(1, keepdim=True) for tint in (-gradient, target - GREY))
    alignment = F.cosine_similarity(step.flatten(), wanted.flatten(), dim=0)
    assert alignment > 0.6, f'{name}: says that it restores grey, and pulls elsewhere than to {colour}'
    assert size_of(step) > 0.2, f'{name}: says that it restores grey, and hardly pulls to {colour}'


@cases(lambda loss, name, options: getattr(loss, 'dead_at_gray', False))
def test_amounts_of_colour_are_dead_at_grey(name, options):
    target = torch.tensor(COLOURS['blue']).view(1, 3, 1, 1).expand_as(GREY)
    _, gradient = evaluate_with_gradient(build(name, options), GREY, target)
    assert size_of(gradient) < 1e-3, f'{name}: says that it is dead at grey, and is not'


# The Frobenius norm is a sum over the batch.
@cases(lambda loss, name, options: options.get('criterion') != 'fro')
def test_scale_does_not_depend_on_the_size_of_the_patch(name, options):
    term = build(name, options)
    # The number of scales of MS-SSIM depends on the size up to 160 pixels.
    small = colourful(1, 64 if name != 'MSSSIMLoss' else 192)
    large = small.repeat(1, 1, 2, 2)
    value, gradient = evaluate_with_gradient(term, spoil(small), small)
    large_value, large_gradient = evaluate_with_gradient(term, spoil(large), large)
    assert large_value.item() == pytest.approx(value.item(), rel=0.25), f'{name}: value, twice as large'
    assert size_of(large_gradient) == pytest.approx(size_of(gradient), rel=0.25), f'{name}: gradient, twice as large'


@cases(lambda loss, name, options: name not in UNEVEN and not options.get('toY'))
def test_channels_are_treated_alike(name, options):
    pred, target = pair()
    value = evaluate(build(name, options), pred, target)
    for order in itertools.permutations(range(3)):
        other = evaluate(build(name, options), pred[:, order], target[:, order])
        torch.testing.assert_close(other, value, rtol=1e-5, atol=1e-7, msg=explain(name))


@cases(lambda loss, name, options: name not in OFF_SCALE)
def test_weight_one_is_of_the_order_of_l1(name, options):
    _, gradient = evaluate_with_gradient(build(name, options), *pair(size=64))
    assert 0.1 < size_of(gradient) < 25, f'{name}: its gradient is {size_of(gradient)} times that of L1Loss'


@cases(lambda loss, name, options: 'none' in typing.get_args(typing.get_type_hints(loss.__init__).get('reduction')))
def test_reductions_agree(name, options):
    pred, target = pair()
    parts = evaluate(build(name, options, reduction='none'), pred, target)
    total = evaluate(build(name, options, reduction='sum'), pred, target)
    assert parts.dim() > 0
    assert parts.sum().item() == pytest.approx(total.item(), rel=1e-5), f'{name}: sum'
    if options.get('where') != 'saturated':  # that is a mean over the saturated pixels
        mean = evaluate(build(name, options), pred, target)
        assert parts.mean().item() == pytest.approx(mean.item(), rel=1e-5, abs=1e-7), f'{name}: mean'


@cases(lambda loss, name, options: 'weight' in parameters(loss.forward))
@pytest.mark.parametrize('channels', [1, 3])
def test_pixel_weights(name, options, channels):
    term = build(name, options)
    pred, target = pair()
    plain = evaluate(term, pred, target)
    constant = evaluate(term, pred, target, weight=torch.full((2, channels, 24, 24), 3.0))
    assert constant.item() == pytest.approx(plain.item(), rel=1e-5), f'{name}: a constant weight changes the mean'

    half_right = torch.where(torch.arange(24) < 12, pred, target)
    right = torch.zeros(2, channels, 24, 24)
    right[..., 14:] = 1
    if getattr(term, 'is_full_reference', True):
        ignored = evaluate(term, half_right, target, weight=right)
        assert ignored.item() == pytest.approx(lowest(name, options), abs=1e-7), f'{name}: weight 0 does not ignore'
    else:
        flat = torch.where(torch.arange(24) < 12, pred, 0.5)
        ignored = evaluate(term, flat, target, weight=right)
        assert ignored.item() == pytest.approx(0, abs=1e-7), f'{name}: weight 0 does not ignore'


@full_reference
def test_images_of_different_shape_are_refused_by_name(name, options):
    with pytest.raises(UserError, match=f'{name}: the prediction is'):
        build(name, options)(torch.rand(1, 3, 24, 24), torch.rand(1, 3, 24, 32))


@every_term
def test_image_without_a_saturated_pixel_keeps_the_graph(name, options):
    grey = torch.full((1, 3, 24, 24), 0.5)
    value, gradient = evaluate_with_gradient(build(name, options), grey + 0.01, grey)
    assert value.isfinite(), f'{name}: value without a saturated pixel'
    assert gradient.isfinite().all(), f'{name}: gradient without a saturated pixel'


@pytest.fixture(autouse=True, scope='module')
def quiet():
    logger = logging.getLogger('basicsr')
    before = logger.level
    logger.setLevel(logging.ERROR)
    yield
    logger.setLevel(before)
