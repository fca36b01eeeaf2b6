"""Training a frozen run in processes of its own, and saying how it ended. Imports no torch."""

import contextlib
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from srwizard.base import terminal_loss
from srwizard.base.errors import EXIT_INTERRUPTED, InterruptedByUserError, TrainingFailedError
from srwizard.base.i18n import translate as _
from srwizard.base.visible import Lines
from srwizard.data.dataset import Dataset
from srwizard.hardware.chosen import gpus_of, remarks_on_gpus
from srwizard.models import weights_file
from srwizard.runs import checkpoint_files, failures, known_runs, last_phase
from srwizard.runs.failures import Ended
from srwizard.runs.progress import BEHIND_TRAINING, briefly
from srwizard.runs.records import Records, test_scores
from srwizard.runs.run_state import RunState
from srwizard.runs.status import continue_text
from srwizard.runs.submission import is_in_a_job, require_no_job
from srwizard.settings import run_config
from srwizard.settings.run_config import RunConfig
from srwizard.train import heartbeats, launch_on_nodes, processes, trackers
from srwizard.train.dataset import verified
from srwizard.train.detach import CONSOLE_FILE
from srwizard.train.nodes import Nodes

WORKER = "srwizard.train.worker"


def launch(
    run_dir: Path,
    nodes: Nodes | None = None,
    dataset: Dataset | None = None,
    on_hangup: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Train a run to its end, also where the terminal is closed meanwhile.

    Args:
        run_dir: the run directory; for several machines on a file system that they share.
        nodes: the machines, if this is the first of several.
        dataset: that of the run, if this command has looked at it already.
        on_hangup: called once the terminal is gone and training goes on in the background.

    Returns:
        The metrics of the test split, by variable.

    Raises:
        UsageError: no run directory, a run config that was edited, one that is being trained,
            weights to begin from that have changed, or a GPU that cannot be used now.
        DatasetError: the dataset is no longer the one that was checked.
        TrainingFailedError: training failed; failure.json says why.
        InterruptedByUserError: it was asked to stop; the checkpoint is saved.
    """
    run = run_config.load(run_dir)
    require_no_job(run_dir)
    gpus_of(run.devices)  # raises where one cannot be used now
    dataset = verified(run, dataset)
    if run.model.weights is not None and not checkpoint_files.exists(
        run_dir, checkpoint_files.LAST
    ):
        weights_file.verify(Path(run.model.weights.path), run.model.weights.sha256)
    trackers.require(run.training.trackers)
    records = Records(run_dir)
    terminal_loss.write_on_to(run_dir / CONSOLE_FILE)
    with processes.at_work(run_dir) as log:
        failures.clear(run_dir)
        heartbeats.clear(run_dir)

        def begin() -> None:
            known_runs.remember(run_dir)
            records.begin_status(digest=run.digest, phase="set-up", epochs=run.training.epochs)

        def go_on() -> None:
            with contextlib.suppress(OSError):
                records.log(_("the terminal was closed; training continues in the background"))
            on_hangup()

        ended, others = launch_on_nodes.start(
            run,
            run_dir,
            log,
            WORKER,
            str(run_dir),
            dataset=dataset,
            nodes=nodes,
            begin=begin,
            hung_up=go_on,
        )
        if _complete(records, ended):
            records.set_status(RunState.COMPLETED, test=briefly(test_scores(run_dir)))
            last_phase.clear(run_dir)
            return test_scores(run_dir)
        if _stopped(run_dir, records, ended):
            # Between two looks at the figures the first rank may have come further.
            at_last = last_phase.last_seen(run_dir, 0).get("phase")
            further = {"phase": at_last} if at_last in BEHIND_TRAINING else {}
            failures.clear(run_dir)
            saved = _is_said_to_stop(records)
            records.set_status(RunState.STOPPED, **further)
            raise _interrupted(run, run_dir, records, saved=saved)
        raise _failed(run, run_dir, records, ended, others)


def _failed(
    run: RunConfig, run_dir: Path, records: Records, ended: Ended, others: list[dict[str, Any]]
) -> TrainingFailedError:
    """Say in the records that training has failed, and return the error that says why."""
    failure = failures.collect(run_dir, ended, run.digest, others, remarks_on_gpus(run.devices))
    records.set_status(RunState.FAILED, failure={key: failure[key] for key in ("kind", "error")})
    with contextlib.suppress(OSError):
        records.log(_("failed: {error}", error=Lines(failure["error"])))
    return TrainingFailedError(
        "\n".join(failures.explain(failure, run_dir)),
        _("Recorded in {path}", path=run_dir / failures.FAILURE_FILE),
        failure,
    )


def join(run_dir: Path, nodes: Nodes, dataset: Dataset | None = None) -> None:
    """Take part in a training that `launch` leads on another machine.

    Raises:
        TrainingFailedError: the processes of this machine failed; the leader says why.
        InterruptedByUserError: training was asked to stop.
    """
    run = run_config.load(run_dir)
    gpus_of(run.devices)  # raises where one cannot be used now
    dataset = verified(run, dataset)
    records = Records(run_dir)
    log_file = own_log()
    with processes.at_work(run_dir, log_file) as log:
        ended, others = launch_on_nodes.start(
            run, run_dir, log, WORKER, str(run_dir), dataset=dataset, nodes=nodes
        )
    if _complete(records, ended):
        return
    if _stopped(run_dir, records, ended):
        raise _interrupted(run, run_dir, records, saved=_is_said_to_stop(records))
    leader = records.status().get("host")
    if any(other.get("lost") and other["host"] == leader for other in others):
        # Nobody else is left to say it.
        raise _failed(run, run_dir, records, ended, others)
    last = [line for line in ended.log.splitlines() if any(map(str.isalpha, line))][-1:]
    raise TrainingFailedError(
        "\n".join([_("training failed on this machine, or on another one"), *last]),
        _(
            "The cause is in {failure}; the log of this machine is {log}",
            failure=run_dir / failures.FAILURE_FILE,
            log=run_dir / log_file,
        ),
    )


def own_log() -> str:
    """Return the name of this machine's log, where another one writes train.log."""
    return f"train.{socket.gethostname()}-{os.getpid()}.log"


def _complete(records: Records, ended: Ended) -> bool:
    """Return whether training has come to its end; under torchrun those that stop end well too."""
    return ended.returncode == 0 and not _is_said_to_stop(records)


def _is_said_to_stop(records: Records) -> bool:
    """Return whether the processes say so, or the machine that leads them has said it already."""
    return records.status().get("state") in (RunState.STOPPING, RunState.STOPPED)


def _stopped(run_dir: Path, records: Records, ended: Ended) -> bool:
    """Return whether training ended because it was asked to, and for no other reason."""
    if failures.causes(run_dir):
        return False
    # torchrun turns every exit code of its workers into its own.
    return _is_said_to_stop(records) or ended.stop_asked or ended.returncode == EXIT_INTERRUPTED


def _interrupted(
    run: RunConfig, run_dir: Path, records: Records, *, saved: bool
) -> InterruptedByUserError:
    by_slurm = run.devices.slurm is not None
    # The script of a job says itself how it goes on.
    go_on = "" if by_slurm and is_in_a_job() else continue_text(run_dir, by_slurm=by_slurm)
    if not checkpoint_files.exists(run_dir, checkpoint_files.LAST):
        return InterruptedByUserError(_("training was stopped before its first step"), go_on)
    if records.status().get("phase") in BEHIND_TRAINING:
        return InterruptedByUserError(
            _("training is complete and saved; the test split has not been scored yet"),
            go_on,
        )
    if saved:
        return InterruptedByUserError(_("training was stopped; the checkpoint is saved"), go_on)
    return InterruptedByUserError(
        _("training was stopped at once; what it did since its last checkpoint is lost"), go_on
    )
