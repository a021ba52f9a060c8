"""Says in the words of this project what pydantic found wrong with a value."""

import re
from typing import Any

from basicsr.utils.errors import suggest

Path = tuple[str | int, ...]
Problem = tuple[Path, str]


def describe(value: Any) -> str:
    """Return a value with its type, as messages show it: `'200k' (str)`; long ones are cut."""
    if value is None:
        return 'nothing'
    text = repr(value)
    return f'{text if len(text) <= 100 else text[:97] + "..."} ({type(value).__name__})'


def explain(errors: list[dict], value: dict, known: list[str], path: Path, unknown: str) -> list[Problem]:
    """Turn pydantic's errors into one problem per place; a value with several allowed types fails once per type."""
    found: dict[Path, list[dict]] = {}
    for item in errors:
        found.setdefault(_place(item['loc'], value), []).append(item)
    return [
        (path + place, _message(items, known, unknown))
        for place, items in found.items()
        # Of the allowed types, the one that had a look at the entries of the value is the one that was meant.
        if not any(len(other) > len(place) and other[: len(place)] == place for other in found)
    ]


def _place(loc: Path, value: Any) -> Path:
    """Return the part of pydantic's location that consists of keys; it also names the types that were tried."""
    place = loc[:1]
    value = value.get(loc[0]) if loc else value
    for part in loc[1:]:
        keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list | tuple) else ()
        if part in keys:
            place, value = place + (part,), value[part]
    return place


def _message(items: list[dict], known: list[str], unknown: str) -> str:
    """Say what is wrong at one place."""
    kind, value = items[0]['type'], items[0]['input']
    if kind == 'extra_forbidden':
        return unknown + suggest(items[0]['loc'][-1], known)
    if kind == 'missing' and isinstance(items[0]['loc'][-1], str):
        return 'is required'
    if kind == 'literal_error' and len(items) == 1:
        choices = items[0]['ctx']['expected'].replace(' or ', ', ')
        near = suggest(value, re.findall(r"'([^']*)'", choices)) if isinstance(value, str) else ''
        return f'{describe(value) if value is None else repr(value)[:100]} is not one of {choices}{near}'

    # In `float | Tensor`, the number alone can be meant: YAML holds no tensors.
    items = [item for item in items if item['type'] != 'is_instance_of'] or items
    expected = dict.fromkeys(text for item in items if (text := _expected(item)))
    if expected:
        return f'expected {" or ".join(expected)}, got {describe(value)}'
    return ' or '.join(dict.fromkeys(map(_own_words, items)))


def _expected(item: dict) -> str | None:
    """Return what pydantic expected in our words, or None when it said something else."""
    template = _EXPECTED.get(item['type'])
    context = item.get('ctx', {})
    if item['type'] == 'is_instance_of' and context['class'] in ('Sequence', 'Iterable', 'Collection'):
        return 'a list'
    return None if template is None else template.format(**context)


def _own_words(item: dict) -> str:
    """Return the message of a validator, or pydantic's own."""
    if item['type'] in ('value_error', 'assertion_error'):
        return str(item['ctx']['error'])
    return f'{item["msg"][:1].lower()}{item["msg"][1:]}, got {describe(item["input"])}'


_EXPECTED = {
    'int_type': 'int',
    'float_type': 'a number',
    'bool_type': 'true or false',
    'string_type': 'text',
    'list_type': 'a list',
    'tuple_type': 'a list',
    'set_type': 'a list',
    'sequence_str': 'a list',
    'dict_type': 'a section of keys',
    'mapping_type': 'a section of keys',
    'model_type': 'a section of keys',
    'model_attributes_type': 'a section of keys',
    'none_required': 'nothing (~)',
    'invalid_key': 'a key that is text',
    'literal_error': '{expected}',
    'greater_than': 'a number above {gt}',
    'greater_than_equal': 'a number of at least {ge}',
    'less_than': 'a number below {lt}',
    'less_than_equal': 'a number of at most {le}',
    'too_short': '{min_length} or more entries',
    'too_long': 'at most {max_length} entries',
    'missing': 'more entries',
    'string_pattern_mismatch': 'text that matches {pattern}',
}
