"""The small pictures of a pair, encoded for the page."""

import numpy as np

from basicsr.data.audit.edges import textured_tiles
from basicsr.data.audit.pixels import as_bytes, grey_bytes, resize
from basicsr.utils.misc import import_cv2
from basicsr.utils.thumbnail import encode_jpeg, reduce

SIDE = 200
# CIEDE2000 of the brightest colour in a difference picture.
FULL_SCALE = 20.0

_STRIP_SIDE = 88


def pictures_of_pair(lq: np.ndarray | None, gt: np.ndarray | None, left: np.ndarray | None) -> dict[str, bytes]:
    """Return JPEGs of at most 200 pixels by name.

    `lq` and `gt`, `difference` (CIEDE2000 from 0, black, to 20, yellow), `detail` (a piece at full resolution: input in
    red over target in cyan, grey where they agree), and `strip`, input and target side by side for a table.

    Args:
        lq, gt: reduced copies, (H, W, 3) BGR integers; None for what could not be read.
        left: CIEDE2000 after the global correction, (h, w); None where it was not measured.
    """
    cv2 = import_cv2()
    small = {key: as_bytes(reduce(img, SIDE)) for key, img in (('lq', lq), ('gt', gt)) if img is not None}
    pictures = {key: encode_jpeg(img, 80) for key, img in small.items()}
    if left is not None:
        shades = (left / FULL_SCALE * 255).clip(0, 255).astype(np.uint8)
        pictures['difference'] = encode_jpeg(cv2.applyColorMap(shades, cv2.COLORMAP_INFERNO), 80)
    if small:
        sides = [reduce(img, _STRIP_SIDE) for img in small.values()]
        height = max(img.shape[0] for img in sides)
        sides = [
            cv2.copyMakeBorder(img, 0, height - len(img), 0, 2, cv2.BORDER_CONSTANT, value=(255,) * 3) for img in sides
        ]
        pictures['strip'] = encode_jpeg(np.hstack(sides), 72)
    return pictures


def detail(lq: np.ndarray, gt: np.ndarray) -> bytes:
    """Return the piece with most texture as a JPEG: input in red, target in cyan, both of equal contrast.

    Args:
        lq, gt: (H, W, 3) BGR integers, whole images; the input is brought to the target's size.
    """
    cv2 = import_cv2()
    grey = grey_bytes(gt)
    (left, top), *_ = textured_tiles(grey, SIDE, 1)
    bottom, right = min(top + SIDE, gt.shape[0]), min(left + SIDE, gt.shape[1])
    top, left = max(0, bottom - SIDE), max(0, right - SIDE)
    if lq.shape == gt.shape:
        lq_piece = grey_bytes(lq[top:bottom, left:right])
    else:
        lq_piece = grey_bytes(resize(lq, gt.shape[1::-1]))[top:bottom, left:right]
    cyan, red = (_even(piece) for piece in (grey[top:bottom, left:right], lq_piece))
    return encode_jpeg(cv2.merge([cyan, cyan, red]), 85)


def _even(grey: np.ndarray) -> np.ndarray:
    """Grey values of mean 128 and standard deviation 50."""
    values = grey.astype(np.float32)
    return ((values - values.mean()) / max(float(values.std()), 1.0) * 50 + 128).clip(0, 255).astype(np.uint8)
