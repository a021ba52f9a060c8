"""Reads YAML option files: where each key stands, keys written twice, `1e-3` as a number, `base:` and `override:`."""

import re
from pathlib import Path
from typing import Any

import yaml

from basicsr.utils.errors import OptionError, suggest

# YAML 1.1 as PyYAML reads it needs a dot in a float: `1e-3` would be text.
_FLOAT = re.compile(r'[-+]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)[eE][-+]?[0-9]+')
_MAX_NODES = 100_000


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which also reads `1e-3` as a number."""


_Loader.add_implicit_resolver('tag:yaml.org,2002:float', _FLOAT, list('-+.0123456789'))


class Tree:
    """Options as read, with the place of every key.

    Attributes:
        data: nested dictionaries and lists.
        marks: path of a key or list entry -> where it was written, for messages (`line 12` or `--force_yml name=x`).
        problems: what is wrong with the text itself, as (path, message).
    """

    def __init__(self, data: dict, marks: dict, problems: list) -> None:
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


def read_tree(path: str | Path) -> Tree:
    """Read an option file with everything it inherits.

    Raises:
        OptionError: the file, or one it is based on, does not exist or is no YAML mapping.
    """
    return _read_with_bases(Path(path), ())


def parse_text(text: str, source: str, describe_line=lambda line: f'line {line}') -> Tree:
    """Parse YAML text into a tree; `source` names it in messages."""
    loader = _Loader(text)
    tree = Tree({}, {}, [])
    try:
        node = loader.get_single_node()
        if node is not None:
            tree.data = _Walk(loader, tree, describe_line).value(node, (), ())
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else '?'
        raise OptionError(f'{source}: line {line}: not valid YAML: {error.problem or error.context}') from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise OptionError(f'{source}: not valid YAML: {error}') from None
    except (ValueError, TypeError) as error:  # a timestamp 2026-13-45, an unhashable key
        raise OptionError(f'{source}: not valid YAML: {error}') from None
    except RecursionError:
        raise OptionError(f'{source}: nested too deeply') from None
    finally:
        loader.dispose()
    return tree


class _Walk:
    """Turns YAML nodes into data, noting the place of every key on the way."""

    def __init__(self, loader: _Loader, tree: Tree, describe_line) -> None:
        self.loader, self.tree, self.describe_line = loader, tree, describe_line
        self.num_nodes = 0

    def value(self, node: yaml.Node, path: tuple, parents: tuple) -> Any:
        self.num_nodes += 1
        if id(node) in parents or self.num_nodes > _MAX_NODES:  # `&a [*a]`, or anchors that multiply
            raise yaml.YAMLError(f'an anchor at line {node.start_mark.line + 1} expands without end')
        parents = (*parents, id(node))
        if isinstance(node, yaml.MappingNode) and node.tag == 'tag:yaml.org,2002:map':
            return self._mapping(node, path, parents)
        if isinstance(node, yaml.SequenceNode) and node.tag == 'tag:yaml.org,2002:seq':
            for index, item in enumerate(node.value):
                self.tree.marks[path + (index,)] = self._line(item)
            return [self.value(item, path + (i,), parents) for i, item in enumerate(node.value)]
        return self.loader.construct_object(node, deep=True)

    def _mapping(self, node: yaml.MappingNode, path: tuple, parents: tuple) -> dict:
        first_lines = {}
        for key_node, _ in node.value:
            if key_node.tag == 'tag:yaml.org,2002:merge':
                continue
            key = self.loader.construct_object(key_node, deep=True)
            if key in first_lines:
                message = f'is written twice, first at {first_lines[key]}; only one can count'
                self.tree.problems.append((path + (key,), message, self._line(key_node)))
            first_lines.setdefault(key, self._line(key_node))
        self.loader.flatten_mapping(node)  # `<<: *anchor`
        result = {}
        for key_node, value_node in node.value:
            key = self.loader.construct_object(key_node, deep=True)
            self.tree.marks[path + (key,)] = self._line(key_node)
            result[key] = self.value(value_node, path + (key,), parents)
        return result

    def _line(self, node: yaml.Node) -> str:
        return self.describe_line(node.start_mark.line + 1)


def _read_with_bases(path: Path, readers: tuple[Path, ...]) -> Tree:
    """Read `path`; lay it over the file that its `base:` names; apply its `override:`."""
    path = path.resolve()
    if path in readers:
        raise OptionError(f'{path}: is based on itself: {" -> ".join(p.name for p in (*readers, path))}')
    # Lines of the file that the user started are plain; those of a base carry its name.
    describe_line = (lambda n: f'line {n}') if not readers else (lambda n: f'{path.name} line {n}')
    tree = parse_text(_read_text(path, readers), str(path), describe_line)
    if not isinstance(tree.data, dict):
        raise OptionError(f'{path}: expected keys such as `name:` and `train:` at the top level')

    base, override = tree.data.pop('base', None), tree.data.pop('override', None)
    if base is not None:
        tree = _lay_over(_read_base(base, path, readers, tree), tree)
    for key, value in _override_items(override, path):
        # Copied, not referenced: YAML aliases must not tie two options together.
        problem = apply_override(tree, str(key), value, mark=tree.mark(('override', key)) or 'override')
        if problem:
            tree.problems.append((('override', key), problem, tree.mark(('override', key))))
    tree.forget(('override',))
    return tree


def _read_text(path: Path, readers: tuple[Path, ...]) -> str:
    try:
        return path.read_text(encoding='utf-8-sig')
    except (OSError, UnicodeDecodeError) as error:
        reason = 'no such file' if isinstance(error, FileNotFoundError) else error
        raise OptionError(f'{path}: cannot read the option file: {reason}') from None


def _read_base(base: Any, path: Path, readers: tuple[Path, ...], tree: Tree) -> Tree:
    if not isinstance(base, str):
        raise OptionError(f'{path}: {tree.mark(("base",))}: base: expected the name of an option file, got {base!r}')
    base_path = path.parent / base
    if not base_path.is_file():
        raise OptionError(f'{path}: {tree.mark(("base",))}: base: no such file: {base_path}')
    result = _read_with_bases(base_path, (*readers, path))
    # A run is not its base: two runs of one name would archive each other.
    result.data.pop('name', None)
    result.forget(('name',))
    return result


def _override_items(override: Any, path: Path):
    if override is None:
        return []
    if not isinstance(override, dict):
        raise OptionError(f'{path}: override: expected lines such as `train:optim_g:lr: 1e-4`, got {override!r}')
    return override.items()


def _lay_over(base: Tree, top: Tree) -> Tree:
    """Merge two trees: sections are merged key by key, everything else is replaced."""
    merged = Tree(base.data, base.marks, base.problems + top.problems)
    _merge(merged, merged.data, top.data, top.marks, ())
    merged.marks |= {key: mark for key, mark in top.marks.items() if key[:1] == ('override',)}
    return merged


def _merge(merged: Tree, data: dict, top: dict, marks: dict, path: tuple) -> None:
    for key, value in top.items():
        where = path + (key,)
        old = data.get(key)
        # Another `type` has other arguments: nothing of the old one may linger.
        same_type = (
            isinstance(old, dict) and isinstance(value, dict) and value.get('type', old.get('type')) == old.get('type')
        )
        if same_type:
            merged.marks[where] = marks.get(where, '')
            _merge(merged, old, value, marks, where)
        else:
            merged.forget(where)
            data[key] = value
            merged.marks |= {k: m for k, m in marks.items() if k[: len(where)] == where}


def apply_override(tree: Tree, key: str, value: Any, mark: str) -> str | None:
    """Set `key`, a colon path such as `train:losses:ssim:loss_weight`, to `value`. Returns what is wrong, if anything.

    An entry of a list is addressed by its name or number, and removed by `~` (null); a named entry that is not there is appended.
    """
    *parents, last = key.split(':')
    node, path = tree.data, ()
    for part in parents:
        child = _child_key(node, part)
        if child is None and isinstance(node, list):
            return _no_entry(path, part, node)
        if isinstance(node, dict) and node.get(child if child is not None else part) is None:
            child = part
            node[child] = {}
        node, path = node[child], path + (child,)
        if not isinstance(node, dict | list):
            return f'{".".join(map(str, path))} is {node!r}, which has no keys'

    child = _child_key(node, last)
    if isinstance(node, dict):
        child = last if child is None else child
        tree.forget(path + (child,))
        node[child] = value
    elif value is None:
        if child is None:
            return _no_entry(path, last, node)
        _remove_entry(tree, node, path, child)
        return None
    elif child is not None:
        tree.forget(path + (child,))
        node[child] = {'name': last, **value} if isinstance(value, dict) and not last.isdigit() else value
    elif isinstance(value, dict) and 'type' in value:
        child = len(node)
        node.append({'name': last, **value})
    else:
        return _no_entry(path, last, node)
    tree.marks[path + (child,)] = mark
    return None


def entry_name(entry: Any) -> str | None:
    """Return the name of a list entry: its `name`, or what its type is called: `LabABLoss` -> `lab_ab`."""
    if not isinstance(entry, dict):
        return None
    if entry.get('name') is not None:
        return str(entry['name'])
    kind = str(entry.get('type', '')).removesuffix('Loss')
    return re.sub(r'(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])', '_', kind).lower() or None


def _child_key(node: Any, part: str) -> str | int | None:
    """Return the key or index that `part` addresses in a mapping or list, or None."""
    if isinstance(node, dict):
        return next((key for key in node if str(key) == part), None)
    names = [entry_name(entry) for entry in node]
    if part in names:
        return names.index(part)
    return int(part) if part.isdigit() and int(part) < len(node) else None


def _no_entry(path: tuple, part: str, node: list) -> str:
    names = [name for entry in node if (name := entry_name(entry))]
    return f"{'.'.join(map(str, path))} has no entry '{part}'{suggest(part, names)} (entries: {', '.join(names)})"


def _remove_entry(tree: Tree, node: list, path: tuple, index: int) -> None:
    del node[index]
    tree.forget(path + (index,))
    for later in range(index, len(node)):
        tree.move(path + (later + 1,), path + (later,))
