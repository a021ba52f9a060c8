"""Folders, seeds, endings of commands, errors."""

import random
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch

from basicsr.utils.cli import run_cli
from basicsr.utils.errors import CheckpointError, DataError, OptionError, UserError, suggest
from basicsr.utils.logger import close_root_logger, get_root_logger
from basicsr.utils.misc import (
    archive_existing,
    get_time_str,
    mkdir_and_rename,
    scandir,
    seed_all,
    set_random_seed,
    sizeof_fmt,
)


def draws():
    return random.random(), np.random.rand(), torch.rand(1).item()


def test_seed_all_is_a_function_of_the_position():
    positions = [(3, 0), (3, 1), (0, 3), (3, 0, 0), (4, 0)]
    results = []
    for position in positions:
        seed_all(*position)
        results.append(draws())
    seed_all(3, 0)
    assert draws() == results[0]
    # Every generator differs between any two positions. (Trailing zeros do not count in numpy's SeedSequence.)
    distinct = [results[i] for i in (0, 1, 2, 4)]
    assert all(len(set(column)) == 4 for column in zip(*distinct))


def test_set_random_seed_is_basicsrs():
    set_random_seed(0)
    # Golden: python's and numpy's documented generators, torch's first number for seed 0.
    assert random.random() == 0.8444218515250481
    assert np.random.rand() == 0.5488135039273248
    assert torch.rand(1).item() == pytest.approx(0.4962565899)


def test_scandir(tmp_path):
    for name in ('b.png', 'a.jpg', '.hidden.png', 'sub/c.png', 'sub/deep/d.png', '.git/e.png'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert list(scandir(tmp_path)) == ['a.jpg', 'b.png']
    assert list(scandir(tmp_path, suffix='.png', recursive=True)) == ['b.png', 'sub/c.png', 'sub/deep/d.png']
    assert list(scandir(tmp_path, suffix=('.jpg', '.gif'), full_path=True)) == [str(tmp_path / 'a.jpg')]


@pytest.mark.parametrize(
    ('size', 'text'),
    [
        (0, '0.0 B'),
        (1023, '1023.0 B'),
        (1536, '1.5 KB'),
        (3.4 * 2**20, '3.4 MB'),
        (2**50, '1.0 PB'),
        (2**61, '2048.0 PB'),
    ],
)
def test_sizeof_fmt(size, text):
    assert sizeof_fmt(size) == text


def test_archive(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr('basicsr.utils.misc.get_time_str', lambda: '20260131_235959')
    folder = tmp_path / 'run'
    assert archive_existing(folder) is None
    for number in range(3):
        mkdir_and_rename(folder)
        (folder / 'number').write_text(str(number))
    archived = {p.name: (p / 'number').read_text() for p in tmp_path.iterdir()}
    assert archived == {
        'run_archived_20260131_235959': '0',
        'run_archived_20260131_235959_2': '1',
        'run': '2',
    }
    assert capsys.readouterr().out.splitlines() == [
        f'Path already exists. Rename it to {tmp_path}/run_archived_20260131_235959',
        f'Path already exists. Rename it to {tmp_path}/run_archived_20260131_235959_2',
    ]


def test_time_str():
    import datetime

    assert abs(datetime.datetime.strptime(get_time_str(), '%Y%m%d_%H%M%S') - datetime.datetime.now()).seconds < 60


class TestEndOfACommand:
    def end(self, error):
        def command():
            raise error

        with pytest.raises(SystemExit) as caught:
            run_cli(command)
        return caught.value.code

    def test_a_users_mistake(self, capsys):
        close_root_logger()
        for kind in (UserError, OptionError, DataError, CheckpointError):
            assert self.end(kind('what to do')) == 1
            assert capsys.readouterr().err == 'error: what to do\n'

    def test_is_in_the_log_file_too(self, tmp_path, capfd):
        close_root_logger()
        get_root_logger(log_file=str(tmp_path / 'a.log'))
        assert self.end(OptionError('what to do')) == 1
        close_root_logger()
        assert (tmp_path / 'a.log').read_text().endswith(' ERROR: what to do\n')
        assert capfd.readouterr().err.count('what to do') == 1

    def test_ctrl_c(self, capsys):
        assert self.end(KeyboardInterrupt()) == 130
        assert capsys.readouterr().err == 'interrupted\n'

    def test_our_own_mistakes_keep_their_traceback(self):
        def command():
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            run_cli(command)
        assert run_cli(lambda: 5) is None


def test_suggest():
    assert suggest('loses', ['losses', 'total_iter']) == "; did you mean 'losses'?"
    assert suggest('xyz', ['losses']) == ''
    assert suggest(5, ['50', None]) == "; did you mean '50'?"
    assert suggest('x' * 10**6, ['losses']) == ''


def test_a_missing_opencv_is_explained():
    script = """
        import sys
        sys.modules['cv2'] = None
        from basicsr.utils.errors import UserError
        from basicsr.utils.misc import import_cv2
        try:
            import_cv2()
        except UserError as error:
            assert 'pip install opencv-python-headless' in str(error)
            print('explained')
    """
    done = subprocess.run([sys.executable, '-c', textwrap.dedent(script)], capture_output=True, text=True, check=True)
    assert done.stdout == 'explained\n'
