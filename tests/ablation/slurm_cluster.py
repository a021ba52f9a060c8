"""A Slurm cluster of two virtual nodes on this machine, for tests: its own key, ports and folders."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

PROGRAMS = ('slurmctld', 'slurmd', 'munged', 'sbatch', 'squeue')

_CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
SlurmdTimeout=10
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2 State=UNKNOWN
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=2 State=UNKNOWN
PartitionName=all Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
"""


def why_not() -> str | None:
    """Return why no cluster can be started here, or None."""
    missing = [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]
    if missing:
        return f'Slurm is not installed ({", ".join(missing)}): apt-get install slurm-wlm munge'
    return None if os.geteuid() == 0 else 'only root can start a Slurm cluster of its own'


def _path() -> str:
    return f'{os.environ.get("PATH", "")}:/usr/sbin:/sbin'


class SlurmCluster:
    """Runs while it is open. `environment` is what clients of it need."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {'SLURM_CONF': str(folder / 'slurm.conf'), 'PATH': _path()}

    def __enter__(self) -> 'SlurmCluster':
        for name in ('state', 'n1', 'n2'):
            (self.folder / name).mkdir(parents=True)
        key = self.folder / 'munge.key'
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        files = [f'--{kind}={self.folder / f"munge.{kind}"}' for kind in ('log-file', 'pid-file', 'seed-file')]
        files = [f'--socket={self.folder}/munge.sock', *files, f'--key-file={key}']
        self.call('munged', '--force', *files)
        conf = _CONF.format(host=socket.gethostname().split('.')[0], folder=self.folder, ports=_free_ports(3))
        (self.folder / 'slurm.conf').write_text(conf)
        self.call('slurmctld')
        self.call('slurmd', '-N', 'n1')
        self.call('slurmd', '-N', 'n2')
        deadline = time.time() + 60
        while self.call('sinfo', '-h', '-t', 'idle', '-o', '%D').strip() != '2':
            assert time.time() < deadline, (self.folder / 'slurmctld.log').read_text()
            time.sleep(0.3)
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(['scancel', '--user=root'], env=os.environ | self.environment, check=False, capture_output=True)
        time.sleep(1)
        for name in ('n1', 'n2', 'slurmctld', 'munge.pid-file'):
            path = self.folder / (name if '.' in name else f'{name}.pid')
            if path.exists():
                os.kill(int(path.read_text()), signal.SIGTERM)

    def call(self, *command: str) -> str:
        """Run a command against the cluster."""
        environment = os.environ | self.environment
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=60).stdout


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(('127.0.0.1', 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
