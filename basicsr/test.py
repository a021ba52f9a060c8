"""Evaluates a network: `python basicsr/test.py -opt FILE.yml`."""

import sys
from pathlib import Path

if __name__ == '__main__' and not __package__:
    # Run as a script: `import basicsr` must find this clone, and this folder's `utils` or `data` must shadow nothing.
    _here = Path(__file__).resolve().parent
    sys.path[:] = [str(_here.parent), *(p for p in sys.path if Path(p or '.').resolve() != _here)]

import argparse
import os

from basicsr.data import build_dataset, build_val_loader
from basicsr.engine.start import set_deterministic
from basicsr.models import build_model
from basicsr.models.validation import read_references
from basicsr.utils.cli import run_cli
from basicsr.utils.errors import OptionError, UserError
from basicsr.utils.logger import get_env_info, get_root_logger
from basicsr.utils.misc import archive_existing, get_time_str
from basicsr.utils.options import copy_opt_file, dict2str, dump_options, parse_options


def test_pipeline(root_path: str, argv: list[str] | None = None):
    """Evaluate the weights `path.pretrain_network_g` on every set of the option file; a training option file will do.

    Args:
        root_path: project root; relative paths in the option file start there.
        argv: command line; by default that of the process.

    Returns:
        Set -> metric -> mean score; None after `--check`.

    Raises:
        UserError: a mistake in options, data or files; the message says what to do.
    """
    opt, args = parse_options(root_path, is_train=False, argv=argv)
    notes = [*args.notes, *flags_without_effect(args)]
    if args.check:
        print(dump_options(args.resolved))
        for note in notes:
            print(f'note: {note}', file=sys.stderr)
        return None
    check_can_test(opt, args.opt)
    if opt['deterministic']:
        set_deterministic()

    # Build first: nothing is written for a wrong option or file.
    logger = get_root_logger()
    logger.info(get_env_info())
    for note in notes:
        logger.info(f'note: {note}')
    # A training option file holds the training set as well, which is no test.
    loaders = [build_val_loader(build_dataset(o)) for key, o in sorted(opt['datasets'].items()) if key != 'train']
    gate_references = read_references(opt['val'], [loader.dataset for loader in loaders])
    if not loaders:
        raise OptionError(f'{args.opt}: datasets: there is no set to test')
    model = build_model(opt)
    model.gate_references = gate_references

    results = opt['path']['results_root']
    archived = archive_existing(results)
    if archived is not None:
        logger.info(f'Path already exists. Rename it to {archived}')
    os.makedirs(opt['path']['visualization'])
    copy_opt_file(args.opt, results)
    get_root_logger(log_file=os.path.join(results, f'test_{opt["name"].replace("/", "_")}_{get_time_str()}.log'))
    logger.info(dict2str(args.resolved))

    scores = {}
    for loader in loaders:
        name = loader.dataset.opt['name']
        logger.info(f'Testing {name}...')
        model.validation(loader, current_iter=opt['name'], tb_logger=None, save_img=opt['val']['save_img'])
        scores[name] = dict(model.metric_results)
    return scores


def check_can_test(opt: dict, opt_file: str) -> None:
    """Refuse what a test cannot be made of.

    Raises:
        UserError: there are several processes, or no weights.
    """
    if int(os.environ.get('WORLD_SIZE', 1)) > 1:
        raise UserError(
            f'this is one of {os.environ["WORLD_SIZE"]} processes, which would overwrite each other: test.py uses one '
            'process; start it with python, not with torchrun'
        )
    if opt['path']['pretrain_network_g'] is None:
        raise OptionError(
            f'{opt_file}: path.pretrain_network_g is required: the weights to test; for those of a finished run add\n'
            '    --force_yml path:pretrain_network_g=experiments/<name>/models/net_g_latest.pth'
        )


def flags_without_effect(args: argparse.Namespace) -> list[str]:
    """Return a note on each flag of the command line that matters to training alone."""
    given = {
        '--auto_resume': args.auto_resume,
        f'--launcher {args.launcher}': args.launcher != 'none',
        '--allow_changed': args.allow_changed,
    }
    return [f'{flag} has no effect in test.py' for flag, is_given in given.items() if is_given]


test_pipeline.__test__ = False  # pytest must not take it for a test


def main() -> None:
    """Console script `basicsr-test`: relative paths in the option file start at the current folder."""
    run_cli(lambda: test_pipeline('.'))


if __name__ == '__main__':
    run_cli(lambda: test_pipeline(str(Path(__file__).resolve().parents[1])))
