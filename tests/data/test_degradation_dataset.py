"""Targets, and the inputs that are made of them."""

import random
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from basicsr.data import build_dataset, build_stream
from basicsr.data.stream import Stream
from basicsr.utils.errors import DataError, OptionError
from basicsr.utils.misc import seed_all

NOISE = {'type': 'GaussianNoise', 'sigma': [5, 30]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four smooth targets of 8 bits, 40 x 50 pixels."""
    rng = np.random.default_rng(2)
    for index in range(4):
        gt = cv2.resize(rng.integers(0, 256, (5, 6, 3), np.uint8), (50, 40), interpolation=cv2.INTER_LINEAR)
        cv2.imwrite(str(tmp_path / f'{index}.png'), gt)
    return tmp_path


def build(root: Path, degradations: list | None = None, **options):
    common = {'type': 'DegradationDataset', 'name': 'made', 'key': 'train', 'phase': 'train', 'scale': 1, 'gt_size': 24}
    degradations = [NOISE] if degradations is None else degradations
    return build_dataset({**common, 'dataroot_gt': str(root), 'degradations': degradations, **options})


def as_picture(tensor: torch.Tensor) -> np.ndarray:
    """(3, H, W) RGB -> (H, W, 3) BGR."""
    return tensor.numpy()[::-1].transpose(1, 2, 0)


def test_the_target_is_a_crop_of_the_file(folder):
    dataset = build(folder, use_hflip=False, use_rot=False)
    for index in range(len(dataset)):
        sample = dataset.read(index)
        gt = as_picture(sample['gt'])
        whole = cv2.imread(sample['gt_path'])
        distances = [np.abs(whole[y : y + 24, x : x + 24].astype(int) - gt).max() for y in range(17) for x in range(27)]
        assert min(distances) == 0 and sample['lq_path'] == sample['gt_path']


def test_the_input_is_the_degraded_crop(folder):
    """The noise that is asked for stands between the two, and nothing else."""
    dataset = build(folder, [{**NOISE, 'sigma': 8}], gt_size=40)
    differences = []
    for index in range(4):
        sample = dataset.read(index)
        assert sample['lq'].dtype == sample['gt'].dtype == torch.uint8
        inside = (sample['gt'] > 40) & (sample['gt'] < 215)  # nothing is clipped there
        differences.append((sample['lq'].int() - sample['gt'].int())[inside])
        assert 'gaussian_noise: sigma 8.0' in sample['draws']
    differences = torch.cat(differences).double()
    # The rounding of the input to 8 bits adds 1 / 12 to the variance.
    assert abs(differences.mean()) < 5 * 8 / len(differences) ** 0.5
    assert abs(differences.std() - (64 + 1 / 12) ** 0.5) < 5 * 8 / (2 * len(differences)) ** 0.5


def test_sixteen_bits_stay_sixteen_bits(folder):
    deep = folder / 'deep'
    deep.mkdir()
    cv2.imwrite(str(deep / 'a.png'), np.random.default_rng(0).integers(0, 65536, (30, 30, 3), np.uint16))
    sample = build(deep, [{'type': 'Blur', 'sigma': 1.0}]).read(0)
    assert sample['lq'].dtype == sample['gt'].dtype == torch.uint16
    assert (sample['lq'].int() % 257 != 0).any(), 'there are more values than 8 bits have'
    item = build(deep)[0]
    assert set(item) == {'lq', 'gt', 'lq_path', 'gt_path'} and item['gt'].dtype == torch.float32
    assert 0.9 < item['gt'].max() <= 1


@pytest.mark.parametrize('scale', [1, 2, 4])
@pytest.mark.parametrize('phase', ['train', 'val'])
def test_sizes_go_by_the_scale(folder, scale, phase):
    dataset = build(folder, [{'type': 'Downscale', 'factor': max(scale, 2)}], scale=scale, phase=phase)
    height, width = (24, 24) if phase == 'train' else (40, 50 - 50 % scale)
    for item in dataset:
        assert item['gt'].shape == (3, height, width)
        assert item['lq'].shape == (3, height // scale, width // scale)
        small = np.stack(
            [cv2.resize(c.numpy(), item['lq'].shape[:0:-1], interpolation=cv2.INTER_AREA) for c in item['gt']]
        )
        assert np.abs(small - item['lq'].numpy()).mean() < 0.05


def test_validation_always_sees_the_same(folder):
    degradations = [NOISE, {'type': 'JPEG', 'prob': 0.5}]
    dataset = build(folder, degradations, phase='val')
    seed_all(1)
    first = [dataset[i] for i in range(4)]
    after = random.random(), np.random.random(), torch.rand(1)
    seed_all(1)
    assert (random.random(), np.random.random(), torch.rand(1)) == after, 'the generators are left alone'
    again = build(folder, degradations, phase='val')
    for index in (2, 0, 3, 1):
        assert torch.equal(again[index]['lq'], first[index]['lq'])

    noises = [item['lq'] - item['gt'] for item in build(folder, [{**NOISE, 'sigma': 5}], phase='val')]
    assert abs(torch.corrcoef(torch.stack([noises[0].ravel(), noises[1].ravel()]))[0, 1]) < 0.1, 'each its own'


def test_training_is_a_function_of_seed_and_position(folder):
    degradations = [{'type': 'CameraBefore', 'prob': 0.7}, NOISE, {'type': 'JPEG'}]
    stream = Stream(build(folder, degradations), 3)
    expected = [stream[k]['lq'] for k in range(8)]
    later = Stream(build(folder, degradations), 3)
    for k in (5, 2, 7, 0):
        assert torch.equal(later[k]['lq'], expected[k])
    # Another list leaves the crops as they were.
    other = Stream(build(folder, [{'type': 'Grayscale'}]), 3)
    assert all(torch.equal(other[k]['gt'], stream[k]['gt']) for k in range(8))


def test_workers_change_nothing(folder):
    def batches(num_workers: int) -> list[dict]:
        return list(build_stream(build(folder), 2, num_workers, 5, 0, 4))

    for one, two in zip(batches(0), batches(2)):
        assert torch.equal(one['lq'], two['lq']) and torch.equal(one['gt'], two['gt'])


def test_a_mixture_with_pairs(tiny_root, folder):
    """Made and real samples stand in one batch."""
    common = {'key': 'train', 'phase': 'train', 'scale': 1, 'gt_size': 24}
    data = tiny_root / 'data' / 'train'
    pairs = {'type': 'PairedImageDataset', 'dataroot_gt': str(data / 'gt'), 'dataroot_lq': str(data / 'lq')}
    made = {'type': 'DegradationDataset', 'dataroot_gt': str(folder), 'degradations': [NOISE]}
    entries = [
        {**common, **pairs, 'name': 'real', 'weight': 0.75},
        {**common, **made, 'name': 'made', 'weight': 0.25},
    ]
    dataset = build_dataset({**common, 'type': 'MixedDataset', 'name': 'train', 'mix': entries})
    paths = [path for batch in build_stream(dataset, 4, 0, 1, 0, 6) for path in batch['gt_path']]
    from_folders = [sum(Path(path).parent == parent for path in paths) for parent in (data / 'gt', folder)]
    assert from_folders == [18, 6] and dataset.epochs_at(1, 24) == {'real': 18 / 5, 'made': 6 / 4}
    entries[1]['mean'], entries[1]['std'] = [0.5] * 3, [0.5] * 3
    with pytest.raises(OptionError, match=r"mean is .* in 'made' and None in 'real'"):
        build_dataset({**common, 'type': 'MixedDataset', 'name': 'train', 'mix': entries})


def test_small_targets_are_mirrored(folder):
    small = folder / 'small'
    small.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (10, 14, 3), np.uint8)
    cv2.imwrite(str(small / 'a.png'), pixels)
    for scale in (1, 4):
        gt = as_picture(build(small, [], scale=scale).read(0)['gt'] if scale > 1 else build(small).read(0)['gt'])
        assert gt.shape == (24, 24, 3)
        mirrored = {tuple(pixel) for pixel in gt.reshape(-1, 3)}
        assert mirrored <= {tuple(pixel) for pixel in pixels.reshape(-1, 3)} and len(mirrored) > 100
    with pytest.raises(DataError, match=r'a\.png: GT is 14 x 10 pixels, smaller than the patch of 24'):
        build(small, pad=False).read(0)


def test_luma(folder):
    """Y of studio swing (BT.601) of the degraded colours: grey keeps its Y about."""
    item = build(folder, [{'type': 'Grayscale'}], color='y', phase='val')[0]
    assert item['lq'].shape == item['gt'].shape == (1, 40, 50)
    plain = build(folder, [{'type': 'Grayscale'}], phase='val')[0]['lq']
    np.testing.assert_allclose(item['lq'].numpy()[0] * 255, 16 + 219 * plain[0].numpy(), atol=1e-3)


def test_listed_and_excluded_targets(folder):
    (folder / 'list.txt').write_text('3.png (40,50,3)\n1.png (40,50,3)\n0.png (40,50,3)\n')
    (folder / 'exclude.txt').write_text('1.png  # blurred\n')
    dataset = build(folder, meta_info_file=str(folder / 'list.txt'), exclude=str(folder / 'exclude.txt'))
    assert [Path(pair['gt_path']).name for pair in dataset.paths] == ['3.png', '0.png']
    assert len(build(folder, dataroot_gt=[str(folder), str(folder)])) == 8


def test_mistakes_are_named(folder):
    with pytest.raises(OptionError, match=r"datasets\.train\.degradations: 'gaussian_noise': sigma"):
        build(folder, [{**NOISE, 'sigma': -1}])
    with pytest.raises(OptionError, match='degradations is empty: the input would be the target itself'):
        build(folder, [])
    with pytest.raises(DataError, match=r'datasets\.train\.dataroot_gt: no such folder: .*nothing'):
        build(folder / 'nothing')
    np.save(folder / 'x.npy', np.zeros(1))
    cv2.imwrite(str(folder / 'float.tif'), np.full((40, 50, 3), 0.5, np.float32))
    dataset = build(folder)
    with pytest.raises(DataError, match=r'float\.tif: degradations start from sRGB of 8 or 16 bits'):
        [dataset.read(i) for i in range(len(dataset))]
