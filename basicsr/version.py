"""BasicSR's import path of the version."""

from basicsr import __version__

__all__ = ['__version__']
