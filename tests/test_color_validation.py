"""Validation end to end: colours, gates, best weights, gallery, ranks, and sets without targets."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml

from basicsr.metrics import COLOR_FIDELITY
from basicsr.metrics.scores import Scores
from basicsr.train import train_pipeline
from basicsr.utils.errors import UserError
from tests.conftest import tiny_options, write_pairs

REPO = Path(__file__).resolve().parents[1]
ANYTHING = {'type': 'SingleImageDataset', 'dataroot_lq': 'data/val/lq'}


def options_with(name='tiny', **val):
    options = tiny_options() | {'name': name}
    options['val'] |= {'color_fidelity': True, **val}
    return options


def scores(root, name='tiny', dataset='val', iteration=12):
    return Scores.load(root / 'experiments' / name / 'val' / dataset / f'{iteration}.csv')


def events(root, name='tiny'):
    return [json.loads(line) for line in (root / 'experiments' / name / 'metrics.jsonl').read_text().splitlines()]


def test_every_image_has_a_row_and_every_number_a_mean(train, tiny_root, capfd):
    train(options_with())
    table = scores(tiny_root)
    assert list(table.rows) == ['00', '01']
    assert table.metrics == ['psnr', 'ssim', *(name for name in COLOR_FIDELITY if name not in ('psnr', 'ssim'))]
    last = [event for event in events(tiny_root) if 'val' in event][-1]
    for metric, mean in table.means().items():
        assert last[metric] == (None if math.isnan(mean) else mean)
    assert 'input_de00_mean' in last
    log = capfd.readouterr().err
    assert 'colours, of the float output: delta E 2000 mean' in log and 'images/s' in log
    assert (tiny_root / 'experiments' / 'tiny' / 'val' / 'gallery.html').is_file()


def test_gates_say_pass_or_fail(train, tiny_root, capfd):
    train(options_with('reference'))
    reference = scores(tiny_root, 'reference').means()
    gates = {
        'psnr': {'min_delta': -1e-9, 'max': 100},
        'de00_mean': {'max': reference['de00_mean'] - 0.1},
        'sat_ratio_all': {'min': reference['sat_ratio_all'] - 0.1, 'max': reference['sat_ratio_all'] + 0.1},
    }
    capfd.readouterr()
    train(options_with('judged', gates=gates, gates_reference='experiments/reference'))
    log = capfd.readouterr().err
    assert 'PASS psnr' in log and '(+0.0000 against the reference)' in log
    assert 'FAIL de00_mean' in log and 'PASS sat_ratio_all' in log
    last = [event for event in events(tiny_root, 'judged') if 'val' in event][-1]
    assert last['gates'] == {'psnr': True, 'de00_mean': False, 'sat_ratio_all': True}


@pytest.mark.parametrize(
    ('val', 'message'),
    [
        ({'gates': {'psnr': {'min_delta': 0}}, 'gates_reference': 'experiments/none'}, 'neither a CSV file of scores'),
        ({'gates': {'de00_p95': {'max_delta': 0}}, 'gates_reference': 'scores.csv'}, 'has no scores of de00_p95'),
        ({'gates': {'hue_shift_61': {'max': 5}}}, "'hue_shift_61' is not computed; did you mean 'hue_shift_60'?"),
        ({'key_metric': 'val_colour/psnr'}, "there is no set 'val_colour'"),
        ({'key_metric': 'val_anything/psnr'}, "the set 'val_anything' has no targets"),
        ({'key_metric': 'masked_share_60'}, "'masked_share_60' says nothing of the result"),
        ({'gallery': {'metric': 'masked_share_60'}}, "'masked_share_60' says nothing of the result"),
        ({'gates': {'psnr': {'min': 1}}, 'gates_reference': 'scores.csv'}, 'no gate has a `min_delta` or `max_delta`'),
        ({'gates': {'psnr': {'min_delta': 1}}, 'gates_reference': 'others.csv'}, 'has none of the images of val'),
    ],
)
def test_mistakes_are_found_before_training(train, tiny_root, val, message):
    (tiny_root / 'scores.csv').write_text('image,psnr\n00,20.0\n')
    (tiny_root / 'others.csv').write_text('image,psnr\n77,20.0\n')
    options = options_with(**val)
    options['datasets']['val_anything'] = ANYTHING
    with pytest.raises(UserError) as caught:
        train(options)
    assert message in str(caught.value)
    assert not (tiny_root / 'experiments').exists()


@pytest.mark.parametrize('metrics', [{'hue': {'type': 'calculate_hue_shift_60'}}, {}])
def test_colours_of_grey_sets_are_refused_before_training(train, tiny_root, metrics):
    options = options_with(color_fidelity=not metrics)
    options['val']['metrics'] |= metrics
    options['network_g']['img_channel'] = 1
    for dataset in options['datasets'].values():
        dataset['color'] = 'y'
    with pytest.raises(UserError, match=r'no colours to measure in datasets\.val, with its `color: y`'):
        train(options)
    assert not (tiny_root / 'experiments').exists()
    options['val'] = tiny_options()['val']
    train(options)


def test_gates_are_of_sets_with_targets(train, tiny_root):
    options = options_with(gates={'psnr': {'min': 1}})
    options['datasets'] = {'train': options['datasets']['train'], 'val_anything': ANYTHING}
    with pytest.raises(UserError, match=r'val\.gates: no set has targets'):
        train(options)


def test_the_reference_may_be_an_earlier_run_of_the_same_name(train, tiny_root):
    """That run moves aside, and its scores stay what the gates compare with; a set without targets needs none."""
    options = options_with()
    train(options)
    reference = scores(tiny_root)
    options['val'] |= {'gates': {'psnr': {'min_delta': 50}}, 'gates_reference': 'experiments/tiny', 'val_freq': 3}
    options['datasets'] |= {'val_anything': ANYTHING}
    options['manual_seed'] = 4
    verdict = train(options).gate_results['val'][0]
    assert verdict.delta == pytest.approx(scores(tiny_root).means()['psnr'] - reference.means()['psnr'])
    assert verdict.delta != 0 and not verdict.passed


def test_a_key_metric_without_a_score_is_told(train, tiny_root, capfd):
    for file in (tiny_root / 'data' / 'val').rglob('*.png'):
        cv2.imwrite(str(file), cv2.cvtColor(cv2.imread(str(file), cv2.IMREAD_GRAYSCALE), cv2.COLOR_GRAY2BGR))
    train(options_with(key_metric='hue_shift_60'))
    log = capfd.readouterr().err
    assert 'val.key_metric: no image of val has a hue_shift_60: net_g_best.pth is not written' in log
    assert 'saturated >= 60/255 (0% of the pixels): no image has enough such pixels' in log
    assert not (tiny_root / 'experiments' / 'tiny' / 'models' / 'net_g_best.pth').exists()


def test_the_best_weights_are_kept_with_what_they_scored(train, tiny_root):
    options = options_with(key_metric='val/de00_mean', val_freq=3)
    options['train']['optim_g']['lr'] = 5e-3
    options['train']['ema_decay'] = 0.9
    model = train(options)
    models = tiny_root / 'experiments' / 'tiny' / 'models'
    note = json.loads((models / 'net_g_best.json').read_text())
    by_iter = {i: scores(tiny_root, iteration=i).means()['de00_mean'] for i in (3, 6, 9, 12)}
    assert note['iter'] == min(by_iter, key=lambda i: (by_iter[i], -i))
    assert note['value'] == note['scores']['val']['de00_mean'] == by_iter[note['iter']]
    weights = torch.load(models / 'net_g_best.pth', weights_only=True)
    assert weights.keys() == {'params', 'params_ema'}
    assert model.best_metric_results['val']['de00_mean']['better'] == 'lower'
    assert model.best_metric_results['val']['chroma_ratio_60']['better'] == 1.0


def test_ratios_are_best_near_one(train, tiny_root):
    model = train(options_with(val_freq=3))
    ratios = {i: scores(tiny_root, iteration=i).means()['sat_ratio_all'] for i in (3, 6, 9, 12)}
    best = model.best_metric_results['val']['sat_ratio_all']
    assert best['iter'] == min(ratios, key=lambda i: (abs(ratios[i] - 1), -i))


def test_two_ranks_find_the_same_to_the_last_digit(train, tiny_root):
    write_pairs(tiny_root / 'data' / 'val', 5, seed=1)
    options = options_with('one', val_freq=1)
    options['train']['total_iter'] = 1
    train(options)
    # The same weights, so that only the validation differs.
    options['train'] |= {'mode': 'finetune', 'optim_g': {'type': 'SGD', 'lr': 1e-30}}
    options['path'] = {'pretrain_network_g': str(tiny_root / 'experiments' / 'one' / 'models' / 'net_g_latest.pth')}
    options['name'] = 'again'
    train(options)
    options['path'] |= {'experiments_root': str(tiny_root / 'experiments'), 'tb_root': str(tiny_root / 'tb_logger')}
    for key in ('train', 'val'):
        options['datasets'][key] |= {f'dataroot_{k}': str(tiny_root / 'data' / key / k) for k in ('gt', 'lq')}
    options['datasets']['train']['cache'] = 'none'
    file = tiny_root / 'two.yml'
    file.write_text(yaml.safe_dump(options | {'name': 'two'}))
    command = [sys.executable, '-m', 'torch.distributed.run', '--nproc-per-node=2', '--master-port=29619']
    command += [str(REPO / 'basicsr' / 'train.py'), '-opt', str(file), '--launcher', 'pytorch']
    environment = os.environ | {'OMP_NUM_THREADS': '1'}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=180)
    assert result.returncode == 0, result.stderr[-2000:]

    one, two = ([e for e in events(tiny_root, name) if 'val' in e] for name in ('again', 'two'))
    assert two == one
    texts = [(tiny_root / 'experiments' / n / 'val' / 'val' / '1.csv').read_text() for n in ('again', 'two')]
    assert texts[0] == texts[1] and len(texts[0].splitlines()) == 6
    pictures = [sorted(p.name for p in (tiny_root / 'experiments' / n / 'val').rglob('*.*')) for n in ('again', 'two')]
    assert pictures[0] == pictures[1]


def test_sets_without_targets_give_pictures(train, tiny_root):
    options = options_with(save_img=True)
    options['datasets']['val_anything'] = ANYTHING
    train(options)
    run = tiny_root / 'experiments' / 'tiny'
    assert sorted(p.name for p in (run / 'visualization' / 'val_anything').rglob('*.png')) == [
        '00_12.png',
        '00_6.png',
        '01_12.png',
        '01_6.png',
    ]
    assert not (run / 'val' / 'val_anything' / '12.csv').exists()
    assert 'val_anything' in (run / 'val' / 'gallery.html').read_text()


def test_unreadable_images_are_left_out_and_listed(train, tiny_root, capfd):
    options = options_with()
    train(options)
    file = tiny_root / 'data' / 'val' / 'gt' / '00.png'
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    capfd.readouterr()
    train(options | {'name': 'damaged'})
    log = capfd.readouterr().err
    assert '1 of 2 images cannot be read, and are left out:' in log and str(file) in log
    assert list(scores(tiny_root, 'damaged').rows) == ['01']
    assert scores(tiny_root, 'damaged').rows['01'] == scores(tiny_root).rows['01']


@pytest.mark.parametrize('arch', ['NAFNet', 'NAFNetLocal'])
def test_tiles(train, tiny_root, capfd, arch):
    options = options_with()
    options['network_g']['type'] = arch
    if arch == 'NAFNetLocal':
        options['network_g']['train_size'] = [1, 3, 16, 16]
    train(options)
    whole = scores(tiny_root)
    train(options | {'name': 'tiled', 'val': {**options['val'], 'tile': {'size': 32, 'overlap': 12}}})
    assert ('averages over the whole image' in capfd.readouterr().err) == (arch == 'NAFNet')
    tiled = scores(tiny_root, 'tiled')
    assert tiled.means()['psnr'] == pytest.approx(whole.means()['psnr'], abs=0.1)


def test_testing_writes_the_same_scores(train, tiny_root):
    from basicsr.test import test_pipeline
    from basicsr.utils.logger import close_root_logger

    options = options_with()
    train(options)
    weights = tiny_root / 'experiments' / 'tiny' / 'models' / 'net_g_latest.pth'
    arguments = ['-opt', str(tiny_root / 'tiny.yml'), '--force_yml', f'path:pretrain_network_g={weights}']
    test_pipeline(str(tiny_root), arguments)
    close_root_logger()
    tested = Scores.load(tiny_root / 'results' / 'tiny' / 'val' / 'val' / 'tiny.csv')
    assert tested.rows == scores(tiny_root).rows


def test_resuming_puts_a_later_best_aside(train, tiny_root):
    options = options_with(key_metric='psnr')
    train(options)
    models = tiny_root / 'experiments' / 'tiny' / 'models'
    assert json.loads((models / 'net_g_best.json').read_text())['iter'] == 12
    for kind in ('training_states/12.state', 'models/net_g_12.pth'):
        (tiny_root / 'experiments' / 'tiny' / kind).unlink()
    options['train']['total_iter'] = 12
    options['val']['val_freq'] = 6
    before = (models / 'net_g_best.pth').read_bytes()
    train(options, '--auto_resume')
    aside = list((tiny_root / 'experiments' / 'tiny').glob('abandoned_*/models/net_g_best.pth'))
    assert len(aside) == 1 and aside[0].read_bytes() == before
    assert (models / 'net_g_best.pth').is_file()


def test_a_desaturating_network_is_seen_in_the_mask_alone(tmp_path):
    """Bold walls come out grey, all else gains a little: the mean over the image looks away."""
    from basicsr.metrics.color_fidelity import color_fidelity

    rng = np.random.default_rng(0)
    target = torch.from_numpy(rng.uniform(0.45, 0.55, (3, 120, 160))).float()
    target[:, :40] = torch.tensor([0.2, 0.3, 0.9]).view(3, 1, 1)
    result = target.clone()
    grey = result[:, :40].mean(0, keepdim=True)
    result[:, :40] = grey + 0.6 * (result[:, :40] - grey)
    grey = result[:, 40:].mean(0, keepdim=True)
    result[:, 40:] = (grey + 2.5 * (result[:, 40:] - grey)).clamp(0, 1)
    found = color_fidelity(result, target)
    assert found['sat_ratio_all'] == pytest.approx(1, abs=0.2)
    assert found['sat_ratio_60'] < 0.8


def test_check_reads_no_reference(tmp_path):
    file = tmp_path / 'run.yml'
    gates = {'psnr': {'min_delta': 0}}
    file.write_text(yaml.safe_dump(options_with(gates=gates, gates_reference='experiments/none')))
    assert train_pipeline(str(tmp_path), ['-opt', str(file), '--check']) is None


def test_pictures_of_equal_names_do_not_replace_each_other(train, tiny_root):
    write_pairs(tiny_root / 'data' / 'more', 1, seed=5)
    options = options_with(save_img=True, val_freq=12)
    for kind in ('lq', 'gt'):
        options['datasets']['val'][f'dataroot_{kind}'] = [f'data/val/{kind}', f'data/more/{kind}']
    train(options)
    folder = tiny_root / 'experiments' / 'tiny' / 'visualization' / 'val'
    names = sorted(path.name for path in folder.rglob('*.png'))
    assert names == ['01_12.png', 'more_lq_00_png_12.png', 'val_lq_00_png_12.png']
