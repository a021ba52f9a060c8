"""Time the losses against other libraries, and against a training step: medians of interleaved repeats, as Markdown.

Candidates of one comparison take turns, so that a busy machine slows all of them alike: read the ratios. The full size
needs about 12 GB for the training step; --size and --batch shrink it.
"""

import argparse
import contextlib
import ctypes
import gc
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from torch import Tensor, nn

from basicsr.losses import Objective, Term
from basicsr.utils.cli import run_cli
from basicsr.utils.errors import UserError
from basicsr.utils.registry import LOSS_REGISTRY

Step = Callable[[], object]


@dataclass
class Comparison:
    """Candidates that do the same work; ratios are to the first one."""

    title: str
    candidates: dict[str, Step]
    repeats: int


@dataclass
class Row:
    """One line of the table; times in seconds, memory in bytes above what was in use before."""

    title: str
    name: str
    median: float
    ratio: float
    peak: int | None


def pair(args: argparse.Namespace, device: torch.device) -> tuple[Tensor, Tensor]:
    """A prediction with a gradient, and its target."""
    generator = torch.Generator().manual_seed(0)
    target = torch.rand(args.batch, 3, args.size, args.size, generator=generator)
    pred = (target + 0.05 * torch.randn(target.shape, generator=generator)).to(device).requires_grad_()
    return pred, target.to(device)


def backward_of(loss: Callable[[Tensor, Tensor], Tensor], pred: Tensor, target: Tensor) -> Step:
    """Forward and backward of a loss."""
    return lambda: torch.autograd.grad(loss(pred, target), pred)


def terms(*names: str) -> list[Term]:
    """Registered terms with weight 1."""
    return [Term(name, LOSS_REGISTRY.get(name)()) for name in names]


def similarity(args: argparse.Namespace, device: torch.device) -> list[Comparison]:
    """SSIM and MS-SSIM against pytorch-msssim."""
    import pytorch_msssim

    pred, target = pair(args, device)
    found = []
    for title, ours, theirs in (
        ('SSIM', 'SSIMLoss', pytorch_msssim.SSIM),
        ('MS-SSIM', 'MSSSIMLoss', pytorch_msssim.MS_SSIM),
    ):
        if ours == 'MSSSIMLoss' and args.size <= 160:
            continue
        module = theirs(data_range=1.0, channel=3).to(device)
        candidates = {
            'pytorch-msssim': backward_of(lambda p, t, module=module: 1 - module(p, t), pred, target),
            'ours': backward_of(LOSS_REGISTRY.get(ours)(), pred, target),
        }
        found.append(Comparison(title, candidates, args.repeats))
    return found


EIGHT_COLOUR_TERMS = (
    'ChromaLoss',
    'LabABLoss',
    'LabLoss',
    'DeltaE76Loss',
    'HueLoss',
    'SaturationLoss',
    'ColorConsistencyLoss',
    'ExposureLoss',
)


def colour(args: argparse.Namespace, device: torch.device) -> list[Comparison]:
    """Eight colour terms, each converting for itself, with shared conversions, and through kornia."""
    from basicsr.losses import share_conversions

    pred, target = pair(args, device)
    objective = Objective(terms(*EIGHT_COLOUR_TERMS))

    def shared(p: Tensor, t: Tensor) -> Tensor:
        with share_conversions():
            return objective([p], t)[0]

    candidates = {
        'kornia': backward_of(kornia_colours, pred, target),
        'ours, each for itself': backward_of(lambda p, t: objective([p], t)[0], pred, target),
        'ours, conversions shared': backward_of(shared, pred, target),
    }
    return [Comparison('eight colour terms', candidates, args.repeats)]


def kornia_colours(pred: Tensor, target: Tensor) -> Tensor:
    """The formulas of EIGHT_COLOUR_TERMS on kornia's conversions, one conversion per term, as separate losses do."""
    from kornia.color import rgb_to_hsv, rgb_to_lab, rgb_to_ycbcr
    from torch.nn import functional as F

    def both(convert: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        return convert(pred), convert(target)

    chroma, target_chroma = both(lambda x: rgb_to_ycbcr(x)[:, 1:] - 0.5)
    total = (chroma - target_chroma).abs().mean()
    ab, target_ab = both(lambda x: rgb_to_lab(x)[:, 1:] / 100)
    total = total + (ab - target_ab).abs().mean()
    lab, target_lab = both(lambda x: rgb_to_lab(x) / 100)
    total = total + (lab - target_lab).abs().mean()
    lab, target_lab = both(rgb_to_lab)
    total = total + ((lab - target_lab).square().sum(1) + 0.01).sqrt().mean() / 100
    hue, target_hue = both(lambda x: F.pad(rgb_to_ycbcr(x)[:, 1:] - 0.5, (0, 0, 0, 0, 0, 1), value=0.02))
    total = total + (target_hue.norm(dim=1) * (1 - F.cosine_similarity(hue, target_hue, dim=1))).mean()
    amount, target_amount = both(lambda x: rgb_to_hsv(x)[:, 1:].prod(1))
    total = total + (amount - target_amount).abs().mean()
    tint = (pred - target).mean((-2, -1))
    total = total + (tint - tint.roll(1, 1)).abs().mean()
    luma, target_luma = both(lambda x: F.avg_pool2d(rgb_to_ycbcr(x)[:, :1], 16))
    return total + (luma - target_luma).abs().mean()


FIVE_TERMS = ('L1Loss', 'ChromaLoss', 'LabABLoss', 'SSIMLoss', 'GradientLoss')


def objective(args: argparse.Namespace, device: torch.device) -> list[Comparison]:
    """A list of five terms against the same terms one by one."""
    pred, target = pair(args, device)
    alone = [backward_of(term.loss, pred, target) for term in terms(*FIVE_TERMS)]
    whole = Objective(terms(*FIVE_TERMS))
    candidates = {
        'the five terms alone, added up': lambda: [step() for step in alone],
        'in one objective': backward_of(lambda p, t: whole([p], t)[0], pred, target),
    }
    return [Comparison('L1 + chroma + Lab a*b* + SSIM + gradient', candidates, args.repeats)]


def training(args: argparse.Namespace, device: torch.device) -> list[Comparison]:
    """A step of NAFNet, the objective's part of it, and the same step with the backward pass split by term."""
    from basicsr.archs.nafnet_arch import NAFNet

    torch.manual_seed(0)
    net = NAFNet(width=32, enc_blk_nums=[2, 2, 4, 8], middle_blk_num=12, dec_blk_nums=[2, 2, 2, 2]).to(device)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4)
    whole = Objective(terms(*FIVE_TERMS))
    pred, target = pair(args, device)
    image = pred.detach()
    net(image[:1, :, :16, :16]).mean().backward()
    optimizer.step()  # the optimizer's state is no part of any candidate

    def step(backward: Callable[[Tensor], None]) -> None:
        optimizer.zero_grad()
        backward(net(image))
        optimizer.step()

    def split(output: Tensor, look: bool) -> None:
        gradient, _ = whole.split([output], target)
        if look:
            gradient.at_parameters(list(net.ending.parameters()))
        gradient.backward()

    candidates: dict[str, Step] = {
        'training step, five terms': lambda: step(lambda output: whole([output], target)[0].backward()),
        'training step, L1 alone': lambda: step(lambda output: nn.functional.l1_loss(output, target).backward()),
        'the five terms alone': backward_of(lambda p, t: whole([p], t)[0], pred, target),
    }
    if hasattr(whole, 'split'):
        candidates['training step, backward split by term'] = lambda: step(lambda output: split(output, False))
        candidates['the same, with a look at the last layer'] = lambda: step(lambda output: split(output, True))
    return [Comparison('NAFNet width 32', candidates, args.step_repeats)]


GROUPS = {'similarity': similarity, 'colour': colour, 'objective': objective, 'training': training}


def measure(comparison: Comparison, device: torch.device) -> list[Row]:
    """Run the candidates in turn; the first round, which also measures memory, is not timed."""
    peaks = {name: peak_memory(step, device) for name, step in comparison.candidates.items()}
    seconds: dict[str, list[float]] = {name: [] for name in comparison.candidates}
    for _ in range(comparison.repeats):
        for name, step in comparison.candidates.items():
            start = time.perf_counter()
            step()
            synchronize(device)
            seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    first = next(iter(medians.values()))
    return [Row(comparison.title, name, median, median / first, peaks[name]) for name, median in medians.items()]


def synchronize(device: torch.device) -> None:
    """Wait for a GPU."""
    if device.type == 'cuda':
        torch.cuda.synchronize(device)


def peak_memory(step: Step, device: torch.device) -> int | None:
    """Most memory that a step had in use, above what was in use before it; None where that cannot be seen."""
    gc.collect()
    if device.type == 'cuda':
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        step()
        synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    # Linux: hand freed memory back, reset the high-water mark of the process, and read it afterwards.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL('libc.so.6').malloc_trim(0)
    try:
        Path('/proc/self/clear_refs').write_text('5')
        before = _status('VmRSS')
        step()
        return _status('VmHWM') - before
    except (OSError, KeyError):
        step()
        return None


def _status(key: str) -> int:
    lines = Path('/proc/self/status').read_text().splitlines()
    values = dict(line.split(':', 1) for line in lines)
    return int(values[key].split()[0]) * 1024


def table(rows: list[Row]) -> str:
    """Rows as Markdown."""
    lines = ['| | | median, ms | ratio | peak, MB |', '|---|---|---|---|---|']
    for row in rows:
        peak = '-' if row.peak is None else f'{row.peak / 2**20:.0f}'
        lines.append(f'| {row.title} | {row.name} | {1000 * row.median:.1f} | {row.ratio:.2f} | {peak} |')
    return '\n'.join(lines)


def machine(device: torch.device) -> str:
    """What the numbers were measured on."""
    if device.type == 'cuda':
        return f'{torch.cuda.get_device_name(device)}, torch {torch.__version__}'
    with contextlib.suppress(OSError, StopIteration):
        lines = Path('/proc/cpuinfo').read_text().splitlines()
        name = next(line.split(':', 1)[1].strip() for line in lines if line.startswith('model name'))
        return f'{name}, {torch.get_num_threads()} threads, torch {torch.__version__}'
    return f'{platform.processor()}, {torch.get_num_threads()} threads, torch {torch.__version__}'


def run(args: argparse.Namespace) -> None:
    """Measure on the CPU, and on a GPU where there is one."""
    if min(args.size, args.batch, args.repeats, args.step_repeats) < 1:
        raise UserError('--size, --batch and the repeats are at least 1')
    devices = [torch.device(name) for name in args.device] or [torch.device('cpu')] + [
        torch.device('cuda') for _ in range(torch.cuda.is_available())
    ]
    for device in devices:
        print(f'\n{machine(device)}; {args.batch}×3×{args.size}×{args.size}, float32, forward and backward\n')
        rows = []
        for group in args.only or GROUPS:
            for comparison in GROUPS[group](args, device):
                print(f'{comparison.title} ...', file=sys.stderr, flush=True)
                rows += measure(comparison, device)
        print(table(rows), flush=True)


def main(argv: list[str] | None = None) -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--size', type=int, default=256, help='side of the images (default: %(default)s)')
    parser.add_argument('--batch', type=int, default=8, help='number of images (default: %(default)s)')
    parser.add_argument('--repeats', type=int, default=9, help='of every loss (default: %(default)s)')
    parser.add_argument('--step-repeats', type=int, default=3, help='of the training step (default: %(default)s)')
    parser.add_argument('--only', nargs='+', choices=GROUPS, help='groups to measure (default: all)')
    parser.add_argument('--device', nargs='+', default=[], choices=['cpu', 'cuda'], help='default: all that are there')
    run_cli(lambda: run(parser.parse_args(argv)))


if __name__ == '__main__':
    main()
