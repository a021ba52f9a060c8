"""The structure of the house: imports go down only, and importing the package loads nothing."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / 'basicsr'
# A room may import the rooms below it, and itself.
BELOW = {
    'color': set(),
    'utils': {'color'},
    'archs': {'color', 'utils'},
    'losses': {'color', 'utils', 'archs'},
    'metrics': {'color', 'utils'},
    'data': {'color', 'utils'},
    'engine': {'color', 'utils'},
    'models': {'color', 'utils', 'archs', 'losses', 'metrics', 'data', 'engine'},
    'ablation': {'color', 'utils', 'archs', 'losses', 'metrics', 'data', 'engine', 'models', 'train'},
}


def imported_rooms(file: Path) -> set[str]:
    """Return the rooms of the package that a file imports, at the top or inside functions."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding='utf-8'))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f'{file}: relative import'
            names |= {f'{node.module}.{alias.name}' for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {parts[1] for name in names if (parts := name.split('.'))[0] == 'basicsr' and len(parts) > 1}


@pytest.mark.parametrize('room', BELOW)
def test_imports_go_down(room):
    allowed = BELOW[room] | {room, '__version__'}
    files = sorted((PACKAGE / room).rglob('*.py'))
    assert files
    for file in files:
        assert imported_rooms(file) <= allowed, f'{file.name} imports upwards or sideways'


def test_every_room_is_known():
    rooms = {path.parent.name for path in PACKAGE.glob('*/__init__.py')}
    assert rooms == set(BELOW)


def modules_after(statement: str) -> set[str]:
    code = f'{statement}\nimport sys\nprint(*sys.modules)'
    result = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent
    )
    return set(result.stdout.split())


def test_importing_the_package_loads_one_module():
    assert {name for name in modules_after('import basicsr') if name.split('.')[0] == 'basicsr'} == {'basicsr'}


HEAVY = {'cv2', 'torchvision', 'tensorboard', 'lmdb', 'scipy', 'pydantic'}


@pytest.mark.parametrize(
    'statement',
    [
        'from basicsr.archs.nafnet_arch import NAFNet',
        'from basicsr.utils import get_root_logger, scandir',
        'import basicsr.color, basicsr.losses',
    ],
)
def test_light_imports_load_nothing_heavy(statement):
    assert not modules_after(statement) & HEAVY


def test_building_a_network_loads_nothing_heavy():
    statement = """
from basicsr.archs import build_network
build_network({'type': 'NAFNet', 'width': 4, 'enc_blk_nums': [1], 'dec_blk_nums': [1]})"""
    assert not modules_after(statement) & HEAVY
