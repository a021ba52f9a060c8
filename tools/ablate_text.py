"""What `ablate.py` prints: the plan with its cost, and the status."""

import dataclasses
import shutil
import sys

from basicsr.ablation.backends.local import LocalProcesses
from basicsr.ablation.cost import costs_of, seconds_left
from basicsr.ablation.grid_folder import stale_runs
from basicsr.ablation.plan import Plan
from basicsr.ablation.runs import state_of
from basicsr.ablation.status import duration, rows_of, summary, table


def print_status(plan: Plan, clear: bool = False) -> None:
    """Print the table of all runs."""
    if clear and sys.stdout.isatty():
        print('\x1b[2J\x1b[H', end='')
    stale = stale_runs(plan)
    rows = [
        dataclasses.replace(row, state='stale') if row.name in stale and row.state != 'running' else row
        for row in rows_of(planned.place for planned in plan.runs)
    ]
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    print('\n'.join([*table(rows, width), summary(rows)]), flush=True)
    if stale:
        print('stale: made with other options than the grid has now; --redo puts them aside and trains anew')


def print_plan(plan: Plan, jobs: int | None) -> None:
    """Print the variants, the runs, and what they cost on this machine."""
    grid = plan.grid
    print(f'{grid.name}: {len(grid.variants)} variants x {len(grid.seeds)} seeds; baseline {grid.baseline}')
    for note in plan.notes:
        print(f'note: {note}')
    print('timing a few iterations of every variant ...', file=sys.stderr, flush=True)
    backend = LocalProcesses(plan.root, jobs)
    costs = costs_of(plan, backend.threads)
    left = seconds_left(plan, costs)
    width = max(len(variant.name) for variant in grid.variants)
    for variant in grid.variants:
        changes = ', '.join(f'{o.key}={"~" if o.value is None else o.value}' for o in variant.overrides) or 'the base'
        cost = costs[variant.name]
        print(f'  {variant.name:<{width}}  {cost.per_iter * 1000:6.0f} ms per iteration  {changes}')

    stale = stale_runs(plan)
    print('runs:')
    for planned in plan.runs:
        name = planned.place.name
        state = 'stale' if name in stale else state_of(planned.place)
        print(f'  {name:<{width + 4}}  {state:<11}  {duration(left[name]):>10}  {planned.place.options}')
    total = sum(left.values())
    print(
        f'{len(plan.runs)} runs, {sum(value > 0 for value in left.values())} to do: about {duration(total)} one after '
        f'the other, {duration(total / backend.jobs)} at best with {backend.jobs} at a time on this machine'
    )
