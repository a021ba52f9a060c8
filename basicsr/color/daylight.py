"""The colour of daylight: what a white surface looks like when the light is not the one a picture was balanced for."""

import numpy as np

from basicsr.color.lab import SRGB_TO_XYZ

# Where the formula of the daylight locus holds, in kelvin (CIE 15:2004, section 3.1).
MIN_KELVIN, MAX_KELVIN = 4000.0, 25000.0
# The temperature of D65, the white of sRGB: 6500 K, moved by the later change of Planck's constant c2 (section 3.1).
D65_KELVIN = 6504.0


def daylight_gains(kelvin: float) -> tuple[float, float, float]:
    """Linear R, G, B of a white surface in daylight of a colour temperature in [4000, 25000] kelvin; luminance 1.

    6504 K gives 1, 1, 1; below it the light is warmer, above it cooler. As factors of the channels they are the scaling
    of von Kries, in the primaries of sRGB.

    Raises:
        ValueError: the temperature lies outside the daylight locus.
    """
    rgb = _linear_rgb(kelvin) / _linear_rgb(D65_KELVIN)
    luminance = sum(weight * value for weight, value in zip(SRGB_TO_XYZ[1], rgb))
    red, green, blue = (float(value) for value in rgb / luminance)
    return red, green, blue


def _linear_rgb(kelvin: float) -> np.ndarray:
    """Linear sRGB of a point of the daylight locus, with Y = 1."""
    x, y = _chromaticity(kelvin)
    return np.linalg.solve(np.array(SRGB_TO_XYZ), np.array([x / y, 1.0, (1 - x - y) / y]))


def _chromaticity(kelvin: float) -> tuple[float, float]:
    """CIE x, y of the daylight locus."""
    if not MIN_KELVIN <= kelvin <= MAX_KELVIN:
        raise ValueError(f'a colour temperature of daylight is {MIN_KELVIN:g} to {MAX_KELVIN:g} K, not {kelvin:g}')
    # CIE 15:2004, equations 3.2 to 3.4.
    if kelvin <= 7000:
        x = -4.6070e9 / kelvin**3 + 2.9678e6 / kelvin**2 + 0.09911e3 / kelvin + 0.244063
    else:
        x = -2.0064e9 / kelvin**3 + 1.9018e6 / kelvin**2 + 0.24748e3 / kelvin + 0.237040
    return x, -3.000 * x**2 + 2.870 * x - 0.275
