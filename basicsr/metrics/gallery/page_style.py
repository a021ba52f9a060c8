"""The looks of the page of a run, and the lines of script that move its slider."""

STYLE = """
nav { position: sticky; top: 0; z-index: 1; display: flex; align-items: center; gap: .8rem; padding: .6rem 0;
  background: #f6f6f4; border-bottom: 1px solid #ddd; }
nav input { flex: 1; } nav output { font-weight: 600; min-width: 4.5rem; font-variant-numeric: tabular-nums; }
.numbers { margin: 0 0 .8rem; } .numbers b { font-size: 1.1rem; }
.plots { margin-bottom: .8rem; }
svg polyline { fill: none; stroke: #5b7fa6; stroke-width: 1.5; } svg .point { fill: #5b7fa6; }
svg .point.now { fill: #a3201a; r: 5px; }
.strip { background: #2e2e2e; border-color: #2e2e2e; color: #e8e8e8; padding: .4rem .2rem .2rem; }
.strip h3 { display: none; } .strip img { max-width: 100%; height: auto; margin: 0 auto; }
[hidden] { display: none; }
"""

SCRIPT = """
const slider = document.querySelector('#at');
if (slider) {
  const iterations = [...document.querySelectorAll('#all option')].map(option => option.textContent);
  const show = () => {
    const now = iterations[slider.value];
    document.querySelector('nav output').textContent = now;
    document.querySelectorAll('[data-iter]').forEach(part => { part.hidden = part.dataset.iter !== now; });
    document.querySelectorAll('.strip').forEach(card => { card.hidden = !card.querySelector('figure:not([hidden])'); });
    document.querySelectorAll('.point').forEach(p => p.classList.toggle('now', p.dataset.point === now));
  };
  slider.addEventListener('input', show);
  document.addEventListener('keydown', event => {
    const step = {ArrowLeft: -1, ArrowRight: 1}[event.key];
    if (!step || event.target === slider || event.altKey || event.ctrlKey || event.metaKey) return;
    slider.value = Number(slider.value) + step;
    event.preventDefault();
    show();
  });
  show();
}
"""
