"""Writes `result.json`: the last file of a run, whose presence says that all is done."""

import datetime
import json
import platform
import socket
from typing import Any

from basicsr import __version__
from basicsr.ablation.runs import RunPlace, progress_of
from basicsr.utils.atomic import write_atomic


def write_result(place: RunPlace, options_hash: str, seconds: float, attempts: int, threads: str) -> dict[str, Any]:
    """Write the result of a run that has come to its end, and return it.

    Args:
        options_hash: hash of the options that it was trained with.
        seconds: time that all attempts took together.
        threads: what OMP_NUM_THREADS was, as results can depend on it.
    """
    progress = progress_of(place)
    variant, seed = place.variant_and_seed
    result = {
        'grid': place.folder.parent.name,
        'variant': variant,
        'seed': seed,
        'options_hash': options_hash,
        'iter': progress.iteration,
        'metrics': progress.metrics,
        'inputs': progress.inputs,
        'seconds': round(seconds, 1),
        'attempts': attempts,
        'threads': threads,
        'host': socket.gethostname(),
        'python': platform.python_version(),
        'basicsr': __version__,
        'finished': datetime.datetime.now().astimezone().isoformat(timespec='seconds'),
    }
    write_atomic(place.result, json.dumps(result, indent=2) + '\n')
    return result
