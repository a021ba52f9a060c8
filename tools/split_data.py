"""Split image pairs into train, val, val_color and test, so that no room or house is in two of them.

python tools/split_data.py --lq before --gt after -o datasets/mine
python tools/split_data.py --lq before --gt after -o datasets/mine --group 'prefix:(house\\d+)' duplicates --val 50

Images whose names begin alike are one group, `kitchen` of `kitchen_01.jpg`; so are near duplicates with
`--group duplicates`. A group is never divided. val_color gets the groups with the boldest colours of the targets, every
second of them. Writes lists for `meta_info_file`, or folders of links; the photographs stay where they are.
"""

import argparse
import os
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

# A clone need not be installed: the helpers are in this folder, `basicsr` beside it.
sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from image_sets import add_folder_arguments, find_images, show_progress, table

from basicsr.data.audit.duplicates import Fingerprint, cluster_fingerprints, fingerprint
from basicsr.data.saturated_share import reduce_image, saturated_share
from basicsr.data.split import (
    DEFAULT_PREFIX,
    Item,
    find_shortcomings,
    group_by_prefix,
    merge_groups,
    split_items,
)
from basicsr.data.split_files import meta_info_line, write_links, write_lists
from basicsr.utils.cli import run_cli
from basicsr.utils.errors import OptionError
from basicsr.utils.img_util import read_image
from basicsr.utils.parallel import map_in_order


@dataclass(frozen=True)
class Look:
    """What is known of a target once it has been read."""

    size: tuple[int, int]
    saturated: float
    fingerprint: Fingerprint | None


def look_at(path: str, for_duplicates: bool) -> Look:
    """Read an image once for everything that the split depends on."""
    img = read_image(path)
    small = reduce_image(img)
    marks = fingerprint(img, Path(path).read_bytes(), small) if for_duplicates else None
    return Look(img.shape[:2], saturated_share(small), marks)


def groups_by_name(stems: list[str], rules: list[str]) -> list[str]:
    """Return the group of each image as far as names tell."""
    groups = stems
    for rule in rules:
        kind, _, pattern = rule.partition(':')
        if kind == 'prefix':
            groups = group_by_prefix(stems, pattern or DEFAULT_PREFIX)
        elif rule not in ('none', 'duplicates') or (rule == 'none' and len(rules) > 1):
            expected = "expected none, or prefix, 'prefix:REGEX', duplicates, or the last two together"
            raise OptionError(f'--group {" ".join(rules)}: {expected}')
    return groups


def number_of(share: float, total: int, option: str) -> int:
    """Return a number of images: a share of all below 1, else the number itself; a share that is not 0 is an image."""
    if share < 0 or share >= total or (share > 1 and share != int(share)):
        raise OptionError(f'--{option} {share:g}: expected a share below 1, or a whole number below {total}, of images')
    return int(share) if share >= 1 else max(1, round(share * total)) if share else 0


def describe_groups(groups: list[str]) -> str:
    """Return a line on how many groups there are, and the largest of them."""
    counts = Counter(groups)
    largest = ', '.join(f'{name} ({count})' for name, count in sorted(counts.items(), key=lambda x: (-x[1], x[0]))[:5])
    return f'{len(groups)} images in {len(counts)} groups; the largest: {largest}'


def describe_parts(parts: dict[str, list[Item]], wanted: dict[str, int]) -> str:
    """Return a table of the parts."""
    rows = [['part', 'images', 'asked for', 'groups', 'bold', 'saturated pixels']]
    for part, items in parts.items():
        share = sum(item.saturated for item in items) / len(items)
        asked = '' if part == 'train' else str(wanted[part])
        num_groups, num_bold = len({item.group for item in items}), sum(item.is_bold for item in items)
        rows.append([part, str(len(items)), asked, str(num_groups), str(num_bold), f'{share:.1%}'])
    return table(rows)


def lines_of(items: list[Item], gt_folder: str, looks: dict[str, Look]) -> list[str]:
    """Return the lines of a list."""
    return [meta_info_line(gt_folder, item.name, looks[item.name].size) for item in items]


def links_of(items: list[Item], pairs: dict[str, dict], args: argparse.Namespace) -> dict[str, str]:
    """Return the images of a part by their path in its folder: `lq/...` and `gt/...`."""
    links = {}
    for kind, folder in (('lq', args.lq), ('gt', args.gt)):
        for path in (pairs[item.name][f'{kind}_path'] for item in items if folder):
            links[os.path.join(kind, os.path.relpath(path, folder))] = path
    return links


def run(args: argparse.Namespace) -> None:
    """Split, say how it went, and write it."""
    pairs = {os.path.relpath(pair['gt_path'], args.gt): pair for pair in find_images(args)}
    names = sorted(pairs)
    groups = groups_by_name([os.path.splitext(name)[0] for name in names], args.group)
    wanted = {part: number_of(getattr(args, part), len(names), part) for part in ('val', 'val_color', 'test')}
    for_duplicates = 'duplicates' in args.group
    work = map_in_order(lambda name: look_at(pairs[name]['gt_path'], for_duplicates), names, args.n_thread)
    looks = list(show_progress(work, len(names), 'reading'))

    if for_duplicates:
        groups = merge_groups(groups, cluster_fingerprints([look.fingerprint for look in looks]))
    print(describe_groups(groups))
    items = [Item(name, group, look.saturated) for name, group, look in zip(names, groups, looks)]
    parts = split_items(items, wanted, args.seed)
    print(describe_parts(parts, wanted))
    for finding in find_shortcomings(parts, wanted):
        print(f'note: {finding}')
    if args.links:
        written = write_links(Path(args.out), {part: links_of(items, pairs, args) for part, items in parts.items()})
    else:
        look_of = dict(zip(names, looks))
        written = write_lists(
            Path(args.out), {part: lines_of(items, args.gt, look_of) for part, items in parts.items()}
        )
    print('\n'.join(map(str, written)))


def main(argv: list[str] | None = None) -> None:
    """Parse the command line and split."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_folder_arguments(parser)
    parser.add_argument('-o', '--out', required=True, metavar='DIR', help='folder for the lists or links')
    parser.add_argument('--val', type=float, default=0.1, help='share or number of images (default: %(default)s)')
    parser.add_argument('--val_color', type=float, default=0.05, help='the same (default: %(default)s)')
    parser.add_argument('--test', type=float, default=0.1, help='the same (default: %(default)s); 0: no such part')
    parser.add_argument(
        '--group',
        nargs='+',
        default=['prefix'],
        metavar='RULE',
        help="what belongs together: prefix (name up to its number; the default), 'prefix:REGEX' (what the parentheses "
        "match: 'prefix:(house\\d+)'), duplicates (also near duplicates), none",
    )
    parser.add_argument('--seed', type=int, default=0, help='other seeds, other splits (default: %(default)s)')
    parser.add_argument('--links', action='store_true', help='make folders <part>/lq and <part>/gt of links, no lists')
    args = parser.parse_args(argv)
    run_cli(lambda: run(args))


if __name__ == '__main__':
    main()
