"""Names the faults that measurements show."""

from dataclasses import dataclass

from basicsr.losses.probe.readings import Probe

# Costs of one step in R, G, B that follow luma are no fault: BT.601 and BT.709.
LUMA_WEIGHTS = ((0.299, 0.587, 0.114), (0.2126, 0.7152, 0.0722))


@dataclass(frozen=True)
class Finding:
    """One thing to know before a loss is used.

    Attributes:
        name: short and fixed, such as `dead at grey`.
        text: what was measured, and what to do.
        is_fault: False for what is meant so, and good to know.
    """

    name: str
    text: str
    is_fault: bool = True


def find_faults(probe: Probe) -> list[Finding]:
    """Return every known fault that a probe shows, the worst first."""
    checks = (
        _no_gradient,
        _nan_at_identity,
        _non_finite,
        _opposite,
        _not_minimal,
        _dead_at_grey,
        _dead_outside,
        _exploding,
        _precision,
        _channels,
        _patch_size,
        _scale,
    )
    found = [finding for check in checks if (finding := check(probe)) is not None]
    return sorted(found, key=lambda finding: not finding.is_fault)


def _compares(probe: Probe) -> bool:
    """False for a term that looks at the prediction alone."""
    return probe.takes_target and probe.declared.get('is_full_reference') is not False


def _short(value: float) -> str:
    """Two digits, without an exponent where that is short."""
    return f'{value:.2g}' if abs(value) < 100 or abs(value) >= 1e5 else f'{value:.0f}'


def _no_gradient(probe: Probe) -> Finding | None:
    if any(reading.gradient != 0 for curve in probe.curves.values() for reading in curve.readings):
        return None
    return Finding('no gradient', 'the prediction has no influence: the value does not depend on it through torch')


def _nan_at_identity(probe: Probe) -> Finding | None:
    broken = [key for key, reading in probe.identity.items() if not reading.is_finite]
    if not broken:
        return None
    return Finding(
        'NaN at identity',
        f'not finite where prediction and target are equal ({", ".join(broken)}): such pixels occur in every run, and '
        'one of them spoils all weights. Put an epsilon inside the root, the logarithm or the quotient',
    )


def _non_finite(probe: Probe) -> Finding | None:
    broken = [pair for pair in probe.extremes.non_finite if len(set(pair.split(' on '))) == 2]
    broken += [key for key, reading in probe.extremes.readings.items() if not reading.is_finite]
    curves = [key for key, curve in probe.curves.items() if not all(reading.is_finite for reading in curve.readings)]
    if not broken and not curves:
        return None
    where = [*(f'{key} curve' for key in curves), *broken]
    more = f' and {len(where) - 4} more' if len(where) > 4 else ''
    return Finding(
        'non-finite at extremes', f'value or gradient is not finite: {", ".join(where[:4])}{more}. Predictions go there'
    )


def _opposite(probe: Probe) -> Finding | None:
    if not probe.opposite.is_finite:
        return Finding(
            'non-finite when anti-correlated',
            'not finite where the prediction is the negative of the target: a power of a negative similarity. Early '
            'predictions can be that wrong',
        )
    if probe.takes_target and probe.opposite.gradient < 1e-6 * probe.typical_gradient:
        return Finding(
            'dead when anti-correlated',
            'no gradient where the prediction is the negative of the target, so it cannot leave there',
        )
    return None


def _not_minimal(probe: Probe) -> Finding | None:
    start = probe.identity['picture'].value
    readings = [reading for curve in probe.curves.values() for reading in curve.readings]
    lowest = min([reading.value for reading in readings if reading.is_finite] + [probe.opposite.value], default=start)
    drop = max(probe.descent, start - lowest)
    if not drop > 1e-3 * probe.typical_rise or drop < 1e-7:
        return None
    if not _compares(probe):
        text = 'it looks at the prediction alone, and pulls right ones away too: give it a small weight that ends at 0'
        return Finding('minimum not at the target', text, is_fault=False)
    return Finding(
        'minimum not at the target',
        f'the value at the target is {start:.3g}, and {start - drop:.3g} nearby: it pulls right predictions away, with '
        f'{probe.identity["picture"].gradient:.2g} L1s',
    )


def _dead_at_grey(probe: Probe) -> Finding | None:
    grey = probe.grey
    if not _compares(probe) and not probe.declared.get('dead_at_gray'):
        return None
    # Only a term that notices lost colour, and acts while there is some, can be accused of giving up.
    if not grey.rise > 1e-2 * probe.typical_rise or not grey.halfway > 1e-3 * probe.typical_gradient:
        return None
    if grey.gradient < 1e-2 * grey.halfway:
        return Finding(
            'dead at grey',
            f'a prediction without colour costs {grey.rise:.2g}, but is not pulled back: the gradient there is '
            f'{grey.gradient:.1g} L1s ({_short(grey.halfway)} with half the colour). Put ChromaLoss beside it',
            is_fault=not probe.declared.get('dead_at_gray', False),
        )
    if grey.alignment < -0.05:
        return Finding(
            'pushes grey away',
            f'its step at a grey prediction leads away from the missing colour (cosine {grey.alignment:.2f})',
        )
    return None


def _dead_outside(probe: Probe) -> Finding | None:
    if probe.outside is None or probe.outside > 1e-3:
        return None
    return Finding('dead out of range', 'no gradient for predictions above 1: it clamps them, and they stay there')


def _exploding(probe: Probe) -> Finding | None:
    if not probe.typical_gradient or probe.extremes.peak < 3e3 * probe.typical_gradient:
        return None
    return Finding(
        'explodes',
        f'a single pixel pulls with {_short(probe.extremes.peak)} L1s ({probe.extremes.peak_at}), where '
        f'{_short(probe.typical_gradient)} are usual: a quotient or root without epsilon',
    )


def _precision(probe: Probe) -> Finding | None:
    if probe.half_precision:
        return Finding(
            'wrong under autocast',
            f'it computes in half precision by itself ({", ".join(probe.half_precision)}), with three digits at best; '
            'the objective cannot prevent that',
        )
    for key, error in probe.precision.items():
        alone = key.endswith('on its own')
        # Nothing that is not finite compares, NaN included; those have a name of their own.
        if error.value > 0.01 or error.gradient > 0.05:
            advice = (
                'Call it through the objective, which switches autocast off'
                if alone
                else 'Keep matrix products, convolutions and casts out of it'
            )
            return Finding(
                'wrong under autocast',
                f'{key}: value off by {error.value:.1%}, gradient by {error.gradient:.0%}. {advice}',
                is_fault=not alone,
            )
    return None


def _channels(probe: Probe) -> Finding | None:
    for key, costs in probe.channels.items():
        is_blind = max(costs) < 1e-3 * probe.typical_rise
        if is_blind or min(costs) < 0 or max(costs) < 4 * min(costs) or _follows_luma(costs):
            continue
        return Finding(
            'asymmetric channels',
            f'0.05 more in R, G, B costs {", ".join(f"{cost:.2g}" for cost in costs)} ({key}): channels are mixed up',
        )
    return None


def _follows_luma(costs: tuple[float, float, float]) -> bool:
    shares = [cost / sum(costs) for cost in costs]
    return any(all(abs(share - weight) < 0.05 for share, weight in zip(shares, row)) for row in LUMA_WEIGHTS)


def _patch_size(probe: Probe) -> Finding | None:
    ratio = probe.patch_size.gradient
    if not ratio > 0 or 1 / 1.7 < ratio < 1.7:
        return None
    return Finding(
        'patch-size-dependent scale',
        f'gradient times {ratio:.2g}, value times {probe.patch_size.value:.2g} from 64 to 128 pixels: a weight holds '
        'for one size of patch alone. Divide by the number of values (a Fourier transform: `norm="ortho"`)',
    )


def _scale(probe: Probe) -> Finding | None:
    typical = probe.typical_gradient
    if not typical > 0 or 0.02 < typical < 40:
        return None
    return Finding(
        'off scale',
        f'weight 1 pulls with {_short(typical)} L1s: begin with a weight near {_short(0.25 / typical)}',
        is_fault=False,
    )
