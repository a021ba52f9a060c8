"""Measurements of a loss, one by one: a conformance test may call those it needs."""

import itertools

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from basicsr.losses.objective import Objective
from basicsr.losses.probe.pictures import Change, add_noise, changed, expose, grey_of, saturate, warm
from basicsr.losses.probe.readings import Curve, Extremes, GreyCollapse, PatchSize, PrecisionError, Reading
from basicsr.losses.term import Term

FLAT: dict[str, tuple[float, float, float]] = {
    'black': (0.0, 0.0, 0.0),
    'white': (1.0, 1.0, 1.0),
    'grey': (0.5, 0.5, 0.5),
    'red': (1.0, 0.0, 0.0),
    'green': (0.0, 1.0, 0.0),
    'blue': (0.0, 0.0, 1.0),
    'below 0': (-0.05, -0.05, -0.05),
    'above 1': (1.05, 1.05, 1.05),
    'out of gamut': (-0.05, 0.5, 1.05),
}


def central(picture: Tensor, size: int) -> Tensor:
    """The middle of a picture, at most `size` on each side."""
    height, width = (min(size, side) for side in picture.shape[-2:])
    top, left = (picture.shape[-2] - height) // 2, (picture.shape[-1] - width) // 2
    return picture[..., top : top + height, left : left + width].contiguous()


def evaluate(loss: nn.Module, pred: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Value, summed over the parts that a loss may return, and gradient with respect to the prediction."""
    pred = pred.detach().clone().requires_grad_()
    value = sum(Term(type(loss).__name__, loss).raw_values([pred], target).values())
    if not value.requires_grad:
        return value, torch.zeros_like(pred)
    (gradient,) = torch.autograd.grad(value, pred, allow_unused=True)
    return value.detach(), torch.zeros_like(pred) if gradient is None else gradient


def read(loss: nn.Module, pred: Tensor, target: Tensor) -> Reading:
    """Value and gradient of a loss, as numbers."""
    value, gradient = evaluate(loss, pred, target)
    return Reading(value.item(), l1s(gradient), (gradient.abs().max() * gradient.numel()).item())


def l1s(gradient: Tensor) -> float:
    """Root mean square of N dL/dp: how many L1s."""
    return (gradient * gradient.numel()).square().mean().sqrt().item()


def identity_readings(loss: nn.Module, picture: Tensor) -> dict[str, Reading]:
    """Readings where prediction and target are equal: the picture, and flat black, grey and white."""
    flat = {key: _flat(colour, picture, 64) for key, colour in FLAT.items() if key in ('black', 'grey', 'white')}
    return {key: read(loss, image, image) for key, image in ({'picture': picture} | flat).items()}


def response_curve(loss: nn.Module, picture: Tensor, change: Change) -> Curve:
    """Readings for predictions that are the picture with a change of every amount."""
    return Curve(change, tuple(read(loss, changed(picture, change, amount), picture) for amount in change.amounts))


def channel_costs(loss: nn.Module, picture: Tensor, step: float = 0.05) -> dict[str, tuple[float, float, float]]:
    """Rise of the value for `step` more in R, G or B alone, of whole areas and of single pixels (+ and - in turn).

    The picture is repeated with its channels in every order, so that only the loss can treat them differently.
    """
    batch = torch.cat([picture[:, order] for order in itertools.permutations(range(3))])
    rows, columns = (torch.arange(side, device=picture.device) for side in picture.shape[-2:])
    grain = 1.0 - 2.0 * ((rows[:, None] + columns) % 2)
    start = evaluate(loss, batch, batch)[0].item()
    costs = {}
    for key, pattern in (('areas', torch.ones_like(grain)), ('grain', grain)):
        tints = step * pattern * torch.eye(3, device=picture.device)[:, :, None, None]
        costs[key] = tuple(evaluate(loss, batch + tint, batch)[0].item() - start for tint in tints)
    return costs


def grey_collapse(loss: nn.Module, picture: Tensor) -> GreyCollapse:
    """Readings at a prediction that is exactly grey."""
    value, gradient = evaluate(loss, grey_of(picture), picture)
    tint, missing = _without_mean(gradient), _without_mean(picture)
    halfway = evaluate(loss, saturate(picture, 0.5), picture)[1]
    return GreyCollapse(
        rise=value.item() - evaluate(loss, picture, picture)[0].item(),
        gradient=l1s(tint),
        halfway=l1s(_without_mean(halfway)),
        alignment=nn.functional.cosine_similarity(-tint.flatten(), missing.flatten(), dim=0, eps=1e-20).item(),
    )


def extreme_readings(loss: nn.Module, picture: Tensor) -> Extremes:
    """Readings of flat predictions, and of all pairs of flat images."""
    preds = torch.cat([_flat(colour, picture, 32) for colour in FLAT.values()])
    non_finite, peaks = [], {}
    for target_name, colour in FLAT.items():
        target = _flat(colour, picture, 32).expand_as(preds).contiguous()
        value, gradient = evaluate(loss, preds, target)
        for i, (pred_name, part) in enumerate(zip(FLAT, gradient)):
            pair = f'{pred_name} on {target_name}'
            peaks[pair] = (part.abs().max() * gradient.numel()).item()
            # The value is that of the batch: when it breaks, the images are asked one by one.
            one = slice(i, i + 1)
            if not part.isfinite().all() or not (value.isfinite() or read(loss, preds[one], target[one]).is_finite):
                non_finite.append(pair)
    finite = {pair: peak for pair, peak in peaks.items() if pair not in non_finite} or {'': 0.0}
    peak_at = max(finite, key=finite.get)
    readings = {key: read(loss, _flat(colour, picture, 64), central(picture, 64)) for key, colour in FLAT.items()}
    return Extremes(readings, tuple(non_finite), finite[peak_at], peak_at)


def descent_from_target(loss: nn.Module, picture: Tensor) -> float:
    """How far the value falls below that at the target on a step of 0.001 to 0.1 along the gradient; 0 at a minimum."""
    value, gradient = evaluate(loss, picture, picture)
    size = gradient.square().mean().sqrt()
    if not size.isfinite() or size == 0:
        return 0.0
    steps = [picture - step * gradient / size for step in (0.001, 0.01, 0.1)]
    return max(0.0, *(value.item() - evaluate(loss, step, picture)[0].item() for step in steps))


def gradient_outside(loss: nn.Module, picture: Tensor) -> float | None:
    """Gradient of a prediction that lies above 1 as a whole, over that of the same prediction within [0, 1]."""
    target = 0.5 + 0.3 * picture
    pale = 0.5 * target + 0.5 * grey_of(target)
    lowest, highest = pale.min(), pale.max()
    inside, outside = (l1s(evaluate(loss, pale + step, target)[1]) for step in (-lowest + 0.1, 1.02 - lowest))
    if not lowest < highest or inside < 1e-6:
        return None
    return outside / inside


def patch_size_ratios(loss: nn.Module, picture: Tensor) -> PatchSize:
    """The value and gradient of a patch over the mean of those of its quarters, for several errors at once."""
    # Sides in multiples of four, so that the quarters are alike.
    height, width = (side // 4 * 4 for side in picture.shape[-2:])
    target = picture[..., :height, :width]
    pred = add_noise(saturate(warm(expose(target, -0.3), 0.3), 0.8), 0.02)
    whole = read(loss, pred, target)
    halves = [(0, height // 2), (height // 2, height)], [(0, width // 2), (width // 2, width)]
    parts = [
        read(loss, pred[..., top:bottom, left:right], target[..., top:bottom, left:right])
        for (top, bottom), (left, right) in itertools.product(*halves)
    ]
    value, gradient = (torch.tensor([[part.value, part.gradient] for part in parts]).mean(0)).tolist()
    return PatchSize(_ratio(whole.value, value), _ratio(whole.gradient, gradient))


def precision_errors(loss: nn.Module, picture: Tensor) -> dict[str, PrecisionError]:
    """Errors for half-precision images in the objective, and for float32 images under autocast without it."""
    near = add_noise(saturate(picture, 0.9), 0.005)
    errors = {}
    for key, dtype in (('bfloat16 in the objective', torch.bfloat16), ('float16 in the objective', torch.float16)):
        pred, target = near.to(dtype), picture.to(dtype)
        errors[key] = _relative_errors(
            _in_objective(loss, pred, target, dtype), evaluate(loss, pred.float(), target.float())
        )
    with torch.autocast(picture.device.type, torch.bfloat16):
        alone = evaluate(loss, near, picture)
    errors['bfloat16 autocast, on its own'] = _relative_errors(alone, evaluate(loss, near, picture))
    return errors


def half_precision_steps(loss: nn.Module, picture: Tensor) -> tuple[str, ...]:
    """Names of the operations that give half precision though the images are float32."""
    with _DtypeWatch() as watch, torch.autocast(picture.device.type, enabled=False):
        evaluate(loss, picture, picture)
    return tuple(sorted(watch.found))


class _DtypeWatch(TorchFunctionMode):
    """Notes the functions that return half precision."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor) and result.dtype in (torch.bfloat16, torch.float16):
            self.found.add(getattr(func, '__name__', str(func)))
        return result


def _flat(colour: tuple[float, float, float], like: Tensor, size: int) -> Tensor:
    return torch.tensor(colour, dtype=like.dtype, device=like.device).view(1, 3, 1, 1).repeat(1, 1, size, size)


def _without_mean(image: Tensor) -> Tensor:
    return image - image.mean(1, keepdim=True)


def _ratio(first: float, second: float) -> float:
    return first / second if second else (1.0 if first == 0 else float('inf'))


def _in_objective(loss: nn.Module, pred: Tensor, target: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    pred = pred.detach().clone().requires_grad_()
    with torch.autocast(pred.device.type, dtype):
        total, _ = Objective([Term('probe', loss)])([pred], target)
    if not total.requires_grad:
        return total, torch.zeros_like(pred, dtype=torch.float32)
    # The gradient of a half-precision leaf is rounded, and too small for float16: scale it up, as a scaler does.
    scale = float(pred.numel())
    (gradient,) = torch.autograd.grad(total * scale, pred, allow_unused=True)
    return total.detach(), torch.zeros_like(pred).float() if gradient is None else gradient.float() / scale


def _relative_errors(found: tuple[Tensor, Tensor], expected: tuple[Tensor, Tensor]) -> PrecisionError:
    value, gradient = (
        ((a.float() - b.float()).norm() / b.float().norm().clamp(min=1e-20)).item() for a, b in zip(found, expected)
    )
    return PrecisionError(value, gradient)
