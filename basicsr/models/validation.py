"""How a model is validated: every image scored, the means logged, the best kept."""

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from basicsr.data.feed import feed
from basicsr.metrics import calculate_metric
from basicsr.utils.dist_util import get_dist_info
from basicsr.utils.img_util import imwrite, tensor2img
from basicsr.utils.logger import get_root_logger


class ValidationMixin:
    """Validation of a model that has `feed_data`, `test` and `get_current_visuals`.

    Attributes:
        metric_results: metric -> mean over the set that was validated last.
        best_metric_results: set -> metric -> `better`, `val`, `iter`.
        input_results: set -> metric -> mean of the untouched inputs, where they have the size of the targets.
    """

    def validation(self, dataloader: Any, current_iter: int | str, tb_logger: Any, save_img: bool = False) -> None:
        """Validate on one set. In distributed training rank 0 validates, and the others wait at the next collective."""
        validate = self.dist_validation if self.opt['dist'] else self.nondist_validation
        validate(dataloader, current_iter, tb_logger, save_img)

    def _initialize_best_metric_results(self, dataset_name: str) -> None:
        """Make room for the best scores on a set, unless there is."""
        if dataset_name not in self.best_metric_results:
            self.best_metric_results[dataset_name] = {
                label: {
                    'better': options.get('better', 'higher'),
                    'val': float('-inf') if options.get('better', 'higher') == 'higher' else float('inf'),
                    'iter': -1,
                }
                for label, options in self.opt['val']['metrics'].items()
            }

    def _update_best_metric_result(self, dataset_name: str, metric: str, val: float, current_iter: int | str) -> None:
        """Keep a score if it is at least as good as the best; NaN is no score."""
        if math.isnan(val):
            return
        best = self.best_metric_results[dataset_name][metric]
        if (val >= best['val']) if best['better'] == 'higher' else (val <= best['val']):
            best['val'], best['iter'] = val, current_iter

    def dist_validation(self, dataloader: Any, current_iter: int | str, tb_logger: Any, save_img: bool) -> None:
        """Validate on rank 0."""
        if get_dist_info()[0] == 0:
            self.nondist_validation(dataloader, current_iter, tb_logger, save_img)

    def nondist_validation(self, dataloader: Any, current_iter: int | str, tb_logger: Any, save_img: bool) -> None:
        """Run over a set, score every image, save the pictures if asked, and log the means."""
        dataset_opt = dataloader.dataset.opt
        dataset_name = dataset_opt['name']
        metrics = self.opt['val'].get('metrics') or {}
        inputs_are_known = dataset_name in self.input_results
        names, scores, input_scores = [], [], []

        silent = None if self.opt['val'].get('pbar', True) else True  # None: show it on a terminal only
        images = feed(dataloader, self.device)
        for data in tqdm(images, dataset_name, len(dataloader), leave=False, unit='image', disable=silent):
            self.feed_data(data, is_val=True)
            self.test()
            visuals = _undo_normalization(self.get_current_visuals(), dataset_opt)
            if save_img:
                self._save_picture(visuals['result'], data['lq_path'][0], dataset_name, current_iter)
            if metrics and 'gt' in visuals:
                names.append(data['lq_path'][0] if 'lq_path' in data else f'number {len(names) + 1}')
                scores.append(self._score(visuals['result'], visuals['gt']))
                if not inputs_are_known and visuals['lq'].shape == visuals['gt'].shape:
                    input_scores.append(self._score(visuals['lq'], visuals['gt']))

        self.metric_results = _means(scores)
        _warn_of_nan(names, scores)
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
            if self.is_train and best['iter'] != -1:
                message += f'\tBest: {best["val"]:.4f} @ {best["iter"]} iter'
            if label in inputs:
                message += f'\tInput: {inputs[label]:.4f}'
            message += '\n'
            if tb_logger is not None:
                tb_logger.add_scalar(f'metrics/{dataset_name}/{label}', value, current_iter)
        get_root_logger().info(message)


def _undo_normalization(visuals: dict[str, torch.Tensor], dataset_opt: Mapping) -> dict[str, torch.Tensor]:
    """Return the images as they were before the dataset subtracted its `mean` and divided by its `std`.

    BasicSR scores and saves the normalized values, clamped to [0, 1]; its numbers for such sets are others.
    """
    mean, std = dataset_opt.get('mean'), dataset_opt.get('std')
    if mean is None and std is None:
        return visuals
    shift = torch.tensor(0.0 if mean is None else mean).view(-1, 1, 1)
    factor = torch.tensor(1.0 if std is None else std).view(-1, 1, 1)
    images = {key: visuals[key] * factor + shift for key in ('lq', 'result', 'gt') if key in visuals}
    return {**visuals, **images}


def _means(scores: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return the mean of each metric over the images where it has a value; NaN if there are none."""
    means = {}
    for label in scores[0] if scores else ():
        values = [score[label] for score in scores if not math.isnan(score[label])]
        means[label] = sum(values) / len(values) if values else math.nan
    return means


def _warn_of_nan(names: Sequence[str], scores: Sequence[dict[str, float]]) -> None:
    """Say of each metric which images its mean leaves out: SSIM has no value for images smaller than its window."""
    for label in scores[0] if scores else ():
        without = [name for name, score in zip(names, scores) if math.isnan(score[label])]
        if without:
            get_root_logger().warning(
                f'{label}: {len(without)} of {len(scores)} images have no value, the first is {without[0]}; '
                'the mean is that of the others'
            )


def _to_bgr_codes(image: torch.Tensor) -> np.ndarray:
    """RGB (1, C, H, W) in [0, 1] -> BGR (H, W, C) in units of 8-bit codes, neither rounded nor clamped."""
    return image[0].permute(1, 2, 0).numpy()[..., ::-1] * 255.0
