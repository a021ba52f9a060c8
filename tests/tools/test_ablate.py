"""The command: a grid of tiny runs through the real trainer, its dry run, its status, and what TensorBoard gets."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from basicsr.ablation.grid import read_grid
from basicsr.ablation.grid_folder import write_grid_folder
from basicsr.ablation.identity import options_hash
from basicsr.ablation.plan import check_files, make_plan
from tests.ablation.conftest import tiny_grid
from tests.conftest import tiny_options

REPO = Path(__file__).resolve().parents[2]


def ablate(root: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = ['bash', str(REPO / 'tools' / 'ablate.sh'), str(root / 'grid.yml'), '--root', str(root), *arguments]
    environment = os.environ | {'PYTHON': sys.executable, 'OMP_NUM_THREADS': '1'}
    return subprocess.run(command, capture_output=True, text=True, cwd=root, env=environment, timeout=600, check=False)


def write_grid(root: Path, grid: dict | None = None) -> None:
    (root / 'tiny.yml').write_text(yaml.safe_dump(tiny_options(), sort_keys=False))
    (root / 'grid.yml').write_text(yaml.safe_dump(tiny_grid() | {'seeds': [0]} | (grid or {}), sort_keys=False))


@pytest.mark.slow
def test_a_grid_from_start_to_end(tiny_root):
    write_grid(tiny_root)
    first = ablate(tiny_root, '--jobs', '2', '--no-report')
    assert first.returncode == 0, first.stderr + first.stdout
    grid = tiny_root / 'experiments' / 'grid'
    results = {name: json.loads((grid / name / 'result.json').read_text()) for name in ('full_s0', 'no_ssim_s0')}
    assert {result['variant'] for result in results.values()} == {'full', 'no_ssim'}
    scores = [result['metrics']['val']['psnr'] for result in results.values()]
    assert scores[0] != scores[1]
    events = (grid / 'no_ssim_s0' / 'metrics.jsonl').read_text()
    assert 'l_pixel' in events and 'l_ssim' not in events
    assert sorted(p.name for p in (tiny_root / 'tb_logger' / 'grid').iterdir()) == ['full_s0', 'no_ssim_s0']
    check_hparams(tiny_root / 'tb_logger' / 'grid')

    second = ablate(tiny_root, '--no-report')
    assert second.returncode == 0 and '2 of 2 runs are finished already' in second.stdout
    assert ': started' not in second.stdout
    status = ablate(tiny_root, '--status').stdout
    assert '2 runs: 2 done' in status and 'no_ssim_s0  done' in status and f'psnr {scores[1]:.2f}' in status

    write_grid(tiny_root, {'common': {'train:optim_g:lr': 1e-3}})
    refused = ablate(tiny_root, '--no-report')
    assert refused.returncode == 1 and 'train.optim_g.lr: 0.002 -> 0.001' in refused.stderr
    assert 'Traceback' not in refused.stderr


def check_hparams(folder: Path) -> None:
    """The table as TensorBoard's own server makes it: one row per run, all columns, and the scores."""
    from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
    from tensorboard.context import RequestContext
    from tensorboard.plugins.base_plugin import TBContext
    from tensorboard.plugins.custom_scalar import layout_pb2
    from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups

    multiplexer = plugin_event_multiplexer.EventMultiplexer().AddRunsFromDirectory(str(folder))
    multiplexer.Reload()
    assert set(multiplexer.Runs()) == {'full_s0', 'no_ssim_s0'}, 'hparams made runs of their own'
    provider = data_provider.MultiplexerDataProvider(multiplexer, str(folder))
    context = backend_context.Context(TBContext(logdir=str(folder), data_provider=provider))
    experiment = context.experiment_from_metadata(
        RequestContext(), '', True, context.hparams_metadata(RequestContext(), ''), []
    )
    assert {info.name for info in experiment.hparam_infos} == {'variant', 'seed', 'ssim.loss_weight'}
    assert {info.name.tag for info in experiment.metric_infos} == {'metrics/val/psnr', 'metrics/val/ssim'}
    request = api_pb2.ListSessionGroupsRequest(start_index=0, slice_size=10)
    request.allowed_statuses.append(api_pb2.STATUS_SUCCESS)
    handler = list_session_groups.Handler(RequestContext(), context, '', request)
    rows = {group.hparams['variant'].string_value: group for group in handler.run().session_groups}
    assert {name: row.hparams['ssim.loss_weight'].number_value for name, row in rows.items()} == {
        'full': 0.1,
        'no_ssim': 0.0,
    }
    run = multiplexer.GetAccumulator('full_s0')
    layout = layout_pb2.Layout.FromString(run.Tensors('custom_scalars__config__')[0].tensor_proto.string_val[0])
    assert layout.category[0].chart[0].multiline.tag[0] == 'losses/l_.*'


@pytest.mark.slow
def test_dry_run_lists_and_writes_nothing(tiny_root):
    write_grid(tiny_root)
    before = sorted(tiny_root.rglob('*'))
    done = ablate(tiny_root, '--dry-run', '--jobs', '2')
    assert done.returncode == 0, done.stderr
    assert 'no_ssim' in done.stdout and 'ms per iteration' in done.stdout and '2 runs, 2 to do: about' in done.stdout
    assert sorted(tiny_root.rglob('*')) == before


def test_a_mistake_is_one_message_before_anything_runs(tiny_root):
    write_grid(tiny_root, {'variants': {'full': {}, 'x': {'train:losses:ssmi:loss_weight': 0.2}}})
    done = ablate(tiny_root)
    assert done.returncode == 1 and "there is no entry 'ssmi'; did you mean 'ssim'?" in done.stderr
    assert 'Traceback' not in done.stderr and not (tiny_root / 'experiments').exists()


@pytest.mark.parametrize('file', sorted((REPO / 'options' / 'grids').glob('*.yml')), ids=lambda file: file.stem)
def test_the_grids_of_the_repository_are_valid(file, tmp_path):
    plan = make_plan(read_grid(file), tmp_path)
    assert plan.folder == tmp_path / 'experiments' / file.stem
    assert len(plan.runs) == len(plan.grid.variants) * 3


def test_the_founding_question_has_its_arms(tmp_path):
    """L1 and perceptual; each term added to them; all; each left out."""
    plan = make_plan(read_grid(REPO / 'options' / 'grids' / 'color_losses.yml'), tmp_path)
    terms = {run.variant: {term['name'] for term in run.options['train']['losses']} for run in plan.runs}
    base, everything = {'pixel', 'percep'}, {'pixel', 'percep', 'chroma', 'lab', 'ssim'}
    assert terms['baseline'] == base and terms['all'] == everything
    for name in ('chroma', 'lab', 'ssim'):
        assert terms[f'plus_{name}'] == base | {name}
    for name in ('chroma', 'lab', 'ssim', 'percep'):
        assert terms[f'no_{name}'] == everything - {name}


def test_missing_data_is_found_before_anything_runs(tiny_root):
    write_grid(tiny_root, {'variants': {'full': {}, 'x': {'datasets:val:dataroot_lq': 'data/none'}}})
    plan = make_plan(read_grid(tiny_root / 'grid.yml'), tiny_root)
    with pytest.raises(ValueError, match=r'variant x: .*data/none'):
        check_files(plan)


def test_status_of_an_edited_grid_calls_its_runs_stale(tiny_root):
    write_grid(tiny_root)
    plan = make_plan(read_grid(tiny_root / 'grid.yml'), tiny_root)
    write_grid_folder(plan)
    place = plan.runs[0].place
    place.folder.mkdir()
    (place.folder / 'resolved.yml').write_text(place.options.read_text())
    (place.folder / 'result.json').write_text(json.dumps({'options_hash': options_hash(plan.runs[0].options)}))
    assert '2 runs: 1 done, 1 planned' in ablate(tiny_root, '--status').stdout

    write_grid(tiny_root, {'common': {'train:optim_g:lr': 1e-3}})
    status = ablate(tiny_root, '--status').stdout
    assert '2 runs: 1 planned, 1 stale' in status and 'other options than the grid has now' in status
