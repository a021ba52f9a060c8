"""Decides where a training starts."""

import dataclasses
import os
import random
import re
from pathlib import Path

import torch

from basicsr.engine.checkpoint import load_file
from basicsr.utils.dist_util import value_of_rank_0
from basicsr.utils.errors import CheckpointError, OptionError
from basicsr.utils.logger import get_root_logger
from basicsr.utils.misc import seed_all
from basicsr.utils.options import dump_options, yaml_load
from basicsr.utils.run_options import start_contradiction

# What must not change when a run is continued: its objective, its network, its data and their order.
_SAME_ON_RESUME = (
    ('model_type',),
    ('network_g',),
    ('scale',),
    ('manual_seed',),
    ('train', 'losses'),
    ('train', 'calibration_iter'),
    ('train', 'ema_decay'),
    ('train', 'grad_clip'),
    ('train', 'warmup_iter'),
    ('datasets', 'train'),
    # These stand in the training state, which wins: a change would have no effect.
    ('train', 'optim_g'),
    ('train', 'scheduler'),
)
# Of those, what has no influence on the result.
_FREE_ON_RESUME = re.compile(r'datasets\.train(\.mix\[\d+\])?\.(num_worker_per_gpu|pin_memory|name|cache(\..+)?)')
_ABSENT = object()


@dataclasses.dataclass
class Start:
    """Where a training starts.

    Attributes:
        mode: `scratch`, `resume` or `finetune`.
        reason: the rule that decided, for the log.
        state: the training state to continue from; None unless `mode` is `resume`.
        weights: file of the network's weights, or None.
        run: folder of the run that is continued; None unless `mode` is `resume`.
    """

    mode: str
    reason: str
    state: dict | None = None
    weights: str | None = None
    run: Path | None = None

    @property
    def iteration(self) -> int:
        """The last iteration that is done already."""
        return self.state['iter'] if self.state else 0


def decide_start(opt: dict, resolved: dict, allow_changed: bool = False) -> Start:
    """Decide where training starts. The first rule that applies wins:

    1. `--auto_resume`, and this run has a training state that can be read: resume from the newest one.
    2. `train.mode: resume`: resume from `path.resume_state`; without one, from this run's newest state; none is an
       error.
    3. `train.mode: finetune`: weights from `path.pretrain_network_g`; optimizer, schedule, EMA and iteration start
       afresh. No weights, or a `path.resume_state` beside them, is an error.
    4. `train.mode: scratch`: random weights; a `path.resume_state` or `path.pretrain_network_g` beside it is an error.
    5. Without `train.mode`, as BasicSR: `path.resume_state` given: resume; `path.pretrain_network_g` given: finetune;
       else scratch.

    A run is continued only with the objective, network, data order, optimizer, schedule and number of processes it was
    started with, unless `allow_changed`; optimizer and schedule go on as they stand in the state even then.

    Raises:
        OptionError: the options contradict each other, or were changed.
        CheckpointError: a file cannot be read.
    """
    path, mode = opt['path'], opt['train']['mode']
    if opt['auto_resume']:
        newest = newest_state(Path(path['training_states']))
        if newest is not None:
            return _resume(opt, resolved, newest, '--auto_resume found', allow_changed)
    if mode is None:
        start = _implicit_start(opt, resolved, allow_changed)
    elif mode == 'resume':
        state = path['resume_state'] and Path(path['resume_state'])
        state = state or newest_state(Path(path['training_states']))
        if state is None:
            raise OptionError(
                f'train.mode: resume, but {path["training_states"]} holds no training state; '
                'give path.resume_state, or start with mode: scratch'
            )
        start = _resume(opt, resolved, state, 'train.mode: resume, from', allow_changed)
    else:
        start = _fresh(path, mode)
    if opt['auto_resume'] and start.state is None:
        start.reason = f'--auto_resume found no training state of this run; {start.reason}'
    return start


def _fresh(path: dict, mode: str) -> Start:
    contradiction = start_contradiction(mode, path)
    if contradiction:
        raise OptionError(f'train.mode: {contradiction}')
    return Start(mode, f'train.mode: {mode}', weights=path['pretrain_network_g'])


def _implicit_start(opt: dict, resolved: dict, allow_changed: bool) -> Start:
    path = opt['path']
    if path['resume_state']:
        return _resume(
            opt, resolved, Path(path['resume_state']), 'no train.mode, and path.resume_state is given:', allow_changed
        )
    if path['pretrain_network_g']:
        return Start(
            'finetune', 'no train.mode, and path.pretrain_network_g is given', weights=path['pretrain_network_g']
        )
    return Start('scratch', 'no train.mode and no weights are given')


def _resume(opt: dict, resolved: dict, state_path: Path, reason: str, allow_changed: bool) -> Start:
    state = _read_state(state_path)
    run = state_path.parent.parent
    if not allow_changed:
        _check_unchanged(state_path, changed_options(run / 'resolved.yml', resolved))
        _check_world_size(state_path, state, opt['world_size'])
    weights = str(run / 'models' / f'net_g_{state["iter"]}.pth')
    pretrained = opt['path']['pretrain_network_g']
    if {'network_g', 'g', 'net_g'} & set(opt['path']['ignore_resume_networks']):
        weights = pretrained
    elif pretrained:
        get_root_logger().info('note: path.pretrain_network_g is not read: a run that is continued has its own weights')
    return Start('resume', f'{reason} {state_path}', state, weights, run)


def _check_unchanged(state_path: Path, changed: list[str]) -> None:
    if changed:
        lines = '\n    '.join(changed)
        raise OptionError(
            f'{state_path}: the options were changed since this run was started:\n    {lines}\n'
            'Take the change back, fine-tune instead (train.mode: finetune), or continue all the same: --allow_changed'
        )


def _check_world_size(state_path: Path, state: dict, world_size: int) -> None:
    before = state.get('world_size', world_size)  # BasicSR's states do not say
    if before != world_size:
        raise OptionError(
            f'{state_path}: the run was started with {before} processes and goes on with {world_size}: the order of '
            f'the data would change. Start {before} processes, or continue all the same: --allow_changed'
        )


def _read_state(path: Path) -> dict:
    state = load_file(path)
    is_state = isinstance(state, dict) and {'optimizers', 'schedulers'} <= state.keys()
    if not is_state or not isinstance(state.get('iter'), int):
        raise CheckpointError(f'{path}: is no training state')
    return state


def choose_seed(manual_seed: int | None, start: Start) -> int:
    """Return the seed in the options, else that of the run which is continued, else a new one for all ranks."""
    if manual_seed is not None:
        return manual_seed
    seed = (start.state or {}).get('manual_seed')
    return value_of_rank_0(random.SystemRandom().randint(1, 10000)) if seed is None else seed


def newest_state(folder: Path) -> Path | None:
    """Return the newest training state that can be read, as can its weights; the log names those that cannot."""
    states = [p for p in folder.glob('*.state') if re.fullmatch(r'\d+', p.stem)]
    for state in sorted(states, key=lambda p: int(p.stem), reverse=True):
        try:
            _read_state(state)
            load_file(folder.parent / 'models' / f'net_g_{state.stem}.pth')
            return state
        except CheckpointError as error:
            get_root_logger().warning(f'{state.name} is skipped: {error}')
    return None


def changed_options(old_file: Path, resolved: dict) -> list[str]:
    """Return one line per option that decides the result and differs from those a run was started with.

    Raises:
        CheckpointError: the old options cannot be read.
    """
    if not old_file.is_file():  # a run of BasicSR keeps no resolved.yml
        return []
    old, new = _read_resolved(old_file), yaml_load(dump_options(resolved))
    lines = []
    for path in _SAME_ON_RESUME:
        before, after = _part(old, path), _part(new, path)
        if before is _ABSENT:  # an older version did not know the option
            continue
        if path == ('manual_seed',) and after is None:  # left open: the run's own seed goes on
            continue
        lines += _differences('.'.join(path), before, None if after is _ABSENT else after)
    return lines


def _read_resolved(file: Path) -> dict:
    try:
        options = yaml_load(str(file))
        reason = 'parts of the options are missing'
    except (OptionError, UnicodeDecodeError) as error:
        options, reason = None, str(error)
    parts = [_part(options, (key,)) for key in ('network_g', 'datasets', 'train')]
    if not all(isinstance(part, dict) for part in parts):
        raise CheckpointError(
            f'{file}: is damaged, so the options cannot be compared with those that this run was started with; '
            f'--allow_changed continues without the comparison ({reason})'
        )
    return options


def _part(options: object, path: tuple[str, ...]) -> object:
    for key in path:
        options = options.get(key, _ABSENT) if isinstance(options, dict) else _ABSENT
    return options


def _differences(path: str, before: object, after: object) -> list[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        keys = dict.fromkeys([*before, *after])
        return [line for key in keys for line in _differences(f'{path}.{key}', before.get(key), after.get(key))]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return [line for i, pair in enumerate(zip(before, after)) for line in _differences(f'{path}[{i}]', *pair)]
    return [] if before == after or _FREE_ON_RESUME.fullmatch(path) else [f'{path}: {before!r} -> {after!r}']


def seed_iteration(seed: int, rank: int, current_iter: int) -> None:
    """Make what the network draws in an iteration (dropout) a function of (seed, rank, iteration)."""
    seed_all(seed, rank, current_iter)


def set_deterministic() -> None:
    """Let torch use deterministic algorithms only; an operation that has none raises."""
    os.environ.setdefault('CUBLAS_WORKSPACE_CONFIG', ':4096:8')  # as cuBLAS wants it, before its first use
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
