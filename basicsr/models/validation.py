"""How a model is validated: every image scored, the means logged, the best weights kept, the worst images shown."""

import json
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from basicsr.data.feed import feed
from basicsr.metrics.best import best_of_nothing, is_at_least_as_good
from basicsr.metrics.gallery import Gallery
from basicsr.metrics.gates import judge, read_reference
from basicsr.metrics.scores import Scores
from basicsr.metrics.scoring import Scorer
from basicsr.metrics.summary import describe_colors
from basicsr.models.validation_part import Part, picture_name, undo_normalization, warn_of_nan, warn_of_unreadable
from basicsr.utils.atomic import write_atomic
from basicsr.utils.check_validation import has_targets
from basicsr.utils.dist_util import get_dist_info, values_of_ranks
from basicsr.utils.errors import UserError
from basicsr.utils.img_util import imwrite, tensor2img
from basicsr.utils.logger import finite_or_null, get_root_logger
from basicsr.utils.run_options import GalleryOptions


class ValidationMixin:
    """Validation of a model that has `feed_data`, `test` and `get_current_visuals`.

    Attributes:
        metric_results: metric -> mean over the set that was validated last.
        validation_scores: set -> scores of its images, of the latest validation.
        best_metric_results: set -> metric -> `better`, `val`, `iter`.
        input_results: set -> metric -> mean of the untouched inputs, where they have the size of the targets.
        gate_references: set -> scores that the gates compare with, see `read_references`.
        gate_results: set -> what the gates say of it.
    """

    def validation(self, dataloader: Any, current_iter: int | str, tb_logger: Any, save_img: bool = False) -> None:
        """Validate on one set. In distributed training each rank validates its share of the images."""
        validate = self.dist_validation if self.opt['dist'] else self.nondist_validation
        validate(dataloader, current_iter, tb_logger, save_img)

    def dist_validation(self, dataloader: Any, current_iter: int | str, tb_logger: Any, save_img: bool) -> None:
        """Validate, each rank on its share: what is logged is what one process would have found, to the last digit."""
        self.nondist_validation(dataloader, current_iter, tb_logger, save_img)

    def nondist_validation(self, dataloader: Any, current_iter: int | str, tb_logger: Any, save_img: bool) -> None:
        """Run over a set, score every image, save the pictures if asked, and log the means."""
        started, name = time.perf_counter(), dataloader.dataset.opt['name']
        gallery = Gallery(gallery_options(self.opt['val']), Scorer(self.opt['val'], self.device).better)
        part = Part.joined(values_of_ranks(self._validate_images(dataloader, gallery, current_iter, save_img)))
        warn_of_unreadable(name, part)

        scores = part.table(part.scores)
        self.validation_scores = {**getattr(self, 'validation_scores', {}), name: scores}
        self.metric_results = scores.means()
        if name not in self.input_results:
            self.input_results[name] = part.table(part.inputs).means()
        if self.metric_results:
            warn_of_nan(scores)
            self._initialize_best_metric_results(name)
            for label, value in self.metric_results.items():
                self._update_best_metric_result(name, label, value, current_iter)
            self._log_validation_metric_values(current_iter, name, tb_logger)
        rate = len(part.paths) / (time.perf_counter() - started)
        get_root_logger().info(f'{name}: {len(part.paths)} images, {rate:.2f} images/s')

        if get_dist_info()[0] == 0 and scores.rows and 'val' in self.opt['path']:
            scores.save(Path(self.opt['path']['val'], name, f'{current_iter}.csv'))
        self._judge(name, scores)
        if 'val' in self.opt['path']:
            gallery.write(Path(self.opt['path']['val']), name, current_iter, scores, tb_logger)

    def _validate_images(self, dataloader: Any, gallery: Gallery, current_iter: int | str, save_img: bool) -> Part:
        """Run over this rank's share of a set."""
        dataset_opt = dataloader.dataset.opt
        name, scorer, part = dataset_opt['name'], Scorer(self.opt['val'], self.device), Part()
        inputs_are_known = name in self.input_results
        silent = None if self.opt['val'].get('pbar', True) else True  # None: show it on a terminal only
        images = feed(dataloader, self.device, errors='yield')
        bar = tqdm(images, name, len(dataloader), leave=False, unit='image', disable=silent)
        for data, index in zip(bar, getattr(dataloader, 'sampler', range(len(dataloader)))):
            if isinstance(data, UserError):
                part.unreadable[index] = str(data)
                continue
            self.feed_data(data, is_val=True)
            self.test()
            visuals = undo_normalization(self.get_current_visuals(), dataset_opt)
            path = part.paths[index] = data['lq_path'][0] if 'lq_path' in data else f'{index}'
            if save_img:
                self._save_picture(visuals['result'], picture_name(path, dataloader.dataset), name, current_iter)
            score: dict[str, float] = {}
            if 'gt' in visuals:
                score = part.scores[index] = scorer(visuals['result'], visuals['gt'])
                if not inputs_are_known and visuals['lq'].shape == visuals['gt'].shape:
                    part.inputs[index] = scorer(visuals['lq'], visuals['gt'])
            gallery.offer(path, score, visuals)
        return part

    def _initialize_best_metric_results(self, dataset_name: str) -> None:
        """Make room for the best scores on a set, unless there is."""
        best = self.best_metric_results.setdefault(dataset_name, {})
        for label, better in Scorer(self.opt['val'], 'cpu').better.items():
            if better is not None:
                best.setdefault(label, best_of_nothing(better))

    def _update_best_metric_result(self, dataset_name: str, metric: str, val: float, current_iter: int | str) -> None:
        """Keep a score if it is at least as good as the best; NaN is no score."""
        best = self.best_metric_results[dataset_name].get(metric)
        if best is not None and is_at_least_as_good(val, best['val'], best['better']):
            best['val'], best['iter'] = val, current_iter

    def keep_best(self, current_iter: int) -> None:
        """Write `net_g_best.pth` if this validation is the best by `val.key_metric`, and beside it what it scored."""
        if not self.opt['val'].get('key_metric'):
            return
        dataset_name, metric = key_metric(self.opt)
        best = self.best_metric_results.get(dataset_name, {}).get(metric)
        scores = getattr(self, 'validation_scores', {}).get(dataset_name)
        if scores is not None and not scores.column(metric):
            get_root_logger().warning(
                f'val.key_metric: no image of {dataset_name} has a {metric}: net_g_best.pth is not written'
            )
        if best is None or best['iter'] != current_iter:
            return
        self.save_weights('best')
        if get_dist_info()[0] == 0:
            scores = {name: table.means() for name, table in self.validation_scores.items()}
            note = {'iter': current_iter, 'key_metric': f'{dataset_name}/{metric}', 'value': best['val']}
            path = Path(self.opt['path']['models'], 'net_g_best.json')
            write_atomic(path, json.dumps(finite_or_null(note | {'scores': scores}), indent=2) + '\n')
            get_root_logger().info(f'Best {dataset_name}/{metric} so far, {best["val"]:.4f}: wrote net_g_best.pth.')

    def _judge(self, dataset_name: str, scores: Scores) -> None:
        """Say of every gate whether this set passes."""
        gates = self.opt['val'].get('gates')
        if not gates or not scores.rows:
            return
        # Read before training began: the reference may be an earlier run of this name, or one that still trains.
        verdicts = judge(gates, scores, getattr(self, 'gate_references', {}).get(dataset_name))
        self.gate_results = {**getattr(self, 'gate_results', {}), dataset_name: verdicts}
        lines = ''.join(f'\n\t {verdict}' for verdict in verdicts)
        get_root_logger().info(f'Gates {dataset_name}{lines}')

    def _save_picture(self, result: torch.Tensor, name: str, dataset_name: str, current_iter: int | str) -> None:
        folder = os.path.join(self.opt['path']['visualization'], dataset_name)
        if self.is_train:
            path = os.path.join(folder, name, f'{name}_{current_iter}.png')
        else:
            path = os.path.join(folder, f'{name}_{self.opt["val"].get("suffix") or self.opt["name"]}.png')
        imwrite(tensor2img([result]), path)

    def _log_validation_metric_values(self, current_iter: int | str, dataset_name: str, tb_logger: Any) -> None:
        """Log the scores of `val.metrics` in BasicSR's format, and what the colours are like in words."""
        message = f'Validation {dataset_name}\n'
        inputs = self.input_results.get(dataset_name, {})
        for label in self.opt['val'].get('metrics') or {}:
            best = self.best_metric_results[dataset_name][label]
            message += f'\t # {label}: {self.metric_results[label]:.4f}'
            if self.is_train and best['iter'] != -1:
                message += f'\tBest: {best["val"]:.4f} @ {best["iter"]} iter'
            if label in inputs:
                message += f'\tInput: {inputs[label]:.4f}'
            message += '\n'
        get_root_logger().info(message + describe_colors(self.validation_scores[dataset_name], inputs))
        for label, value in self.metric_results.items() if tb_logger is not None else ():
            tb_logger.add_scalar(f'metrics/{dataset_name}/{label}', value, current_iter)


def gallery_options(val: Mapping) -> dict | None:
    """Return the options of the gallery: those of the file, or the defaults where colours are measured."""
    if val.get('gallery') is None and val.get('color_fidelity'):
        return GalleryOptions().model_dump()
    return val.get('gallery')


def key_metric(opt: Mapping) -> tuple[str, str]:
    """Return the name of the set and the metric by which the best weights are chosen."""
    name, _, metric = opt['val']['key_metric'].rpartition('/')
    first = next(o['name'] for key, o in opt['datasets'].items() if key != 'train' and has_targets(o))
    return name or first, metric


def read_references(val: Mapping | None, datasets: Iterable) -> dict[str, Scores]:
    """Return the scores that the gates compare with, of every set that has targets.

    Raises:
        DataError: there are none that could be compared.
    """
    found = {}
    for dataset in datasets:
        if has_targets(dataset.opt):
            paths = [path['lq_path'] for path in getattr(dataset, 'paths', ()) if 'lq_path' in path]
            found[dataset.opt['name']] = read_reference(val or {}, dataset.opt['name'], paths)
    return {name: scores for name, scores in found.items() if scores is not None}
