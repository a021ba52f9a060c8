"""Edges of grey pictures, which exposure and white balance leave alone, and how well two maps of them agree."""

import itertools
import math

import numpy as np

from basicsr.utils.misc import import_cv2

_TILE_STEPS = 8


def texture(grey: np.ndarray) -> float:
    """Return the mean gradient of a grey image, uint8, in grey values per pixel, after a blur that takes off noise."""
    return float(_gradient(grey, 1.5).mean())


def edges(grey: np.ndarray) -> np.ndarray:
    """Return the gradient's magnitude over its local mean, float32 in [0, 4], blurred: what exposure leaves alone."""
    cv2 = import_cv2()
    gradient = _gradient(grey, 1.0)
    sigma = max(4.0, max(grey.shape) / 32)
    # A quarter of the global mean keeps the noise of flat areas down.
    local = cv2.boxFilter(gradient, -1, (int(2 * sigma) | 1,) * 2) + 0.25 * gradient.mean() + 1e-6
    return cv2.GaussianBlur(np.minimum(gradient / local, 4), (0, 0), 1.0)


def _gradient(grey: np.ndarray, sigma: float) -> np.ndarray:
    cv2 = import_cv2()
    blurred = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), sigma)
    # Scharr's kernel has the gain 32.
    return cv2.magnitude(cv2.Scharr(blurred, -1, 1, 0), cv2.Scharr(blurred, -1, 0, 1)) / 32


def textured_tiles(grey: np.ndarray, side: int, grid: int) -> list[tuple[int, int]]:
    """Return (left, top) of the square with most texture in each of grid x grid parts of a grey image, uint8."""
    cv2 = import_cv2()
    height, width = grey.shape
    step = max(1, side // _TILE_STEPS)
    small = cv2.resize(grey, (max(1, width // step), max(1, height // step)), interpolation=cv2.INTER_AREA)
    amount = cv2.boxFilter(
        _gradient(small, 0.8), -1, (_TILE_STEPS,) * 2, anchor=(0, 0), borderType=cv2.BORDER_REPLICATE
    )
    rows, columns = (np.linspace(0, max(1, side - _TILE_STEPS + 1), grid + 1).astype(int) for side in amount.shape)
    tiles = []
    for top, bottom in itertools.pairwise(rows):
        for left, right in itertools.pairwise(columns):
            cell = amount[top:bottom, left:right]
            if cell.size:
                row, column = np.unravel_index(int(cell.argmax()), cell.shape)
                tiles.append((int(left + column) * step, int(top + row) * step))
    return tiles


def maximise(
    template: np.ndarray, img: np.ndarray, start: np.ndarray, can_turn: bool, steps: int, eps: float
) -> np.ndarray:
    """Return the motion (2, 3), target -> input, that maximises the correlation; `start` where the search fails."""
    cv2 = import_cv2()
    motion = cv2.MOTION_EUCLIDEAN if can_turn else cv2.MOTION_TRANSLATION
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, steps, eps)
    try:
        _, found = cv2.findTransformECC(template, img, start.copy(), motion, criteria, None, 3)
    except cv2.error:  # it did not converge: the images do not overlap, or have too little in common
        return start
    return found


def correlation(edges_gt: np.ndarray, edges_lq: np.ndarray, motion: np.ndarray) -> float:
    """Correlation of the target with the input laid over it, where both have content; -1 without enough overlap."""
    cv2 = import_cv2()
    size, flags = edges_gt.shape[::-1], cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(edges_lq, motion, size, flags=flags)
    inside = cv2.warpAffine(np.ones_like(edges_lq), motion, size, flags=flags) > 0.99
    if inside.mean() < 0.25:
        return -1.0
    a, b = edges_gt[inside], moved[inside]
    a, b = a - a.mean(), b - b.mean()
    return float((a @ b) / max(math.sqrt(float(a @ a) * float(b @ b)), 1e-12))
