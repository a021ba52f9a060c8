"""Trains a restoration or enhancement network on pairs, with any list of loss terms."""

import copy
import math
import os
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from basicsr.archs import build_network
from basicsr.engine.grad_clip import clip_gradients
from basicsr.engine.running_mean import RunningMean
from basicsr.losses.objective import Term, build_objective
from basicsr.metrics import calculate_metric
from basicsr.models.base_model import BaseModel
from basicsr.utils.dist_util import get_dist_info
from basicsr.utils.errors import UserError
from basicsr.utils.img_util import imwrite, tensor2img
from basicsr.utils.logger import get_root_logger
from basicsr.utils.registry import MODEL_REGISTRY


@MODEL_REGISTRY.register()
class ImageRestorationModel(BaseModel):
    """One network, one objective, one optimizer.

    Gradients are clipped to norm 0.01 unless `train.grad_clip` says otherwise, as in NAFNet.
    """

    default_grad_clip: dict = {'type': 'norm', 'max_norm': 0.01}

    def __init__(self, opt: dict) -> None:
        super().__init__(opt)
        net = build_network(opt['network_g'])
        self.net_g = self.model_to_device(net)
        self.print_network(self.net_g)
        self.input_results: dict[str, dict[str, float]] = {}

        path = opt['path']
        if path.get('pretrain_network_g') is not None:
            self.load_network(
                self.net_g, path['pretrain_network_g'], path.get('strict_load_g', True), path.get('param_key_g', 'auto')
            )
        if self.is_train:
            self.init_training_settings()

    # Set-up.

    def init_training_settings(self) -> None:
        """Build what training needs beside the network."""
        self.net_g.train()
        train_opt = self.opt['train']
        self.ema_decay = train_opt.get('ema_decay', 0)
        if self.ema_decay > 0:  # without EMA the attribute is absent: subclasses ask hasattr
            self.net_g_ema = copy.deepcopy(self.get_bare_model(self.net_g)).eval().requires_grad_(False)
            get_root_logger().info(f'Use Exponential Moving Average with decay: {self.ema_decay}')
        self.objective = build_objective(train_opt['losses']).to(self.device)
        self.grad_clip = self._choose_grad_clip(train_opt.get('grad_clip'))
        self.running_mean = RunningMean()
        self.setup_optimizers()
        self.setup_schedulers()

    def _choose_grad_clip(self, options: dict | None) -> dict:
        if options is not None:
            return {key: value for key, value in options.items() if value is not None}
        default = self.default_grad_clip
        shown = ', '.join(f'{key}: {value}' for key, value in default.items())
        get_root_logger().info(
            f'Gradient clipping is the default of {type(self).__name__}: {{{shown}}}; change it with '
            'train.grad_clip: {type: norm, max_norm: 1.0}, or {type: none}'
        )
        return default

    def setup_optimizers(self) -> None:
        """Build the optimizer over the parameters that need a gradient; name those that do not."""
        trained = []
        for name, parameter in self.net_g.named_parameters():
            if parameter.requires_grad:
                trained.append(parameter)
            else:
                get_root_logger().warning(f'Params {name} will not be optimized.')
        options = dict(self.opt['train']['optim_g'])
        self.optimizer_g = self.get_optimizer(options.pop('type'), trained, **options)
        self.optimizers.append(self.optimizer_g)

    @property
    def cri_pix(self) -> Term | None:
        """The term called `pix`, as `pixel_opt` makes it, for subclasses that call it themselves."""
        return self.objective.find('pix')

    @property
    def cri_perceptual(self) -> Term | None:
        """The term called `percep`, as `perceptual_opt` makes it."""
        return self.objective.find('percep')

    # A training step.

    def feed_data(self, data: dict, is_val: bool = False) -> None:
        """Take over a batch: `lq` and, where there is one, the target `gt`; both (N, C, H, W) in [0, 1]."""
        self.lq = data['lq'].to(self.device, non_blocking=True)
        if 'gt' in data:
            self.gt = data['gt'].to(self.device, non_blocking=True)
        elif hasattr(self, 'gt'):
            del self.gt

    def optimize_parameters(self, current_iter: int, tb_logger: Any = None) -> None:
        """Do one step: forward, objective, backward, clip, optimizer, EMA. Waits for the device nowhere."""
        self.optimizer_g.zero_grad()
        preds = self.net_g(self.lq)
        preds = preds if isinstance(preds, list | tuple) else [preds]
        self.output = preds[-1]

        total, log = self.objective(preds, self.gt, current_iter)
        total.backward()
        norm, clipped = clip_gradients(self.net_g.parameters(), **self.grad_clip)
        self.optimizer_g.step()
        if self.ema_decay > 0:
            self.model_ema(decay=self.ema_decay)

        self.log_dict = self.reduce_loss_dict(log | {'grad/norm': norm, 'grad/clipped': clipped})
        self.running_mean.add(self.log_dict)
        self.current_iter = current_iter

    def get_current_log(self) -> dict[str, float]:
        """Return the means since the last call, and the present weights. Waits for the device once.

        Raises:
            UserError: a term or the gradient is not finite; the message names it.
        """
        values = self.running_mean.read() if hasattr(self, 'running_mean') else {}
        if not values:  # a subclass with a step of its own fills log_dict alone
            return super().get_current_log()
        broken = [name for name, value in values.items() if not math.isfinite(value)]
        if broken:
            names = [name for name in broken if name.startswith('l_')] or broken
            raise UserError(
                f'iteration {self.current_iter}: {", ".join(names)} became NaN or infinite since the last log line.\n'
                'Continue from the last checkpoint with --auto_resume, after lowering train.optim_g:lr, clipping '
                'gradients (train.grad_clip), or lowering the weight of the term that is named.'
            )
        weights = self.objective.weights_at(self.current_iter)
        return values | {f'loss_weight/{name}': weight for name, weight in weights.items()}

    # Validation.

    def test(self) -> None:
        """Run the network, its moving average where there is one, on `lq`; the last output becomes `output`."""
        net = self.net_g_ema if hasattr(self, 'net_g_ema') else self.get_bare_model(self.net_g)
        was_training = net.training
        net.eval()
        with torch.inference_mode():
            output = net(self.lq)
        net.train(was_training)
        self.output = output[-1] if isinstance(output, list | tuple) else output

    def get_current_visuals(self) -> dict[str, torch.Tensor]:
        """Return the current `lq`, `result` and, where there is one, `gt` on the CPU."""
        visuals = {'lq': self.lq.detach().cpu(), 'result': self.output.detach().cpu()}
        if hasattr(self, 'gt'):
            visuals['gt'] = self.gt.detach().cpu()
        return visuals

    def dist_validation(self, dataloader: Any, current_iter: int | str, tb_logger: Any, save_img: bool) -> None:
        """Validate on rank 0."""
        if get_dist_info()[0] == 0:
            self.nondist_validation(dataloader, current_iter, tb_logger, save_img)

    def nondist_validation(self, dataloader: Any, current_iter: int | str, tb_logger: Any, save_img: bool) -> None:
        """Run over a set, score every image, save the pictures if asked, and log the means."""
        dataset_name = dataloader.dataset.opt['name']
        metrics = self.opt['val'].get('metrics') or {}
        inputs_are_known = dataset_name in self.input_results
        scores, input_scores = [], []

        silent = None if self.opt['val'].get('pbar', True) else True  # None: show it on a terminal only
        for data in tqdm(dataloader, desc=dataset_name, unit='image', leave=False, disable=silent):
            if isinstance(data, UserError):
                raise data
            self.feed_data(data, is_val=True)
            self.test()
            visuals = self.get_current_visuals()
            if save_img:
                self._save_picture(visuals['result'], data['lq_path'][0], dataset_name, current_iter)
            if metrics and 'gt' in visuals:
                scores.append(self._score(visuals['result'], visuals['gt']))
                if not inputs_are_known and visuals['lq'].shape == visuals['gt'].shape:
                    input_scores.append(self._score(visuals['lq'], visuals['gt']))

        self.metric_results = _means(scores)
        if not inputs_are_known:
            self.input_results[dataset_name] = _means(input_scores)
        if self.metric_results:
            self._initialize_best_metric_results(dataset_name)
            for label, value in self.metric_results.items():
                self._update_best_metric_result(dataset_name, label, value, current_iter)
            self._log_validation_metric_values(current_iter, dataset_name, tb_logger)

    def _score(self, result: torch.Tensor, gt: torch.Tensor) -> dict[str, float]:
        """Return every metric of one image, (1, C, H, W) in [0, 1]."""
        if self.opt['val'].get('use_image', True):
            images = {'img': tensor2img([result]), 'img2': tensor2img([gt])}
        else:  # the float output, not clamped, in BGR and in units of 8-bit codes as the metrics expect
            images = {'img': _to_bgr_codes(result), 'img2': _to_bgr_codes(gt)}
        metrics = self.opt['val']['metrics']
        return {label: float(calculate_metric(images, options)) for label, options in metrics.items()}

    def _save_picture(self, result: torch.Tensor, lq_path: str, dataset_name: str, current_iter: int | str) -> None:
        name = os.path.splitext(os.path.basename(lq_path))[0]
        folder = os.path.join(self.opt['path']['visualization'], dataset_name)
        if self.is_train:
            path = os.path.join(folder, name, f'{name}_{current_iter}.png')
        else:
            path = os.path.join(folder, f'{name}_{self.opt["val"].get("suffix") or self.opt["name"]}.png')
        imwrite(tensor2img([result]), path)

    def _log_validation_metric_values(self, current_iter: int | str, dataset_name: str, tb_logger: Any) -> None:
        """Log the scores in BasicSR's format; behind them, what the untouched input scores."""
        message = f'Validation {dataset_name}\n'
        inputs = self.input_results.get(dataset_name, {})
        for label, value in self.metric_results.items():
            best = self.best_metric_results[dataset_name][label]
            message += f'\t # {label}: {value:.4f}'
            if self.is_train:
                message += f'\tBest: {best["val"]:.4f} @ {best["iter"]} iter'
            if label in inputs:
                message += f'\tInput: {inputs[label]:.4f}'
            message += '\n'
            if tb_logger is not None:
                tb_logger.add_scalar(f'metrics/{dataset_name}/{label}', value, current_iter)
        get_root_logger().info(message)

    # Files.

    def save(self, epoch: int, current_iter: int) -> None:
        """Write the weights (`params`, with EMA also `params_ema`), then the training state."""
        if hasattr(self, 'net_g_ema'):
            self.save_network([self.net_g, self.net_g_ema], 'net_g', current_iter, param_key=['params', 'params_ema'])
        else:
            self.save_network(self.net_g, 'net_g', current_iter)
        self.save_training_state(epoch, current_iter)

    def resume_training(self, resume_state: dict) -> None:
        """Load optimizer, schedule and best scores; the moving average comes from the weights file."""
        super().resume_training(resume_state)
        if hasattr(self, 'net_g_ema') and self.opt['path'].get('pretrain_network_g'):
            self.load_network(self.net_g_ema, self.opt['path']['pretrain_network_g'], True, 'params_ema')


def _means(scores: list[dict[str, float]]) -> dict[str, float]:
    return {label: sum(score[label] for score in scores) / len(scores) for label in scores[0]} if scores else {}


def _to_bgr_codes(image: torch.Tensor) -> np.ndarray:
    """RGB (1, C, H, W) in [0, 1] -> BGR (H, W, C) in units of 8-bit codes, neither rounded nor clamped."""
    return image[0].permute(1, 2, 0).numpy()[..., ::-1] * 255.0
