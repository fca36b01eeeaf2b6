"""`srwizard logs` and `srwizard stop`: read along with a run, and end it."""

import shlex
import sys
import time
from pathlib import Path
from typing import Any

import click

from srwizard.base.errors import EXIT_INTERRUPTED, InterruptedByUserError, UsageError
from srwizard.base.i18n import translate as _
from srwizard.commands.options import Number, command, run_directory

LOOK_SECONDS = 0.3


@command(_("Print the log of a run."))
@run_directory
@click.option("-f", "--follow", is_flag=True, help=_("Go on until the run ends, or Ctrl-C."))
def logs(run_dir: Path, follow: bool) -> None:
    from srwizard.runs.status import FOLLOWED, log_of, standing_in, standing_of, state_text

    run_dir = run_dir.absolute()
    standing: dict[str, Any] | None = standing_in(run_dir)
    read: dict[Path, int] = {}
    try:
        while True:
            # First the state, then the log: what was written before the end is not missed.
            standing = standing_of(run_dir)
            if standing is not None:
                _print_what_is_new(log_of(standing), read)
            if not follow or standing is None or standing["state"] not in FOLLOWED:
                break
            time.sleep(LOOK_SECONDS)
    except KeyboardInterrupt:  # who has read enough; the run goes on
        raise click.exceptions.Exit(EXIT_INTERRUPTED) from None
    if not read:
        raise _no_log_yet(run_dir, standing)
    if follow and standing is not None:
        print(state_text(standing), file=sys.stderr)


def _print_what_is_new(log: Path, read: dict[Path, int]) -> None:
    """Print what was added to a log, and note how far it is read."""
    try:
        with log.open("rb") as stream:
            stream.seek(read.get(log, 0))
            new = stream.read()
            read[log] = stream.tell()
    except FileNotFoundError:
        return
    sys.stdout.write(new.decode("utf-8", errors="replace"))
    sys.stdout.flush()


def _no_log_yet(run_dir: Path, standing: dict[str, Any] | None) -> UsageError:
    from srwizard.runs.status import QUEUED, state_text

    if standing is not None and standing["state"] == QUEUED:
        hint = state_text(standing)
    else:
        hint = _("Train it with: srwizard train {run_dir}", run_dir=shlex.quote(str(run_dir)))
    return UsageError(_("{run_dir} has no log yet", run_dir=run_dir), hint)


@command(_("Stop a run: it saves its checkpoint and ends."))
@run_directory
@click.option(
    "--timeout",
    type=Number(),
    metavar="SECONDS",
    help=_("Wait for its end no longer than this; else as long as it takes."),
)
def stop(run_dir: Path, timeout: float | None) -> None:
    from srwizard.runs import checkpoint_files
    from srwizard.runs.status import advice, figure_parts, state_text
    from srwizard.runs.stopping import request_stop, wait_until_ended

    run_dir = run_dir.absolute()
    if request_stop(run_dir) == "taken out":
        print(_("Its job is taken out of the queue."), flush=True)
    else:
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


COMMANDS = (logs, stop)
