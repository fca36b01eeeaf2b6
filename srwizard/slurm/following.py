"""Following the job of a run: waiting, at work, ended, or no longer known. Imports no torch.

The run directory knows its job from `job.json`; Slurm knows the rest. Where it cannot be asked,
or takes too long, the run is told from its directory alone.
"""

import contextlib
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from srwizard.base import files
from srwizard.base.i18n import labelled
from srwizard.base.i18n import translate as _
from srwizard.slurm import client
from srwizard.slurm.client import EndedJob, QueuedJob, SlurmError
from srwizard.slurm.job import RECORD_FILE, STOP_FILE, log_name

FRESH_SECONDS = 1.0
SILENT_SECONDS = 30.0
"""So long a Slurm that did not answer is not asked again."""
AT_WORK = (
    "RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "CONFIGURING",
    "RESIZING",
)  # fmt: skip
Phase = Literal["waiting", "at work", "ended", "unknown"]
_queues: dict[int, tuple[float, dict[str, QueuedJob] | None]] = {}


@dataclass(frozen=True)
class Job:
    """The job of a run.

    Args:
        id: "12", or "12_3" for an element of an array.
        name: of the job.
        uid: whose it is.
        since: when it was submitted or began last; ISO 8601 in UTC.
        log: what its script and the launcher print.
        phase: waiting in the queue, at work, ended, or unknown where Slurm cannot be asked.
        state: Slurm's word for it, None where it says nothing.
        reason: why it waits; "" for none.
        start: when it began or is expected to, local time.
        nodes: where it is.
        exit_code: of the script, once it has ended.
    """

    id: str
    name: str
    uid: int
    since: str
    log: Path
    phase: Phase = "unknown"
    state: str | None = None
    reason: str = ""
    start: str | None = None
    nodes: str = ""
    exit_code: int | None = None

    def for_status(self) -> dict[str, Any]:
        """Return what `srwizard status --json` says of it."""
        return {
            "id": self.id,
            "phase": self.phase,
            "state": self.state,
            "reason": self.reason or None,
            "start": self.start,
            "nodes": self.nodes or None,
            "exit_code": self.exit_code,
            "since": self.since,
            "log": str(self.log),
        }


def is_later(told: Any, since: str) -> bool:
    """Return whether something was told, at a time as ISO 8601, after a job came."""
    try:
        return datetime.fromisoformat(str(told)) >= datetime.fromisoformat(since)
    except (ValueError, TypeError):
        return False


def note(run_dir: Path, job: str, name: str, uid: int, log: str) -> None:
    """Write down in a run directory that a job was submitted for it.

    Args:
        run_dir: of the run.
        job: its id.
        name: of the job.
        uid: of who has submitted it.
        log: its log, relative to the run directory.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    record = {"job": job, "name": name, "uid": uid, "since": now, "log": log}
    files.write_json(run_dir / RECORD_FILE, record)


def job_of(run_dir: Path) -> Job | None:
    """Return the job of a run as it stands now, None where it never had one."""
    record = files.read_json(run_dir / RECORD_FILE)
    if record is None:
        return None
    try:
        job = Job(
            id=str(record["job"]),
            name=str(record["name"]),
            uid=int(record["uid"]),
            since=str(record["since"]),
            log=run_dir / str(record.get("log") or log_name(str(record["job"]))),
        )
    except (KeyError, OverflowError, TypeError, ValueError):
        return None
    end = record.get("ended")
    if isinstance(end, dict):
        return _with_end(job, EndedJob(str(end.get("state")), end.get("exit_code")))
    queue = _queue_of(job.uid)
    if queue is None:
        return job
    found = queue.get(job.id)
    # Numbers come again once a cluster is set up anew: the name must be the same, too.
    if found is not None and found.name == job.name:
        return _queued(job, found)
    told = client.ended(job.id, job.name)
    if told is None:
        return _with_end(job, None)
    with contextlib.suppress(OSError):  # Slurm forgets it before long
        files.write_json(
            run_dir / RECORD_FILE,
            record | {"ended": {"state": told.state, "exit_code": told.exit_code}},
        )
    return _with_end(job, told)


def _queue_of(uid: int) -> dict[str, QueuedJob] | None:
    """Return the queue of a user, asked for once in a while only; None where it is not told."""
    asked, queue = _queues.get(uid, (float("-inf"), None))
    age = time.monotonic() - asked
    if age < (SILENT_SECONDS if queue is None else FRESH_SECONDS):
        return queue
    try:
        queue = client.queue(uid)
    except SlurmError:
        queue = None
    _queues[uid] = (time.monotonic(), queue)
    return queue


def forget_queues() -> None:
    """Ask Slurm again when a job is looked for next."""
    _queues.clear()


def _queued(job: Job, found: QueuedJob) -> Job:
    return replace(
        job,
        phase="at work" if found.state in AT_WORK else "waiting",
        state=found.state,
        reason=found.reason,
        start=found.start,
        nodes=found.nodes,
    )


def _with_end(job: Job, end: EndedJob | None) -> Job:
    if end is None:
        return replace(job, phase="ended")
    return replace(job, phase="ended", state=end.state, exit_code=end.exit_code)


def ask_to_stop(run_dir: Path, job: Job) -> None:
    """Ask a job at work to save its checkpoint and to end, and not to queue again.

    Raises:
        SlurmError: Slurm does not answer, or refuses.
        OSError: the run directory cannot be written.
    """
    files.write_text(run_dir / STOP_FILE, job.id + "\n")
    client.ask_to_stop(job.id)


def is_asked_to_stop(run_dir: Path, job: Job) -> bool:
    """Return whether a job was asked to stop."""
    try:
        return (run_dir / STOP_FILE).read_text(encoding="utf-8").strip() == job.id
    except OSError:
        return False


def end_text(state: str | None) -> str:
    """Say how a job has ended: Slurm's word for it, and what that means."""
    meanings = {
        "TIMEOUT": _("its time limit was reached"),
        "OUT_OF_MEMORY": _("it was killed because memory ran out"),
        "NODE_FAIL": _("a node failed"),
        "CANCELLED": _("it was cancelled"),
        "PREEMPTED": _("it was preempted by another job"),
        "BOOT_FAIL": _("a node did not start"),
        "DEADLINE": _("its deadline has passed"),
        "FAILED": _("it failed"),
        "COMPLETED": _("it is complete"),
    }
    if state is None:
        return _("Slurm no longer knows it")
    meaning = meanings.get(state)
    return labelled(state, meaning) if meaning is not None else state
