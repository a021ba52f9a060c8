"""Checking values against sections and signatures."""

from collections.abc import Callable, Sequence
from typing import Annotated, Literal, TypedDict

import pytest
from pydantic import Field, field_validator

from basicsr.utils.schema import (
    Bool,
    Count,
    Float,
    Int,
    Section,
    Str,
    check_arguments,
    check_section,
    takes_any_keyword,
    takes_opt,
    unchecked_keys,
)


class Inner(Section):
    needed: Int
    kind: Literal['one', 'two'] = 'one'


class Outer(Section):
    count: Count = 1
    rate: Float = Field(0.5, gt=0, le=1)
    flag: Bool = False
    text: Str | None = Field(None, pattern='^[a-z]+$')
    gpus: Count | Literal['auto'] = 'auto'
    weight: Float | Annotated[dict[Count, Float], Field(min_length=1)] = 1.0
    names: list[Str] = []
    inner: Inner | None = None

    @field_validator('count')
    @classmethod
    def _not_thirteen(cls, value: int) -> int:
        if value == 13:
            raise ValueError('brings bad luck')
        return value


def problems(value):
    checked, found = check_section(Outer, value, ('x',))
    assert (checked is None) == bool(found)
    return {'.'.join(map(str, path[1:])): message for path, message in found}


def test_complete():
    checked, found = check_section(Outer, {'count': 5e3, 'rate': 1, 'inner': {'needed': 2}, 'weight': {0: 1}}, ())
    assert found == []
    assert checked == {
        'count': 5000,
        'rate': 1.0,
        'flag': False,
        'text': None,
        'gpus': 'auto',
        'weight': {0: 1.0},
        'names': [],
        'inner': {'needed': 2, 'kind': 'one'},
    }
    assert type(checked['count']) is int
    assert type(checked['rate']) is float


@pytest.mark.parametrize(
    ('value', 'expected'),
    [
        ({'count': '5'}, {'count': "expected int, got '5' (str)"}),
        ({'count': 2.5}, {'count': 'expected int, got 2.5 (float)'}),
        ({'count': True}, {'count': 'expected int, got True (bool)'}),
        ({'count': None}, {'count': 'expected int, got nothing'}),
        ({'count': 1e300}, {'count': 'expected int, got 1e+300 (float)'}),
        ({'count': -1}, {'count': 'expected a number of at least 0, got -1 (int)'}),
        ({'count': 13}, {'count': 'brings bad luck'}),
        ({'rate': '1e-3'}, {'rate': "expected a number, got '1e-3' (str)"}),
        ({'rate': float('nan')}, {'rate': 'expected a number, got nan (float)'}),
        ({'rate': float('-inf')}, {'rate': 'expected a number, got -inf (float)'}),
        ({'rate': 10**400}, {'rate': f'expected a number, got 1{"0" * 96}... (int)'}),
        ({'rate': 0}, {'rate': 'expected a number above 0.0, got 0.0 (float)'}),
        ({'rate': 1.5}, {'rate': 'expected a number of at most 1.0, got 1.5 (float)'}),
        ({'flag': 1}, {'flag': 'expected true or false, got 1 (int)'}),
        ({'text': 5}, {'text': 'expected text, got 5 (int)'}),
        ({'text': 'A'}, {'text': "expected text that matches ^[a-z]+$, got 'A' (str)"}),
        ({'gpus': 'aut'}, {'gpus': "expected int or 'auto', got 'aut' (str)"}),
        ({'weight': 'x'}, {'weight': "expected a number or a section of keys, got 'x' (str)"}),
        ({'weight': {}}, {'weight': 'expected a number or 1 or more entries, got {} (dict)'}),
        ({'weight': {'a': 1}}, {'weight.a': "expected int, got 'a' (str)"}),
        ({'weight': {-1: 1}}, {'weight.-1': 'expected a number of at least 0, got -1 (int)'}),
        ({'weight': {5: 'b'}}, {'weight.5': "expected a number, got 'b' (str)"}),
        ({'names': 'abc'}, {'names': "expected a list, got 'abc' (str)"}),
        ({'names': ['a', 1, None]}, {'names.1': 'expected text, got 1 (int)', 'names.2': 'expected text, got nothing'}),
        ({'cout': 1}, {'cout': "unknown key; did you mean 'count'?"}),
        ({'zzz': 1, 5: 2}, {'zzz': 'unknown key', '5': 'expected a key that is text, got 5 (int)'}),
        ({'inner': 5}, {'inner': 'expected a section of keys, got 5 (int)'}),
        ({'inner': {}}, {'inner.needed': 'is required'}),
        (
            {'inner': {'need': 1, 'kind': 'tow'}, 'count': 'x'},
            {
                'count': "expected int, got 'x' (str)",
                'inner.needed': 'is required',
                'inner.need': "unknown key; did you mean 'needed'?",
                'inner.kind': "'tow' is not one of 'one', 'two'; did you mean 'two'?",
            },
        ),
        ([1], {'': 'expected a section of keys, got [1] (list)'}),
    ],
)
def test_messages(value, expected):
    assert problems(value) == expected


def test_long_values_are_cut():
    assert len(problems({'count': 'x' * 10_000})['count']) < 150


class Size(TypedDict):
    height: int


def component(
    needed: int,
    values: list[int] = (1, 2),
    pair: tuple[float, float] | None = None,
    kind: Literal['a', 'b'] = 'a',
    copy: bool = False,
    layers: dict[str, float] | None = None,
    sizes: Sequence[int] = (),
    act: object = print,
    limit: float = float('inf'),
    bounded: Annotated[int, Field(gt=0)] = 1,
    name: str = None,  # noqa: RUF013 (what clients write)
    anything=3,
):
    """A component with every kind of parameter."""


def arguments_of(given):
    checked, found = check_arguments(component, given, ())
    return checked, {'.'.join(map(str, path)): message for path, message in found}


def test_arguments_are_completed_with_what_yaml_can_hold():
    checked, found = arguments_of({'needed': 3e0, 'pair': [1, 2]})
    assert not found
    assert checked == {
        'needed': 3,
        'values': (1, 2),
        'pair': (1.0, 2.0),
        'kind': 'a',
        'copy': False,
        'layers': None,
        'sizes': (),
        'bounded': 1,
        'name': None,
        'anything': 3,
    }


def test_messages_about_arguments():
    _, found = arguments_of(
        {
            'values': [1, 'x'],
            'pair': [1],
            'kind': None,
            'copy': 'no',
            'layers': {'conv': 'x'},
            'sizes': 'ab',
            'bounded': '3',
            'nmae': 1,
        }
    )
    assert found == {
        'needed': 'is required',
        'values.1': "expected int, got 'x' (str)",
        'pair': 'expected more entries, got [1] (list)',
        'kind': "nothing is not one of 'a', 'b'",
        'copy': "expected true or false, got 'no' (str)",
        'layers.conv': "expected a number, got 'x' (str)",
        'sizes': "expected a list, got 'ab' (str)",
        'bounded': "expected int, got '3' (str)",
        'nmae': "component has no such argument; did you mean 'name'?",
    }


def test_filled_parameters_are_the_programs():
    _, found = check_arguments(component, {'values': [], 'act': 1}, ('p',), filled=('needed', 'act'))
    assert found == [(('p', 'act'), 'component has no such argument')]
    _, found = check_arguments(component, {'rate': 1}, (), filled=('needed',), also_known=['ratio'])
    assert found == [(('rate',), "component has no such argument; did you mean 'ratio'?")]


class TestClientsComponents:
    def test_any_keyword(self):
        def metric(img, img2, crop_border: int, **kwargs):
            pass

        assert takes_any_keyword(metric)
        checked, found = check_arguments(metric, {'crop_border': 2, 'extra': [1]}, (), filled=('img', 'img2'))
        assert (checked, found) == ({'crop_border': 2, 'extra': [1]}, [])
        assert unchecked_keys(metric, ['crop_border', 'extra']) == ['extra']
        _, found = check_arguments(metric, {'extra': 1}, (), filled=('img', 'img2'))
        assert found == [(('crop_border',), 'is required')]
        assert unchecked_keys(component, ['extra']) == []

    def test_annotations_that_cannot_be_resolved(self):
        def late(a: 'NotImported', b: int = 1):  # noqa: F821
            pass

        def typed(a: Size, b: int = 1):  # pydantic refuses this on Python 3.11
            pass

        def called(a: Callable[[int], str] | None = None, b: int = 1):
            pass

        assert check_arguments(late, {'a': 'x'}, ()) == ({'a': 'x', 'b': 1}, [])
        size = {'height': 3}
        assert check_arguments(typed, {'a': size}, ()) == ({'a': size, 'b': 1}, [])
        assert check_arguments(called, {}, ()) == ({'a': None, 'b': 1}, [])

    def test_opt(self):
        class Theirs:
            def __init__(self, opt):
                pass

        class Flat:
            def __init__(self, folder: str, opt: dict):
                pass

        assert takes_opt(Theirs)
        assert not takes_opt(Flat)
        assert not takes_opt(component)
