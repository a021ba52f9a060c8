"""Time what a training sample costs to read, and what building the pixel cache costs: medians, as Markdown.

Pairs of photo-like JPEGs are made on the spot. The ways to read them take turns, so that a busy machine slows all of
them alike: read the ratios. CPU time is that of the process and its workers. What training does with whole batches, on
its device, is no part of it: BasicSR's way gives float32, ours the bytes that become float32 there.
"""

import argparse
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import torch
from losses import machine
from torch.utils.data import DataLoader, Dataset

from basicsr.data.paired_image_dataset import PairedImageDataset
from basicsr.data.pixel_cache import CacheOptions, open_cache
from basicsr.data.stream import init_worker
from basicsr.utils.cli import run_cli
from basicsr.utils.errors import UserError
from basicsr.utils.misc import import_cv2, sizeof_fmt

Read = Callable[[int], object]


def make_pairs(folder: Path, args: argparse.Namespace) -> None:
    """Write pairs of JPEGs of quality 92: smooth shapes, texture and grain, and a flatter, darker input."""
    cv2 = import_cv2()
    rng = np.random.default_rng(0)
    size = (args.width, args.height)
    for kind in ('gt', 'lq'):
        (folder / kind).mkdir()
    for i in range(args.pairs):
        img = rng.normal(0, 3, (args.height, args.width, 3)).astype(np.float32)
        for part, (low, high) in ((60, (0, 255)), (2, (-20, 20))):
            coarse = rng.uniform(low, high, (args.height // part, args.width // part, 3)).astype(np.float32)
            img += cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
        for kind, picture in (('gt', img), ('lq', 20 + 0.5 * img)):
            path = str(folder / kind / f'{i:03d}.jpg')
            cv2.imwrite(path, picture.clip(0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 92])


class Pairs(Dataset):
    """Random samples by one of the ways, each a function of its number."""

    def __init__(self, read: Read, num_pairs: int, num_samples: int) -> None:
        self.read, self.num_pairs, self.num_samples = read, num_pairs, num_samples

    def __len__(self) -> int:
        return self.num_samples

    def __getitem__(self, k: int) -> object:
        random.seed(k)
        return self.read(random.randrange(self.num_pairs))


def random_square(img: np.ndarray, side: int) -> tuple[slice, slice]:
    top, left = random.randrange(img.shape[0] - side + 1), random.randrange(img.shape[1] - side + 1)
    return slice(top, top + side), slice(left, left + side)


def read_as_basicsr(paths: Sequence[tuple[str, str]], side: int) -> Read:
    """Decode both pictures, turn them into float32 in [0, 1], and only then crop, flip and turn them."""
    cv2 = import_cv2()

    def read(index: int) -> list[torch.Tensor]:
        lq, gt = (cv2.imread(path, cv2.IMREAD_COLOR).astype(np.float32) / 255.0 for path in paths[index])
        square = random_square(lq, side)
        crops = [img[square] for img in (lq, gt)]
        if random.random() < 0.5:
            crops = [crop[:, ::-1] for crop in crops]
        if random.random() < 0.5:
            crops = [crop.transpose(1, 0, 2) for crop in crops]
        return [torch.from_numpy(crop[..., ::-1].transpose(2, 0, 1).copy()) for crop in crops]

    return read


def read_bare(files: Sequence[tuple[str, str]], side: int, keep_open: bool) -> Read:
    """Crops of arrays that numpy maps into memory, as tensors (3, h, w) in RGB, and nothing else."""
    arrays = [[np.load(file, mmap_mode='r') for file in pair] for pair in files] if keep_open else []

    def read(index: int) -> list[torch.Tensor]:
        pair = arrays[index] if keep_open else [np.load(file, mmap_mode='r') for file in files[index]]
        square = random_square(pair[0], side)
        return [torch.from_numpy(np.array(img[square][..., ::-1].transpose(2, 0, 1), order='C')) for img in pair]

    return read


def build_dataset(folder: Path, crop: int, cache: str, region: bool = False) -> PairedImageDataset:
    """Return the training set of the pairs, its cache built."""
    dataset = PairedImageDataset(
        {
            'phase': 'train',
            'dataroot_lq': str(folder / 'lq'),
            'dataroot_gt': str(folder / 'gt'),
            'gt_size': crop,
            'cache': {'type': cache, 'dir': str(folder / 'cache')},
        }
    )
    dataset.prepare()
    dataset.source.region = region
    return dataset


def ways_to_read(folder: Path, args: argparse.Namespace) -> dict[str, Read]:
    """Return all candidates by name."""
    pairs = [(str(folder / 'lq' / gt.name), str(gt)) for gt in sorted((folder / 'gt').iterdir())]
    ways = {
        "BasicSR's way": read_as_basicsr(pairs, args.crop),
        'ours, no cache': build_dataset(folder, args.crop, 'none').read,
        'ours, no cache, region decoder': build_dataset(folder, args.crop, 'none', region=True).read,
        'ours, disk cache': build_dataset(folder, args.crop, 'disk').read,
        'ours, RAM cache': build_dataset(folder, args.crop, 'ram').read,
    }
    arrays = folder / 'arrays'
    arrays.mkdir()
    for i, pair in enumerate(pairs):
        for j, path in enumerate(pair):
            np.save(arrays / f'{i}-{j}.npy', import_cv2().imread(path))
    files = [(str(arrays / f'{i}-0.npy'), str(arrays / f'{i}-1.npy')) for i in range(len(pairs))]
    ways['bare numpy memmaps, opened each time'] = read_bare(files, args.crop, keep_open=False)
    ways['bare numpy memmaps, kept open'] = read_bare(files, args.crop, keep_open=True)
    return ways


def cpu_seconds() -> float:
    """CPU time of this process and of the workers that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def measure(read: Read, num_workers: int, num_samples: int, args: argparse.Namespace) -> tuple[float, float]:
    """Return CPU and wall seconds per sample."""
    loader = DataLoader(
        Pairs(read, args.pairs, num_samples),
        batch_size=4,
        num_workers=num_workers,
        collate_fn=list,
        worker_init_fn=init_worker,
    )
    cpu, wall = cpu_seconds(), time.perf_counter()
    for _ in loader:
        pass
    return (cpu_seconds() - cpu) / num_samples, (time.perf_counter() - wall) / num_samples


def reading(folder: Path, args: argparse.Namespace) -> str:
    """Read by all ways in turn, with and without workers; a first round, not counted, finds the number of samples."""
    ways = ways_to_read(folder, args)
    counts = {name: max(8, int(args.seconds / measure(read, 0, 8, args)[0])) for name, read in ways.items()}
    found: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for repeat in range(args.repeats):
        print(f'reading, round {repeat + 1} of {args.repeats} ...', file=sys.stderr, flush=True)
        for num_workers in (0, args.workers):
            for name, read in ways.items():
                one = measure(read, num_workers, counts[name] * max(1, num_workers), args)
                found.setdefault((name, num_workers), []).append(one)

    cpu = {key: statistics.median(one[0] for one in values) for key, values in found.items()}
    wall = {key: statistics.median(one[1] for one in values) for key, values in found.items()}
    first, bare = cpu["BasicSR's way", 0], cpu['bare numpy memmaps, kept open', 0]
    heads = f"CPU ms per sample | of BasicSR's | of the bare loop | {args.workers} workers: CPU ms | samples per s"
    lines = [f'| | {heads} |', '|---|---|---|---|---|---|']
    for name in ways:
        alone, shared = cpu[name, 0], cpu[name, args.workers]
        columns = f'{1000 * alone:.3g} | {alone / first:.3f} | {alone / bare:.3g} | {1000 * shared:.3g}'
        lines.append(f'| {name} | {columns} | {1 / wall[name, args.workers]:.0f} |')
    return '\n'.join(lines)


def building(folder: Path, args: argparse.Namespace) -> str:
    """Build the cache, against decoding alone in as many threads."""
    paths = sorted(str(path) for kind in ('lq', 'gt') for path in (folder / kind).iterdir())
    cv2, num_cores = import_cv2(), len(os.sched_getaffinity(0))
    seconds: dict[str, list[tuple[float, float]]] = {'decode': [], 'build': []}

    def decode(path: str) -> None:
        cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)

    def decode_all() -> None:
        with ThreadPoolExecutor(num_cores) as pool:
            list(pool.map(decode, paths))

    def build_all() -> None:
        open_cache(CacheOptions(type='disk', dir=str(folder / 'built')), paths, 'the benchmark')

    for _ in range(args.repeats):
        for name, work in (('decode', decode_all), ('build', build_all)):
            cpu, wall = cpu_seconds(), time.perf_counter()
            work()
            seconds[name].append((time.perf_counter() - wall, cpu_seconds() - cpu))
        shutil.rmtree(folder / 'built')
    (decode_wall, decode_cpu), (build_wall, build_cpu) = (map(statistics.median, zip(*v)) for v in seconds.values())
    wall, cpu = decode_wall / build_wall, decode_cpu / build_cpu
    return (
        f'{len(paths)} images, {num_cores} cores: decoding {decode_wall:.2f} s, building the cache {build_wall:.2f} s,'
        f'\nwhich is {wall:.2f} of the speed of decoding, by CPU time {cpu:.2f}.'
    )


# Peak memory in KB after `import torch`, and after many samples; arguments: two folders and the side of the crops.
WORKER = """
import sys, torch
def peak():
    return next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM'))
alone = peak()
sys.path.insert(0, sys.argv[1])
from data import read_many
read_many(sys.argv[2], int(sys.argv[3]))
print(alone, peak())
"""


def memory(folder: Path, args: argparse.Namespace) -> str:
    """Tell how much memory a process takes that reads many samples from the cache on disk."""
    command = [sys.executable, '-c', WORKER, str(Path(__file__).resolve().parent), str(folder), str(args.crop)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    alone, peak = (int(number) * 1024 for number in result.stdout.split())
    decoded = 2 * args.pairs * args.width * args.height * 3
    return f'Reading {sizeof_fmt(decoded)} of pixels takes {sizeof_fmt(peak - alone)} of memory above torch itself.'


def read_many(folder: str, crop: int) -> None:
    """Read samples until every page of the cache has been touched many times."""
    import_cv2().setNumThreads(0)
    dataset = build_dataset(Path(folder), crop, 'disk')
    for k in range(40 * len(dataset)):
        dataset.read(k % len(dataset))


def run(args: argparse.Namespace) -> None:
    """Make the pictures, measure, and print what was found."""
    if min(args.pairs, args.repeats, args.workers) < 1 or args.seconds <= 0:
        raise UserError('--pairs, --repeats and --workers are at least 1, --seconds is above 0')
    if not 8 <= args.crop <= min(args.width, args.height) or min(args.width, args.height) < 120:
        raise UserError('--width and --height are at least 120 and --crop, which is at least 8')
    import_cv2().setNumThreads(0)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        folder = Path(name)
        print(f'making {args.pairs} pairs in {folder} ...', file=sys.stderr, flush=True)
        make_pairs(folder, args)
        size = sum(path.stat().st_size for path in (folder / 'gt').iterdir()) / args.pairs / 1e6
        pictures = f'{args.pairs} pairs of JPEGs, {args.width}×{args.height}, {size:.1f} MB each'
        print(f'\n{machine(torch.device("cpu"))}; {pictures}; crops of {args.crop}; page cache warm\n')
        for part in (building, reading, memory):
            print(part(folder, args) + '\n', flush=True)


def main(argv: list[str] | None = None) -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--pairs', type=int, default=24, help='(default: %(default)s)')
    parser.add_argument('--width', type=int, default=3300, help='of the pictures (default: %(default)s)')
    parser.add_argument('--height', type=int, default=2200, help='of the pictures (default: %(default)s)')
    parser.add_argument('--crop', type=int, default=256, help='side of the crops (default: %(default)s)')
    parser.add_argument('--repeats', type=int, default=5, help='rounds (default: %(default)s)')
    parser.add_argument('--seconds', type=float, default=1.0, help='per way and round (default: %(default)s)')
    parser.add_argument('--workers', type=int, default=2, help='of the second measurement (default: %(default)s)')
    parser.add_argument('--folder', type=Path, help='for 3 GB of temporary files (default: that of the system)')
    run_cli(lambda: run(parser.parse_args(argv)))


if __name__ == '__main__':
    main()
