"""The page of a run: all sets, and a slider over the checkpoints. It is made from what is on disk."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from itertools import groupby
from pathlib import Path

from basicsr.metrics.color_fidelity import LEVELS
from basicsr.metrics.gallery.page_style import SCRIPT, STYLE
from basicsr.metrics.gallery.store import Entry, Means, iteration_key, load_entries, load_means
from basicsr.metrics.gallery.trend import trends
from basicsr.metrics.gallery.worst import is_name_of
from basicsr.utils.atomic import write_atomic
from basicsr.utils.html_page import html_page, image_tag, notes_list

PAGE = 'gallery.html'
MAX_BYTES = 15_000_000
# Around every picture, and for charts and text.
_BYTES_OF_ENTRY, _SHARE_OF_PICTURES = 800, 0.95

_LEVEL = LEVELS[0]
# What a set says of itself at one iteration: metric, form.
_HEADLINE = (
    (f'sat_ratio_{_LEVEL}', '<b>×{:.2f}</b> saturation where the target is saturated'),
    ('sat_ratio_all', '<b>×{:.2f}</b> over all pixels'),
    (f'collapsed_{_LEVEL}', '<b>{:.0%}</b> of the saturated pixels came out grey'),
    (f'hue_shift_{_LEVEL}', '<b>{:.1f}°</b> hue shift'),
    ('de00_mean', '<b>{:.2f}</b> delta E 2000'),
    ('psnr', '<b>{:.2f}</b> dB PSNR'),
)


def write_page(folder: Path, wanted: Sequence[str] = (), max_bytes: int = MAX_BYTES) -> Path:
    """Write `gallery.html` of a folder of validations, and return its path.

    Args:
        wanted: names of images; the page says which of them no set has.
        max_bytes: size of the page; checkpoints are left out, evenly, where it would be larger.

    Raises:
        UserError: it cannot be written.
    """
    notes: list[str] = []
    entries, tables = load_entries(folder, notes), load_means(folder, notes)
    notes += [
        f'{name}: none of the sets validated so far has this image (val.gallery.images)'
        for name in wanted
        if not any(is_name_of(name, entry.path) for entry in entries)
    ]
    shown = fitting(entries, int(max_bytes * _SHARE_OF_PICTURES), notes)
    iterations = sorted({entry.iteration for entry in shown}, key=iteration_key)
    sets = dict.fromkeys((*tables, *(entry.dataset for entry in entries)))
    sections = ''.join(
        _section(name, [entry for entry in shown if entry.dataset == name], tables.get(name, {}), iterations)
        for name in sets
    )
    name = folder.resolve().parent.name
    page = html_page(f'Gallery of {name}', notes_list(notes) + _slider(iterations) + sections, STYLE, SCRIPT)
    write_atomic(folder / PAGE, page)
    return folder / PAGE


def fitting(entries: Sequence[Entry], max_bytes: int, notes: list[str]) -> list[Entry]:
    """Return the entries of as many checkpoints as fit, evenly spaced, the first and the last among them."""
    sizes: dict[int | str, int] = {}
    for entry in entries:
        sizes[entry.iteration] = sizes.get(entry.iteration, 0) + _size(entry)
    iterations = sorted(sizes, key=iteration_key)
    count = len(iterations)
    while count > 1 and sum(sizes[i] for i in _evenly(iterations, count)) > max_bytes:
        count -= 1
    chosen = set(_evenly(iterations, count))
    if count < len(iterations):
        notes.append(
            f'{count} of {len(iterations)} checkpoints are shown, evenly spaced, to keep this page below '
            f'{MAX_BYTES / 1e6:.0f} MB; the pictures of all are in the folders `gallery` of the sets'
        )
    shown = [entry for entry in entries if entry.iteration in chosen]
    return shown if count > 1 else _first_of(shown, max_bytes, notes)


def _first_of(entries: list[Entry], max_bytes: int, notes: list[str]) -> list[Entry]:
    """Return what fits of one checkpoint: the worst of every set before the next ones."""
    kept, total = [], 0
    for entry in sorted(entries, key=lambda entry: entry.place or math.inf):
        total += _size(entry)
        if total <= max_bytes:
            kept.append(entry)
    if len(kept) < len(entries):
        notes.append(
            f'{len(kept)} of {len(entries)} images are shown, to keep this page below {MAX_BYTES / 1e6:.0f} MB'
        )
    return [entry for entry in entries if entry in kept]


def _size(entry: Entry) -> int:
    return entry.jpeg.stat().st_size * 4 // 3 + _BYTES_OF_ENTRY


def _evenly(items: list, count: int) -> list:
    """Return so many items, evenly spaced; one is the last."""
    if count <= 1:
        return items[-count:] if count else []
    return [items[round(k * (len(items) - 1) / (count - 1))] for k in range(count)]


def _slider(iterations: Sequence[int | str]) -> str:
    if not iterations:
        return '<p class="lead">No pictures yet.</p>'
    options = ''.join(f'<option value="{n}">{escape(str(i))}</option>' for n, i in enumerate(iterations))
    last = len(iterations) - 1
    return (
        f'<nav><label for="at">iteration</label><output for="at">{escape(str(iterations[-1]))}</output>'
        f'<input type="range" id="at" min="0" max="{last}" value="{last}" list="all"{"" if last else " disabled"}>'
        f'<datalist id="all">{options}</datalist><span class="small">slide, or press ← →</span></nav>'
    )


def _section(
    name: str, entries: Sequence[Entry], tables: Mapping[int | str, Means], iterations: Sequence[int | str]
) -> str:
    """One set: its numbers at the iteration, its trends, and a card for every image."""
    last = iterations[-1] if iterations else None
    numbers = ''.join(
        f'<p class="numbers"{_shown_at(i, i == last)}>{headline(tables[i].means, tables[i].count)}</p>'
        for i in iterations
        if i in tables
    )
    # Pictures keep their order from one checkpoint to the next, so that they can be compared by blinking.
    latest = {entry.image: entry.place or math.inf for entry in entries if entry.iteration == last}
    ordered = sorted(entries, key=lambda entry: (latest.get(entry.image, math.inf), entry.image))
    cards = ''.join(_card(image, list(group), last) for image, group in groupby(ordered, lambda entry: entry.image))
    charts = trends({i: table.means for i, table in tables.items()}, entries[0].metric if entries else None)
    return f'<section><h2>{escape(name)}</h2>{numbers}{charts}{cards}</section>'


def headline(means: Mapping[str, float], count: int) -> str:
    """Return what a set of so many images says of itself, as HTML."""
    words = [form.format(means[metric]) for metric, form in _HEADLINE if math.isfinite(means.get(metric, math.nan))]
    return ', '.join([*words, f'{count} image{"s" if count != 1 else ""}'])


def _card(image: str, entries: Sequence[Entry], last: int | str | None) -> str:
    figures = ''.join(
        f'<figure data-image="{escape(image)}"{_shown_at(entry.iteration, entry.iteration == last)}>'
        f'{image_tag(entry.jpeg.read_bytes(), f"{image}, iteration {entry.iteration}")}</figure>'
        for entry in entries
    )
    hidden = '' if any(entry.iteration == last for entry in entries) else ' hidden'
    return f'<div class="card strip"{hidden}><h3>{escape(image)}</h3>{figures}</div>'


def _shown_at(iteration: int | str, is_shown: bool) -> str:
    return f' data-iter="{escape(str(iteration))}"{"" if is_shown else " hidden"}'
