"""From the command line and an option file to the complete options of a run."""

import argparse
import copy
import os
import re
import sys
import time
import typing
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from basicsr.utils.check_options import check_options
from basicsr.utils.errors import OptionError
from basicsr.utils.option_tree import Tree, apply_override
from basicsr.utils.run_options import PathOptions, check_folder_name
from basicsr.utils.yaml_file import dump_yaml, parse_text, read_tree

# Keys of which `none` is a value, as in `cache=none` and `grad_clip:type=none`.
_WITH_NONE = ('type', 'cache')


def yaml_load(path_or_text: str) -> dict:
    """Load a YAML file, or YAML text, without inheritance or checks; `1e-3` is a number."""
    if os.path.isfile(path_or_text):
        return parse_text(Path(path_or_text).read_text(encoding='utf-8-sig'), str(path_or_text)).data
    return parse_text(path_or_text, repr(path_or_text[:40])).data


def dict2str(opt: dict, indent_level: int = 1) -> str:
    """Return options as indented lines for the log."""
    lines = []
    for key, value in opt.items():
        pad = ' ' * (indent_level * 2)
        if isinstance(value, dict):
            lines.append(f'\n{pad}{key}:[{dict2str(value, indent_level + 1)}{pad}]')
        else:
            lines.append(f'\n{pad}{key}: {value}')
    return ''.join(lines) + '\n'


def build_parser(is_train: bool = True) -> argparse.ArgumentParser:
    """Return BasicSR's command line."""
    parser = argparse.ArgumentParser(
        description='Train a network.' if is_train else 'Test a network.', allow_abbrev=False
    )
    parser.add_argument('-opt', '--opt', type=str, required=True, metavar='FILE.yml', help='option file')
    parser.add_argument(
        '--launcher', choices=['none', 'pytorch', 'slurm'], default='none', help='how ranks are started'
    )
    parser.add_argument('--auto_resume', action='store_true', help='continue this run if it has a training state')
    parser.add_argument(
        '--debug', action='store_true', help='log and validate every few iterations, under another name'
    )
    parser.add_argument(
        '--local_rank', '--local-rank', type=int, default=0, help='accepted for old launchers; not used'
    )
    parser.add_argument(
        '--force_yml',
        nargs='+',
        action='extend',
        default=[],
        metavar='KEY:KEY=VALUE',
        help="options that replace the file's",
    )
    parser.add_argument('--allow_changed', action='store_true', help='resume although the options were changed')
    parser.add_argument(
        '--check', action='store_true', help='check the options, print them complete, and do nothing else'
    )
    return parser


def parse_options(
    root_path: str, is_train: bool = True, argv: list[str] | None = None
) -> tuple[dict, argparse.Namespace]:
    """Read the command line and the option file.

    Returns:
        The options that the run uses (complete, paths absolute, with the keys that BasicSR fills in), and the command
        line: `args.resolved` holds the complete options as they can be written to a file, `args.notes` what the log
        should say.

    Raises:
        OptionError: names every problem of the option file with its line.
    """
    args = build_parser(is_train).parse_args(argv)
    args.resolved, args.notes = load_options(args.opt, args.force_yml, is_train)
    if args.debug:
        _set_debug(args.resolved)
        args.notes.append('--debug: logs every iteration, validates and saves every 8th, and writes no curves')
    return runtime_options(args.resolved, root_path, is_train, args.auto_resume), args


def load_options(path: str, overrides: Iterable[str] = (), is_train: bool = True) -> tuple[dict, list[str]]:
    """Read, inherit, override, translate, check and complete an option file. Returns (options, notes)."""
    tree = read_tree(path)
    for text in overrides:
        _force(tree, text)
    checked, notes = check_options(tree, str(path), is_train)
    if checked['name'] is None:
        try:
            checked['name'] = check_folder_name(Path(path).stem)
        except ValueError as error:
            raise OptionError(f'{path}: name: is required: the name of the file {error}') from None
    return checked, notes


def _force(tree: Tree, text: str) -> None:
    """Apply one `KEY:KEY=VALUE` of the command line; `none` for nothing, and `!!float1e-5`, are BasicSR's."""
    key, separator, value = text.partition('=')
    if not separator or not key:
        raise OptionError(f'--force_yml {text}: expected KEY:KEY=VALUE, such as train:optim_g:lr=1e-4')
    path = tuple(key.split(':'))
    if value.lower() == 'none' and path[-1] not in _WITH_NONE:
        value = '~'
    forced = parse_text(re.sub(r'^!!float(?=\S)', '!!float ', value), f'--force_yml {text}')
    tree.problems += [(path + where, message, '--force_yml') for where, message, _ in forced.problems]
    message = apply_override(tree, key, forced.data, mark='--force_yml')
    if message:
        tree.problems.append((path, message, '--force_yml'))


def _set_debug(opt: dict) -> None:
    """BasicSR's settings of a debugging run."""
    opt['name'] = opt['name'] if opt['name'].startswith('debug') else f'debug_{opt["name"]}'
    opt['logger'] |= {'print_freq': 1, 'save_checkpoint_freq': 8, 'use_tb_logger': False}
    if opt['val'] is not None:
        opt['val']['val_freq'] = 8


def runtime_options(resolved: dict, root_path: str, is_train: bool, auto_resume: bool = False) -> dict:
    """Return a copy of the options with absolute paths and the keys that BasicSR fills in."""
    opt = copy.deepcopy(resolved)
    root = Path(root_path).resolve()
    opt |= {
        'is_train': is_train,
        'auto_resume': auto_resume,
        'root_path': str(root),
        'rank': 0,
        'world_size': 1,
        'dist': False,
    }
    for key, options in opt['datasets'].items():
        phase = str(key).split('_')[0]
        # `key` is for messages: where in the option file the set stands.
        options |= {'key': key, 'phase': phase if is_train else 'test', 'scale': opt['scale']}
        _make_absolute(options, root)
    for term in (opt['train'] or {}).get('losses', []):
        if str(term.get('weights')).endswith(('.pth', '.pt', '.safetensors')):
            term['weights'] = _absolute(term['weights'], root)

    if opt['val'] is not None:
        opt['val']['gates_reference'] = _absolute(opt['val'].get('gates_reference'), root)

    path = opt['path']
    for field, info in PathOptions.model_fields.items():
        if 'root path' in _metadata(info):
            path[field] = _absolute(path[field], root)
    if is_train:
        run = Path(path['experiments_root']) / opt['name']
        folders = {
            'models': run / 'models',
            'training_states': run / 'training_states',
            'visualization': run / 'visualization',
            'val': run / 'val',
        }
        path |= {'experiments_root': run, 'log': run, 'tb_root': Path(path['tb_root']) / opt['name'], **folders}
    else:
        run = Path(path['results_root']) / opt['name']
        path |= {'results_root': run, 'log': run, 'visualization': run / 'visualization', 'val': run / 'val'}
    opt['path'] = {key: str(value) if isinstance(value, Path) else value for key, value in path.items()}
    return opt


def _make_absolute(dataset: dict, root: Path) -> None:
    """Let the paths of a set start at the root."""
    for field in dataset:
        if str(field).startswith(('dataroot', 'meta_info', 'exclude')):
            dataset[field] = _absolute(dataset[field], root)
    if isinstance(dataset.get('cache'), dict) and 'dir' in dataset['cache']:
        dataset['cache']['dir'] = _absolute(dataset['cache']['dir'], root)
    for entry in dataset.get('mix') or []:
        entry |= {'key': f'{dataset["key"]}.mix.{entry["name"]}', 'phase': dataset['phase'], 'scale': dataset['scale']}
        _make_absolute(entry, root)


def _metadata(info: Any) -> list:
    """Return the notes of `Annotated` on a field, also inside a union."""
    return [
        *info.metadata,
        *(m for part in typing.get_args(info.annotation) for m in getattr(part, '__metadata__', ())),
    ]


def _absolute(path: Any, root: Path) -> Any:
    if isinstance(path, list):
        return [_absolute(item, root) for item in path]
    return str(root / os.path.expanduser(path)) if isinstance(path, str) else path


def dump_options(opt: dict) -> str:
    """Return options as YAML that `parse_options` reads again."""
    return dump_yaml(opt)


def copy_opt_file(opt_file: str, experiments_root: str) -> None:
    """Copy the option file into the run folder, with BasicSR's header: when, and by which command."""
    text = Path(opt_file).read_text(encoding='utf-8-sig')
    header = f'# GENERATE TIME: {time.asctime()}\n# CMD:\n# {" ".join(sys.argv)}\n\n'
    (Path(experiments_root) / Path(opt_file).name).write_text(header + text, encoding='utf-8')
