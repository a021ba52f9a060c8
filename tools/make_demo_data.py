"""Render before/after photo pairs of invented rooms, so that a first training run needs no download.

The *after* picture is a bright, well-lit room. The *before* picture is the same room as a hurried camera sees it:
under-exposed, with a colour cast, flat and noisy. Most rooms have neutral walls, so an average hides what becomes of
the painted ones; all walls of the split `val_color` are painted blue, teal, green or red.
"""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

# A clone need not be installed: `demo_room` is in this folder, `basicsr` beside it.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import torch
from demo_render import render
from demo_room import PAINTS, invent_room
from tqdm import tqdm

from basicsr.color import linear_to_srgb
from basicsr.utils.errors import UserError
from basicsr.utils.misc import import_cv2

ROOT = Path(__file__).resolve().parents[1]
VERSION = 1  # raise it when the pictures change: an older data set is then not taken for the same one
MARKER = 'demo.json'
SPLITS = ('train', 'val', 'val_color')
PAINTED_SHARE = 0.35  # of the rooms in train and val


def hue_of(split: str, number: int) -> int | None:
    """Return the hue of a room's paint, None for neutral walls. It does not depend on how many rooms there are."""
    if split == 'val_color':
        return number % len(PAINTS)
    painted_before, painted = int(number * PAINTED_SHARE), int((number + 1) * PAINTED_SHARE)
    return painted_before % len(PAINTS) if painted > painted_before else None


def encode(light: np.ndarray) -> np.ndarray:
    """Linear light -> sRGB, same shape."""
    return linear_to_srgb(torch.from_numpy(np.asarray(light, np.float64))).numpy()


def photograph_badly(light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return what a hurried camera makes of a picture in linear light: sRGB in [0, 1], same shape."""
    warmth, tint = rng.uniform(-0.7, 1.0), rng.uniform(-0.08, 0.08)
    gains = 2.0 ** np.array([0.3 * warmth, tint, -0.45 * warmth])
    seen = encode(light * gains * 2.0 ** rng.uniform(-1.5, -0.7))
    black, white = rng.uniform(0.04, 0.09), rng.uniform(0.86, 0.94)
    seen = black + (white - black) * np.minimum(seen, 1)
    grey = seen.mean(axis=2, keepdims=True)
    seen = grey + rng.uniform(0.75, 0.9) * (seen - grey)
    return np.clip(seen + rng.normal(0, 0.01, seen.shape), 0, 1)


def write_pair(folder: Path, split: str, number: int, size: int, seed: int) -> None:
    """Render one room, a function of (seed, split, number), and write both pictures of it."""
    rng = np.random.default_rng([seed, SPLITS.index(split), number])
    light = render(invent_room(rng, hue_of(split, number)), size, round(size * 4 / 3))
    for kind, image in (('gt', encode(light)), ('lq', photograph_badly(light, rng))):
        write_png(folder / split / kind / f'room_{number:04d}.png', image)


def write_png(path: Path, image: np.ndarray) -> None:
    """Write sRGB in [0, 1], RGB, (H, W, 3), as 8 bits."""
    pixels = np.round(image[..., ::-1] * 255).astype(np.uint8)
    done, data = import_cv2().imencode('.png', pixels)
    if not done:
        raise UserError(f'{path}: OpenCV could not encode the picture')
    path.write_bytes(data.tobytes())


def expected_counts(contents: dict) -> dict[str, int]:
    """Return the number of pairs in each split."""
    return {'train': contents['pairs'], 'val': contents['val_pairs'], 'val_color': contents['val_pairs']}


def is_there(out: Path, contents: dict) -> bool:
    """True when `out` holds the very data set that `contents` describes, complete."""
    counts = expected_counts(contents).items()
    return read_marker(out) == contents and all(
        len(list((out / split / kind).glob('*.png'))) == count for split, count in counts for kind in ('lq', 'gt')
    )


def read_marker(out: Path) -> dict | None:
    """Return what `out` says of its contents, None when it says nothing."""
    try:
        return json.loads((out / MARKER).read_text())
    except (OSError, ValueError):
        return None


def check_free(out: Path, force: bool) -> None:
    """Refuse to touch what is not ours to replace."""
    if out.exists() and not out.is_dir():
        raise UserError(f'{out} is a file: choose another folder with --out')
    if not out.exists() or not any(out.iterdir()):
        return
    if not force:
        made = read_marker(out)
        what = f'demo data made with other arguments ({made})' if made else 'other data'
        raise UserError(f'{out} holds {what}: --force replaces its demo data, --out names another folder')
    foreign = [split for split in SPLITS if (out / split).exists() and not (out / MARKER).exists()]
    if foreign:
        raise UserError(f'{out / foreign[0]} is not from this tool (no {MARKER} beside it): choose another --out')


def write_data(out: Path, contents: dict) -> None:
    """Render everything beside `out`, then swap it in: an interruption leaves what was there."""
    new = out.parent / f'.{out.name}.new-{os.getpid()}'
    try:
        for split, count in expected_counts(contents).items():
            for kind in ('lq', 'gt'):
                (new / split / kind).mkdir(parents=True)
            for number in tqdm(range(count), desc=split, unit='room'):
                write_pair(new, split, number, contents['size'], contents['seed'])
        swap(new, out, contents)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def swap(new: Path, out: Path, contents: dict) -> None:
    """Move the splits from `new` into `out`; what they replace ends up in `new`."""
    out.mkdir(parents=True, exist_ok=True)
    (out / MARKER).write_text(json.dumps({'complete': False}) + '\n')
    for split in SPLITS:
        if (out / split).exists():
            shutil.move(out / split, new / f'old_{split}')  # not rename: `out` may be a disk of its own
        shutil.move(new / split, out / split)
    (out / MARKER).write_text(json.dumps(contents, indent=2) + '\n')


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Render before/after pairs of invented rooms to train on.')
    parser.add_argument('--pairs', type=int, default=24, help='pairs for training (default: %(default)s)')
    parser.add_argument('--val-pairs', type=int, default=6, help='pairs in val and in val_color (default: %(default)s)')
    parser.add_argument('--size', type=int, default=192, help='height; the width is 4/3 of it (default: %(default)s)')
    parser.add_argument('--out', type=Path, default=ROOT / 'datasets' / 'demo', help='folder (default: datasets/demo)')
    parser.add_argument('--seed', type=int, default=0, help='other seeds, other rooms (default: %(default)s)')
    parser.add_argument('--force', action='store_true', help='replace the demo data that is there')
    arguments = parser.parse_args(argv)
    for name, least, most in (('pairs', 1, 10_000), ('val_pairs', 1, 10_000), ('size', 32, 1024), ('seed', 0, 2**63)):
        if not least <= getattr(arguments, name) <= most:
            parser.error(f'--{name.replace("_", "-")} must be {least} to {most}, got {getattr(arguments, name)}')
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, 1 when the data cannot be written, 130 when interrupted."""
    arguments = parse_arguments(argv)
    out = arguments.out.resolve()
    contents = {'version': VERSION} | {key: getattr(arguments, key) for key in ('seed', 'size', 'pairs', 'val_pairs')}
    try:
        if is_there(out, contents) and not arguments.force:
            print(f'already there: {out}')
        else:
            check_free(out, arguments.force)
            write_data(out, contents)
            print(f'{out}: {arguments.pairs} training pairs, {arguments.val_pairs} each in val and val_color')
    except (UserError, OSError) as error:
        print(f'make_demo_data: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('interrupted before the data was complete', file=sys.stderr)
        return 130
    print('next: python basicsr/train.py -opt options/quickstart.yml')
    return 0


if __name__ == '__main__':
    sys.exit(main())
