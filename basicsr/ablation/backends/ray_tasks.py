"""Runs as tasks of a Ray cluster, whose nodes see the folders of the project under the same paths."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from basicsr.ablation.backends import run_one_arguments
from basicsr.ablation.process import package_environment, start
from basicsr.ablation.runs import RunPlace
from basicsr.utils.errors import UserError


class RayTasks:
    """One task per run. Ray finds it a node, cores and GPUs; retries are up to the driver.

    Joins the cluster that RAY_ADDRESS names or that runs on this machine; without one, starts one of this machine.

    Args:
        jobs: runs at a time; by default as many as the cluster has room for.
        threads: cores per run.
    """

    def __init__(
        self,
        root: Path,
        jobs: int | None = None,
        gpus_per_run: int = 1,
        stall_minutes: float = 60,
        use_gpu: bool = True,
        threads: int = 1,
    ) -> None:
        try:
            import ray
        except ImportError:
            raise UserError('--launcher ray needs the package ray: pip install "basicsr[ray]", or ray itself') from None
        self.ray, self.root, self.limit = ray, root, jobs
        self.num_processes, self.stall_minutes = gpus_per_run, stall_minutes
        variables = {'PYTHONPATH': package_environment()['PYTHONPATH'], 'OMP_NUM_THREADS': str(threads)}
        try:
            ray.init(log_to_driver=False, runtime_env={'env_vars': variables}, include_dashboard=False)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise UserError(f'--launcher ray: cannot join a cluster: {error}') from None

        has_gpu = use_gpu and ray.cluster_resources().get('GPU', 0) > 0
        resources = {'num_cpus': threads * gpus_per_run, 'num_gpus': gpus_per_run if has_gpu else 0}
        # A new worker process per run, so that nothing of the one before is left.
        self.task = ray.remote(max_retries=0, max_calls=1, **resources)(_work)
        self.placed: dict[Any, RunPlace] = {}

    def adopted(self) -> list[RunPlace]:
        """None: they end with their driver."""
        return []

    def free(self) -> int:
        """Return how many more runs may be handed to Ray, which lets them wait for room."""
        return max(0, self.limit - len(self.placed)) if self.limit else 1_000_000

    def place(self, runs: list[RunPlace]) -> None:
        """Hand runs to Ray."""
        for run in runs:
            arguments = run_one_arguments(run, self.root, self.num_processes, self.stall_minutes)
            self.placed[self.task.remote(arguments, str(run.log), str(self.root))] = run

    def finished(self) -> list[RunPlace]:
        """Return the runs whose task has ended, or was lost with its node."""
        if not self.placed:
            return []
        ready, _ = self.ray.wait(list(self.placed), num_returns=len(self.placed), timeout=0)
        return [self.placed.pop(reference) for reference in ready]

    def stop(self, kill: bool) -> str | None:
        """End every task; its run is asked to save, and killed where that takes long."""
        for reference in self.placed:
            self.ray.cancel(reference, force=kill)
        return None


def _work(arguments: list[str], log: str, root: str) -> int:
    """Run `run_one` in a Ray worker; it gets SIGTERM when the worker dies, also by kill -9."""
    # Ray gives tasks without GPUs an empty list of devices; with GPUs, their numbers.
    environment = package_environment() | {'OMP_NUM_THREADS': os.environ.get('OMP_NUM_THREADS', '1')}
    process = start([sys.executable, *arguments], Path(log), environment, signal.SIGTERM, Path(root))
    try:
        return process.wait()
    except BaseException:  # Ray cancels a task by an exception of its own
        process.terminate()
        try:
            process.wait(timeout=90)
        except subprocess.TimeoutExpired:
            process.kill()
        raise
