"""What the page looks like in addition to all pages, and the lines of script that sort and filter its table."""

STYLE = """
.card ul { margin: .2rem 0 .6rem 1.1rem; padding: 0; overflow-wrap: anywhere; }
.strip { display: flex; flex-wrap: wrap; gap: .8rem; }
figure { max-width: 200px; }
.fault { color: #a3201a; font-weight: 600; } .remark { color: #7a5a00; } .good { color: #2c6e33; }
svg .ring { fill: none; stroke: #a3201a; stroke-dasharray: 4 3; } svg .dot { fill: #5b7fa6; fill-opacity: .75; }
th { position: sticky; top: 0; background: #ecece8; } .sortable th { cursor: pointer; }
.sortable th[data-order]::after { content: ' ▲'; } .sortable th[data-order='-1']::after { content: ' ▼'; }
th.n { white-space: normal; }
td.name { overflow-wrap: anywhere; min-width: 8rem; max-width: 16rem; }
td.found { max-width: 22rem; } td img { display: block; }
.filter label { margin-right: 1rem; }
"""

SCRIPT = """
const table = document.querySelector('.sortable'), body = table.tBodies[0];
const value = (row, i) => row.cells[i].dataset.v ?? row.cells[i].textContent;
table.tHead.rows[0].querySelectorAll('th').forEach((head, i) => head.addEventListener('click', () => {
  const order = head.dataset.order === '-1' ? 1 : head.dataset.order ? -1 : head.classList.contains('n') ? -1 : 1;
  table.querySelectorAll('th').forEach(other => delete other.dataset.order);
  head.dataset.order = order;
  const number = head.classList.contains('n');
  const missing = text => number && text === '';
  [...body.rows].sort((a, b) => {
    const [x, y] = [value(a, i), value(b, i)];
    if (missing(x) || missing(y)) return missing(x) - missing(y);
    return order * (number ? x - y : x.localeCompare(y, undefined, {numeric: true}));
  }).forEach(row => body.append(row));
}));
document.querySelectorAll('.filter input').forEach(input => input.addEventListener('change', () => {
  for (const row of body.rows) row.hidden = input.value !== 'all' && !row.dataset.is.includes(input.value);
}));
"""
