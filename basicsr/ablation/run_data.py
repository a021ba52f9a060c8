"""Reads what a run left in its folder: options, curves, scores of every image, and where they came from."""

import functools
import json
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from basicsr.metrics.scores import Scores
from basicsr.utils.errors import DataError, OptionError
from basicsr.utils.yaml_file import parse_text

RESOLVED, METRICS = 'resolved.yml', 'metrics.jsonl'


@dataclass(frozen=True)
class RunData:
    """A run folder.

    Attributes:
        variant: name of the run without `_s<seed>`.
        options: complete options, as in `resolved.yml`.
    """

    folder: Path
    variant: str
    seed: int
    options: dict[str, Any] = field(repr=False, hash=False, compare=False)

    @property
    def name(self) -> str:
        """What tables call the run."""
        return f'{self.variant}_s{self.seed}'

    def iterations(self, dataset: str) -> list[int]:
        """Return the iterations at which a set was validated, in order."""
        return sorted(int(f.stem) for f in self.folder.glob(f'val/{dataset}/*.csv') if f.stem.isdecimal())

    @property
    def datasets(self) -> list[str]:
        """The sets with scores, in the order of the options."""
        found = {file.parent.name for file in self.folder.glob('val/*/*.csv') if file.stem.isdecimal()}
        order = [name for name in self.options.get('datasets') or {} if name in found]
        return [*order, *sorted(found.difference(order))]

    def table(self, dataset: str, iteration: int) -> Path:
        """Return the path of the scores of a set."""
        return self.folder / 'val' / dataset / f'{iteration}.csv'

    def scores(self, dataset: str, iteration: int) -> Scores:
        """Read the scores of a set.

        Raises:
            DataError: they cannot be read.
        """
        return Scores.load(self.table(dataset, iteration))

    @functools.cached_property
    def events(self) -> list[dict[str, Any]]:
        """The lines of `metrics.jsonl`; one that was cut off is left out."""
        try:
            lines = (self.folder / METRICS).read_text(encoding='utf-8', errors='replace').splitlines()
        except OSError:
            return []
        events = [_event(line) for line in lines]
        return [event for event in events if event is not None]

    @property
    def environment(self) -> str:
        """The versions and the device, as the newest log file gives them; '' if there is none."""
        for file in sorted(self.folder.glob('train_*.log'), reverse=True):
            with file.open(encoding='utf-8', errors='replace') as log:
                for _, line in zip(range(20), log):
                    if found := re.search(r'INFO: (.*PyTorch .*)', line):
                        return found[1].strip()
        return ''

    def checkpoint(self, iteration: int) -> Path | None:
        """Return the weights of an iteration, the latest if that is the last; None if they were not kept."""
        models = self.folder / 'models'
        last = max((self.iterations(name)[-1] for name in self.datasets), default=iteration)
        names = [f'net_g_{iteration}.pth', *(['net_g_latest.pth'] if iteration == last else [])]
        return next((models / name for name in names if (models / name).is_file()), None)

    def seconds_per_iteration(self) -> float:
        """Return the mean duration of a training step; NaN without curves."""
        times = [e['time'] for e in self.events if 'val' not in e and isinstance(e.get('time'), float)]
        return sum(times) / len(times) if times else math.nan


def read_run(folder: Path) -> RunData:
    """Read a run folder.

    Raises:
        DataError: its options are damaged, or have no seed.
    """
    options = read_mapping(folder / RESOLVED)
    seed = options.get('manual_seed')
    names = (str(options.get('name') or folder.name).split('/')[-1], folder.resolve().name)
    name = next((name for name in names if name.endswith(f'_s{seed}')), names[0])
    if not isinstance(seed, int):
        raise DataError(f'{folder}: its options have no manual_seed, so it cannot be paired with other runs')
    return RunData(folder, name.removesuffix(f'_s{seed}'), seed, options)


def read_mapping(file: Path) -> dict[str, Any]:
    """Read a YAML or JSON file of options.

    Raises:
        DataError: it cannot be read, or holds something else.
    """
    try:
        content = parse_text(file.read_text(encoding='utf-8'), str(file)).data
    except OSError as error:
        raise DataError(f'{file}: cannot be read: {error.strerror}') from None
    except (OptionError, UnicodeDecodeError) as error:
        raise DataError(f'{file}: is damaged: {error}') from None
    if not isinstance(content, dict):
        raise DataError(f'{file}: is damaged: it holds no options')
    return content


def _event(line: str) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except json.JSONDecodeError:
        return None
    return event if isinstance(event, dict) and isinstance(event.get('iter'), int) else None
