"""The lock of a run, and how others see it.

POSIX record locks (`lockf`): they belong to one process, so that forked workers which outlive it hold nothing, and
the kernel takes them back however the process ends. Where there are none (Windows, some network file systems), the
heartbeat in `status.json` is all there is.
"""

import os
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


class RunLock:
    """Held until `release`, or the end of this process. `held` is false if another process has it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        self.held = True
        if fcntl is None:
            return
        try:
            fcntl.lockf(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            self.held = False
            self.release()
        except OSError:  # this file system has no locks
            pass

    def release(self) -> None:
        """Let others in."""
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


def is_locked(path: Path) -> bool:
    """True if another process holds the lock. Not for the holder itself: closing the file would free its lock."""
    if fcntl is None:
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        # Shared, so that those who look are not in each other's way.
        fcntl.lockf(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except (BlockingIOError, PermissionError):
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
