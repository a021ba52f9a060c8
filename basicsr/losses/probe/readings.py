"""What is measured of a loss. Every gradient is in units of L1Loss.

N times dL/dp, for N values p, is +-1 everywhere for L1Loss; its root mean square is "how many L1s" a term pulls with at
the network's output. Terms are measured at weight 1.
"""

from dataclasses import dataclass, field

import torch

from basicsr.losses.probe.pictures import Change


@dataclass(frozen=True)
class Reading:
    """Value of a loss, and its gradient in L1s: root mean square, and largest of all pixels and channels."""

    value: float
    gradient: float
    peak: float

    @property
    def is_finite(self) -> bool:
        """False when the value or any part of the gradient is NaN or infinite."""
        return all(torch.tensor([self.value, self.gradient, self.peak]).isfinite().tolist())


@dataclass(frozen=True)
class Curve:
    """Readings along one change, in the order of `change.amounts`."""

    change: Change
    readings: tuple[Reading, ...]

    @property
    def standard(self) -> Reading:
        """The reading at the standard amount."""
        return self.readings[self.change.amounts.index(self.change.standard)]


@dataclass(frozen=True)
class GreyCollapse:
    """What the loss does where the prediction has gone grey.

    Attributes:
        rise: value there minus the value at the target.
        gradient: in L1s, the part of it that tints.
        halfway: the same where the prediction has half its colour.
        alignment: cosine between the step that the loss asks for and the colour that is missing, in [-1, 1].
    """

    rise: float
    gradient: float
    halfway: float
    alignment: float


@dataclass(frozen=True)
class Extremes:
    """Flat black, white, grey, primaries and values slightly outside [0, 1].

    Attributes:
        readings: of a flat prediction, by its name, with the picture as target.
        non_finite: pairs of flat images, `red on grey` for prediction and target, without a finite gradient or value.
        peak: largest gradient of all pairs, in L1s.
        peak_at: the pair that has it.
    """

    readings: dict[str, Reading]
    non_finite: tuple[str, ...]
    peak: float
    peak_at: str


@dataclass(frozen=True)
class PatchSize:
    """How value and gradient of whole 128-pixel patches compare with the mean of their 64-pixel quarters: ratios."""

    value: float
    gradient: float


@dataclass(frozen=True)
class PrecisionError:
    """Relative errors of value and gradient against float32 on the same numbers."""

    value: float
    gradient: float


@dataclass(frozen=True)
class Cost:
    """Forward and backward of one batch.

    Attributes:
        seconds: median.
        kept_bytes: what the forward pass keeps for the backward pass, the two images left out.
    """

    seconds: float
    kept_bytes: int


@dataclass(frozen=True)
class Probe:
    """All measurements of one loss.

    Attributes:
        takes_target: False for a term that looks at the prediction alone.
        identity: readings where prediction and target are equal, by the name of the picture.
        curves: by the name of the change.
        channels: cost of +0.05 in R, G or B alone, by `areas` (a tint) and `grain` (fine texture).
        descent: how much the value falls below that of the target on a short way along the gradient; 0 at a minimum.
        outside: gradient of a prediction above 1, over that of the same one within [0, 1]; None for a blind term.
        opposite: reading where the prediction is the negative of the target.
        precision: by what was in half precision.
        half_precision: operations that give half precision from float32 images.
        declared: the class attributes that state what a term is for, where it has them.
    """

    name: str
    takes_target: bool
    identity: dict[str, Reading]
    curves: dict[str, Curve]
    channels: dict[str, tuple[float, float, float]]
    grey: GreyCollapse
    extremes: Extremes
    descent: float
    outside: float | None
    opposite: Reading
    patch_size: PatchSize
    precision: dict[str, PrecisionError]
    half_precision: tuple[str, ...] = ()
    cost: Cost | None = None
    declared: dict[str, bool] = field(default_factory=dict)

    @property
    def typical_rise(self) -> float:
        """Median rise of the value over the standard amounts of the changes that it sees at all."""
        rises = [curve.standard.value - self.identity['picture'].value for curve in self.curves.values()]
        seen = [rise for rise in rises if rise > 0]
        return torch.tensor(seen).median().item() if seen else 0.0

    @property
    def typical_gradient(self) -> float:
        """Median gradient over the standard amounts, in L1s."""
        return torch.tensor([curve.standard.gradient for curve in self.curves.values()]).nanmedian().item()
