"""Handing runs to Slurm: what must be right first, and the record of it. Imports no torch."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.i18n import translate_count as _n
from srwizard.base.visible import in_shell
from srwizard.runs import known_runs
from srwizard.runs.run_state import FOLLOWED, RunState
from srwizard.runs.status import state_text, status_of
from srwizard.settings import run_config
from srwizard.settings.run_config import RunConfig
from srwizard.slurm import checks, client, following, job


@dataclass(frozen=True)
class Prepared:
    """A job script, and the run directories in the order of the elements of its array."""

    script: Path
    run_dirs: tuple[Path, ...]
    is_array: bool = False


def prepare(run_dir: Path) -> Prepared:
    """Write the job script of a run.

    Raises:
        UsageError: no run directory, a config that was edited, or one that no job can follow.
    """
    run = run_config.load(run_dir)
    _check(run, run_dir)
    return Prepared(job.write_script(run, run_dir), (run_dir,))


def prepare_array(run_dirs: Sequence[Path], directory: Path) -> Prepared:
    """Write one job script for several runs.

    Raises:
        UsageError: as `prepare`.
    """
    runs = [(run_config.load(run_dir), run_dir) for run_dir in run_dirs]
    for run, run_dir in runs:
        _check(run, run_dir)
    return Prepared(job.write_array_script(runs, directory), tuple(run_dirs), is_array=True)


def _check(run: RunConfig, run_dir: Path) -> None:
    if run.devices.gpus:
        raise UsageError(
            _("{run_dir} is frozen for the GPUs of one machine", run_dir=run_dir),
            _(
                "Freeze it for Slurm: srwizard answers --from {run_dir} prints its answers; add "
                "devices.launcher: slurm and devices.gpus_per_node.",
                run_dir=in_shell(run_dir),
            ),
        )
    slurm = run.devices.slurm
    for directive in slurm.directives if slurm is not None else ():
        problem = checks.directive_problem(directive)
        if problem is not None:
            raise UsageError(f"devices.slurm_directives: {problem}")


def submit(run_dir: Path) -> list[str]:
    """Submit a run and return the lines that say how to follow it, and how to end it.

    Raises:
        SlurmError: there is no Slurm here, or it refuses; its message is shown.
        UsageError: no run directory, or a run that cannot be submitted.
    """
    return hand_over(prepare(run_dir))


def hand_over(prepared: Prepared) -> list[str]:
    """Submit what was prepared, note it in the run directories, and say how to follow it.

    Raises:
        SlurmError: there is no Slurm here, or it refuses; its message is shown.
        UsageError: a run is complete, at work or queued already, or the partition is not there.
    """
    client.require()
    for run_dir in prepared.run_dirs:
        _require_free(run_dir)
    slurm = run_config.load(prepared.run_dirs[0]).devices.slurm
    if slurm is not None and slurm.partition is not None:
        problem = checks.partition_problem(slurm.partition)
        if problem is not None:
            raise UsageError(f"devices.slurm_partition: {problem}")
    number = client.submit(prepared.script)
    directory = prepared.script.parent
    name = job.name_of(directory.parent if prepared.is_array else directory)
    for place, run_dir in enumerate(prepared.run_dirs):
        element = f"{number}_{place}" if prepared.is_array else number
        log = os.path.relpath(directory / job.log_name(element), run_dir)
        following.note(run_dir, element, name, os.getuid(), log)
        known_runs.remember(run_dir)
    following.forget_queues()
    return _lines(prepared, number)


def _require_free(run_dir: Path) -> None:
    run_status = status_of(run_dir)
    if run_status is None:
        return
    if run_status["state"] in FOLLOWED:
        raise UsageError(
            _("{run_dir} is already running or queued: {state}",
              run_dir=run_dir, state=state_text(run_status)),
            _("Wait until it ends, or stop it first."),
        )  # fmt: skip
    if run_status["state"] == RunState.COMPLETED:
        raise UsageError(
            _("{run_dir} has already finished training", run_dir=run_dir),
            _("Report: {path}", path=run_dir / "report.html"),
        )
    known = run_status["job"]
    if known is not None and known["phase"] == "unknown":
        raise UsageError(
            _("Slurm does not answer: the job {job} of {run_dir} may still wait or run",
              job=known["id"], run_dir=run_dir),
            _("Try again later, or look for it with: squeue -j {job}", job=known["id"]),
        )  # fmt: skip


def require_no_job(run_dir: Path) -> None:
    """Refuse to train beside a job that waits for its turn, unless this is that job.

    Raises:
        UsageError: there is one.
    """
    waiting = following.job_of(run_dir)
    if waiting is not None and waiting.phase == "waiting" and waiting.id != job.own_id():
        raise UsageError(
            _("the Slurm job {job} of {run_dir} waits in the queue, and would train it once more",
              job=waiting.id, run_dir=run_dir),
            _("Remove it from the queue with: srwizard stop {run_dir}", run_dir=in_shell(run_dir)),
        )  # fmt: skip


def is_in_a_job() -> bool:
    """Return whether this process runs in a job of Slurm."""
    return job.own_id() is not None


def _lines(prepared: Prepared, number: str) -> list[str]:
    first = in_shell(prepared.run_dirs[0])
    if not prepared.is_array:
        return [
            _("Submitted: Slurm job {job}, {script}", job=number, script=prepared.script),
            _("See how far it is: srwizard status {run_dir}", run_dir=first),
            _("Follow the log: srwizard logs -f {run_dir}", run_dir=first),
            _("Stop it, with its checkpoint saved: srwizard stop {run_dir}", run_dir=first),
        ]
    together = " ".join(in_shell(run_dir) for run_dir in prepared.run_dirs)
    return [
        _n(
            "Submitted: Slurm job {job}, an array of {count} run, {script}",
            "Submitted: Slurm job {job}, an array of {count} runs, {script}",
            len(prepared.run_dirs),
            job=number,
            count=len(prepared.run_dirs),
            script=prepared.script,
        ),
        _("See how far they are: srwizard status {run_dirs}", run_dirs=together),
        _(
            "Compare them afterwards: srwizard compare {directory}",
            directory=in_shell(prepared.script.parent),
        ),
    ]
