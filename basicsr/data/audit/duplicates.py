"""Which images show the same picture: equal files, equal pixels, near duplicates (resized, recompressed, brighter)."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from basicsr.utils.errors import UserError
from basicsr.utils.img_util import read_image
from basicsr.utils.misc import import_cv2

# Of the 64 bits of the hash. Unrelated photographs differ in 32 of them on average; a copy that was recompressed,
# resized or made brighter in a few. The correlation below turns away those that come this near by chance.
MAX_DISTANCE = 14
MIN_CORRELATION = 0.88
THUMBNAIL_SIDE = 32

_HASH_SIDE = 8
_BLOCK = 2048
# A thumbnail with less contrast than this (of 255) shows nothing that could be compared.
_MIN_CONTRAST = 2.0


@dataclass(frozen=True)
class Fingerprint:
    """What is kept of an image to find it again.

    `bits` is the perceptual hash, (64,) bool. `thumbnail` is (1024,) float32 of mean 0 and length 1: the product of two
    is their correlation; all zeros for an image without contrast.
    """

    file_digest: str
    pixel_digest: str
    bits: np.ndarray
    thumbnail: np.ndarray


def perceptual_hash(img: np.ndarray) -> np.ndarray:
    """Return the 64 bits of imagehash's `phash` of an image, (64,) bool: signs of its lowest frequencies.

    Args:
        img: (H, W, 3) BGR; integers, or float in [0, 1].

    Raises:
        UserError: imagehash is not installed.
    """
    try:
        import imagehash
    except ImportError:
        raise UserError('looking for near duplicates needs imagehash: pip install imagehash') from None
    from PIL import Image

    return imagehash.phash(Image.fromarray(_grey_bytes(img)), hash_size=_HASH_SIDE).hash.ravel()


def thumbnail(img: np.ndarray) -> np.ndarray:
    """Return 32x32 grey values of mean 0 and length 1, (1024,) float32; zeros for an image without contrast."""
    cv2 = import_cv2()
    small = cv2.resize(_grey_bytes(img), (THUMBNAIL_SIDE, THUMBNAIL_SIDE), interpolation=cv2.INTER_AREA)
    values = small.astype(np.float32).ravel()
    values -= values.mean()
    if values.std() < _MIN_CONTRAST:
        return np.zeros_like(values)
    return values / np.linalg.norm(values)


def fingerprint(img: np.ndarray, content: bytes, reduced: np.ndarray | None = None) -> Fingerprint:
    """Return the fingerprint of an image.

    Args:
        img: (H, W, 3) BGR, as `read_image` gives it.
        content: the bytes of its file.
        reduced: a smaller copy of `img`, which saves time.
    """
    small = img if reduced is None else reduced
    return Fingerprint(_digest(content), pixel_digest(img), perceptual_hash(small), thumbnail(small))


def fingerprint_file(path: str) -> Fingerprint:
    """Return the fingerprint of a file.

    Raises:
        DataError: the file cannot be read.
        UserError: imagehash is not installed.
    """
    img = read_image(path)
    return fingerprint(img, Path(path).read_bytes())


def find_clusters(
    paths: Sequence[str], max_distance: int = MAX_DISTANCE, min_correlation: float = MIN_CORRELATION
) -> list[list[int]]:
    """Return groups of images that show the same picture, each a sorted list of indices into `paths`.

    Images without a duplicate are in none of them.

    Args:
        max_distance: bits out of 64 by which the perceptual hashes of near duplicates differ at most; -1 looks for
            equal files and pixels alone.
        min_correlation: of the 32x32 thumbnails of near duplicates.

    Raises:
        DataError: a file cannot be read.
        UserError: imagehash is not installed.
    """
    return cluster_fingerprints([fingerprint_file(path) for path in paths], max_distance, min_correlation)


def cluster_fingerprints(
    prints: Sequence[Fingerprint], max_distance: int = MAX_DISTANCE, min_correlation: float = MIN_CORRELATION
) -> list[list[int]]:
    """As `find_clusters`, of fingerprints."""
    links = exact_links(prints)
    if max_distance >= 0:
        links += near_links(prints, max_distance, min_correlation)
    return connected(len(prints), links)


def exact_links(prints: Sequence[Fingerprint]) -> list[tuple[int, int]]:
    """Return (first, other) for all images whose files or pixels are equal to those of an earlier one."""
    first: dict[str, int] = {}
    links = []
    for index, one in enumerate(prints):
        for digest in (one.file_digest, one.pixel_digest):
            earlier = first.setdefault(digest, index)
            if earlier != index:
                links.append((earlier, index))
    return sorted(set(links))


def near_links(
    prints: Sequence[Fingerprint], max_distance: int = MAX_DISTANCE, min_correlation: float = MIN_CORRELATION
) -> list[tuple[int, int]]:
    """Return the pairs of images whose hashes are near and whose thumbnails correlate."""
    if not prints:
        return []
    bits = np.stack([one.bits for one in prints])
    signs = np.where(bits, 1, -1).astype(np.float32)
    thumbnails = np.stack([one.thumbnail for one in prints])
    links = []
    for start in range(0, len(prints), _BLOCK):
        # The product of two vectors of signs is 64 less twice the number of bits that differ.
        distance = (signs.shape[1] - signs[start : start + _BLOCK] @ signs.T) / 2
        rows, columns = np.nonzero(distance <= max_distance)
        for row, column in zip(rows + start, columns):
            if row < column and float(thumbnails[row] @ thumbnails[column]) >= min_correlation:
                links.append((int(row), int(column)))
    return links


def connected(count: int, links: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Return the groups of two or more among `count` items that links hold together (union-find)."""
    parent = list(range(count))

    def root(item: int) -> int:
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    for one, other in links:
        low, high = sorted((root(one), root(other)))
        parent[high] = low
    groups: dict[int, list[int]] = {}
    for item in range(count):
        groups.setdefault(root(item), []).append(item)
    return [group for group in groups.values() if len(group) > 1]


def pixel_digest(img: np.ndarray) -> str:
    """Return a digest of the pixels, their type and the size of the image."""
    return _digest(f'{img.shape} {img.dtype}'.encode(), np.ascontiguousarray(img))


def _digest(*parts: bytes | np.ndarray) -> str:
    digest = hashlib.sha1(usedforsecurity=False)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _grey_bytes(img: np.ndarray) -> np.ndarray:
    """(H, W, 3) BGR -> (H, W) uint8."""
    cv2 = import_cv2()
    if img.dtype == np.uint16:
        img = (img >> 8).astype(np.uint8)
    elif img.dtype != np.uint8:
        img = (np.nan_to_num(img).clip(0, 1) * 255).round().astype(np.uint8)
    return cv2.cvtColor(img, cv2.COLOR_BGR2GRAY)
