"""What a gallery is on disk: for each image and iteration a strip as PNG, a smaller one as JPEG, and a JSON.

They lie in `<folder>/<set>/gallery/`, beside the tables `<folder>/<set>/<iteration>.csv`; pages are made from them.
"""

import functools
import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from basicsr.metrics.best import Better
from basicsr.metrics.scores import Scores
from basicsr.utils.atomic import write_atomic
from basicsr.utils.errors import DataError
from basicsr.utils.img_util import imwrite
from basicsr.utils.misc import import_cv2
from basicsr.utils.thumbnail import encode_jpeg, reduce

GALLERY = 'gallery'
# Longer side of the smaller strips, which pages show, in pixels.
PAGE_SIDE = 1200
_LONGEST_NAME = 80


@dataclass
class Entry:
    """What is known of one image at one iteration.

    Attributes:
        image: name of the image in the tables.
        path: of the input, as the dataset gave it.
        place: 1 for the worst of its set, 2 for the next; None for an image that is there because it was named.
        metric, better: by which it is the worst.
        scores: of the whole image, at its full size; no entry for NaN.
        panels: left, top, width, height of the pictures in the PNG.
        file: the JSON.
    """

    image: str
    path: str
    dataset: str
    iteration: int | str
    place: int | None
    metric: str
    better: Better | None
    scores: dict[str, float] = field(default_factory=dict)
    panels: dict[str, tuple[int, int, int, int]] = field(default_factory=dict)
    file: Path | None = None

    @property
    def jpeg(self) -> Path:
        """The smaller strip."""
        return self.file.with_suffix('.jpg')

    @property
    def png(self) -> Path:
        """The strip."""
        return self.file.with_suffix('.png')


def safe_name(name: str) -> str:
    """Return a name that every file system takes: what had to change ends with a hash, so that no two become one."""
    safe = re.sub(r'[^\w.-]+', '_', name, flags=re.ASCII).strip('.')
    if safe == name and len(name) <= _LONGEST_NAME:
        return name
    return f'{safe[-_LONGEST_NAME:].strip("_.")}-{hashlib.sha256(name.encode()).hexdigest()[:8]}'.lstrip('-')


def save_entry(folder: Path, entry: Entry, strip: np.ndarray) -> None:
    """Write the strip, RGB, and what is known of it; the JSON last, so that it stands for a complete entry.

    Raises:
        UserError: a file cannot be written.
    """
    cv2 = import_cv2()
    entry.file = folder / entry.dataset / GALLERY / f'{safe_name(str(entry.iteration))}_{safe_name(entry.image)}.json'
    bgr = np.ascontiguousarray(strip[..., ::-1])
    imwrite(bgr, entry.png, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    write_atomic(entry.jpeg, encode_jpeg(reduce(bgr, PAGE_SIDE), 85))
    known = {name: value for name, value in asdict(entry).items() if name != 'file'}
    write_atomic(entry.file, json.dumps(known, indent=1, ensure_ascii=False) + '\n')


def load_entries(folder: Path, notes: list[str]) -> list[Entry]:
    """Return the entries of all sets in a folder, sets by name, iterations in order, then as they rank.

    Args:
        notes: gets a line for every file that cannot be used.
    """
    entries = []
    for file in sorted(folder.glob(f'*/{GALLERY}/*.json')):
        try:
            entry = Entry(**json.loads(file.read_text(encoding='utf-8')), file=file)
        except (OSError, ValueError, TypeError):
            notes.append(f'{file} is left out: it is not what a validation wrote')
            continue
        if not (entry.jpeg.is_file() and entry.png.is_file()):
            notes.append(f'{file} is left out: the pictures beside it are missing')
            continue
        entries.append(entry)
    return sorted(entries, key=lambda e: (e.dataset, iteration_key(e.iteration), e.place or math.inf, e.image))


def load_tables(folder: Path, notes: list[str]) -> dict[str, dict[int | str, Scores]]:
    """Return set -> iteration -> its table of scores, iterations in order."""
    return _tables(folder, notes, Scores.load)


def _tables(folder: Path, notes: list[str], load: Callable[[Path], Any]) -> dict[str, dict[int | str, Any]]:
    tables: dict[str, dict[int | str, Any]] = {}
    for file in folder.glob('*/*.csv'):
        iteration = int(file.stem) if file.stem.isdecimal() else file.stem
        try:
            tables.setdefault(file.parent.name, {})[iteration] = load(file)
        except DataError as error:
            notes.append(f'left out: {error}')
    return {
        name: dict(sorted(tables[name].items(), key=lambda pair: iteration_key(pair[0]))) for name in sorted(tables)
    }


@dataclass(frozen=True)
class Means:
    """What a table says of all images together."""

    means: dict[str, float]
    count: int


def load_means(folder: Path, notes: list[str]) -> dict[str, dict[int | str, Means]]:
    """Return set -> iteration -> what its table says; a file that did not change is read once in a process."""
    return _tables(folder, notes, _means_of)


def _means_of(file: Path) -> Means:
    stat = file.stat()
    return _read_means(file, stat.st_mtime_ns, stat.st_size)


@functools.lru_cache(4096)
def _read_means(file: Path, mtime_ns: int, size: int) -> Means:
    scores = Scores.load(file)
    return Means(scores.means(), len(scores))


def remove_others(folder: Path, dataset: str, iteration: int | str, kept: Iterable[str]) -> None:
    """Remove what an earlier run of the same iteration left of other images."""
    names = {f'{safe_name(str(iteration))}_{safe_name(image)}' for image in kept}
    for file in (folder / dataset / GALLERY).glob(f'{safe_name(str(iteration))}_*'):
        if file.stem not in names:
            file.unlink(missing_ok=True)


def iteration_key(iteration: int | str) -> tuple[bool, int, str]:
    """Sort numbers before names."""
    return (False, iteration, '') if isinstance(iteration, int) else (True, 0, str(iteration))


def finite(scores: Mapping[str, float]) -> dict[str, float]:
    """Return the scores that are numbers."""
    return {name: value for name, value in scores.items() if math.isfinite(value)}
