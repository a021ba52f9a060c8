"""The colour of daylight against colour-science and the published chromaticities of the CIE illuminants."""

import colour
import numpy as np
import pytest

from basicsr.color.daylight import daylight_gains

# The published matrices of sRGB have four decimals; these follow from its primaries.
SRGB = colour.RGB_COLOURSPACES['sRGB'].copy()
SRGB.use_derived_transformation_matrices(True)


@pytest.mark.parametrize('kelvin', [4000, 5003, 6000, 6999, 7001, 9300, 25000])
def test_colour_science(kelvin):
    rgb, d65 = (
        colour.XYZ_to_RGB(colour.xy_to_XYZ(colour.temperature.CCT_to_xy_CIE_D(temperature)), SRGB)
        for temperature in (kelvin, 6504)
    )
    rgb /= d65
    gains = np.array(daylight_gains(kelvin))
    assert gains / gains[1] == pytest.approx(rgb / rgb[1], abs=1e-6)


# CIE 15:2004, table 11.3: x, y of D50, D55 and D75, whose temperatures are 5003, 5503 and 7504 K.
@pytest.mark.parametrize('kelvin, x, y', [(5003, 0.34567, 0.35850), (5503, 0.33242, 0.34743), (7504, 0.29902, 0.31485)])
def test_illuminants_of_the_cie(kelvin, x, y):
    xyz = colour.RGB_to_XYZ(daylight_gains(kelvin), SRGB)
    assert xyz[:2] / xyz.sum() == pytest.approx([x, y], abs=1e-4)
    assert xyz[1] == pytest.approx(1, abs=1e-9)


def test_d65_changes_nothing_and_lower_is_warmer():
    assert daylight_gains(6504) == pytest.approx((1, 1, 1), abs=1e-12)
    (red, _, blue), (red_cool, _, blue_cool) = daylight_gains(5000), daylight_gains(9000)
    assert red > 1 > blue and red_cool < 1 < blue_cool


@pytest.mark.parametrize('kelvin', [3999, 25001, float('nan')])
def test_outside_the_locus(kelvin):
    with pytest.raises(ValueError, match='4000 to 25000 K'):
        daylight_gains(kelvin)
