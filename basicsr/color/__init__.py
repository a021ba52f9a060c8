"""The only home of colour formulas: images are (..., 3, H, W) tensors of R, G, B in [0, 1]."""

from basicsr.color.delta_e import delta_e_76, delta_e_2000, hue_difference
from basicsr.color.hsv import is_saturated, rgb_to_hsv, round_chroma, saturation
from basicsr.color.lab import lab_to_lch, lab_to_rgb, lch_to_lab, rgb_to_lab
from basicsr.color.oklab import rgb_to_oklab
from basicsr.color.rgb import linear_to_srgb, srgb_to_linear
from basicsr.color.ycbcr import chroma_uv, luma, rgb_to_ycbcr

__all__ = [
    'chroma_uv',
    'delta_e_76',
    'delta_e_2000',
    'hue_difference',
    'is_saturated',
    'lab_to_lch',
    'lab_to_rgb',
    'lch_to_lab',
    'linear_to_srgb',
    'luma',
    'rgb_to_hsv',
    'rgb_to_lab',
    'rgb_to_oklab',
    'rgb_to_ycbcr',
    'round_chroma',
    'saturation',
    'srgb_to_linear',
]
