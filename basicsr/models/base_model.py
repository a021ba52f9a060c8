"""What every model shares: device, optimizers, learning rates, files, and the best validation scores."""

import copy
import os
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from basicsr.engine.checkpoint import load_weights, save_atomic
from basicsr.engine.ema import update_ema
from basicsr.engine.lr_scheduler import build_scheduler, warmup_lr
from basicsr.engine.optim import build_optimizer
from basicsr.models.validation import ValidationMixin
from basicsr.utils.dist_util import master_only
from basicsr.utils.errors import OptionError
from basicsr.utils.logger import get_root_logger


class BaseModel(ValidationMixin):
    """Base of the models. Names of attributes and methods are BasicSR's, so that its subclasses work.

    Args:
        opt: complete options, with the keys that `runtime_options` fills in.
    """

    def __init__(self, opt: dict) -> None:
        self.opt = opt
        self.device = torch.device('cuda' if opt['num_gpu'] != 0 and torch.cuda.is_available() else 'cpu')
        self.is_train = opt['is_train']
        self.schedulers: list = []
        self.optimizers: list = []
        self.log_dict: dict = {}
        self.best_metric_results: dict[str, dict] = {}
        self.input_results: dict[str, dict[str, float]] = {}
        self._has_warned_of_tiles = False

    # Networks.

    def model_to_device(self, net: nn.Module) -> nn.Module:
        """Move a network to the device, and wrap it for distributed training."""
        net = net.to(self.device)
        if self.opt['dist']:
            return DistributedDataParallel(net, find_unused_parameters=self.opt.get('find_unused_parameters', False))
        return net

    def get_bare_model(self, net: nn.Module) -> nn.Module:
        """Return a network without its distributed wrapper."""
        return net.module if isinstance(net, DistributedDataParallel | nn.DataParallel) else net

    def print_network(self, net: nn.Module) -> None:
        """Log the class of a network and its number of parameters."""
        bare = self.get_bare_model(net)
        count = sum(p.numel() for p in bare.parameters())
        get_root_logger().info(f'Network: {type(bare).__name__}, with parameters: {count:,d}')

    def model_ema(self, decay: float = 0.999) -> None:
        """Move `net_g_ema` towards `net_g`; `decay` 0 copies."""
        update_ema(self.net_g_ema, self.get_bare_model(self.net_g), decay)

    # Optimizers and learning rates.

    def get_optimizer(self, optim_type: str, params: Any, lr: float, **kwargs: Any) -> torch.optim.Optimizer:
        """Build an optimizer by its name in torch.optim."""
        return build_optimizer(params, optim_type, lr=lr, **kwargs)

    def setup_schedulers(self) -> None:
        """Build the schedule of every optimizer."""
        options = self.opt['train']['scheduler']
        for optimizer in self.optimizers:
            self.schedulers.append(build_scheduler(optimizer, self.opt['train']['total_iter'], **options))

    def update_learning_rate(self, current_iter: int, warmup_iter: int = -1) -> None:
        """Set the learning rates of iteration `current_iter`, counted from 1."""
        if current_iter > 1:
            for scheduler in self.schedulers:
                scheduler.step()
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                rate = warmup_lr(group['initial_lr'], current_iter, warmup_iter)
                if rate is not None:
                    group['lr'] = rate

    def get_current_learning_rate(self) -> list[float]:
        """Return the learning rates of the first optimizer's parameter groups."""
        return [group['lr'] for group in self.optimizers[0].param_groups]

    # Log.

    def get_current_log(self) -> dict[str, float]:
        """Return the values to log as numbers."""
        return {name: float(value) for name, value in self.log_dict.items()}

    def reduce_loss_dict(self, loss_dict: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Detach values for the log; they are averaged over ranks when they are read."""
        return {name: value.detach().mean() for name, value in loss_dict.items()}

    # Files.

    @master_only
    def save_network(
        self, net: nn.Module | list, net_label: str, current_iter: int | str, param_key: str | list = 'params'
    ) -> None:
        """Write `models/<net_label>_<iteration>.pth`; iteration -1 is called `latest`.

        Raises:
            CheckpointError: the file cannot be written, or a weight is not finite.
        """
        nets, keys = (net, param_key) if isinstance(net, list) else ([net], [param_key])
        name = 'latest' if current_iter == -1 else current_iter
        data = {
            key: {k: v.detach().cpu() for k, v in self.get_bare_model(n).state_dict().items()}
            for key, n in zip(keys, nets)
        }
        save_atomic(data, os.path.join(self.opt['path']['models'], f'{net_label}_{name}.pth'))

    def load_network(
        self, net: nn.Module, load_path: str, strict: bool = True, param_key: str | None = 'params'
    ) -> None:
        """Load weights; see `basicsr.engine.checkpoint.load_weights`."""
        net = self.get_bare_model(net)
        taken, left_out = load_weights(net, load_path, param_key, strict)
        logger = get_root_logger()
        logger.info(f'Loading {type(net).__name__} model from {load_path}, with param key: [{taken}].')
        for line in left_out:
            logger.warning(f'    {line}')

    @master_only
    def save_training_state(self, epoch: int, current_iter: int) -> None:
        """Write `training_states/<iteration>.state`: all that continues this run, beside the weights."""
        if current_iter == -1:
            return
        state = {'epoch': epoch, 'iter': current_iter, **self.training_state()}
        save_atomic(state, os.path.join(self.opt['path']['training_states'], f'{current_iter}.state'))

    def training_state(self) -> dict:
        """Return what continues this run beside the weights."""
        return {
            'optimizers': [optimizer.state_dict() for optimizer in self.optimizers],
            'schedulers': [scheduler.state_dict() for scheduler in self.schedulers],
            'manual_seed': self.opt['manual_seed'],
            'world_size': self.opt.get('world_size', 1),
            'best_metric_results': copy.deepcopy(self.best_metric_results),
        }

    def resume_training(self, resume_state: dict) -> None:
        """Load optimizers, schedules and best scores from a training state."""
        for what in ('optimizers', 'schedulers'):
            own, saved = getattr(self, what), resume_state[what]
            if len(own) != len(saved):
                raise OptionError(f'the training state holds {len(saved)} {what}, this model has {len(own)}')
            for target, state in zip(own, saved):
                target.load_state_dict(copy.deepcopy(state))
        self.best_metric_results = copy.deepcopy(resume_state.get('best_metric_results', {}))
