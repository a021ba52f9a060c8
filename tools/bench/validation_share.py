"""Time how much of a validation is spent outside the network, on the CPU: as Markdown.

NAFNet of width 32 runs over pictures made on the spot, with PSNR, SSIM, all colour metrics, the table and the gallery
of the worst images, through the trainer's own validation.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import torch
from losses import machine
from validation import pair, to_array

from basicsr.data import build_dataset, build_val_loader
from basicsr.models import build_model
from basicsr.utils.cli import run_cli
from basicsr.utils.img_util import imwrite

NETWORK = {'type': 'NAFNet', 'width': 32, 'middle_blk_num': 12, 'enc_blk_nums': [2, 2, 4, 8], 'dec_blk_nums': [2] * 4}


def options(folder: Path) -> dict:
    """Return the options of a validation of the pictures in `folder`."""
    return {
        'name': 'share',
        'model_type': 'ImageRestorationModel',
        'num_gpu': 0,
        'dist': False,
        'is_train': False,
        'scale': 1,
        'network_g': NETWORK,
        'path': {'val': str(folder / 'scores'), 'visualization': str(folder / 'pictures'), 'pretrain_network_g': None},
        'val': {
            'metrics': {f'{name}_8bit': {'type': f'calculate_{name}'} for name in ('psnr', 'ssim')},
            'color_fidelity': True,
            'pbar': False,
        },
    }


def write_pictures(folder: Path, args: argparse.Namespace) -> None:
    """Write pairs as PNG."""
    for i in range(args.images):
        lq, gt = pair(args.width, args.height)
        for kind, image in (('lq', lq), ('gt', gt)):
            imwrite(np.ascontiguousarray(to_array(image)[..., ::-1]), folder / kind / f'{i}.png')


def run(args: argparse.Namespace) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_pictures(folder, args)
        opt = options(folder)
        dataset = {'name': 'val', 'key': 'val', 'phase': 'val', 'scale': 1, 'type': 'PairedImageDataset'}
        dataset |= {f'dataroot_{kind}': str(folder / kind) for kind in ('lq', 'gt')}
        loader = build_val_loader(build_dataset(dataset))
        model = build_model(opt)

        inside, shares = [], []
        model.net_g.register_forward_pre_hook(lambda *_: inside.append(-time.process_time()))
        model.net_g.register_forward_hook(lambda *_: inside.append(time.process_time()))
        for repeat in range(args.repeats + 1):
            inside.clear()
            started = time.process_time()
            model.validation(loader, repeat, None)
            whole = time.process_time() - started
            # The first one scores the untouched inputs as well, once for a run.
            shares.append((1 - sum(inside) / whole, whole / args.images))
    later = [statistics.median(values) for values in zip(*shares[1:])]
    size = f'{args.images} images of {args.width}×{args.height}'
    print(f'\n{machine(torch.device("cpu"))}; NAFNet of width 32, {size}; CPU time\n')
    print('| validation | outside the network | seconds an image |\n|---|---|---|')
    print(f'| the first of a run | {shares[0][0]:.0%} | {shares[0][1]:.2f} |')
    print(f'| later ones, median of {args.repeats} | {later[0]:.0%} | {later[1]:.2f} |', flush=True)


def main(argv: list[str] | None = None) -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--width', type=int, default=768, help='of the images (default: %(default)s)')
    parser.add_argument('--height', type=int, default=512, help='of the images (default: %(default)s)')
    parser.add_argument('--images', type=int, default=8, help='in the set (default: %(default)s)')
    parser.add_argument('--repeats', type=int, default=3, help='validations after the first (default: %(default)s)')
    run_cli(lambda: run(parser.parse_args(argv)))


if __name__ == '__main__':
    main()
