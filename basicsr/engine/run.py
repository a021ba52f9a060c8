"""The folder of a run and everything that is written while it trains, weights apart."""

import os
from pathlib import Path
from typing import Any

from basicsr.engine.checkpoint import sweep_partial
from basicsr.engine.start import Start
from basicsr.utils.dist_util import barrier, get_dist_info
from basicsr.utils.logger import JsonLines, MessageLogger, get_root_logger, init_tb_logger
from basicsr.utils.misc import archive_existing, get_time_str
from basicsr.utils.options import copy_opt_file, dump_options


class Run:
    """An open run: its folders exist, its log file is written, its curves are drawn.

    Args:
        opt: complete options with absolute paths.
        resolved: complete options as the user could have written them.
        opt_file: the option file, copied into the run folder.
        start: a folder of the same name is archived, unless the run is resumed.
    """

    def __init__(self, opt: dict, resolved: dict, opt_file: str, start: Start) -> None:
        path = opt['path']
        self.folder = Path(path['experiments_root'])
        self.tb_folder = Path(path['tb_root'])
        self.tb_logger = self.metrics = None
        if get_dist_info()[0] == 0:
            self._make_folders(path, keep=start.mode == 'resume')
            copy_opt_file(opt_file, str(self.folder))
            (self.folder / 'resolved.yml').write_text(dump_options(resolved), encoding='utf-8')
            self.metrics = JsonLines(self.folder / 'metrics.jsonl', keep_until=start.iteration)
            if opt['logger']['use_tb_logger']:
                purge_step = start.iteration + 1 if start.mode == 'resume' else None
                self.tb_logger = init_tb_logger(str(self.tb_folder), purge_step)
        barrier()
        get_root_logger(
            log_file=os.path.join(path['log'], f'train_{opt["name"].replace("/", "_")}_{get_time_str()}.log')
        )
        self.message_logger = MessageLogger(opt, start.iteration + 1, self.tb_logger)

    def _make_folders(self, path: dict, keep: bool) -> None:
        if not keep:
            for folder in (self.folder, self.tb_folder):
                archived = archive_existing(folder)
                if archived is not None:
                    get_root_logger().info(f'Path already exists. Rename it to {archived}')
        for key in ('models', 'training_states', 'visualization'):
            os.makedirs(path[key], exist_ok=True)
            sweep_partial(path[key])

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
        self, current_iter: int, dataset_name: str, results: dict[str, float], inputs: dict[str, float]
    ) -> None:
        """Note the scores of a validation for programs; people read them in the log and in TensorBoard."""
        if self.metrics is not None and results:
            event: dict[str, Any] = {'iter': current_iter, 'val': dataset_name, **results}
            self.metrics.write(event | {f'input_{name}': value for name, value in inputs.items()})

    def close(self) -> None:
        """Flush and close the curves."""
        if self.tb_logger is not None:
            self.tb_logger.close()
