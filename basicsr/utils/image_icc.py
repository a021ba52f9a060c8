"""ICC profiles: to sRGB and back at 8 bits, by LittleCMS in Pillow; `image_vips` does the same at 16 bits.

Relative colorimetric with black point compensation, as Adobe's programs do; for the profiles of cameras, displays and
editors, which are a matrix and curves, browsers come to the same colours.
"""

import functools
import io

import numpy as np

from basicsr.utils.image_util import Unreadable

_SPACES = {'RGB ': 'RGB', 'GRAY': 'grey', 'CMYK': 'CMYK', 'Lab ': 'Lab'}
_MODES = {'RGB': 'RGB', 'grey': 'L', 'CMYK': 'CMYK', 'Lab': 'LAB'}


def profile_name(profile: bytes) -> str | None:
    """Return the description in a profile, None if it is damaged."""
    parsed = _parse(profile)
    return parsed and (parsed.profile.profile_description or '').strip()


def profile_space(profile: bytes) -> str | None:
    """Return `RGB`, `grey`, `CMYK` or `Lab`, None if the profile is damaged or of another kind."""
    parsed = _parse(profile)
    return parsed and _SPACES.get(parsed.profile.xcolor_space)


@functools.lru_cache(maxsize=64)
def differs_from_srgb(profile: bytes) -> bool:
    """True if some colour of 8 bits moves by more than one code on the way to sRGB.

    Raises:
        Unreadable: LittleCMS cannot use the profile.
    """
    space = profile_space(profile)
    if space not in ('RGB', 'grey'):
        return True
    chart = _chart(space)
    moved = to_srgb_8bit(chart, profile).astype(int) - (chart if space == 'RGB' else chart[..., None])
    return int(np.abs(moved).max()) > 1


@functools.lru_cache(maxsize=64)
def is_linear_srgb(profile: bytes) -> bool:
    """True if the profile is sRGB without its curve, so that floating-point values are linear light."""
    import torch

    from basicsr.color.rgb import linear_to_srgb

    space = profile_space(profile)
    if space not in ('RGB', 'grey'):
        return False
    chart = _chart(space)
    expected = linear_to_srgb(torch.from_numpy(chart / 255)).numpy() * 255
    moved = to_srgb_8bit(chart, profile) - (expected if space == 'RGB' else expected[..., None])
    return float(np.abs(moved).max()) < 2


def to_srgb_8bit(pixels: np.ndarray, profile: bytes | None) -> np.ndarray:
    """Convert uint8 RGB, CMYK, Lab or grey of the space of `profile` (None: Lab itself) to (H, W, 3) RGB.

    Raises:
        Unreadable: LittleCMS cannot use the profile.
    """
    return _apply_8bit(pixels, _transform(profile, True))


def from_srgb_8bit(pixels: np.ndarray, profile: bytes) -> np.ndarray:
    """Convert uint8 (H, W, 3) RGB of sRGB to the space of `profile`: (H, W, 3), or (H, W) for a grey one."""
    return _apply_8bit(pixels, _transform(profile, False))


def _parse(profile: bytes):
    from PIL import ImageCms

    try:
        return ImageCms.ImageCmsProfile(io.BytesIO(profile))
    except (OSError, ValueError, TypeError):
        return None


@functools.lru_cache(maxsize=64)
def _transform(profile: bytes | None, to_srgb: bool):
    from PIL import ImageCms

    srgb = ImageCms.createProfile('sRGB')
    try:
        parsed = ImageCms.createProfile('LAB') if profile is None else ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = 'LAB' if profile is None else _MODES[_SPACES[parsed.profile.xcolor_space]]
        ends = (parsed, srgb, mode, 'RGB') if to_srgb else (srgb, parsed, 'RGB', mode)
        return ImageCms.buildTransform(
            *ends,
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION | ImageCms.Flags.HIGHRESPRECALC,
        )
    except (ImageCms.PyCMSError, OSError, ValueError, KeyError) as error:
        raise Unreadable(f'its ICC profile cannot be used ({error})') from None


def _apply_8bit(pixels: np.ndarray, transform) -> np.ndarray:
    from PIL import Image, ImageCms

    img = Image.fromarray(np.ascontiguousarray(pixels))
    if img.mode != transform.input_mode:  # an array of four or three channels does not tell that it is CMYK or Lab
        img = Image.frombytes(transform.input_mode, img.size, img.tobytes())
    return np.array(ImageCms.applyTransform(img, transform))


def _chart(space: str) -> np.ndarray:
    """Return colours that cover the space: all greys, and for RGB a grid of 9 x 9 x 9."""
    ramp = np.arange(256, dtype=np.uint8)
    if space == 'grey':
        return ramp[None]
    steps = np.linspace(0, 255, 9).round().astype(np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3)
    return np.concatenate([np.stack([ramp] * 3, axis=-1), grid])[None]
