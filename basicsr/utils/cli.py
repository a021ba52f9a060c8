"""How the commands end."""

import logging
import sys
from collections.abc import Callable

from basicsr.utils.errors import UserError


def run_cli(command: Callable[[], object]) -> None:
    """Run a command. A user's mistake is printed without a traceback and ends with code 1; Ctrl+C ends with 130."""
    try:
        command()
    except UserError as error:
        # The log file, where there is one, should tell as well; the console then has it from the logger.
        logger = logging.getLogger('basicsr')
        if logger.propagate:  # not set up
            print(f'error: {error}', file=sys.stderr)
        else:
            logger.error(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        print('interrupted', file=sys.stderr)
        sys.exit(130)
