"""A NAFNet's configuration out of its weights, for random configurations."""

import random

import pytest
import torch

from basicsr.archs.nafnet_arch import NAFNet, NAFNetLocal
from basicsr.archs.nafnet_weights import infer_nafnet
from basicsr.utils.errors import CheckpointError


@pytest.mark.parametrize('seed', range(60))
def test_the_arguments_come_back(seed):
    rng = random.Random(seed)
    levels = rng.randint(0, 4)
    arguments = {
        'img_channel': rng.choice([1, 3, 4]),
        'width': rng.choice([1, 2, 5, 8]),
        'middle_blk_num': rng.randint(0, 12),
        'enc_blk_nums': [rng.randint(0, 11) for _ in range(levels)],
        'dec_blk_nums': [rng.randint(0, 11) for _ in range(levels)],
    }
    with torch.device('meta'):
        net = rng.choice([NAFNet, NAFNetLocal])(**arguments)
    assert infer_nafnet(net.state_dict()) == arguments


def small_weights() -> dict[str, torch.Tensor]:
    return NAFNet(3, 4, 1, [1, 1], [1, 1]).state_dict()


def test_other_networks_are_named_as_such():
    with pytest.raises(CheckpointError, match='no weights of a NAFNet'):
        infer_nafnet(torch.nn.Conv2d(3, 3, 3).state_dict())


def test_variants_are_told_by_the_first_tensor_that_differs():
    wide = small_weights()
    wide['encoders.0.0.conv4.weight'] = torch.zeros(16, 4, 1, 1)  # FFN_Expand 4 in place of 2
    with pytest.raises(CheckpointError, match=r'encoders\.0\.0\.conv4\.weight is \(16, 4, 1, 1\) in the file, and \(8'):
        infer_nafnet(wide)

    cut = small_weights()
    del cut['decoders.1.0.beta']
    with pytest.raises(CheckpointError, match=r'decoders\.1\.0\.beta is missing in the file'):
        infer_nafnet(cut)

    with pytest.raises(CheckpointError, match=r'extra is \(1,\) in the file, and missing in the network'):
        infer_nafnet({**small_weights(), 'extra': torch.zeros(1)})

    lopsided = {name: value for name, value in small_weights().items() if not name.startswith('ups.1')}
    with pytest.raises(CheckpointError, match='enc_blk_nums has 2 entries and dec_blk_nums 1'):
        infer_nafnet(lopsided)
