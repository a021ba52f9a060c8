import random

import numpy as np
import pytest
import torch

from basicsr.data.mixup import MixupOptions, apply_mixup, draw_mixup
from basicsr.utils.schema import check_section


def batch():
    generator = torch.Generator().manual_seed(0)
    return torch.rand(4, 3, 6, 5, generator=generator), torch.rand(4, 3, 12, 10, generator=generator)


def test_each_pair_is_mixed_with_the_next():
    lq, gt = batch()
    weights = [1.0, 0.25, 0.6, 0.5]
    for images, mixed in zip((lq, gt), apply_mixup(lq, gt, torch.tensor(weights, dtype=torch.float64))):
        assert torch.equal(mixed[0], images[0])
        for i, following in ((1, 2), (2, 3), (3, 0)):
            own, other = (images[j].numpy().astype(np.float64) for j in (i, following))
            assert np.allclose(mixed[i].numpy(), weights[i] * own + (1 - weights[i]) * other, atol=1e-6)
        assert mixed.dtype == torch.float32


def test_weight_one_is_the_pair_itself_whatever_stands_beside_it():
    lq, gt = batch()
    lq[1] = float('inf')
    mixed, _ = apply_mixup(lq, gt, torch.tensor([1.0, 0.5, 1.0, 1.0]))
    assert torch.equal(mixed[[0, 2, 3]], lq[[0, 2, 3]])
    assert all(torch.equal(a, b) for a, b in zip(apply_mixup(lq, gt, torch.ones(4)), (lq, gt)))


def test_distribution_of_the_weights():
    options = MixupOptions(prob=0.3, beta=1.2)
    random.seed(1)
    weights = np.array([draw_mixup(options) for _ in range(20_000)])
    drawn = weights[weights < 1]
    assert len(drawn) / len(weights) == pytest.approx(0.3, abs=0.01)
    # Beta(b, b) has mean 1/2 and variance 1 / (4 (2 b + 1)).
    assert drawn.mean() == pytest.approx(0.5, abs=0.01)
    assert drawn.var() == pytest.approx(1 / (4 * 3.4), rel=0.03)


def test_without_options_nothing_is_drawn():
    random.seed(3)
    assert draw_mixup(None) == 1.0
    assert random.random() == random.Random(3).random()


@pytest.mark.parametrize('given, message', [({'prob': 1.5}, 'at most 1'), ({'beta': 0}, 'above 0')])
def test_options(given, message):
    assert message in check_section(MixupOptions, given, ())[1][0][1]
