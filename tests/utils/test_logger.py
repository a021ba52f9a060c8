"""Console, files and curves: BasicSR's line is judged by a log that BasicSR wrote."""

import json
import logging
import logging.handlers
import re
from pathlib import Path

import pytest
from tqdm.contrib.logging import logging_redirect_tqdm

from basicsr.utils import logger as logger_module
from basicsr.utils.logger import (
    AvgTimer,
    JsonLines,
    MessageLogger,
    close_root_logger,
    get_env_info,
    get_root_logger,
)

BASICSR_LOG = (
    Path(__file__).resolve().parents[3]
    / 'shared/data/basicsr_run/train_SAFMN_b64c36n8_500K_DF2K_x4_L1_0.05FFT_20221014_215528.log'
)
# One space more or less, and users' scripts read nothing.
LINE = re.compile(
    r'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO: '
    r'\[(?P<name>.{1,5})\.\.\]\[epoch:(?P<epoch>[ \d]{2}\d|\d{4,}), iter:(?P<iter>[ \d,]{7}\d|[\d,]{9,}), '
    r'lr:\((?P<lrs>(?:\d\.\d{3}e[+-]\d\d,)+)\)\] '
    r'\[eta: (?:\d+ days?, )?\d+:\d\d:\d\d, time \(data\): \d+\.\d{3} \(\d+\.\d{3}\)\] '
    r'(?P<values>(?:\w+: -?\d\.\d{4}e[+-]\d\d )+)'
)


@pytest.fixture(autouse=True)
def fresh_logger():
    close_root_logger()
    yield
    close_root_logger()


class Curves:
    """Stands in for a TensorBoard writer."""

    def __init__(self):
        self.scalars = {}

    def add_scalar(self, name, value, step):
        self.scalars[name] = (value, step)


OPT = {'name': 'my_experiment', 'logger': {'print_freq': 100}, 'train': {'total_iter': 100_000}}


def log_line(tmp_path, values, opt=OPT, tb_logger=None, **keywords):
    file = tmp_path / 'train.log'
    get_root_logger(log_file=str(file))
    MessageLogger(opt, tb_logger=tb_logger, **keywords)(values)
    return file.read_text(encoding='utf-8').removesuffix('\n')


@pytest.mark.skipif(not BASICSR_LOG.exists(), reason='needs ../shared/data/basicsr_run')
def test_the_pattern_is_that_of_basicsr():
    lines = [line for line in BASICSR_LOG.read_text(encoding='utf-8').splitlines() if '[epoch:' in line]
    assert len(lines) > 4000
    matches = [LINE.fullmatch(line) for line in lines]
    assert all(matches)
    assert matches[-1]['values'].split()[::2] == ['l_pix:', 'l_freq:']


@pytest.mark.parametrize(
    ('current_iter', 'rates', 'values'),
    [
        (1, [1e-3], {'l_pix': 0.043399}),
        (99_900, [9.056e-4, 0.0], {'l_pix': -76.5, 'l_freq': 0.0}),
        (12_345_678, [1.0], {'l_pixel': 1e-30, 'out_d_real': 123456.0}),
    ],
)
def test_line(tmp_path, current_iter, rates, values):
    line = log_line(
        tmp_path, {'epoch': 4, 'iter': current_iter, 'lrs': rates, 'time': 0.1394, 'data_time': 0.005, **values}
    )
    match = LINE.fullmatch(line)
    assert match
    assert match['name'] == 'my_ex'
    assert match['epoch'] == '  4'
    assert int(match['iter'].replace(',', '')) == current_iter
    assert [float(rate) for rate in match['lrs'].rstrip(',').split(',')] == rates
    parts = match['values'].split()
    read = {name.rstrip(':'): float(value) for name, value in zip(parts[::2], parts[1::2])}
    assert read == pytest.approx(values, rel=1e-4)


def test_line_word_for_word(tmp_path, monkeypatch):
    clock = iter([1000.0, 1030.0])
    monkeypatch.setattr(logger_module.time, 'time', lambda: next(clock, 1030.0))
    values = {'epoch': 0, 'iter': 300, 'lrs': [1e-3], 'time': 0.146, 'data_time': 0.005, 'l_pix': 3.3107e-2}
    # 30 seconds for 300 of 99,700 + 300 iterations: 9,970 seconds to go.
    line = log_line(tmp_path, values)
    assert line.partition('INFO: ')[2] == (
        '[my_ex..][epoch:  0, iter:     300, lr:(1.000e-03,)] [eta: 2:46:10, time (data): 0.146 (0.005)] '
        'l_pix: 3.3107e-02 '
    )


def test_estimate_after_a_resume(tmp_path, monkeypatch):
    clock = iter([1000.0, 1010.0])
    monkeypatch.setattr(logger_module.time, 'time', lambda: next(clock, 1010.0))
    values = {'epoch': 0, 'iter': 99_990, 'lrs': [1e-3], 'time': 1.0, 'data_time': 0.0}
    assert '[eta: 0:00:10, ' in log_line(tmp_path, values, start_iter=99_981)


def test_where_the_values_go(tmp_path):
    curves = Curves()
    values = {'l_pix': 0.5, 'losses_raw/pix': 1.0, 'grad/norm': 2.0, 'grad/clipped': 0.0, 'out_d': 3.0}
    line = log_line(tmp_path, {'epoch': 0, 'iter': 7, 'lrs': [1e-3], **values}, tb_logger=curves)
    assert line.endswith('lr:(1.000e-03,)] l_pix: 5.0000e-01 grad_norm: 2.0000e+00 out_d: 3.0000e+00 ')
    assert curves.scalars == {
        'losses/l_pix': (0.5, 7),
        'losses_raw/pix': (1.0, 7),
        'grad/norm': (2.0, 7),
        'grad/clipped': (0.0, 7),
        'out_d': (3.0, 7),
    }


class TestRootLogger:
    def test_early_lines_reach_the_file(self, tmp_path, capfd):
        get_root_logger().info('before there was a file')
        get_root_logger(log_file=str(tmp_path / 'a.log')).info('after')
        get_root_logger().info('once more')
        lines = (tmp_path / 'a.log').read_text(encoding='utf-8').splitlines()
        assert [line.partition(' INFO: ')[2] for line in lines] == ['before there was a file', 'after', 'once more']
        assert capfd.readouterr().err.splitlines() == lines

    def test_a_second_run_has_a_file_of_its_own(self, tmp_path):
        get_root_logger(log_file=str(tmp_path / 'a.log')).info('first')
        get_root_logger(log_file=str(tmp_path / 'b.log')).info('second')
        assert 'second' not in (tmp_path / 'a.log').read_text()
        assert 'first' not in (tmp_path / 'b.log').read_text()
        assert 'second' in (tmp_path / 'b.log').read_text()

    def test_other_loggers_hear_nothing(self):
        heard = logging.handlers.BufferingHandler(10)
        logging.getLogger().addHandler(heard)
        try:
            get_root_logger().info('for us')
            assert heard.buffer == []
        finally:
            logging.getLogger().removeHandler(heard)

    def test_is_set_up_once(self):
        handlers = list(get_root_logger().handlers)
        assert [type(handler).__name__ for handler in handlers[-2:]] == ['StreamHandler', 'MemoryHandler']
        with logging_redirect_tqdm([get_root_logger()]):  # exchanges the console for its own while a bar is shown
            get_root_logger()
        assert sorted(map(id, get_root_logger().handlers)) == sorted(map(id, handlers))

    def test_higher_ranks_log_errors_only(self, monkeypatch, tmp_path, capfd):
        monkeypatch.setattr(logger_module, 'get_dist_info', lambda: (1, 2))
        logger = get_root_logger(log_file=str(tmp_path / 'a.log'))
        logger.info('quiet')
        logger.error('loud')
        assert not (tmp_path / 'a.log').exists()
        assert capfd.readouterr().err.rstrip().endswith('ERROR: loud')


class TestJsonLines:
    def events(self, file):
        return [json.loads(line) for line in file.path.read_text(encoding='utf-8').splitlines()]

    def test_write(self, tmp_path):
        file = JsonLines(tmp_path / 'metrics.jsonl')
        file.write({'iter': 1, 'lr': [1e-3, float('inf')], 'l_pix': float('nan'), 'nested': {'x': float('-inf')}})
        file.write({'iter': 2, 'val': 'Bäume', 'psnr': 20.5})
        assert self.events(file) == [
            {'iter': 1, 'lr': [1e-3, None], 'l_pix': None, 'nested': {'x': None}},
            {'iter': 2, 'val': 'Bäume', 'psnr': 20.5},
        ]

    def test_an_interrupted_run(self, tmp_path):
        path = tmp_path / 'metrics.jsonl'
        events = [{'iter': 5}, {'iter': 5, 'val': 'a'}, {'iter': 10}, {'iter': 10, 'val': 'a'}, {'iter': 15}]
        torn = b'{"iter": 3, "x": "\xc3'  # cut off in the middle of a character
        rubbish = b'[]\n3\n{"iter": null}\n{"iter": "4"}\n{"iter": NaN}\n{}\n\n'
        path.write_bytes(''.join(json.dumps(event) + '\n' for event in events).encode() + rubbish + torn)
        file = JsonLines(path, keep_until=10)
        assert self.events(file) == events[:3]
        file.write({'iter': 11})
        assert self.events(file) == [*events[:3], {'iter': 11}]
        assert list(tmp_path.iterdir()) == [path]

    def test_a_new_run_keeps_nothing(self, tmp_path):
        path = tmp_path / 'metrics.jsonl'
        path.write_text('{"iter": 1}\n')
        assert self.events(JsonLines(path)) == []


def test_avg_timer(monkeypatch):
    moments = iter([0.0, 1.0, 3.0, 6.0, 10.0, 11.0])
    monkeypatch.setattr(logger_module.time, 'perf_counter', lambda: next(moments))
    timer = AvgTimer(window=3)
    means = []
    for _ in range(4):
        timer.record()
        means.append(timer.get_avg_time())
    # 1, 2, 3 seconds, and a new window.
    assert means == [1.0, 1.5, 2.0, 4.0]
    assert timer.get_current_time() == 4.0
    timer.start()
    assert timer.start_time == 11.0


def test_environment():
    import numpy
    import torch

    import basicsr

    info = get_env_info()
    for version in (basicsr.__version__, torch.__version__, numpy.__version__):
        assert version in info
