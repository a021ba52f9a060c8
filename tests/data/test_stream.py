import random

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset

from basicsr.data.stream import Stream, build_stream, collate
from basicsr.utils.errors import DataError


class Dice(Dataset):
    """A third-party dataset that draws from all three generators."""

    def __init__(self, length=10):
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        return {'index': index, 'draws': torch.tensor([random.random(), np.random.rand(), torch.rand(()).item()])}


class Broken(Dice):
    def __getitem__(self, index):
        if index == 3:
            raise DataError('bedroom.png: the file is empty')
        return super().__getitem__(index)


def batches(num_workers=0, first_iter=0, total_iter=12, seed=5, **kwargs):
    stream = build_stream(Dice(), 3, num_workers, seed, first_iter, total_iter, **kwargs)
    return [(batch['index'].tolist(), batch['draws'].tolist()) for batch in stream]


def samples(result):
    return [sample for indices, draws in result for sample in zip(indices, map(tuple, draws))]


def test_every_epoch_is_another_permutation():
    stream = Stream(Dice(), seed=0)
    epochs = [[stream[10 * epoch + i]['index'] for i in range(10)] for epoch in range(3)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    assert [Stream(Dice(), seed=1)[i]['index'] for i in range(10)] != epochs[0]


def test_a_sample_depends_on_seed_and_position_alone():
    stream = Stream(Dice(), seed=0)
    late = stream[25]
    random.seed(1)
    early, again = stream[4], stream[25]
    assert late['index'] == again['index'] and torch.equal(late['draws'], again['draws'])
    assert not torch.equal(early['draws'], again['draws'])
    assert len(set(Stream(Dice(), seed=1)[25]['draws'].tolist()) & set(late['draws'].tolist())) == 0


def test_draws_do_not_repeat_from_epoch_to_epoch():
    draws = [draws for _, draws in samples(batches(total_iter=30))]
    assert len(set(draws)) == 90
    assert len({value for draw in draws for value in draw}) == 270


def test_resuming_gives_the_tail():
    whole = batches()
    assert len(whole) == 12
    assert batches(first_iter=7) == whole[7:]
    assert batches(first_iter=12) == []


def test_workers_do_not_matter():
    assert batches(num_workers=2) == batches(num_workers=0)
    assert batches(seed=6) != batches(seed=5)


def test_ranks_share_out_the_same_samples():
    one = build_stream(Dice(), 4, 0, 5, 0, 6)
    two = [build_stream(Dice(), 2, 0, 5, 0, 6, rank=rank, world_size=2) for rank in (0, 1)]
    for whole, first, second in zip(one, *two, strict=True):
        assert whole['index'][0::2].tolist() == first['index'].tolist()
        assert whole['index'][1::2].tolist() == second['index'].tolist()
        assert torch.equal(whole['draws'][0::2], first['draws']) and torch.equal(whole['draws'][1::2], second['draws'])


def test_batches_may_be_larger_than_the_dataset():
    batch = next(build_stream(Dice(2), 5, 0, 0, 0, 1))
    assert sorted(batch['index'].tolist()[:4]) == [0, 0, 1, 1]


@pytest.mark.parametrize('num_workers', [0, 1])
def test_an_unreadable_sample_is_an_error_without_traceback(num_workers):
    stream = build_stream(Broken(), 5, num_workers, 0, 0, 2)
    with pytest.raises(DataError) as error:
        list(stream)
    assert str(error.value).startswith('bedroom.png: the file is empty\n') and '`exclude:`' in str(error.value)


def test_batches_before_the_error_arrive():
    position = [Stream(Dice(), 0)[k]['index'] for k in range(10)].index(3)
    stream = build_stream(Broken(), 1, 0, 0, 0, 10)
    received = []
    with pytest.raises(DataError):
        for batch in stream:
            received.append(batch['index'].item())
    assert len(received) == position


def test_collate_returns_the_first_error():
    first, second = DataError('first'), DataError('second')
    assert collate([{'a': 1}, first, second]) is first
    assert collate([{'a': 1}, {'a': 2}])['a'].tolist() == [1, 2]


def test_other_errors_are_bugs_and_keep_their_traceback():
    class Buggy(Dice):
        def __getitem__(self, index):
            return {}['missing']

    with pytest.raises(KeyError):
        next(build_stream(Buggy(), 1, 0, 0, 0, 1))


def test_an_empty_dataset_is_refused_at_once():
    with pytest.raises(DataError, match='empty'):
        build_stream(Dice(0), 1, 0, 0, 0, 1)


def test_the_global_generator_is_left_to_the_samples():
    """Starting the loader draws nothing: only seeding for a sample touches torch's generator."""
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    next(build_stream(Dice(), 1, 1, 0, 0, 1))
    assert torch.equal(torch.rand(3), expected)
