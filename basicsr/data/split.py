"""Divides a set of images into train, val, val_color and test, so that no group of images straddles two parts."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from basicsr.utils.errors import DataError, OptionError

PARTS = ('train', 'val', 'val_color', 'test')

# `kitchen` of `kitchen_01`, `kitchen 1` and `kitchen (1)`; a name that does not end with a number is taken whole.
DEFAULT_PREFIX = r'(.*[^\W_])[\W_]+\d+\W*$'
# An image counts as bold when this share of it is saturated: a painted wall, not a cushion.
BOLD_SHARE = 0.15


@dataclass(frozen=True)
class Item:
    """An image to be placed; `saturated` is the share of its saturated pixels, in [0, 1]."""

    name: str
    group: str
    saturated: float = 0.0

    @property
    def is_bold(self) -> bool:
        """True for an image of which bold colours cover a fair part."""
        return self.saturated >= BOLD_SHARE


def group_by_prefix(stems: Sequence[str], pattern: str = DEFAULT_PREFIX) -> list[str]:
    """Return the group of each name: what the parentheses of the pattern match, from the start of the name.

    A name that the pattern does not match is a group of its own.

    Args:
        stems: names without ending.
        pattern: regular expression with one pair of capturing parentheses.

    Raises:
        OptionError: not such an expression.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise OptionError(f'the rule for groups {pattern!r} is not a regular expression: {error}') from None
    if compiled.groups != 1:
        raise OptionError(
            f'the rule for groups {pattern!r} has {compiled.groups} pairs of parentheses; '
            r"it needs one, around what names the group, as in '(house\d+)'"
        )
    return [found[1] if (found := compiled.match(stem)) and found[1] else stem for stem in stems]


def merge_groups(groups: Sequence[str], clusters: Sequence[Sequence[int]]) -> list[str]:
    """Join the groups that a cluster connects; a joined group bears the first of their names, in sorted order.

    Args:
        groups: of each image.
        clusters: indices of images that belong together.
    """
    parent = {group: group for group in groups}

    def root(group: str) -> str:
        while parent[group] != group:
            parent[group] = group = parent[parent[group]]
        return group

    for cluster in clusters:
        for index in cluster[1:]:
            first, second = sorted((root(groups[cluster[0]]), root(groups[index])))
            parent[second] = first
    return [root(group) for group in groups]


def split_items(items: Sequence[Item], wanted: Mapping[str, int], seed: int = 0) -> dict[str, list[Item]]:
    """Place every image in one part, whole groups only; a function of names, groups and seed, not of their order.

    val_color gets the groups with the highest mean share of saturated pixels, but of those with bold images only every
    second one, so that training sees bold colours too. val, then test, get groups drawn by the seed, with sizes as near
    to the wanted ones as the groups permit. The rest is for training.

    Args:
        wanted: number of images for val, val_color and test; a part at 0 is not made.

    Raises:
        DataError: fewer groups than parts.
    """
    members: dict[str, list[Item]] = {}
    for item in sorted(items, key=lambda item: item.name):
        members.setdefault(item.group, []).append(item)
    asked = [part for part in ('val_color', 'val', 'test') if wanted.get(part, 0) > 0]
    if len(members) <= len(asked):
        raise DataError(
            f'{len(items)} images in {len(members)} group{"s" * (len(members) != 1)} ({", ".join(list(members)[:5])}) '
            f'cannot fill {len(asked) + 1} parts (train, {", ".join(asked)}), as a group is never divided: '
            'group by another rule, or ask for fewer parts'
        )

    # Sorted by a digest, groups that are added later leave the order of the others as it is.
    free = sorted(members, key=lambda group: hashlib.sha256(f'{seed}/{group}'.encode()).digest())
    parts = {}
    for_train: list[str] = []
    for number, part in enumerate(asked):
        # Large groups must leave one for each part to come, and one for training.
        most = len(free) - (len(asked) - number - len(for_train))
        if part == 'val_color':
            chosen, for_train = _choose_colorful(free, members, wanted[part])
        else:
            chosen = [free[index] for index in choose_subset([len(members[group]) for group in free], wanted[part])]
        chosen = chosen[:most]
        parts[part] = _items_of(chosen, members)
        placed = {*chosen, *for_train}
        free = [group for group in free if group not in placed]

    parts['train'] = _items_of(free + for_train, members)
    return {part: parts[part] for part in PARTS if part in parts}


def choose_subset(sizes: Sequence[int], target: int) -> list[int]:
    """Return indices of sizes, at least one, whose sum is as near to `target` as can be; early sizes are preferred."""
    limit = max(2 * target, min(sizes))
    # Bit s of `reached` tells that sizes up to here can sum to s, `last[s]` which one made it so: the other sizes of
    # that sum all come before it.
    reached, last = 1, {}
    for index, size in enumerate(sizes):
        new = (reached << size) & ~reached & ((1 << (limit + 1)) - 1)
        reached |= new
        while new:
            lowest = new & -new
            last[lowest.bit_length() - 1] = index
            new ^= lowest
        if target in last:
            break

    total = min(last, key=lambda value: (abs(value - target), value))
    chosen = []
    while total:
        chosen.append(last[total])
        total -= sizes[last[total]]
    return sorted(chosen)


def find_shortcomings(parts: Mapping[str, list[Item]], wanted: Mapping[str, int]) -> list[str]:
    """Return sentences on sizes far from the wanted ones, and on bold colours that are missing where they matter."""
    findings = []
    for part, items in parts.items():
        size = wanted.get(part, 0)
        if part != 'train' and abs(len(items) - size) > max(1, 0.2 * size):
            only_bold = part == 'val_color' and len(items) < size
            why = 'no more than every second group with bold colours' if only_bold else 'whole groups only'
            findings.append(f'{part} has {len(items)} images, not {size}: {why}')
    num_bold = {part: sum(item.is_bold for item in items) for part, items in parts.items()}
    if not any(num_bold.values()):
        if 'val_color' in parts:
            findings.append('no image has bold colours: val_color holds those that are least grey')
    elif not num_bold['train']:
        findings.append('no image for training has bold colours: the network cannot learn them')
    return findings


def _choose_colorful(
    groups: Sequence[str], members: Mapping[str, list[Item]], target: int
) -> tuple[list[str], list[str]]:
    """Return the groups for val_color, and the boldest of the others, which training has to see; none if none is bold.

    Groups are looked at from the boldest on, and taken while that brings the number of images nearer to the target.
    """
    ranked = sorted(groups, key=lambda group: -sum(item.saturated for item in members[group]) / len(members[group]))
    bold = [group for group in ranked if any(item.is_bold for item in members[group])]
    candidates = (bold or ranked)[::2]
    chosen: list[str] = []
    count = 0
    for group in candidates:
        size = len(members[group])
        if abs(count + size - target) < abs(count - target):
            chosen.append(group)
            count += size
    chosen = chosen or [min(candidates, key=lambda group: len(members[group]))]
    return chosen, [group for group in bold if group not in chosen][:1]


def _items_of(groups: Sequence[str], members: Mapping[str, list[Item]]) -> list[Item]:
    return sorted((item for group in groups for item in members[group]), key=lambda item: item.name)
