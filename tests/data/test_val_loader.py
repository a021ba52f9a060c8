import pickle
import random

import pytest
import torch

from basicsr.data import build_dataset, build_val_loader
from basicsr.data.stream import RawSamples
from basicsr.utils.errors import DataError
from tests.conftest import write_pairs


@pytest.fixture
def val_set(tmp_path):
    def make(**kwargs):
        folders = {f'dataroot_{kind}': str(tmp_path / kind) for kind in ('gt', 'lq')}
        opt = {'name': 'val', 'type': 'PairedImageDataset', 'phase': 'val', 'scale': 1, **folders, **kwargs}
        return build_dataset(opt)

    write_pairs(tmp_path, 5)
    return make


def test_workers_of_the_set_are_used_and_change_nothing(val_set):
    loader = build_val_loader(val_set(num_worker_per_gpu=2, pin_memory=False))
    assert loader.num_workers == 2
    alone = build_val_loader(val_set())
    assert alone.num_workers == 0
    for ours, expected in zip(loader, alone, strict=True):
        assert ours['lq_path'] == expected['lq_path']
        assert torch.equal(ours['lq'], expected['lq']) and torch.equal(ours['gt'], expected['gt'])
    assert len(loader.dataset) == 5 and loader.dataset.opt['name'] == 'val' and loader.dataset.color is None


def test_pinned_memory_is_asked_for(val_set):
    assert build_val_loader(val_set(pin_memory=True)).pin_memory == torch.cuda.is_available()
    assert not build_val_loader(val_set(pin_memory=False)).pin_memory


def test_an_unreadable_image_is_an_error_without_traceback(val_set, tmp_path):
    loader = build_val_loader(val_set(num_worker_per_gpu=1))
    (tmp_path / 'gt' / '01.png').write_bytes(b'')
    _, error, *_ = loader
    assert isinstance(error, DataError) and str(error).endswith('gt/01.png: the file is empty')


def test_the_view_can_be_sent_to_a_worker(val_set):
    view = pickle.loads(pickle.dumps(RawSamples(val_set())))
    assert len(view) == 5 and view.phase == 'val'
    assert not hasattr(view, 'no_such_attribute')


@pytest.mark.parametrize('num_workers', [0, 1])
def test_the_global_generators_are_left_alone(val_set, num_workers):
    torch.manual_seed(0)
    random.seed(0)
    expected = torch.rand(3).tolist(), random.random()
    torch.manual_seed(0)
    random.seed(0)
    next(iter(build_val_loader(val_set(num_worker_per_gpu=num_workers))))
    assert (torch.rand(3).tolist(), random.random()) == expected
