"""The text of docs/losses.md, from docstrings and signatures."""

import importlib
import inspect
import re
import textwrap
import types
import typing

# A line of a docstring that begins with one of these begins a point of its own.
POINTS = ('Size: ', 'Use it ', 'Source: ')

GENERAL_ARGUMENTS = {
    'loss_weight': 'multiplies the value; in an option file a number or a schedule, `{0: 0.0, 1000: 0.5}`',
    'reduction': '`mean`, `sum`, or `none` for a map; an objective needs a scalar',
}


def family_title(module: str) -> str:
    """`basicsr.losses.color_difference_loss` -> `Color difference`."""
    name = module.rsplit('.', 1)[-1].removesuffix('_loss').replace('_', ' ')
    return {'ssim': 'SSIM', 'gan': 'GAN'}.get(name, name.capitalize())


def family_intro(module: str) -> str:
    """What a module says of itself."""
    text = inspect.getdoc(importlib.import_module(module)) or ''
    return '\n\n'.join(_escape(_joined(paragraph)) for paragraph in text.split('\n\n'))


def description(loss: type) -> str:
    """The docstring without its arguments, as paragraphs and points."""
    text = _docstring(loss)[0]
    paragraphs, points = [], []
    for paragraph in text.split('\n\n'):
        starts = '|'.join(map(re.escape, POINTS))
        first, *rest = re.split(rf'^(?=(?:{starts}))', paragraph, flags=re.MULTILINE)
        paragraphs += [_escape(_joined(first))] if first.strip() else []
        points += [_escape(_joined(point)) for point in rest]
    bold = [re.sub(r'^(Size|Source|Use it)(:?)', r'**\1**\2', point) for point in points]
    return '\n\n'.join(paragraphs + ['\n'.join(f'- {point}' for point in bold)] * bool(bold))


def argument_table(loss: type) -> str:
    """Name, type, default and meaning of every argument of the constructor."""
    meanings = GENERAL_ARGUMENTS | _docstring(loss)[1]
    hints = typing.get_type_hints(loss.__init__)
    rows = ['| argument | type | default | meaning |', '|---|---|---|---|']
    for name, parameter in inspect.signature(loss).parameters.items():
        default = '(required)' if parameter.default is parameter.empty else f'`{_plain(parameter.default)}`'
        cells = (f'`{name}`', _type_name(hints.get(name)), default, _escape(meanings.get(name, '')))
        rows.append('| ' + ' | '.join(cell.replace('|', '\\|') for cell in cells) + ' |')
    return '\n'.join(rows)


def _docstring(loss: type) -> tuple[str, dict[str, str]]:
    """Docstring before `Args:`, and argument -> meaning."""
    text, _, arguments = (inspect.getdoc(loss) or '').partition('\nArgs:\n')
    meanings: dict[str, str] = {}
    for line in textwrap.dedent(arguments).splitlines():
        match = re.match(r'(\w+): (.*)', line)
        if match:
            name = match[1]
            meanings[name] = match[2]
        elif line.strip() and meanings:
            meanings[name] += ' ' + line.strip()
    return text.strip(), meanings


def _type_name(hint: object) -> str:
    if hint is None or hint is types.NoneType:
        return 'nothing'
    if typing.get_origin(hint) is typing.Literal:
        return ', '.join(f'`{_plain(choice)}`' for choice in typing.get_args(hint))
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return ' or '.join(_type_name(part) for part in typing.get_args(hint))
    names = {float: 'number', int: 'integer', bool: '`true`, `false`', str: 'text'}
    if hint in names:
        return names[hint]
    if typing.get_origin(hint) is dict:
        key, value = (_type_name(part) for part in typing.get_args(hint))
        return f'{key} → {value}'
    return getattr(hint, '__name__', str(hint))


def _plain(value: object) -> str:
    """A value as an option file has it."""
    if value is None:
        return '~'
    if isinstance(value, bool):
        return str(value).lower()
    return f'{value:.4g}' if isinstance(value, float) else str(value)


def _joined(text: str) -> str:
    return ' '.join(line.strip() for line in text.strip().splitlines())


def _escape(text: str) -> str:
    """Keep Markdown from reading L*a*b* as italics; code stays as it is."""
    parts = re.split(r'(`[^`]*`)', text)
    return ''.join(part if part.startswith('`') else part.replace('*', '\\*') for part in parts)
