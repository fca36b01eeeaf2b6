"""`srwizard stop`: ask a run to end."""

from pathlib import Path

import click

from srwizard.base.errors import InterruptedByUserError, UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.visible import in_shell
from srwizard.commands.options import Number, command, run_directory


@command(_("Stop a run: it saves its checkpoint and ends."))
@run_directory
@click.option(
    "--timeout",
    type=Number(),
    metavar="SECONDS",
    help=_("Longest time to wait for the run to end. [default: no limit]"),
)
def stop(run_dir: Path, timeout: float | None) -> None:
    from srwizard.runs import checkpoint_files
    from srwizard.runs.run_state import RunState
    from srwizard.runs.status import advice, figure_parts, state_text
    from srwizard.runs.stopping import request_stop, wait_until_ended

    run_dir = run_dir.absolute()
    if request_stop(run_dir) == "taken out":
        print(_("Its job was removed from the queue."), flush=True)
    else:
        print(_("Stop requested; saving the checkpoint first …"), flush=True)
    try:
        run_status = wait_until_ended(run_dir, timeout)
    except KeyboardInterrupt:
        raise InterruptedByUserError(
            _("the run was asked to stop and will do so; only the waiting has ended"),
            _("See how far it is: srwizard status {run_dir}", run_dir=in_shell(run_dir)),
        ) from None
    if run_status is None:
        raise UsageError(
            _("the run was asked to stop, but is still running after {seconds:g} s",
              seconds=timeout),
            _("It stops after the current step: srwizard status {run_dir}",
              run_dir=in_shell(run_dir)),
        )  # fmt: skip
    print(" · ".join([state_text(run_status), *figure_parts(run_status)]))
    if run_status["state"] == RunState.STOPPED and run_status["checkpoint"]:
        path = checkpoint_files.where(run_dir, checkpoint_files.LAST)
        print(_("The checkpoint is saved: {path}", path=path))
    for line in advice(run_status):
        print(line)
