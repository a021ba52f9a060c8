"""Distributed training, on two processes of this machine."""

import os
import socket
import subprocess
import sys
import textwrap

import pytest
import torch

from basicsr.utils.dist_util import barrier, get_dist_info, init_dist, master_only, mean_over_ranks, value_of_rank_0
from basicsr.utils.errors import UserError

VARIABLES = ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR', 'MASTER_PORT')


@pytest.fixture(autouse=True)
def no_launcher(monkeypatch):
    for name in [name for name in os.environ if name in VARIABLES or name.startswith('SLURM_')]:
        monkeypatch.delenv(name)
    before = dict(os.environ)
    yield
    for name in set(os.environ) - set(before):
        del os.environ[name]


def test_one_process():
    assert get_dist_info() == (0, 1)
    assert master_only(lambda x: x + 1)(2) == 3
    values = torch.tensor([1.0, 2.0])
    assert mean_over_ranks(values).tolist() == [1.0, 2.0]
    assert value_of_rank_0({'a': 1}) == {'a': 1}
    barrier()


def test_started_without_a_launcher():
    with pytest.raises(UserError, match=r'--launcher pytorch: the variable RANK is not set; start with\n +torchrun'):
        init_dist('pytorch')
    with pytest.raises(UserError, match="--launcher slurm: the variable 'SLURM_NODELIST' is not set; start with srun"):
        init_dist('slurm')


@pytest.mark.skipif(torch.cuda.is_available(), reason='there is a GPU')
def test_nccl_without_a_gpu(monkeypatch):
    monkeypatch.setenv('RANK', '0')
    with pytest.raises(UserError, match=r'dist_params\.backend: nccl needs a GPU, and there is none'):
        init_dist('pytorch', backend='nccl')


def slurm(monkeypatch, tmp_path, scontrol):
    for name, value in {'NODELIST': 'n[1-2]', 'JOB_ID': '41234', 'PROCID': '3', 'NTASKS': '4', 'LOCALID': '1'}.items():
        monkeypatch.setenv(f'SLURM_{name}', value)
    command = tmp_path / 'scontrol'
    command.write_text(f'#!/bin/sh\n{scontrol}\n')
    command.chmod(0o755)
    monkeypatch.setenv('PATH', str(tmp_path), prepend=os.pathsep)
    joined = []
    monkeypatch.setattr('torch.distributed.init_process_group', joined.append)
    return joined


def test_slurm(monkeypatch, tmp_path):
    joined = slurm(monkeypatch, tmp_path, 'echo n1; echo n2')
    init_dist('slurm', backend='gloo')
    assert joined == ['gloo']
    # 20000 + the job's number modulo 20000
    assert [os.environ[name] for name in VARIABLES] == ['3', '4', '1', 'n1', '21234']


def test_slurm_with_a_port(monkeypatch, tmp_path):
    slurm(monkeypatch, tmp_path, 'echo n1')
    init_dist('slurm', backend='gloo', port=29500)
    assert os.environ['MASTER_PORT'] == '29500'


def test_slurm_that_fails(monkeypatch, tmp_path):
    slurm(monkeypatch, tmp_path, 'exit 1')
    with pytest.raises(UserError, match='--launcher slurm: scontrol does not name the nodes of this job'):
        init_dist('slurm', backend='gloo')


def test_two_processes():
    script = """
        import torch, torch.distributed
        from basicsr.utils.dist_util import *
        init_dist('pytorch')
        rank, size = get_dist_info()
        values = torch.tensor([float(rank), 10.0])
        assert mean_over_ranks(values).tolist() == [0.5, 10.0]
        assert values.tolist() == [float(rank), 10.0]
        assert value_of_rank_0({'seed': rank + 5}) == {'seed': 5}
        assert master_only(lambda: 'mine')() == (None if rank else 'mine')
        barrier()
        torch.distributed.destroy_process_group()
        print(rank, size)
    """
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = str(free.getsockname()[1])
    environment = {**os.environ, 'WORLD_SIZE': '2', 'MASTER_ADDR': '127.0.0.1', 'MASTER_PORT': port}
    command = [sys.executable, '-c', textwrap.dedent(script)]
    processes = [
        subprocess.Popen(command, env={**environment, 'RANK': rank}, stdout=subprocess.PIPE, text=True) for rank in '01'
    ]
    try:
        assert [process.communicate(timeout=60)[0] for process in processes] == ['0 2\n', '1 2\n']
    finally:
        for process in processes:
            process.kill()
