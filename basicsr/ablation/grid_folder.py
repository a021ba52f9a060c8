"""Writes what a grid needs in its folder: an option file per run, and `grid.json` for those who read the results."""

import json
from pathlib import Path

from basicsr.ablation.identity import differences, options_hash
from basicsr.ablation.plan import Plan, PlannedRun
from basicsr.ablation.runs import RunPlace, read_json, state_of
from basicsr.utils.atomic import write_atomic
from basicsr.utils.errors import UserError
from basicsr.utils.misc import get_time_str
from basicsr.utils.options import dump_options
from basicsr.utils.yaml_file import parse_text

_HEADER = """\
# Variant {variant}, seed {seed} of the grid {grid}, by tools/ablate.sh: edit the grid, not this file. By itself:
#   python basicsr/train.py -opt {path} --auto_resume
"""


def stale_runs(plan: Plan) -> dict[str, list[str]]:
    """Return the runs that were trained, or begun, with other options: name -> what differs."""
    stale = {}
    for run in plan.runs:
        result = read_json(run.place.result)
        resolved = run.place.folder / 'resolved.yml'
        begun = any(run.place.folder.glob('training_states/*.state')) and resolved.is_file()
        if not begun and not result:
            continue
        before = parse_text(resolved.read_text(encoding='utf-8'), str(resolved)).data if resolved.is_file() else {}
        wanted = options_hash(run.options)
        had = result['options_hash'] if 'options_hash' in result else options_hash(before)
        if had != wanted:
            stale[run.place.name] = differences(before, run.options) or ['its result.json says so']
    return stale


def refuse_stale(plan: Plan) -> None:
    """Stop where results of other options are in the way: they are neither taken for these, nor overwritten.

    Raises:
        UserError: names the runs, and what differs.
    """
    stale = stale_runs(plan)
    if stale:
        lines = [f'  {name}: {"; ".join(lines[:3])}{" ..." * (len(lines) > 3)}' for name, lines in stale.items()]
        raise UserError(
            f'{plan.folder}: {len(stale)} runs were made with other options than the grid has now:\n'
            + '\n'.join(lines)
            + '\nPut them aside and train anew with --redo, take the change back, or give the grid another `name`.'
        )


def archive_stale(plan: Plan) -> list[Path]:
    """Move stale runs to `archived/` in the folder of the grid; returns where they are now.

    Raises:
        UserError: one of them is running.
    """
    moved = []
    places = {run.place.name: run for run in plan.runs}
    for name in stale_runs(plan):
        run = places[name]
        if state_of(run.place) == 'running':
            raise UserError(f'{run.place.folder}: is running with other options: stop it first')
        target = plan.folder / 'archived' / f'{name}_{get_time_str()}'
        curves = plan.root / run.options['path']['tb_root'] / run.options['name']
        for source, place in ((run.place.folder, target), (curves, target / 'tb'), (run.place.state, target / 'state')):
            if source.exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                source.rename(place)
        moved.append(target)
    return moved


def write_grid_folder(plan: Plan) -> None:
    """Write the option files and `grid.json`; files that are so already stay untouched."""
    for run in plan.runs:
        _write(run.place.options, _header(run, plan) + dump_options(run.options))
    grid = plan.grid
    about = {
        'name': grid.name,
        'file': str(grid.path),
        'baseline': grid.baseline,
        'variants': {v.name: {o.key: o.value for o in (*grid.common, *v.overrides)} for v in grid.variants},
        'seeds': list(grid.seeds),
        'runs': {run.place.name: {'variant': run.variant, 'seed': run.seed} for run in plan.runs},
    }
    _write(plan.folder / 'grid.json', json.dumps(about, indent=2) + '\n')


def places_of(folder: Path) -> list[RunPlace]:
    """Return the runs of a grid by its folder."""
    return [RunPlace(folder / name) for name in read_json(folder / 'grid.json').get('runs', {})]


def _header(run: PlannedRun, plan: Plan) -> str:
    path = run.place.options
    shown = path.relative_to(plan.root) if path.is_relative_to(plan.root) else path
    return _HEADER.format(variant=run.variant, seed=run.seed, grid=plan.grid.name, path=shown)


def _write(path: Path, text: str) -> None:
    if not path.is_file() or path.read_text(encoding='utf-8') != text:
        write_atomic(path, text)
