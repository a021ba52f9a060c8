"""Which pictures a command reads, and where each result goes."""

import dataclasses
import glob
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from basicsr.utils.errors import UserError

# What may be a picture, by its name: inside folders, files of other names are left out.
_PICTURE_ENDINGS = (
    '.avif .bmp .dng .exr .gif .hdr .heic .heif .jfif .jp2 .jpe .jpeg .jpg .mpo .pbm .pfm .pgm .png .pnm .ppm .tga .tif'
    ' .tiff .webp'
)
WRITABLE_ENDINGS = ('.jpg', '.jpeg', '.png', '.tif', '.tiff', '.webp')


@dataclasses.dataclass(frozen=True)
class Job:
    """One picture.

    Attributes:
        name: how messages and comparison strips call it: its path within the input folder.
    """

    source: Path
    target: Path
    name: str


def find_jobs(
    inputs: Sequence[str], folder: str | Path, suffix: str = '', ext: str | None = None, recursive: bool = False
) -> tuple[list[Job], list[str]]:
    """Pair every input picture with its output.

    Args:
        inputs: pictures, folders, and patterns such as `photos/*.jpg`.
        folder: where results go, under the names of their inputs; pictures of folders below keep that folder.
        suffix: put behind the name, before its ending.
        ext: ending of all results, such as `png`; by default that of each input.
        recursive: also the folders below the input folders.

    Returns:
        The jobs, sorted within each input, and the files in input folders that are no pictures by their names.

    Raises:
        UserError: there is no such input, no picture in it, two results would get one name, or a result would replace
            an input.
    """
    ending = None if ext is None else f'.{ext.lower().lstrip(".")}'
    if ending is not None and ending not in WRITABLE_ENDINGS:
        raise UserError(f'--ext {ext}: pictures are written as one of: {" ".join(WRITABLE_ENDINGS)}')
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise UserError(f'{folder}: is a file; give the folder for the results')

    sources, left_out = _sources(inputs, folder.resolve(), recursive)
    jobs = [Job(source, _target(folder / name, suffix, ending), name) for source, name in sources]
    _check_targets(jobs)
    return jobs, left_out


def _target(path: Path, suffix: str, ending: str | None) -> Path:
    return path.with_name(f'{path.stem}{suffix}{path.suffix if ending is None else ending}')


def _sources(inputs: Iterable[str], output: Path, recursive: bool) -> tuple[list[tuple[Path, str]], list[str]]:
    """Return each picture once with its name, and what was left out."""
    found: dict[Path, tuple[Path, str]] = {}
    left_out: list[str] = []
    for text in inputs:
        for path in _expand(text):
            if not path.is_dir():
                found.setdefault(path.resolve(), (path, path.name))
                continue
            pictures, others = _list_folder(path, output, recursive)
            left_out += others
            if not pictures:
                raise UserError(f'{path}: holds no pictures{"" if recursive else "; --recursive looks below it too"}')
            for picture in pictures:
                found.setdefault(picture.resolve(), (picture, str(picture.relative_to(path))))
    return list(found.values()), left_out


def _expand(text: str) -> list[Path]:
    path = Path(text).expanduser()
    if path.exists():
        return [path]
    matches = sorted(glob.glob(str(path), recursive=True))
    if not matches:
        raise UserError(f'{text}: no such file or folder, and no file fits it as a pattern')
    return [Path(match) for match in matches]


def _list_folder(folder: Path, output: Path, recursive: bool) -> tuple[list[Path], list[str]]:
    """Return the pictures of a folder and its other files, hidden ones and those in the output folder left out."""
    pictures: list[Path] = []
    others: list[str] = []
    for here, below, names in os.walk(folder):
        below[:] = sorted(
            name for name in below if recursive and not name.startswith('.') and Path(here, name).resolve() != output
        )
        for name in sorted(name for name in names if not name.startswith('.')):
            path = Path(here, name)
            if path.suffix.lower() in _PICTURE_ENDINGS.split():
                pictures.append(path)
            else:
                others.append(str(path))
    return pictures, others


def _check_targets(jobs: Sequence[Job]) -> None:
    """Refuse results that would replace each other, or an input."""
    sources = {job.source.resolve() for job in jobs}
    taken: dict[Path, Job] = {}
    for job in jobs:
        target = job.target.resolve()
        if target in taken:
            raise UserError(
                f'{taken[target].source} and {job.source} would both become {job.target}: put them into different '
                'folders, or run them one after the other'
            )
        if target in sources:
            raise UserError(f'{job.target} is an input: choose another folder with -o, or give --suffix _restored')
        taken[target] = job
