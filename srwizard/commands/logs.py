"""`srwizard logs`: print the log of a run."""

import shlex
import sys
import time
from pathlib import Path
from typing import Any

import click

from srwizard.base.errors import EXIT_INTERRUPTED, UsageError
from srwizard.base.i18n import translate as _
from srwizard.commands.options import command, run_directory

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
