"""Checks values from an option file against pydantic models and constructor signatures, and collects every problem.

A *section* of the options is a subclass of `Section`: field = key, annotation = type, default = default, description =
documentation. A *component* (`type:` something) is checked against the signature of what it names.
"""

import inspect
import re
import types
import typing
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Union

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictStr, ValidationError, create_model

from basicsr.utils.errors import suggest

Path = tuple[str | int, ...]
Problem = tuple[Path, str]


def _to_int(value: Any) -> Any:
    """Accept 5e3 where an int is asked for; refuse True, '5' and 2.5."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f'expected int, got {describe(value)}')
    return value


def _to_float(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f'expected a number, got {describe(value)}')
    return float(value)


Int = Annotated[int, BeforeValidator(_to_int)]
Count = Annotated[Int, Field(ge=0)]
Float = Annotated[float, BeforeValidator(_to_float)]
Bool = StrictBool
Str = StrictStr
# A file or folder that is looked up from the project root when it is relative.
RootPath = Annotated[StrictStr, 'root path']

_RELAXED = {int: Int, float: Float, bool: Bool, str: Str}


class Section(BaseModel):
    """Base of the option sections: unknown keys are problems, defaults are checked too."""

    model_config = ConfigDict(extra='forbid', validate_default=True, protected_namespaces=())


def describe(value: Any) -> str:
    """Return a value with its type, as messages show it: `'200k' (str)`."""
    return 'nothing' if value is None else f'{value!r} ({type(value).__name__})'


def check_section(section: type[Section], value: Any, path: Path) -> tuple[dict | None, list[Problem]]:
    """Check `value` against a section and the sections nested in it.

    Returns:
        The value with all defaults filled in, or None when there are problems, and the problems as (path, message).
    """
    if not isinstance(value, dict):
        return None, [(path, f'expected a section of keys, got {describe(value)}')]
    flat, nested, problems = dict(value), {}, []
    for name, field in section.model_fields.items():
        inner = nested_section(field.annotation)
        if inner is not None and isinstance(flat.get(name), dict):
            nested[name], found = check_section(inner, flat.pop(name), path + (name,))
            problems += found
    try:
        checked = section.model_validate(flat).model_dump()
    except ValidationError as error:
        return None, _explain(error, list(section.model_fields), path, 'unknown key') + problems
    return (None if problems else checked | nested), problems


def check_arguments(
    component: Any, arguments: dict, path: Path, skip: int = 0, also_known: Iterable[str] = ()
) -> tuple[dict | None, list[Problem]]:
    """Check `arguments` against the signature of a class or function.

    Args:
        component: class or function; a class is checked by its constructor.
        skip: number of leading parameters that the caller fills (a metric's two images).
        also_known: keys that are checked elsewhere, for suggestions.

    Returns:
        The arguments with all defaults filled in, or None when there are problems, and the problems as (path, message).
    """
    if takes_any_keyword(component):
        return dict(arguments), []
    model = _signature_model(component, skip)
    try:
        return model.model_validate(arguments).model_dump(), []
    except ValidationError as error:
        known = [*(field.alias for field in model.model_fields.values()), *also_known]
        return None, _explain(error, known, path, f'{component.__name__} has no such argument')


def takes_any_keyword(component: Any) -> bool:
    """True for a class or function whose signature holds `**kwargs`: nothing can be checked."""
    return any(p.kind is p.VAR_KEYWORD for p in inspect.signature(component).parameters.values())


def takes_opt(component: Any) -> bool:
    """True for BasicSR's convention of a class built from one dictionary: `Dataset(opt)`."""
    names = [name for name in inspect.signature(component).parameters if name != 'self']
    return names[:1] == ['opt']


def _signature_model(component: Any, skip: int) -> type[BaseModel]:
    """Build the pydantic model whose fields are the parameters of `component`."""
    function = component.__init__ if inspect.isclass(component) else component
    hints = typing.get_type_hints(function, include_extras=True)
    fields = {}
    for name, parameter in list(inspect.signature(component).parameters.items())[skip:]:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        annotation = _relax(hints.get(name, Any))
        if parameter.default is None:
            annotation = annotation | None if annotation is not Any else Any
        required = parameter.default is parameter.empty
        # The alias keeps parameter names that pydantic reserves (`json`, `copy`) usable.
        fields[f'arg_{name}'] = (annotation, Field(... if required else parameter.default, alias=name))
    config = ConfigDict(extra='forbid', arbitrary_types_allowed=True, serialize_by_alias=True)
    return create_model(component.__name__, __config__=config, **fields)


def _relax(annotation: Any) -> Any:
    """Replace int, float, bool and str inside an annotation by the types of this module, which say what YAML may hold."""
    if annotation in _RELAXED:
        return _RELAXED[annotation]
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (Literal, Annotated) or not arguments:
        return annotation
    relaxed = tuple(_relax(argument) for argument in arguments)
    if origin in (Union, types.UnionType):
        return Union[relaxed]
    return origin[relaxed]


def nested_section(annotation: Any) -> type[Section] | None:
    """Return the section that an annotation such as `GradClipOptions | None` holds, if any."""
    if inspect.isclass(annotation) and issubclass(annotation, Section):
        return annotation
    return next((inner for part in typing.get_args(annotation) if (inner := nested_section(part))), None)


def _explain(error: ValidationError, known: list[str], path: Path, unknown: str) -> list[Problem]:
    """Turn pydantic's errors into one problem per key; a key with several allowed types fails once per type."""
    messages: dict[Path, dict[str, None]] = {}
    for item in error.errors():
        texts = messages.setdefault(item['loc'][:1], {})  # empty for a check of the section as a whole
        if item['type'] != 'is_instance_of' or not texts:  # `float | Tensor`: YAML holds no tensors
            texts[_message(item, known, unknown)] = None
    return [(path + where, _either(list(texts))) for where, texts in messages.items()]


def _either(messages: list[str]) -> str:
    """Join `expected a, got x` and `expected b, got x` to `expected a or b, got x`."""
    parts = [re.fullmatch(r'expected (.*?), got (.*)', message, re.DOTALL) for message in messages]
    if len(messages) > 1 and all(parts) and len({part[2] for part in parts}) == 1:
        return f'expected {" or ".join(part[1] for part in parts)}, got {parts[0][2]}'
    return ' or '.join(messages)


def _message(item: dict, known: list[str], unknown: str) -> str:
    kind, value, context = item['type'], item['input'], item.get('ctx', {})
    if kind == 'extra_forbidden':
        return unknown + suggest(item['loc'][0], known)
    if kind == 'missing':
        return 'is required'
    if kind == 'value_error':
        return str(context['error'])
    if kind == 'literal_error':
        choices = context['expected'].replace(' or ', ', ')
        return f'{value!r} is not one of {choices}' + suggest(value, re.findall(r"'([^']*)'", choices))
    if kind in _EXPECTED:
        return f'expected {_EXPECTED[kind]}, got {describe(value)}'
    return f'{item["msg"][0].lower()}{item["msg"][1:]}, got {describe(value)}'


_EXPECTED = {
    'bool_type': 'true or false',
    'string_type': 'text',
    'list_type': 'a list',
    'sequence_str': 'a list',
    'is_instance_of': 'a list',
    'dict_type': 'a section of keys',
    'model_type': 'a section of keys',
    'none_required': 'nothing (~)',
}
