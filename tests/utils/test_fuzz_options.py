"""Whatever an option file holds: it is accepted, or refused with one clear message. Never a traceback."""

import copy
import datetime
import random
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from basicsr.utils.errors import OptionError
from basicsr.utils.options import dump_options, load_options, runtime_options, yaml_load
from tests.utils.option_files import RUN
from tests.utils.test_legacy import NAFNET_TRAIN

SEEDS = [yaml_load(RUN), yaml_load(NAFNET_TRAIN)]
ODD_VALUES = [
    None,
    True,
    0,
    -1,
    10**18,
    10**30,
    2.5,
    -0.0,
    float('nan'),
    float('inf'),
    1e308,
    '',
    'x',
    '1e-3',
    '~',
    'a\tb\nc',
    'ü' * 300,
    b'\x00\xff',
    datetime.date(2024, 1, 1),
    [],
    {},
    [None],
    [[]],
    [{}],
    [1, 'a', None],
    {'type': None},
    {'type': 'L1Loss'},
    {'type': 'NAFNet', 'width': []},
    {'type': ['a']},
    {0: 1},
    {1.5: 'x', 'y': {}},
    {'name': 5, 'type': 'SSIMLoss'},
    {'mixup': 3},
    [{'type': 'L1Loss'}, {'type': 'L1Loss'}],
]
ODD_KEYS = [5, -0.5, '', 'type', 'x.y', 'name', 'losses', 'base', 'override', 'wandb', 'params', 'network_d', 'arg_eps']
SCRIBBLES = ['\t', ':', '- ', '[', '}', '&a ', '*a ', '<<: *a\n', '"', '\x00', '#', '!!int ', '\r', 'é', '~', '\n']


def places(node, path=()):
    """Yield the path of everything in a tree."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield path + (key,)
        yield from places(value, path + (key,))


def mutate(options, rng):
    """Change one place: another value, no key, one key more, or another key."""
    *parents, last = rng.choice(list(places(options)))
    node = options
    for part in parents:
        node = node[part]
    kind = rng.randrange(5)
    if kind <= 1:
        node[last] = copy.deepcopy(rng.choice(ODD_VALUES))
    elif kind == 2:
        del node[last]
    elif isinstance(node, dict):
        value = copy.deepcopy(rng.choice(ODD_VALUES)) if kind == 3 else node.pop(last)
        node[rng.choice(ODD_KEYS)] = value
    else:
        node.insert(last, copy.deepcopy(rng.choice(ODD_VALUES)))


def scribble(text, rng):
    """Change a few characters."""
    for _ in range(rng.randint(1, 4)):
        position = rng.randrange(len(text))
        extra = rng.choice(
            ['\t', ':', '- ', '[', '}', '&a ', '*a ', '<<: *a\n', '"', '\x00', '#', '!!int ', '\r', 'é', '~']
        )
        text = text[:position] + extra + text[position + rng.choice([0, 1, 20]) :]
    return text


def load(file, *forced, is_train=True):
    """Load a file that is accepted, or refused as it should be; None when it is refused."""
    try:
        options, notes = load_options(str(file), forced, is_train)
    except OptionError as error:
        lines = str(error).splitlines()
        assert str(file) in lines[0] or lines[0].startswith('--force_yml')
        assert all(len(line) < 1000 for line in lines)
        return None
    assert all(isinstance(note, str) for note in notes)
    return options


@pytest.mark.parametrize('seed', range(6))
def test_random_changes(tmp_path, seed):
    rng = random.Random(seed)
    accepted = 0
    for number in range(50):
        options = copy.deepcopy(rng.choice(SEEDS))
        for _ in range(rng.choice([1, 1, 1, 4])):
            mutate(options, rng)
        text = yaml.dump(options, sort_keys=False, allow_unicode=True)
        text = scribble(text, rng) if number % 3 == 0 else text
        file = tmp_path / 'run.yml'
        file.write_text(text, encoding='utf-8')
        is_train = rng.random() < 0.8
        options = load(file, is_train=is_train)
        if options is not None:
            accepted += 1
            runtime_options(options, str(tmp_path), is_train)
            # What is accepted can be written down, and means the same when it is read again.
            file.write_text(dump_options(options), encoding='utf-8')
            again, _ = load_options(str(file), is_train=is_train)
            assert yaml_load(dump_options(again)) == yaml_load(dump_options(options))
    assert 2 <= accepted <= 40  # the changes are neither harmless nor hopeless


def test_random_overrides(tmp_path):
    rng = random.Random(0)
    file = tmp_path / 'run.yml'
    file.write_text(RUN, encoding='utf-8')
    paths = [':'.join(map(str, path)) for path in places(SEEDS[0])]
    values = [
        '~',
        '-1',
        '.nan',
        '[1',
        '{',
        '{a: 1, a: 2}',
        '&a [*a]',
        '"\\0"',
        '!!int',
        '- x',
        '#',
        '*a',
        '1: 2: 3',
        ',',
    ]
    for _ in range(100):
        path = rng.choice(paths) + rng.choice(['', '', ':', ':x', ':0', ':0:type', '::', ':²'])
        load(file, f'{path}={rng.choice(values)}', f'{rng.choice(paths)}={rng.choice(values)}')


@pytest.mark.parametrize(
    'content',
    [
        b'',
        b'\x00\x01\x02',
        b'\xff\xfe',
        b'\x89PNG\r\n\x1a\n' + bytes(range(256)),
        b'\xef\xbb\xbf',
        b'- a\n- b\n',
        b'%YAML 9.9\n---\na: 1\n',
        b'\t',
        b'a: 1\r\n\tb: 2\r\n',
        b'"unfinished',
        b'name: &a {b: *a}',
        b'? {a: 1}\n: 2\n',
        b'base: 5',
        b'override: 5',
        b'override: {5: 5, ~: 1}',
        b'train: ~\ndatasets: []\nval: {metrics: []}\nnetwork_g: NAFNet\nlosses: {type: L1Loss}\n',
        b'{' * 20_000,
    ],
    ids=lambda content: repr(content[:20]),
)
def test_files_that_are_nothing_like_options(tmp_path, content):
    file = tmp_path / 'run.yml'
    file.write_bytes(content)
    assert load(file) is None


def test_the_command_ends_with_code_1_and_no_traceback(tmp_path):
    file = tmp_path / 'run.yml'
    file.write_text(RUN.replace('lr: 1e-3', 'lr: -1'), encoding='utf-8')
    train = Path(__file__).resolve().parents[2] / 'basicsr' / 'train.py'
    done = subprocess.run([sys.executable, str(train), '-opt', str(file), '--check'], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout == ''
    assert done.stderr == (f'error: {file}: 1 problem\n  line 16  train.optim_g: Adam: Invalid learning rate: -1.0\n')
