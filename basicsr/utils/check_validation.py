"""Checks the metrics of an option file, and what goes by them: gates, gallery, the best weights."""

from collections.abc import Mapping
from typing import Any

from basicsr.utils.checker import Checker
from basicsr.utils.errors import suggest
from basicsr.utils.explain import describe
from basicsr.utils.registry import METRIC_REGISTRY

_DELTAS = ('min_delta', 'max_delta')


class ValidationChecker(Checker):
    """Checks `val`."""

    def metrics(self, val: Any) -> dict:
        """Check `val.metrics`; return it complete, if there is any."""
        metrics = val.get('metrics') if isinstance(val, dict) else None
        result = {}
        for label, options in metrics.items() if isinstance(metrics, dict) else ():
            path = ('val', 'metrics', label)
            if not isinstance(options, dict):
                continue
            own = {k: v for k, v in options.items() if k != 'better'}
            result[label] = self.component(METRIC_REGISTRY, own, path, filled=('img', 'img2'), also_known=['better'])
            if 'better' in options:
                better = result[label]['better'] = options['better']
                is_number = isinstance(better, int | float) and not isinstance(better, bool)
                if better not in ('higher', 'lower') and not is_number:
                    expected = "expected 'higher', 'lower' or the number that is best"
                    self.problems.append((path + ('better',), f'{expected}, got {describe(better)}'))
        return {'metrics': result} if result else {}

    def names_of_metrics(self, val: dict, datasets: dict) -> None:
        """Check that what gates, gallery and the best weights go by is computed."""
        colors = _colors() if val.get('color_fidelity') else []
        known = list(dict.fromkeys([*(val.get('metrics') or {}), *colors]))
        gates = val.get('gates') or {}
        asked = {('gates', metric): metric for metric in gates}
        if (val.get('gallery') or {}).get('worst'):
            asked['gallery', 'metric'] = val['gallery']['metric']
        if val.get('key_metric'):
            asked['key_metric',] = self.key_metric(val['key_metric'], datasets)
        for path, metric in asked.items():
            if metric not in known:
                hint = '' if colors else '; `color_fidelity: true` measures colours'
                computed = f'(computed: {", ".join(known) or "none"}{hint})'
                self.problems.append((('val', *path), f'{metric!r} is not computed{suggest(metric, known)} {computed}'))
            elif path[0] != 'gates' and _ranks_nothing(metric, val):
                self.problems.append((('val', *path), f'{metric!r} says nothing of the result: no value is the best'))
        self.gates(val, gates, datasets)
        self.colors_are_there(val, datasets)

    def gates(self, val: dict, gates: dict, datasets: dict) -> None:
        """Check that there is something to judge, and to compare with."""
        compares = any(gate.get(key) is not None for gate in gates.values() for key in _DELTAS)
        if compares and not val.get('gates_reference'):
            self.problems.append((('val', 'gates'), 'compare with a run: give its folder as `gates_reference`'))
        if val.get('gates_reference') and not compares:
            message = 'has no effect: no gate has a `min_delta` or `max_delta`; remove it, or add one'
            self.problems.append((('val', 'gates_reference'), message))
        if gates and not _sets_with_targets(datasets):
            self.problems.append((('val', 'gates'), 'no set has targets, so that nothing can be judged'))

    def colors_are_there(self, val: dict, datasets: dict) -> None:
        """Check that no set whose colours are measured is grey."""
        metrics = val.get('metrics') or {}
        measuring = [('metrics', label) for label, metric in metrics.items() if _is_of_colors(metric.get('type'))]
        measuring += [('color_fidelity',)] if val.get('color_fidelity') else []
        grey = [f'datasets.{key}' for key in _sets_with_targets(datasets) if datasets[key].get('color') == 'y']
        for path in measuring if grey else ():
            self.problems.append((('val', *path), f'there are no colours to measure in {grey[0]}, with its `color: y`'))

    def key_metric(self, name: str, datasets: dict) -> str:
        """Return the metric of `val.key_metric`, and check that its set exists and has targets."""
        dataset, _, metric = name.rpartition('/')
        sets = [options.get('name') for key, options in datasets.items() if key != 'train']
        scored = [datasets[key].get('name') for key in _sets_with_targets(datasets)]
        if dataset in sets and dataset not in scored:
            message = f'the set {dataset!r} has no targets, and so no scores'
        elif (dataset and dataset not in sets) or not scored:
            message = f'there is no set {dataset!r}{suggest(dataset, sets)} (sets: {", ".join(sets) or "none"})'
        else:
            return metric
        self.problems.append((('val', 'key_metric'), message))
        return metric


def has_targets(dataset: Mapping) -> bool:
    """Return whether a set can be scored, by its options."""
    return dataset.get('type') != 'SingleImageDataset'


def _sets_with_targets(datasets: dict) -> list[str]:
    return [key for key, options in datasets.items() if key != 'train' and has_targets(options)]


def _ranks_nothing(metric: str, val: dict) -> bool:
    """True for a metric that is computed, and of which no value is better than another."""
    options = (val.get('metrics') or {}).get(metric, {'type': f'calculate_{metric}'})
    return 'better' not in options and getattr(_registered(options.get('type')), 'better', '') is None


def _is_of_colors(name: Any) -> bool:
    return hasattr(_registered(name), 'ideal')


def _registered(name: Any) -> Any:
    return next((metric for known, metric in METRIC_REGISTRY if known == name), None)


def _colors() -> list[str]:
    """Return the names of the colour fidelity: those of its metrics, and PSNR and SSIM."""
    own = [name.removeprefix('calculate_') for name, _ in METRIC_REGISTRY if _is_of_colors(name)]
    return ['psnr', 'ssim', *own]
