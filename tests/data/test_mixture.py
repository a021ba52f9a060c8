"""Mixtures: proportions and passes, counted."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset

from basicsr.data.mixture import MixedDataset, block_counts, block_order, item_order, place_at
from basicsr.data.stream import Stream, build_stream
from basicsr.utils.errors import DataError, OptionError


class Numbers(Dataset):
    """Items `first`, `first + 1`, ..."""

    def __init__(self, first: int, length: int) -> None:
        self.first, self.length = first, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict:
        return {'number': self.first + index}


def mixed() -> MixedDataset:
    return MixedDataset(
        [Numbers(0, 50), Numbers(50, 7), Numbers(57, 3)], [0.8, 0.15, 0.05], ['real', 'hard', 'torture']
    )


@pytest.mark.parametrize(
    ('weights', 'counts'),
    [
        ([0.8, 0.15, 0.05], [16, 3, 1]),
        ([1, 2], [1, 2]),
        ([1.0], [1]),
        ([80, 15, 5], [16, 3, 1]),
        ([0.1, 0.2], [1, 2]),  # 0.1 + 0.2 is not 0.3 in binary
        ([1, 1, 1], [1, 1, 1]),
        ([9999, 1], [9999, 1]),
        ([10_000, 1], [9999, 1]),  # out of 10,001: rounded
        ([3.14159265, 1], [7585, 2415]),  # 3.14159265 / 4.14159265 = 0.758547
        ([1e-3, 1e-3, 5e-4], [2, 2, 1]),
    ],
)
def test_counts_of_a_block(weights, counts):
    assert block_counts(weights) == counts


def test_rounded_counts_are_the_nearest():
    rng = np.random.default_rng(3)
    for _ in range(20):
        weights = rng.uniform(0.1, 1, rng.integers(2, 8)).tolist()
        counts = block_counts(weights)
        assert sum(counts) == 10_000
        exact = np.array(weights) / sum(weights) * 10_000
        assert np.abs(counts - exact).max() < 1
        remainders, is_up = exact - np.floor(exact), np.array(counts) > exact
        assert not is_up.any() or is_up.all() or remainders[is_up].min() >= remainders[~is_up].max()


@pytest.mark.parametrize('weights', [[], [1, 0], [1, -2], [1, float('nan')], [1, float('inf')], [1, 1e-9]])
def test_weights_that_make_no_sense(weights):
    with pytest.raises(ValueError, match='weight'):
        block_counts(weights)


def test_proportions_are_exact_in_every_block_and_passes_are_complete():
    dataset, blocks = mixed(), 70
    indices = [dataset.index_at(5, k) for k in range(20 * blocks)]
    components = np.searchsorted([50, 57], indices, side='right').reshape(blocks, 20)
    for block in components:
        assert np.bincount(block).tolist() == [16, 3, 1]
    assert len({tuple(block) for block in components}) > blocks // 2, 'the blocks differ in their order'

    for first, length in ((0, 50), (50, 7), (57, 3)):
        items = [index - first for index in indices if first <= index < first + length]
        passes = [items[i : i + length] for i in range(0, len(items) - length + 1, length)]
        assert len(passes) > 20 and all(sorted(one) == list(range(length)) for one in passes)
        assert len({tuple(one) for one in passes}) > 3, 'the passes differ in their order'


def test_a_position_does_not_know_what_was_asked_before():
    in_order = [mixed().index_at(9, k) for k in range(300)]
    positions = np.random.default_rng(0).permutation(300)
    dataset = mixed()
    shuffled = {int(k): (dataset.index_at(4, int(k)), dataset.index_at(9, int(k)))[1] for k in positions}
    assert [shuffled[k] for k in range(300)] == in_order
    assert [dataset.index_at(4, k) for k in range(300)] != in_order, 'another seed, another order'


def test_the_place_of_a_position_counts_its_own_kind():
    counts = [3, 2]
    seen = [0, 0]
    for k in range(50):
        component, i = place_at(counts, block_order(counts, 1, k // 5), k)
        assert i == seen[component]
        seen[component] += 1


def test_orders_of_blocks_and_passes_are_unrelated():
    """Equal generators would give equal permutations."""
    orders = [block_order([1] * 40, 1, 2), item_order(40, 1, 2, 0), item_order(40, 1, 0, 2), item_order(40, 1, 2, 1)]
    orders += [
        block_order([1] * 40, 1, 0),
        block_order([1] * 40, 2, 1),
        item_order(40, 1, 0, 0),
        item_order(40, 0, 1, 0),
    ]
    assert len({tuple(order) for order in orders}) == len(orders)


def test_epochs_are_the_passes_so_far():
    dataset = mixed()
    seen = dict.fromkeys(dataset.names, 0)
    for k in range(333):
        lengths = dict(zip(dataset.names, (50, 7, 3)))
        expected = {name: Fraction(seen[name], lengths[name]) for name in seen}
        assert dataset.epochs_at(2, k) == pytest.approx({name: float(value) for name, value in expected.items()})
        seen[dataset.names[dataset.locate(dataset.index_at(2, k))[0]]] += 1
    assert dataset.epochs_at(2, 2000) == {'real': 32.0, 'hard': 300 / 7, 'torture': 100 / 3}


def test_indices_are_those_of_the_components_one_after_another():
    dataset = mixed()
    assert (
        [dataset[i]['number'] for i in range(60)] == [dataset.read(i)['number'] for i in range(60)] == list(range(60))
    )
    assert len(dataset) == 60 and [dataset.locate(i)[0] for i in (0, 49, 50, 56, 57, 59)] == [0, 0, 1, 1, 2, 2]
    with pytest.raises(IndexError):
        dataset[60]


def test_workers_and_resuming_change_nothing():
    def numbers(num_workers: int, first_iter: int) -> list[int]:
        stream = build_stream(mixed(), 4, num_workers, 3, first_iter, 10)
        return torch.cat([batch['number'] for batch in stream]).tolist()

    expected = [mixed().index_at(3, k) for k in range(40)]
    assert numbers(0, 0) == numbers(2, 0) == expected
    assert numbers(0, 6) == expected[24:]
    assert Stream(mixed(), 3)[17]['number'] == expected[17]


def test_a_long_run_stays_quick():
    """A position far into a run costs as much as one at its beginning: nothing is counted from 0."""
    dataset = MixedDataset([Numbers(0, 10**6), Numbers(10**6, 3)], [0.999, 0.001], ['many', 'few'])
    far = 10**12
    epochs = dataset.epochs_at(0, far)
    assert epochs == {'many': 999_000.0, 'few': 10**9 / 3}
    assert 0 <= dataset.index_at(0, far) < 10**6 + 3


class Raw(Numbers):
    """Gives raw samples."""

    def read(self, index: int) -> dict:
        return {'number': -1 - index}

    def finish(self, batch: dict) -> dict:
        return {'number': batch['number'] * 2}


def test_raw_samples_are_read_by_their_component_and_finished_by_the_first():
    dataset = MixedDataset([Raw(0, 3), Raw(3, 2)], [1, 1], ['a', 'b'])
    assert [dataset.read(i)['number'] for i in range(5)] == [-1, -2, -3, -1, -2]
    batch = next(iter(build_stream(dataset, 4, 0, 0, 0, 1)))
    assert all(number in (-2, -4, -6) for number in batch['number'].tolist())


def test_components_that_do_not_go_together():
    with pytest.raises(DataError, match="'b' is empty"):
        MixedDataset([Numbers(0, 3), Numbers(0, 0)], [1, 1], ['a', 'b'])
    with pytest.raises(OptionError, match="'a' and 'b' do not mix: they are Numbers and Raw"):
        MixedDataset([Numbers(0, 3), Raw(0, 3)], [1, 1], ['a', 'b'])
    with pytest.raises(OptionError, match='positive weights'):
        MixedDataset([Numbers(0, 3)], [0], ['a'])
