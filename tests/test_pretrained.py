"""Trained networks out of files: where the architecture comes from, and which weights are taken."""

from pathlib import Path

import pytest
import torch
import yaml

from basicsr.archs.nafnet_arch import NAFNet, NAFNetLocal
from basicsr.engine.checkpoint import load_file, save_atomic, select_weights
from basicsr.pretrained import load_pretrained
from basicsr.utils.errors import CheckpointError, OptionError

CHECKPOINTS = Path(__file__).resolve().parents[2] / 'shared' / 'data' / 'checkpoints'
ARGUMENTS = {'width': 4, 'middle_blk_num': 1, 'enc_blk_nums': [1, 2], 'dec_blk_nums': [1, 1]}


def make_net() -> NAFNet:
    net = NAFNet(**ARGUMENTS).eval()
    for parameter in net.parameters():
        parameter.data.normal_(0, 0.2)
    return net


def write_options(path: Path, **more) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({'network_g': {'type': 'NAFNet', **ARGUMENTS}, **more}), encoding='utf-8')
    return path


def same_weights(net: torch.nn.Module, other: torch.nn.Module) -> bool:
    own, its = net.state_dict(), other.state_dict()
    return own.keys() == its.keys() and all(torch.equal(own[name], its[name]) for name in own)


@pytest.mark.parametrize('layout', ['params', 'both', 'bare', 'module', 'safetensors'])
def test_layouts(tmp_path, layout):
    net = make_net()
    state = net.state_dict()
    other = {name: torch.zeros_like(value) for name, value in state.items()}
    data = {
        'params': {'params': state},
        'both': {'params': other, 'params_ema': state},
        'bare': state,
        'module': {'params': {f'module.{name}': value for name, value in state.items()}},
        'safetensors': state,
    }[layout]
    if layout == 'safetensors':
        pytest.importorskip('safetensors', reason='optional')
    file = tmp_path / ('net.safetensors' if layout == 'safetensors' else 'net.pth')
    save_atomic(data, file)
    pretrained = load_pretrained(file)
    assert same_weights(pretrained.net, net) and not pretrained.net.training
    assert 'shapes' in pretrained.source and pretrained.scale == 1
    if layout == 'both':
        assert not same_weights(load_pretrained(file, key='params').net, net)


def test_safetensors_files_are_read_by_their_own_library(tmp_path):
    library = pytest.importorskip('safetensors.torch', reason='optional')
    state = make_net().state_dict()
    save_atomic({**state, 'view': state['intro.weight'].transpose(0, 1)}, tmp_path / 'ours.safetensors')
    read = library.load_file(tmp_path / 'ours.safetensors')
    assert torch.equal(read['view'], state['intro.weight'].transpose(0, 1))
    assert all(torch.equal(read[name], value) for name, value in state.items())

    library.save_file(state, tmp_path / 'theirs.safetensors')
    weights, taken = select_weights(load_file(tmp_path / 'theirs.safetensors'), 'auto', 'x')
    assert taken == 'the file itself' and all(torch.equal(weights[name], value) for name, value in state.items())

    (tmp_path / 'damaged.safetensors').write_bytes(b'no tensors here')
    with pytest.raises(CheckpointError, match='damaged'):
        load_file(tmp_path / 'damaged.safetensors')


def test_the_options_of_the_run_are_found(tmp_path):
    train = {'type': 'x', 'gt_size': 64, 'mean': [0.5, 0.5, 0.5], 'std': [0.2, 0.2, 0.2]}
    write_options(tmp_path / 'run' / 'resolved.yml', datasets={'train': train}, scale=1)
    file = tmp_path / 'run' / 'models' / 'net_g_latest.pth'
    file.parent.mkdir()
    save_atomic({'params': make_net().state_dict()}, file)
    pretrained = load_pretrained(file)
    assert 'resolved.yml' in pretrained.source
    assert pretrained.mean == train['mean'] and pretrained.std == train['std']

    local = load_pretrained(file, local=0).net
    assert isinstance(local, NAFNetLocal)
    assert local.encoders[0][0].sca[0].window == (96, 96)  # 1.5 crops of 64
    assert load_pretrained(file, local=32).net.encoders[0][0].sca[0].window == (48, 48)


def test_an_option_file_names_the_network(tmp_path):
    torch.save({'params': make_net().state_dict()}, tmp_path / 'net.pth')
    options = write_options(tmp_path / 'mine.yml', scale=1)
    assert 'mine.yml' in load_pretrained(tmp_path / 'net.pth', options).source

    (tmp_path / 'wide.yml').write_text('base: mine.yml\noverride: {network_g:width: 6}\n', encoding='utf-8')
    with pytest.raises(CheckpointError, match=r'does not fit the NAFNet of .*wide.yml:\n    intro.weight: \(4, 3, 3'):
        load_pretrained(tmp_path / 'net.pth', tmp_path / 'wide.yml')


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('a: 1', 'network_g: expected the network'),
        ('network_g: {width: 4}', 'network_g: expected the network'),
        ('network_g: {type: NAFNot}', "did you mean 'NAFNet'"),
        ('network_g: {type: NAFNet, width: a}', 'NAFNet'),
        ('network_g: {type: NAFNet, depth: 4}', 'depth'),
        ('network_g: {type: NAFNet}\nnetwork_g: {type: NAFNet}', 'written twice'),
        ('network_g: {type: NAFNet}\nscale: 1.5', 'scale: expected a whole number'),
        ('network_g: {type: NAFNet}\ndatasets: {train: {color: y}}', 'luma alone'),
        ('[', 'not valid YAML'),
    ],
)
def test_option_files_that_name_no_network(tmp_path, text, message):
    torch.save({'params': make_net().state_dict()}, tmp_path / 'net.pth')
    (tmp_path / 'x.yml').write_text(text, encoding='utf-8')
    with pytest.raises(OptionError, match=message):
        load_pretrained(tmp_path / 'net.pth', tmp_path / 'x.yml')


def test_local_needs_a_nafnet_and_the_crop(tmp_path):
    torch.save({'params': make_net().state_dict()}, tmp_path / 'net.pth')
    with pytest.raises(OptionError, match='--local 256'):
        load_pretrained(tmp_path / 'net.pth', local=0)
    assert isinstance(load_pretrained(tmp_path / 'net.pth', local=256).net, NAFNetLocal)


@pytest.mark.skipif(not CHECKPOINTS.is_dir(), reason='needs the shared data folder')
@pytest.mark.parametrize('name', ['dncnn_25', 'realesr-animevideov3', 'lpips_v0.1_alex', 'team24_smfan'])
def test_weights_of_other_networks_ask_for_an_option_file(name):
    with pytest.raises(CheckpointError, match='--opt'):
        load_pretrained(CHECKPOINTS / f'{name}.pth')


def test_files_that_hold_no_weights(tmp_path):
    with pytest.raises(CheckpointError, match='no such file'):
        load_pretrained(tmp_path / 'none.pth')
    torch.save({'state_dict': make_net().state_dict()}, tmp_path / 'other.pth')
    with pytest.raises(CheckpointError, match='set --key to one of: state_dict'):
        load_pretrained(tmp_path / 'other.pth')
    assert load_pretrained(tmp_path / 'other.pth', key='state_dict').network_g['width'] == 4
