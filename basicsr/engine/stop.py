"""How a training is asked to stop: it saves, and ends with a code that says that it can go on."""

import signal
import threading
from types import FrameType

from basicsr.utils.dist_util import get_dist_info

# sysexits.h, EX_TEMPFAIL: nothing is wrong, try again.
STOPPED = 75


class StopSignal:
    """While open, notes SIGTERM and SIGUSR1 (as a cluster sends before a time limit) instead of dying of them.

    Several ranks would stop at different iterations and wait for each other: they keep the usual meaning.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: dict = {}

    def __enter__(self) -> 'StopSignal':
        if threading.current_thread() is threading.main_thread() and get_dist_info()[1] == 1:
            for name in ('SIGTERM', 'SIGUSR1'):
                if hasattr(signal, name):
                    number = getattr(signal, name)
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
