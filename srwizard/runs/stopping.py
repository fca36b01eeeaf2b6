"""Asking a run to stop, and waiting until it has. Imports no torch.

The request goes to the very process that began the training: held by a descriptor, so that its
number cannot pass to another one between the look and the signal. Where that runs in a Slurm job,
the request goes to the job; one that waits is taken out of the queue.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.os_errors import reason_of
from srwizard.base.visible import in_shell
from srwizard.runs.process_identity import locate, owner_of
from srwizard.runs.records import Records
from srwizard.runs.run_state import FOLLOWED, RunState
from srwizard.runs.status import (
    advice,
    state_text,
    status_in,
    status_of,
)
from srwizard.slurm import client, following
from srwizard.slurm.following import Job

LOOK_SECONDS = 0.1
REMIND_SECONDS = 5.0
"""A job that is just starting may lose a request to stop; one more does no harm."""
ENDING_SECONDS = 10.0
"""How long a process that has said that its training is stopped may need to end."""


def request_stop(run_dir: Path) -> Literal["asked", "taken out"]:
    """Ask what trains a run to save its checkpoint and end; or take its job out of the queue.

    Returns:
        Which of the two was done.

    Raises:
        UsageError: no run directory, nothing is at work there, it is on another machine or
            another user's, or Slurm refuses.
    """
    run_status = status_in(run_dir)
    status = Records(run_dir).status()
    if run_status["state"] not in FOLLOWED:
        go_on = "\n".join(advice(run_status))
        raise UsageError(
            _("nothing is running in {run_dir}: {state}",
              run_dir=run_dir, state=state_text(run_status)),
            go_on if run_status["state"] in (RunState.STOPPED, RunState.INTERRUPTED) else "",
        )  # fmt: skip
    job = following.job_of(run_dir)
    if job is not None and job.phase in ("waiting", "at work"):
        done = _stop_job(run_dir, job)
        # A training that was begun beside a job that waits is asked as well.
        if done == "asked" or run_status["state"] == RunState.QUEUED:
            return done
    if run_status["alive"] is None:
        raise UsageError(
            _("{run_dir} is being trained on another machine, {host}",
              run_dir=run_dir, host=status["host"]),
            _("Stop it there: srwizard stop {run_dir}", run_dir=in_shell(run_dir)),
        )  # fmt: skip
    with _held(run_dir, status) as send:
        owner = owner_of(status["pid"])
        if owner is not None and owner != os.getuid():
            raise UsageError(
                _("{run_dir} is being trained by another user (process {pid})",
                  pid=status["pid"], run_dir=run_dir),
                _("Ask who started it."),
            )  # fmt: skip
        send(signal.SIGTERM)
    return "asked"


def _stop_job(run_dir: Path, job: Job) -> Literal["asked", "taken out"]:
    if job.uid != os.getuid():
        raise UsageError(
            _(
                "the Slurm job {job} of {run_dir} belongs to another user",
                job=job.id,
                run_dir=run_dir,
            ),
            _("Ask who started it."),
        )
    if job.phase == "waiting":
        client.cancel_if_pending(job.id)
        following.forget_queues()
        found = following.job_of(run_dir)
        if found is None or found.phase != "at work":
            return "taken out"
    try:
        following.ask_to_stop(run_dir, job)
    except OSError as error:
        raise UsageError(
            _("{path} cannot be written: {reason}", path=run_dir, reason=reason_of(error))
        ) from None
    return "asked"


@contextlib.contextmanager
def _held(run_dir: Path, status: dict[str, Any]) -> Iterator[Callable[[int], None]]:
    """Give a function that sends a signal to the process of a status, and to no other.

    Raises:
        UsageError: it has ended.
    """
    pid: int = status["pid"]
    gone = UsageError(_("process {pid} has just ended; nothing is left to be stopped", pid=pid))
    try:
        descriptor: int | None = os.pidfd_open(pid)
    except ProcessLookupError:
        raise gone from None
    except (OSError, AttributeError):
        descriptor = None  # a system without them
    try:
        # Looked at once more: from here on the descriptor stands for this very process.
        if locate(status, run_dir) != "here":
            raise gone
        try:
            if descriptor is None:
                yield lambda number: os.kill(pid, number)
            else:
                held = descriptor
                yield lambda number: signal.pidfd_send_signal(held, number)
        except ProcessLookupError:
            raise gone from None
    finally:
        if descriptor is not None:
            os.close(descriptor)


def wait_until_ended(run_dir: Path, seconds: float | None) -> dict[str, Any] | None:
    """Wait until a run is no longer at work.

    Args:
        run_dir: of the run.
        seconds: how long, at most; None: as long as it takes.

    Returns:
        Where it stands then; None if it is still at work.
    """
    until = None if seconds is None else time.monotonic() + seconds
    remind = time.monotonic() + REMIND_SECONDS
    while True:
        run_status = status_of(run_dir)
        if run_status is None or run_status["state"] not in FOLLOWED:
            _wait_for_the_last_of_it(run_dir)
            return run_status
        if run_status["job"] is not None and time.monotonic() > remind:
            _remind(run_dir)
            remind = time.monotonic() + REMIND_SECONDS
        if until is not None and time.monotonic() > until:
            return None
        time.sleep(LOOK_SECONDS)


def _wait_for_the_last_of_it(run_dir: Path) -> None:
    """Wait for a process that has stopped to let go of the run directory: one may train on then."""
    status = Records(run_dir).status()
    until = time.monotonic() + ENDING_SECONDS
    while (
        status.get("state") == RunState.STOPPED
        and (locate(status, run_dir) == "here" or _job_at_work(run_dir))
        and time.monotonic() < until
    ):
        time.sleep(LOOK_SECONDS)


def _job_at_work(run_dir: Path) -> bool:
    job = following.job_of(run_dir)
    return job is not None and job.phase == "at work"


def _remind(run_dir: Path) -> None:
    """Ask a job once more that was asked already: it may have been just about to begin."""
    job = following.job_of(run_dir)
    if job is not None and following.is_asked_to_stop(run_dir, job):
        with contextlib.suppress(UsageError):
            client.ask_to_stop(job.id)
