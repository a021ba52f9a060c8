"""Reads YAML option files: where each key stands, keys written twice, `1e-3` as a number, `base:` and `override:`."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import ConstructorError

from basicsr.utils.errors import OptionError
from basicsr.utils.explain import describe
from basicsr.utils.option_tree import MAX_DEPTH, Tree, apply_override

# YAML 1.1 as PyYAML reads it needs a dot in a float: `1e-3` would be text.
_FLOAT = re.compile(r'[-+]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)[eE][-+]?[0-9]+$')
_MAX_NODES = 100_000


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which also reads `1e-3` as a number."""


class _Dumper(yaml.SafeDumper):
    """Writes what `_Loader` reads: text that looks like `1e-3` gets quotes."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write what stands in two places twice."""
        return True


for _class in (_Loader, _Dumper):
    _class.add_implicit_resolver('tag:yaml.org,2002:float', _FLOAT, list('-+.0123456789'))


def read_tree(path: str | Path) -> Tree:
    """Read an option file with everything it inherits.

    Raises:
        OptionError: the file, or one it is based on, does not exist or is no YAML mapping.
    """
    return _read_with_bases(Path(path), ())


def dump_yaml(data: Any) -> str:
    """Return YAML that `parse_text` reads as the same data, tuples as lists."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def parse_text(text: str, source: str, describe_line: Callable[[int], str] = 'line {}'.format) -> Tree:
    """Parse YAML text into a tree, whose data is None for a text without content.

    Args:
        source: name of the text, for messages.
        describe_line: number of a line -> how the marks of the tree call it.

    Raises:
        OptionError: the text is no YAML, or holds what no option can be.
    """
    tree = Tree(None, {}, [])
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is not None:
            tree.data = _Walk(loader, tree, describe_line).value(node, (), ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f'line {mark.line + 1}: ' if mark else ''
        raise OptionError(f'{source}: {line}not valid YAML: {error.problem or error.context}') from None
    except yaml.reader.ReaderError as error:
        line = text.count('\n', 0, error.position) + 1
        problem = f'it holds the character U+{error.character:04X}'
        raise OptionError(f'{source}: line {line}: not valid YAML: {problem}') from None
    except RecursionError:
        raise OptionError(f'{source}: not valid YAML: nested too deeply') from None
    return tree


class _Walk:
    """Turns YAML nodes into data, noting the place of every key on the way."""

    def __init__(self, loader: _Loader, tree: Tree, describe_line: Callable[[int], str]) -> None:
        self.loader, self.tree, self.describe_line = loader, tree, describe_line
        self.num_nodes = 0

    def value(self, node: yaml.Node, path: tuple, parents: tuple) -> Any:
        self.num_nodes += 1
        if id(node) in parents or self.num_nodes > _MAX_NODES:  # `&a [*a]`, or anchors that multiply
            raise _error('an anchor expands without end', node)
        if len(parents) > MAX_DEPTH:
            raise _error('nested too deeply', node)
        parents = (*parents, id(node))
        if isinstance(node, yaml.MappingNode) and node.tag == 'tag:yaml.org,2002:map':
            return self.mapping(node, path, parents)
        if isinstance(node, yaml.SequenceNode) and node.tag == 'tag:yaml.org,2002:seq':
            for index, item in enumerate(node.value):
                self.tree.marks[path + (index,)] = self.line(item)
            return [self.value(item, path + (i,), parents) for i, item in enumerate(node.value)]
        return self.construct(node)

    def mapping(self, node: yaml.MappingNode, path: tuple, parents: tuple) -> dict:
        pairs, merged = [], []
        for key_node, value_node in node.value:
            if key_node.tag == 'tag:yaml.org,2002:merge':  # `<<: *anchor`, or a list of them
                merged += value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]
            else:
                pairs.append((self.key(key_node), key_node, value_node))

        # What is written here wins over what is merged, and a merged mapping over those that are listed after it.
        result: dict = {}
        for source in reversed(merged):
            if not isinstance(source, yaml.MappingNode):
                raise _error('`<<` takes an anchor of a section, or a list of such', source)
            result |= self.value(source, path, parents)
        lines: dict = {}
        for key, key_node, value_node in pairs:
            if key in lines:
                message = f'is written twice, first at {lines[key]}; only one can count'
                self.tree.problems.append((path + (key,), message, self.line(key_node)))
            lines.setdefault(key, self.line(key_node))
            if key in result:
                self.tree.forget(path + (key,))
            self.tree.marks[path + (key,)] = self.line(key_node)
            result[key] = self.value(value_node, path + (key,), parents)
        return result

    def key(self, node: yaml.Node) -> str | int | float:
        key = self.construct(node) if isinstance(node, yaml.ScalarNode) else None
        if isinstance(key, bool) or not isinstance(key, str | int | float):
            written = f': `{node.value}`' if isinstance(node, yaml.ScalarNode) else ''
            raise _error(f'a key must be text or a number{written}', node)
        return key

    def construct(self, node: yaml.Node) -> Any:
        """Return the value of a scalar, or of a node with a tag of its own."""
        try:
            value = self.loader.construct_object(node, deep=True)
        except (ValueError, TypeError, LookupError, AttributeError):  # `!!float x`, the date 2026-13-45
            raise _error(f'`{node.value}` is no {node.tag.rpartition(":")[2]}', node) from None
        if isinstance(value, int) and value.bit_length() > 64:
            raise _error('a number too large for any option', node)
        if isinstance(value, str) and not _is_text(value):
            raise _error('text with characters that no file can hold', node)
        return value

    def line(self, node: yaml.Node) -> str:
        return self.describe_line(node.start_mark.line + 1)


def _is_text(value: str) -> bool:
    """False for text with a null character or half a surrogate pair, which quoted YAML can write."""
    return not re.search('[\0\ud800-\udfff]', value)


def _error(problem: str, node: yaml.Node) -> ConstructorError:
    return ConstructorError(None, None, problem, node.start_mark)


def _read_with_bases(path: Path, readers: tuple[Path, ...]) -> Tree:
    """Read `path`; lay it over the file that its `base:` names; apply its `override:`."""
    text = _read_text(path)
    path = path.resolve()
    if path in readers:
        raise OptionError(f'{path}: is based on itself: {" -> ".join(p.name for p in (*readers, path))}')
    # Lines of the file that the user started are plain; those of a base carry its name.
    tree = parse_text(text, str(path), lambda number: f'{path.name} line {number}' if readers else f'line {number}')
    if not isinstance(tree.data, dict):
        raise OptionError(
            f'{path}: expected keys such as `network_g:` and `train:` at the top level, got {describe(tree.data)}'
        )

    base, override = tree.data.pop('base', None), tree.data.pop('override', None)
    if base is not None:
        tree = _lay_over(_read_base(base, path, readers, tree), tree)
    if override is not None and not isinstance(override, dict):
        message = f'expected lines such as `train:optim_g:lr: 1e-4`, got {describe(override)}'
        tree.problems.append((('override',), message, tree.mark(('override',))))
        override = None
    for key, value in (override or {}).items():
        mark = tree.mark(('override', key))
        problem = apply_override(tree, str(key), value, mark)
        if problem:
            tree.problems.append((('override', key), problem, mark))
    tree.forget(('override',))
    return tree


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding='utf-8-sig')
    except UnicodeDecodeError:
        raise OptionError(f'{path}: cannot read the option file: it is no UTF-8 text') from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        reason = error.strerror.lower() if isinstance(error, OSError) and error.strerror else error
        raise OptionError(f'{path}: cannot read the option file: {reason}') from None


def _read_base(base: Any, path: Path, readers: tuple[Path, ...], tree: Tree) -> Tree:
    where = f'{path}: {tree.mark(("base",))}: base'
    if not isinstance(base, str):
        raise OptionError(f'{where}: expected the name of an option file, got {describe(base)}')
    try:
        result = _read_with_bases(path.parent / base, (*readers, path))
    except OptionError as error:
        raise OptionError(f'{where}: {error}') from None
    # A run is not its base: two runs of one name would archive each other.
    result.data.pop('name', None)
    result.forget(('name',))
    return result


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
