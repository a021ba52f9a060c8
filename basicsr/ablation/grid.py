"""Reads grid files: the variants of one option file, each a handful of overrides."""

import dataclasses
import itertools
import re
from pathlib import Path
from typing import Any

from pydantic import Field

from basicsr.utils.checker import Checker
from basicsr.utils.errors import OptionError, suggest
from basicsr.utils.explain import describe
from basicsr.utils.option_tree import Tree, entry_name
from basicsr.utils.schema import Bool, Count, Section, Str, check_section
from basicsr.utils.yaml_file import parse_text

_NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9._+-]{0,79}')
_NAME_RULE = 'names a folder: letters, digits and . _ + - only, at most 80, the first a letter or digit'


class GridOptions(Section):
    """A grid file."""

    name: Str | None = Field(None, description='name of the folder of all runs; by default that of the file')
    base: Str = Field(..., description='option file that is varied; relative paths start at the grid file')
    seeds: list[Count] = Field([0, 1, 2], min_length=1, description='every variant is trained once with each')
    baseline: Str | None = Field(None, description='variant that others are compared with; by default the first')
    variants: dict[Str, dict | Str | None] = Field(
        {}, description='name -> overrides, as in `override:`; or an option file, which replaces the base'
    )
    axes: dict[Str, list | dict[Str, dict]] = Field(
        {},
        description='`path: [values]`, or `name: {label: overrides}`: every variant is combined with every choice',
    )
    common: dict = Field({}, description='overrides for all variants')
    exclude: list[Str] = Field([], description='combinations that are left out')
    interval: Bool = Field(False, description='refuse to start where the report could give no 95 % intervals: one seed')


@dataclasses.dataclass(frozen=True)
class Override:
    """One change: colon path, value, and where it was written."""

    key: str
    value: Any
    mark: str


@dataclasses.dataclass(frozen=True)
class Variant:
    """One recipe: an option file and what is changed in it, after the changes that all variants share."""

    name: str
    base: Path
    overrides: tuple[Override, ...]


@dataclasses.dataclass(frozen=True)
class Grid:
    """A grid file as read. `baseline` is the name of one of the `variants`."""

    path: Path
    name: str
    seeds: tuple[int, ...]
    baseline: str
    common: tuple[Override, ...]
    variants: tuple[Variant, ...]


def read_grid(path: str | Path) -> Grid:
    """Read a grid file and combine its variants and axes.

    Raises:
        OptionError: names every problem with its line.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding='utf-8-sig')
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, 'strerror', None) or 'it is no UTF-8 text'
        raise OptionError(f'{path}: cannot read the grid file: {reason.lower()}') from None
    return _Reader(path, parse_text(text, str(path))).grid()


class _Reader(Checker):
    """One pass over a grid file."""

    def __init__(self, path: Path, tree: Tree) -> None:
        super().__init__(tree)
        self.path = path

    def grid(self) -> Grid:
        options = self.collect(check_section(GridOptions, self.tree.data, ()))
        self.raise_problems(str(self.path))
        name = options['name'] or self.path.stem
        self.check_name(name, ('name',))
        for key in options['variants']:
            self.check_name(key, ('variants', key))
        if not options['variants'] and not options['axes']:
            self.problems.append((('variants',), 'is empty, and there are no axes: nothing to compare'))
        self.check_seeds(options)

        variants = self.combine(options)
        baseline = self.baseline(options['baseline'], variants)
        self.raise_problems(str(self.path))
        common = self.overrides(options['common'], ('common',))
        return Grid(self.path, name, tuple(options['seeds']), baseline, common, tuple(variants.values()))

    def check_name(self, name: str, path: tuple) -> None:
        if not _NAME.fullmatch(name):
            self.problems.append((path, f'{name!r} {_NAME_RULE}'))

    def check_seeds(self, options: dict) -> None:
        seeds = options['seeds']
        if len(set(seeds)) < len(seeds):
            self.problems.append((('seeds',), 'holds a seed twice: that would be the same run'))
        if options['interval'] and len(set(seeds)) < 2:
            message = 'needs at least two seeds, as one says nothing of the spread between runs: add seeds'
            self.problems.append((('interval',), message))

    def overrides(self, values: dict | None, path: tuple) -> tuple[Override, ...]:
        mark = self.tree.mark
        return tuple(
            Override(str(key), value, f'{self.path.name} {mark((*path, key))}') for key, value in (values or {}).items()
        )

    def combine(self, options: dict) -> dict[str, Variant]:
        """Return every variant with every choice on the axes, by name."""
        base = self.path.parent / options['base']
        rows = []
        for name, values in (options['variants'] or {'': {}}).items():
            is_file = isinstance(values, str)
            changes = () if is_file else self.overrides(values, ('variants', name))
            rows.append((name, self.path.parent / values if is_file else base, changes))
        axes = [self.choices(key, axis) for key, axis in options['axes'].items()]

        variants: dict[str, Variant] = {}
        for (name, base, changes), *picked in itertools.product(rows, *axes):
            full_name = '-'.join(part for part in (name, *(label for label, _ in picked)) if part)
            if full_name in variants:
                self.problems.append((('axes',), f'two variants would be called {full_name}: use labels'))
            changes = changes + tuple(change for _, more in picked for change in more)
            variants[full_name] = Variant(full_name, base, changes)
        for index, name in enumerate(options['exclude']):
            if variants.pop(name, None) is None:
                near = suggest(name, variants)
                self.problems.append((('exclude', index), f"there is no variant '{name}'{near}"))
        if not variants and not self.problems:
            self.problems.append((('exclude',), 'leaves no variant'))
        return variants

    def choices(self, key: str, axis: list | dict) -> list[tuple[str, tuple[Override, ...]]]:
        """Return the label and the overrides of every choice on an axis."""
        if isinstance(axis, dict):
            for label in axis:
                self.check_name(label, ('axes', key, label))
            found = [(label, self.overrides(values, ('axes', key, label))) for label, values in axis.items()]
        else:
            name, mark = key.split(':')[-1], f'{self.path.name} {self.tree.mark(("axes", key))}'
            found = [(f'{name}{_label(value)}', (Override(key, value, mark),)) for value in axis]
            for label, _ in found:
                if not _NAME.fullmatch(label):
                    message = f'no name can be made of {describe(label)}: write {{label: {{{key}: value}}}} instead'
                    self.problems.append((('axes', key), message))
        if not found:
            self.problems.append((('axes', key), 'is empty: give at least one value'))
        return found

    def baseline(self, name: str | None, variants: dict[str, Variant]) -> str:
        """Return the variant that is meant; of a variant that axes multiplied, the first combination."""
        if not variants:
            return ''
        if name is None or name in variants:
            return name or next(iter(variants))
        combined = [other for other in variants if other.startswith(f'{name}-')]
        if not combined:
            known = ', '.join(variants)
            message = f"there is no variant '{name}'{suggest(name, variants)} (variants: {known})"
            self.problems.append((('baseline',), message))
        return combined[0] if combined else ''


def _label(value: Any) -> str:
    """Return a value as a part of a name: 0.0001, NAFNet, none."""
    if value is None or isinstance(value, bool):
        return {None: 'none', True: 'true', False: 'false'}[value]
    if isinstance(value, dict):
        return entry_name(value) or '?'
    if isinstance(value, list):
        return '+'.join(map(_label, value))
    return f'{value:g}' if isinstance(value, float) else str(value)
