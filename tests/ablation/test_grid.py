"""Grid files: what they expand to, what is refused, and that all arms of a seed see the same data."""

import pytest
import torch
import yaml

from basicsr.ablation.grid import read_grid
from basicsr.ablation.grid_folder import archive_stale, refuse_stale
from basicsr.ablation.identity import hash_of_file, options_hash, varied_options
from basicsr.data import build_dataset
from basicsr.data.stream import Stream
from basicsr.utils.errors import OptionError, UserError
from basicsr.utils.options import dump_options, load_options, runtime_options, yaml_load
from tests.conftest import tiny_options


def test_variants_are_what_the_command_line_would_make(plan_of, tiny_root):
    plan = plan_of({'common': {'train:total_iter': 20}, 'variants': {'full': {}, 'slow': {'train:optim_g:lr': 1e-4}}})
    assert [run.place.name for run in plan.runs] == ['full_s0', 'slow_s0', 'full_s1', 'slow_s1']
    wanted, _ = load_options(str(tiny_root / 'tiny.yml'), ['train:total_iter=20', 'train:optim_g:lr=1e-4'])
    wanted |= {'name': 'grid/slow_s1', 'manual_seed': 1}
    made = dict(plan.runs[3].options)
    assert made.pop('logger')['hparams'] == {'variant': 'slow', 'seed': 1, 'optim_g.lr': 1e-4}
    del wanted['logger']
    assert made == wanted


def test_written_files_are_complete_and_stay_the_same(written):
    plan = written()
    for run in plan.runs:
        again, _ = load_options(str(run.place.options))
        assert yaml_load(dump_options(again)) == yaml_load(str(run.place.options))
        assert hash_of_file(run.place.options) == options_hash(run.options)
    before = {run.place.options: run.place.options.stat().st_mtime_ns for run in plan.runs}
    written()
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_axes_multiply_the_variants(tmp_path):
    (tmp_path / 'g.yml').write_text(
        'base: x.yml\nbaseline: full\nvariants:\n  full: {}\n  no_ssim: {train:losses:ssim: ~}\n'
        'axes:\n  train:optim_g:lr: [1e-4, 2e-4]\n  size: {w8: {network_g:width: 8}, w16: {network_g:width: 16}}\n'
        'exclude: [no_ssim-lr0.0001-w16]\n'
    )
    grid = read_grid(tmp_path / 'g.yml')
    assert grid.name == 'g' and grid.baseline == 'full-lr0.0001-w8'
    names = [variant.name for variant in grid.variants]
    assert names[:4] == ['full-lr0.0001-w8', 'full-lr0.0001-w16', 'full-lr0.0002-w8', 'full-lr0.0002-w16']
    assert len(names) == 7 and 'no_ssim-lr0.0001-w16' not in names
    last = {override.key: override.value for override in grid.variants[-1].overrides}
    assert last == {'train:losses:ssim': None, 'train:optim_g:lr': 2e-4, 'network_g:width': 16}


def test_a_whole_option_file_is_a_variant(plan_of, tiny_root):
    other = tiny_options()
    other['train']['losses'] = [{'type': 'MSELoss', 'name': 'pixel'}]
    (tiny_root / 'other.yml').write_text(yaml.safe_dump(other))
    plan = plan_of({'variants': {'full': {}, 'mse': 'other.yml'}})
    assert plan.runs[1].options['train']['losses'][0]['type'] == 'MSELoss'


@pytest.mark.parametrize(
    'grid, message',
    [
        ({'variants': {'full': {}, 'same': {'train:total_iter': 12}}}, 'variant same (grid.yml line'),
        ({'variants': {'full': {}, 'same': {'logger:print_freq': 7}}}, 'changes nothing: logger:print_freq is so in'),
        (
            {'variants': {'full': {}, 'a': {'train:optim_g:lr': 1e-4}, 'b': {'train:optim_g:lr': 1e-4}}},
            'variants a and b: resolve to the same options',
        ),
        (
            {'variants': {'full': {}, 'no': {'train:losses:sim': None}}},
            "train.losses.sim: there is no entry 'sim'; did you mean 'ssim'?",
        ),
        ({'variants': {'full': {}, 'b': {'train:losses:ssim:loss_wight': 1}}}, "did you mean 'loss_weight'?"),
        ({'variants': {'full': {}, 'b': {'train:optm_g:lr': 1}}}, "train.optm_g: unknown key; did you mean 'optim_g'?"),
        (
            {'variants': {'full': {}, 'b': {'val:metrics:psrn': None}}},
            "val.metrics.psrn: there is nothing to take away; did you mean 'psnr'?",
        ),
        ({'variants': {'full': {}, 'b': {'manual_seed': 5}}}, 'manual_seed: is set by the grid'),
        ({'baseline': 'ful'}, "baseline: there is no variant 'ful'; did you mean 'full'?"),
        ({'seeds': [3], 'interval': True}, 'interval: needs at least two seeds'),
        ({'seeds': [3, 3]}, 'seeds: holds a seed twice'),
        ({'seeds': []}, 'seeds: '),
        ({'variants': {}}, 'variants: is empty, and there are no axes'),
        ({'variants': {'a/b': {}}}, "variants.a/b: 'a/b' names a folder"),
        ({'axes': {'train:optim_g:lr': []}}, 'axes.train:optim_g:lr: is empty'),
        ({'axes': {'train:optim_g:lr': [1, 1.0]}}, 'two variants would be called full-lr1'),
        ({'exclude': ['no_sim']}, "exclude[0]: there is no variant 'no_sim'; did you mean 'no_ssim'?"),
        ({'varants': {}}, "varants: unknown key; did you mean 'variants'?"),
        ({'base': 'none.yml'}, 'none.yml: cannot read the option file'),
    ],
)
def test_bad_input_is_one_clear_message(plan_of, grid, message):
    with pytest.raises(OptionError) as error:
        plan_of(grid)
    assert message in str(error.value)


def test_a_variant_that_changes_nothing_is_one_problem(plan_of):
    with pytest.raises(OptionError) as error:
        plan_of({'variants': {'full': {}, 'same': {'train:total_iter': 12}}})
    assert len(str(error.value).splitlines()) == 2


def test_all_problems_of_all_variants_come_at_once(plan_of):
    with pytest.raises(OptionError) as error:
        plan_of({'variants': {'full': {}, 'a': {'train:total_itr': 5}, 'b': {'network_g:widht': 5}}})
    text = str(error.value)
    assert 'variant a: 1 problem' in text and 'variant b: 1 problem' in text and 'line' in text


def test_hash_ignores_where_and_sees_what(plan_of):
    options = plan_of().runs[0].options
    same = options | {'name': 'x', 'num_gpu': 'auto', 'logger': {}, 'path': options['path'] | {'tb_root': 'y'}}
    same['datasets'] = {k: v | {'num_worker_per_gpu': 7} for k, v in options['datasets'].items()}
    assert options_hash(same) == options_hash(options)
    for change in ({'manual_seed': 9}, {'network_g': options['network_g'] | {'width': 5}}):
        assert options_hash(options | change) != options_hash(options)


def test_hparams_have_the_same_keys_in_all_variants(plan_of):
    variants = {'full': {}, 'no_ssim': {'train:losses:ssim': None}, 'ema': {'train:ema_decay': 0.9}}
    plan = plan_of({'variants': variants})
    assert [run.options['logger']['hparams'] for run in plan.runs[:3]] == [
        {'variant': 'full', 'seed': 0, 'ssim.loss_weight': 0.1, 'ema_decay': 0.0},
        {'variant': 'no_ssim', 'seed': 0, 'ssim.loss_weight': 0.0, 'ema_decay': 0.0},
        {'variant': 'ema', 'seed': 0, 'ssim.loss_weight': 0.1, 'ema_decay': 0.9},
    ]
    mixed = varied_options({'a': {'x': 1, 'y': True}, 'b': {'x': 'auto', 'y': False}})
    assert mixed == {'a': {'x': '1', 'y': True}, 'b': {'x': 'auto', 'y': False}}


def test_a_finished_run_of_other_options_is_refused(written):
    plan = written()
    place = plan.runs[0].place
    place.folder.mkdir(parents=True)
    (place.folder / 'resolved.yml').write_text(place.options.read_text())
    (place.folder / 'result.json').write_text(f'{{"options_hash": "{options_hash(plan.runs[0].options)}"}}')
    refuse_stale(plan)
    changed = written({'common': {'train:optim_g:lr': 5e-4}})
    with pytest.raises(UserError, match=r'full_s0: train\.optim_g\.lr: 0\.002 -> 0\.0005'):
        refuse_stale(changed)

    curves = plan.root / 'tb_logger' / 'grid' / 'full_s0'
    curves.mkdir(parents=True)
    (archived,) = archive_stale(changed)
    assert (archived / 'result.json').is_file() and (archived / 'tb').is_dir()
    assert not place.folder.exists() and not curves.exists()
    refuse_stale(changed)


def test_every_arm_of_a_seed_sees_the_same_data(plan_of, tiny_root):
    """The first hundred samples: the same pictures, crops and flips, whatever the losses; others for another seed."""
    options = tiny_options()
    options['datasets']['train'] |= {'use_hflip': True, 'use_rot': True}
    plan = plan_of({'variants': {'full': {}, 'no_ssim': {'train:losses:ssim': None}, 'wide': {'network_g:width': 6}}})
    streams = []
    for run in plan.runs:
        opt = runtime_options(run.options, str(tiny_root), True)
        streams.append(Stream(build_dataset(opt['datasets']['train']), opt['manual_seed']))
    for first in (0, 3):
        for k in range(100):
            samples = [streams[first + arm][k] for arm in range(3)]
            for other in samples[1:]:
                assert other.keys() == samples[0].keys()
                for key, value in samples[0].items():
                    same = torch.equal(value, other[key]) if torch.is_tensor(value) else value == other[key]
                    assert same, f'sample {k}: {key} differs'
    different = [k for k in range(100) if not _same_picture(streams[0][k], streams[3][k])]
    assert len(different) > 90


def _same_picture(first: dict, second: dict) -> bool:
    return torch.equal(first['lq'], second['lq'])
