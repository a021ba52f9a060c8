"""Where runs are placed. A backend starts `run_one` on a run folder, and notices when that has ended: nothing more."""

from pathlib import Path
from typing import Protocol

from basicsr.ablation.runs import RunPlace


class Backend(Protocol):
    """Places runs. What became of them is read from their files by the driver."""

    def adopted(self) -> list[RunPlace]:
        """Return the runs that an earlier driver placed and that are still to end."""

    def free(self) -> int:
        """Return how many more runs can be placed now."""

    def place(self, runs: list[RunPlace]) -> None:
        """Have runs brought to their end."""

    def finished(self) -> list[RunPlace]:
        """Return the runs that are no longer placed, each once."""

    def stop(self, kill: bool) -> str | None:
        """Ask what is running to save and end, or kill it; returns what to tell the user where it goes on instead."""


def run_one_arguments(run: RunPlace, root: Path, num_processes: int, stall_minutes: float) -> list[str]:
    """Return the arguments behind `python` that bring a run to its end."""
    command = ['-m', 'basicsr.ablation.run_one', str(run.folder), '--root', str(root)]
    return [*command, '--num_processes', str(num_processes), '--stall_minutes', f'{stall_minutes:g}']
