"""Where a run stands, read from its directory: at work, ended, or cut off. Imports no torch.

What `status.json` says holds only as long as its process lives: one that was killed, or whose
machine was restarted, could not say so. Of a run that has a Slurm job, Slurm knows that, and
whether it waits.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import yaml

from srwizard.base.errors import EXIT_INTERRUPTED, EXIT_MEMORY, UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.sizes_and_times import duration_text
from srwizard.base.special_files import require_file
from srwizard.base.visible import Lines, in_shell
from srwizard.runs import checkpoint_files
from srwizard.runs.failure_kinds.machines import JOB_ENDED
from srwizard.runs.failure_kinds.memory import DOES_NOT_FIT
from srwizard.runs.live_view import memory_text, score_parts
from srwizard.runs.overfitting import overfitting_text
from srwizard.runs.phases import phase_text
from srwizard.runs.process_identity import locate
from srwizard.runs.progress import Figures
from srwizard.runs.records import LOG_FILE, Records, measured
from srwizard.runs.run_state import AT_WORK, ENDED, RunState, state_title
from srwizard.settings import run_config
from srwizard.slurm import following
from srwizard.slurm.following import Job
from srwizard.slurm.job import KILLED_BY_USR1

SILENT_SECONDS = 60.0
"""A training gives a sign of life every two seconds: on another machine, no more can be known."""
FIGURES = (
    "phase", "epoch", "epochs", "step", "step_in_epoch", "steps_in_epoch", "progress", "loss",
    "samples_per_second", "seconds_left", "validation", "overfitting_since", "memory_bytes",
    "peak_memory_bytes", "measured_peak_bytes", "test", "failure",
)  # fmt: skip


def status_of(run_dir: Path) -> dict[str, Any] | None:
    """Return where a run stands, None where the directory is none.

    docs/runs.md tells what the keys mean. `state` is a `RunState`; `alive` is null where nothing
    can be known of its process, on another machine.
    """
    if not (run_dir / run_config.FILE_NAME).is_file():
        return None
    status = Records(run_dir).status()
    state, alive = _state(run_dir, status)
    if state == RunState.INTERRUPTED:  # or it has said so, and ended, between the two looks
        status = Records(run_dir).status()
        state, alive = _state(run_dir, status)
    job = following.job_of(run_dir)
    if job is not None:
        state, alive, status = _with_job(run_dir, job, state, alive, status)
    chosen = _chosen(run_dir)
    figures = {key: status.get(key) for key in FIGURES}
    # One that goes on has not come to its first step; one that was cut off may not have said what
    # it had come to.
    if figures["epoch"] is None or state in (RunState.STOPPED, RunState.INTERRUPTED):
        recorded = _of_the_last_epoch(run_dir, figures["epochs"])
        if recorded.get("epoch", 0) >= (figures["epoch"] or 0):
            figures |= recorded
    if state not in AT_WORK:
        figures |= {"seconds_left": None, "memory_bytes": None, "samples_per_second": None}
    if state == RunState.COMPLETED:
        figures["progress"] = 1.0
    return {
        "run_dir": str(run_dir),
        "state": state,
        "alive": alive,
        "model": chosen["name"],
        "launcher": chosen["launcher"],
        "host": status.get("host"),
        "pid": status.get("pid"),
        "background": (
            _in_background(status) if alive and (job is None or job.phase != "at work") else None
        ),
        "started": status.get("started"),
        "updated": status.get("time"),
        "checkpoint": checkpoint_files.exists(run_dir, checkpoint_files.LAST),
        "report": (run_dir / "report.html").is_file(),
        "job": job.for_status() if job is not None else None,
        **figures,
    }


def _of_the_last_epoch(run_dir: Path, planned: Any) -> dict[str, Any]:
    """Return the figures that the record of epochs tells, none where there is none."""
    if not isinstance(planned, int) or planned < 1:
        return {}
    epochs = measured(run_dir).epochs
    if not epochs:
        return {}
    figures = Figures(epochs=planned, samples=1, batch=1)
    try:
        for event in epochs:
            figures.note_epoch(event)
    except (KeyError, TypeError, AttributeError):  # of another version
        return {}
    found = figures.for_status()
    return {key: found[key] for key in ("epoch", "progress", "loss", "validation")}


def status_in(run_dir: Path) -> dict[str, Any]:
    """Return where a run stands.

    Raises:
        UsageError: the directory is none of a run.
    """
    run_status = status_of(run_dir)
    if run_status is None:
        raise UsageError(
            _("{path} is not a run directory", path=run_dir),
            _("A run directory holds a run.yaml, which the wizard writes."),
        )
    return run_status


def _state(run_dir: Path, status: dict[str, Any]) -> tuple[RunState, bool | None]:
    said = status.get("state")
    if said in ENDED:
        return RunState(said), False
    if said not in AT_WORK:
        return _told_by_what_is_there(run_dir), False
    match locate(status, run_dir):
        case "here":
            return RunState(said), True
        case "elsewhere":
            return RunState(said), None
    return RunState.INTERRUPTED, False


def _told_by_what_is_there(run_dir: Path) -> RunState:
    """Return where a run stands that has no sound status: it was deleted, or never written."""
    found = measured(run_dir)
    if found.test is not None:
        return RunState.COMPLETED
    begun = found.epochs or checkpoint_files.exists(run_dir, checkpoint_files.LAST)
    return RunState.INTERRUPTED if begun else RunState.FROZEN


def _in_background(status: dict[str, Any]) -> bool | None:
    """Return whether a training that lives here belongs to no terminal (any more)."""
    try:
        return psutil.Process(status["pid"]).terminal() is None
    except (psutil.Error, KeyError, TypeError):
        return None


def _with_job(
    run_dir: Path, job: Job, state: RunState, alive: bool | None, status: dict[str, Any]
) -> tuple[RunState, bool | None, dict[str, Any]]:
    """Return where a run stands by what its directory says and by what Slurm says of its job."""
    said_by_it = following.is_later(status.get("time"), job.since)
    over = state in (RunState.COMPLETED, RunState.FAILED) and said_by_it
    if over or (state in AT_WORK and alive):
        return state, alive, status
    if job.phase == "waiting":
        return RunState.QUEUED, False, status
    if job.phase == "at work":
        if state in AT_WORK:
            return state, True, status
        if state == RunState.STOPPED and said_by_it and following.is_asked_to_stop(run_dir, job):
            return state, alive, status
        # It is getting ready, measures the memory, or is about to queue again.
        return RunState.RUNNING, True, status | {"host": job.nodes, "pid": None, "phase": "set-up"}
    if job.phase == "ended":
        if state in AT_WORK:
            return RunState.INTERRUPTED, False, status
        if not said_by_it and state != RunState.INTERRUPTED:
            return _without_a_word(job, state, status)
    return state, alive, status


def _without_a_word(
    job: Job, state: RunState, status: dict[str, Any]
) -> tuple[RunState, bool | None, dict[str, Any]]:
    """Return where a run stands whose job has ended before training could say anything."""
    if job.state in (None, "COMPLETED", "CANCELLED"):
        return state, False, status
    if job.exit_code in (EXIT_INTERRUPTED, KILLED_BY_USR1) and job.state == "FAILED":
        return state, False, status
    if job.exit_code == EXIT_MEMORY:
        failure = {"kind": DOES_NOT_FIT, "error": _("the run does not fit in memory")}
    else:
        how = following.end_text(job.state)
        failure = {
            "kind": JOB_ENDED,
            "error": _("the Slurm job {job} has ended: {how}", job=job.id, how=how),
        }
    return RunState.FAILED, False, status | {"failure": failure}


def log_of(run_status: dict[str, Any]) -> Path:
    """Return the log to be read: that of the training, or of its job until training has begun."""
    log, job = Path(run_status["run_dir"]) / LOG_FILE, run_status["job"]
    if job is None or not Path(job["log"]).is_file():
        return log
    begun = following.is_later(run_status["started"], job["since"])
    return log if begun and log.is_file() and log.stat().st_size > 0 else Path(job["log"])


def _chosen(run_dir: Path) -> dict[str, str | None]:
    """Return what a run config says, also one of another version, or that was edited."""
    found: dict[str, str | None] = {}
    try:
        config = yaml.safe_load(
            require_file(run_dir / run_config.FILE_NAME).read_text(encoding="utf-8")
        )
    except (OSError, ValueError, yaml.YAMLError):
        config = None
    for key, section in (("name", "model"), ("launcher", "devices")):
        try:
            found[key] = str(config[section][key])
        except (KeyError, TypeError):
            found[key] = None
    return found


def state_text(run_status: dict[str, Any]) -> str:
    """Return the state in the user's language, with where and at what."""
    parts = [state_title(run_status["state"])]
    if run_status["model"] is not None:
        parts.append(run_status["model"])
    if run_status["job"] is not None:
        parts += _job_parts(run_status["state"], run_status["job"])
    if run_status["state"] in AT_WORK:
        if run_status["alive"] and _is_the_jobs(run_status):
            pass  # the job tells where
        elif run_status["alive"]:
            parts.append(_("process {pid}", pid=run_status["pid"]))
            if run_status["background"]:
                parts.append(_("in the background"))
        else:
            parts.append(_("on {host}", host=run_status["host"]))
            silence = _seconds_since(run_status["updated"])
            if silence > SILENT_SECONDS:
                parts.append(_("no sign of life for {time}", time=duration_text(silence)))
        if run_status["phase"] is not None:
            parts.append(phase_text(run_status["phase"]))
    return " · ".join(parts)


def _is_the_jobs(run_status: dict[str, Any]) -> bool:
    """Return whether what is at work is the run's job, and no training beside it."""
    job = run_status["job"]
    return job is not None and job["phase"] == "at work"


def _job_parts(state: str, job: dict[str, Any]) -> Iterator[str]:
    """Yield what Slurm says of the job, each as a few words."""
    if state in AT_WORK and job["phase"] == "waiting":
        yield _("Slurm job {job} waits in the queue beside it", job=job["id"])
        return
    if state in AT_WORK and job["nodes"]:
        yield _("Slurm job {job} on {nodes}", job=job["id"], nodes=job["nodes"])
        return
    yield _("Slurm job {job}", job=job["id"])
    if job["phase"] == "unknown":
        yield _("Slurm does not answer")
        return
    if state == RunState.QUEUED:
        if job["reason"]:
            yield _("Slurm's reason: {reason}", reason=job["reason"])
        if job["start"]:
            yield _("expected to begin {time}", time=job["start"].replace("T", " "))
    elif state == RunState.INTERRUPTED:
        yield following.end_text(job["state"])


def _seconds_since(time: str | None) -> float:
    try:
        return (datetime.now(UTC) - datetime.fromisoformat(str(time))).total_seconds()
    except (ValueError, TypeError):
        return 0.0


def figure_parts(run_status: dict[str, Any]) -> Iterator[str]:
    """Yield the figures that are known of a run, each as a few words."""
    if run_status["epoch"] is not None:
        yield _("epoch {epoch}/{epochs}", epoch=run_status["epoch"], epochs=run_status["epochs"])
    if run_status["progress"] is not None:
        yield f"{100 * run_status['progress']:.0f} %"
    if run_status["seconds_left"] is not None:
        yield _("{time} left", time=duration_text(run_status["seconds_left"]))
    if run_status["loss"] is not None:
        yield _("loss {loss:.4g}", loss=run_status["loss"])
    if run_status["samples_per_second"] is not None:
        yield _("{speed:.1f} samples/s", speed=run_status["samples_per_second"])
    if run_status["memory_bytes"] is not None:
        yield memory_text(run_status["memory_bytes"], run_status["measured_peak_bytes"])


def score_lines(run_status: dict[str, Any]) -> Iterator[str]:
    """Yield the scores of the test split, or else of the last validation."""
    test, validation = run_status["test"], run_status["validation"]
    if test:
        for name, scores in test.items():
            parts = " · ".join(score_parts(name, scores))
            yield _("test split: {scores}", scores=parts)
    elif validation:
        for name, scores in validation["variables"].items():
            parts = " · ".join(score_parts(name, scores))
            yield _("validation, epoch {epoch}: {scores}", epoch=validation["epoch"], scores=parts)


def advice(run_status: dict[str, Any]) -> Iterator[str]:
    """Yield what the user should know or do next."""
    run_dir = run_status["run_dir"]
    failure = run_status["failure"]
    if run_status["overfitting_since"] is not None:
        yield overfitting_text(run_status["overfitting_since"])
    job = run_status["job"]
    match run_status["state"]:
        case RunState.FROZEN | RunState.STOPPED | RunState.INTERRUPTED if (
            job is not None and job["phase"] == "unknown"
        ):
            yield _(
                "Whether its job still waits or runs is not known: ask again before you submit it "
                "anew, or look for it with: squeue -j {job}",
                job=job["id"],
            )
        case RunState.FROZEN if run_status["launcher"] == "slurm":
            yield _("Submit it with: srwizard submit {run_dir}", run_dir=in_shell(run_dir))
        case RunState.FROZEN:
            yield _("Train it with: srwizard train {run_dir}", run_dir=in_shell(run_dir))
        case RunState.QUEUED:
            yield _(
                "Remove it from the queue with: srwizard stop {run_dir}",
                run_dir=in_shell(run_dir),
            )
        case RunState.STOPPED | RunState.INTERRUPTED:
            yield continue_text(run_dir, by_slurm=job is not None)
        case RunState.FAILED if failure and job and failure["kind"] in (DOES_NOT_FIT, JOB_ENDED):
            yield _("Error: {error}", error=Lines(failure["error"]))
            yield _("See the job's log: {path}", path=job["log"])
        case RunState.FAILED if failure:
            yield _("Error: {error}", error=Lines(failure["error"]))
            yield _("Recorded in {path}", path=f"{run_dir}/failure.json")
        case RunState.COMPLETED if run_status["report"]:
            yield _("Report: {path}", path=f"{run_dir}/report.html")


def continue_text(run_dir: Path | str, *, by_slurm: bool) -> str:
    """Say how a run that has not ended is continued."""
    if by_slurm:
        return _("Continue with: srwizard submit {run_dir}", run_dir=in_shell(run_dir))
    return _("Continue with: srwizard train {run_dir}", run_dir=in_shell(run_dir))
