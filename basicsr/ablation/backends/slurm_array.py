"""Runs as array jobs of Slurm: plain `sbatch`, and `squeue` to see which are left. No accounting is needed."""

import json
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

from basicsr.ablation.backends import run_one_arguments
from basicsr.ablation.process import package_environment
from basicsr.ablation.runs import RunPlace, read_json
from basicsr.utils.atomic import write_atomic
from basicsr.utils.errors import UserError
from basicsr.utils.misc import get_time_str

# A signal two minutes before a time limit: the trainer saves, and the task goes back to the queue, as it does when its
# node dies. Code 75 is "asked to stop", 11 "runs elsewhere": the heartbeat of a node that died is believed for a while.
_SCRIPT = """\
#!/bin/bash
#SBATCH --job-name={name}
#SBATCH --array=0-{last}{limit}
#SBATCH --output={folder}/%A_%a.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:USR1@120
export PYTHONPATH={pythonpath}
cd {root} || exit 1
runs=({runs})
{python} {arguments} --wait 300 >> "${{runs[$SLURM_ARRAY_TASK_ID]}}/log.txt" 2>&1 &
child=$!
trap 'kill -TERM $child' USR1 TERM
wait $child; code=$?
while kill -0 $child 2>/dev/null; do wait $child; code=$?; done
if [ $code = 75 ]; then scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID"; fi
exit $code
"""
# A shared file system may show a result some seconds after it was written.
_GRACE_SECONDS = 10


class SlurmArray:
    """Every call of `place` is one array job. Jobs outlive the driver, and the next driver finds them.

    Args:
        folder: of the grid; all nodes see it and the project under the same paths.
        jobs: runs at a time; by default as many as Slurm has room for.
        gpus_per_run: GPUs, and ranks, per run; None asks for no GPU.
        options: further options of sbatch, such as `--partition=gpu --time=12:00:00`.
    """

    def __init__(
        self,
        root: Path,
        folder: Path,
        jobs: int | None = None,
        gpus_per_run: int | None = None,
        stall_minutes: float = 60,
        options: str = '',
        grace_seconds: float = _GRACE_SECONDS,
    ) -> None:
        self.root, self.grid, self.folder, self.limit = root, folder, folder / 'state' / 'slurm', jobs
        self.num_processes, self.stall_minutes, self.grace_seconds = gpus_per_run or 1, stall_minutes, grace_seconds
        self.options = shlex.split(options)
        if gpus_per_run:
            self.options.insert(0, f'--gpus-per-node={gpus_per_run}')
        # Task, as squeue calls it (12_0) -> run; and since when a task is gone from the queue.
        self.tasks = {
            task: RunPlace(folder / name)
            for task, name in read_json(self.folder / 'tasks.json').get('tasks', {}).items()
        }
        self.gone: dict[str, float] = {}
        queued = self.queued()
        self.tasks = {task: run for task, run in self.tasks.items() if task in queued}

    def adopted(self) -> list[RunPlace]:
        """Return the runs that are still in the queue."""
        return list(self.tasks.values())

    def free(self) -> int:
        """Slurm has a queue of its own."""
        return 1_000_000

    def place(self, runs: list[RunPlace]) -> None:
        """Submit one array job.

        Raises:
            UserError: sbatch refuses; the message is its own.
        """
        if not runs:
            return
        for run in runs:
            run.state.mkdir(parents=True, exist_ok=True)
        script = self.folder / f'{get_time_str()}_{runs[0].name}.sh'
        write_atomic(script, self.script(runs))
        job = _call(['sbatch', '--parsable', *self.options, str(script)]).split(';')[0].strip()
        self.tasks |= {f'{job}_{index}': run for index, run in enumerate(runs)}
        names = {task: run.name for task, run in self.tasks.items()}
        write_atomic(self.folder / 'tasks.json', json.dumps({'tasks': names}, indent=2) + '\n')

    def script(self, runs: list[RunPlace]) -> str:
        """Return the job script of an array of runs."""
        # The run is the one argument that differs: its folder has the same name in `state/`.
        arguments = run_one_arguments(runs[0], self.root, self.num_processes, self.stall_minutes)
        quoted = [shlex.quote(argument) for argument in arguments]
        quoted[arguments.index(str(runs[0].folder))] = (
            f'{shlex.quote(str(self.grid))}/"$(basename "${{runs[$SLURM_ARRAY_TASK_ID]}}")"'
        )
        return _SCRIPT.format(
            name=self.grid.name,
            last=len(runs) - 1,
            limit=f'%{self.limit}' if self.limit else '',
            folder=self.folder,
            pythonpath=shlex.quote(package_environment()['PYTHONPATH']),
            root=shlex.quote(str(self.root)),
            runs=' '.join(shlex.quote(str(run.state)) for run in runs),
            python=shlex.quote(sys.executable),
            arguments=' '.join(quoted),
        )

    def queued(self) -> set[str]:
        """Return the tasks that wait or run."""
        jobs = sorted({task.partition('_')[0] for task in self.tasks})
        found: set[str] = set()
        for job in jobs:
            try:
                lines = _call(['squeue', '-h', '-r', '-j', job, '-o', '%F_%K %T']).split('\n')
            except UserError as error:
                if 'Invalid job id' not in str(error):  # which says that it has been over for a while
                    raise
                continue
            found |= {line.split()[0] for line in lines if re.match(r'\d+_\d+ ', line) and 'COMPLET' not in line}
        return found

    def finished(self) -> list[RunPlace]:
        """Return the runs whose task has left the queue, a moment after it did unless their result is there."""
        if not self.tasks:
            return []
        try:
            queued = self.queued()
        except UserError:  # the controller is busy, or restarts: ask again
            return []
        now, ended = time.time(), []
        for task, run in list(self.tasks.items()):
            if task in queued:
                self.gone.pop(task, None)
            elif run.result.exists() or now - self.gone.setdefault(task, now) > self.grace_seconds:
                ended.append(self.tasks.pop(task))
        return ended

    def stop(self, kill: bool) -> str | None:
        """Leave the jobs alone, unless they are to be killed."""
        jobs = sorted({task.partition('_')[0] for task in self.tasks})
        if kill and jobs:
            _call(['scancel', *jobs])
            return None
        return f'the jobs go on by themselves; `scancel {" ".join(jobs)}` ends them' if jobs else None


def _call(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except FileNotFoundError:
        raise UserError(f'--launcher slurm: there is no {command[0]} here; start on a machine that has Slurm') from None
    except subprocess.TimeoutExpired:
        raise UserError(f'--launcher slurm: {command[0]} does not answer') from None
    if done.returncode:
        raise UserError(f'--launcher slurm: {command[0]}: {done.stderr.strip() or done.returncode}')
    return done.stdout
