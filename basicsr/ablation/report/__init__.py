"""The report of a grid, or of any runs: which variants are better, whether that is noise, and at what price."""

from collections.abc import Sequence
from pathlib import Path

from basicsr.ablation.report.differences import fullest_variant, left_out_terms
from basicsr.ablation.report.files import write_files
from basicsr.ablation.report.markdown import write_markdown
from basicsr.ablation.report.measure import measure
from basicsr.ablation.report.page import write_html
from basicsr.ablation.report.results import check_known
from basicsr.ablation.run_set import read_runs
from basicsr.utils.atomic import write_atomic

__all__ = ['write_report']

PAGE, MARKDOWN = 'report.html', 'report.md'
# What is lost elsewhere for what is gained in colours.
PARETO = (('psnr', 'de00_p95'), ('psnr', 'sat_ratio_60'))


def write_report(
    runs: Sequence[Path] | Path,
    out: Path | None = None,
    baseline: str | None = None,
    metrics: Sequence[str] | None = None,
    pareto: Sequence[tuple[str, str]] | None = None,
) -> Path:
    """Compare runs, and write `report.html`, `report.md`, `results.csv`, `per_image.csv` and `results.json`.

    Where another variant than the baseline is the one that others lack a single term of, a second report compares with
    that one, in the folder `against_<variant>`: what each term contributes.

    With one seed the report has no intervals and no tests, and says so.

    Args:
        runs: folder of a grid, or folders of runs.
        out: folder to write to; by default `report` in that of the grid, or beside the first run.
        baseline: variant to compare with; by default that of the grid, or of the first run.
        metrics: those to show first and to judge together; the fewer, the smaller the differences that are separable.
        pareto: pairs of metrics to draw against each other; by default those of `PARETO` that were measured.

    Returns:
        The page.

    Raises:
        DataError: there is nothing to compare; the message says why.
        UserError: a file cannot be written.
    """
    found = read_runs(runs, baseline)
    parts = measure(found, metrics)
    check_known(parts, [metric for pair in pareto or () for metric in pair])
    out = Path(out) if out else found.folder / 'report'
    full = fullest_variant(found)
    if baseline is None and full != found.baseline:
        other = write_report(runs, out / f'against_{full}', full, metrics, pareto)
        found.notes.append(
            f'What each term contributes is what is lost when it alone is left out: {other.relative_to(out)} compares '
            f'with {full}, which lacks none.'
        )
    left_out = left_out_terms(found)
    write_files(found, parts, out)
    write_atomic(out / MARKDOWN, write_markdown(found, parts, left_out))
    write_atomic(out / PAGE, write_html(found, parts, left_out, pareto or PARETO))
    return out / PAGE
