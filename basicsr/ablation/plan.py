"""From a grid to complete option files, all checked before the first run starts."""

import copy
import dataclasses
from pathlib import Path
from typing import Any

from basicsr.ablation.grid import Grid, Override, Variant
from basicsr.ablation.identity import options_hash, varied_options
from basicsr.ablation.runs import RunPlace
from basicsr.utils.check_options import check_options
from basicsr.utils.errors import OptionError, UserError, suggest
from basicsr.utils.option_tree import Tree, apply_override, entry_name
from basicsr.utils.options import runtime_options
from basicsr.utils.yaml_file import read_tree

# What the grid itself decides.
_OF_THE_GRID = ('name', 'manual_seed', 'path:experiments_root', 'path:tb_root', 'path:resume_state')


@dataclasses.dataclass(frozen=True)
class PlannedRun:
    """One run: complete options, as they can be written to a file, and where it is."""

    variant: str
    seed: int
    options: dict
    place: RunPlace


@dataclasses.dataclass(frozen=True)
class Plan:
    """All runs of a grid, those of the first seed first, so that every variant has a result early.

    Attributes:
        root: project root, where relative paths start.
        folder: of the grid, holds the folders of the runs.
        notes: what the check of the options says, per variant.
    """

    grid: Grid
    root: Path
    folder: Path
    runs: tuple[PlannedRun, ...]
    notes: tuple[str, ...]


def make_plan(grid: Grid, root: Path) -> Plan:
    """Expand a grid and check the options of every variant.

    Args:
        root: project root, where relative paths in option files start.

    Raises:
        OptionError: names every problem of every variant.
    """
    bases = {base: _check_base(base, grid) for base in dict.fromkeys(variant.base for variant in grid.variants)}
    problems, checked, notes = [], {}, []
    for variant in grid.variants:
        try:
            checked[variant.name], more = _complete(grid, variant, (*grid.common, *variant.overrides), bases)
            notes += [f'{variant.name}: {note}' for note in more]
        except OptionError as error:
            problems.append(str(error))
    idle = _without_effect(grid, checked, bases)
    problems += [*idle.values(), *_twins({name: options for name, options in checked.items() if name not in idle})]
    if problems:
        raise OptionError(f'{grid.path}: nothing was started\n' + '\n'.join(problems))

    experiments = {options['path']['experiments_root'] for options in checked.values()}
    if len(experiments) > 1:
        raise OptionError(f'{grid.path}: its option files have different `path.experiments_root`: {experiments}')
    folder = root / Path(experiments.pop()).expanduser() / grid.name
    varied = varied_options(checked)
    runs = [
        _planned(grid, name, seed, options, varied[name], folder)
        for seed in grid.seeds
        for name, options in checked.items()
    ]
    return Plan(grid, root, folder, tuple(runs), tuple(notes))


def check_files(plan: Plan) -> None:
    """Make sure that the data and weights of every run are there.

    Raises:
        UserError: they are not; the message names the variant.
    """
    from basicsr.data import build_dataset

    seen: list[Any] = []
    for run in plan.runs:
        opt = runtime_options(run.options, str(plan.root), True)
        weights = opt['path']['pretrain_network_g']
        if weights and not Path(weights).is_file():
            raise UserError(f'variant {run.variant}: path.pretrain_network_g: {weights}: no such file')
        for dataset in opt['datasets'].values():
            if dataset in seen:
                continue
            seen.append(copy.deepcopy(dataset))
            try:
                build_dataset(dataset)
            except UserError as error:
                raise UserError(f'variant {run.variant}: {error}') from None


def _check_base(base: Path, grid: Grid) -> dict:
    """Return the options of a base, complete; its own problems are not those of the variants."""
    options, _ = check_options(read_tree(base), str(base), is_train=True)
    if options['train']['mode'] == 'resume' or options['path']['resume_state']:
        raise OptionError(f'{base}: goes on with another run; a grid starts its runs: take mode, resume_state away')
    return options


def _complete(grid: Grid, variant: Variant, overrides: tuple[Override, ...], bases: dict) -> tuple[dict, list[str]]:
    """Return the complete options of a variant, and notes.

    Raises:
        OptionError: names every problem with its line.
    """
    tree = read_tree(variant.base)
    for override in overrides:
        message = _apply(tree, override, bases[variant.base])
        if message:
            tree.problems.append((tuple(override.key.split(':')), message, override.mark))
    return check_options(tree, f'variant {variant.name}', is_train=True)


def _apply(tree: Tree, override: Override, base: dict) -> str | None:
    """Apply one override; return what is wrong with it, if anything."""
    if override.key.startswith(_OF_THE_GRID):
        return 'is set by the grid, from its `name` and `seeds`'
    *parents, last = override.key.split(':')
    holder = _find(tree.data, parents)
    holder = _find(base, parents) if not isinstance(holder, dict | list) else holder
    if override.value is None and isinstance(holder, dict) and last not in {**holder, **(_find(base, parents) or {})}:
        return f'there is nothing to take away{suggest(last, holder)}'
    return apply_override(tree, override.key, copy.deepcopy(override.value), override.mark)


def _find(node: Any, path: list[str]) -> Any:
    """Return what lies at a path, or None."""
    for part in path:
        if isinstance(node, dict):
            node = next((value for key, value in node.items() if str(key) == part), None)
        elif isinstance(node, list):
            node = next((item for i, item in enumerate(node) if part in (entry_name(item), str(i))), None)
        else:
            return None
    return node


def _without_effect(grid: Grid, checked: dict[str, dict], bases: dict) -> dict[str, str]:
    """Return what to say of the variants whose overrides leave everything as it was."""
    lines = {}
    for variant in grid.variants:
        if variant.overrides and variant.name in checked:
            plain, _ = _complete(grid, variant, grid.common, bases)
            if options_hash(plain) == options_hash(checked[variant.name]):
                keys = ', '.join(override.key for override in variant.overrides)
                lines[variant.name] = (
                    f'variant {variant.name} ({variant.overrides[0].mark}): changes nothing: {keys} '
                    'is so in the base, or has no influence on weights and scores'
                )
    return lines


def _twins(checked: dict[str, dict]) -> list[str]:
    """Name the variants that are the same run."""
    first: dict[str, str] = {}
    lines = []
    for name, options in checked.items():
        other = first.setdefault(options_hash(options), name)
        if other != name:
            lines.append(f'variants {other} and {name}: resolve to the same options: take one of them away')
    return lines


def _planned(grid: Grid, variant: str, seed: int, options: dict, varied: dict, folder: Path) -> PlannedRun:
    place = RunPlace(folder / f'{variant}_s{seed}')
    options = copy.deepcopy(options) | {'name': f'{grid.name}/{place.name}', 'manual_seed': seed}
    options['logger'] |= {'hparams': {'variant': variant, 'seed': seed, **varied}}
    return PlannedRun(variant, seed, options, place)
