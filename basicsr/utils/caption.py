"""Text that is drawn on pictures."""

import functools
from typing import Any

# Neutral and rather dark: a coloured or bright surround changes how pictures look.
BACKGROUND, BRIGHT, DIM = (46, 46, 46), (232, 232, 232), (168, 168, 168)


@functools.cache
def font(size: int) -> Any:
    """Return the typeface that comes with Pillow."""
    from PIL import ImageFont

    return ImageFont.load_default(size)


def shortened(text: str, width: int, size: int) -> str:
    """Cut out the middle of a text that is wider than `width` pixels: names differ at their ends."""
    keep = len(text)
    while keep > 4 and font(size).getlength(_without_middle(text, keep)) > width:
        keep -= 1
    return _without_middle(text, keep)


def _without_middle(text: str, keep: int) -> str:
    return text if keep >= len(text) else f'{text[: keep - keep // 2]}...{text[len(text) - keep // 2 :]}'
