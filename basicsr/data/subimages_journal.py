"""What has been cut so far: lines of JSON in `subimages.jsonl`, beside the folders of the sub-images."""

import json
import os
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from types import TracebackType

from basicsr.utils.atomic import write_atomic
from basicsr.utils.errors import DataError, UserError

_NAME = 'subimages.jsonl'


class Journal:
    """Notes images as they are done, so that a later call passes over them; a context manager.

    Args:
        out: folder of the sub-images.
        kinds: folders in it: `lq`, `gt`.
        settings: of the cut; they have to be those of the calls before.
        stems: of all images that are to be cut.

    Raises:
        UserError: sub-images of other images or settings are there, or the folder cannot be written.
    """

    def __init__(self, out: Path, kinds: Sequence[str], settings: dict, stems: Collection[str]) -> None:
        self._out, self._kinds = out, kinds
        self._done = {entry['stem']: entry for entry in self._read(settings)}
        gone = sorted(self._done.keys() - set(stems))
        if gone:
            raise UserError(
                f'{out} holds sub-images of {len(gone)} images that are not among those to be cut: '
                f'{", ".join(gone[:5])}; delete {out}, or name another folder'
            )
        try:
            for kind in kinds:
                (out / kind).mkdir(parents=True, exist_ok=True)
                for partial in (out / kind).glob('.*.partial'):  # of a call that was killed
                    partial.unlink()
            # Written anew: the last line may be torn.
            entries = [settings, *self._done.values()]
            write_atomic(out / _NAME, ''.join(json.dumps(entry) + '\n' for entry in entries))
            self._file = (out / _NAME).open('a', encoding='utf-8')
        except OSError as error:
            raise UserError(f'{out}: cannot write: {error.strerror}') from None

    def __enter__(self) -> 'Journal':
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def is_done(self, stem: str, mark: list) -> bool:
        """True when the image was cut as it is now, and its sub-images are there."""
        entry = self._done.get(stem)
        return entry is not None and entry['mark'] == mark and all(path.exists() for path in self._paths(stem))

    def count(self, stem: str) -> int:
        """Return the number of sub-images of an image that was done before; 0 for others."""
        return self._done.get(stem, {}).get('count', 0)

    def note(self, stem: str, mark: list, count: int) -> None:
        """Note an image as done, and delete what it had more before it changed."""
        for path in self._paths(stem, count):
            path.unlink(missing_ok=True)
        self._done[stem] = {'stem': stem, 'mark': mark, 'count': count}
        self._file.write(json.dumps(self._done[stem]) + '\n')
        self._file.flush()

    def _paths(self, stem: str, first: int = 0) -> Iterable[Path]:
        numbers = range(first + 1, self.count(stem) + 1)
        return (self._out / kind / f'{stem}_s{number:03d}.png' for kind in self._kinds for number in numbers)

    def _read(self, settings: dict) -> list[dict]:
        """Return what earlier calls noted."""
        if not (self._out / _NAME).exists():
            used = [self._out / kind for kind in self._kinds if any((self._out / kind).glob('*'))]
            if used:
                raise UserError(f'{used[0]} is not empty, and has not been made by this tool: name another folder')
            return []
        first, *lines = (self._out / _NAME).read_text(encoding='utf-8').splitlines() or ['']
        if _parsed(first) != settings:
            raise UserError(
                f'{self._out} holds sub-images that were cut in another way ({first}): '
                'delete it, or name another folder'
            )
        entries = [_parsed(line) for line in lines]
        return [entry for entry in entries if entry is not None]


def mark_of(paths: Iterable[str]) -> list[list[int]]:
    """Return size and time of files, by which a change shows.

    Raises:
        DataError: a file that is not there.
    """
    try:
        stats = [os.stat(path) for path in paths]
    except OSError as error:
        raise DataError(f'{error.filename}: cannot read the image: {error.strerror}') from None
    return [[stat.st_size, stat.st_mtime_ns] for stat in stats]


def _parsed(line: str) -> dict | None:
    try:
        return json.loads(line)
    except ValueError:  # torn when the call that wrote it was killed
        return None
