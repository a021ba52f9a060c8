"""Checks the metrics of an option file, and what goes by them: gates, gallery, the best weights."""

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

        compares = any(gate.get(key) is not None for gate in gates.values() for key in _DELTAS)
        if compares and not val.get('gates_reference'):
            self.problems.append((('val', 'gates'), 'compare with a run: give its folder as `gates_reference`'))

    def key_metric(self, name: str, datasets: dict) -> str:
        """Return the metric of `val.key_metric`, and check that its set exists."""
        dataset, _, metric = name.rpartition('/')
        sets = [options.get('name') for key, options in datasets.items() if key != 'train']
        if (dataset and dataset not in sets) or not sets:
            message = f'there is no set {dataset!r}{suggest(dataset, sets)} (sets: {", ".join(sets) or "none"})'
            self.problems.append((('val', 'key_metric'), message))
        return metric


def _colors() -> list[str]:
    """Return the names of the colour fidelity: those of its metrics, and PSNR and SSIM."""
    own = [name.removeprefix('calculate_') for name, metric in METRIC_REGISTRY if hasattr(metric, 'ideal')]
    return ['psnr', 'ssim', *own]
