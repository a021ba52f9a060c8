"""Options as a tree that knows where each key was written, and how `override:` and `--force_yml` change it."""

import re
from typing import Any

from basicsr.utils.errors import suggest
from basicsr.utils.explain import describe

MAX_DEPTH = 50


class Tree:
    """Options as read, with the place of every key.

    Attributes:
        data: nested dictionaries and lists.
        marks: path of a key or list entry -> where it was written, for messages (`line 12` or `--force_yml name=x`).
        problems: what is wrong with the text itself, as (path, message, where).
    """

    def __init__(self, data: Any, marks: dict, problems: list) -> None:
        self.data, self.marks, self.problems = data, marks, problems

    def mark(self, path: tuple) -> str:
        """Return where `path`, or the nearest key above it, was written."""
        while path and path not in self.marks:
            path = path[:-1]
        return self.marks.get(path, '')

    def forget(self, path: tuple) -> None:
        """Forget the places of everything at and below `path`."""
        self.marks = {key: mark for key, mark in self.marks.items() if key[: len(path)] != path}

    def move(self, old: tuple, new: tuple) -> None:
        """Let messages about `new` point to where `old` was written."""
        moved = {new + k[len(old) :]: m for k, m in self.marks.items() if k[: len(old)] == old}
        self.forget(old)
        self.marks |= moved


def apply_override(tree: Tree, key: str, value: Any, mark: str) -> str | None:
    """Set `key`, a colon path such as `train:losses:ssim:loss_weight`, to `value`; return what is wrong, if anything.

    An entry of a list is addressed by its name or number, and removed by `~` (null); a named entry that is not there
    is appended.
    """
    *parents, last = key.split(':')
    if len(parents) > MAX_DEPTH:
        return 'nested too deeply'
    node, path = tree.data, ()
    for part in parents:
        child = _child_key(node, part)
        if isinstance(node, list) and not isinstance(child, int):
            return _no_entry(node, part, child)
        child = part if child is None else child
        if isinstance(node, dict) and node.get(child) is None:
            node[child] = {}
            tree.marks[path + (child,)] = mark
        node, path = node[child], path + (child,)
        if not isinstance(node, dict | list):
            return f'{":".join(map(str, path))} is {describe(node)}, which has no keys'

    child = _child_key(node, last)
    if isinstance(node, dict):
        child = last if child is None else child
        node[child] = value
    elif isinstance(child, int) and value is None:
        _remove_entry(tree, node, path, child)
        return None
    elif isinstance(child, int):
        named = isinstance(value, dict) and entry_name(node[child]) == last
        node[child] = {'name': last, **value} if named else value
    elif child is None and isinstance(value, dict) and 'type' in value:
        child = len(node)
        node.append({'name': last, **value})
    else:
        return _no_entry(node, last, child)
    tree.forget(path + (child,))
    tree.marks[path + (child,)] = mark
    return None


def entry_name(entry: Any) -> str | None:
    """Return the name of a list entry: its `name`, or what its type is called: `LabABLoss` -> `lab_ab`."""
    if not isinstance(entry, dict):
        return None
    if entry.get('name') is not None:
        return str(entry['name'])
    kind = entry.get('type')
    if not isinstance(kind, str):
        return None
    kind = kind.removesuffix('Loss') or kind
    return re.sub(r'(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])', '_', kind).lower() or None


def _child_key(node: dict | list, part: str) -> str | int | float | None:
    """Return the key or index that `part` addresses, or None; a name that several list entries share is `part`."""
    if isinstance(node, dict):
        return next((key for key in node if str(key) == part), None)
    names = [entry_name(entry) for entry in node]
    if part in names:
        return names.index(part) if names.count(part) == 1 else part
    positions = [str(index) for index in range(len(node))]
    return positions.index(part) if part in positions else None


def _no_entry(node: list, part: str, child: str | None) -> str:
    if child is not None:
        return f"several entries are called '{part}': address them by number, from 0"
    names = [name for entry in node if (name := entry_name(entry))]
    return f"there is no entry '{part}'{suggest(part, names)} (entries: {', '.join(names) or 'none'})"


def _remove_entry(tree: Tree, node: list, path: tuple, index: int) -> None:
    del node[index]
    tree.forget(path + (index,))
    for later in range(index, len(node)):
        tree.move(path + (later + 1,), path + (later,))
