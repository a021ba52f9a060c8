"""The maps and the plane against scikit-image and matplotlib, on colours changed by known amounts."""

import matplotlib
import numpy as np
import pytest
import skimage.color

from basicsr.metrics.gallery.maps import delta_e_legend, delta_e_map, saturation_legend, saturation_map
from basicsr.metrics.gallery.scatter import ab_scatter
from basicsr.metrics.gallery.strip import SIDE, describe, draw_strip


def noise(seed, size=(30, 40)):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def plain(color, size=(30, 40)):
    return np.full((*size, 3), color, np.uint8)


def test_delta_e_map_is_scikit_images_delta_e_in_the_colours_of_the_legend():
    target = noise(0)
    result = (target + np.random.default_rng(1).normal(0, 12, target.shape)).clip(0, 255).astype(np.uint8)
    expected = skimage.color.deltaE_ciede2000(skimage.color.rgb2lab(result), skimage.color.rgb2lab(target))
    assert expected.min() < 5 and expected.max() > 15
    places = expected / 20 * 255
    colors = delta_e_legend().colors
    found = delta_e_map(result, target)
    near = [np.floor(places), np.ceil(places)]
    matches = [(found == colors[place.clip(0, 255).astype(int)]).all(-1) for place in near]
    assert (matches[0] | matches[1]).all()


def test_delta_e_map_of_equal_and_of_opposite_images():
    colors = delta_e_legend().colors
    assert (delta_e_map(noise(0), noise(0)) == colors[0]).all()
    assert (delta_e_map(plain(0), plain(255)) == colors[255]).all()


def test_delta_e_scale_is_inferno_and_its_numbers_stand_where_they_belong():
    expected = matplotlib.colormaps['inferno'](np.arange(256), bytes=True)[:, :3]
    assert np.abs(delta_e_legend().colors.astype(int) - expected).max() <= 3
    assert delta_e_legend().ticks == ((0, '0'), (0.25, '5'), (0.5, '10'), (0.75, '15'), (1, '20+'))


@pytest.mark.parametrize('ratio, place', [(0, 0), (0.25, 32), (0.5, 64), (1, 128), (1.5, 191), (4, 255)])
def test_saturation_map_has_the_colour_of_the_ratio(ratio, place):
    # Values of 200 with saturations of (200 - least) / 200: the target has 0.4, or 0.2 where more is to be had.
    wanted = 0.4 if ratio <= 2 else 0.24
    target = plain((200, round(200 * (1 - wanted)), 200))
    result = plain((200, round(200 * (1 - wanted * ratio)), 200))
    assert (saturation_map(result, target) == saturation_legend().colors[place]).all()


def test_saturation_map_is_grey_where_the_target_has_no_colour_or_no_light():
    pale, dark, vivid = (200, 200, 155), (20, 5, 5), (200, 60, 60)
    target = np.concatenate([plain(pale), plain(dark), plain(vivid)])
    found = saturation_map(np.full_like(target, 99), target)
    greys = found[:60]
    assert (greys == greys[..., :1]).all() and greys.max() <= 110
    assert (found[:30].mean() > found[30:60].mean() + 20) and (found[60:] == saturation_legend().colors[0]).all()


def test_ratio_scale_is_even_to_the_eye():
    lab = skimage.color.rgb2lab(saturation_legend().colors[None])[0]
    red, white, blue = lab[0], np.array([97, 0, 0]), lab[-1]
    assert red[1] > 60 and blue[2] < -50  # lost, exaggerated
    share = np.abs(np.linspace(-1, 1, 256))[:, None]
    end = np.where(np.arange(256)[:, None] < 128, red, blue)
    # Within what 8 bits can hold, equal steps on straight lines in L*a*b*.
    assert np.abs(lab - (white + share * (end - white))).max() < 1


def test_rings_lie_at_the_target_and_dots_at_the_output():
    target, result = plain((40, 90, 170)), plain((110, 105, 110))
    plot = ab_scatter(result, target, 400).astype(int)
    reach, half, edge = 60, 399 / 2, 16  # C* of the target is 50
    for rgb, is_dot in (((40, 90, 170), False), ((110, 105, 110), True)):
        _, a, b = skimage.color.rgb2lab(np.array(rgb, np.uint8)[None, None])[0, 0]
        x, y = (round(half + sign * value / reach * (half - edge)) for sign, value in ((1, a), (-1, b)))
        patch = plot[y - 6 : y + 7, x - 6 : x + 7]
        assert np.ptp(plot, axis=2).max() > 5  # the dot has its colour
        if is_dot:
            expected = skimage.color.lab2rgb(np.array([65, a, b])[None, None])[0, 0] * 255
            assert np.abs(plot[y, x] - expected).max() < 3
        else:
            assert plot[y, x].max() < 80 and patch.min(2).max() > 120  # empty inside, a ring around


def test_plane_keeps_its_scale_whatever_the_output_is():
    target = plain((40, 90, 170))
    vivid, grey = (ab_scatter(plain(color), target, 400) for color in ((255, 0, 0), (128, 128, 128)))
    # The ring lies at a* 10, b* -48; so does the label of the scale, at the lower right.
    for part in (slice(310, 360), slice(200, 260)), (slice(325, 350), slice(325, 380)):
        assert np.ptp(vivid[part].max(2).astype(int)) > 80
        assert (vivid[part] == grey[part]).all()
    assert (vivid != grey).any()


def test_strip_holds_its_panels_where_it_says():
    pictures = {'lq': noise(0, (360, SIDE)), 'result': noise(1, (360, SIDE)), 'gt': noise(2, (360, SIDE))}
    strip, boxes = draw_strip(pictures, 'name', 'caption')
    panels = {key: strip[top : top + h, left : left + w] for key, (left, top, w, h) in boxes.items()}
    assert list(panels) == ['input', 'output', 'target', 'delta_e', 'saturation', 'ab']
    for key, name in (('input', 'lq'), ('output', 'result'), ('target', 'gt')):
        assert (panels[key] == pictures[name]).all()
    assert (panels['delta_e'] == delta_e_map(pictures['result'], pictures['gt'])).all()
    assert (panels['saturation'] == saturation_map(pictures['result'], pictures['gt'])).all()
    # Below the maps, the scales from one end to the other.
    for key, legend in (('delta_e', delta_e_legend()), ('saturation', saturation_legend())):
        left, top, width, height = boxes[key]
        bar = strip[top + height + 8, left : left + width]
        assert (bar[[0, -1]] == legend.colors[[0, -1]]).all()


@pytest.mark.parametrize('size', [(8, 12), (400, 90), (60, SIDE), (1, 1)])
def test_strip_of_odd_sizes(size):
    lq, gt = noise(0, (max(size[0] // 2, 1), max(size[1] // 2, 1))), noise(1, size)
    strip, boxes = draw_strip({'lq': lq, 'result': gt, 'gt': gt}, 'a very long name ' * 12, 'c' * 200)
    for left, top, width, height in boxes.values():
        assert left >= 0 and left + width <= strip.shape[1] and top >= 0 and top + height <= strip.shape[0]
    left, top, width, height = boxes['output']
    # Enlarged by whole pixels.
    assert width % size[1] == 0 and width / size[1] == height / size[0]
    assert (strip[top : top + height : height // size[0], left : left + width : width // size[1]] == gt).all()


def test_strip_without_target():
    strip, boxes = draw_strip({'lq': noise(0), 'result': noise(1)}, 'name', '')
    assert list(boxes) == ['input', 'output'] and strip.shape[0] < 400


def test_caption():
    scores = {'psnr': 31.234, 'de00_mean': 4.56, 'de00_p95': 11.12, 'sat_ratio_60': 0.768, 'hue_shift_60': float('nan')}
    said = 'delta E 2000 mean 4.6, p95 11.1, saturation of saturated pixels x0.77'
    assert describe(scores) == describe(scores, 'de00_mean') == said
    assert describe(scores, 'psnr') == f'psnr 31.23, {said}'
