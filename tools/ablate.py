"""Train every variant of a grid with every seed, and compare them.

tools/ablate.sh options/grids/color_losses.yml               run what is missing, go on with what was interrupted
tools/ablate.sh options/grids/color_losses.yml --dry-run     list the runs and what they will cost
tools/ablate.sh options/grids/color_losses.yml --status      where every run stands; from any terminal, at any time
"""

import argparse
import logging
import sys
import time
from pathlib import Path

# A clone need not be installed: `basicsr` is beside this folder.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ablate_text import print_plan, print_status

from basicsr.ablation.backends import Backend
from basicsr.ablation.backends.local import LocalProcesses
from basicsr.ablation.backends.ray_tasks import RayTasks
from basicsr.ablation.backends.slurm_array import SlurmArray
from basicsr.ablation.driver import Driver
from basicsr.ablation.grid import read_grid
from basicsr.ablation.grid_folder import archive_stale, refuse_stale, write_grid_folder
from basicsr.ablation.plan import Plan, check_files, make_plan
from basicsr.utils.cli import run_cli
from basicsr.utils.errors import UserError
from basicsr.utils.logger import get_root_logger

ROOT = Path(__file__).resolve().parents[1]


def run(args: argparse.Namespace) -> None:
    """Do what the command line asks for."""
    get_root_logger(log_level=logging.WARNING)  # what is built to be checked is no news
    plan = make_plan(read_grid(args.grid), args.root.resolve())
    if args.status:
        print_status(plan)
        while args.watch:
            time.sleep(args.watch)
            print_status(plan, clear=True)
        return
    check_files(plan)
    if args.redo and not args.dry_run:
        for folder in archive_stale(plan):
            print(f'put aside: {folder}')
    if args.dry_run:
        print_plan(plan, args.jobs)
        return

    refuse_stale(plan)
    write_grid_folder(plan)
    curves = f'{plan.runs[0].options["path"]["tb_root"]}/{plan.grid.name}'
    print(f'{plan.folder}: {len(plan.runs)} runs; curves: tensorboard --logdir {curves}', flush=True)
    places = [planned.place for planned in plan.runs]
    failed = Driver(places, make_backend(plan, args), max_attempts=args.max_attempts).run()
    if args.report and len(failed) < len(places):
        from basicsr.ablation.report import write_report

        print(f'report: {write_report(plan.folder)}')
    if failed:
        names = ', '.join(place.name for place in failed)
        raise UserError(f'{len(failed)} of {len(places)} runs failed: {names}; the same command tries them again')


def make_backend(plan: Plan, args: argparse.Namespace) -> Backend:
    """Return what places the runs."""
    use_gpu = any(planned.options['num_gpu'] != 0 for planned in plan.runs)
    if args.launcher == 'slurm':
        options = (args.jobs, args.gpus_per_run, args.stall_minutes, args.sbatch)
        return SlurmArray(plan.root, plan.folder, *options)
    common = (plan.root, args.jobs, args.gpus_per_run or 1, args.stall_minutes, use_gpu)
    return RayTasks(*common) if args.launcher == 'ray' else LocalProcesses(*common)


def main(argv: list[str] | None = None) -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add('grid', metavar='GRID.yml', help='grid file')
    add('--jobs', type=positive, help='runs at a time (default: one per GPU; without one, per core, at most 4)')
    add('--launcher', choices=['local', 'slurm', 'ray'], default='local', help='where (default: %(default)s)')
    add('--dry-run', '--dry_run', action='store_true', help='list the runs and their cost; train and write nothing')
    add('--status', action='store_true', help='print where every run stands')
    add('--watch', type=float, metavar='SECONDS', help='with --status: print it again every so many seconds')
    add('--redo', action='store_true', help='put runs aside that were made with other options, and train them anew')
    add('--report', action=argparse.BooleanOptionalAction, default=True, help='write the report at the end')
    add('--gpus_per_run', type=positive, help='GPUs, and processes, per run (default: 1)')
    add('--max_attempts', type=positive, default=3, help='crashes in a row without progress (default: %(default)s)')
    add('--stall_minutes', type=float, default=60, help='kill a run that logs nothing so long; 0: never (%(default)g)')
    add('--sbatch', default='', metavar='OPTIONS', help="for slurm, such as '--partition=gpu --time=12:00:00'")
    add('--root', type=Path, default=ROOT, help='project root, where relative paths start (default: this clone)')
    args = parser.parse_args(argv)
    if args.watch and not args.status:
        parser.error('--watch goes with --status')
    run_cli(lambda: run(args))


def positive(text: str) -> int:
    """Return a number of at least 1, for argparse."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError('must be at least 1')
    return number


if __name__ == '__main__':
    main()
