"""`srwizard train`: train a frozen run."""

from pathlib import Path

import click

from srwizard.commands.options import WholeNumber, command, console, run_directory
from srwizard.errors import UsageError
from srwizard.i18n import translate as _


@command(_("Train a frozen run, or go on with it from its last checkpoint."))
@run_directory
@click.option("--detach", is_flag=True, help=_("Train in the background."))
@click.option("--print-command", is_flag=True, help=_("Print what would be started, and end."))
@click.option(
    "--nnodes",
    type=WholeNumber(),
    default=1,
    metavar="N",
    help=_("Machines; give the same command on each of them."),
)
@click.option(
    "--rdzv-endpoint",
    metavar="HOST:PORT",
    help=_("Where several machines meet: one of them."),
)
def train(
    run_dir: Path, detach: bool, print_command: bool, nnodes: int, rdzv_endpoint: str | None
) -> None:
    from srwizard import runconfig
    from srwizard.locks import LockedError, held
    from srwizard.states.done import ensemble_lines, scores_table, warnings
    from srwizard.train import launch, processes

    run_dir = run_dir.absolute()
    run = runconfig.load(run_dir)
    nodes = processes.nodes_of(nnodes, rdzv_endpoint)
    if print_command:
        print(processes.as_typed(run, launch.WORKER, str(run_dir), nodes=nodes))
        return
    if detach:
        _train_in_the_background(run_dir, one_machine=nodes is None)
        return
    try:
        with held(run_dir / ".lock", _("the run directory {path}", path=run_dir)):
            print(_("Training in {run_dir} …", run_dir=run_dir), flush=True)
            scores = launch.launch(run_dir, nodes)
    except LockedError:
        if nodes is None:
            raise
        print(_("Another machine leads this training; taking part in it …"), flush=True)
        launch.join(run_dir, nodes)
        return
    console.print(scores_table(scores, console.width))
    for line in (*ensemble_lines(scores), *warnings(scores)):
        print(line)
    print(_("Report: {path}", path=run_dir / "report.html"))


def _train_in_the_background(run_dir: Path, *, one_machine: bool) -> None:
    from srwizard.train.detach import detach, following

    if not one_machine:
        raise UsageError(
            _("--detach trains on one machine"),
            _("Start each of several through your batch system, or under nohup or tmux."),
        )
    for line in following(run_dir, detach(run_dir)):
        print(line)


COMMANDS = (train,)
