"""Training from every kind of source: the losses tell whether the pixels were the same."""

import json
from pathlib import Path

import pytest
import yaml

from basicsr.train import train_pipeline
from basicsr.utils.errors import UserError
from tests.conftest import tiny_options, write_pairs


def events(root, name):
    lines = (root / 'experiments' / name / 'metrics.jsonl').read_text().splitlines()
    timings = ('time', 'data_time', 'data_wait')
    return [{key: value for key, value in json.loads(line).items() if key not in timings} for line in lines]


def options_with(name, **keys):
    options = tiny_options() | {'name': name}
    options['datasets']['train'] |= keys
    return options


@pytest.mark.parametrize('num_workers', [0, 2])
def test_losses_are_the_same_with_and_without_cache(train, tiny_root, num_workers):
    photometric = {'prob': 0.5, 'exposure_ev': [-0.5, 0.5]}
    for kind in ('none', 'disk', 'ram'):
        train(options_with(kind, cache=kind, num_worker_per_gpu=num_workers, photometric=photometric))
    assert len(events(tiny_root, 'none')) == 5
    assert events(tiny_root, 'disk') == events(tiny_root, 'ram') == events(tiny_root, 'none')
    assert len(list((tiny_root / 'pixel_cache').rglob('*.npy'))) == 10


def test_a_run_goes_on_with_another_cache(train, tiny_root, capfd):
    """Where a disk has become full, the cache is changed and the run resumed: the pixels are the same."""
    train(options_with('run', mix=[{'name': 'real', 'cache': 'disk'}]))
    whole = events(tiny_root, 'run')
    (tiny_root / 'experiments' / 'run' / 'training_states' / '12.state').unlink()
    train(options_with('run', mix=[{'name': 'real', 'cache': 'none'}]), '--auto_resume')
    assert events(tiny_root, 'run')[-1] == whole[-1]
    assert 'Resuming training' in capfd.readouterr().err


def test_the_cache_is_built_by_default_and_used_by_the_next_run(train, tiny_root, capfd):
    train(options_with('first'))
    assert 'Pixel cache of datasets.train: disk, 10 images' in capfd.readouterr().err
    train(options_with('second'))
    assert '(10 were there)' in capfd.readouterr().err
    assert events(tiny_root, 'first') == events(tiny_root, 'second')


def test_a_changed_photograph_is_decoded_again(train, tiny_root):
    train(options_with('before', cache='disk'))
    write_pairs(tiny_root / 'data' / 'train', 5, seed=7)
    train(options_with('after', cache='disk'))
    train(options_with('uncached', cache='none'))
    assert events(tiny_root, 'after') == events(tiny_root, 'uncached') != events(tiny_root, 'before')


def test_several_folders_are_one_set(train, tiny_root):
    write_pairs(tiny_root / 'data' / 'more', 3, seed=5)
    folders = {f'dataroot_{kind}': [f'data/train/{kind}', f'data/more/{kind}'] for kind in ('lq', 'gt')}
    train(options_with('several', **folders))
    assert 'Number of train images: 8' in log(tiny_root, 'several')


def log(root: Path, name: str) -> str:
    (file,) = (root / 'experiments' / name).glob('train_*.log')
    return file.read_text(encoding='utf-8')


def test_a_mixture_logs_the_epoch_of_each_part(train, tiny_root):
    write_pairs(tiny_root / 'data' / 'hard', 2, seed=5)
    mix = [{'name': 'real', 'weight': 3}, {'name': 'hard', **{f'dataroot_{k}': f'data/hard/{k}' for k in ('lq', 'gt')}}]
    train(options_with('mixture', mix=mix))
    last = [event for event in events(tiny_root, 'mixture') if 'val' not in event][-1]
    # 12 iterations of 2 samples: 18 of `real`, which has 5, and 6 of `hard`, which has 2.
    assert last['epoch/real'] == pytest.approx(18 / 5) and last['epoch/hard'] == pytest.approx(6 / 2)
    assert 'epoch_hard: 3.0000e+00' in log(tiny_root, 'mixture')
    resolved = yaml.safe_load((tiny_root / 'experiments' / 'mixture' / 'resolved.yml').read_text())
    train(resolved | {'name': 'again'})
    assert events(tiny_root, 'again') == events(tiny_root, 'mixture')


def test_keys_of_a_set_go_to_the_entries_that_take_them(train, tiny_root):
    """A file with a `base` has its folders: an entry that makes its inputs of targets takes no `dataroot_lq`."""
    made = {'name': 'made', 'type': 'DegradationDataset', 'degradations': [{'type': 'Grayscale'}]}
    train(options_with('some', mix=[{'name': 'real', 'weight': 3}, made]))
    resolved = yaml.safe_load((tiny_root / 'experiments' / 'some' / 'resolved.yml').read_text())
    real, made = resolved['datasets']['train']['mix']
    assert 'dataroot_lq' in real and 'dataroot_lq' not in made and real['dataroot_gt'] == made['dataroot_gt']


def test_inputs_are_made_of_targets(train, tiny_root):
    degradations = [{'type': 'CameraBefore'}, {'type': 'JPEG', 'prob': 0.5}]
    options = options_with('made', type='DegradationDataset', degradations=degradations)
    del options['datasets']['train']['dataroot_lq']
    options['datasets']['val'] |= {'type': 'DegradationDataset', 'degradations': [{'type': 'Grayscale'}]}
    del options['datasets']['val']['dataroot_lq']
    train(options)
    assert [event['psnr'] > 0 for event in events(tiny_root, 'made') if 'val' in event] == [True, True]


@pytest.mark.parametrize(
    ('keys', 'message'),
    [
        ({'mix': [{'name': 'a'}, {'name': 'a'}]}, "datasets.train.mix: two entries are called 'a'"),
        ({'mix': [{'weight': 2}]}, 'datasets.train.mix[0].name: is required'),
        ({'mix': [{'name': 'a', 'weight': 0}]}, 'datasets.train.mix[0].weight'),
        ({'mix': [{'name': 'a', 'gt_sise': 8}]}, "datasets.train.mix[0].gt_sise: unknown key; did you mean 'gt_size'?"),
        ({'mix': [{'name': 'a'}], 'gt_size': 'x'}, 'datasets.train.gt_size: expected int'),
        ({'mix': [{'name': 'a'}], 'gt_sise': 8}, "datasets.train.gt_sise: unknown key; did you mean 'gt_size'?"),
        ({'mix': []}, 'datasets.train.mix: expected a list of sets'),
        ({'cache': 'dsk'}, 'datasets.train.cache'),
        ({'photometric': {'target': 'lq'}}, 'changes nothing'),
        ({'photometric': {'exposure_ev': [1, -1]}}, 'datasets.train.photometric.exposure_ev'),
        ({'type': 'DegradationDataset', 'degradations': [{'type': 'JPG'}]}, "did you mean 'JPEG'?"),
        ({'type': 'DegradationDataset', 'degradations': [{'type': 'JPEG', 'prob': 2}]}, 'degradations[0].prob'),
        (
            {'type': 'DegradationDataset', 'degradations': [{'type': 'JPEG', 'quality': [1, 200]}]},
            'degradations[0]: JPEG',
        ),
        ({'exclude': 'no.txt'}, 'cannot read the list: No such file'),
    ],
)
def test_mistakes_get_one_message(train, tiny_root, keys, message):
    options = options_with('wrong', **keys)
    if keys.get('type') == 'DegradationDataset':
        del options['datasets']['train']['dataroot_lq']
    with pytest.raises(UserError) as caught:
        train(options)
    assert message in str(caught.value)
    assert not (tiny_root / 'experiments').exists()


def test_a_mixture_is_checked_without_data(tmp_path, capsys):
    file = tmp_path / 'run.yml'
    mix = [{'name': 'real', 'weight': 0.8}, {'name': 'made', 'weight': 0.2, 'gt_size': 24}]
    file.write_text(yaml.safe_dump(options_with('mixture', mix=mix)))
    assert train_pipeline(str(tmp_path), ['-opt', str(file), '--check']) is None
    train_set = yaml.safe_load(capsys.readouterr().out)['datasets']['train']
    assert [entry['name'] for entry in train_set['mix']] == ['real', 'made']
    assert [entry['weight'] for entry in train_set['mix']] == [0.8, 0.2]
    assert train_set['mix'][0]['dataroot_gt'] == 'data/train/gt'
