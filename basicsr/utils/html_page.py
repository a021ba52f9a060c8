"""HTML pages of one file that need nothing beside them: no script, style or picture is fetched."""

import base64
from html import escape

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #222; background: #f6f6f4; margin: 0 auto; max-width: 1400px;
  padding: 1.5rem 2rem 4rem; }
h1 { font-size: 1.6rem; margin: 0 0 .3rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
h3 { font-size: 1rem; margin: 0 0 .3rem; overflow-wrap: anywhere; }
.lead { color: #555; margin: 0 0 1rem; } .notes li { margin: .2rem 0; }
.card { background: #fff; border: 1px solid #ddd; border-radius: 6px; padding: .8rem 1rem; margin: 0 0 .8rem; }
figure { margin: 0; } figure img { display: block; }
figcaption, .small { font-size: 12px; color: #666; }
.plots { display: flex; flex-wrap: wrap; gap: .8rem; }
.plots svg { background: #fff; border: 1px solid #ddd; border-radius: 6px; }
svg text { font: 11px system-ui, sans-serif; fill: #555; }
svg .middle { text-anchor: middle; } svg .end { text-anchor: end; }
svg .none { text-anchor: middle; fill: #999; } svg .label { font-weight: 600; fill: #333; }
svg .axis { stroke: #bbb; } svg .mark { stroke: #a3201a; stroke-dasharray: 4 3; }
table { border-collapse: collapse; background: #fff; font-size: 13px; }
th, td { padding: .25rem .55rem; border-bottom: 1px solid #e4e4e0; text-align: left; vertical-align: middle; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
"""


def html_page(title: str, body: str, style: str = '', script: str = '') -> str:
    """Return a page.

    Args:
        title: text, not HTML; it also becomes the heading.
        body: HTML below the heading.
        style: CSS in addition to that of all pages.
    """
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    return (
        f'<!doctype html><html lang="en"><head>{head}<style>{STYLE}{style}</style></head><body>'
        f'<h1>{escape(title)}</h1>{body}' + (f'<script>{script}</script>' if script else '') + '</body></html>\n'
    )


def notes_list(notes: list[str]) -> str:
    """Return texts as a list of notes; '' without any."""
    return '<ul class="notes">' + ''.join(f'<li>{escape(note)}</li>' for note in notes) + '</ul>' if notes else ''


def image_tag(content: bytes, alt: str = '') -> str:
    """Return a JPEG as part of a page."""
    return f'<img alt="{escape(alt)}" src="data:image/jpeg;base64,{base64.b64encode(content).decode()}">'
