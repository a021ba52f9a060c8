"""Distributed training: start-up, rank, and means over ranks."""

import functools
import os
import subprocess
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist

from basicsr.utils.errors import UserError


def init_dist(launcher: str, backend: str | None = None, port: int | None = None) -> None:
    """Join the process group that torchrun (`pytorch`) or srun (`slurm`) set up.

    Args:
        backend: nccl or gloo; by default nccl where there is a GPU.
        port: port of the first node, for slurm.

    Raises:
        UserError: the launcher did not start this process, or the backend needs a GPU.
    """
    if launcher == 'slurm':
        _environment_from_slurm(port)
    if 'RANK' not in os.environ:
        raise UserError(
            f'--launcher {launcher}: the variable RANK is not set; start with\n'
            '    torchrun --nproc-per-node=NUM_GPUS basicsr/train.py -opt FILE.yml --launcher pytorch'
        )
    has_gpu = torch.cuda.is_available()
    if backend == 'nccl' and not has_gpu:
        raise UserError('dist_params.backend: nccl needs a GPU, and there is none; leave it out, or write gloo')
    if has_gpu:
        torch.cuda.set_device(int(os.environ.get('LOCAL_RANK', 0)) % torch.cuda.device_count())
    dist.init_process_group(backend or ('nccl' if has_gpu else 'gloo'))


def _environment_from_slurm(port: int | None) -> None:
    """Derive torch's variables from slurm's."""
    variables = os.environ
    try:
        command = ['scontrol', 'show', 'hostnames', variables['SLURM_NODELIST']]
        nodes = subprocess.run(command, capture_output=True, text=True, check=True)
        # Jobs that share a node must not share a port.
        default_port = 20000 + int(variables['SLURM_JOB_ID']) % 20000
        derived = {'RANK': 'SLURM_PROCID', 'WORLD_SIZE': 'SLURM_NTASKS', 'LOCAL_RANK': 'SLURM_LOCALID'}
        variables |= {name: variables[slurm] for name, slurm in derived.items()}
    except KeyError as error:
        raise UserError(f'--launcher slurm: the variable {error} is not set; start with srun') from None
    except (OSError, subprocess.CalledProcessError) as error:
        raise UserError(f'--launcher slurm: scontrol does not name the nodes of this job: {error}') from None
    variables.setdefault('MASTER_ADDR', nodes.stdout.split()[0])
    variables.setdefault('MASTER_PORT', str(port or default_port))


def get_dist_info() -> tuple[int, int]:
    """Return (rank, number of ranks); (0, 1) without a process group."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def master_only(function: Callable) -> Callable:
    """Decorate a function to run on rank 0 and to return None elsewhere."""

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs) if get_dist_info()[0] == 0 else None

    return wrapper


def mean_over_ranks(values: torch.Tensor) -> torch.Tensor:
    """Return the mean of a tensor over all ranks, on every rank."""
    world_size = get_dist_info()[1]
    if world_size == 1:
        return values
    total = values.clone()
    dist.all_reduce(total)
    return total / world_size


def barrier() -> None:
    """Wait for all ranks, where there are several."""
    if get_dist_info()[1] > 1:
        dist.barrier()


def value_of_rank_0(value: Any) -> Any:
    """Return rank 0's value on every rank."""
    if get_dist_info()[1] > 1:
        values = [value]
        dist.broadcast_object_list(values)
        return values[0]
    return value


def values_of_ranks(value: Any) -> list:
    """Return the values of all ranks, in their order, on every rank."""
    world_size = get_dist_info()[1]
    if world_size == 1:
        return [value]
    values = [None] * world_size
    dist.all_gather_object(values, value)
    return values


def leave_dist() -> None:
    """Leave the process group, where there is one."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()
