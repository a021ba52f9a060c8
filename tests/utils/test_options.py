"""From the command line to the options of a run."""

import copy
import os

import pytest

from basicsr.utils.errors import OptionError
from basicsr.utils.options import (
    build_parser,
    copy_opt_file,
    dict2str,
    load_options,
    parse_options,
    runtime_options,
    yaml_load,
)
from basicsr.utils.registry import DATASET_REGISTRY
from tests.utils.option_files import RUN, write


@pytest.mark.parametrize('text', ['cache=none', 'cache:type=none', 'cache={type: none}'])
def test_none_is_a_name_where_a_type_is_called_so(tmp_path, text):
    options, _ = load_options(write(tmp_path, RUN), [f'datasets:train:{text}', 'train:grad_clip:type=none'])
    assert options['datasets']['train']['cache']['type'] == 'none'
    assert options['train']['grad_clip']['type'] == 'none'


@pytest.mark.parametrize(
    ('text', 'value'),
    [
        ('5', 5),
        ('-1', -1),  # BasicSR reads the text '-1'
        ('1e-5', 1e-5),  # and the text '1e-5'
        ('!!float1e-5', 1e-5),
        ('!!float 1e-5', 1e-5),
        ('1.5', 1.5),
        ('true', True),
        ('~', None),
        ('none', None),
        ('None', None),
        ('', None),
        ('[1, 2]', [1, 2]),
        ('{a: 1}', {'a': 1}),
        ('a=b=c', 'a=b=c'),
        ("'5'", '5'),
        ('text with spaces', 'text with spaces'),
        ("__import__('os').getcwd()", "__import__('os').getcwd()"),
    ],
)
def test_values_of_force_yml(tmp_path, text, value):
    class Anything:
        def __init__(self, opt):
            pass

    DATASET_REGISTRY.register(Anything)
    try:
        options, _ = load_options(write(tmp_path, RUN), ['datasets:val:type=Anything', f'datasets:val:x={text}'])
    finally:
        del DATASET_REGISTRY._obj_map['Anything']
    assert options['datasets']['val']['x'] == value
    assert type(options['datasets']['val']['x']) is type(value)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('scale', '--force_yml scale: expected KEY:KEY=VALUE, such as train:optim_g:lr=1e-4'),
        ('=5', '--force_yml =5: expected KEY:KEY=VALUE, such as train:optim_g:lr=1e-4'),
        ('scale=[1', "--force_yml scale=[1: line 1: not valid YAML: expected ',' or ']', but got '<stream end>'"),
        ('scale=!!float x', '--force_yml scale=!!float x: line 1: not valid YAML: `x` is no float'),
    ],
)
def test_force_yml_that_cannot_be_read(tmp_path, text, message):
    with pytest.raises(OptionError) as caught:
        load_options(write(tmp_path, RUN), [text])
    assert str(caught.value) == message


def test_command_line(tmp_path):
    file = write(tmp_path, RUN)
    arguments = ['-opt', file, '--force_yml', 'scale=2', 'num_gpu=0', '--local-rank=3', '--force_yml', 'scale=3']
    options, args = parse_options(str(tmp_path), True, arguments)
    assert (options['scale'], options['num_gpu']) == (3, 0)
    assert (args.launcher, args.check, args.allow_changed) == ('none', False, False)
    assert args.resolved['scale'] == 3
    assert build_parser().parse_args(['-opt', file, '--local_rank', '2', '--launcher', 'pytorch']).local_rank == 2


@pytest.mark.parametrize('arguments', [[], ['-opt', 'x.yml', '--auto'], ['-opt', 'x.yml', '--launcher', 'mpi']])
def test_wrong_command_lines(arguments, capsys):
    with pytest.raises(SystemExit):
        build_parser().parse_args(arguments)
    assert 'usage:' in capsys.readouterr().err


def test_debug(tmp_path):
    file = write(tmp_path, RUN)
    options, args = parse_options(str(tmp_path), True, ['-opt', file, '--debug'])
    assert options['name'] == args.resolved['name'] == 'debug_run'
    assert options['path']['experiments_root'] == str(tmp_path / 'experiments' / 'debug_run')
    changed = {'print_freq': 1, 'save_checkpoint_freq': 8, 'use_tb_logger': False}
    assert options['logger'].items() >= changed.items()
    assert options['val']['val_freq'] == 8
    assert args.notes == ['--debug: logs every iteration, validates and saves every 8th, and writes no curves']

    named = ['-opt', file, '--debug', '--force_yml', 'name=debugging', 'val=~']
    options, _ = parse_options(str(tmp_path), True, named)
    assert options['name'] == 'debugging'
    assert options['val'] is None


def test_what_is_filled_in_for_training(tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path / 'home'))
    forced = [
        'datasets:val_color={type: PairedImageDataset, dataroot_gt: ~/gt, dataroot_lq: /abs/lq, meta_info_file: m.txt}',
        'path:pretrain_network_g=w.pth',
        'path:tb_root=~',
        'path:ignore_resume_networks=[network_g]',
        'train:losses:percep={type: PerceptualLoss, weights: vgg.pth}',
        'scale=2',
    ]
    resolved, _ = load_options(write(tmp_path, RUN), forced)
    before = copy.deepcopy(resolved)
    opt = runtime_options(resolved, str(tmp_path), is_train=True, auto_resume=True)
    assert resolved == before

    filled = {'is_train': True, 'auto_resume': True, 'root_path': str(tmp_path), 'rank': 0, 'world_size': 1}
    assert opt.items() >= (filled | {'dist': False}).items()
    sets = {key: (o['key'], o['phase'], o['scale']) for key, o in opt['datasets'].items()}
    assert sets == {
        'train': ('train', 'train', 2),
        'val': ('val', 'val', 2),
        'val_color': ('val_color', 'val', 2),
    }
    assert opt['datasets']['train']['dataroot_gt'] == str(tmp_path / 'data/gt')
    assert opt['datasets']['val_color']['dataroot_gt'] == str(tmp_path / 'home/gt')
    assert opt['datasets']['val_color']['dataroot_lq'] == '/abs/lq'
    assert opt['datasets']['val_color']['meta_info_file'] == str(tmp_path / 'm.txt')
    assert opt['train']['losses'][2]['weights'] == str(tmp_path / 'vgg.pth')
    run = tmp_path / 'experiments' / 'run'
    assert opt['path'] == {
        'pretrain_network_g': str(tmp_path / 'w.pth'),
        'param_key_g': 'auto',
        'strict_load_g': True,
        'resume_state': None,
        'ignore_resume_networks': ['network_g'],
        'experiments_root': str(run),
        'tb_root': str(tmp_path / 'tb_logger' / 'run'),
        'results_root': str(tmp_path / 'results'),
        'log': str(run),
        'models': str(run / 'models'),
        'training_states': str(run / 'training_states'),
        'visualization': str(run / 'visualization'),
        'val': str(run / 'val'),
    }


def test_what_is_filled_in_for_a_test(tmp_path):
    options, _ = parse_options(str(tmp_path), False, ['-opt', write(tmp_path, RUN)])
    assert {o['phase'] for o in options['datasets'].values()} == {'test'}
    results = str(tmp_path / 'results' / 'run')
    assert options['path']['results_root'] == options['path']['log'] == results
    assert options['path']['visualization'] == os.path.join(results, 'visualization')
    assert options['is_train'] is False


def test_nobodys_home_is_a_folder_that_is_not_there(tmp_path):
    resolved, _ = load_options(write(tmp_path, RUN), ['datasets:val:dataroot_gt=~no_such_user/gt'])
    opt = runtime_options(resolved, str(tmp_path), is_train=True)
    assert opt['datasets']['val']['dataroot_gt'] == str(tmp_path / '~no_such_user/gt')


def test_yaml_load(tmp_path):
    file = write(tmp_path, '\ufeffa: 1e-3\n')
    assert yaml_load(file) == {'a': 1e-3}
    assert yaml_load('a: [1, 2]') == {'a': [1, 2]}
    assert yaml_load('{' + ', '.join(f'key_number_{i}: {i}' for i in range(100)) + '}')['key_number_99'] == 99


def test_dict2str():
    assert dict2str({'name': 'x', 'train': {'lr': 1}}) == '\n  name: x\n  train:[\n    lr: 1\n  ]\n'


def test_copy_of_the_option_file(tmp_path, monkeypatch):
    file = write(tmp_path, '\ufeff# mine\nname: x\n')
    (tmp_path / 'run').mkdir()
    monkeypatch.setattr('sys.argv', ['train.py', '-opt', 'run.yml'])
    copy_opt_file(file, str(tmp_path / 'run'))
    first, *rest = (tmp_path / 'run' / 'run.yml').read_text(encoding='utf-8').splitlines()
    assert first.startswith('# GENERATE TIME: ')
    assert rest == ['# CMD:', '# train.py -opt run.yml', '', '# mine', 'name: x']
