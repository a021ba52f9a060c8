"""Steps whose gradient is not finite are left out."""

import copy

import pytest
import torch

from basicsr.engine.finite import report_nonfinite, step_if_finite
from basicsr.utils.logger import get_root_logger


@pytest.mark.parametrize('arguments', [{}, {'fused': True}], ids=['plain', 'fused'])
def test_only_finite_steps_change_the_weights(arguments):
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.AdamW([weight], lr=0.1, **arguments)
    weight.grad = torch.ones(3)
    assert step_if_finite(optimizer, torch.tensor(1.0)).item() == 0
    after_one, state = weight.detach().clone(), copy.deepcopy(optimizer.state_dict())
    assert not torch.equal(after_one, torch.ones(3))

    weight.grad = torch.tensor([1.0, float('nan'), 1.0])
    assert step_if_finite(optimizer, torch.tensor(float('nan'))).item() == 1
    assert torch.equal(weight, after_one)
    moments = optimizer.state_dict()['state'][0]
    assert torch.equal(moments['exp_avg'], state['state'][0]['exp_avg'])

    weight.grad = torch.ones(3)
    step_if_finite(optimizer, torch.tensor(1.0))
    twin = torch.nn.Parameter(torch.ones(3))
    reference = torch.optim.AdamW([twin], lr=0.1)
    for _ in range(2):
        twin.grad = torch.ones(3)
        reference.step()
    torch.testing.assert_close(weight, twin)


def test_some_skipped_steps_are_a_warning_and_all_of_them_an_error(caplog):
    get_root_logger().addHandler(caplog.handler)
    report_nonfinite({'grad/skipped': 0.25, 'nonfinite/ssim': 0.25, 'nonfinite/pixel': 0.0}, 40)
    assert 'iteration 40: 25.0% of the steps' in caplog.text and 'not finite: ssim' in caplog.text
    with pytest.raises(ValueError, match=r'iteration 60: no step .* because of: ssim'):
        report_nonfinite({'grad/skipped': 1.0, 'nonfinite/ssim': 1.0, 'nonfinite/pixel': 0.0}, 60)
