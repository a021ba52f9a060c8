"""The images that a variant improved and worsened most, beside what the baseline made of them."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

from basicsr.ablation.report.metric_names import name_of, quantity
from basicsr.ablation.report.results import SetResults, gains_of_images
from basicsr.ablation.run_data import RunData
from basicsr.ablation.run_set import RunSet
from basicsr.metrics.gallery.maps import DELTA_E_SCALE, delta_e_map
from basicsr.metrics.gallery.store import Entry, load_entries
from basicsr.utils.errors import UserError
from basicsr.utils.html_page import image_tag
from basicsr.utils.img_util import read_image
from basicsr.utils.misc import import_cv2
from basicsr.utils.thumbnail import encode_jpeg, reduce

# By the first of these that was measured: what people see, before what is measured most.
RANKED_BY = ('de00_mean', 'psnr')
# Of each set and variant; with pictures, if those of one of so many that are first in line were kept.
NUM_GAINED = NUM_LOST = 2
NUM_IN_LINE = 10
MAX_BYTES = 7_000_000
_SIDE, _QUALITY = 300, 84
_SHOWN_SCORES = ('de00_mean', 'psnr', 'sat_ratio_60')
_ENDINGS = ('.png', '.jpg', '.jpeg', '.tif', '.tiff', '.webp', '.bmp', '.exr')


@dataclass(frozen=True)
class Strip:
    """One image: pictures by their captions, RGB order as OpenCV has it, and what is said of it."""

    image: str
    text: str
    pictures: Mapping[str, np.ndarray]


class Strips:
    """Makes the strips of a report, as long as they fit into a page.

    Args:
        notes: gets a line when pictures are missing or left out.
    """

    def __init__(self, runs: RunSet, notes: list[str], max_bytes: int = MAX_BYTES) -> None:
        self.runs, self.notes, self.room = runs, notes, max_bytes
        self.without: set[str] = set()
        self.left_out = 0
        self._entries = functools.cache(lambda folder: load_entries(folder / 'val', []))

    def of(self, part: SetResults, variant: str) -> str:
        """Return the images of a set that gained and lost most, as HTML; '' if none can be ranked."""
        metric = ranking_metric(part)
        gains = gains_of_images(part, self.runs.baseline, variant, metric) if metric else {}
        if not gains:
            return ''
        ordered = sorted(gains, key=lambda image: (-gains[image], image))
        gained = [image for image in ordered[:NUM_IN_LINE] if gains[image] > 0]
        lost = [image for image in ordered[::-1][:NUM_IN_LINE] if gains[image] < 0]
        figures = []
        for images, count, word in ((gained, NUM_GAINED, 'gained'), (lost, NUM_LOST, 'lost')):
            for image in self._chosen(part, variant, images, count, metric):
                place = images.index(image) + 1
                words = f'{word} most' if place == 1 else f'no. {place} of those that {word} most'
                figures.append(self._figure(part, variant, image, words, metric))
        return ''.join(figures)

    def _chosen(self, part: SetResults, variant: str, images: Sequence[str], count: int, metric: str) -> list[str]:
        """The first images in line, those before others whose pictures were kept."""
        seed = part.results[metric, variant].paired_seeds[0]
        runs = [self.runs.of(name)[seed] for name in (self.runs.baseline, variant)]
        kept = [image for image in images if all(self._source(run, part, image) for run in runs)]
        self.without |= {f'{part.dataset}/{image}' for image in images[:count] if image not in kept}
        chosen = [*kept, *(image for image in images if image not in kept)][:count]
        return sorted(chosen, key=images.index)

    def finish(self) -> None:
        """Note what could not be shown."""
        if self.without:
            self.notes.append(
                f'{len(self.without)} images that gained or lost most have no pictures: train with '
                'val.save_img: true to keep those of every image, or name them in val.gallery.images'
            )
        if self.left_out:
            self.notes.append(f'{self.left_out} strips are left out, to keep this page small')

    def _figure(self, part: SetResults, variant: str, image: str, word: str, metric: str) -> str:
        seed = part.results[metric, variant].paired_seeds[0]
        runs = {name: self.runs.of(name)[seed] for name in (self.runs.baseline, variant)}
        outputs = {name: self._output(run, part, image) for name, run in runs.items()}
        text = self._text(part, variant, image, seed)
        head = f'<h4>{escape(image)} <span class="small">{word}; {escape(text)}</span></h4>'
        if any(picture is None for picture in outputs.values()):
            return f'<div class="strip">{head}<p class="small">no pictures of this image were kept</p></div>'
        content = _figures(self._pictures(part, image, outputs, runs.values()), image)
        if len(content) > self.room:
            self.left_out += 1
            return f'<div class="strip">{head}</div>'
        self.room -= len(content)
        return f'<div class="strip" data-image="{escape(image)}">{head}<div class="row">{content}</div></div>'

    def _text(self, part: SetResults, variant: str, image: str, seed: int) -> str:
        """The scores of both, in the mean over their seeds."""
        said = []
        for metric in (m for m in _SHOWN_SCORES if m in part.better):
            seeds = part.results[metric, variant].paired_seeds
            pair = [
                np.mean([part.tables[name][s].rows[image].get(metric, np.nan) for s in seeds])
                for name in (self.runs.baseline, variant)
            ]
            if np.isfinite(pair).all():
                said.append(f'{name_of(metric).label} {" → ".join(quantity(metric, float(value)) for value in pair)}')
        return f'{", ".join(said)}, mean of {len(seeds)} seeds; pictures of seed {seed}'

    def _output(self, run: RunData, part: SetResults, image: str) -> np.ndarray | None:
        """Return what a run made of an image: from its gallery, or as it was saved."""
        source = self._source(run, part, image)
        return panel(source, 'output') if isinstance(source, Entry) else _read(source) if source else None

    def _source(self, run: RunData, part: SetResults, image: str) -> Entry | Path | None:
        for entry in self._entries(run.folder):
            if (entry.dataset, entry.iteration, entry.image) == (part.dataset, part.iteration, image):
                return entry
        saved = run.folder / 'visualization' / part.dataset / image / f'{image}_{part.iteration}.png'
        return saved if saved.is_file() else None

    def _pictures(
        self, part: SetResults, image: str, outputs: Mapping[str, np.ndarray], runs: Sequence[RunData]
    ) -> dict[str, np.ndarray]:
        """Return all pictures of a strip, small, by their captions."""
        found = {key: self._given(part, image, key, runs) for key in ('input', 'target')}
        pictures = {key: picture for key, picture in found.items() if picture is not None}
        pictures |= outputs
        small = {caption: reduce(picture, _SIDE) for caption, picture in pictures.items()}
        if 'target' in small:
            for name in outputs:
                small[f'error of {name} (yellow: ΔE {DELTA_E_SCALE:g})'] = _error_map(small[name], small['target'])
        return small

    def _given(self, part: SetResults, image: str, key: str, runs: Sequence[RunData]) -> np.ndarray | None:
        """Return the input or target of an image: from any gallery, or from the folders of the set."""
        for run in runs:
            for entry in self._entries(run.folder):
                if (entry.dataset, entry.image) == (part.dataset, image) and key in entry.panels:
                    return panel(entry, key)
        for run in runs:
            options = (run.options.get('datasets') or {}).get(part.dataset) or {}
            root = options.get('dataroot_gt' if key == 'target' else 'dataroot_lq')
            for folder in _places(root, run.folder) if isinstance(root, str) else ():
                for ending in _ENDINGS:
                    if (picture := _read(folder / f'{image}{ending}')) is not None:
                        return picture
        return None


def ranking_metric(part: SetResults) -> str | None:
    """Return the metric by which images are ranked; None if no metric has a better side."""
    candidates = [*RANKED_BY, *part.better]
    return next((metric for metric in candidates if part.better.get(metric) is not None), None)


def panel(entry: Entry, key: str) -> np.ndarray:
    """Cut a picture out of the strip of a gallery."""
    left, top, width, height = entry.panels[key]
    return read_image(entry.png)[top : top + height, left : left + width]


def _places(root: str, run: Path) -> list[Path]:
    """Where a folder of the options may be: paths are relative to the folder that holds `experiments`, or to here."""
    above = [folder.parent for folder in run.resolve().parents if folder.name == 'experiments']
    return [Path(root), *(folder / root for folder in above)]


def _read(path: Path) -> np.ndarray | None:
    try:
        return _to_8_bits(read_image(path)) if path.is_file() else None
    except (UserError, OSError):
        return None


def _to_8_bits(img: np.ndarray) -> np.ndarray:
    if img.dtype == np.uint8:
        return img
    scale = 255 / np.iinfo(img.dtype).max if img.dtype.kind == 'u' else 255
    return np.clip(np.rint(img * np.float32(scale)), 0, 255).astype(np.uint8)


def _error_map(picture: np.ndarray, target: np.ndarray) -> np.ndarray:
    """CIEDE2000 of two small pictures, BGR."""
    if picture.shape != target.shape:
        cv2 = import_cv2()
        target = cv2.resize(target, picture.shape[1::-1], interpolation=cv2.INTER_AREA)
    rgb = [np.ascontiguousarray(img[..., ::-1]) for img in (picture, target)]
    return np.ascontiguousarray(delta_e_map(*rgb)[..., ::-1])


def _figures(pictures: Mapping[str, np.ndarray], image: str) -> str:
    return ''.join(
        f'<figure>{image_tag(encode_jpeg(picture, _QUALITY), f"{image}, {caption}")}'
        f'<figcaption>{escape(caption)}</figcaption></figure>'
        for caption, picture in pictures.items()
    )
