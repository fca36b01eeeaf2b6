"""A Slurm of the tests' own: its daemons on free ports, with a configuration made for them."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PATIENCE_SECONDS = 60.0
NODES = ("n1", "n2")
PARTITIONS = ("ocean", "short", "shut")
CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={directory}/munge/munge.sock
CredType=cred/munge
StateSaveLocation={directory}/state
SlurmdSpoolDir={directory}/spool-%n
SlurmctldPidFile={directory}/slurmctld.pid
SlurmdPidFile={directory}/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
ReturnToService=2
SwitchType=switch/none
MpiDefault=none
EnforcePartLimits=ALL
SchedulerParameters=sched_min_interval=100000,sched_interval=1
KillWait=10
UnkillableStepTimeout=60
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2 RealMemory=8000
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=2 RealMemory=8000
PartitionName=ocean Nodes=n1,n2 Default=YES MaxTime=02:00:00 State=UP
PartitionName=short Nodes=n1 MaxTime=00:05:00 State=UP
PartitionName=shut Nodes=n1 MaxTime=02:00:00 State=DOWN
"""
PROGRAMS = ("munged", "slurmctld", "slurmd")


@dataclass(frozen=True)
class Cluster:
    """A Slurm that runs: where its files are, and the environment in which it is found."""

    directory: Path
    environment: dict[str, str]

    def call(self, *command: str) -> str:
        """Run a command of Slurm and return what it prints."""
        done = subprocess.run(
            command,
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def missing() -> str | None:
    """Say why there can be no Slurm here, or None."""
    absent = [name for name in PROGRAMS if _program(name) is None]
    if absent:
        return f"not installed: {', '.join(absent)}"
    return None if os.getuid() == 0 else "its daemons want to be root"


def _program(name: str) -> str | None:
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


@contextlib.contextmanager
def running() -> Iterator[Cluster]:
    """Start a Slurm of two nodes on this machine, and end it with all that it has started."""
    directory = Path(tempfile.mkdtemp(prefix="slurm-"))  # short: a socket's path is limited
    children: list[subprocess.Popen[bytes]] = []
    try:
        cluster = _configure(directory)
        try:
            for command in _daemons(directory):
                children.append(_start(command, cluster))
                if command[0].endswith("munged"):
                    _wait_for_munge(directory)
            _wait_for_nodes(cluster)
            yield cluster
        finally:
            _end(cluster, children)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _configure(directory: Path) -> Cluster:
    directory.chmod(0o755)
    for name in ("munge", "state", *(f"spool-{node}" for node in NODES)):
        (directory / name).mkdir(mode=0o755)
    key = directory / "munge" / "key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o600)
    configuration = directory / "slurm.conf"
    configuration.write_text(
        CONFIGURATION.format(
            host=socket.gethostname().split(".")[0], directory=directory, ports=_free_ports(3)
        )
    )
    return Cluster(directory, {"SLURM_CONF": str(configuration)})


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


def _daemons(directory: Path) -> list[list[str]]:
    munge = directory / "munge"
    configuration = str(directory / "slurm.conf")
    return [
        [
            *("munged", "--force", "--foreground", f"--key-file={munge / 'key'}"),
            *(f"--socket={munge / 'munge.sock'}", f"--pid-file={munge / 'pid'}"),
            *(f"--log-file={munge / 'log'}", f"--seed-file={munge / 'seed'}"),
        ],
        ["slurmctld", "-D", "-c", "-f", configuration],
        *(["slurmd", "-D", "-f", configuration, "-N", node] for node in NODES),
    ]


def _start(command: list[str], cluster: Cluster) -> "subprocess.Popen[bytes]":
    program = _program(command[0])
    assert program is not None
    with (cluster.directory / f"{command[0]}.log").open("ab") as log:
        return subprocess.Popen(
            [program, *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=cluster.directory,
            env=os.environ | cluster.environment,
            start_new_session=True,
        )


def _wait_for_munge(directory: Path) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not (directory / "munge" / "munge.sock").exists():
        assert time.monotonic() < until, "munged does not start"
        time.sleep(0.05)


def _wait_for_nodes(cluster: Cluster) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        with contextlib.suppress(AssertionError):
            if cluster.call("sinfo", "-h", "-N", "-p", "ocean", "-o", "%t").split() == ["idle"] * 2:
                return
        assert time.monotonic() < until, "the nodes do not come up"
        time.sleep(0.1)


def _end(cluster: Cluster, children: "list[subprocess.Popen[bytes]]") -> None:
    with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
        for job in cluster.call("squeue", "-h", "-o", "%A").split():
            cluster.call("scancel", job)
        until = time.monotonic() + PATIENCE_SECONDS
        while cluster.call("squeue", "-h") and time.monotonic() < until:
            time.sleep(0.2)
    for child in reversed(children):
        child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(10)
        child.kill()
        child.wait()
