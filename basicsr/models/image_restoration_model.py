"""Trains a restoration or enhancement network on pairs, with any list of loss terms."""

import copy
from collections.abc import Sequence
from typing import Any

import torch

from basicsr.archs import build_network
from basicsr.engine.finite import report_nonfinite, step_if_finite
from basicsr.engine.grad_clip import clip_gradients
from basicsr.engine.running_mean import RunningMean
from basicsr.engine.tiling import global_layers, last_output, tiled
from basicsr.losses.ledger import LastLayer, read_ledger
from basicsr.losses.objective import build_objective
from basicsr.losses.term import Term
from basicsr.models.base_model import BaseModel
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
        self.objective = build_objective(train_opt['losses'], train_opt.get('calibration_iter', 100)).to(self.device)
        for line in self.objective.advice():
            get_root_logger().warning(line)
        self.split_backward = train_opt.get('split_backward', True)
        self.last_layer = LastLayer(self.get_bare_model(self.net_g), train_opt.get('last_layer'))
        self.ledger_freq = self.opt['logger'].get('ledger_freq', 100)
        self._dominant: set[str] = set()
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
        """Do one step: forward, objective, backward, clip, optimizer, EMA. Waits for the device nowhere.

        A step whose gradient is not finite is left out.
        """
        self.current_iter = current_iter
        self.optimizer_g.zero_grad()
        with self.last_layer.watch():
            preds = self.net_g(self.lq)
        preds = preds if isinstance(preds, list | tuple) else [preds]
        self.output = preds[-1]

        log = self._backward_by_term(preds) if self.split_backward else self._backward_of_sum(preds)
        norm, clipped = clip_gradients(self.net_g.parameters(), **self.grad_clip)
        skipped = step_if_finite(self.optimizer_g, norm)
        if self.ema_decay > 0:
            self.model_ema(decay=self.ema_decay)

        log |= {'grad/norm': norm, 'grad/clipped': clipped, 'grad/skipped': skipped}
        self.log_dict = self.reduce_loss_dict(log)
        self.running_mean.add(self.log_dict)

    def _backward_of_sum(self, preds: Sequence[torch.Tensor]) -> dict[str, torch.Tensor]:
        total, log = self.objective(preds, self.gt, self.current_iter)
        total.backward()
        return log

    def _backward_by_term(self, preds: Sequence[torch.Tensor]) -> dict[str, torch.Tensor]:
        """Backward pass split at the output; every `ledger_freq` iterations, who pulls how hard."""
        gradient, log = self.objective.split(preds, self.gt, self.current_iter)
        log |= {f'nonfinite/{name}': flag for name, flag in gradient.nonfinite().items()}
        looks = self.ledger_freq and self.current_iter % self.ledger_freq == 0
        if looks or self.objective.is_calibrating:
            rows = gradient.at_parameters(self.last_layer.parameters)
            if self.objective.is_calibrating:
                rows = self.objective.calibrate(gradient, rows, self.current_iter)
            log |= read_ledger(list(gradient.by_term), rows)
            log |= {f'grad_zero/{name}': share for name, share in gradient.zero_fraction().items()}
        gradient.backward()
        return log

    def get_current_log(self) -> dict[str, float]:
        """Return the means since the last call, and the present weights. Waits for the device once.

        Raises:
            UserError: a term or the gradient is not finite; the message names it.
        """
        values = self.running_mean.read() if hasattr(self, 'running_mean') else {}
        if not values:  # a subclass with a step of its own fills log_dict alone
            return super().get_current_log()
        report_nonfinite(values, self.current_iter)
        self._warn_of_dominance(values)
        values = {name: value for name, value in values.items() if value or not name.startswith('nonfinite/')}
        weights = self.objective.weights_at(self.current_iter)
        return values | {f'loss_weight/{name}': weight for name, weight in weights.items()}

    def _warn_of_dominance(self, values: dict[str, float]) -> None:
        """Say once of a term that it holds nearly all of the gradient: the others then have no say."""
        for name in self.objective.terms:
            share = values.get(f'grad_share/{name}', 0.0)
            if share > 0.95 and len(self.objective.terms) > 1 and name not in self._dominant:
                self._dominant.add(name)
                get_root_logger().warning(
                    f'{name} holds {share:.1%} of the gradient at these weights: the other terms have no say'
                )

    # Inference.

    def test(self) -> None:
        """Run the network, its moving average where there is one, on `lq`; the last output becomes `output`."""
        net = self.net_g_ema if hasattr(self, 'net_g_ema') else self.get_bare_model(self.net_g)
        was_training = net.training
        net.eval()
        tile = (self.opt.get('val') or {}).get('tile')
        with torch.inference_mode():
            if tile and max(self.lq.shape[-2:]) > tile['size']:
                self._warn_of_tiles(net)
                self.output = tiled(net, self.lq, **tile, scale=self.opt.get('scale', 1))
            else:
                self.output = last_output(net(self.lq))
        net.train(was_training)

    def _warn_of_tiles(self, net: torch.nn.Module) -> None:
        """Say once of a network that looks at the whole image that tiles change what it gives."""
        layers = global_layers(net)
        if layers and not self._has_warned_of_tiles:
            self._has_warned_of_tiles = True
            get_root_logger().warning(
                f'val.tile: {layers[0]} averages over the whole image, or tile: the result depends on the tiles; '
                'NAFNetLocal does not (docs/inference.md)'
            )

    def get_current_visuals(self) -> dict[str, torch.Tensor]:
        """Return the current `lq`, `result` and, where there is one, `gt` on the CPU."""
        visuals = {'lq': self.lq.detach().cpu(), 'result': self.output.detach().cpu()}
        if hasattr(self, 'gt'):
            visuals['gt'] = self.gt.detach().cpu()
        return visuals

    # Files.

    def save(self, epoch: int, current_iter: int) -> None:
        """Write the weights, then the training state."""
        self.save_weights(current_iter)
        self.save_training_state(epoch, current_iter)

    def save_weights(self, current_iter: int | str) -> None:
        """Write `net_g_<iteration>.pth`: `params`, with EMA also `params_ema`; iteration -1 is called `latest`."""
        if hasattr(self, 'net_g_ema'):
            self.save_network([self.net_g, self.net_g_ema], 'net_g', current_iter, param_key=['params', 'params_ema'])
        else:
            self.save_network(self.net_g, 'net_g', current_iter)

    def training_state(self) -> dict:
        """Return what continues this run beside the weights; with it, the weights found for `share` terms."""
        return super().training_state() | {'calibration': self.objective.calibration_state()}

    def resume_training(self, resume_state: dict) -> None:
        """Load optimizer, schedule, best scores, calibrated weights; the moving average comes from the weights file."""
        super().resume_training(resume_state)
        self.objective.load_calibration(resume_state.get('calibration'))
        if hasattr(self, 'net_g_ema') and self.opt['path'].get('pretrain_network_g'):
            self.load_network(self.net_g_ema, self.opt['path']['pretrain_network_g'], True, 'params_ema')
