"""docs/options.md and the schema for editors: up to date, complete, and right about real option files."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from basicsr.utils.options import yaml_load
from basicsr.utils.run_options import LoggerOptions, PathOptions, RunOptions, TrainOptions, ValOptions
from tests.utils.test_legacy import BASICSR_TEST, BASICSR_TRAIN, NAFNET_TEST, NAFNET_TRAIN

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / 'tools' / 'write_option_docs.py'


def run_tool(*arguments):
    return subprocess.run([sys.executable, str(TOOL), *arguments], capture_output=True, text=True)


@pytest.fixture(scope='module')
def written(tmp_path_factory):
    """The documents as they should be."""
    folder = tmp_path_factory.mktemp('docs')
    done = run_tool('--out', str(folder))
    assert done.returncode == 0, done.stderr
    return {file.name: file.read_text(encoding='utf-8') for file in folder.iterdir()}


@pytest.mark.parametrize('name', ['options.md', 'options.schema.json'])
def test_committed_files_are_up_to_date(written, name):
    committed = (ROOT / 'docs' / name).read_text(encoding='utf-8')
    assert committed == written[name], 'run python tools/write_option_docs.py'


def test_check(tmp_path):
    done = run_tool('--check', '--out', str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == 'out of date: options.md, options.schema.json; run python tools/write_option_docs.py\n'
    assert list(tmp_path.iterdir()) == []


def test_every_key_has_a_row(written):
    rows = dict(re.findall(r'^\| `(\w+)` \| (.*) \|$', written['options.md'], re.MULTILINE))
    for section in (RunOptions, PathOptions, TrainOptions, ValOptions, LoggerOptions):
        for key, field in section.model_fields.items():
            assert key in rows
            assert field.description, f'{section.__name__}.{key} has no description'
    assert rows['total_iter'].startswith('int')
    assert rows['T_max'].startswith('int | required | ')
    assert rows['ema_decay'].startswith('number | `0.0` | ')
    # Every row has four cells.
    tables = [line for line in written['options.md'].splitlines() if line.startswith('| `') and line.count(' | ') > 1]
    assert all(len(re.split(r'(?<!\\)\|', line)) == 6 for line in tables)


def test_components_are_described(written):
    for name in ('NAFNet', 'L1Loss', 'ChromaLoss', 'TrueCosineAnnealingLR', 'calculate_psnr'):
        assert re.search(rf'### `{name}`\n\n[^|\n]+', written['options.md'])
    assert (
        '| `width` | int | `16` | channels at full resolution; each level below doubles them |' in written['options.md']
    )


def accepts(schema, value):
    """Say whether a JSON Schema of the kind that the tool writes accepts a value."""
    if 'anyOf' in schema and not any(accepts(choice, value) for choice in schema['anyOf']):
        return False
    if ('enum' in schema and value not in schema['enum']) or ('const' in schema and value != schema['const']):
        return False
    if not _has_type(schema.get('type'), value):
        return False
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value >= schema.get('minimum', value) and value > schema.get('exclusiveMinimum', value - 1)
    if isinstance(value, list):
        return all(accepts(schema.get('items', {}), item) for item in value)
    if isinstance(value, dict):
        others = schema.get('additionalProperties', {})
        properties = schema.get('properties', {})
        return all(
            accepts(properties[key], item) if key in properties else others is not False and accepts(others, item)
            for key, item in value.items()
        )
    return True


def _has_type(name, value):
    kinds = {'object': dict, 'array': list, 'string': str, 'boolean': bool, 'null': type(None), 'number': int | float}
    if name == 'integer':
        return isinstance(value, int | float) and not isinstance(value, bool) and float(value).is_integer()
    return name is None or (isinstance(value, kinds[name]) and (name != 'number' or not isinstance(value, bool)))


@pytest.fixture(scope='module')
def schema(written):
    return yaml_load(written['options.schema.json'])


@pytest.mark.parametrize('text', [NAFNET_TRAIN, NAFNET_TEST, BASICSR_TRAIN, BASICSR_TEST, 'base: x.yml\ntrain: ~\n'])
def test_the_schema_accepts_real_files(schema, text):
    assert accepts(schema, yaml_load(text))


def test_the_schema_accepts_the_option_files_of_this_project(schema):
    files = sorted((ROOT / 'options').glob('*.yml'))
    assert files
    for file in files:
        assert accepts(schema, yaml_load(str(file))), file.name


@pytest.mark.parametrize(
    'text',
    [
        'trian: {}',
        'train: {loses: []}',
        'train: {total_iter: many}',
        'train: {mode: fine}',
        'train: {losses: {type: L1Loss}}',
        'train: {losses: [{type: L1Loss, outputs: first}]}',
        'train: {grad_clip: {type: nrm}}',
        'val: {val_freq: 0}',
        'val: {metrics: {psnr: calculate_psnr}}',
        'datasets: {train: {type: PairedImageDataset, gt_size: big}}',
        'datasets: {train: {io_backend: {type: lmdv}}}',
        'logger: {print_frq: 3}',
        'network_g: NAFNet',
    ],
)
def test_the_schema_refuses_mistakes(schema, text):
    assert not accepts(schema, yaml_load(text))
