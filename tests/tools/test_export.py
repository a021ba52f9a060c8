"""Exported networks, judged by onnxruntime and by the safetensors library."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from basicsr.archs.local_pool import LocalAvgPool2d
from basicsr.archs.nafnet_arch import NAFNet, NAFNetLocal
from basicsr.utils.logger import close_root_logger

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / 'tools'))

import export
import export_onnx

ARGUMENTS = {'width': 4, 'middle_blk_num': 1, 'enc_blk_nums': [1, 1], 'dec_blk_nums': [1, 1]}


@pytest.fixture(autouse=True)
def _logger():
    yield
    close_root_logger()


@pytest.fixture
def weights(tmp_path) -> Path:
    net = NAFNet(**ARGUMENTS)
    for parameter in net.parameters():
        parameter.data.normal_(0, 0.3)
    torch.save({'params': net.state_dict()}, tmp_path / 'net.pth')
    return tmp_path / 'net.pth'


def load(cls: type, weights: Path, **more) -> torch.nn.Module:
    net = cls(**ARGUMENTS, **more).eval()
    net.load_state_dict(torch.load(weights, weights_only=True)['params'])
    return net


@pytest.mark.parametrize('local', [False, True])
def test_onnx_gives_what_pytorch_gives_at_any_size(weights, tmp_path, capsys, local):
    pytest.importorskip('onnx', reason='optional')
    runtime = pytest.importorskip('onnxruntime', reason='optional')
    out = tmp_path / 'net.onnx'
    export.main([str(weights), '-o', str(out), '--size', '32', *(['--local', '24'] if local else [])])
    assert capsys.readouterr().out.count('differs from PyTorch') == 3

    net = load(NAFNetLocal, weights, train_size=[1, 3, 24, 24]) if local else load(NAFNet, weights)
    session = runtime.InferenceSession(str(out), providers=['CPUExecutionProvider'])
    for shape in ((1, 3, 32, 32), (3, 3, 16, 48), (1, 3, 61, 101), (1, 3, 4, 4), (1, 3, 1, 37)):
        image = torch.rand(shape)
        with torch.no_grad():
            expected = net(image).numpy()
        np.testing.assert_allclose(session.run(None, {'image': image.numpy()})[0], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('size', [(5, 9), (12, 7), (20, 30), (1, 1), (12, 12)])
def test_the_traceable_pool_is_the_pool(size):
    x = torch.rand(2, 3, *size, dtype=torch.float64)
    for window in ((12, 7), (3, 4), (1, 1)):
        expected = LocalAvgPool2d(window)(x).expand_as(x)
        torch.testing.assert_close(export_onnx.TraceableLocalPool(window)(x), expected, rtol=1e-9, atol=1e-9)


def test_a_file_that_differs_is_not_kept(weights, tmp_path, capsys, monkeypatch):
    pytest.importorskip('onnx', reason='optional')
    pytest.importorskip('onnxruntime', reason='optional')
    # What a trace does with a decision that depends on the size.
    monkeypatch.setattr(export_onnx, '_traceable', lambda net: net)
    with pytest.raises(SystemExit) as end:
        export.main([str(weights), '-o', str(tmp_path / 'net.onnx'), '--size', '32', '--local', '64'])
    assert end.value.code == 1
    assert [path.name for path in tmp_path.iterdir()] == ['net.pth']


@pytest.mark.parametrize('ending', ['pth', 'safetensors'])
def test_bare_weights(weights, tmp_path, ending):
    if ending == 'safetensors':
        library = pytest.importorskip('safetensors.torch', reason='optional')
    out = tmp_path / f'bare.{ending}'
    export.main([str(weights), '-o', str(out)])
    read = torch.load(out, weights_only=True) if ending == 'pth' else library.load_file(out)
    expected = torch.load(weights, weights_only=True)['params']
    assert read.keys() == expected.keys()
    assert all(torch.equal(read[name], value) for name, value in expected.items())


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['-o', 'net.onyx'], 'must end in'),
        (['-o', 'net.pth'], 'is the input'),
        (['-o', 'nowhere/net.onnx'], 'no such folder'),
        (['-o', 'bare.pth', '--local', '64'], 'no effect'),
        (['-o', 'net.onnx', '--size', '4'], 'at least 16'),
        (['-o', 'bare.pth', '--key', 'params_ema2'], "at the key 'params_ema2'; set --key"),
    ],
)
def test_mistakes_end_in_one_message(weights, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    if arguments[-1] == 'params_ema2':
        torch.save({'x': torch.load(weights, weights_only=True)['params']}, weights)
    with pytest.raises(SystemExit) as end:
        export.main([str(weights), *arguments])
    assert end.value.code == 1
    assert message in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ['net.pth']
