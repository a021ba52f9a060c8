"""The training process of a run: `basicsr/train.py` with an exit code that says what to do next."""

import argparse
import sys
from pathlib import Path

# How a run, or an attempt at it, ended.
DONE, CRASHED, REFUSED, BUSY, PREEMPTED = 0, 1, 3, 11, 75


def main(argv: list[str] | None = None) -> int:
    """Train or continue, and return DONE, CRASHED (try again), REFUSED (a user's mistake; trying again is no use)."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument('options', metavar='FILE.yml')
    parser.add_argument('--root', required=True)
    parser.add_argument('--launcher', default='none')
    parser.add_argument('--refused', type=Path, help='file to make on REFUSED: torchrun has codes of its own')
    args = parser.parse_args(argv)

    from basicsr.train import train_pipeline
    from basicsr.utils.errors import UserError
    from basicsr.utils.logger import get_root_logger

    try:
        train_pipeline(args.root, ['-opt', args.options, '--auto_resume', '--launcher', args.launcher])
    except UserError as error:
        get_root_logger().error(str(error))
        if args.refused:
            args.refused.touch()
        return REFUSED
    except RuntimeError as error:  # torch's out of memory is one, on every kind of device
        if 'out of memory' not in str(error):
            raise
        get_root_logger().error(f'out of memory: {error}\nFewer --jobs at a time, or a smaller batch, need less.')
        return CRASHED
    return DONE


if __name__ == '__main__':
    sys.exit(main())
