"""The report as Markdown, without pictures and folded parts; and how to read its numbers."""

from collections.abc import Mapping, Sequence

from basicsr.ablation.report.answer import answer, remarks
from basicsr.ablation.report.differences import differences_of
from basicsr.ablation.report.files import JSON, PER_IMAGE, RESULTS, origin
from basicsr.ablation.report.results import SetResults
from basicsr.ablation.report.tables import markdown_table
from basicsr.ablation.report.words import heading, sentences
from basicsr.ablation.run_set import RunSet

METHOD = (
    (
        'Interval',
        'The range in brackets holds the true mean in 95 of 100 such reports, over other seeds and other images like '
        'these: a crossed bootstrap over seeds and images, widened for few of them. With fewer than 5 seeds it is '
        'approximate.',
    ),
    (
        'Δ',
        'Variant minus baseline, run by run with the same seed and image by image, so that what images and seeds have '
        'in common drops out. For a metric that should be near a number, such as a ratio near 1, the difference is '
        'that of the distances to it: minus is nearer.',
    ),
    (
        'p',
        'Would another set of seeds show it again? A paired t-test over seeds, corrected (Holm) for the number of '
        'variants. Tests over the images of one run ask something else: they call a difference between two runs of the '
        'very same options significant in nearly half of all cases.',
    ),
    (
        'Better, worse',
        'The p-value is below 0.05 when it is corrected for all comparisons of the tables together: if no variant had '
        'any effect, 95 of 100 reports would call nothing better or worse. Probably: it is below 0.05 corrected for '
        'the variants alone. The folded metrics are corrected among themselves. Intervals are not corrected, so some '
        'leave out 0 where nothing can be separated.',
    ),
    (
        'Not separable',
        'The seeds at hand do not tell it from noise, which does not say that there is no effect. The number of seeds '
        'beside it would separate a difference of the size seen here (as probably better or worse) in 80 of 100 '
        'attempts; from 3 seeds that is a rough guess.',
    ),
    (
        'Noise, grey bands',
        'Twice the standard deviation of the baseline between its seeds: about 19 of 20 single runs with another seed '
        'would lie in the band. A single run of a variant inside it says nothing.',
    ),
)


def write_markdown(runs: RunSet, parts: Sequence[SetResults], left_out: Mapping[str, str]) -> str:
    """Return the text."""
    lines = [f'# Report of {runs.name}', '', '\n\n'.join([*answer(runs, parts, left_out), *remarks(runs, parts)]), '']
    for variant in runs.variants[1:]:
        lines += [f'## {heading(variant, left_out.get(variant))}', '']
        lines += [f'- {text}' for text in sentences(runs, parts, variant)] + ['']
    lines += [f'- Note: {note}' for note in runs.notes] + ['']
    for part in parts:
        lines += [f'## {title_of(part)}', '', markdown_table(part, part.head, runs.baseline, left_out), '']
    lines += ['## Where the numbers come from', '', '| run | folder | checkpoint | environment |', '|---|---|---|---|']
    for run in runs.runs:
        known = origin(run, parts)
        cells = [known['run'], f'`{known["folder"]}`', f'`{known["checkpoint"] or "–"}`', known['environment'] or '–']
        lines.append(f'| {" | ".join(cells)} |')
    lines += ['', *(f'- {variant}: {_changes(runs, variant)}' for variant in runs.variants[1:])]
    lines += ['', f'All numbers: [{RESULTS}]({RESULTS}), [{PER_IMAGE}]({PER_IMAGE}), [{JSON}]({JSON}).', '']
    lines += ['## How to read the numbers', '', *(f'- **{word}**: {text}' for word, text in METHOD), '']
    return '\n'.join(lines)


def _changes(runs: RunSet, variant: str) -> str:
    return '; '.join(f'`{line}`' for line in differences_of(runs, variant)) or 'no difference in the options'


def title_of(part: SetResults) -> str:
    """Return the heading of a set."""
    return f'{part.dataset}: {len(part.images)} images, iteration {part.iteration:,}'
