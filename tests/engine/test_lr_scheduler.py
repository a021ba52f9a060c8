"""Learning rates: golden sequences of BasicSR and NAFNet, torch's own schedules, warm-up, resume."""

import math
from collections import Counter

import pytest
import torch

from basicsr.engine.lr_scheduler import (
    ClosedFormLR,
    Constant,
    CosineAnnealingRestartLR,
    LinearLR,
    MultiStepLR,
    MultiStepRestartLR,
    TrueCosineAnnealingLR,
    build_scheduler,
    warmup_lr,
)
from basicsr.models import lr_scheduler as basicsr_path
from basicsr.models.base_model import BaseModel
from basicsr.utils.errors import OptionError


def optimizer_at(*rates):
    return torch.optim.SGD([{'params': [torch.zeros(1, requires_grad=True)], 'lr': rate} for rate in rates], lr=1.0)


def model_with(scheduler, *rates, **arguments):
    """A model that knows nothing but a schedule, so that its own `update_learning_rate` drives it."""
    model = BaseModel({'num_gpu': 0, 'is_train': True})
    model.optimizers = [optimizer_at(*(rates or (1e-3,)))]
    model.schedulers = [scheduler(model.optimizers[0], **arguments)]
    return model


def rates_of(model, iterations, warmup_iter=-1, start=1):
    """Return the learning rates of the iterations `start` to `iterations` of training."""
    rates = []
    for current_iter in range(start, iterations + 1):
        model.update_learning_rate(current_iter, warmup_iter)
        rates.append(model.get_current_learning_rate()[0])
        model.optimizers[0].step()
    return rates


# As BasicSR and NAFNet compute them, for an initial rate of 1e-3.
GOLDEN = {
    'multi step': (
        MultiStepRestartLR,
        {'milestones': [2, 4, 4], 'gamma': 0.5, 'restarts': [0, 6], 'restart_weights': [1, 0.5]},
        [1e-3, 1e-3, 0.5e-3, 0.5e-3, 0.125e-3, 0.125e-3, 0.5e-3, 0.5e-3, 0.5e-3],
    ),
    'cosine restart': (
        CosineAnnealingRestartLR,
        {'periods': [4, 4], 'restart_weights': [1, 0.5], 'eta_min': 1e-6},
        [1e-3, 0.8537e-3, 0.5005e-3, 0.1473e-3, 0.001e-3, 0.42735e-3, 0.25075e-3, 0.0741501e-3, 0.001e-3],
    ),
    'linear': (LinearLR, {'total_iter': 5}, [1e-3, 0.8e-3, 0.6e-3, 0.4e-3, 0.2e-3, 0.0]),
    'constant': (Constant, {}, [1e-3] * 4),
}


@pytest.mark.parametrize('name', GOLDEN)
def test_golden(name):
    scheduler, arguments, golden = GOLDEN[name]
    rates = rates_of(model_with(scheduler, **arguments), len(golden))
    assert rates == pytest.approx(golden, rel=1e-4, abs=1e-12)


@pytest.mark.parametrize('name', GOLDEN)
def test_step(name):
    """Stepped by hand, as clients do."""
    scheduler, arguments, golden = GOLDEN[name]
    optimizer = optimizer_at(1e-3, 1e-2)
    schedule = scheduler(optimizer, **arguments)
    rates = []
    for _ in golden:
        rates.append([group['lr'] for group in optimizer.param_groups])
        optimizer.step()
        schedule.step()
    assert [first for first, _ in rates] == pytest.approx(golden, rel=1e-4, abs=1e-12)
    assert rates[0][1] == pytest.approx(golden[0] * 10)


TORCHS = {
    'multi step': (
        (MultiStepLR, {'milestones': [3, 7, 7], 'gamma': 0.3}),
        lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [3, 7, 7], gamma=0.3),
    ),
    'cosine': (
        (TrueCosineAnnealingLR, {'T_max': 12, 'eta_min': 1e-6}),
        lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 12, eta_min=1e-6),
    ),
    'linear': (
        (LinearLR, {'total_iter': 12}),
        lambda o: torch.optim.lr_scheduler.LinearLR(o, 1.0, 0.0, total_iters=12),
    ),
    'one period': (
        (CosineAnnealingRestartLR, {'periods': [12], 'eta_min': 1e-6}),
        lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 12, eta_min=1e-6),
    ),
}


@pytest.mark.parametrize('name', TORCHS)
def test_agrees_with_torch(name):
    (scheduler, arguments), torchs = TORCHS[name]
    optimizer = optimizer_at(1e-3)
    schedule = torchs(optimizer)
    expected = []
    for _ in range(13):
        expected.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        schedule.step()
    assert rates_of(model_with(scheduler, **arguments), 13) == pytest.approx(expected, rel=1e-9, abs=1e-15)


CASES = {
    'multi step': (MultiStepRestartLR, {'milestones': [3, 6], 'gamma': 0.5}),
    'restarts': (MultiStepRestartLR, {'milestones': [3], 'restarts': [0, 8], 'restart_weights': [1, 0.5]}),
    'cosine restart': (CosineAnnealingRestartLR, {'periods': [5, 5], 'restart_weights': [1, 0.5], 'eta_min': 1e-6}),
    'cosine': (TrueCosineAnnealingLR, {'T_max': 10, 'eta_min': 1e-7}),
    'linear': (LinearLR, {'total_iter': 20}),
    'constant': (Constant, {}),
}


@pytest.mark.parametrize('name', CASES)
@pytest.mark.parametrize('warmup_iter', [0, 1, 4, 9, 15])
def test_after_a_warm_up_the_schedule_is_where_it_would_have_been(name, warmup_iter):
    scheduler, arguments = CASES[name]
    plain = rates_of(model_with(scheduler, **arguments), 20)
    warmed = rates_of(model_with(scheduler, **arguments), 20, warmup_iter)
    during = [1e-3 * i / warmup_iter for i in range(1, warmup_iter)]
    assert warmed == during + plain[len(during) :]


def test_warmup_lr():
    assert [warmup_lr(2.0, i, 4) for i in (1, 2, 3)] == [0.5, 1.0, 1.5]
    assert [warmup_lr(2.0, i, 4) for i in (4, 5)] == [None, None]
    assert warmup_lr(2.0, 1, -1) is None


@pytest.mark.parametrize('name', CASES)
@pytest.mark.parametrize('done', [1, 5, 8])
def test_resume(name, done):
    scheduler, arguments = CASES[name]
    whole = rates_of(model_with(scheduler, **arguments), 20, warmup_iter=7)

    first = model_with(scheduler, **arguments)
    rates = rates_of(first, done, warmup_iter=7)
    # A new process builds with other numbers; the state wins.
    second = model_with(scheduler, 5.0, **arguments)
    second.optimizers[0].load_state_dict(first.optimizers[0].state_dict())
    second.schedulers[0].load_state_dict(first.schedulers[0].state_dict())
    assert second.schedulers[0].state_dict() == first.schedulers[0].state_dict()
    assert rates + rates_of(second, 20, warmup_iter=7, start=done + 1) == whole


def test_states_are_loaded_without_running_code(tmp_path):
    for name, (scheduler, arguments) in CASES.items():
        model = model_with(scheduler, **arguments)
        rates_of(model, 3)
        torch.save(model.schedulers[0].state_dict(), tmp_path / 'x.state')
        assert torch.load(tmp_path / 'x.state', weights_only=True) == model.schedulers[0].state_dict(), name


def test_a_state_of_basicsr():
    """Its milestones are a Counter, and it knows nothing of this package's attributes."""
    state = {
        'milestones': Counter({4: 2, 2: 1}),
        'gamma': 0.5,
        'restarts': [0],
        'restart_weights': [1],
        'base_lrs': [1e-3],
        'last_epoch': 3,
        '_step_count': 4,
        'verbose': False,
        '_get_lr_called_within_step': False,
        '_last_lr': [0.5e-3],
    }
    model = model_with(MultiStepRestartLR, 7.0, milestones=[100])
    model.schedulers[0].load_state_dict(state)
    assert isinstance(state['milestones'], Counter)
    assert rates_of(model, 7, start=5) == pytest.approx([0.125e-3] * 3)


def test_past_the_end():
    model = model_with(CosineAnnealingRestartLR, periods=[3, 3], restart_weights=[1, 1], eta_min=1e-5)
    assert rates_of(model, 12)[6:] == pytest.approx([1e-5] * 6)
    assert rates_of(model_with(TrueCosineAnnealingLR, T_max=3, eta_min=1e-5), 8)[3:] == pytest.approx([1e-5] * 5)
    assert rates_of(model_with(LinearLR, total_iter=3), 8)[3:] == [0.0] * 5


def test_order_of_restarts_and_milestones_does_not_matter():
    arguments = {'milestones': [4, 2], 'restarts': [6, 0], 'restart_weights': [0.5, 1], 'gamma': 0.1}
    ordered = {'milestones': [2, 4], 'restarts': [0, 6], 'restart_weights': [1, 0.5], 'gamma': 0.1}
    one, other = model_with(MultiStepRestartLR, **arguments), model_with(MultiStepRestartLR, **ordered)
    assert rates_of(one, 9) == rates_of(other, 9)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (
            {'type': 'MultiStepLR', 'milestones': [1], 'restarts': [0, 5]},
            'train.scheduler: MultiStepLR: restarts has 2 entries and restart_weights 1: give one for each',
        ),
        (
            {'type': 'CosineAnnealingRestartLR', 'periods': [], 'restart_weights': []},
            'train.scheduler: CosineAnnealingRestartLR: periods has 0 entries and restart_weights 0: give one for each',
        ),
        (
            {'type': 'CosineAnnealingRestartLR', 'periods': [3, 0], 'restart_weights': [1, 1]},
            'train.scheduler: CosineAnnealingRestartLR: periods: expected a number above 0, got 0',
        ),
        (
            {'type': 'TrueCosineAnnealingLR', 'T_max': 0},
            'train.scheduler: TrueCosineAnnealingLR: T_max: expected a number above 0, got 0',
        ),
        (
            {'type': 'LinearLR', 'total_iter': -1},
            'train.scheduler: LinearLR: total_iter: expected a number above 0, got -1',
        ),
        ({'type': 'LinearLR'}, 'train.scheduler: LinearLR: total_iter is required'),
        (
            {'type': 'Constant', 'x': 1},
            "train.scheduler: Constant: Constant.__init__() got an unexpected keyword argument 'x'",
        ),
    ],
)
def test_mistakes(options, message):
    with pytest.raises(OptionError) as caught:
        build_scheduler(optimizer_at(1e-3), 100, **options)
    assert str(caught.value) == message


def test_build():
    assert build_scheduler(optimizer_at(1e-3), 100, type='LinearLR', total_iter=None).total_iter == 100
    assert build_scheduler(optimizer_at(1e-3), 100, type='LinearLR', total_iter=7).total_iter == 7
    assert isinstance(build_scheduler(optimizer_at(1e-3), 100, type='Constant'), Constant)
    with pytest.raises(OptionError, match="'LinarLR' is not a registered scheduler; did you mean 'LinearLR'?"):
        build_scheduler(optimizer_at(1e-3), 100, type='LinarLR')


def test_a_clients_schedule():
    class SquareRoot(ClosedFormLR):
        def value(self, base_lr, step):
            return base_lr / math.sqrt(step + 1)

    assert rates_of(model_with(SquareRoot), 4) == pytest.approx([1e-3, 1e-3 / 2**0.5, 1e-3 / 3**0.5, 0.5e-3])
    with pytest.raises(TypeError, match='ClosedFormLR defines no schedule'):
        ClosedFormLR(optimizer_at(1e-3))


def test_import_path_of_basicsr():
    assert basicsr_path.MultiStepRestartLR is MultiStepRestartLR
    assert basicsr_path.CosineAnnealingRestartLR is CosineAnnealingRestartLR
