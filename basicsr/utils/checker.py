"""Collects what is wrong with the components and sections that an option file names."""

import inspect
import re
from collections.abc import Collection, Iterable
from typing import Any

from basicsr.utils.errors import OptionError
from basicsr.utils.explain import Path, Problem, describe
from basicsr.utils.option_tree import Tree
from basicsr.utils.registry import Registry
from basicsr.utils.schema import Section, check_arguments, unchecked_keys


class Checker:
    """Problems and notes of one pass over the options. Problems are collected, never raised on the way."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.problems: list[Problem] = []
        self.notes: list[str] = []

    def component(
        self, registry: Registry, options: Any, path: Path, filled: Collection[str] = (), also_known: Iterable[str] = ()
    ) -> dict:
        """Check `{type: ..., argument: ...}` against the signature of what `type` names; return it complete.

        Args:
            filled: parameters that the program fills.
            also_known: keys that are checked elsewhere, for suggestions.
        """
        if not isinstance(options, dict):
            return {}
        kind = options.get('type')
        if not isinstance(kind, str):
            message = 'is required' if kind is None else f'expected text, got {describe(kind)}'
            self.problems.append((path + ('type',), message))
            return {}
        component = self.find(registry, kind, path + ('type',))
        if component is None:
            return {}
        arguments = {k: v for k, v in options.items() if k != 'type'}
        return {'type': kind, **(self.arguments(component, arguments, path, filled, also_known) or {})}

    def arguments(
        self, component: Any, arguments: dict, path: Path, filled: Collection[str] = (), also_known: Iterable[str] = ()
    ) -> dict | None:
        """Check the arguments of a component, and note those that cannot be checked."""
        checked = self.collect(check_arguments(component, arguments, path, filled, also_known))
        for key in unchecked_keys(component, arguments):
            self.notes.append(f'{dotted(path + (key,))} is passed to {component.__name__} unchecked')
        return checked

    def find(self, registry: Registry, name: Any, path: Path) -> Any:
        """Return what is registered as `name`; None without a name, which is for the section to complain about."""
        if not isinstance(name, str):
            return None
        try:
            return registry.get(name)
        except OptionError as error:
            self.problems.append((path, str(error)))
            return None

    def try_out(self, registry: Registry, options: dict, target: Any, path: Path) -> Any:
        """Build a component over `target`: its constructor knows which values make sense. Returns it, or None."""
        if not options or any(where[: len(path)] == path for where, _ in self.problems):
            return None
        arguments = {k: v for k, v in options.items() if k != 'type'}
        try:
            return registry.get(options['type'])(target, **arguments)
        except (ValueError, TypeError, LookupError, ArithmeticError) as error:
            self.problems.append((path, f'{options["type"]}: {error}'))
        except RuntimeError:  # `fused: true` depends on the device, which is not known here
            pass
        return None

    def collect(self, result: tuple[dict | None, list[Problem]]) -> dict | None:
        """Keep the problems of a check, and return its value."""
        self.problems += result[1]
        return result[0]

    def raise_problems(self, source: str) -> None:
        """Raise an OptionError with all problems in the order of the file, if there are any."""
        rows = [(mark, dotted(path), message) for path, message, mark in self.tree.problems]
        rows += [(self.tree.mark(path), dotted(path), message) for path, message in self.problems]
        rows = sorted(dict.fromkeys(rows), key=_file_order)  # a name that is looked up twice is unknown twice
        if rows:
            width = max(len(mark) for mark, _, _ in rows)
            lines = [f'  {mark:<{width}}  {path}: {message}' for mark, path, message in rows]
            raise OptionError('\n'.join([f'{source}: {len(rows)} problem{"s" * (len(rows) > 1)}', *lines]))


def options_section(dataset: Any) -> type[Section] | None:
    """Return the section of keys that a dataset class declares as `Options`, if it does."""
    section = getattr(dataset, 'Options', None)
    return section if inspect.isclass(section) and issubclass(section, Section) else None


def dotted(path: Path) -> str:
    """Return a path as people write it: `train.losses[0].type`."""
    text = ''.join(f'[{part}]' if isinstance(part, int) else f'.{part}' for part in path)
    return text.lstrip('.') or 'top level'


def _file_order(row: tuple[str, str, str]) -> tuple:
    line = re.search(r'(\d+)$', row[0])
    return (row[0].rstrip('0123456789'), int(line.group()) if line else 0, row[1])
