"""Reading YAML: places, numbers, damage, inheritance. PyYAML's own safe loader is the judge where it agrees with us."""

import datetime

import pytest
import yaml

from basicsr.utils.errors import OptionError
from basicsr.utils.yaml_file import dump_yaml, parse_text, read_tree
from tests.utils.option_files import write


@pytest.mark.parametrize(
    ('text', 'number'),
    [
        ('1e-3', 1e-3),
        ('1E5', 1e5),
        ('-2e+2', -200.0),
        ('+.5e1', 5.0),
        ('1_000e0', 1000.0),
        ('!!float 1e-4', 1e-4),
        ('2.', 2.0),
        ('7', 7),
        ('-1', -1),
    ],
)
def test_numbers(text, number):
    value = parse_text(f'lr: {text}', 'x').data['lr']
    assert value == number
    assert type(value) is type(number)


@pytest.mark.parametrize('text', ["'1e-3'", 'e5', '1e', '1e-3x', '1-e3', '2e3.5', '200k'])
def test_what_is_no_number_is_text(text):
    assert parse_text(f'lr: {text}', 'x').data['lr'] == text.strip("'")


def test_agrees_with_pyyaml():
    text = """
a: &a {x: 1, y: [1, 2, {z: ~}], s: !!set {p, q}}
b: &b {y: 2, w: yes}
c: {<<: *a, x: 3}
d: {<<: [*b, *a], v: 2024-05-17}
e: |
  two
  lines
f: [*a, *b]
"""
    data = parse_text(text, 'x').data
    assert data == yaml.safe_load(text)
    assert data['d'] == {'y': 2, 'w': True, 'x': 1, 's': {'p', 'q'}, 'v': datetime.date(2024, 5, 17)}
    # Aliases are copies: changing one option must not change another.
    assert data['f'][0] is not data['a']


def test_places_of_keys():
    tree = parse_text('a: 1\nb:\n  - x: 2\n    y: 3\n  - z\nc: {d: 4}\n', 'x')
    marks = {('a',): 1, ('b',): 2, ('b', 0): 3, ('b', 0, 'x'): 3, ('b', 0, 'y'): 4, ('b', 1): 5, ('c', 'd'): 6}
    assert {path: tree.marks[path] for path in marks} == {path: f'line {line}' for path, line in marks.items()}
    assert tree.mark(('c', 'd', 'unknown', 0)) == 'line 6'
    assert tree.mark(('nothing',)) == ''


def test_merged_keys_stand_where_they_were_written():
    tree = parse_text('a: &a\n  x: 1\n  y: 2\nb:\n  <<: *a\n  y: 3\n', 'x')
    assert (tree.mark(('b', 'x')), tree.mark(('b', 'y'))) == ('line 2', 'line 6')


def test_a_key_written_twice():
    tree = parse_text('a: 1\nb: {c: 2}\na: 3\n', 'x')
    assert tree.problems == [(('a',), 'is written twice, first at line 1; only one can count', 'line 3')]
    assert parse_text('l: {0: 1, 1000: 2, 1e3: 3}', 'x').problems[0][0] == ('l', 1000)


DAMAGED = {
    'a: [1, 2': "x.yml: line 1: not valid YAML: expected ',' or ']', but got '<stream end>'",
    'a: 1\n\tb: 2': "x.yml: line 2: not valid YAML: found character '\\t' that cannot start any token",
    'a: b: c': 'x.yml: line 1: not valid YAML: mapping values are not allowed here',
    'a: 1\n b: 2': 'x.yml: line 2: not valid YAML: mapping values are not allowed here',
    'a: *nowhere': "x.yml: line 1: not valid YAML: found undefined alias 'nowhere'",
    'a: 1\nb: \x07': 'x.yml: line 2: not valid YAML: it holds the character U+0007',
    'a: 1\n---\nb: 2': 'x.yml: line 2: not valid YAML: but found another document',
    'a: !!python/object/apply:os.system [ls]': (
        'x.yml: line 1: not valid YAML: could not determine a constructor for the tag '
        "'tag:yaml.org,2002:python/object/apply:os.system'"
    ),
    'a: !!float x': 'x.yml: line 1: not valid YAML: `x` is no float',
    'a: !!int ""': 'x.yml: line 1: not valid YAML: `` is no int',
    'a: !!bool 3': 'x.yml: line 1: not valid YAML: `3` is no bool',
    'a: 2026-13-45': 'x.yml: line 1: not valid YAML: `2026-13-45` is no timestamp',
    '[a, b]: 1': 'x.yml: line 1: not valid YAML: a key must be text or a number',
    'a:\n  yes: 1': 'x.yml: line 2: not valid YAML: a key must be text or a number: `yes`',
    '~: 1': 'x.yml: line 1: not valid YAML: a key must be text or a number: `~`',
    'a: &a [*a]': 'x.yml: line 1: not valid YAML: an anchor expands without end',
    'a: &a {<<: *a}': 'x.yml: line 1: not valid YAML: an anchor expands without end',
    'a: {<<: 3}': 'x.yml: line 1: not valid YAML: `<<` takes an anchor of a section, or a list of such',
    'a: 0x' + 'f' * 5000: 'x.yml: line 1: not valid YAML: a number too large for any option',
    'a: ' + '9' * 5000: None,
    'a: "x\\0y"': 'x.yml: line 1: not valid YAML: text with characters that no file can hold',
    'a: "\\ud800"': 'x.yml: line 1: not valid YAML: text with characters that no file can hold',
    'a: ' + '[' * 60 + ']' * 60: 'x.yml: line 1: not valid YAML: nested too deeply',
    'a: ' + '[' * 5000 + ']' * 5000: 'x.yml: not valid YAML: nested too deeply',
}


@pytest.mark.parametrize('text', DAMAGED, ids=lambda text: repr(text[:20]))
def test_damage_is_one_clear_message(text):
    with pytest.raises(OptionError) as caught:
        parse_text(text, 'x.yml')
    message = str(caught.value)
    assert message == DAMAGED[text] if DAMAGED[text] else message.startswith('x.yml: line 1: not valid YAML: `999')
    assert '\n' not in message


def test_anchors_that_multiply():
    lines = ['a0: &a0 {k: [1, 2]}']
    lines += [f'a{i}: &a{i} {{<<: [{", ".join([f"*a{i - 1}"] * 9)}]}}' for i in range(1, 12)]
    lists = ['b0: &b0 [1, 2]'] + [f'b{i}: &b{i} [{", ".join([f"*b{i - 1}"] * 9)}]' for i in range(1, 12)]
    for text in ('\n'.join(lines), '\n'.join(lists)):
        with pytest.raises(OptionError, match='an anchor expands without end'):
            parse_text(text, 'x')


@pytest.mark.parametrize('content', [b'', b'# nothing\n', b'- a\n- b\n', b'text', b'3'])
def test_what_is_no_mapping(tmp_path, content):
    (tmp_path / 'run.yml').write_bytes(content)
    with pytest.raises(OptionError, match='expected keys such as `network_g:` and `train:` at the top level, got '):
        read_tree(tmp_path / 'run.yml')


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / 'binary.yml').write_bytes(b'\xff\xfe\x00')
    for name, reason in {
        'missing.yml': 'no such file or directory',
        'binary.yml': 'it is no UTF-8 text',
        '.': 'is a directory',
        'n' * 300: 'file name too long',
        'a\0b': 'embedded null byte',
    }.items():
        with pytest.raises(OptionError, match='cannot read the option file: ' + reason):
            read_tree(tmp_path / name)


def test_byte_order_mark_and_windows_lines(tmp_path):
    (tmp_path / 'run.yml').write_bytes(b'\xef\xbb\xbfa: 1\r\nb:\r\n  c: 2\r\n')
    tree = read_tree(tmp_path / 'run.yml')
    assert tree.data == {'a': 1, 'b': {'c': 2}}
    assert tree.mark(('b', 'c')) == 'line 3'


def test_dump_is_read_back_as_it_was():
    data = {
        'name': '1e-3',
        'version': '1.0',
        'flag': 'yes',
        'nothing': None,
        'tiny': 1e-12,
        'weights': {0: 0.0, 1000: 0.5},
        'text': 'a: b # c',
        'unicode': 'Bäume',
        'list': [True, -1, 2.5, [], {}],
    }
    assert parse_text(dump_yaml(data), 'x').data == data
    shared = [1, 2]
    assert dump_yaml({'a': shared, 'b': shared, 'c': (1, 2)}).count('- 2') == 3


class TestBase:
    def test_sections_are_merged_and_everything_else_replaced(self, tmp_path):
        write(
            tmp_path,
            'name: parent\ntrain:\n  total_iter: 5\n  losses: [{type: L1Loss}, {type: SSIMLoss}]\n'
            '  scheduler: {type: MultiStepLR, milestones: [3]}\n  optim_g: {type: Adam, lr: 1.0, eps: 2.0}\n',
            'base.yml',
        )
        top = (
            'base: base.yml\ntrain:\n  losses: [{type: MSELoss}]\n  scheduler: {type: LinearLR}\n  optim_g: {lr: 3.0}\n'
        )
        tree = read_tree(write(tmp_path, top))
        assert tree.data == {
            'train': {
                'total_iter': 5,
                'losses': [{'type': 'MSELoss'}],
                'scheduler': {'type': 'LinearLR'},  # another type has other arguments
                'optim_g': {'type': 'Adam', 'lr': 3.0, 'eps': 2.0},
            }
        }
        assert tree.mark(('train', 'total_iter')) == 'base.yml line 3'
        assert tree.mark(('train', 'losses', 0, 'type')) == 'line 3'
        assert tree.mark(('train', 'optim_g', 'eps')) == 'base.yml line 6'
        assert tree.mark(('train', 'optim_g', 'lr')) == 'line 5'

    def test_chain_in_other_folders(self, tmp_path):
        (tmp_path / 'sub').mkdir()
        write(tmp_path / 'sub', 'a: 1\nb: 1\nc: 1\n', 'first.yml')
        write(tmp_path / 'sub', 'base: first.yml\nb: 2\nc: 2\n', 'second.yml')
        tree = read_tree(write(tmp_path, 'base: sub/second.yml\nc: 3\n'))
        assert tree.data == {'a': 1, 'b': 2, 'c': 3}
        assert [tree.mark((key,)) for key in 'abc'] == ['first.yml line 1', 'second.yml line 2', 'line 2']

    def test_overrides_of_a_base_come_before_its_heir(self, tmp_path):
        write(tmp_path, 'train: {total_iter: 1, warmup_iter: 1}\noverride: {"train:total_iter": 2}\n', 'base.yml')
        tree = read_tree(
            write(tmp_path, 'base: base.yml\ntrain: {warmup_iter: 3}\noverride: {"train:mode": scratch}\n')
        )
        assert tree.data == {'train': {'total_iter': 2, 'warmup_iter': 3, 'mode': 'scratch'}}

    def test_mistakes(self, tmp_path):
        for text, message in {
            'base: gone.yml': 'run.yml: line 1: base: {}/gone.yml: cannot read the option file: no such file',
            'a: 1\nbase: [a.yml]': "run.yml: line 2: base: expected the name of an option file, got ['a.yml'] (list)",
            'base: run.yml': 'run.yml: line 1: base: {}/run.yml: is based on itself: run.yml -> run.yml',
            'base: bad.yml': "run.yml: line 1: base: {}/bad.yml: line 1: not valid YAML: expected ',' or ']'",
            'base: list.yml': 'run.yml: line 1: base: {}/list.yml: expected keys such as',
        }.items():
            write(tmp_path, '[1', 'bad.yml')
            write(tmp_path, '- 1', 'list.yml')
            with pytest.raises(OptionError) as caught:
                read_tree(write(tmp_path, text))
            assert str(caught.value).startswith(f'{tmp_path}/{message.format(tmp_path)}')

    def test_a_circle_of_two(self, tmp_path):
        write(tmp_path, 'base: run.yml', 'other.yml')
        with pytest.raises(OptionError, match=r'is based on itself: run\.yml -> other\.yml -> run\.yml'):
            read_tree(write(tmp_path, 'base: other.yml'))
