"""What test.py says and refuses."""

import pytest
import torch
import yaml

from basicsr import test as evaluate
from basicsr.archs import build_network
from basicsr.test import test_pipeline
from basicsr.utils.errors import UserError
from basicsr.utils.logger import close_root_logger
from tests.conftest import tiny_options


@pytest.fixture
def call(tiny_root):
    """Return a function that evaluates an untrained network with these options and arguments."""

    def run(*arguments, **changes):
        options = tiny_options() | {'path': {'pretrain_network_g': 'net.pth'}} | changes
        torch.save({'params': build_network(options['network_g']).state_dict()}, tiny_root / 'net.pth')
        (tiny_root / 'run.yml').write_text(yaml.safe_dump(options))
        close_root_logger()  # one of an earlier test writes to where that test's output went
        try:
            return test_pipeline(str(tiny_root), ['-opt', str(tiny_root / 'run.yml'), *arguments])
        finally:
            close_root_logger()

    return run


FLAGS = ['--auto_resume', '--launcher', 'pytorch', '--allow_changed']
NOTES = [
    f'note: {flag} has no effect in test.py' for flag in ('--auto_resume', '--launcher pytorch', '--allow_changed')
]


def test_flags_of_training_are_noted(call, capfd):
    assert call(*FLAGS)['val'].keys() == {'psnr', 'ssim'}
    log = capfd.readouterr().err
    assert all(note in log for note in NOTES)
    call()
    assert 'no effect in test.py' not in capfd.readouterr().err


def test_check_prints_notes_to_stderr(call, capfd):
    assert call('--check', *FLAGS) is None
    printed = capfd.readouterr()
    assert yaml.safe_load(printed.out)['name'] == 'tiny'
    assert printed.err.splitlines()[-3:] == NOTES
    call('--check')
    assert 'note: \n' not in capfd.readouterr().err


@pytest.mark.parametrize('deterministic', [False, True])
def test_deterministic_is_applied(call, monkeypatch, deterministic):
    applied = []
    monkeypatch.setattr(evaluate, 'set_deterministic', lambda: applied.append(True))
    call(deterministic=deterministic)
    assert applied == [True] * deterministic


def test_missing_weights_are_explained(call, tiny_root):
    with pytest.raises(UserError, match=r'path\.pretrain_network_g is required') as error:
        call(path={})
    hint = '--force_yml path:pretrain_network_g=experiments/<name>/models/net_g_latest.pth'
    assert hint in str(error.value)
    assert call(*hint.replace('experiments/<name>/models/net_g_latest.pth', 'net.pth').split(), path={})['val']


def test_several_processes_are_refused(call, monkeypatch, tiny_root):
    monkeypatch.setenv('WORLD_SIZE', '2')
    with pytest.raises(UserError, match=r'one of 2 processes.*test\.py uses one process'):
        call()
    assert not (tiny_root / 'results').exists()
    monkeypatch.setenv('WORLD_SIZE', '1')
    assert call()['val']
