"""Runs as processes of this machine, each with its GPUs or its share of the cores."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from basicsr.ablation.backends import run_one_arguments
from basicsr.ablation.process import kill_group, package_environment, start
from basicsr.ablation.runs import RunPlace
from basicsr.utils.errors import UserError


class LocalProcesses:
    """Slots, each a group of devices; a run has a slot for itself.

    Args:
        jobs: number of slots; by default one per group of GPUs, without a GPU one per core, at most four.
        gpus_per_run: ranks of a run.
        use_gpu: false leaves the GPUs alone.
    """

    def __init__(
        self,
        root: Path,
        jobs: int | None = None,
        gpus_per_run: int = 1,
        stall_minutes: float = 60,
        use_gpu: bool = True,
    ) -> None:
        devices = visible_devices() if use_gpu else []
        if devices and gpus_per_run > len(devices):
            raise UserError(f'--gpus_per_run {gpus_per_run}: there are {len(devices)} GPUs')
        groups = [devices[i : i + gpus_per_run] for i in range(0, len(devices), gpus_per_run)]
        groups = [group for group in groups if len(group) == gpus_per_run]
        self.jobs = jobs or len(groups) or min(number_of_cores(), 4)
        self.groups = [groups[slot % len(groups)] if groups else [] for slot in range(self.jobs)]
        self.root, self.num_processes, self.stall_minutes = root, gpus_per_run, stall_minutes
        self.slots: list[tuple[RunPlace, subprocess.Popen] | None] = [None] * self.jobs

    def adopted(self) -> list[RunPlace]:
        """None: they end with their driver."""
        return []

    def free(self) -> int:
        """Return the number of empty slots."""
        return self.slots.count(None)

    def place(self, runs: list[RunPlace]) -> None:
        """Start runs in empty slots."""
        for run in runs:
            slot = self.slots.index(None)
            arguments = run_one_arguments(run, self.root, self.num_processes, self.stall_minutes)
            command = [sys.executable, *arguments]
            self.slots[slot] = (run, start(command, run.log, self.environment(slot), signal.SIGTERM, self.root))

    @property
    def threads(self) -> int:
        """Cores of a run: what OMP_NUM_THREADS says, else its share."""
        given = os.environ.get('OMP_NUM_THREADS', '')
        return int(given) if given.isdigit() else max(1, number_of_cores() // (self.jobs * self.num_processes))

    def environment(self, slot: int) -> dict[str, str]:
        """Return the environment of a slot: its devices, and its share of the cores."""
        environment = package_environment() | {'OMP_NUM_THREADS': str(self.threads)}
        if self.groups[slot]:
            environment['CUDA_VISIBLE_DEVICES'] = ','.join(self.groups[slot])
        return environment

    def finished(self) -> list[RunPlace]:
        """Return the runs whose process has ended, and empty their slots."""
        ended = []
        for slot, content in enumerate(self.slots):
            if content is not None and content[1].poll() is not None:
                ended.append(content[0])
                self.slots[slot] = None
        return ended

    def stop(self, kill: bool) -> str | None:
        """Ask every run to save and end, or kill it."""
        for content in filter(None, self.slots):
            kill_group(content[1], signal.SIGKILL if kill else signal.SIGTERM)
        return None


def visible_devices() -> list[str]:
    """Return the GPUs that this process may use, by number or UUID."""
    mask = os.environ.get('CUDA_VISIBLE_DEVICES')
    if mask is not None:
        return [device for device in mask.split(',') if device.strip() not in ('', '-1')]
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]


def number_of_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
