"""`srwizard train`: train a frozen run."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.i18n import translate_count as _n
from srwizard.commands.options import WholeNumber, command, console, detach_option, run_directory
from srwizard.commands.print_outcome import print_outcome
from srwizard.prompts.progress import shown

if TYPE_CHECKING:
    from srwizard.data.dataset import Dataset
    from srwizard.runs.more_epochs import Schedule
    from srwizard.settings.run_config import RunConfig
    from srwizard.train.nodes import Nodes

SECONDS_TO_WRITE = 2.0
"""More than it takes to write a run config."""


@command(_("Train a frozen run, or continue it from its last checkpoint."))
@run_directory
@click.option(
    "--epochs",
    type=WholeNumber(),
    metavar="N",
    help=_(
        "Train longer: for N epochs all together, those that are done included. The earlier run "
        "config is kept."
    ),
)
@click.option(
    "--schedule",
    type=click.Choice(["continued", "restarted"]),
    help=_(
        "With --epochs: whether the learning rate continues as in a run of N epochs, or begins "
        "again. [default: continued]"
    ),
)
@detach_option
@click.option("--print-command", is_flag=True, help=_("Print what would be started, and end."))
@click.option(
    "--dry-run-first",
    is_flag=True,
    help=_("Measure the memory here first, unless that was done; train only if it fits."),
)
@click.option(
    "--nnodes",
    type=WholeNumber(),
    metavar="N",
    help=_("Number of machines; run the same command on each of them."),
)
@click.option(
    "--rdzv-endpoint",
    metavar="HOST:PORT",
    help=_("Rendezvous endpoint of several machines: one of them."),
)
@click.option(
    "--join-timeout",
    type=WholeNumber(),
    metavar="SECONDS",
    help=_("How long to wait for all machines to join."),
)
@click.option(
    "--max-restarts",
    type=WholeNumber(),
    default=0,
    metavar="N",
    help=_("How often torchrun may restart from the last checkpoint after a failure."),
)
def train(
    run_dir: Path,
    epochs: int | None,
    schedule: "Schedule | None",
    detach: bool,
    print_command: bool,
    dry_run_first: bool,
    nnodes: int | None,
    rdzv_endpoint: str | None,
    join_timeout: int | None,
    max_restarts: int,
) -> None:
    from srwizard.base.locks import LockedError, held
    from srwizard.runs.process_identity import LOCK_FILE
    from srwizard.settings import run_config
    from srwizard.train import launch, processes
    from srwizard.train.nodes import JOIN_SECONDS, endpoint_of, nodes_of

    run_dir = run_dir.absolute()
    if schedule is not None and epochs is None:
        raise UsageError(_("--schedule needs --epochs"))
    if epochs is not None and not print_command:
        _lengthen(run_dir, epochs, schedule or "continued")
    run = run_config.load(run_dir)
    nodes = nodes_of(
        run,
        nnodes,
        rdzv_endpoint,
        max_restarts,
        JOIN_SECONDS if join_timeout is None else join_timeout,
    )
    if print_command:
        print(processes.as_typed(run, launch.WORKER, str(run_dir), nodes=nodes))
        return
    if detach:
        _train_in_the_background(run_dir, as_it_is=nodes is None and not dry_run_first)
        return
    try:
        with held(run_dir / LOCK_FILE, _("the run directory {path}", path=run_dir)):
            _lead(run, run_dir, nodes, dry_run_first=dry_run_first)
    except LockedError:
        if nodes is None or endpoint_of(nodes) is None:
            raise
        print(_("Another machine leads this training; taking part in it …"), flush=True)
        _follow(run, run_dir, nodes, dry_run_first=dry_run_first)


def _lengthen(run_dir: Path, epochs: int, schedule: "Schedule") -> None:
    from srwizard.base.locks import LockedError
    from srwizard.runs.more_epochs import schedule_line, with_epochs

    try:
        run = with_epochs(run_dir, epochs, schedule)
    except LockedError:  # of several machines that were given this command, the first writes it
        time.sleep(SECONDS_TO_WRITE)
        run = with_epochs(run_dir, epochs, schedule)
    if run.revision > 1:
        print(
            _n(
                "Revision {revision}: {epochs} epoch.",
                "Revision {revision}: {epochs} epochs.",
                epochs,
                revision=run.revision,
                epochs=epochs,
            )
        )
        print(schedule_line(run), flush=True)


def _lead(run: "RunConfig", run_dir: Path, nodes: "Nodes | None", *, dry_run_first: bool) -> None:
    from srwizard.commands import measure_first
    from srwizard.runs.records import measured
    from srwizard.train import launch

    dataset = _checked(run)
    if dry_run_first and not measure_first.is_measured(run, run_dir, nodes):
        measure_first.measure(run, run_dir, nodes, dataset, console)
    print(_("Training in {run_dir} …", run_dir=run_dir), flush=True)
    launch.launch(run_dir, nodes, dataset)
    print(_("Writing the report …"), flush=True)
    # Imported late: matplotlib takes longer to import than this command takes to start.
    from srwizard.report.after_training import report_training

    report_training(run_dir)
    print_outcome(measured(run_dir).test or {"variables": {}}, run_dir)
    print(_("Report: {path}", path=run_dir / "report.html"))


def _checked(run: "RunConfig") -> "Dataset":
    """Return the dataset, which is the one that was frozen, with a bar while it is looked at.

    Raises:
        DatasetError: it is not.
    """
    from srwizard.train.dataset import verified

    with shown(console, _("Checking the dataset …"), transient=True) as progress:
        return verified(run, progress=progress)


def _follow(run: "RunConfig", run_dir: Path, nodes: "Nodes", *, dry_run_first: bool) -> None:
    from srwizard.commands import measure_first
    from srwizard.train import launch

    dataset = _checked(run)
    if dry_run_first and not measure_first.is_measured(run, run_dir, nodes):
        measure_first.take_part(run_dir, nodes, dataset)
    launch.join(run_dir, nodes, dataset)


def _train_in_the_background(run_dir: Path, *, as_it_is: bool) -> None:
    from srwizard.train.detach import detach, following

    if not as_it_is:
        raise UsageError(
            _("--detach trains on one machine, a run that is measured"),
            _("Start each of several through your batch system, or under nohup or tmux."),
        )
    for line in following(run_dir, detach(run_dir)):
        print(line)
