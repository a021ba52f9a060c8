"""Where a run of a grid keeps its files, and what they say about it. Loads no torch: asked often, by many processes."""

import dataclasses
import json
import re
import socket
import time
from pathlib import Path
from typing import Any, Literal

from basicsr.ablation.identity import hash_of_file
from basicsr.ablation.lock import is_locked

# `running` on a machine whose locks are not seen here: believed as long as its heartbeat is younger.
HEARTBEAT_SECONDS = 15
_HEARTBEAT_LIMIT = 180

State = Literal['done', 'running', 'interrupted', 'failed', 'stale', 'planned']


@dataclasses.dataclass(frozen=True)
class RunPlace:
    """The files of a run.

    Attributes:
        folder: an ordinary run folder, named `<variant>_s<seed>`. As a training that starts afresh puts a folder of its
            name aside, what is known before and beside the training lies in `state`.
    """

    folder: Path

    @property
    def name(self) -> str:
        """What people call the run."""
        return self.folder.name

    @property
    def variant_and_seed(self) -> tuple[str, int]:
        """The parts of the name."""
        variant, _, seed = self.name.rpartition('_s')
        return variant, int(seed)

    @property
    def options(self) -> Path:
        """The complete option file."""
        return self.folder.parent / 'options' / f'{self.name}.yml'

    @property
    def state(self) -> Path:
        """Folder of the lock, the status and the output of the run."""
        return self.folder.parent / 'state' / self.name

    @property
    def log(self) -> Path:
        """What trainer and `run_one` print, all attempts."""
        return self.state / 'log.txt'

    @property
    def result(self) -> Path:
        """Written last, when all is done."""
        return self.folder / 'result.json'

    def status(self) -> dict[str, Any]:
        """Return what `run_one` noted last; empty if it never ran."""
        return read_json(self.state / 'status.json')


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object from a file; empty if there is none that can be read."""
    try:
        data = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def state_of(place: RunPlace) -> State:
    """Return where a run stands. Not for the process that holds its lock."""
    if not place.result.exists() and is_running(place, place.status()):
        return 'running'
    return recorded_state(place)


def recorded_state(place: RunPlace) -> State:
    """Return where a run stands if nobody works on it."""
    wanted = hash_of_file(place.options)
    result = read_json(place.result)
    if result:
        return 'done' if result.get('options_hash') == wanted else 'stale'
    status = place.status()
    started_with = hash_of_file(place.folder / 'resolved.yml')
    if started_with not in (None, wanted) and any(place.folder.glob('training_states/*.state')):
        return 'stale'
    if status.get('options_hash') not in (None, wanted):  # what is known of it is about other options
        return 'planned'
    if status.get('state') == 'failed':
        return 'failed'
    return 'interrupted' if status or started_with else 'planned'


def is_running(place: RunPlace, status: dict[str, Any]) -> bool:
    """True while a `run_one` holds the lock; elsewhere, as far as its heartbeat tells."""
    if is_locked(place.state / 'lock') or is_locked(place.folder / '.lock'):
        return True
    if status.get('state') != 'running' or status.get('host') == socket.gethostname():
        return False
    return time.time() - status.get('heartbeat', 0) < _HEARTBEAT_LIMIT


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far a run has come, as its `metrics.jsonl` tells.

    Attributes:
        seconds_per_iter: mean over the latest iterations; None before the first log line.
        metrics: set -> metric -> the latest score.
        inputs: set -> metric -> score of the untouched inputs.
    """

    iteration: int
    total_iter: int
    seconds_per_iter: float | None
    metrics: dict[str, dict[str, float]]
    inputs: dict[str, dict[str, float]]


def progress_of(place: RunPlace) -> Progress:
    """Read how far a run has come."""
    iteration, seconds, metrics, inputs = 0, None, {}, {}
    for event in _events(place.folder / 'metrics.jsonl'):
        iteration = max(iteration, event.get('iter', 0))
        seconds = event.get('time', seconds)
        if 'val' in event:
            scores = {k: v for k, v in event.items() if k not in ('iter', 'val') and not isinstance(v, dict)}
            metrics[event['val']] = {k: v for k, v in scores.items() if not k.startswith('input_')}
            inputs[event['val']] = {k.removeprefix('input_'): v for k, v in scores.items() if k.startswith('input_')}
    return Progress(iteration, _total_iter(place.options), seconds, metrics, inputs)


def _events(path: Path) -> list[dict[str, Any]]:
    """Return the events of a file that may be written at this moment."""
    try:
        lines = path.read_text(encoding='utf-8', errors='replace').splitlines()
    except OSError:
        return []
    events = []
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:  # cut off
            continue
        if isinstance(event, dict):
            events.append(event)
    return events


def _total_iter(options: Path) -> int:
    try:
        found = re.search(r'^  total_iter: (\d+)$', options.read_text(encoding='utf-8'), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) if found else 0
