"""How strongly a JPEG file was compressed."""

import functools
from collections.abc import Sequence

import numpy as np

# ITU-T T.81 (JPEG), Annex K, tables K.1 (luminance) and K.2 (chrominance), row by row.
_LUMINANCE = [
    [16, 11, 10, 16, 24, 40, 51, 61],
    [12, 12, 14, 19, 26, 58, 60, 55],
    [14, 13, 16, 24, 40, 57, 69, 56],
    [14, 17, 22, 29, 51, 87, 80, 62],
    [18, 22, 37, 56, 68, 109, 103, 77],
    [24, 35, 55, 64, 81, 104, 113, 92],
    [49, 64, 78, 87, 103, 121, 120, 101],
    [72, 92, 95, 98, 112, 100, 103, 99],
]
_CHROMINANCE = [
    [17, 18, 24, 47, 99, 99, 99, 99],
    [18, 21, 26, 66, 99, 99, 99, 99],
    [24, 26, 56, 99, 99, 99, 99, 99],
    [47, 66, 99, 99, 99, 99, 99, 99],
] + [[99] * 8] * 4
_SUBSAMPLINGS = {
    (1, 1): '4:4:4',
    (2, 1): '4:2:2',
    (2, 2): '4:2:0',
    (4, 1): '4:1:1',
    (1, 2): '4:4:0',
    (4, 2): '4:1:0',
}


def estimate_quality(tables: Sequence[Sequence[int]]) -> int | None:
    """Return the quality, 1 to 100, at which the IJG's encoder writes tables nearest to these.

    Args:
        tables: of 64 divisors in any order; luminance first.
    """
    if not tables:
        return None
    expected = _tables_by_quality()[:, : len(tables)]
    # The order in which a library gives the divisors is not the same in all its versions: compare them sorted.
    actual = np.sort(np.array(tables[:2], np.int64), axis=1)
    distances = np.abs(expected[:, : len(actual)] - actual).sum(axis=(1, 2))
    return int(distances.argmin()) + 1


def chroma_subsampling(layers: Sequence[tuple[int, int, int, int]]) -> str | None:
    """Return `4:2:0` and the like, None for grey; `layers` are (id, horizontal factor, vertical factor, table)."""
    if len(layers) != 3:
        return None
    factors = [layer[1:3] for layer in layers]
    (h, v), chroma = factors[0], factors[1]
    if factors[1] != factors[2] or h % chroma[0] or v % chroma[1]:
        return 'other'
    return _SUBSAMPLINGS.get((h // chroma[0], v // chroma[1]), 'other')


@functools.cache
def _tables_by_quality() -> np.ndarray:
    """Return the sorted tables of the qualities 1 to 100, (100, 2, 64)."""
    standard = np.array([_LUMINANCE, _CHROMINANCE]).reshape(2, 64)
    quality = np.arange(1, 101)[:, None, None]
    scale = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)  # jcparam.c of the IJG, jpeg_quality_scaling
    return np.sort(np.clip((standard * scale + 50) // 100, 1, 255), axis=2)
