"""The folder of a run and everything that is written while it trains, weights apart."""

import json
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from basicsr.engine.checkpoint import sweep_partial
from basicsr.engine.start import Start
from basicsr.engine.tb_pages import HParamsRow, add_charts, metric_tags
from basicsr.utils.dist_util import barrier, get_dist_info
from basicsr.utils.errors import UserError
from basicsr.utils.logger import JsonLines, MessageLogger, get_root_logger, init_tb_logger
from basicsr.utils.misc import archive_existing, get_time_str
from basicsr.utils.options import copy_opt_file, dump_options

try:
    import fcntl
except ImportError:  # Windows has no such locks
    fcntl = None


class FolderLock:
    """Keeps other processes out of a folder until `release`, or until this process ends, however it ends.

    The lock belongs to the process (POSIX record lock): workers that were forked and outlive it hold nothing, and a
    run that failed does not keep the next one of the same process out. Where there are no locks, it does nothing.

    Raises:
        UserError: another process holds the lock.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / '.lock'
        self.descriptor: int | None = None
        while fcntl is not None and self.descriptor is None:
            folder.mkdir(parents=True, exist_ok=True)
            self.descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
            self._lock()
            if not self._is_in_place():  # meanwhile, another process has archived the folder
                self.release()

    def _lock(self) -> None:
        try:
            fcntl.lockf(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            pid = os.read(self.descriptor, 20).decode(errors='replace').strip() or 'unknown'
            self.release()
            raise UserError(
                f'{self.path.parent} is being trained by another process (pid {pid}): use another name, or wait'
            ) from None
        except OSError as error:
            get_root_logger().warning(
                f'{self.path}: this file system has no locks ({error}): start no second run of this name'
            )
        os.ftruncate(self.descriptor, 0)
        os.write(self.descriptor, f'{os.getpid()}\n'.encode())

    def _is_in_place(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self.descriptor), os.stat(self.path))
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Let other processes in."""
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


class Run:
    """An open run: its folders exist, its log file is written, its curves are drawn.

    Args:
        opt: complete options with absolute paths.
        resolved: complete options as the user could have written them.
        opt_file: the option file, copied into the run folder.
        start: a folder of the same name is archived, unless it is the run that is resumed. Of that, states and weights
            after the iteration where it goes on are put aside.

    Raises:
        UserError: another process trains in the folder.
    """

    def __init__(self, opt: dict, resolved: dict, opt_file: str, start: Start) -> None:
        path = opt['path']
        self.folder = Path(path['experiments_root'])
        self.tb_folder = Path(path['tb_root'])
        self.tb_logger = self.hparams_row = self.metrics = self.lock = None
        if get_dist_info()[0] == 0:
            with tempfile.TemporaryDirectory() as staging:
                # Comes first, as the option file may lie in the folder that is archived.
                copy_opt_file(opt_file, staging)
                Path(staging, 'resolved.yml').write_text(dump_options(resolved), encoding='utf-8')
                self._take_folder(start)
                self._make_folders(path)
                for file in Path(staging).iterdir():
                    _place(file, self.folder)
            self.metrics = JsonLines(self.folder / 'metrics.jsonl', keep_until=start.iteration)
            if opt['logger']['use_tb_logger']:
                purge_step = start.iteration + 1 if start.mode == 'resume' else None
                self.tb_logger = init_tb_logger(str(self.tb_folder), purge_step)
                add_charts(self.tb_logger)
                if opt['logger'].get('hparams'):
                    self.hparams_row = HParamsRow(self.tb_logger, opt['logger']['hparams'], metric_tags(opt))
        barrier()
        get_root_logger(
            log_file=os.path.join(path['log'], f'train_{opt["name"].replace("/", "_")}_{get_time_str()}.log')
        )
        self.message_logger = MessageLogger(opt, start.iteration + 1, self.tb_logger)

    def _take_folder(self, start: Start) -> None:
        """Lock the folder, and clear it of what is not part of the run that starts."""
        present = FolderLock(self.folder) if self.folder.exists() else None
        goes_on = start.run is not None and Path(start.run).resolve() == self.folder.resolve()
        if goes_on:
            self._put_aside(start.iteration)
        else:
            for folder in (self.folder, self.tb_folder):
                archived = archive_existing(folder)
                if archived is not None:
                    get_root_logger().info(f'Path already exists. Rename it to {archived}')
        self.lock = present if present and goes_on else FolderLock(self.folder)
        if present and not goes_on:
            present.release()

    def _put_aside(self, iteration: int) -> None:
        """Move states and weights after `iteration` where no later resume takes them for this run's."""
        files = [*self.folder.glob('training_states/*.state'), *self.folder.glob('models/net_*.pth')]
        names = {file: re.fullmatch(r'(?:net_.+_)?(\d+)', file.stem) for file in files}
        newer = [file for file, name in names.items() if name and int(name[1]) > iteration]
        newer += self._best_after(iteration)
        aside = self.folder / f'abandoned_{get_time_str()}'
        for file in newer:
            target = aside / file.relative_to(self.folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(file, target)
        if newer:
            get_root_logger().info(f'{len(newer)} states and weights after iteration {iteration} are moved to {aside}')

    def _best_after(self, iteration: int) -> list[Path]:
        """Return the best weights and the note beside them, if they are of a later iteration."""
        note = self.folder / 'models' / 'net_g_best.json'
        try:
            is_later = json.loads(note.read_text(encoding='utf-8'))['iter'] > iteration
        except (OSError, ValueError, KeyError, TypeError):
            return []
        return [file for file in (note, note.with_suffix('.pth')) if is_later and file.is_file()]

    def _make_folders(self, path: dict) -> None:
        for key in ('models', 'training_states', 'visualization'):
            os.makedirs(path[key], exist_ok=True)
            sweep_partial(path[key])
        sweep_partial(self.folder)

    def log(
        self, epoch: int, current_iter: int, lrs: list[float], times: dict[str, float], values: dict[str, float]
    ) -> None:
        """Log one print interval everywhere."""
        self.message_logger({'epoch': epoch, 'iter': current_iter, 'lrs': lrs, **times, **values})
        if self.metrics is not None:
            self.metrics.write({'iter': current_iter, 'epoch': epoch, 'lr': lrs, **times, **values})
        if self.tb_logger is not None:
            self.tb_logger.add_scalar('lr', lrs[0], current_iter)

    def log_validation(
        self,
        current_iter: int,
        dataset_name: str,
        results: dict[str, float],
        inputs: dict[str, float],
        gates: dict[str, bool] | None = None,
    ) -> None:
        """Note the scores of a validation for programs; people read them in the log and in TensorBoard.

        Args:
            inputs: what the untouched inputs score.
            gates: metric -> whether its limits are kept.
        """
        if self.metrics is not None and results:
            event: dict[str, Any] = {'iter': current_iter, 'val': dataset_name, **results}
            event |= {f'input_{name}': value for name, value in inputs.items()}
            self.metrics.write(event | ({'gates': gates} if gates else {}))

    def close(self, complete: bool = True) -> None:
        """Flush and close the curves, and leave the folder to other processes."""
        if self.hparams_row is not None and complete:
            self.hparams_row.close()
        if self.tb_logger is not None:
            self.tb_logger.close()
        if self.lock is not None:
            self.lock.release()


def _place(file: Path, folder: Path) -> None:
    """Copy a file into a folder: there it is, at any moment, the old one or the complete new one."""
    partial = folder / f'{file.name}.partial.{os.getpid()}'
    with file.open('rb') as source, partial.open('wb') as target:
        shutil.copyfileobj(source, target)
        target.flush()
        os.fsync(target.fileno())
    os.replace(partial, folder / file.name)
