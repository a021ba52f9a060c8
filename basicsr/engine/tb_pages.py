"""What TensorBoard shows of a run beside its curves: a chart of all terms, and a row in the HParams table."""

from collections.abc import Iterable, Mapping
from typing import Any

# Chart -> curves, as regular expressions: the page keeps up with terms that a run has not met yet.
_CHARTS = {
    'objective': {
        'terms, weighted': r'losses/l_.*',
        'terms, raw': r'losses_raw/.*',
        'weights': r'loss_weight/.*',
        'shares of the gradient': r'grad_share/.*',
    },
    'scores': {'all sets': r'metrics/.*'},
}


def add_charts(writer: Any) -> None:
    """Lay out the page CUSTOM SCALARS: all terms of a run in one chart."""
    pages = {
        page: {name: ['Multiline', [curves]] for name, curves in charts.items()} for page, charts in _CHARTS.items()
    }
    writer.add_custom_scalars(pages)


def metric_tags(opt: Mapping) -> list[str]:
    """Return the tags under which the scores of a run are logged."""
    sets = [o['name'] for key, o in opt['datasets'].items() if key != 'train']
    val = opt['val'] or {}
    metrics = [*(val.get('metrics') or {}), *(['de00_mean'] if val.get('color_fidelity') else [])]
    return [f'metrics/{name}/{label}' for name in sets for label in dict.fromkeys(metrics)]


class HParamsRow:
    """The row of a run in the HParams table, in the run's own event file.

    `SummaryWriter.add_hparams` would add a run of its own per call. All runs of a table need the same keys, as only
    those of one of them are shown.

    Args:
        values: column -> number, text or truth value.
        metrics: tags of scalars, whose latest values the table shows.
    """

    def __init__(self, writer: Any, values: Mapping[str, Any], metrics: Iterable[str]) -> None:
        from torch.utils.tensorboard.summary import hparams

        self.writer = writer
        experiment, start, self.end = hparams(dict(values), dict.fromkeys(metrics, 0.0))
        writer.file_writer.add_summary(experiment)
        writer.file_writer.add_summary(start)

    def close(self) -> None:
        """Say that the run is complete."""
        self.writer.file_writer.add_summary(self.end)
