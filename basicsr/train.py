"""Trains a network: `python basicsr/train.py -opt FILE.yml`."""

import sys
from pathlib import Path

if __name__ == '__main__' and not __package__:
    # Run as a script: `import basicsr` must find this clone, and this folder's `utils` or `data` must shadow nothing.
    _here = Path(__file__).resolve().parent
    sys.path[:] = [str(_here.parent), *(p for p in sys.path if Path(p or '.').resolve() != _here)]

import datetime
import os
import time

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from basicsr.data import build_dataset, build_stream, build_val_loader
from basicsr.engine.run import Run
from basicsr.engine.start import Start, choose_seed, decide_start, seed_iteration, set_deterministic
from basicsr.engine.stop import STOPPED, StopSignal
from basicsr.models import build_model
from basicsr.models.validation import gallery_options, read_references
from basicsr.utils.cli import run_cli
from basicsr.utils.dist_util import get_dist_info, init_dist, leave_dist
from basicsr.utils.errors import UserError
from basicsr.utils.logger import AvgTimer, get_env_info, get_root_logger
from basicsr.utils.misc import seed_all
from basicsr.utils.options import dict2str, dump_options, parse_options


def train_pipeline(root_path: str, argv: list[str] | None = None):
    """Train as the command line and its option file say.

    Args:
        root_path: project root; relative paths in the option file start there.
        argv: command line; by default that of the process.

    Returns:
        The trained model; None after `--check`.

    Raises:
        UserError: a mistake in options, data or files; the message says what to do.
    """
    opt, args = parse_options(root_path, is_train=True, argv=argv)
    if args.check:
        print(dump_options(args.resolved))
        print('\n'.join(f'note: {note}' for note in args.notes), file=sys.stderr)
        return None

    # Everything that can fail for a wrong option or file comes before the run folder is touched.
    set_up_devices(opt, args.launcher)
    logger = get_root_logger()
    logger.info(get_env_info())
    for note in args.notes:
        logger.info(f'note: {note}')
    start = decide_start(opt, args.resolved, args.allow_changed)
    opt['manual_seed'] = args.resolved['manual_seed'] = choose_seed(opt['manual_seed'], start)
    train_set = build_dataset(opt['datasets']['train'])
    val_sets = [build_dataset(o) for key, o in opt['datasets'].items() if key != 'train']
    val_loaders = [build_val_loader(val_set, opt['rank'], opt['world_size']) for val_set in val_sets]
    gate_references = read_references(opt['val'], val_sets)
    seed_all(opt['manual_seed'])
    model = build_started_model(opt, start)
    model.gate_references = gate_references
    for dataset in (train_set, *val_sets):
        if hasattr(dataset, 'prepare'):
            dataset.prepare()
    run = Run(opt, args.resolved, args.opt, start)
    logger.info(dict2str(args.resolved))
    log_statistics(opt, train_set, val_loaders)

    start_time = time.time()
    train_iterations(opt, model, run, train_set, val_loaders, start)
    logger.info(f'End of training. Time consumed: {datetime.timedelta(seconds=int(time.time() - start_time))}')
    logger.info('Save the latest model.')
    model.save(epoch=-1, current_iter=-1)
    run.close()
    log_results(opt, run)
    leave_dist()
    return model


def train_iterations(opt: dict, model, run: Run, train_set, val_loaders: list, start: Start) -> None:
    """Train from the iteration after `start` to `train.total_iter`: log, save and validate on the way."""
    # The samples of every iteration, a function of the seed.
    train_opt, total_iter, seed = opt['datasets']['train'], opt['train']['total_iter'], opt['manual_seed']
    batch_size, num_workers = train_opt['batch_size_per_gpu'], train_opt['num_worker_per_gpu']
    positions = (seed, start.iteration, total_iter, opt['rank'], opt['world_size'])
    stream = build_stream(train_set, batch_size, num_workers, *positions, train_opt['pin_memory'], model.device)
    samples_per_iter = batch_size * opt['world_size']

    val_freq = (opt['val'] or {}).get('val_freq')
    if start.mode == 'resume' and val_freq and start.iteration % val_freq == 0:
        # States are written before the validation of the same iteration, which may not have come to its end.
        validate(model, val_loaders, start.iteration, run, opt['val']['save_img'])
    logger = get_root_logger()
    logger.info(
        f'Start training from epoch: {epoch_of(start.iteration, samples_per_iter, train_set)}, iter: {start.iteration}'
    )
    data_timer, iter_timer = AvgTimer(), AvgTimer()
    bar = tqdm(total=total_iter, initial=start.iteration, unit='iter', disable=None if opt['rank'] == 0 else True)
    with StopSignal() as stop, logging_redirect_tqdm([logger]), bar:
        for current_iter, data in enumerate(stream, start=start.iteration + 1):
            data_timer.record()
            seed_iteration(seed, opt['rank'], current_iter)
            model.update_learning_rate(current_iter, warmup_iter=opt['train']['warmup_iter'])
            model.feed_data(data)
            model.optimize_parameters(current_iter)
            iter_timer.record()
            bar.update()

            epoch = epoch_of(current_iter, samples_per_iter, train_set)
            if due(current_iter, opt['logger']['print_freq'], total_iter):
                times = {'time': iter_timer.get_avg_time(), 'data_time': data_timer.get_avg_time()}
                values = {'data_wait': times['data_time'] / times['time'], **model.get_current_log()}
                values |= passes_of(train_set, seed, current_iter * samples_per_iter)
                run.log(epoch, current_iter, model.get_current_learning_rate(), times, values)
            if due(current_iter, opt['logger']['save_checkpoint_freq'], total_iter):
                logger.info('Saving models and training states.')
                model.save(epoch, current_iter)
            if val_freq and due(current_iter, val_freq, total_iter):
                validate(model, val_loaders, current_iter, run, opt['val']['save_img'])
            if stop.asked and current_iter < total_iter:
                logger.info(f'Asked to stop: saving at iteration {current_iter}; --auto_resume goes on from there.')
                model.save(epoch, current_iter)
                run.close(complete=False)
                sys.exit(STOPPED)
            data_timer.start()
            iter_timer.start()


def set_up_devices(opt: dict, launcher: str) -> None:
    """Join the other ranks, where there are any, and note in `opt` which one this is."""
    if launcher != 'none':
        # Networks that stay on the CPU cannot talk through nccl.
        backend = 'gloo' if opt['num_gpu'] == 0 else opt['dist_params']['backend']
        init_dist(launcher, backend, opt['dist_params']['port'])
    elif int(os.environ.get('WORLD_SIZE', 1)) > 1:
        count = os.environ['WORLD_SIZE']
        raise UserError(f'this is one of {count} processes, which would overwrite each other: add --launcher pytorch')
    opt['rank'], opt['world_size'] = get_dist_info()
    opt['dist'] = launcher != 'none'
    if opt['deterministic']:
        set_deterministic()


def build_started_model(opt: dict, start: Start):
    """Build the model as `start` says, and log which rule won and what was restored or reset."""
    logger = get_root_logger()
    logger.info(f'Start mode: {start.mode} ({start.reason}).')
    opt['path']['pretrain_network_g'] = start.weights
    if start.mode == 'resume':
        opt['path'] |= {'param_key_g': 'params', 'strict_load_g': True}
    model = build_model(opt)
    if start.mode == 'resume':
        model.resume_training(start.state)
        logger.info(
            f'Resuming training from epoch: {start.state.get("epoch", 0)}, iter: {start.iteration}. Restored: weights, '
            'moving average, optimizer, schedule, best scores, position in the data.'
        )
    elif start.mode == 'finetune':
        rates = ', '.join(f'{group["initial_lr"]:g}' for group in model.optimizers[0].param_groups)
        logger.info(
            f'Fine-tuning from {start.weights} at iteration 0. Fresh: optimizer, schedule (learning rate {rates}), '
            'moving average, iteration counter.'
        )
    return model


def epoch_of(current_iter: int, samples_per_iter: int, train_set) -> int:
    """Return how many times the whole training set was seen before this iteration."""
    return max(current_iter - 1, 0) * samples_per_iter // len(train_set)


def passes_of(train_set, seed: int, num_samples: int) -> dict[str, float]:
    """Return how often each part of a mixture was seen, for the log; nothing for other sets."""
    passes = train_set.epochs_at(seed, num_samples) if hasattr(train_set, 'epochs_at') else {}
    return {f'epoch/{name}': number for name, number in passes.items()}


def due(current_iter: int, freq: int, total_iter: int) -> bool:
    """True every `freq` iterations, and at the last one."""
    return current_iter % freq == 0 or current_iter == total_iter


def validate(model, val_loaders: list, current_iter: int, run: Run, save_img: bool) -> None:
    """Validate on every set, and keep the best weights."""
    for loader in val_loaders:
        model.validation(loader, current_iter, run.tb_logger, save_img)
        name = loader.dataset.opt['name']
        run.log_validation(
            current_iter,
            name,
            getattr(model, 'metric_results', {}),
            getattr(model, 'input_results', {}).get(name, {}),
            {verdict.metric: verdict.passed for verdict in getattr(model, 'gate_results', {}).get(name, [])},
        )
    model.keep_best(current_iter)


def log_statistics(opt: dict, train_set, val_loaders: list) -> None:
    """Log the size of the data and of the training."""
    logger, train_opt = get_root_logger(), opt['datasets']['train']
    per_iter = train_opt['batch_size_per_gpu'] * opt['world_size']
    total_iter = opt['train']['total_iter']
    logger.info(
        'Training statistics:'
        f'\n\tNumber of train images: {len(train_set)}'
        f'\n\tBatch size per gpu: {train_opt["batch_size_per_gpu"]}'
        f'\n\tWorld size (gpu number): {opt["world_size"]}'
        f'\n\tTotal epochs: {total_iter * per_iter / len(train_set):.1f}; iters: {total_iter}.'
    )
    for loader in val_loaders:
        logger.info(f'Number of val images/folders in {loader.dataset.opt["name"]}: {len(loader.dataset)}')


def log_results(opt: dict, run: Run) -> None:
    """Say where everything is."""
    lines = [f'weights:  {shorten(opt["path"]["models"])}']
    if opt['val'] is not None and opt['val']['save_img']:
        lines.append(f'pictures: {shorten(opt["path"]["visualization"])}')
    if gallery_options(opt['val'] or {}) is not None:
        lines.append(f'worst images: {shorten(Path(opt["path"]["val"], "gallery.html"))}')
    if run.tb_logger is not None:
        lines.append(f'curves:   tensorboard --logdir {shorten(run.tb_folder.parent)}')
    get_root_logger().info('Results:\n  ' + '\n  '.join(lines))


def shorten(path: str | Path) -> Path:
    """Return a path as one would type it here: relative if it lies below the current folder."""
    path = Path(path)
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def main() -> None:
    """Console script `basicsr-train`: relative paths in the option file start at the current folder."""
    run_cli(lambda: train_pipeline('.'))


if __name__ == '__main__':
    run_cli(lambda: train_pipeline(str(Path(__file__).resolve().parents[1])))
