"""Export a trained network: to ONNX, checked against PyTorch, or as bare weights.

python tools/export.py experiments/mine/models/net_g_latest.pth -o mine.onnx
python tools/export.py experiments/mine/models/net_g_latest.pth -o mine.safetensors
"""

import argparse
import sys
from pathlib import Path

# A clone need not be installed: the helpers are in this folder, `basicsr` beside it.
sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from export_onnx import export_onnx

from basicsr.engine.checkpoint import load_file, save_atomic, select_weights
from basicsr.pretrained import load_pretrained
from basicsr.utils.cli import run_cli
from basicsr.utils.errors import UserError
from basicsr.utils.misc import sizeof_fmt


def run(args: argparse.Namespace) -> None:
    """Write the file that the ending of its name asks for."""
    if args.output.suffix not in ('.onnx', '.safetensors', '.pth'):
        raise UserError(f'{args.output}: the name must end in .onnx, .safetensors or .pth')
    if args.output.resolve() == args.weights.resolve():
        raise UserError(f'{args.output} is the input: give another name')
    if not args.output.resolve().parent.is_dir():
        raise UserError(f'{args.output.parent}: no such folder')

    if args.output.suffix == '.onnx':
        _write_onnx(args)
    else:
        unused = [name for name in ('opt', 'local') if getattr(args, name) is not None]
        if unused:
            raise UserError(f'--{unused[0]} has no effect on bare weights: remove it, or write .onnx')
        weights, taken = select_weights(load_file(args.weights), args.key, str(args.weights), '--key')
        save_atomic(weights, args.output)
        print(f"weights '{taken}': {len(weights)} tensors, bare")
    print(f'{args.output}: {sizeof_fmt(args.output.stat().st_size)}')


def _write_onnx(args: argparse.Namespace) -> None:
    if args.size < 16:
        raise UserError(f'--size {args.size}: give at least 16 pixels')
    pretrained = load_pretrained(args.weights, args.opt, args.key, args.local)
    print(pretrained.source)
    channels = getattr(pretrained.net, 'img_channel', 3)
    for shape, difference in export_onnx(pretrained.net, args.output, channels, args.size, args.tolerance):
        print(f'{"x".join(map(str, shape))}: differs from PyTorch by at most {difference:.1e}')
    if pretrained.mean is not None or pretrained.std is not None:
        print(f'note: its input is normalised, with mean {pretrained.mean} and std {pretrained.std}; so is its output')


def main(argv: list[str] | None = None) -> None:
    """Parse the command line and export."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('weights', type=Path, help='.pth as training writes it, a bare state dict, or .safetensors')
    parser.add_argument('-o', '--output', type=Path, required=True, help='FILE.onnx, FILE.safetensors or FILE.pth')
    parser.add_argument('--opt', metavar='FILE.yml', help='option file with the network (default: as basicsr-infer)')
    parser.add_argument('--key', default='auto', help='key of the weights in their file (default: %(default)s)')
    parser.add_argument('--local', type=int, metavar='CROP', help='NAFNet as NAFNetLocal, for crops of this side; ONNX')
    parser.add_argument('--size', type=int, default=256, help='side of the image that is traced (default: %(default)s)')
    parser.add_argument(
        '--tolerance', type=float, default=1e-4, help='largest difference from PyTorch (default: %(default)s)'
    )
    args = parser.parse_args(argv)
    run_cli(lambda: run(args))


if __name__ == '__main__':
    main()
