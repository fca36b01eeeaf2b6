"""Training in the background: a process of its own that outlives the terminal. Imports no torch."""

import signal
import subprocess
import sys
import time
from pathlib import Path

from srwizard.base.errors import InterruptedByUserError, SrwizardError, UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.os_errors import reason_of
from srwizard.base.visible import in_shell
from srwizard.runs.process_identity import identity_of
from srwizard.runs.records import Records
from srwizard.settings import run_config

CONSOLE_FILE = "console.log"
LOOK_SECONDS = 0.1


class EndedAtOnceError(SrwizardError):
    """The training in the background ended before it began; with the exit code that it had."""

    def __init__(self, message: str, hint: str, exit_code: int) -> None:
        super().__init__(message, hint)
        self.exit_code = exit_code


def detach(run_dir: Path) -> int:
    """Start `srwizard train` in the background, and return its process id once it is at work.

    It is the leader of a session of its own, has no input, ignores SIGHUP, and says what it has to
    say in `console.log`; so it goes on when the terminal is closed.

    Raises:
        UsageError: no run directory, or it cannot be written.
        EndedAtOnceError: it has ended already; says why.
        InterruptedByUserError: somebody did not want to wait; it is ended.
    """
    run_config.load(run_dir)
    log = run_dir / CONSOLE_FILE
    try:
        stream = log.open("ab")
    except OSError as error:
        raise UsageError(
            _("{path} cannot be written: {reason}", path=log, reason=reason_of(error))
        ) from None
    with stream:
        begin = stream.tell()
        child = subprocess.Popen(
            # -P: what lies in the user's directory (a models/, a torch.py) is not ours to import.
            [sys.executable, "-P", "-m", "srwizard", "train", str(run_dir)],
            cwd=run_dir,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
            preexec_fn=_ignore_hangups,
        )
    try:
        while not _at_work(run_dir, child.pid):
            if child.poll() is not None:
                raise _ended_at_once(log, begin, child.returncode)
            time.sleep(LOOK_SECONDS)
    except KeyboardInterrupt:
        child.terminate()
        child.wait()
        raise InterruptedByUserError(
            _("training was stopped before its first step"),
            _("Continue with: srwizard train {run_dir}", run_dir=in_shell(run_dir)),
        ) from None
    return child.pid


def _ignore_hangups() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _at_work(run_dir: Path, pid: int) -> bool:
    status = Records(run_dir).status()
    return status.get("pid") == pid and status.get("boot_id") == identity_of(pid)["boot_id"]


def _ended_at_once(log: Path, begin: int, returncode: int) -> EndedAtOnceError:
    said = log.read_bytes()[begin:].decode(errors="replace").strip()
    return EndedAtOnceError(
        "\n".join(filter(None, [_("the training in the background ended at once"), said])),
        _("See {path}", path=log),
        returncode if returncode > 0 else 128 - returncode,
    )


def following(run_dir: Path, pid: int) -> list[str]:
    """Return the lines that say how to follow a training in the background, and how to end it."""
    quoted = in_shell(run_dir)
    return [
        _("Training in the background, process {pid}: {run_dir}", pid=pid, run_dir=run_dir),
        _("Follow the log: srwizard logs -f {run_dir}", run_dir=quoted),
        _("See how far it is: srwizard status {run_dir}", run_dir=quoted),
        _("Stop it, with its checkpoint saved: srwizard stop {run_dir}", run_dir=quoted),
    ]
