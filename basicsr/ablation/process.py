"""Processes that do not outlive those who started them."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def start(
    command: Sequence[str], log: Path, environment: Mapping[str, str], death_signal: int, cwd: Path
) -> subprocess.Popen:
    """Start a command in a session of its own, appending what it prints to `log`.

    Args:
        death_signal: what the kernel sends it when this process dies, also by kill -9 (Linux only). To be called from
            the main thread: it is the death of the calling thread that counts.
    """
    parent = os.getpid()
    libc = ctypes.CDLL(None) if sys.platform == 'linux' else None

    def die_with_parent() -> None:
        if libc is not None:
            libc.prctl(_PR_SET_PDEATHSIG, death_signal)
            if os.getppid() != parent:  # it died in between
                os.kill(os.getpid(), signal.SIGKILL)

    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open('ab') as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            cwd=cwd,
            start_new_session=True,
            preexec_fn=die_with_parent if os.name == 'posix' else None,
        )


def kill_group(process: subprocess.Popen, sign: int) -> None:
    """Send a signal to a process that `start` started, and to all that it started."""
    try:
        if os.name == 'posix':
            os.killpg(process.pid, sign)
        else:
            process.terminate()
    except ProcessLookupError:
        pass


def package_environment() -> dict[str, str]:
    """Return the environment for a child that imports this package, installed or not."""
    home = str(Path(__file__).resolve().parents[2])
    paths = [home, *filter(None, os.environ.get('PYTHONPATH', '').split(os.pathsep))]
    return os.environ | {'PYTHONPATH': os.pathsep.join(dict.fromkeys(paths)), 'PYTHONUNBUFFERED': '1'}
