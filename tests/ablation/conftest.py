"""A grid of tiny runs."""

from pathlib import Path

import pytest
import yaml

from basicsr.ablation.grid import read_grid
from basicsr.ablation.grid_folder import write_grid_folder
from basicsr.ablation.plan import Plan, make_plan
from tests.conftest import tiny_options


def tiny_grid() -> dict:
    """Return a grid over `tiny_options`: two variants, two seeds."""
    return {
        'name': 'grid',
        'base': 'tiny.yml',
        'seeds': [0, 1],
        'baseline': 'full',
        'variants': {'full': {}, 'no_ssim': {'train:losses:ssim': None}},
    }


@pytest.fixture
def plan_of(tiny_root: Path):
    """Plan a grid in `tiny_root`. Arguments: keys of the grid, and options of the base where not the tiny ones."""

    def plan(grid: dict | None = None, options: dict | None = None) -> Plan:
        (tiny_root / 'tiny.yml').write_text(yaml.safe_dump(options or tiny_options(), sort_keys=False))
        file = tiny_root / 'grid.yml'
        file.write_text(yaml.safe_dump(tiny_grid() | (grid or {}), sort_keys=False))
        return make_plan(read_grid(file), tiny_root)

    return plan


@pytest.fixture
def written(plan_of):
    """Plan a grid and write its option files."""

    def write(grid: dict | None = None, options: dict | None = None) -> Plan:
        plan = plan_of(grid, options)
        write_grid_folder(plan)
        return plan

    return write
