"""`srwizard` run by itself, exactly as a user would type it."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from srwizard.base.child_process import end_with_parent
from srwizard.base.errors import (
    EXIT_DONE,
    EXIT_INTERRUPTED,
    InterruptedByUserError,
    SrwizardError,
)
from srwizard.base.i18n import translate as _

STOPPED_BY = (-signal.SIGINT, -signal.SIGTERM, EXIT_INTERRUPTED)


class CommandFailedError(SrwizardError):
    """A command ended with an error; it has the exit code and the message of the command."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def srwizard(
    *arguments: str, environment: Mapping[str, str], directory: Path, to_stderr: bool
) -> None:
    """Run a command to its end; what it prints is shown as it comes.

    Ctrl-C is passed on, so that a training saves its checkpoint.

    Args:
        arguments: of the command.
        environment: what differs from that of this process.
        directory: where it runs.
        to_stderr: show it on standard error: what is printed here is for programs.

    Raises:
        InterruptedByUserError: it was interrupted.
        CommandFailedError: it failed.
    """
    sys.stdout.flush()
    with tempfile.TemporaryFile() as errors:
        # A session of its own: a terminal's Ctrl-C then reaches it once, through this process.
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "srwizard", *arguments],
            env=os.environ | environment,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr if to_stderr else None,
            stderr=errors,
            start_new_session=True,
            preexec_fn=end_with_parent,
        )
        returncode, interrupted = _wait(child)
        errors.seek(0)
        said = errors.read().decode(errors="replace").strip()
    if interrupted or returncode in STOPPED_BY:
        raise InterruptedByUserError(_("the self-check was interrupted"))
    if returncode != EXIT_DONE:
        code = returncode if returncode > 0 else 1
        first, *rest = said.splitlines() or [_("it ended with code {code}", code=returncode)]
        start = _("error: {message}", message="")
        raise CommandFailedError("\n".join([first.removeprefix(start), *rest]), code)


def _wait(child: "subprocess.Popen[bytes]") -> tuple[int, bool]:
    """Return how a command ended, and whether it was asked to stop."""
    # A shell starts what it runs in the background deaf to Ctrl-C, and so are our children then.
    deaf = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    interrupted = False
    while True:
        try:
            return child.wait(), interrupted
        except KeyboardInterrupt:
            child.send_signal(signal.SIGTERM if deaf else signal.SIGINT)
            interrupted = True
