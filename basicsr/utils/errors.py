"""Errors that a user can cause. Entry points print their message alone, without a traceback, and exit with code 1."""

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """A mistake in options, data or files. The message says what is wrong, where, and what to do."""


class OptionError(UserError):
    """One or more problems in an option file, all of them in one message."""


class DataError(UserError):
    """An image, pair or folder that cannot be used. The message names the file."""


class CheckpointError(UserError):
    """Weights or a training state that cannot be loaded or saved."""


def suggest(name: object, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the known name nearest to `name`, or an empty string when none is near."""
    near = difflib.get_close_matches(str(name)[:100], [str(k) for k in known], n=1, cutoff=0.6)
    return f"; did you mean '{near[0]}'?" if near else ''
