"""How far the input of a pair is shifted and turned against its target, whatever its exposure and white balance.

What is compared are edges: the magnitude of the gradient, divided by its local mean. A shift of the whole frame is
found by phase correlation, shift and rotation on a reduced copy by maximising the correlation coefficient (G. D.
Evangelidis, E. Z. Psarakis, "Parametric Image Alignment Using Enhanced Correlation Coefficient Maximization", PAMI 30
(2008)), and the last tenths of a pixel on tiles at full resolution.
"""

import math
from dataclasses import dataclass

import numpy as np

from basicsr.data.audit.edges import correlation, edges, maximise, texture, textured_tiles
from basicsr.utils.misc import import_cv2

# Below this correlation of their edges two images have nothing in common. Measured on photographs of 256 to 3300
# pixels: different scenes stay below 0.26, pairs of one scene, with noise and strong changes of colour, are above 0.8.
RELATED = 0.35
# A mean gradient below this, in grey values of 255 per pixel, is noise and compression; there is nothing to align.
MIN_TEXTURE = 0.8

_COARSE_SIDE = 448
_TILE = 160
_GRID = 3
_MIN_TILES = 4
_TILE_CORRELATION = 0.4


@dataclass(frozen=True)
class Alignment:
    """Where the content of the input lies, seen from the target: right and down are positive, in pixels of the target.

    Attributes:
        dx, dy: at the centre of the image.
        rotation: in degrees, clockwise on the screen.
        spread: median distance of single tiles from that motion, in pixels: parallax, wind, lens corrections; NaN where
            no tiles were measured.
        correlation: of the edges after alignment, in [-1, 1].
        size: (width, height) of the target.
    """

    dx: float
    dy: float
    rotation: float
    spread: float
    correlation: float
    size: tuple[int, int]

    @property
    def pixels(self) -> float:
        """Root mean square of the displacement over the frame, in pixels of the target."""
        width, height = self.size
        turn = math.radians(self.rotation)
        return math.sqrt(self.dx**2 + self.dy**2 + turn**2 * (width**2 + height**2) / 12)

    def matrix(self) -> np.ndarray:
        """The motion as (2, 3): coordinates of the target -> of the input, scaled to the target's size."""
        return _about_centre(self.dx, self.dy, math.radians(self.rotation), self.size)


def align(lq: np.ndarray, gt: np.ndarray) -> Alignment | None:
    """Return how the input lies on the target; None where one of them has no texture.

    Args:
        lq, gt: (H, W) grey, uint8; of one scene, of whatever two sizes.
    """
    cv2 = import_cv2()
    height, width = gt.shape
    reduction = min(1.0, _COARSE_SIDE / max(gt.shape))
    size = (max(16, round(width * reduction)), max(16, round(height * reduction)))
    small_gt, small_lq = (cv2.resize(img, size, interpolation=cv2.INTER_AREA) for img in (gt, lq))
    if min(texture(small_gt), texture(small_lq)) < MIN_TEXTURE:
        return None

    edges_gt, edges_lq = edges(small_gt), edges(small_lq)
    motion, agreement = _coarse(edges_gt, edges_lq)
    sx, sy = width / size[0], height / size[1]
    dx, dy, angle = _at_centre(motion, size)
    dx, dy, spread = dx * sx, dy * sy, math.nan
    if agreement >= RELATED and reduction < 1:
        dx, dy, angle, spread = _refine(lq, gt, dx, dy, angle)
    return Alignment(dx, dy, math.degrees(angle), spread, agreement, (width, height))


def _coarse(edges_gt: np.ndarray, edges_lq: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the motion (2, 3) and the correlation of two maps of one size."""
    cv2 = import_cv2()
    window = cv2.createHanningWindow(edges_gt.shape[::-1], cv2.CV_32F)
    (dx, dy), _ = cv2.phaseCorrelate(edges_gt - edges_gt.mean(), edges_lq - edges_lq.mean(), window)
    starts = [np.array([[1, 0, x], [0, 1, y]], np.float32) for x, y in ((0, 0), (dx, dy))]
    # The better start; a false peak of the phase correlation is no start at all.
    found = max((correlation(edges_gt, edges_lq, start), index) for index, start in enumerate(starts))
    start = starts[found[1]]
    motion = maximise(edges_gt, edges_lq, start, True, 30, 5e-5)
    return motion, correlation(edges_gt, edges_lq, motion)


def _refine(lq: np.ndarray, gt: np.ndarray, dx: float, dy: float, angle: float) -> tuple[float, float, float, float]:
    """Return dx, dy, angle and spread, measured on tiles at full resolution; what came in where tiles tell nothing."""
    points, moves = [], []
    for left, top in textured_tiles(gt, _TILE, _GRID):
        tile = gt[top : top + _TILE, left : left + _TILE]
        move = _tile_move(lq, tile, left, top, gt.shape, (dx, dy, angle))
        if move is not None:
            points.append((left + tile.shape[1] / 2 - gt.shape[1] / 2, top + tile.shape[0] / 2 - gt.shape[0] / 2))
            moves.append(move)
    if len(moves) < _MIN_TILES:
        return dx, dy, angle, math.nan
    extra_x, extra_y, turn, spread = _fit_motion(np.array(points), np.array(moves))
    return dx + extra_x, dy + extra_y, angle + turn, spread


def _tile_move(
    lq: np.ndarray, tile: np.ndarray, left: int, top: int, shape: tuple[int, int], motion: tuple[float, float, float]
) -> tuple[float, float] | None:
    """Shift of the input on one tile of the target beyond the coarse motion, in pixels; None where it is uncertain."""
    cv2 = import_cv2()
    if texture(tile) < MIN_TEXTURE:
        return None
    height, width = shape
    # Tile -> target -> input at the target's size -> input: one interpolation.
    to_target = np.array([[1, 0, left], [0, 1, top], [0, 0, 1]], np.float64)
    moved = np.vstack([_about_centre(*motion, (width, height)), [0, 0, 1]])
    scale_x, scale_y = lq.shape[1] / width, lq.shape[0] / height
    to_input = np.array([[scale_x, 0, (scale_x - 1) / 2], [0, scale_y, (scale_y - 1) / 2]])
    found = to_input @ moved @ to_target
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    img = cv2.warpAffine(lq, found, tile.shape[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
    edges_gt, edges_lq = edges(tile), edges(img)
    start = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
    move = maximise(edges_gt, edges_lq, start, False, 12, 1e-4)
    if correlation(edges_gt, edges_lq, move) < _TILE_CORRELATION:
        return None
    return float(move[0, 2]), float(move[1, 2])


def _fit_motion(points: np.ndarray, moves: np.ndarray) -> tuple[float, float, float, float]:
    """Robust shift and small rotation of points about the origin, and the median distance that is left."""
    x, y = points.T
    zero, one = np.zeros_like(x), np.ones_like(x)
    # A small turn moves (x, y) by angle * (-y, x).
    system = np.concatenate([np.stack([one, zero, -y], 1), np.stack([zero, one, x], 1)])
    wanted = np.concatenate(moves.T)
    weights = np.ones(len(points))
    for _ in range(10):
        root = np.sqrt(np.tile(weights, 2))
        solution = np.linalg.lstsq(system * root[:, None], wanted * root, rcond=None)[0]
        distance = np.hypot(*(wanted - system @ solution).reshape(2, -1))
        weights = 1 / np.maximum(distance, 0.05)
    return (*map(float, solution), float(np.median(distance)))


def _about_centre(dx: float, dy: float, angle: float, size: tuple[int, int]) -> np.ndarray:
    """Rotation about the centre and shift, (2, 3)."""
    cos, sin = math.cos(angle), math.sin(angle)
    x, y = (size[0] - 1) / 2, (size[1] - 1) / 2
    return np.array([[cos, -sin, x - cos * x + sin * y + dx], [sin, cos, y - sin * x - cos * y + dy]])


def _at_centre(motion: np.ndarray, size: tuple[int, int]) -> tuple[float, float, float]:
    """dx, dy at the centre, and the angle, of a motion (2, 3)."""
    x, y = (size[0] - 1) / 2, (size[1] - 1) / 2
    moved = motion @ np.array([x, y, 1.0])
    return float(moved[0] - x), float(moved[1] - y), math.atan2(float(motion[1, 0]), float(motion[0, 0]))
