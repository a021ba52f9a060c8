"""Turns the option sections and the signatures of the components into Markdown tables."""

import inspect
import re
import typing
from collections.abc import Iterable
from typing import Any, Literal

import yaml
from pydantic_core import PydanticUndefined

from basicsr.utils.legacy import LOSS_OPTS, NO_EFFECT, REFUSED, RENAMED, REWRITTEN
from basicsr.utils.registry import (
    ARCH_REGISTRY,
    DATASET_REGISTRY,
    DEGRADATION_REGISTRY,
    LOSS_REGISTRY,
    METRIC_REGISTRY,
    MODEL_REGISTRY,
    OPTIMIZER_REGISTRY,
    SCHEDULER_REGISTRY,
    Registry,
)
from basicsr.utils.run_options import (
    DegradationOptions,
    DistOptions,
    GalleryOptions,
    GateOptions,
    GradClipOptions,
    LoaderOptions,
    LoggerOptions,
    MixOptions,
    PathOptions,
    RunOptions,
    TermOptions,
    TrainOptions,
    ValOptions,
)
from basicsr.utils.schema import Section, nested_section
from basicsr.utils.tile_options import TileOptions

SECTIONS = {
    'The top level': RunOptions,
    'path': PathOptions,
    'train': TrainOptions,
    'train.grad_clip': GradClipOptions,
    'train.losses[]': TermOptions,
    'val': ValOptions,
    'val.gates.*': GateOptions,
    'val.gallery': GalleryOptions,
    'val.tile': TileOptions,
    'logger': LoggerOptions,
    'dist_params': DistOptions,
    'datasets.*': LoaderOptions,
    'datasets.train.mix[]': MixOptions,
    'datasets.*.degradations[]': DegradationOptions,
}
# Heading -> registry, and the parameters that the program fills.
COMPONENTS = {
    'Networks (`network_g`)': (ARCH_REGISTRY, ()),
    'Losses (`train.losses[]`)': (LOSS_REGISTRY, ('loss_weight',)),
    'Degradations (`datasets.*.degradations[]`)': (DEGRADATION_REGISTRY, ()),
    'Schedules (`train.scheduler`)': (SCHEDULER_REGISTRY, ('optimizer', 'last_epoch')),
    'Metrics (`val.metrics.*`)': (METRIC_REGISTRY, ('img', 'img2')),
}
NAMES = {int: 'int', float: 'number', bool: 'true or false', str: 'text', dict: 'section', list: 'list'}
NAMES[type(None)] = '`~`'
# Those of the oldest torch that is supported; newer ones have more.
OPTIMIZERS = 'Adadelta Adagrad Adam AdamW Adamax ASGD NAdam RAdam RMSprop Rprop SGD'
INTRODUCTION = """\
# Options

Every key of an option file. This file is written by `python tools/write_option_docs.py`.

- Unknown and mistyped keys are errors, all of them in one message, with their lines. `--check` checks a file and prints
  it complete.
- `base: other.yml` inherits everything but the name. Sections are merged; lists are replaced, and so is a section whose
  `type` changes.
- `override:` holds colon paths, as does `--force_yml` on the command line; a list entry is addressed by its name or
  number, and `~` removes it: `train:optim_g:lr: 1e-4`, `train:losses:lab:loss_weight: 0.4`, `train:losses:ssim: ~`.
- `1e-4` is a number. A loss weight may follow a schedule: `{0: 0.0, 1000: 0.2}`.
- Editors complete and check a file whose first line is `# yaml-language-server: $schema=../docs/options.schema.json`.
"""


def write_markdown() -> str:
    """Return the whole document."""
    parts = [INTRODUCTION]
    for title, section in SECTIONS.items():
        heading = title if ' ' in title else f'`{title}`'
        parts.append(f'## {heading}\n\n{section.__doc__}\n\n{table(section_rows(section))}')
    parts += list(dataset_parts())
    parts += [f'## Models (`model_type`)\n\n{summaries(MODEL_REGISTRY)}']
    for title, (registry, filled) in COMPONENTS.items():
        parts.append(f'## {title}')
        parts += [component_part(name, obj, filled) for name, obj in components(registry)]
    names = ', '.join(f'`{OPTIMIZER_REGISTRY.get(name).__name__}`' for name in OPTIMIZERS.split())
    parts.append(f'## Optimizers (`train.optim_g`)\n\n`torch.optim`, with its arguments: {names}, and newer ones.')
    parts.append(legacy_part())
    return '\n\n'.join(part.strip() for part in parts) + '\n'


def table(rows: Iterable[tuple[str, str, str, str]]) -> str:
    """Return rows of (key, type, default, meaning) as a table."""
    lines = ['| key | type | default | meaning |', '|---|---|---|---|']
    lines += ['| ' + ' | '.join(cell.replace('|', r'\|') for cell in (f'`{row[0]}`', *row[1:])) + ' |' for row in rows]
    return '\n'.join(lines)


def section_rows(section: type[Section]) -> Iterable[tuple[str, str, str, str]]:
    """Yield (key, type, default, meaning) of every key of a section."""
    for key, field in section.model_fields.items():
        default = 'required' if field.is_required() else show(field.get_default(call_default_factory=True))
        kind = 'path' if 'root path' in field.metadata else type_name(field.annotation)
        yield key, kind, default, field.description or ''


def dataset_parts() -> Iterable[str]:
    """Yield a table per dataset, its own keys first, and one per section that is nested in their keys."""
    nested = {}
    for name, dataset in components(DATASET_REGISTRY):
        section = dataset.Options
        own = section.__annotations__
        rows = sorted(section_rows(section), key=lambda row: row[0] not in own)
        yield f'## `datasets.*` with `type: {name}`\n\n{summary(dataset)}\n\n{table(rows)}'
        nested |= {key: inner for key, f in section.model_fields.items() if (inner := nested_section(f.annotation))}
    for key, inner in nested.items():
        yield f'### `datasets.*.{key}`\n\n{inner.__doc__}\n\n{table(section_rows(inner))}'


def components(registry: Registry) -> list[tuple[str, Any]]:
    """Return what this package registers, by name."""
    registry.import_all()
    own = [(name, obj) for name, obj in registry if obj.__module__.split('.')[0] in ('basicsr', 'torch')]
    return sorted(own, key=lambda item: item[0].lower())


def component_part(name: str, obj: Any, filled: tuple[str, ...]) -> str:
    """Return the heading, summary and arguments of a class or function."""
    text = f'### `{name}`\n\n{summary(obj)}'
    constructor = obj.__init__ if inspect.isclass(obj) else obj
    hints, meanings = typing.get_type_hints(constructor), argument_meanings(obj)
    rows = [
        (
            key,
            type_name(hints.get(key, Any)),
            'required' if parameter.default is parameter.empty else show(parameter.default),
            meanings.get(key, ''),
        )
        for key, parameter in inspect.signature(obj).parameters.items()
        if key not in filled
    ]
    return f'{text}\n\n{table(rows)}' if rows else text


def argument_meanings(obj: Any) -> dict[str, str]:
    """Return what the `Args:` of a docstring says, those of the base classes included."""
    meanings: dict[str, str] = {}
    for owner in getattr(obj, '__mro__', [obj]):
        section = re.search(r'\nArgs:\n((?: .*\n|\n)*)', f'{inspect.cleandoc(owner.__doc__ or "")}\n')
        for entry in re.split(r'\n(?=    \w)', section[1].rstrip()) if section else ():
            key, _, meaning = ' '.join(entry.split()).partition(': ')
            meanings.setdefault(key, meaning.removesuffix('.'))
    return meanings


def summary(obj: Any) -> str:
    """Return the first sentence of a docstring."""
    paragraph = ' '.join(inspect.cleandoc(obj.__doc__ or '').partition('\n\n')[0].split())
    return re.split(r'(?<=[.:])\s(?=[A-Z])', paragraph)[0]


def summaries(registry: Registry) -> str:
    """Return a list of everything in a registry."""
    return '\n'.join(f'- `{name}`: {summary(obj)}' for name, obj in components(registry))


def type_name(annotation: Any) -> str:
    """Return a type as people call it."""
    if annotation is Any or annotation in NAMES:
        return NAMES.get(annotation, 'anything')
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return 'path' if 'root path' in annotation.__metadata__ else type_name(arguments[0])
    if origin is Literal:
        return ', '.join(f'`{show(choice).strip("`")}`' for choice in arguments)
    if nested_section(annotation) is not None:
        return 'section' + (' or `~`' if type(None) in arguments else '')
    if origin is dict:
        inner = type_name(arguments[1])
        return 'sections by name' if inner == 'section' else f'`{{{type_name(arguments[0])}: {inner}}}`'
    if origin is tuple or origin in (list, Iterable) or getattr(origin, '__name__', '') == 'Sequence':
        return f'list of {type_name(arguments[0])}'
    return ' or '.join(dict.fromkeys(map(type_name, arguments)))


def show(value: Any) -> str:
    """Return a default as YAML."""
    if value is PydanticUndefined:
        return ''
    value = value.model_dump() if isinstance(value, Section) else value
    value = round(value, 6) if isinstance(value, float) and abs(value) > 1e-3 else value
    text = yaml.safe_dump(value, default_flow_style=True, width=1000).replace('\n...', '').strip()
    return '`~`' if value is None else f'`{text}`'


def legacy_part() -> str:
    """Return what becomes of BasicSR's and NAFNet's keys."""
    rows = [(key, f'is called `{"`, `".join(new)}` here') for key, new in RENAMED.items()]
    rows += REWRITTEN.items()
    rows += [(f'train.{key}', f'becomes the entry `{name}` of `train.losses`') for key, name in LOSS_OPTS.items()]
    rows += [*NO_EFFECT.items(), *REFUSED.items()]
    rows.append(('train.*_opt', 'is not supported: list your terms under `train.losses`'))
    lines = [f'| `{key}` | {text} |' for key, text in rows]
    return '\n'.join(
        [
            '## Keys of BasicSR and NAFNet',
            '',
            'The log notes each that an option file holds. What is not supported is an error, unless it is empty or',
            'false. Keys that a model or dataset of your own reads are passed on.',
            '',
            '| key | what becomes of it |',
            '|---|---|',
            *lines,
        ]
    )
