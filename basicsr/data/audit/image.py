"""What is measured on one image: its file, clipping, contrast, and how much and which colour it has."""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from basicsr.color import lab_to_lch, rgb_to_lab, saturation
from basicsr.data.audit.duplicates import Fingerprint, fingerprint
from basicsr.data.audit.pixels import as_integers, thin_out, to_rgb
from basicsr.utils.errors import DataError
from basicsr.utils.image_file import read_picture
from basicsr.utils.image_header import parse_header
from basicsr.utils.thumbnail import reduce

NUM_HUES = 36
# A pixel with this chroma C*ab is a colour that people name; below it there are the tints of light.
MIN_CHROMA = 20.0
SATURATED = (60, 100)

_NUM_SAMPLES = 40_000
_BLACK, _WHITE = 2 / 255, 253 / 255


@dataclass(frozen=True)
class ImageReport:
    """One image: header, and pixels.

    Shares are of all pixels, in [0, 1]. `hues` is the share of pixels with C*ab above MIN_CHROMA in each of 36 sectors
    of the hue angle h_ab, the first around 0 degrees; `hue_chroma` their chroma, summed and divided by the number of
    all pixels. A pixel is clipped in the shadows if all of its channels are at most 2 of 255, in the highlights if one
    is at least 253. `profile` is the name of an ICC profile whose colours are not those of sRGB.
    """

    path: str
    width: int
    height: int
    bits: int
    format: str
    profile: str | None
    orientation: int
    jpeg_quality: int | None
    jpeg_subsampling: str | None
    is_grey: bool
    has_alpha: bool
    shadows: float
    highlights: float
    lightness: float
    contrast: float
    saturated_60: float
    saturated_100: float
    hues: np.ndarray
    hue_chroma: np.ndarray
    prints: Fingerprint

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.width, self.height


def measure_image(path: str, max_side: int = 1000) -> tuple[ImageReport, np.ndarray, np.ndarray]:
    """Read and measure an image. Returns the report, the image and a reduced copy, both (H, W, 3) BGR integers.

    Args:
        max_side: longer side of the reduced copy, in pixels.

    Raises:
        DataError: the file cannot be read.
    """
    content = _read_bytes(path)
    header, picture = parse_header(content, path), read_picture(content, path)
    img = as_integers(picture.pixels)
    reduced = reduce(img, max_side)
    report = ImageReport(
        path=path,
        width=img.shape[1],
        height=img.shape[0],
        bits=header.bits,
        format=header.format,
        profile=(header.profile_name or 'unnamed') if picture.icc_profile else None,
        orientation=header.orientation,
        jpeg_quality=header.jpeg_quality,
        jpeg_subsampling=header.jpeg_subsampling,
        is_grey=header.is_grey,
        has_alpha=header.has_alpha,
        prints=fingerprint(img, content, reduced),
        **measure_pixels(img),
    )
    return report, img, reduced


def _read_bytes(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise DataError(f'{path}: cannot read the picture: {error.strerror}') from None


def measure_pixels(img: np.ndarray) -> dict[str, float | np.ndarray]:
    """Return the fields of `ImageReport` from `shadows` to `hue_chroma`, of (H, W, 3) BGR integers."""
    rgb = to_rgb(thin_out(img, _NUM_SAMPLES))
    lab = rgb_to_lab(rgb)
    _, chroma, hue = (channel.numpy().ravel() for channel in lab_to_lch(lab))
    saturations = saturation(rgb)
    sector = np.floor(hue / (360 / NUM_HUES) + 0.5).astype(int) % NUM_HUES
    coloured = chroma >= MIN_CHROMA
    counts = np.bincount(sector[coloured], minlength=NUM_HUES)
    chromas = np.bincount(sector[coloured], chroma[coloured], NUM_HUES)
    return {
        'shadows': float((rgb.amax(0) <= _BLACK).float().mean()),
        'highlights': float((rgb.amax(0) >= _WHITE).float().mean()),
        'lightness': float(lab[0].mean()),
        'contrast': float(lab[0].std()),
        **{f'saturated_{step}': float((saturations >= step / 255).float().mean()) for step in SATURATED},
        'hues': (counts / chroma.size).astype(np.float32),
        'hue_chroma': (chromas / chroma.size).astype(np.float32),
    }


def plain_fields(report: ImageReport) -> dict[str, object]:
    """Return the fields that fit into a cell of a table."""
    plain = [field.name for field in fields(report) if field.name not in ('path', 'hues', 'hue_chroma', 'prints')]
    return {name: getattr(report, name) for name in plain}
