"""The code in docs/adding_a_loss.md runs, and the probe says of it what the page says."""

import importlib
import re
import sys
from pathlib import Path

import pytest
import yaml

import basicsr.losses
from basicsr.losses import build_objective
from basicsr.losses.probe import find_faults, patchwork, probe_loss
from basicsr.utils.registry import LOSS_REGISTRY
from basicsr.utils.schema import check_arguments

PAGE = Path(__file__).resolve().parents[1] / 'docs' / 'adding_a_loss.md'


def blocks(language: str) -> list[str]:
    found = re.findall(r'^```(\w*)\n(.*?)^```$', PAGE.read_text(encoding='utf-8'), re.DOTALL | re.MULTILINE)
    return [code for kind, code in found if kind == language]


FILES = {re.match(r'# (\S+)\n', block)[1]: block for block in blocks('python')}


@pytest.fixture
def dropped_in(tmp_path, monkeypatch):
    """The page's losses as files of the losses package."""
    for name, code in FILES.items():
        if name.startswith('basicsr/losses/'):
            (tmp_path / Path(name).name).write_text(code, encoding='utf-8')
    monkeypatch.setattr(basicsr.losses, '__path__', [*basicsr.losses.__path__, str(tmp_path)])
    monkeypatch.setattr(LOSS_REGISTRY, '_obj_map', dict(LOSS_REGISTRY._obj_map))
    yield
    for file in tmp_path.glob('*.py'):
        sys.modules.pop(f'basicsr.losses.{file.stem}', None)
        if hasattr(basicsr.losses, file.stem):
            delattr(basicsr.losses, file.stem)


def test_the_example_is_not_in_the_library():
    assert not {'StopsLoss', 'NaiveStopsLoss'} & set(LOSS_REGISTRY.keys())


def test_the_naive_loss_is_found_and_has_the_faults_of_the_page(dropped_in):
    naive = LOSS_REGISTRY.get('NaiveStopsLoss')
    found = {finding.name: finding.text for finding in find_faults(probe_loss(naive(), patchwork(128)))}
    shown = re.findall(r'^NaiveStopsLoss: ([^:]+): (.*?) \.\.\.$', '\n'.join(blocks('')), re.MULTILINE)
    assert len(shown) == 2
    for name, text in shown:
        assert found[name].startswith(text)


def test_the_tests_of_the_page_pass(dropped_in):
    space: dict = {}
    code = FILES['tests/losses/test_stops_loss.py']
    importlib.invalidate_caches()
    exec(compile(code, 'test_stops_loss.py', 'exec'), space)
    tests = {name: test for name, test in space.items() if name.startswith('test_')}
    assert len(tests) == 3
    for test in tests.values():
        marks = getattr(test, 'pytestmark', [])
        for arguments in [{mark.args[0]: value} for mark in marks for value in mark.args[1]] or [{}]:
            test(**arguments)


def test_the_options_of_the_page_build(dropped_in):
    entries = yaml.safe_load(blocks('yaml')[0])['losses']
    for entry in entries:
        own = {key: value for key, value in entry.items() if key not in ('type', 'name', 'loss_weight')}
        assert check_arguments(LOSS_REGISTRY.get(entry['type']), own, ())[1] == []
    objective = build_objective([{'loss_weight': 1.0, 'outputs': 'all', **entry} for entry in entries])
    picture = patchwork(32)
    assert objective([picture * 0.9], picture)[0] > 0
    assert objective.find('stops').loss.toe == 0.01
