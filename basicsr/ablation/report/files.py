"""The report as files that programs read: a row for each result, for each image, and everything as JSON."""

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from basicsr.ablation.report.differences import differences_of
from basicsr.ablation.report.results import SetResults
from basicsr.ablation.run_data import RunData
from basicsr.ablation.run_set import RunSet
from basicsr.metrics.scores import Scores
from basicsr.utils.atomic import write_atomic

RESULTS, PER_IMAGE, JSON = 'results.csv', 'per_image.csv', 'results.json'


def write_files(runs: RunSet, parts: Sequence[SetResults], out: Path) -> list[Path]:
    """Write all of them, and return their paths.

    Raises:
        UserError: one cannot be written.
    """
    results = [_plain(asdict(result)) for part in parts for result in part.results.values()]
    rows = [{k: v for k, v in row.items() if k != 'by_seed'} | _seed_means(row) for row in results]
    write_atomic(out / RESULTS, _csv(rows))
    write_atomic(out / PER_IMAGE, _csv(_image_rows(runs, parts)))
    content = {
        'name': runs.name,
        'baseline': runs.baseline,
        'notes': runs.notes,
        'runs': [origin(run, parts) for run in runs.runs],
        'option_differences': {variant: differences_of(runs, variant) for variant in runs.variants[1:]},
        'better': {part.dataset: part.better for part in parts},
        'noise_of_baseline': {part.dataset: _plain(part.noise) for part in parts},
        'results': results,
    }
    write_atomic(out / JSON, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + '\n')
    return [out / name for name in (RESULTS, PER_IMAGE, JSON)]


def origin(run: RunData, parts: Sequence[SetResults]) -> dict[str, Any]:
    """Return where the numbers of a run come from."""
    tables = {part.dataset: str(run.table(part.dataset, part.iteration)) for part in parts_of(run, parts)}
    iterations = [part.iteration for part in parts_of(run, parts)]
    checkpoint = run.checkpoint(max(iterations)) if iterations else None
    return {
        'run': run.name,
        'variant': run.variant,
        'seed': run.seed,
        'folder': str(run.folder),
        'scores': tables,
        'checkpoint': str(checkpoint) if checkpoint else None,
        'environment': run.environment,
        'seconds_per_iteration': _number(run.seconds_per_iteration()),
    }


def parts_of(run: RunData, parts: Sequence[SetResults]) -> list[SetResults]:
    """Return the sets that a run was validated on."""
    return [part for part in parts if run.seed in part.tables.get(run.variant, {})]


def _image_rows(runs: RunSet, parts: Sequence[SetResults]) -> Iterable[dict[str, Any]]:
    for part in parts:
        for run in runs.runs:
            table: Scores | None = part.tables.get(run.variant, {}).get(run.seed)
            for image in part.images if table else ():
                place = {'set': part.dataset, 'variant': run.variant, 'seed': run.seed, 'iteration': part.iteration}
                scores = {m: _number(table.rows[image].get(m, math.nan)) for m in part.better}
                yield place | {'image': image} | scores | {'folder': str(run.folder)}


def _seed_means(row: Mapping[str, Any]) -> dict[str, Any]:
    return {f'seed_{seed}': mean for seed, mean in row['by_seed'].items()}


def _csv(rows: Iterable[Mapping[str, Any]]) -> str:
    rows = list(rows)
    text = io.StringIO()
    columns = list(dict.fromkeys(key for row in rows for key in row))
    writer = csv.DictWriter(text, columns, lineterminator='\n')
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return ' '.join(map(str, value))
    return '' if value is None else repr(value) if isinstance(value, float) else value


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Replace what JSON has not: NaN becomes null."""
    return {
        str(key): _plain(value) if isinstance(value, Mapping) else _number(value) if isinstance(value, float) else value
        for key, value in values.items()
    }


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
