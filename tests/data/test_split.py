"""Splits: judged by brute force, by scipy's connected components, and by what a split must never do."""

import itertools

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from basicsr.data.split import (
    Item,
    choose_subset,
    find_shortcomings,
    group_by_prefix,
    merge_groups,
    split_items,
)
from basicsr.utils.errors import DataError, OptionError


def random_items(rng, num_groups, largest=12):
    items = []
    for group in range(num_groups):
        is_colourful = rng.random() < 0.3
        for number in range(rng.integers(1, largest + 1)):
            share = rng.uniform(0.2, 0.8) if is_colourful else rng.uniform(0, 0.1)
            items.append(Item(f'house{group}_{number}.jpg', f'house{group}', float(share)))
    return items


# -------------------------------------------------------------------- groups


def test_default_prefix():
    groups = {
        'kitchen_01': 'kitchen',
        'kitchen-2': 'kitchen',
        'kitchen 3': 'kitchen',
        'kitchen (4)': 'kitchen',
        'house12-bath-02': 'house12-bath',
        'living room 7': 'living room',
        'villa_a_3': 'villa_a',
        'IMG_1234': 'IMG',
        # No separator or no number at the end: a group of its own.
        'DSC01234': 'DSC01234',
        '0001': '0001',
        'kitchen': 'kitchen',
        'kitchen_final': 'kitchen_final',
        'küche_02': 'küche',
    }
    assert group_by_prefix(list(groups)) == list(groups.values())


def test_prefix_by_a_pattern():
    stems = ['house12_kitchen_1', 'house12_bath_1', 'house7_kitchen_1', 'garden']
    assert group_by_prefix(stems, r'(house\d+)') == ['house12', 'house12', 'house7', 'garden']
    with pytest.raises(OptionError, match='0 pairs of parentheses'):
        group_by_prefix(stems, r'house\d+')
    with pytest.raises(OptionError, match='2 pairs'):
        group_by_prefix(stems, r'(house)(\d+)')
    with pytest.raises(OptionError, match='not a regular expression'):
        group_by_prefix(stems, r'(house')


def test_merged_groups_are_connected_components():
    rng = np.random.default_rng(0)
    for _ in range(30):
        labels = rng.integers(0, 15, 40)
        clusters = [rng.choice(40, rng.integers(2, 5), replace=False).tolist() for _ in range(5)]
        merged = merge_groups([f'{label:02d}' for label in labels], clusters)

        # Images are joined by their label (nodes 40 to 54) and by their cluster (nodes 55 to 59).
        edges = [(i, 40 + label) for i, label in enumerate(labels)]
        edges += [(i, 55 + number) for number, cluster in enumerate(clusters) for i in cluster]
        rows, columns = np.array(edges).T
        _, component = connected_components(coo_array((np.ones(len(edges)), (rows, columns)), shape=(60, 60)))
        for i, j in itertools.combinations(range(40), 2):
            assert (merged[i] == merged[j]) == (component[i] == component[j])
        assert all(int(name) <= label for name, label in zip(merged, labels)), 'not the first of the names'


# --------------------------------------------------------------------- split


def test_a_subset_is_as_near_as_brute_force_finds():
    rng = np.random.default_rng(1)
    for _ in range(200):
        sizes = rng.integers(1, 20, rng.integers(1, 9)).tolist()
        target = int(rng.integers(1, 40))
        chosen = choose_subset(sizes, target)
        assert len(set(chosen)) == len(chosen) > 0
        sums = [sum(subset) for count in range(1, len(sizes) + 1) for subset in itertools.combinations(sizes, count)]
        assert abs(sum(sizes[i] for i in chosen) - target) == min(abs(total - target) for total in sums)


@pytest.mark.parametrize('seed', range(25))
def test_every_image_is_in_one_part_and_no_group_straddles(seed):
    rng = np.random.default_rng(seed)
    items = random_items(rng, int(rng.integers(8, 60)))
    wanted = {'val': len(items) // 10, 'val_color': len(items) // 20, 'test': len(items) // 10}
    parts = split_items(items, wanted, seed)
    assert list(parts) == [part for part in ('train', 'val', 'val_color', 'test') if part == 'train' or wanted[part]]
    assert all(parts.values())

    placed = [item for part in parts.values() for item in part]
    assert sorted(item.name for item in placed) == sorted(item.name for item in items)
    parts_of = {}
    for part, members in parts.items():
        for item in members:
            parts_of.setdefault(item.group, set()).add(part)
    assert all(len(found) == 1 for found in parts_of.values())
    for part in set(parts) & {'val', 'test'}:
        assert abs(len(parts[part]) - wanted[part]) < 12, 'further off than a group'


def test_sizes_are_exact_when_every_image_is_a_group():
    items = [Item(f'{number}.jpg', str(number), number / 200) for number in range(200)]
    parts = split_items(items, {'val': 20, 'val_color': 10, 'test': 7})
    assert {part: len(members) for part, members in parts.items()} == {
        'train': 163,
        'val': 20,
        'val_color': 10,
        'test': 7,
    }


def test_a_split_depends_on_the_seed_and_not_on_the_order():
    items = random_items(np.random.default_rng(2), 40)
    wanted = {'val': 20, 'val_color': 10, 'test': 20}
    parts = split_items(items, wanted, seed=0)
    shuffled = [items[i] for i in np.random.default_rng(3).permutation(len(items))]
    assert split_items(shuffled, wanted, seed=0) == parts
    others = [split_items(items, wanted, seed=seed) for seed in range(1, 6)]
    assert all(other['val'] != parts['val'] for other in others)
    assert all(other['val_color'] == parts['val_color'] for other in others), 'the boldest are the boldest'


def test_this_very_split():
    """A seed must go on meaning the same split, on every machine and in every version.

    By `printf 0/a | sha256sum` and so on, the groups come in the order g f c j b e i d a h.
    """
    items = [Item(f'{name}.jpg', name) for name in 'abcdefghij']
    parts = split_items(items, {'val': 2, 'test': 3}, seed=0)
    assert {part: ''.join(item.group for item in members) for part, members in parts.items()} == {
        'train': 'adehi',
        'val': 'fg',
        'test': 'bcj',
    }


def test_val_color_takes_every_second_bold_group():
    items = [Item(f'{i:02d}.jpg', f'{i:02d}', 0.9 - 0.1 * i if i < 6 else 0.02) for i in range(40)]
    parts = split_items(items, {'val': 4, 'val_color': 3, 'test': 4}, seed=5)
    assert [item.name for item in parts['val_color']] == ['00.jpg', '02.jpg', '04.jpg']
    assert '01.jpg' in [item.name for item in parts['train']], 'the boldest of the others is for training'
    assert find_shortcomings(parts, {'val': 4, 'val_color': 3, 'test': 4}) == []

    # More is asked for than there are bold groups: it stays small and bold.
    parts = split_items(items, {'val_color': 12}, seed=5)
    assert [item.name for item in parts['val_color']] == ['00.jpg', '02.jpg', '04.jpg']
    assert find_shortcomings(parts, {'val_color': 12}) == [
        'val_color has 3 images, not 12: no more than every second group with bold colours'
    ]


@pytest.mark.parametrize('seed', range(20))
def test_training_always_sees_bold_colours_where_there_are_two_groups_of_them(seed):
    items = [Item(f'{i}.jpg', str(i), 0.5 if i < 2 else 0.0) for i in range(10)]
    parts = split_items(items, {'val': 3, 'val_color': 1, 'test': 3}, seed)
    assert any(item.is_bold for item in parts['train'])
    assert parts['val_color'][0].is_bold


def test_shortcomings_are_said():
    one_bold = [Item(f'{i}.jpg', str(i), 0.5 if i == 0 else 0.0) for i in range(10)]
    assert find_shortcomings(split_items(one_bold, {'val_color': 1}), {'val_color': 1}) == [
        'no image for training has bold colours: the network cannot learn them'
    ]
    grey = [Item(f'{i}.jpg', str(i)) for i in range(10)]
    assert 'least grey' in find_shortcomings(split_items(grey, {'val_color': 1}), {'val_color': 1})[0]
    large = [Item(f'{i}.jpg', str(i // 10)) for i in range(40)]
    assert find_shortcomings(split_items(large, {'val': 2}), {'val': 2}) == [
        'val has 10 images, not 2: whole groups only'
    ]


def test_large_groups_leave_something_for_every_part():
    items = [Item(f'{i}.jpg', f'{i // 5}', 0.3) for i in range(20)]
    parts = split_items(items, {'val': 15, 'val_color': 15, 'test': 15})
    assert {part: len(members) for part, members in parts.items()} == dict.fromkeys(parts, 5)
    assert len(parts) == 4


def test_too_few_groups():
    items = [Item(f'IMG_{i}.jpg', 'IMG') for i in range(9)]
    with pytest.raises(DataError, match=r'9 images in 1 group \(IMG\) cannot fill 3 parts \(train, val, test\)'):
        split_items(items, {'val': 1, 'test': 1})
