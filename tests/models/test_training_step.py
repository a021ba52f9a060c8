"""Steps of the model against the same steps written out by hand."""

import copy

import pytest
import torch

from basicsr.models import build_model
from basicsr.utils.check_options import check_options
from basicsr.utils.logger import get_root_logger
from basicsr.utils.options import runtime_options
from basicsr.utils.registry import LOSS_REGISTRY
from basicsr.utils.yaml_file import Tree
from tests.conftest import tiny_options


def build(changes: dict, root: str = '.'):
    """Build the model of the tiny options with other `train` keys."""
    options = tiny_options()
    options['train'] = {'total_iter': 100, **changes}
    resolved, _ = check_options(Tree(options, {}, []), 'test', is_train=True)
    torch.manual_seed(0)
    return build_model(runtime_options(resolved, root, is_train=True) | {'manual_seed': 0})


def batches(count: int) -> list[dict]:
    generator = torch.Generator().manual_seed(5)
    return [{key: torch.rand(2, 3, 16, 16, generator=generator) for key in ('lq', 'gt')} for _ in range(count)]


def l1(pred, target):
    return (pred - target).abs().mean()


def psnr(pred, target):
    """10 log10 of the mean squared error of each image, as NAFNet defines its loss."""
    mse = ((pred - target) ** 2).mean(dim=(1, 2, 3))
    return (10 * torch.log10(mse + 1e-8)).mean()


@pytest.mark.parametrize(('loss_type', 'loss'), [('L1Loss', l1), ('PSNRLoss', psnr)])
def test_steps_equal_the_textbook(loss_type, loss):
    """Legacy options of NAFNet: pixel_opt, AdamW, gradient norm clipped at 0.01, cosine schedule."""
    model = build(
        {
            'pixel_opt': {'type': loss_type, 'loss_weight': 1, 'reduction': 'mean'},
            'optim_g': {'type': 'AdamW', 'lr': 1e-3, 'weight_decay': 1e-4, 'betas': [0.9, 0.9]},
            'scheduler': {'type': 'TrueCosineAnnealingLR', 'T_max': 100, 'eta_min': 1e-7},
        }
    )
    net = copy.deepcopy(model.net_g)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=1e-4, betas=(0.9, 0.9))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 100, eta_min=1e-7)

    for current_iter, batch in enumerate(batches(8), start=1):
        model.update_learning_rate(current_iter)
        model.feed_data(batch)
        model.optimize_parameters(current_iter)

        optimizer.zero_grad()
        value = loss(net(batch['lq']), batch['gt'])
        value.backward()
        norm = torch.nn.utils.clip_grad_norm_(net.parameters(), 0.01)
        optimizer.step()
        schedule.step()

        assert float(model.log_dict['l_pix']) == pytest.approx(value.item(), rel=1e-6)
        assert float(model.log_dict['grad/norm']) == pytest.approx(float(norm), rel=1e-5)
        assert float(norm) > 0.01, 'the test needs steps that are clipped'
    for ours, theirs in zip(model.net_g.parameters(), net.parameters()):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)


def test_objective_is_the_weighted_sum_and_every_term_is_logged():
    model = build(
        {
            'losses': [
                {'type': 'L1Loss', 'name': 'pixel', 'loss_weight': 0.5},
                {'type': 'MSELoss', 'name': 'square', 'loss_weight': {0: 0.0, 4: 2.0}},
            ],
            'optim_g': {'type': 'SGD', 'lr': 0.0},
            'grad_clip': {'type': 'none'},
        }
    )
    batch = batches(1)[0]
    model.feed_data(batch)
    with torch.no_grad():
        output = model.net_g(batch['lq'])
    expected_l1 = l1(output, batch['gt']).item()
    expected_mse = ((output - batch['gt']) ** 2).mean().item()

    model.optimize_parameters(1)
    model.optimize_parameters(3)
    log = model.get_current_log()
    assert log['l_pixel'] == pytest.approx(0.5 * expected_l1, rel=1e-6)
    assert log['losses_raw/square'] == pytest.approx(expected_mse, rel=1e-6)
    assert log['l_square'] == pytest.approx((0.5 + 1.5) / 2 * expected_mse, rel=1e-6), 'mean over the interval'
    assert log['loss_weight/square'] == 1.5, 'the weight at the last iteration'
    assert log['l_total'] == pytest.approx(log['l_pixel'] + log['l_square'], rel=1e-6)
    assert log['grad/clipped'] == 0


def test_clipped_share_is_logged():
    model = build(
        {
            'losses': [{'type': 'L1Loss'}],
            'optim_g': {'type': 'SGD', 'lr': 0.0},
            'grad_clip': {'type': 'value', 'max_value': 1e-9},
        }
    )
    model.feed_data(batches(1)[0])
    model.optimize_parameters(1)
    assert all(p.grad.abs().max() <= 1e-9 for p in model.net_g.parameters())
    assert model.get_current_log()['grad/clipped'] == 1


@pytest.mark.parametrize(('outputs', 'expected'), [('all', 0.5 + 0.25), ('last', 0.25)])
def test_terms_see_all_outputs_or_the_last(outputs, expected):
    from basicsr.losses import L1Loss, Objective, Term

    target = torch.zeros(1, 3, 4, 4)
    objective = Objective([Term('pixel', L1Loss(), outputs=outputs)])
    total, log = objective([target + 0.5, target + 0.25], target)
    assert float(total) == expected
    assert float(log['l_pixel']) == expected


def test_weight_zero_is_not_computed():
    from basicsr.losses import L1Loss, Objective, Term

    class Explosive(torch.nn.Module):
        def forward(self, pred, target):
            raise AssertionError('computed')

    target = torch.zeros(1, 3, 4, 4)
    objective = Objective([Term('pixel', L1Loss()), Term('off', Explosive(), weight={0: 0.0, 10: 0.0, 20: 1.0})])
    _, log = objective([target + 1], target, current_iter=10)
    assert set(log) == {'l_pixel', 'losses_raw/pixel', 'l_total'}
    with pytest.raises(AssertionError, match='computed'):
        objective([target + 1], target, current_iter=11)


def test_plugin_losses_may_return_dicts_and_tuples():
    from basicsr.losses import Objective, Term

    class Parts(torch.nn.Module):
        def forward(self, pred, target):
            return {'a': pred.mean(), 'b': target.mean()}

    class Perceptual(torch.nn.Module):
        def forward(self, pred, target):
            return pred.mean(), None

    class NoTarget(torch.nn.Module):
        def forward(self, pred):
            return pred.mean()

    pred, target = torch.full((1, 3, 4, 4), 0.5), torch.full((1, 3, 4, 4), 0.25)
    terms = [Term('parts', Parts(), 2.0), Term('percep', Perceptual()), Term('smooth', NoTarget())]
    total, log = Objective(terms)([pred], target)
    assert {k: float(v) for k, v in log.items() if k.startswith('l_')} == {
        'l_parts_a': 1.0,
        'l_parts_b': 0.5,
        'l_percep': 0.5,
        'l_smooth': 0.5,
        'l_total': 2.5,
    }
    assert float(total) == 2.5


def test_a_term_that_returns_a_map_is_named():
    from basicsr.losses import L1Loss, Objective, Term

    target = torch.zeros(1, 3, 4, 4)
    with pytest.raises(ValueError, match=r"'pixel' returned a tensor of shape \(1, 3, 4, 4\)"):
        Objective([Term('pixel', L1Loss(reduction='none'))])([target], target)


def test_losses_run_in_float32_under_autocast():
    from basicsr.losses import Objective, SSIMLoss, Term

    generator = torch.Generator().manual_seed(0)
    target = torch.rand(1, 3, 32, 32, generator=generator)
    pred = (target + 0.01 * torch.randn(1, 3, 32, 32, generator=generator)).bfloat16()
    objective = Objective([Term('ssim', SSIMLoss())])
    plain, _ = objective([pred.float()], target)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        mixed, _ = objective([pred], target)
    assert mixed.dtype == torch.float32
    assert float(mixed) == float(plain)


@pytest.mark.parametrize('split_backward', [True, False])
def test_a_nan_step_is_skipped_and_its_term_named(split_backward, caplog):
    """One bad batch among good ones: the weights are those of a run without it."""
    changes = {
        'losses': [{'type': 'L1Loss', 'name': 'pixel'}, {'type': 'NanAtTwo', 'name': 'bad'}],
        'optim_g': {'type': 'AdamW', 'lr': 1e-3},
        'split_backward': split_backward,
    }
    model, twin = build(changes), build(changes)
    good = batches(3)
    bad = {'lq': good[0]['lq'], 'gt': torch.full_like(good[0]['gt'], 2.0)}
    for i, batch in enumerate([good[0], bad, good[1], good[2]], start=1):
        model.feed_data(batch)
        model.optimize_parameters(i)
    for i, batch in enumerate(good, start=1):
        twin.feed_data(batch)
        twin.optimize_parameters(i)
    for ours, theirs in zip(model.net_g.parameters(), twin.net_g.parameters()):
        assert torch.equal(ours, theirs)

    get_root_logger().addHandler(caplog.handler)
    log = model.get_current_log()
    assert log['grad/skipped'] == 0.25
    assert '25.0% of the steps' in caplog.text
    assert ('not finite: bad' if split_backward else 'not finite: ') in caplog.text
    assert log['l_pixel'] > 0


@LOSS_REGISTRY.register()
class NanAtTwo(torch.nn.Module):
    """Finite in value; its gradient is NaN where the target is 2."""

    def forward(self, pred, target):
        return (
            torch.where(target == 2, 0.0, pred).sum() * 0 + (torch.sqrt((target - 2).abs() * pred.square()) * 0).sum()
        )


def test_nan_weights_are_never_saved(tmp_path):
    model = build({'losses': [{'type': 'L1Loss', 'name': 'pixel'}], 'optim_g': {'type': 'SGD', 'lr': 1.0}})
    model.opt['path']['models'] = str(tmp_path)
    model.net_g.intro.bias.data[0] = float('inf')
    with pytest.raises(ValueError, match=r'net_g_7\.pth is not written: params.intro.bias holds NaN or infinity'):
        model.save(0, 7)
    assert list(tmp_path.iterdir()) == []


def test_training_on_nan_stops_with_the_name(tmp_path):
    model = build({'losses': [{'type': 'L1Loss', 'name': 'pixel'}], 'optim_g': {'type': 'SGD', 'lr': 1.0}})
    batch = batches(1)[0]
    batch['lq'][0, 0, 0, 0] = float('nan')
    model.feed_data(batch)
    model.optimize_parameters(7)
    with pytest.raises(ValueError, match='iteration 7: no step since the last log line had a finite gradient'):
        model.get_current_log()
    assert all(torch.isfinite(p).all() for p in model.net_g.parameters())


def test_ledger_and_shares_in_a_model():
    changes = {
        'losses': [
            {'type': 'L1Loss', 'name': 'pixel'},
            {'type': 'LabABLoss', 'name': 'lab', 'share': 0.3},
            {'type': 'SSIMLoss', 'name': 'ssim', 'share': 0.2},
        ],
        'optim_g': {'type': 'Adam', 'lr': 1e-4},
        'calibration_iter': 12,
    }
    model = build(changes)
    model.ledger_freq = 1
    for i, batch in enumerate(batches(18), start=1):
        model.feed_data(batch)
        model.optimize_parameters(i)
        if i == 12:
            model.get_current_log()
            frozen = model.objective.weights_at(12)
    log = model.get_current_log()
    assert model.objective.weights_at(18) == frozen
    assert log['grad_share/lab'] == pytest.approx(0.3, rel=0.1)
    assert log['grad_share/ssim'] == pytest.approx(0.2, rel=0.1)
    assert log['grad_share/pixel'] == pytest.approx(0.5, rel=0.1)
    assert sum(log[f'grad_contribution/{name}'] for name in ('pixel', 'lab', 'ssim')) == pytest.approx(1, abs=1e-3)
    assert {name for name in log if name.startswith('grad_cos/')} == {
        'grad_cos/pixel/lab',
        'grad_cos/pixel/ssim',
        'grad_cos/lab/ssim',
    }


def test_subclass_hooks_of_basicsr_work():
    """A subclass written for BasicSR: a step of its own, cri_pix, log_dict."""
    from basicsr.models.sr_model import SRModel
    from basicsr.utils.registry import MODEL_REGISTRY

    @MODEL_REGISTRY.register()
    class PluginModel(SRModel):
        def optimize_parameters(self, current_iter):
            self.optimizer_g.zero_grad()
            self.output = self.net_g(self.lq)
            l_pix = self.cri_pix(self.output, self.gt)
            assert self.cri_perceptual is None
            l_pix.backward()
            self.optimizer_g.step()
            self.log_dict = self.reduce_loss_dict({'l_pix': l_pix})
            if self.ema_decay > 0:
                self.model_ema(decay=self.ema_decay)

    options = tiny_options() | {'model_type': 'PluginModel'}
    options['train'] = {
        'total_iter': 10,
        'ema_decay': 0.5,
        'pixel_opt': {'type': 'L1Loss', 'loss_weight': 2},
        'optim_g': {'type': 'Adam', 'lr': 1e-3},
        'my_own_key': 5,
    }
    resolved, notes = check_options(Tree(options, {}, []), 'test', is_train=True)
    assert 'train.my_own_key is passed to the model unchecked' in notes
    model = build_model(runtime_options(resolved, '.', is_train=True))
    assert model.opt['train']['pixel_opt'] == {'type': 'L1Loss', 'loss_weight': 2}
    assert model.opt['train']['my_own_key'] == 5
    batch = batches(1)[0]
    model.feed_data(batch)
    expected = 2 * l1(model.net_g(batch['lq']), batch['gt']).item()
    model.optimize_parameters(1)
    assert model.get_current_log()['l_pix'] == pytest.approx(expected, rel=1e-6)
    assert hasattr(model, 'net_g_ema')


@pytest.mark.parametrize(
    ('loss', 'shape', 'message'),
    [
        ({'type': 'LabABLoss'}, (1, 1, 16, 16), r"'lab_ab' cannot take an output of shape \(1, 1, 16, 16\)"),
        ({'type': 'SSIMLoss'}, (1, 3, 8, 8), r"'ssim' cannot take .* smaller than its 11x11 window"),
    ],
)
def test_data_a_term_was_not_made_for_is_refused_by_its_name(loss, shape, message):
    from basicsr.losses import build_objective
    from basicsr.utils.option_tree import entry_name

    objective = build_objective([{**loss, 'name': entry_name(loss), 'outputs': 'all'}])
    with pytest.raises(ValueError, match=message):
        objective.split([torch.rand(shape)], torch.rand(shape))


def test_a_target_that_is_no_srgb_is_refused():
    from basicsr.losses import LabABLoss, Objective, Term

    target = torch.rand(1, 3, 16, 16) * 3
    with pytest.raises(ValueError, match=r"'lab' takes sRGB in \[0, 1\], but the target has values .*`space: linear`"):
        Objective([Term('lab', LabABLoss())]).split([target], target)
    Objective([Term('lab', LabABLoss(space='linear'))]).split([target], target)


def test_advice_names_terms_that_cannot_work_alone():
    from basicsr.losses import ChromaLoss, L1Loss, Objective, SaturationLoss, SSIMLoss, Term

    assert Objective([Term('pixel', L1Loss()), Term('chroma', ChromaLoss())]).advice() == []
    alone = Objective([Term('pixel', L1Loss()), Term('saturation', SaturationLoss())]).advice()
    assert len(alone) == 1 and alone[0].startswith(
        "train.losses: 'saturation' has no gradient where the prediction is grey"
    )
    ramped = Objective([Term('pixel', L1Loss(), {0: 1.0, 500: 0.0}), Term('ssim', SSIMLoss())]).advice()
    assert len(ramped) == 1 and ramped[0].startswith('train.losses: from iteration 500 on no pixel term')


def test_ranks_agree_on_calibrated_weights(monkeypatch):
    """The weights follow the mean of the norms over ranks, not those of this rank."""
    from basicsr.losses import build_objective, objective

    seen = []
    monkeypatch.setattr(objective, 'mean_over_ranks', lambda norms: seen.append(norms) or torch.tensor([1.0, 4.0]))
    losses = [{'type': 'L1Loss', 'name': 'pixel'}, {'type': 'MSELoss', 'name': 'square', 'share': 0.5}]
    listed = build_objective([{**entry, 'outputs': 'all'} for entry in losses], calibration_iter=1)
    output, target = torch.rand(1, 3, 8, 8, requires_grad=True), torch.rand(1, 3, 8, 8)
    gradient, _ = listed.split([output * 2], target)
    rows = listed.calibrate(gradient, torch.tensor([[3.0], [2.0]]), 1)
    assert seen[0].tolist() == [3.0, 2.0]
    assert listed.weights_at(2) == {'pixel': 1.0, 'square': 0.25}
    assert rows.tolist() == [[3.0], [0.5]]
