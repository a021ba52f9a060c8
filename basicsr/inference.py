"""Restores photographs with a trained network: `basicsr-infer WEIGHTS PHOTOS... -o FOLDER`. See docs/inference.md."""

import sys
from pathlib import Path

if __name__ == '__main__' and not __package__:
    # Run as a script: `import basicsr` must find this clone, and this folder's `utils` or `data` must shadow nothing.
    _here = Path(__file__).resolve().parent
    sys.path[:] = [str(_here.parent), *(p for p in sys.path if Path(p or '.').resolve() != _here)]

import argparse
from collections.abc import Callable, Sequence

import torch
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from basicsr.engine.restorer import Restorer
from basicsr.inference_jobs import WRITABLE_ENDINGS, Job, find_jobs
from basicsr.inference_picture import check_encoding, restore_picture, write_strip
from basicsr.pretrained import load_pretrained
from basicsr.utils.cli import run_cli
from basicsr.utils.errors import DataError, UserError
from basicsr.utils.image_file import Picture, read_picture
from basicsr.utils.image_write import write_picture
from basicsr.utils.logger import get_root_logger


def infer(argv: Sequence[str] | None = None) -> None:
    """Restore every picture of the command line.

    Raises:
        UserError: a mistake of the command line, before anything is written; or, at the end, pictures that were
            refused, each with its reason.
    """
    args = _parser().parse_args(argv)
    jobs, left_out = find_jobs(args.input, args.output, args.suffix, args.ext, args.recursive)
    restorer = _build_restorer(args)

    logger = get_root_logger()
    if left_out:
        logger.info(f'left out, by their names no pictures: {_shown(left_out)}')
    if args.skip_existing:
        remaining = [job for job in jobs if not job.target.exists()]
        logger.info(f'{len(jobs) - len(remaining)} of {len(jobs)} results exist already')
        jobs = remaining
    refused = process(jobs, restorer, args.quality, Path(args.output) / 'compare' if args.compare else None)

    logger.info(f'{len(jobs) - len(refused)} of {len(jobs)} pictures are in {args.output}')
    if refused:
        lines = '\n    '.join(f'{job.source}: {reason}' for job, reason in refused)
        raise UserError(f'{len(refused)} of {len(jobs)} pictures were refused:\n    {lines}')


def process(
    jobs: Sequence[Job], restorer: Callable[[torch.Tensor], torch.Tensor], quality: int = 95, strips: Path | None = None
) -> list[tuple[Job, str]]:
    """Restore pictures one after the other, and go on after one that cannot be.

    Args:
        restorer: float32 (1, C, H, W) in [0, 1] -> the same, restored.
        quality: of JPEG and WebP, 1 to 100.
        strips: folder for pictures of before and after; None for none.

    Returns:
        The jobs without result, with the reasons.
    """
    refused = []
    with logging_redirect_tqdm([get_root_logger()]):
        for job in tqdm(jobs, unit='picture', disable=None):  # None: show it on a terminal only
            try:
                _process_one(job, restorer, quality, strips)
            except UserError as error:
                refused.append((job, str(error).removeprefix(f'{job.source}: ')))
            except Exception as error:  # one picture in ten thousand must not end the night's work
                refused.append((job, f'unexpected {type(error).__name__}: {error}'))
    return refused


def _process_one(job: Job, restorer: Callable, quality: int, strips: Path | None) -> None:
    before = read_picture(job.source)
    check_encoding(before)
    if job.target.suffix.lower() not in WRITABLE_ENDINGS:
        raise DataError(f'results are not written as "{job.target.name}"; give --ext png')
    after = restore_picture(before, restorer)
    _write(after, job.target, quality)
    if strips is not None:
        write_strip(before, after, strips / f'{job.name}.jpg')


def _write(picture: Picture, path: Path, quality: int) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f'{path.parent}: the folder cannot be made: {error.strerror}') from None
    write_picture(picture, path, quality)


def _build_restorer(args: argparse.Namespace) -> Restorer:
    device = _device(args.device)
    pretrained = load_pretrained(args.weights, args.opt, args.key, args.local)
    dtype = torch.float16 if args.fp16 else torch.bfloat16 if args.bf16 else torch.float32
    channels = getattr(pretrained.net, 'img_channel', 3)
    if channels != 3:
        raise UserError(f'{args.weights}: the network takes images of {channels} channels; pictures have 3')
    net = pretrained.net.to(device)
    restorer = Restorer(net, pretrained.scale, dtype, args.tile, args.overlap, pretrained.mean, pretrained.std)
    get_root_logger().info(f'{args.weights}: {pretrained.source}; runs on {device} in {str(dtype)[6:]}')
    return restorer


def _device(name: str) -> torch.device:
    if name == 'auto':
        return torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).partition('\n')[0]
        raise UserError(f'--device {name}: cannot be used: {reason}; there are auto, cpu and cuda') from None
    return device


def _shown(paths: Sequence[str]) -> str:
    return ', '.join(paths[:5]) + (f' and {len(paths) - 5} more' if len(paths) > 5 else '')


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='basicsr-infer', description='Restore photographs.', allow_abbrev=False)
    add, switch = parser.add_argument, {'action': 'store_true'}
    add('weights', help='.pth as training writes it, a bare state dict, or .safetensors')
    add('input', nargs='+', help='pictures, folders, or patterns in quotes')
    add('-o', '--output', required=True, metavar='FOLDER', help='where results go, under the names of their inputs')
    add('--opt', metavar='FILE.yml', help='option file with the network (default: resolved.yml of the run)')
    add('--key', default='auto', help='key of the weights in their file (default: params_ema, else params)')
    local = 'run a NAFNet as NAFNetLocal; CROP: side of the training crops, where no option file says'
    add('--local', nargs='?', type=_positive, const=0, metavar='CROP', help=local)
    add('--device', default='auto', help='auto, cpu, cuda or cuda:N (default: %(default)s)')
    half = parser.add_mutually_exclusive_group()
    half.add_argument('--fp16', **switch, help='mixed precision with float16')
    half.add_argument('--bf16', **switch, help='mixed precision with bfloat16')
    add('--tile', type=_count, metavar='SIDE', help='tiles of this side, 0 for none (default: by free memory)')
    add('--overlap', type=_count, metavar='PIXELS', help='what tiles share (default: 64; NAFNetLocal: its window)')
    add('--ext', metavar='ENDING', help='write all results as png, jpg, tif or webp')
    add('--suffix', default='', help='put behind the names of the results')
    add('--quality', type=_quality, default=95, help='of JPEG and WebP (default: %(default)s)')
    add('--recursive', **switch, help='also the folders below the input folders')
    add('--skip-existing', **switch, help='leave results that exist as they are')
    add('--compare', **switch, help='also write strips of before and after to FOLDER/compare')
    return parser


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f'must not be negative: {text}')
    return value


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f'must be at least 1: {text}')
    return value


def _quality(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 100:
        raise argparse.ArgumentTypeError(f'must be from 1 to 100: {text}')
    return value


def main() -> None:
    """Console script `basicsr-infer`."""
    run_cli(infer)


if __name__ == '__main__':
    main()
