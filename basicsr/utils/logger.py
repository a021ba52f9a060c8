"""Console, log file and TensorBoard, in BasicSR's formats."""

import datetime
import json
import logging
import logging.handlers
import math
import os
import platform
import time
from pathlib import Path
from typing import Any

from basicsr.utils.dist_util import get_dist_info, master_only

_FORMAT = '%(asctime)s %(levelname)s: %(message)s'


def get_root_logger(
    logger_name: str = 'basicsr', log_level: int = logging.INFO, log_file: str | None = None
) -> logging.Logger:
    """Return the logger of the package, set up on the first call; ranks above 0 log errors only.

    Lines that are logged before a log file is known are kept, and written to it as soon as it is: a run folder is
    created only when everything that can fail has been built.
    """
    logger = logging.getLogger(logger_name)
    if logger.propagate:  # not set up yet; handlers are no sign of it, as tqdm and pytest exchange them
        logger.propagate = False
        console = logging.StreamHandler()
        console.setFormatter(logging.Formatter(_FORMAT))
        logger.addHandler(console)
        logger.addHandler(logging.handlers.MemoryHandler(capacity=10_000, flushLevel=logging.CRITICAL + 1))
        logger.setLevel(log_level if get_dist_info()[0] == 0 else logging.ERROR)
    if log_file is not None and get_dist_info()[0] == 0:
        _write_to(logger, log_file)
    return logger


def _write_to(logger: logging.Logger, log_file: str) -> None:
    file = logging.FileHandler(log_file, 'a', encoding='utf-8')
    file.setFormatter(logging.Formatter(_FORMAT))
    for handler in list(logger.handlers):
        if isinstance(handler, logging.handlers.MemoryHandler):
            handler.setTarget(file)
            handler.close()
            logger.removeHandler(handler)
        elif isinstance(handler, logging.FileHandler):  # a second run in one process has a file of its own
            handler.close()
            logger.removeHandler(handler)
    logger.addHandler(file)


def close_root_logger(logger_name: str = 'basicsr') -> None:
    """Close the log file and forget the handlers, so that the next run of this process starts anew."""
    logger = logging.getLogger(logger_name)
    for handler in list(logger.handlers):
        handler.close()
        logger.removeHandler(handler)
    logger.propagate = True


class AvgTimer:
    """Mean duration of the latest iterations."""

    def __init__(self, window: int = 200) -> None:
        self.window = window
        self.current_time = self.total_time = 0.0
        self.count = 0
        self.start()

    def start(self) -> None:
        """Start the clock."""
        self.start_time = time.perf_counter()

    def record(self) -> None:
        """Note the time since the clock was started, and start it again."""
        now = time.perf_counter()
        if self.count == self.window:
            self.total_time, self.count = 0.0, 0
        self.current_time = now - self.start_time
        self.total_time += self.current_time
        self.count += 1
        self.start_time = now

    def get_current_time(self) -> float:
        """Return the last duration in seconds."""
        return self.current_time

    def get_avg_time(self) -> float:
        """Return the mean duration in seconds."""
        return self.total_time / max(self.count, 1)


class MessageLogger:
    """Writes one line per print interval to the console and the log file, and its values to TensorBoard.

    Args:
        opt: complete options; `name`, `logger.print_freq` and `train.total_iter` are read.
        start_iter: first iteration of this process, for the estimated time.
    """

    def __init__(self, opt: dict, start_iter: int = 1, tb_logger: Any = None) -> None:
        self.exp_name = opt['name']
        self.interval = opt['logger']['print_freq']
        self.max_iters = opt['train']['total_iter']
        self.start_iter = start_iter
        self.tb_logger = tb_logger
        self.start_time = time.time()
        self.logger = get_root_logger()

    def reset_start_time(self) -> None:
        """Start measuring for the estimated time now."""
        self.start_time = time.time()

    @master_only
    def __call__(self, log_vars: dict[str, Any]) -> None:
        """Log `epoch`, `iter`, `lrs`, optionally `time` and `data_time`, and named values.

        The line shows names without a slash, `grad/norm` and `epoch/*`; TensorBoard gets all, `l_*` under `losses/`.
        """
        values = dict(log_vars)
        epoch, current_iter, lrs = values.pop('epoch'), values.pop('iter'), values.pop('lrs')
        rates = ''.join(f'{rate:.3e},' for rate in lrs)
        message = f'[{self.exp_name[:5]}..][epoch:{epoch:3d}, iter:{current_iter:8,d}, lr:({rates})] '

        if 'time' in values:
            iter_time, data_time = values.pop('time'), values.pop('data_time')
            done = current_iter - self.start_iter + 1
            left = (time.time() - self.start_time) / max(done, 1) * (self.max_iters - current_iter)
            message += (
                f'[eta: {datetime.timedelta(seconds=int(left))}, time (data): {iter_time:.3f} ({data_time:.3f})] '
            )

        for name, value in values.items():
            if '/' not in name or name == 'grad/norm' or name.startswith('epoch/'):
                message += f'{name.replace("/", "_")}: {value:.4e} '
            if self.tb_logger is not None:
                self.tb_logger.add_scalar(f'losses/{name}' if name.startswith('l_') else name, value, current_iter)
        self.logger.info(message)


class JsonLines:
    """Appends one JSON object per event to a file that programs read: `metrics.jsonl`.

    Args:
        path: the file.
        keep_until: iteration from which a run is continued: later events of an interrupted run are dropped, and so is
            the validation of that iteration, which is done again.
    """

    def __init__(self, path: str | Path, keep_until: int = 0) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            return
        lines = self.path.read_text(encoding='utf-8', errors='replace').splitlines()
        partial = self.path.with_name(f'{self.path.name}.partial')
        partial.write_text(''.join(f'{line}\n' for line in lines if _position(line) <= keep_until), encoding='utf-8')
        os.replace(partial, self.path)

    def write(self, event: dict[str, Any]) -> None:
        """Append one event. NaN and infinity, which JSON has not, become null."""
        with self.path.open('a', encoding='utf-8') as file:
            file.write(json.dumps(finite_or_null(event), allow_nan=False) + '\n')


def finite_or_null(value: Any) -> Any:
    """Return nested values with None in place of NaN and infinity, which JSON has not."""
    if isinstance(value, dict):
        return {key: finite_or_null(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite_or_null(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _position(line: str) -> float:
    """Return the iteration of an event, half a step more for a validation, infinity for a line that was cut off."""
    try:
        event = json.loads(line)
        return event['iter'] + ('val' in event) / 2
    except (json.JSONDecodeError, KeyError, TypeError):
        return math.inf


@master_only
def init_tb_logger(log_dir: str, purge_step: int | None = None):
    """Return a TensorBoard writer; events at and after `purge_step` of an interrupted run are replaced."""
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(log_dir=log_dir, purge_step=purge_step)


def get_env_info() -> str:
    """Return the versions that matter when somebody asks why two runs differ."""
    import numpy
    import torch

    from basicsr import __version__

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f'CPU, {torch.get_num_threads()} threads'
    return (
        f'BasicSR fork {__version__}, Python {platform.python_version()}, PyTorch {torch.__version__}, '
        f'NumPy {numpy.__version__}, {device}'
    )
