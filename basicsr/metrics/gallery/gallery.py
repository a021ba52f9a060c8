"""Keeps the worst images of a validation, and writes them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import torch

from basicsr.metrics.best import Better
from basicsr.metrics.color_fidelity import BETTER
from basicsr.metrics.gallery.page import write_page
from basicsr.metrics.gallery.store import Entry, finite, remove_others, save_entry
from basicsr.metrics.gallery.strip import SIDE, describe, draw_strip
from basicsr.metrics.gallery.worst import Leaders, badness, is_named, rank_key, row_name, worst_names
from basicsr.metrics.scores import Scores, short_names
from basicsr.utils.dist_util import get_dist_info, values_of_ranks
from basicsr.utils.errors import suggest
from basicsr.utils.img_util import tensor2img
from basicsr.utils.logger import get_root_logger
from basicsr.utils.misc import import_cv2
from basicsr.utils.thumbnail import reduce

# Width of the pictures for TensorBoard, whose encoding as PNG takes most of the time.
_TENSORBOARD_WIDTH = 640


@dataclass(frozen=True)
class _Candidate:
    """An image that may be shown: reduced pictures, `lq`, `result` and perhaps `gt`, (H, W, 3) uint8, RGB."""

    path: str
    scores: dict[str, float]
    pictures: dict[str, np.ndarray]


class Gallery:
    """The worst images of one set at one validation, and those that are named.

    Every process offers the images that it validated; all of them call `write`.

    Args:
        options: `worst`, how many; `metric`, by which; `images`, names of images to show always: the name of the file,
            with or without ending, or the end of its path. None: no gallery, every method does nothing.
        better: which value of each metric is the better one; by default that of the colour fidelity.
    """

    def __init__(self, options: Mapping[str, Any] | None, better: Mapping[str, Better | None] | None = None) -> None:
        self.is_on = options is not None
        options = options or {}
        self.metric: str = options.get('metric', 'de00_mean')
        self.better = {**BETTER, **(better or {})}.get(self.metric)
        self.images: list[str] = list(options.get('images') or [])
        self.worst: int = options.get('worst', 4)
        # Images without scores compete in a list of their own: of a set without targets, the first are shown.
        self._worst, self._first = Leaders(self.worst), Leaders(self.worst)
        self._named: dict[str, _Candidate] = {}

    def offer(self, path: str, scores: Mapping[str, float], visuals: Mapping[str, torch.Tensor]) -> None:
        """Keep a reduced copy of an image, if it is among the worst so far, or named.

        Args:
            path: of the input.
            scores: of this image; none for a set without targets.
            visuals: `lq`, `result`, and `gt` if there is a target, (1, C, H, W) RGB in [0, 1].
        """
        if not self.is_on:
            return
        leaders, bad = self._first, 0.0
        if 'gt' in visuals:
            leaders, bad = self._worst, badness(scores.get(self.metric, math.nan), self.better)
        key = rank_key(bad, PurePath(path).stem, path)
        wants, named = not math.isnan(bad) and leaders.wants(key), is_named(path, self.images)
        if not wants and not named:
            return

        pictures = {name: _copy(visuals[name]) for name in ('lq', 'result', 'gt') if name in visuals}
        candidate = _Candidate(path, dict(scores), pictures)
        if wants:
            leaders.add(key, candidate)
        if named:
            self._named[path] = candidate

    def write(
        self, folder: str | Path, dataset_name: str, current_iter: int | str, scores: Scores, tb_logger: Any
    ) -> None:
        """Write the strips of the images that are the worst of the whole set, and the page of the run.

        Args:
            folder: of all validations of the run: the page is `<folder>/gallery.html`.
            scores: of the whole set, the same in all processes.

        Raises:
            UserError: a file cannot be written.
        """
        if not self.is_on:
            return
        folder, names = Path(folder), self._names(scores)
        places, entries = self._places(scores, names), []
        for path, candidate in self._held().items():
            place = places.get(names[path])
            if place is not None or path in self._named:
                origin = (names[path], path, dataset_name, current_iter)
                entries.append(Entry(*origin, place, self.metric, self.better, finite(candidate.scores)))
                save_entry(folder, entries[-1], _draw(candidate, entries[-1]))

        written = [entry for part in values_of_ranks(entries) for entry in part]
        if get_dist_info()[0] == 0:
            self._warn(dataset_name, scores)
            remove_others(folder, dataset_name, current_iter, [entry.image for entry in written])
            write_page(folder, self.images)
            _log(written, tb_logger)

    def _names(self, scores: Scores) -> dict[str, str]:
        """Return path -> what the table calls the image; without a table, of the images that any process kept."""
        if scores.rows:
            return {path: row_name(path, scores) for path in self._held()}
        paths = sorted({path for part in values_of_ranks(list(self._held())) for path in part})
        return {paths[index]: name for index, name in short_names(dict(enumerate(paths))).items()}

    def _places(self, scores: Scores, names: Mapping[str, str]) -> dict[str, int]:
        """Return which images of the whole set are the worst, from 1; the first ones of a set without scores."""
        if scores.rows:
            worst = worst_names(scores, self.metric, self.better, self.worst)
        else:
            keys = [key for part in values_of_ranks([key for key, _ in self._first.items]) for key in part]
            worst = [names[path] for _, _, path in sorted(keys)[: self.worst]]
        return {name: place for place, name in enumerate(worst, start=1)}

    def _held(self) -> dict[str, _Candidate]:
        """All images that this process kept, by their paths."""
        found = [candidate for leaders in (self._worst, self._first) for _, candidate in leaders.items]
        return {candidate.path: candidate for candidate in found} | self._named

    def _warn(self, dataset_name: str, scores: Scores) -> None:
        """Say why no image is the worst."""
        if not scores.rows or not self.worst or (self.metric in scores.metrics and self.better is not None):
            return
        if self.metric in scores.metrics:
            reason = 'neither high nor low values of it are bad'
        else:
            reason = f'it is not measured{suggest(self.metric, scores.metrics)}'
        get_root_logger().warning(
            f'{dataset_name}: val.gallery.metric: {self.metric}: {reason}; the gallery has no worst images'
        )


def _copy(image: torch.Tensor) -> np.ndarray:
    """A reduced copy, (H, W, 3) uint8, RGB. Other channels than three are shown as their mean; NaN as black."""
    image = image[0].detach().float().cpu().clamp(0, 1)
    if len(image) != 3:
        image = image.mean(0, keepdim=True).expand(3, -1, -1)
    small = reduce(image.permute(1, 2, 0).contiguous().numpy(), SIDE)
    return tensor2img([torch.from_numpy(small).permute(2, 0, 1).nan_to_num(0.0)], rgb2bgr=False)


def _draw(candidate: _Candidate, entry: Entry) -> np.ndarray:
    """Draw the strip, RGB, and note in the entry where its panels are."""
    title = f'{entry.image}    {entry.dataset}, iteration {entry.iteration}'
    if entry.place and entry.scores:
        title += f', no. {entry.place} of the worst'
    strip, entry.panels = draw_strip(candidate.pictures, title, describe(entry.scores, entry.metric))
    return strip


def _log(entries: list[Entry], tb_logger: Any) -> None:
    """Show the strips in TensorBoard."""
    if tb_logger is None:
        return
    cv2 = import_cv2()
    for entry in entries:
        if not entry.jpeg.is_file():  # it lies on the disk of another machine
            continue
        strip = cv2.imdecode(np.frombuffer(entry.jpeg.read_bytes(), np.uint8), cv2.IMREAD_COLOR_RGB)
        small = reduce(strip, _TENSORBOARD_WIDTH)
        step = entry.iteration if isinstance(entry.iteration, int) else 0
        tb_logger.add_image(f'gallery/{entry.dataset}/{entry.image}', small, step, dataformats='HWC')
