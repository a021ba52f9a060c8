"""The looks of the page."""

STYLE = """
.answer { font-size: 17px; border-left: 4px solid #0072b2; } .answer p { margin: .5rem 0; max-width: 75rem; }
.answer p:first-child { font-size: 20px; }
.variants { list-style: none; padding: 0; } .variants p { margin: .25rem 0 0; }
.wide { overflow-x: auto; margin: 0 0 .6rem; }
.results th, .results td { vertical-align: top; border-right: 1px solid #eeeeea; min-width: 8.5rem; }
.results tbody th { position: sticky; left: 0; background: #fff; min-width: 9rem; }
.results td { font-variant-numeric: tabular-nums; } .results b { font-size: 15px; }
.verdict { font-size: 12px; color: #666; }
.better { background: #eef7f0; } .better .verdict { color: #1f6b3f; font-weight: 600; font-size: 13px; }
.worse { background: #fbefee; } .worse .verdict { color: #b3261e; font-weight: 600; font-size: 13px; }
.results .probably { background: #fff; } .probably .verdict { font-weight: 400; }
.plot { display: block; max-width: 100%; background: #fff; border: 1px solid #ddd; border-radius: 6px;
  margin: 0 0 .8rem; }
.side { display: flex; flex-wrap: wrap; gap: .8rem; } .side .plot { max-width: 49%; }
.strip { margin: 0 0 .9rem; } .strip h4 { margin: 0 0 .25rem; font-size: 14px; }
.row { display: flex; gap: .4rem; overflow-x: auto; background: #2e2e2e; padding: .4rem; border-radius: 4px; }
.row figure { flex: 1 1 0; min-width: 8rem; max-width: 20rem; } .row img { width: 100%; height: auto; }
.row figcaption { color: #c8c8c8; margin-top: .2rem; }
details { margin: .6rem 0; } summary { cursor: pointer; font-weight: 600; margin: .3rem 0; }
code { font-size: 12px; overflow-wrap: anywhere; } .origins td { vertical-align: top; max-width: 30rem; }
dt { font-weight: 600; margin-top: .5rem; } dd { margin: 0; max-width: 75rem; }
"""
