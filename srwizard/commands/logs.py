"""`srwizard logs`: print the log of a run."""

import sys
import time
from pathlib import Path
from typing import Any

import click

from srwizard.base.errors import EXIT_INTERRUPTED, UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.special_files import require_file
from srwizard.commands.options import command, run_directory

LOOK_SECONDS = 0.3


@command(_("Print the log of a run."))
@run_directory
@click.option(
    "-f", "--follow", is_flag=True, help=_("Keep printing until the run ends, or until Ctrl-C.")
)
def logs(run_dir: Path, follow: bool) -> None:
    from srwizard.runs.run_state import FOLLOWED
    from srwizard.runs.status import log_of, state_text, status_in, status_of

    run_dir = run_dir.absolute()
    run_status: dict[str, Any] | None = status_in(run_dir)
    read: dict[Path, int] = {}
    try:
        while True:
            # First the state, then the log: what was written before the end is not missed.
            run_status = status_of(run_dir)
            if run_status is not None:
                _print_what_is_new(log_of(run_status), read)
            if not follow or run_status is None or run_status["state"] not in FOLLOWED:
                break
            time.sleep(LOOK_SECONDS)
    except KeyboardInterrupt:  # who has read enough; the run goes on
        raise click.exceptions.Exit(EXIT_INTERRUPTED) from None
    if not read:
        raise _no_log_yet(run_dir, run_status)
    if follow and run_status is not None:
        print(state_text(run_status), file=sys.stderr)


def _print_what_is_new(log: Path, read: dict[Path, int]) -> None:
    """Print what was added to a log, and note how far it is read."""
    try:
        with require_file(log).open("rb") as stream:
            stream.seek(read.get(log, 0))
            new = stream.read()
            read[log] = stream.tell()
    except FileNotFoundError:
        return
    sys.stdout.write(new.decode("utf-8", errors="replace"))
    sys.stdout.flush()


def _no_log_yet(run_dir: Path, run_status: dict[str, Any] | None) -> UsageError:
    from srwizard.runs.run_state import RunState
    from srwizard.runs.status import advice, state_text

    if run_status is not None and run_status["state"] == RunState.QUEUED:
        hint = state_text(run_status)
    else:
        hint = "\n".join(advice(run_status)) if run_status is not None else ""
    return UsageError(_("{run_dir} has no log yet", run_dir=run_dir), hint)
