"""Draws pairs of pictures with captions on one sheet."""

import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from PIL import Image, ImageDraw
from preview_samples import Pair

from basicsr.utils.caption import BACKGROUND, BRIGHT, DIM, font, shortened
from basicsr.utils.errors import UserError

MARGIN, GAP, BETWEEN = 28, 26, 3
TEXT, LINE, TITLE = 13, 18, 17
# Width over height that a screen shows well.
ASPECT = 1.5


def draw_sheet(pairs: Sequence[Pair], title: str, side: int) -> Image.Image:
    """Return a sheet of the pairs, in rows from left to right.

    Args:
        side: of the square that each picture is fitted into.
    """
    width = 2 * side + BETWEEN
    captions = [_caption(pair, width) for pair in pairs]
    columns = _columns(len(pairs), width, side + LINE * (1 + max(map(len, captions))))
    rows = [range(first, min(first + columns, len(pairs))) for first in range(0, len(pairs), columns)]
    heights = [side + 8 + LINE * max(len(captions[i]) for i in row) for row in rows]

    top = MARGIN + TITLE + GAP
    size = 2 * MARGIN + columns * (width + GAP) - GAP, top + sum(heights) + GAP * (len(rows) - 1) + MARGIN
    sheet = Image.new('RGB', size, BACKGROUND)
    pen = ImageDraw.Draw(sheet)
    pen.text((MARGIN, MARGIN - 6), shortened(title, size[0] - 2 * MARGIN, TITLE), BRIGHT, font(TITLE))
    for row, height in zip(rows, heights):
        for column, i in enumerate(row):
            left = MARGIN + column * (width + GAP)
            _paste(sheet, pairs[i].before, left, top, side)
            _paste(sheet, pairs[i].after, left + side + BETWEEN, top, side)
            for number, line in enumerate(captions[i]):
                place = left, top + side + 8 + LINE * number
                pen.text(place, line, DIM if number else BRIGHT, font(TEXT))
        top += height + GAP
    return sheet


def save(sheet: Image.Image, path: Path) -> None:
    """Write a PNG; it appears whole or not at all."""
    partial = path.with_name(f'.{path.name}.{os.getpid()}.partial')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(partial, format='PNG')
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise UserError(f'{path}: cannot write the sheet: {error.strerror}') from None


def _columns(count: int, width: int, height: int) -> int:
    """The number of columns that brings the sheet nearest to its aspect; of equals, that with the fuller last row."""

    def badness(columns: int) -> tuple[float, int]:
        rows = math.ceil(count / columns)
        return abs(math.log(columns * (width + GAP) / (rows * (height + GAP)) / ASPECT)), rows * columns - count

    return min(range(1, count + 1), key=badness)


def _caption(pair: Pair, width: int) -> list[str]:
    """The position and name of a pair, and what was drawn, in lines."""
    lines = [shortened(f'{pair.k}   {pair.name}', width, TEXT)]
    for part in filter(None, pair.draws.split(', ')):
        longer = f'{lines[-1]}, {part}'
        if len(lines) > 1 and font(TEXT).getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(shortened(part, width, TEXT))
    return lines


def _paste(sheet: Image.Image, picture: np.ndarray, left: int, top: int, side: int) -> None:
    """Fit a picture into a square; enlarged pixels stay squares, so that nothing is seen that is not there."""
    factor = side / max(picture.shape[:2])
    height, width = (max(round(length * factor), 1) for length in picture.shape[:2])
    method = Image.Resampling.NEAREST if factor > 1 else Image.Resampling.LANCZOS
    image = Image.fromarray(np.ascontiguousarray(picture)).resize((width, height), method)
    sheet.paste(image, (left + (side - width) // 2, top + (side - height) // 2))
