"""`srwizard logs` and `srwizard stop`: read along with a run, and end it."""

import shlex
import sys
import time
from pathlib import Path

import click

from srwizard.commands.options import Number, command, run_directory
from srwizard.errors import EXIT_INTERRUPTED, InterruptedByUserError, UsageError
from srwizard.i18n import translate as _

LOOK_SECONDS = 0.3


@command(_("Print the log of a run."))
@run_directory
@click.option("-f", "--follow", is_flag=True, help=_("Go on until the run ends, or Ctrl-C."))
def logs(run_dir: Path, follow: bool) -> None:
    from srwizard.train.records import LOG_FILE
    from srwizard.train.standing import AT_WORK, standing_of, state_text

    run_dir = run_dir.absolute()
    standing = standing_of(run_dir)
    if standing is None:
        raise _no_run_directory(run_dir)
    try:
        stream = (run_dir / LOG_FILE).open(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        raise UsageError(
            _("{run_dir} has no log yet", run_dir=run_dir),
            _("Train it with: srwizard train {run_dir}", run_dir=shlex.quote(str(run_dir))),
        ) from None
    try:
        with stream:
            while True:
                # First the state, then the log: what was written before the end is not missed.
                standing = standing_of(run_dir)
                sys.stdout.write(stream.read())
                sys.stdout.flush()
                if not follow or standing is None or standing["state"] not in AT_WORK:
                    break
                time.sleep(LOOK_SECONDS)
    except KeyboardInterrupt:  # who has read enough; the run goes on
        raise click.exceptions.Exit(EXIT_INTERRUPTED) from None
    if follow and standing is not None:
        print(state_text(standing), file=sys.stderr)


@command(_("Stop a run: it saves its checkpoint and ends."))
@run_directory
@click.option(
    "--timeout",
    type=Number(),
    metavar="SECONDS",
    help=_("Wait for its end no longer than this; else as long as it takes."),
)
def stop(run_dir: Path, timeout: float | None) -> None:
    from srwizard.train import checkpoint_files
    from srwizard.train.standing import advice, figure_parts, state_text
    from srwizard.train.stopping import request_stop, wait_until_ended

    run_dir = run_dir.absolute()
    request_stop(run_dir)
    print(_("Asked to stop; it saves its checkpoint first …"), flush=True)
    try:
        standing = wait_until_ended(run_dir, timeout)
    except KeyboardInterrupt:
        raise InterruptedByUserError(
            _("the run was asked to stop and will do so; only the waiting is over"),
            _("See how far it is: srwizard status {run_dir}", run_dir=shlex.quote(str(run_dir))),
        ) from None
    if standing is None:
        raise UsageError(
            _("the run was asked to stop, but is still at work after {seconds:g} s",
              seconds=timeout),
            _("It stops after the step it is at: srwizard status {run_dir}",
              run_dir=shlex.quote(str(run_dir))),
        )  # fmt: skip
    print(" · ".join([state_text(standing), *figure_parts(standing)]))
    if standing["state"] == "stopped" and standing["checkpoint"]:
        path = checkpoint_files.where(run_dir, checkpoint_files.LAST)
        print(_("The checkpoint is saved: {path}", path=path))
    for line in advice(standing):
        print(line)


def _no_run_directory(run_dir: Path) -> UsageError:
    return UsageError(
        _("{path} is no run directory", path=run_dir),
        _("A run directory holds a run.yaml, which the wizard writes."),
    )


COMMANDS = (logs, stop)
