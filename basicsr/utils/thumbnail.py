"""Small copies of pictures, for pages and sheets. Pictures are (H, W, 3) arrays; the order of channels is kept."""

import numpy as np

from basicsr.utils.misc import import_cv2


def reduce(img: np.ndarray, max_side: int) -> np.ndarray:
    """Return a copy whose longer side has at most so many pixels, by averaging areas; a small image itself."""
    cv2 = import_cv2()
    height, width = img.shape[:2]
    scale = max_side / max(height, width)
    if scale >= 1:
        return img
    return cv2.resize(img, (max(1, round(width * scale)), max(1, round(height * scale))), interpolation=cv2.INTER_AREA)


def encode_jpeg(img: np.ndarray, quality: int) -> bytes:
    """Return a picture, uint8 BGR, as a JPEG."""
    cv2 = import_cv2()
    return cv2.imencode('.jpg', img, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
