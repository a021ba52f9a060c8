"""Files: written whole or not at all, read without running code, every layout in the wild."""

import os
import pickle
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from torch import nn

from basicsr.engine import checkpoint
from basicsr.engine.checkpoint import (
    load_file,
    load_weights,
    misfits,
    nonfinite_tensors,
    save_atomic,
    select_weights,
    sweep_partial,
)
from basicsr.utils.errors import CheckpointError

REAL = Path(__file__).resolve().parents[3] / 'shared/data/checkpoints'


class TestSave:
    def test_round_trip(self, tmp_path):
        data = {'params': {'w': torch.rand(3), 'n': torch.tensor(2)}, 'iter': 5, 'best': [1.5, None]}
        save_atomic(data, tmp_path / 'a.pth')
        loaded = torch.load(tmp_path / 'a.pth', weights_only=True)
        assert torch.equal(loaded['params'].pop('w'), data['params'].pop('w'))
        assert loaded == data
        assert os.listdir(tmp_path) == ['a.pth']

    @pytest.mark.parametrize('step', ['fsync', 'replace'])
    @pytest.mark.parametrize(
        'error', [OSError(28, 'No space left on device'), RuntimeError('disk'), KeyboardInterrupt()]
    )
    def test_a_failure_leaves_the_old_file_and_nothing_else(self, tmp_path, monkeypatch, step, error):
        path = tmp_path / 'a.pth'
        save_atomic({'w': torch.zeros(3)}, path)
        before = path.read_bytes()

        def fail(*_):
            raise error

        monkeypatch.setattr(os, step, fail)
        is_theirs = isinstance(error, KeyboardInterrupt)
        with pytest.raises(KeyboardInterrupt if is_theirs else CheckpointError) as caught:
            save_atomic({'w': torch.ones(3)}, path)
        monkeypatch.undo()
        if not is_theirs:
            assert str(caught.value) == f'{path}: cannot be written: {error}'
        assert path.read_bytes() == before
        assert os.listdir(tmp_path) == ['a.pth']

    def test_nothing_is_visible_before_it_is_complete(self, tmp_path, monkeypatch):
        path, seen = tmp_path / 'a.pth', []
        monkeypatch.setattr(os, 'fsync', lambda descriptor: seen.append(path.exists()))
        save_atomic({'w': torch.ones(3)}, path)
        assert seen[0] is False

    def test_no_folder(self, tmp_path):
        with pytest.raises(CheckpointError, match='cannot be written'):
            save_atomic({'w': torch.ones(3)}, tmp_path / 'gone' / 'a.pth')

    @pytest.mark.parametrize('value', [float('nan'), float('inf'), -float('inf')])
    def test_non_finite(self, tmp_path, value):
        data = {'params': {'ok': torch.ones(2), 'conv.weight': torch.tensor([1.0, value])}}
        with pytest.raises(CheckpointError) as caught:
            save_atomic(data, tmp_path / 'net_g_7.pth')
        assert str(caught.value) == (
            'net_g_7.pth is not written: params.conv.weight holds NaN or infinity; '
            'the last checkpoint before it is good'
        )
        assert os.listdir(tmp_path) == []

    def test_names_of_non_finite_tensors(self):
        bad = torch.tensor(float('nan'))
        data = {'a': [torch.ones(1), bad], 'b': {'c': (bad,)}, 'd': torch.tensor([2**60]), 'e': float('nan')}
        assert list(nonfinite_tensors(data)) == ['a.1', 'b.c.0']
        assert list(nonfinite_tensors({'h': torch.tensor([70000.0]).half(), 'z': torch.zeros(0)})) == ['h']

    def test_sweep(self, tmp_path):
        for name in ('net_g_5.pth', 'net_g_5.pth.partial.123', '5.state.partial.9'):
            (tmp_path / name).touch()
        sweep_partial(tmp_path)
        assert os.listdir(tmp_path) == ['net_g_5.pth']


class Malicious:
    def __reduce__(self):
        return (os.mkdir, (os.environ['MALICE'],))


class TestLoad:
    def test_missing(self, tmp_path):
        with pytest.raises(CheckpointError, match=r'gone\.pth: no such file'):
            load_file(tmp_path / 'gone.pth')
        with pytest.raises(CheckpointError, match='no such file'):
            load_file(tmp_path)

    @pytest.mark.parametrize('length', [0, 1, 100, 0.5, 0.99])
    def test_cut_off(self, tmp_path, length):
        path = tmp_path / 'a.pth'
        save_atomic({'params': {'w': torch.rand(1000)}}, path)
        content = path.read_bytes()
        path.write_bytes(content[: int(length * len(content)) if isinstance(length, float) else length])
        with pytest.raises(CheckpointError) as caught:
            load_file(path)
        assert str(caught.value).startswith(f'{path}: is damaged, or no file of torch.save: ')
        assert len(str(caught.value).splitlines()) == 1

    @pytest.mark.parametrize('content', [b'hello', b'\x89PNG\r\n', bytes(1000), b'<html>404</html>'])
    def test_foreign(self, tmp_path, content):
        (tmp_path / 'a.pth').write_bytes(content)
        with pytest.raises(CheckpointError, match=r'a\.pth: is damaged, or no file of torch\.save: '):
            load_file(tmp_path / 'a.pth')

    @pytest.mark.parametrize('write', ['torch', 'pickle'])
    def test_runs_no_code(self, tmp_path, monkeypatch, write):
        monkeypatch.setenv('MALICE', str(tmp_path / 'malice'))
        data, path = {'params': Malicious()}, tmp_path / 'a.pth'
        if write == 'torch':
            torch.save(data, path)
        else:
            path.write_bytes(pickle.dumps(data, protocol=2))
        with pytest.raises(CheckpointError) as caught:
            load_file(path)
        assert not (tmp_path / 'malice').exists()
        assert str(caught.value) == f'{path}: is not read: it would run code, {os.name}.mkdir, to restore objects'


W = {'conv.weight': torch.ones(2), 'conv.bias': torch.zeros(2)}
E = {'conv.weight': torch.full((2,), 3.0), 'conv.bias': torch.zeros(2)}
FILE = 'the file itself'
LAYOUTS = {
    'both, auto': ({'params': W, 'params_ema': E}, 'auto', 3.0, 'params_ema'),
    'both, params': ({'params': W, 'params_ema': E}, 'params', 1.0, 'params'),
    'params, auto': ({'params': W}, 'auto', 1.0, 'params'),
    'params, fall-back of BasicSR': ({'params': W}, 'params_ema', 1.0, 'params'),
    'bare, auto': (W, 'auto', 1.0, FILE),
    'bare, nothing': (W, None, 1.0, FILE),
    'another key': ({'state_dict': E, 'epoch': 3}, 'state_dict', 3.0, 'state_dict'),
    'ordered': (OrderedDict(params=OrderedDict(W)), 'auto', 1.0, 'params'),
    'DataParallel': ({'params': {f'module.{k}': v for k, v in E.items()}}, 'auto', 3.0, 'params'),
    'a tensor called params': ({'params': torch.ones(1), **E}, 'auto', 3.0, FILE),
}


@pytest.mark.parametrize('layout', LAYOUTS)
def test_layouts(layout):
    data, key, value, taken = LAYOUTS[layout]
    weights, what = select_weights(data, key, 'a.pth')
    assert what == taken
    assert weights['conv.weight'][0] == value
    assert {'conv.weight', 'conv.bias'} <= weights.keys()


MISTAKES = {
    'a.pth: holds no weights': [([], 'auto'), ({}, 'auto'), ({'iter': 3}, 'auto'), ({'params': {}}, 'auto'), (5, None)],
    "a.pth: holds no weights at the key 'net'; set path.param_key_g to one of: params_ema, state_dict": [
        ({'params_ema': W, 'state_dict': W, 'iter': 3}, 'net')
    ],
    "a.pth: holds no weights at the key 'params'; set path.param_key_g to one of: ~ (the file itself)": [(W, 'params')],
    'a.pth: holds no weights at its top level; set path.param_key_g to one of: params': [({'params': W}, None)],
    'a.pth: holds no weights at its top level; set path.param_key_g to one of: state_dict': [
        ({'state_dict': W, 'epoch': 3}, 'auto')
    ],
}


@pytest.mark.parametrize(
    ('data', 'key', 'message'), [(*case, message) for message, cases in MISTAKES.items() for case in cases]
)
def test_layouts_that_do_not_fit_the_key(data, key, message):
    with pytest.raises(CheckpointError) as caught:
        select_weights(data, key, 'a.pth')
    assert str(caught.value) == message


def net():
    return nn.Sequential(OrderedDict(conv=nn.Conv2d(3, 4, 1), norm=nn.BatchNorm2d(4)))


class TestLoadWeights:
    def path(self, tmp_path, **changes):
        weights = net().state_dict() | changes
        torch.save({'params': {k: v for k, v in weights.items() if v is not None}}, tmp_path / 'a.pth')
        return str(tmp_path / 'a.pth')

    def test_all_fits(self, tmp_path):
        weight = torch.full((4, 3, 1, 1), 7.0)
        target = net()
        assert load_weights(target, self.path(tmp_path, **{'conv.weight': weight}), 'auto', True) == ('params', [])
        assert torch.equal(target.conv.weight, weight)

    def test_misfits(self):
        weights = net().state_dict() | {'conv.weight': torch.ones(4, 1, 1, 1), 'old.bias': torch.ones(1)}
        del weights['norm.running_var']
        assert misfits(weights, net()) == [
            'norm.running_var: missing in the file',
            'old.bias: not in the network',
            'conv.weight: (4, 1, 1, 1) in the file, (4, 3, 1, 1) in the network',
        ]

    def test_strict(self, tmp_path):
        path = self.path(tmp_path, **{'conv.weight': torch.ones(5, 3, 1, 1), 'norm.bias': None})
        target = net()
        before = target.conv.bias.clone()
        with pytest.raises(CheckpointError) as caught:
            load_weights(target, path, 'auto', strict=True)
        assert str(caught.value) == (
            f'{path} does not fit Sequential: 5 of 7 tensors fit; set path.strict_load_g: false to load the rest\n'
            '    norm.bias: missing in the file\n'
            '    conv.weight: (5, 3, 1, 1) in the file, (4, 3, 1, 1) in the network'
        )
        assert torch.equal(target.conv.bias, before)

    def test_not_strict(self, tmp_path):
        changes = {'conv.weight': torch.ones(5, 3, 1, 1), 'conv.bias': torch.full((4,), 9.0), 'extra': torch.ones(1)}
        target = net()
        before = target.conv.weight.clone()
        taken, left_out = load_weights(target, self.path(tmp_path, **changes), 'auto', strict=False)
        assert taken == 'params'
        assert left_out == [
            'extra: not in the network',
            'conv.weight: (5, 3, 1, 1) in the file, (4, 3, 1, 1) in the network',
        ]
        assert torch.equal(target.conv.weight, before)
        assert target.conv.bias.tolist() == [9.0] * 4

    def test_nothing_fits(self, tmp_path):
        torch.save({f'layer{i}': torch.ones(1) for i in range(9)}, tmp_path / 'a.pth')
        with pytest.raises(CheckpointError) as caught:
            load_weights(net(), str(tmp_path / 'a.pth'), 'auto', strict=False)
        lines = str(caught.value).splitlines()
        assert lines[0] == f'{tmp_path}/a.pth does not fit Sequential: 0 of 7 tensors fit'
        assert len(lines) == 7
        assert lines[-1] == '    ...'


@pytest.mark.skipif(not REAL.is_dir(), reason='needs ../shared/data/checkpoints')
@pytest.mark.parametrize(
    ('name', 'taken', 'num_tensors'),
    [
        ('realesr-animevideov3.pth', 'params', None),
        ('team34_craft.pth', 'params', None),
        ('dncnn_25.pth', FILE, None),
        ('lpips_v0.1_alex.pth', FILE, 5),
        ('lpips_v0.1_vgg.pth', FILE, 5),
        ('lpips_v0.1_squeeze.pth', FILE, 7),
        ('team24_smfan.pth', None, None),
        ('team38_span_ch28_slim.pth', None, None),
    ],
)
def test_files_in_the_wild(name, taken, num_tensors):
    weights, what = select_weights(load_file(REAL / name), 'auto', name)
    assert taken in (None, what)
    assert num_tensors in (None, len(weights))
    assert all(torch.isfinite(value).all() for value in weights.values())
    assert not any(key.startswith('module.') for key in weights)


@pytest.mark.skipif(not REAL.is_dir(), reason='needs ../shared/data/checkpoints')
def test_some_file_in_the_wild_holds_an_average():
    taken = {path.name: select_weights(load_file(path), 'auto', '')[1] for path in REAL.glob('*.pth')}
    assert 'params_ema' in taken.values()


def test_folders_are_synchronised(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(checkpoint, '_sync_folder', synced.append)
    save_atomic({'w': torch.ones(1)}, tmp_path / 'a.pth')
    assert synced == [tmp_path]
