"""The command `tools/report.py`, and its page in a browser."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ablation.synthetic_runs import write_grid, write_pictures

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'report.py'
BROWSER = next(filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None)


@pytest.fixture(scope='module')
def main(tool):
    return tool.main


@pytest.fixture(scope='module')
def grid(tmp_path_factory):
    folder = write_grid(tmp_path_factory.mktemp('runs') / 'grid', variants=('full', 'no_chroma'), num_images=8)
    for run in folder.glob('*_s0'):
        write_pictures(run, [f'room_{number:03}' for number in range(8)], 600, 0.9)
    return folder


@pytest.fixture(scope='module')
def page(grid, tmp_path_factory):
    """The page, in a folder of its own with nothing else in it."""
    command = [sys.executable, str(TOOL), str(grid)]
    elsewhere = tmp_path_factory.mktemp('elsewhere')
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=elsewhere)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(grid / 'report' / 'report.html')
    return shutil.copy(grid / 'report' / 'report.html', tmp_path_factory.mktemp('alone'))


def test_options_reach_the_report(grid, main, tmp_path):
    runs = [str(run) for run in sorted(grid.glob('*_s?'))]
    main([*runs, '-o', str(tmp_path), '--baseline', 'no_chroma', '--metrics', 'psnr,ssim', '--pareto', 'ssim,psnr'])
    assert 'psnr against ssim' in (tmp_path / 'report.html').read_text(encoding='utf-8')
    results = json.loads((tmp_path / 'results.json').read_text(encoding='utf-8'))
    assert results['baseline'] == 'no_chroma'
    corrected = [r for r in results['results'] if r['metric'] in ('psnr', 'ssim') and r['variant'] == 'full']
    assert min(r['p_all'] for r in corrected) == pytest.approx(min(1, 2 * min(r['p'] for r in corrected)))


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--baseline', 'none'], 'error: baseline none: no run is of this variant'),
        (['--pareto', 'psnr'], 'error: --pareto psnr: expected two metrics'),
        (['--metrics', 'psnr,de00'], 'error: de00: no run has such a metric'),
    ],
)
def test_mistakes_end_with_one_message(grid, main, capsys, arguments, message):
    with pytest.raises(SystemExit) as stop:
        main([str(grid), *arguments])
    assert stop.value.code == 1
    assert capsys.readouterr().err.startswith(message)


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason='no Chromium here')
def test_in_a_browser_all_pictures_load_and_the_console_is_silent(page, tmp_path):
    """Offline, and away from its folder: every picture has a width, nothing is logged, nothing is fetched."""
    text = Path(page).read_text(encoding='utf-8')
    check = (
        '<script>addEventListener("load", () => {'
        'document.querySelectorAll("details").forEach(part => { part.open = true; });'
        'const images = [...document.images];'
        'document.title = `${images.length} pictures, ${images.filter(i => !i.naturalWidth).length} broken, '
        '${performance.getEntriesByType("resource").filter(r => !r.name.startsWith("data:")).length} fetched`; });'
        '</script>'
    )
    probe = tmp_path / 'probe.html'
    probe.write_text(text.replace('</body>', f'{check}</body>'), encoding='utf-8')
    command = [BROWSER, '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run']
    command += ['--disable-background-networking', '--disable-component-update', '--disable-sync']
    command += [f'--user-data-dir={tmp_path / "profile"}', '--virtual-time-budget=15000', '--enable-logging=stderr']
    done = subprocess.run([*command, '--dump-dom', probe.as_uri()], capture_output=True, text=True, timeout=120)
    count = text.count('<img ')
    assert count > 8
    assert f'<title>{count} pictures, 0 broken, 0 fetched</title>' in done.stdout
    assert 'CONSOLE' not in done.stderr
