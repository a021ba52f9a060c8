"""The report as one HTML page that begins with the answer."""

import math
import re
from collections.abc import Mapping, Sequence
from html import escape

from basicsr.ablation.report import curves, plots
from basicsr.ablation.report.answer import answer, remarks
from basicsr.ablation.report.differences import differences_of
from basicsr.ablation.report.files import JSON, PER_IMAGE, RESULTS, origin
from basicsr.ablation.report.markdown import METHOD, title_of
from basicsr.ablation.report.metric_names import name_of
from basicsr.ablation.report.page_style import STYLE
from basicsr.ablation.report.results import SetResults
from basicsr.ablation.report.strips import NUM_IN_LINE, Strips, ranking_metric
from basicsr.ablation.report.tables import html_table
from basicsr.ablation.report.words import heading, sentences
from basicsr.ablation.run_set import RunSet
from basicsr.utils.errors import UserError
from basicsr.utils.html_page import html_page, notes_list


def write_html(runs: RunSet, parts: Sequence[SetResults], left_out: Mapping[str, str], pareto: Sequence[tuple]) -> str:
    """Return the page.

    Args:
        left_out: variant -> the term that it lacks.
        pareto: pairs of metrics that are drawn against each other.
    """
    notes = list(runs.notes)
    strips = Strips(runs, notes)
    try:
        drawn = [_plots(runs, parts, left_out, pareto), _curves(runs, parts)]
    except UserError as error:
        notes.append(str(error))
        drawn = []
    pictures = _strips(runs, parts, strips)
    strips.finish()
    body = [
        f'<div class="card answer">{_paragraphs(answer(runs, parts, left_out))}</div>',
        f'<div class="lead">{_paragraphs(remarks(runs, parts))}</div>',
        notes_list(notes),
        *(_tables(part, runs.baseline, left_out) for part in parts),
        _variants(runs, parts, left_out),
        *drawn,
        pictures,
        _origins(runs, parts),
        '<h2>How to read the numbers</h2><dl>'
        + ''.join(f'<dt>{escape(word)}</dt><dd>{escape(text)}</dd>' for word, text in METHOD)
        + '</dl>',
    ]
    return html_page(f'Report of {runs.name}', ''.join(body), STYLE)


def _html(text: str) -> str:
    return re.sub(r'\*\*(.+?)\*\*', r'<b>\1</b>', escape(text))


def _paragraphs(texts: Sequence[str]) -> str:
    return ''.join(f'<p>{_html(text)}</p>' for text in texts)


def _variants(runs: RunSet, parts: Sequence[SetResults], left_out: Mapping[str, str]) -> str:
    """What is to be said of each variant, in words."""
    items = ''.join(
        f'<li class="card"><h3>{escape(heading(variant, left_out.get(variant)))}</h3>'
        + _paragraphs(sentences(runs, parts, variant))
        + '</li>'
        for variant in runs.variants[1:]
    )
    return f'<details><summary>All of it in words</summary><ul class="variants">{items}</ul></details>'


def _tables(part: SetResults, baseline: str, left_out: Mapping[str, str]) -> str:
    others = (
        f'<details><summary>Other metrics: {len(part.others)}</summary>'
        f'{html_table(part, part.others, baseline, left_out)}</details>'
        if part.others
        else ''
    )
    return f'<h2>{escape(title_of(part))}</h2>{html_table(part, part.head, baseline, left_out)}{others}'


def _plots(runs: RunSet, parts: Sequence[SetResults], left_out: Mapping[str, str], pareto: Sequence[tuple]) -> str:
    sections = []
    for part in parts:
        variants = [variant for variant in part.variants if variant != runs.baseline]
        drawn = plots.gains_plot(part, part.head, {variant: variant for variant in variants})
        sections.append(drawn and f'<h3>{escape(part.dataset)}</h3>{drawn}')
    html = _section(
        'Better or worse than the baseline',
        sections,
        'Points: differences; lines: their intervals. Red and green where separable, paler where probably so.',
    )

    sections = []
    for part in parts:
        terms = {variant: left_out[variant] for variant in part.variants if variant in left_out}
        drawn = plots.gains_plot(part, part.head, terms, sign=-1) if terms else ''
        sections.append(drawn and f'<h3>{escape(part.dataset)}</h3>{drawn}')
    said = 'What the baseline has that it would not have without the term, all else equal.'
    html += _section('What each term contributes', sections, said)

    drawn = [plots.pareto_plot(part, pair, runs.baseline) for pair in pareto for part in parts if _knows(part, pair)]
    said = 'Right and up is better. Round points, on the dashed line: no other variant is better in both. Dots: seeds.'
    return html + _section(
        'What is gained at what price', [f'<div class="side">{"".join(drawn)}</div>'] * any(drawn), said
    )


def _knows(part: SetResults, pair: tuple) -> bool:
    return all(part.better.get(metric) is not None for metric in pair)


def _curves(runs: RunSet, parts: Sequence[SetResults]) -> str:
    drawn = {part.dataset: curves.score_curves(runs, part) for part in parts}
    scores = ''.join(f'<h3>{escape(name)}</h3>{plot}' for name, plot in drawn.items() if plot)
    html = _section('Scores while training', [scores])
    html += _section('Terms while training', [curves.term_curves(runs)], 'Before their weights; means over seeds.')
    said = 'How much of the pull on the network each term had.'
    return html + _section('Shares of the gradient', [curves.share_curves(runs)], said)


def _section(title: str, contents: Sequence[str], said: str = '') -> str:
    """A part of the page, '' without contents."""
    lead = f'<p class="small">{escape(said)}</p>' if said else ''
    return f'<h2>{escape(title)}</h2>{lead}{"".join(contents)}' if any(contents) else ''


def _strips(runs: RunSet, parts: Sequence[SetResults], strips: Strips) -> str:
    sections = []
    for variant in runs.variants[1:]:
        for part in parts:
            drawn = strips.of(part, variant) if variant in part.variants else ''
            where = f' on {part.dataset}' if len(parts) > 1 else ''
            sections.append(drawn and f'<h3>{escape(f"{variant} against {runs.baseline}{where}")}</h3>{drawn}')
    labels = ', '.join(dict.fromkeys(name_of(metric).label for part in parts if (metric := ranking_metric(part))))
    said = (
        f'Ranked by {labels}, mean over seeds. Of the first {NUM_IN_LINE}, those whose pictures were kept come first.'
    )
    return _section('Images that gained and lost most', sections, said)


def _origins(runs: RunSet, parts: Sequence[SetResults]) -> str:
    """Where every number comes from."""
    rows = []
    for run in runs.runs:
        known = origin(run, parts)
        tables = '<br>'.join(f'<code>{escape(path)}</code>' for path in known['scores'].values())
        seconds = known['seconds_per_iteration']
        rows.append(
            f'<tr><td>{escape(run.name)}</td><td><code>{escape(known["folder"])}</code></td><td>{tables}</td>'
            f'<td><code>{escape(known["checkpoint"] or "not kept")}</code></td>'
            f'<td class="n">{"–" if seconds is None or math.isnan(seconds) else f"{seconds:.3g}"}</td>'
            f'<td class="small">{escape(known["environment"] or "no log file")}</td></tr>'
        )
    heads = ('run', 'folder', 'scores of every image', 'weights', 's per iteration', 'environment')
    head = ''.join(f'<th>{name}</th>' for name in heads)
    changes = ''.join(
        f'<li><b>{escape(variant)}</b>: '
        + ('; '.join(f'<code>{escape(line)}</code>' for line in differences_of(runs, variant)) or 'no difference')
        + '</li>'
        for variant in runs.variants[1:]
    )
    files = ', '.join(f'<a href="{name}">{name}</a>' for name in (RESULTS, PER_IMAGE, JSON))
    return (
        f'<h2>Where the numbers come from</h2><p>All numbers: {files}, beside this page.</p>'
        f'<h3>What the variants change in the options of {escape(runs.baseline)}</h3><ul>{changes}</ul>'
        f'<details><summary>{len(runs.runs)} runs</summary><div class="wide"><table class="origins">'
        f'<thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div></details>'
    )
