"""The place where BasicSR before 1.4 kept its YCbCr functions."""

from basicsr.utils.color_util import bgr2ycbcr, rgb2ycbcr, ycbcr2bgr, ycbcr2rgb

__all__ = ['bgr2ycbcr', 'rgb2ycbcr', 'ycbcr2bgr', 'ycbcr2rgb']
