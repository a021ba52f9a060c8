"""Checks values from an option file against pydantic models and constructor signatures, and collects every problem.

A *section* of the options is a subclass of `Section`: field = key, annotation = type, default = default, description =
documentation. A *component* (`type:` something) is checked against the signature of what it names.
"""

import collections.abc
import functools
import inspect
import math
import operator
import sys
import types
import typing
from collections.abc import Collection, Iterable
from typing import Annotated, Any, Union

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictStr, ValidationError, create_model
from pydantic.errors import PydanticUserError
from pydantic_core import PydanticCustomError

from basicsr.utils.explain import Path, Problem, describe, explain


def _to_int(value: Any) -> Any:
    """Accept 5e3 where an int is asked for; refuse True, '5', 2.5 and what 64 bits cannot hold."""
    number = int(value) if isinstance(value, float) and value.is_integer() else value
    if isinstance(number, bool) or not isinstance(number, int) or abs(number) >= 2**63:
        raise PydanticCustomError('int_type', 'expected int')
    return number


def _to_float(value: Any) -> Any:
    """Accept an int where a float is asked for; refuse True, '5', NaN and infinity."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= sys.float_info.max:
        raise PydanticCustomError('float_type', 'expected a number')
    return float(value)


Int = Annotated[int, BeforeValidator(_to_int)]
Count = Annotated[Int, Field(ge=0)]
Float = Annotated[float, BeforeValidator(_to_float)]
Bool = StrictBool
Str = StrictStr
# A file or folder that is looked up from the project root when it is relative.
RootPath = Annotated[StrictStr, 'root path']

_RELAXED = {int: Int, float: Float, bool: Bool, str: Str}
_CONTAINERS = (
    list,
    tuple,
    dict,
    set,
    frozenset,
    collections.abc.Sequence,
    collections.abc.Iterable,
    collections.abc.Collection,
    collections.abc.Mapping,
)


class Section(BaseModel):
    """Base of the option sections: unknown keys are problems, defaults are checked too."""

    model_config = ConfigDict(extra='forbid', validate_default=True, protected_namespaces=())


def check_section(section: type[Section], value: Any, path: Path) -> tuple[dict | None, list[Problem]]:
    """Check `value` against a section and the sections nested in it.

    Returns:
        The value with all defaults filled in, or None when there are problems, and the problems as (path, message).
    """
    if not isinstance(value, dict):
        return None, [(path, f'expected a section of keys, got {describe(value)}')]

    # A nested section suggests from its own keys, so it is checked by itself.
    problems, nested = [], set()
    for name, field in section.model_fields.items():
        inner = nested_section(field.annotation)
        if inner is not None and isinstance(value.get(name), dict):
            problems += check_section(inner, value[name], path + (name,))[1]
            nested.add(name)
    try:
        checked = section.model_validate(value).model_dump()
    except ValidationError as error:
        errors = [item for item in error.errors() if not set(item['loc'][:1]) & nested]
        return None, explain(errors, value, list(section.model_fields), path, 'unknown key') + problems
    return (None if problems else checked), problems


def nested_section(annotation: Any) -> type[Section] | None:
    """Return the section that an annotation such as `GradClipOptions | None` is, if any; not one in a container."""
    if inspect.isclass(annotation) and issubclass(annotation, Section):
        return annotation
    if typing.get_origin(annotation) in _CONTAINERS:
        return None
    return next((inner for part in typing.get_args(annotation) if (inner := nested_section(part))), None)


def check_arguments(
    component: Any, arguments: dict, path: Path, filled: Collection[str] = (), also_known: Iterable[str] = ()
) -> tuple[dict | None, list[Problem]]:
    """Check `arguments` against the signature of a class or function.

    Args:
        component: class or function; a class is checked by its constructor.
        filled: parameters that the caller fills (a metric's two images).
        also_known: keys that are checked elsewhere, for suggestions.

    Returns:
        The arguments with all defaults filled in that YAML can hold, or None when there are problems, and the problems
        as (path, message).
    """
    model = _signature_model(component, filled)
    try:
        checked = model.model_validate(arguments)
    except ValidationError as error:
        known = [*(field.alias for field in model.model_fields.values()), *also_known]
        unknown = f'{component.__name__} has no such argument'
        return None, explain(error.errors(), arguments, known, path, unknown)
    values = {field.alias: getattr(checked, name) for name, field in model.model_fields.items()}
    complete = {key: value for key, value in values.items() if key in arguments or _is_plain(value)}
    return complete | (checked.model_extra or {}), []


def unchecked_keys(component: Any, arguments: Iterable[str]) -> list[str]:
    """Return the arguments that only the `**kwargs` of a signature takes: nothing can be said about them."""
    named = inspect.signature(component).parameters
    return [key for key in arguments if key not in named] if takes_any_keyword(component) else []


def takes_any_keyword(component: Any) -> bool:
    """True for a class or function whose signature holds `**kwargs`."""
    return any(p.kind is p.VAR_KEYWORD for p in inspect.signature(component).parameters.values())


def takes_opt(component: Any) -> bool:
    """True for BasicSR's convention of a class built from one dictionary: `Dataset(opt)`."""
    names = [name for name in inspect.signature(component).parameters if name != 'self']
    return names[:1] == ['opt']


def _signature_model(component: Any, filled: Collection[str], use_hints: bool = True) -> type[BaseModel]:
    """Build the pydantic model whose fields are the parameters of `component`."""
    hints = _type_hints(component) if use_hints else {}
    fields = {}
    for name, parameter in inspect.signature(component).parameters.items():
        if name in filled or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        annotation = _relax(hints.get(name, Any))
        if parameter.default is None and annotation is not Any:
            annotation = annotation | None
        required = parameter.default is parameter.empty
        # The alias keeps parameter names that pydantic reserves (`json`, `copy`) usable.
        fields[f'arg_{name}'] = (annotation, Field(... if required else parameter.default, alias=name))
    extra = 'allow' if takes_any_keyword(component) else 'forbid'
    config = ConfigDict(extra=extra, arbitrary_types_allowed=True)
    try:
        return create_model(component.__name__, __config__=config, **fields)
    except PydanticUserError:  # an annotation of a client that is no type, such as `callable`
        if not use_hints:
            raise
        return _signature_model(component, filled, use_hints=False)


def _type_hints(component: Any) -> dict[str, Any]:
    """Return the annotations of a constructor or function; none when a client's cannot be resolved."""
    try:
        return typing.get_type_hints(
            component.__init__ if inspect.isclass(component) else component, include_extras=True
        )
    except (NameError, TypeError, AttributeError):  # a name imported for type checkers only
        return {}


def _relax(annotation: Any) -> Any:
    """Replace int, float, bool and str inside an annotation by this module's types, which say what YAML may hold."""
    if inspect.isclass(annotation) and annotation in _RELAXED:
        return _RELAXED[annotation]
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return Annotated[(_relax(arguments[0]), *arguments[1:])]
    if origin in (Union, types.UnionType):
        return functools.reduce(operator.or_, map(_relax, arguments))
    if origin in _CONTAINERS and arguments:
        return origin[tuple(map(_relax, arguments))]
    return annotation


def _is_plain(value: Any) -> bool:
    """True for what YAML can hold, and this module reads again."""
    if isinstance(value, dict):
        return all(isinstance(key, str | int) and _is_plain(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return math.isfinite(value) if isinstance(value, float) else value is None or isinstance(value, bool | int | str)
