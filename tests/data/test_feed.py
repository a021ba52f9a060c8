import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from basicsr.data import build_stream, build_val_loader, feed
from basicsr.data.feed import pins, to_unit
from basicsr.data.paired_image_dataset import PairedImageDataset
from basicsr.data.stream import RawSamples, Stream, collate
from basicsr.utils.errors import DataError


def write(folder, dtype, count=4, seed=0):
    """Write noise as `<number>.png` to `folder/lq` and `folder/gt`."""
    rng = np.random.default_rng(seed)
    for kind in ('lq', 'gt'):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            img = rng.integers(0, np.iinfo(dtype).max, (20, 24, 3), endpoint=True).astype(dtype)
            assert cv2.imwrite(str(folder / kind / f'{number}.png'), img)


def options(folder, phase='train', **kwargs):
    roots = {f'dataroot_{kind}': str(folder / kind) for kind in ('lq', 'gt')}
    return {'name': 'set', 'type': 'PairedImageDataset', 'phase': phase, 'gt_size': 16, **roots, **kwargs}


@pytest.mark.parametrize(('dtype', 'expected'), [(np.uint8, torch.uint8), (np.uint16, torch.uint16)])
def test_workers_hand_over_the_bits_of_the_files(tmp_path, dtype, expected):
    write(tmp_path, dtype)
    sample = Stream(PairedImageDataset(options(tmp_path)), seed=0)[3]
    assert sample['lq'].dtype == sample['gt'].dtype == expected


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_finishing_a_batch_gives_the_items(tmp_path, dtype):
    write(tmp_path, dtype)
    dataset = PairedImageDataset(options(tmp_path, phase='val'))
    loader = DataLoader(RawSamples(dataset), batch_size=4, collate_fn=collate)
    (batch,) = feed(loader, 'cpu')
    for index in range(4):
        img = cv2.imread(dataset.paths[index]['gt_path'], cv2.IMREAD_UNCHANGED)
        expected = (img / np.float64(np.iinfo(dtype).max)).astype(np.float32)[..., ::-1].transpose(2, 0, 1)
        assert np.array_equal(dataset[index]['gt'].numpy(), expected)
        assert torch.equal(batch['gt'][index], dataset[index]['gt'])
    assert batch.keys() == {'lq', 'gt', 'lq_path', 'gt_path'}


def test_eight_and_sixteen_bits_in_one_batch_keep_their_values():
    codes = torch.arange(256, dtype=torch.uint8)
    fine = torch.from_numpy(np.arange(256, dtype=np.uint16) * 250)
    batch = collate([{'lq': codes}, {'lq': fine}])['lq']
    assert batch.dtype == torch.uint16
    assert torch.equal(to_unit(batch)[0], codes / 255)
    assert torch.equal(to_unit(batch)[1], torch.arange(256) * 250 / 65535)


def test_linear_and_encoded_images_in_one_batch_are_refused():
    linear = {'lq': torch.zeros(3), 'lq_path': 'room.exr'}
    error = collate([{'lq': torch.zeros(3, dtype=torch.uint8), 'lq_path': 'room.png'}, linear])
    assert isinstance(error, DataError) and 'room.png' in str(error) and 'room.exr' in str(error)


def test_normalization_comes_last(tmp_path):
    write(tmp_path, np.uint8)
    plain = PairedImageDataset(options(tmp_path, phase='val'))[1]['lq']
    mean, std = [0.1, 0.2, 0.3], [0.5, 0.25, 2.0]
    normalized = PairedImageDataset(options(tmp_path, phase='val', mean=mean, std=std))[1]['lq']
    assert torch.allclose(normalized * torch.tensor(std).view(3, 1, 1) + torch.tensor(mean).view(3, 1, 1), plain)
    assert not torch.allclose(normalized, plain)


def test_a_loader_that_a_client_brings_is_not_finished_twice(tmp_path):
    write(tmp_path, np.uint8)
    dataset = PairedImageDataset(options(tmp_path, phase='val', mean=[0.5] * 3, std=[0.5] * 3))
    ours = next(iter(feed(build_val_loader(dataset), 'cpu')))
    theirs = next(iter(feed(DataLoader(dataset, batch_size=1), 'cpu')))
    assert torch.equal(ours['lq'], theirs['lq'])


def test_jitter_is_applied_to_the_batch_as_drawn_for_each_sample(tmp_path):
    write(tmp_path, np.uint8, count=8)
    jitter = {'prob': 0.5, 'exposure_ev': [-1.0, -0.5]}
    whole = {'use_hflip': False, 'use_rot': False, 'gt_size': 20}
    dataset = PairedImageDataset(options(tmp_path, **whole, photometric=jitter))
    plain = PairedImageDataset(options(tmp_path, **whole))
    (batch,), (expected,) = (list(build_stream(data, 16, 0, 7, 0, 1)) for data in (dataset, plain))
    drawn = [bool(Stream(dataset, 7)[k]['photometric'][0]) for k in range(16)]
    assert 2 < sum(drawn) < 14
    for k, is_drawn in enumerate(drawn):
        assert torch.equal(batch['gt'][k], expected['gt'][k])
        assert torch.equal(batch['lq'][k], expected['lq'][k]) != is_drawn
    assert batch['lq'].mean() < expected['lq'].mean()


def test_pinned_memory_is_for_gpus():
    assert pins(None, 'cuda') and pins(True, 'cuda:0') and not pins(False, 'cuda')
    assert not pins(None, 'cpu') and not pins(True, 'cpu')


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
@pytest.mark.parametrize('num_workers', [0, 2])
def test_batches_on_a_gpu_are_those_of_the_cpu(tmp_path, num_workers):
    write(tmp_path, np.uint8, count=8)
    jitter = {'prob': 0.5, 'exposure_ev': [-1.0, 1.0]}
    dataset = PairedImageDataset(options(tmp_path, photometric=jitter, mixup={'prob': 0.5}))
    on_cpu = list(build_stream(dataset, 4, num_workers, 0, 0, 20))
    on_gpu = build_stream(dataset, 4, num_workers, 0, 0, 20, device='cuda')
    for ours, expected in zip(on_gpu, on_cpu, strict=True):
        for key in ('lq', 'gt'):
            assert torch.allclose(ours[key].cpu(), expected[key], atol=1e-5)
