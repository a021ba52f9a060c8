"""Makes the page that shows several runs side by side."""

import math
import sys
from collections.abc import Sequence
from html import escape
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gallery_runs import Run, choose_iterations

from basicsr.metrics.gallery.maps import Legend, delta_e_legend, saturation_legend
from basicsr.metrics.gallery.page import headline
from basicsr.metrics.gallery.store import Entry
from basicsr.metrics.gallery.strip import describe
from basicsr.utils.atomic import write_atomic
from basicsr.utils.html_page import html_page, image_tag, notes_list
from basicsr.utils.img_util import read_image
from basicsr.utils.thumbnail import encode_jpeg

MAX_BYTES = 15_000_000
_STYLE = """
body { max-width: none; background: #2e2e2e; color: #e8e8e8; } .small, .lead, figcaption { color: #b8b8b8; }
.runs .small { margin: .3rem 0 0; } figcaption { margin-top: .3rem; }
.runs { display: grid; gap: .9rem .5rem; overflow-x: auto; align-items: start; padding-bottom: .6rem; }
.runs h3 { margin: 0; } .runs > .whole { grid-column: 1 / -1; padding-top: .5rem; border-top: 1px solid #555; }
.runs img { width: 100%; height: auto; } .maps { display: flex; gap: 4px; margin-top: 4px; } .maps > * { flex: 1; }
.none { color: #999; border: 1px dashed #666; padding: 1.2rem .6rem; font-size: 13px; }
.legends { display: flex; gap: 2rem; flex-wrap: wrap; } .legend { width: 22rem; }
.bar { height: 9px; margin: 3px 0; } .ticks { display: flex; justify-content: space-between; }
"""


def write_sheet(runs: Sequence[Run], sets: Sequence[str], choice: str, out: Path, notes: list[str]) -> int:
    """Write the page, and return how many images it shows; what does not fit is noted.

    Args:
        choice: `last`, `best`, or an iteration.
    """
    chosen = choose_iterations(runs, sets, choice)
    legends = _legend('delta E 2000', delta_e_legend()) + _legend('saturation, output / target', saturation_legend())
    parts, total, shown, left_out = [], 0, 0, 0
    for name in sets:
        found = [run.entries.get(name, {}).get(i, {}) for run, i in zip(runs, chosen[name])]
        rows = []
        for image in _in_order(found):
            row = '' if left_out else _row(image, runs, name, chosen[name], [there.get(image) for there in found])
            if left_out or total + len(row) > MAX_BYTES:
                left_out += 1
                continue
            rows.append(row)
            total, shown = total + len(row), shown + 1
        parts.append(_grid(name, _heads(runs, name, chosen[name]), rows, len(runs)))
    if left_out:
        notes.append(f'{left_out} images are left out, to keep this page below {MAX_BYTES / 1e6:.0f} MB; see --set')
    title = ' | '.join(run.name for run in runs)
    body = f'{notes_list(notes)}<div class="legends">{legends}</div>{"".join(parts)}'
    write_atomic(out, html_page(title, body, _STYLE))
    return shown


def _in_order(found: Sequence[dict[str, Entry]]) -> list[str]:
    """Return all images, those first that rank high among the worst in any run."""
    places: dict[str, float] = {}
    for entries in found:
        for image, entry in entries.items():
            places[image] = min(places.get(image, math.inf), entry.place or math.inf)
    return sorted(places, key=lambda image: (places[image], image))


def _heads(runs: Sequence[Run], dataset: str, iterations: Sequence[int | str | None]) -> str:
    heads = ['<h3>input</h3>', '<h3>target</h3>']
    for run, iteration in zip(runs, iterations):
        table = run.tables.get(dataset, {}).get(iteration)
        said = headline(table.means(), len(table)) if table else ''
        at = f'iteration {iteration}' if iteration is not None else 'no gallery of this set'
        heads.append(
            f'<div><h3>{escape(run.name)}</h3><p class="small">{escape(at)}</p><p class="small">{said}</p></div>'
        )
    return ''.join(heads)


def _grid(name: str, heads: str, rows: Sequence[str], count: int) -> str:
    columns = f'grid-template-columns: repeat({2 + count}, minmax(240px, 1fr))'
    return f'<h2>{escape(name)}</h2><div class="runs" style="{columns}">{heads}{"".join(rows)}</div>'


def _row(
    image: str, runs: Sequence[Run], dataset: str, iterations: Sequence[int | str | None], entries: list[Entry | None]
) -> str:
    """An image: input, target, and what each run made of it."""
    first = next(entry for entry in entries if entry)
    pictures = _panels(first, ('input', 'target'))
    cells = [f'<figure>{pictures[key]}</figure>' if key in pictures else _none('none') for key in ('input', 'target')]
    for run, iteration, entry in zip(runs, iterations, entries):
        table = run.tables.get(dataset, {}).get(iteration)
        scores = (table.rows.get(image) if table else None) or (entry.scores if entry else {})
        said = describe(scores, first.metric)
        cells.append(_cell(entry, said) if entry else _none(f'not in its gallery. {said}'))
    head = f'<h3 class="whole" data-image="{escape(image)}">{escape(image)}</h3>'
    return head + ''.join(cells)


def _cell(entry: Entry, said: str) -> str:
    pictures = _panels(entry, ('output', 'delta_e', 'saturation'))
    maps = ''.join(f'<div>{pictures[key]}</div>' for key in ('delta_e', 'saturation') if key in pictures)
    return f'<figure>{pictures["output"]}<div class="maps">{maps}</div><figcaption>{escape(said)}</figcaption></figure>'


def _none(text: str) -> str:
    return f'<div class="none">{escape(text)}</div>'


def _panels(entry: Entry, keys: Sequence[str]) -> dict[str, str]:
    """Cut panels out of the strip, as parts of the page."""
    strip, tags = read_image(entry.png), {}
    for key in keys:
        if key in entry.panels:
            left, top, width, height = entry.panels[key]
            jpeg = encode_jpeg(strip[top : top + height, left : left + width], 88)
            tags[key] = image_tag(jpeg, f'{entry.image}, {key}')
    return tags


def _legend(title: str, legend: Legend) -> str:
    colors = ', '.join('#' + bytes(color).hex() for color in legend.colors[::17])
    ticks = ''.join(f'<span>{escape(text)}</span>' for _, text in legend.ticks)
    return (
        f'<div class="legend small">{escape(title)}<div class="bar" style="background: linear-gradient(to right, '
        f'{colors})"></div><div class="ticks">{ticks}</div></div>'
    )
