"""Slurm's own commands, each with a time-out: sinfo, sbatch, squeue, sacct, scontrol, scancel.

What they say when they refuse is shown as it is: that is what the cluster's people know.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _

LOOK_SECONDS = 5.0
"""How long a look at the queue may take; a controller that is busy, or gone, keeps nobody."""
SUBMIT_SECONDS = 60.0
UNREACHABLE = ("configuration source", "Unable to contact slurm controller", "Connection refused")
"""What Slurm's commands say where they are installed, but not set up, or away from the cluster."""
UNLIKE_THEIR_OPTIONS = {
    "TIMELIMIT": "time", "MEM_PER_NODE": "mem", "ARRAY_INX": "array", "NO_REQUEUE": "requeue",
}  # fmt: skip
"""Variables SBATCH_… that are not called as the options are that they stand for."""


class SlurmError(UsageError):
    """Slurm is not here, does not answer, or refuses; its own message is in the text."""


@dataclass(frozen=True)
class Partition:
    """A partition as `sinfo` tells it.

    Args:
        name: of the partition.
        is_default: whether jobs go there that name none.
        up: whether jobs are started there at present.
        time_limit: the longest that a job may take, as Slurm writes it; "infinite" for any.
        nodes: how many there are.
        cpus: of the smallest node.
        memory: MB of the smallest node.
        gres: what else the nodes have, such as "gpu:a100:4"; "" for nothing.
    """

    name: str
    is_default: bool
    up: bool
    time_limit: str
    nodes: int
    cpus: int
    memory: int
    gres: str = ""

    @property
    def time_limit_seconds(self) -> int | None:
        """The longest that a job may take, None for any."""
        return seconds_of(self.time_limit)

    @property
    def gpus(self) -> int:
        """GPUs of one node."""
        return sum(int(count) for count in re.findall(r"\bgpu(?::[^:,()]+)?:(\d+)", self.gres))


@dataclass(frozen=True)
class QueuedJob:
    """A job that waits or runs, as `squeue` tells it.

    Args:
        id: "12", or "12_3" for an element of an array.
        name: of the job.
        uid: whose it is.
        state: PENDING, RUNNING, COMPLETING, …
        reason: why it waits; "" for none.
        start: when it began, or is expected to; local time, None where Slurm does not say.
        nodes: where it runs; "" where it waits.
    """

    id: str
    name: str
    uid: int
    state: str
    reason: str
    start: str | None
    nodes: str


@dataclass(frozen=True)
class EndedJob:
    """A job that has ended: its state (COMPLETED, FAILED, TIMEOUT, …) and its exit code."""

    state: str
    exit_code: int | None


def available() -> bool:
    """Return whether jobs can be submitted from this machine."""
    return shutil.which("sbatch") is not None


def require() -> None:
    """Make sure that jobs can be submitted from this machine.

    Raises:
        SlurmError: there is no sbatch.
    """
    if not available():
        raise _not_here("sbatch")


def partitions() -> list[Partition]:
    """Return the partitions of the cluster, the default one first.

    Raises:
        SlurmError: there is no Slurm here, or it does not answer.
    """
    found: dict[str, Partition] = {}
    told = _call("sinfo", "-h", "-o", "%P|%a|%l|%D|%c|%m|%G")
    # With several clusters, a line without figures names each.
    for line in (line for line in told.splitlines() if line.count("|") == 6):
        marked, up, limit, nodes, cpus, memory, gres = line.split("|")
        name = marked.removesuffix("*")
        group = Partition(
            name=name,
            is_default=marked.endswith("*"),
            up=up == "up",
            time_limit=limit,
            nodes=int(nodes),
            cpus=int(cpus.rstrip("+")),
            memory=int(memory.rstrip("+")),
            gres="" if gres == "(null)" else gres,
        )
        found[name] = _together(found[name], group) if name in found else group
    return sorted(found.values(), key=lambda partition: not partition.is_default)


def _together(one: Partition, other: Partition) -> Partition:
    """Return a partition of which sinfo shows its nodes in groups."""
    return Partition(
        name=one.name,
        is_default=one.is_default,
        up=one.up,
        time_limit=one.time_limit,
        nodes=one.nodes + other.nodes,
        cpus=min(one.cpus, other.cpus),
        memory=min(one.memory, other.memory),
        gres=one.gres or other.gres,
    )


def submit(script: Path) -> str:
    """Submit a job script and return the number of the job.

    Raises:
        SlurmError: there is no Slurm here, or it refuses the job; its message is shown.
    """
    require()
    said = _call(
        "sbatch", "--parsable", str(script), cwd=script.parent, seconds=SUBMIT_SECONDS,
        environment=_without_overrides(script.read_text(encoding="utf-8")),
        refused=_("Slurm refuses the job:"),
    )  # fmt: skip
    # Wrappers of a site may say something before it or after it.
    numbers = re.findall(r"^(\d+)(?:;\S+)?$", said, re.MULTILINE)
    if not numbers:
        said_lines = "".join(f"\n  {line}" for line in _lines(said))
        raise SlurmError(_("sbatch did not say the number of the job:") + said_lines, _look_first())
    return str(numbers[-1])


def _look_first() -> str:
    return _("It may be in the queue all the same: look there before you submit again (squeue).")


def _without_overrides(script: str) -> dict[str, str]:
    """Return this environment without what would override a script: SBATCH_… goes before it."""
    own = set(re.findall(r"^#SBATCH --([a-z-]+)", script, re.MULTILINE))

    def overrides(name: str) -> bool:
        variable = name.removeprefix("SBATCH_")
        option = UNLIKE_THEIR_OPTIONS.get(variable, variable.lower().replace("_", "-"))
        return name.startswith("SBATCH_") and option in own

    return {name: value for name, value in os.environ.items() if not overrides(name)}


def queue(uid: int) -> dict[str, QueuedJob]:
    """Return the jobs of a user that wait or run, by their ids; elements of arrays one by one.

    Raises:
        SlurmError: there is no Slurm here, or it does not answer.
    """
    found = {}
    form = "%i|%U|%T|%S|%N|%r|%j"
    told = _call("squeue", "-h", "-r", "-a", "-u", str(uid), "-o", form)
    for line in (line for line in told.splitlines() if line.count("|") >= 6):
        job, owner, state, start, nodes, reason, name = line.split("|", 6)
        found[job] = QueuedJob(
            id=job,
            name=name,
            uid=int(owner),
            state=state,
            reason="" if reason == "None" else reason,
            start=None if start in ("N/A", "") else start,
            nodes=nodes,
        )
    return found


def ended(job: str, name: str) -> EndedJob | None:
    """Return how a job has ended: from the accounts, else as long as Slurm remembers it.

    Args:
        job: its id.
        name: of the job; another cluster has one of another name under that number.

    Returns:
        None where Slurm does not know the job any more, or has not ended it.
    """
    return _from_accounts(job, name) or _from_memory(job, name)


def _from_accounts(job: str, name: str) -> EndedJob | None:
    try:
        told = _call("sacct", "-n", "-P", "-X", "-j", job, "-o", "State,ExitCode,JobName")
    except SlurmError:
        return None  # no accounts are kept, as on many a small cluster
    lines = [line for line in told.splitlines() if line.count("|") >= 2]
    if not lines:
        return None
    state, code, found = lines[-1].split("|", 2)
    return _ended_as(state, code) if found == name else None


def _from_memory(job: str, name: str) -> EndedJob | None:
    try:
        told = _call("scontrol", "-o", "show", "job", job)
    except SlurmError:
        return None
    if f" JobName={name} " not in told:
        return None
    state = re.search(r"\bJobState=(\S+)", told)
    code = re.search(r"\bExitCode=(\S+)", told)
    return _ended_as(state[1], code[1] if code else "") if state else None


def _ended_as(state: str, code: str) -> EndedJob | None:
    word = state.split()[0] if state.split() else ""  # "CANCELLED by 1000"
    if word in ("", "PENDING", "RUNNING", "SUSPENDED", "REQUEUED", "RESIZING", "COMPLETING"):
        return None
    number, _colon, signal_number = code.partition(":")
    if signal_number.isdigit() and int(signal_number) and number == "0":
        return EndedJob(word, 128 + int(signal_number))
    return EndedJob(word, int(number) if number.isdigit() else None)


def cancel_if_pending(job: str) -> None:
    """Take a job out of the queue, unless it has begun meanwhile.

    Raises:
        SlurmError: there is no Slurm here, or it refuses.
    """
    _call("scancel", "--state=PENDING", job)


def ask_to_stop(job: str) -> None:
    """Send SIGUSR1 to what runs in a job, but not to its script.

    Raises:
        SlurmError: there is no Slurm here, or it refuses.
    """
    _call("scancel", "--signal=USR1", job)


def _call(
    program: str,
    *arguments: str,
    cwd: Path | None = None,
    seconds: float | None = None,
    environment: dict[str, str] | None = None,
    refused: str | None = None,
) -> str:
    """Run a command of Slurm and return what it prints.

    Raises:
        SlurmError: it is not here, takes too long, or says no.
    """
    seconds = LOOK_SECONDS if seconds is None else seconds
    found = shutil.which(program)
    if found is None:
        raise _not_here(program)
    try:
        done = subprocess.run(
            [found, *arguments],
            cwd=cwd,
            env=_plain_environment() if environment is None else environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise SlurmError(
            _("Slurm does not answer: {program} took longer than {seconds:g} s",
              program=program, seconds=seconds),
            _look_first() if program == "sbatch" else
            _("Try again later, or ask the administrators of the cluster."),
        ) from None  # fmt: skip
    if done.returncode != 0:
        said = "".join(f"\n  {line}" for line in _lines(done.stderr, done.stdout))
        if any(words in said for words in UNREACHABLE):
            raise _unreachable(program, said)
        unheard = program == "sbatch" and "timed out" in said  # the answer was lost, not the job
        raise SlurmError((refused or _("Slurm reports:")) + said, _look_first() if unheard else "")
    return done.stdout


def _plain_environment() -> dict[str, str]:
    """Return this environment without what changes the form of Slurm's answers."""
    kept = {
        name: value for name, value in os.environ.items()
        if not name.startswith(("SQUEUE_", "SINFO_", "SACCT_", "SCANCEL_"))
    }  # fmt: skip
    return kept | {"SLURM_TIME_FORMAT": "standard"}


def _lines(*texts: str) -> Iterable[str]:
    return [line.rstrip() for text in texts for line in text.splitlines() if line.strip()]


def _not_here(program: str) -> SlurmError:
    return SlurmError(
        _("there is no Slurm here: {program} is not found", program=program), _from_a_login_node()
    )


def _unreachable(program: str, said: str) -> SlurmError:
    text = _("{program} is installed here, but does not reach Slurm:", program=program)
    return SlurmError(text + said, _from_a_login_node())


def _from_a_login_node() -> str:
    return _("Submit from a login node of the cluster; on some, `module load slurm` comes first.")


def seconds_of(text: str) -> int | None:
    """Return a time limit as Slurm writes it in seconds, None for any other text.

    The forms are minutes, minutes:seconds, hours:minutes:seconds, days-hours, days-hours:minutes
    and days-hours:minutes:seconds.
    """
    match = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", text.strip())
    if match is None:
        return None
    days, *parts = (None if part is None else int(part) for part in match.groups())
    given = [part for part in parts if part is not None]
    if days is not None:
        hours, minutes, seconds = (*given, 0, 0)[:3]
        return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    if len(given) == 3:
        return (given[0] * 60 + given[1]) * 60 + given[2]
    return given[0] * 60 + (given[1] if len(given) == 2 else 0)
