"""Images of known colours for the tests of the gallery, and a reader of its pages."""

from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import torch

from basicsr.color import luma
from basicsr.metrics.color_fidelity import color_fidelity
from basicsr.metrics.gallery import Gallery
from basicsr.metrics.scores import Scores, short_names

BLUE_WALL, GREY_WALL = (40, 90, 170), (150, 150, 150)


def wall(color=BLUE_WALL, size=(48, 64)) -> torch.Tensor:
    """A grey picture whose right half has a colour, (1, 3, H, W)."""
    img = np.full((*size, 3), GREY_WALL, np.uint8)
    img[:, size[1] // 2 :] = color
    return torch.from_numpy(img).permute(2, 0, 1)[None].float() / 255


def desaturated(image: torch.Tensor, keep: float) -> torch.Tensor:
    grey = luma(image)[:, None]
    return grey + keep * (image - grey)


def offer_walls(gallery: Gallery, keeps: dict[str, float], whole: Scores | None = None) -> Scores:
    """Offer an image for each path, with so much of its colour left; return the table of scores."""
    rows = {}
    for path, keep in keeps.items():
        target = wall()
        result = desaturated(target, keep)
        rows[path] = color_fidelity(result, target)
        gallery.offer(path, rows[path], {'lq': target * 0.5, 'result': result, 'gt': target})
    names = short_names(dict(enumerate(rows)))
    return whole or Scores({names[index]: row for index, row in enumerate(rows.values())})


def write_run(folder: Path, keeps: dict[int, dict[str, float]], dataset: str = 'val_color', **options) -> Path:
    """Write the gallery of a run: iteration -> path -> share of its colour that is left. Returns the folder `val`."""
    for iteration, of_images in keeps.items():
        gallery = Gallery({'worst': 2, 'metric': 'de00_mean', 'images': []} | options)
        table = offer_walls(gallery, of_images)
        table.save(folder / 'val' / dataset / f'{iteration}.csv')
        gallery.write(folder / 'val', dataset, iteration, table, None)
    return folder / 'val'


class Page(HTMLParser):
    """What a page holds.

    Attributes:
        tags: (tag, attributes) of all elements.
        text: all text outside of script and style.
        open: elements that were not closed.
    """

    _VOID = {'meta', 'img', 'input'}

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.text, self.open = '', []
        self.feed(path.read_text(encoding='utf-8'))

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self._VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] not in (['script'], ['style']):
            self.text += data

    def all(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.tags if name == tag]

    def external(self) -> list[str]:
        """Everything that a browser would fetch, or go to."""
        found = [a[key] for _, a in self.tags for key in ('src', 'href', 'srcset', 'data', 'action') if key in a]
        return [address for address in found if not address.startswith('data:image/jpeg;base64,')]
