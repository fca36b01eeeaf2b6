"""The processes of a training or a dry run: how they start, are asked to stop, and end.

Imports no torch.
"""

import contextlib
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, NoReturn

import psutil

from srwizard.base import terminal_loss
from srwizard.base.child_process import end_with_parent
from srwizard.base.errors import EXIT_INTERRUPTED, EXIT_TRAINING, UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.locks import try_lock
from srwizard.base.os_errors import reason_of
from srwizard.base.visible import in_shell, show_only_visible
from srwizard.data.dataset import Dataset
from srwizard.hardware.cgroups import out_of_memory_kills
from srwizard.runs.failures import Ended
from srwizard.runs.records import LOG_FILE
from srwizard.settings.run_config import RunConfig
from srwizard.train.dataset import handed_on
from srwizard.train.nodes import MEETING_IN_A_FILE, Nodes, network_settings, torchrun_options
from srwizard.train.process_environment import PLACES, inherited, settings

TORCHRUN = "torch.distributed.run"
LOG_TAIL_BYTES = 16384
LOOK_SECONDS = 0.1
REMIND_SECONDS = 5.0
"""A process that is just starting may lose a request to stop; SIGTERM once more does no harm."""
HANGUP_SECONDS = 1.0
"""Within these a terminal is gone of whose end SIGHUP tells; else somebody has sent it."""
ORPHANED_SECONDS = 60.0
"""Within these, workers that were asked to stop and have lost their torchrun have saved."""
LOCK_WAIT_SECONDS = 15.0
"""Processes whose launcher was killed need this long, at most, to save and end."""


def command(run: RunConfig, module: str, *arguments: str, nodes: Nodes | None = None) -> list[str]:
    """Return the command that starts `module` once for each process of the run on this machine."""
    work = ["-m", module, *arguments]
    if not _by_torchrun(run, nodes):
        return [sys.executable, *work]
    options = [*torchrun_options(nodes), f"--nproc-per-node={run.devices.processes}"]
    return [sys.executable, "-m", TORCHRUN, *options, *work]


def _by_torchrun(run: RunConfig, nodes: Nodes | None) -> bool:
    return nodes is not None or run.devices.processes > 1


def as_typed(run: RunConfig, module: str, *arguments: str, nodes: Nodes | None = None) -> str:
    """Return the command with its environment as one types it into a shell."""
    environment = settings(run) | network_settings(nodes)
    given = [f"{name}={value}" for name, value in environment.items()]
    dropped = [f"--unset={name}" for name in PLACES if name in os.environ]
    return in_shell("env", *dropped, *given, *command(run, module, *arguments, nodes=nodes))


@contextlib.contextmanager
def at_work(run_dir: Path, log_file: str = LOG_FILE) -> Iterator[IO[bytes]]:
    """Open a log of a run directory for this process and those it starts, and for no others.

    The lock stands on the log because every process inherits that as its standard error: it is
    free again when the last of them has ended, however its launcher ended.

    Raises:
        UsageError: somebody else is at work there, or it cannot be written.
    """
    try:
        log = (run_dir / log_file).open("a+b")
    except OSError as error:
        raise UsageError(
            _("{path} cannot be written: {reason}", path=error.filename, reason=reason_of(error))
        ) from None
    with log:
        patient_until = time.monotonic() + LOCK_WAIT_SECONDS
        while not try_lock(log):
            if time.monotonic() > patient_until:
                raise UsageError(
                    _("a training or a dry run is already running in {run_dir}", run_dir=run_dir),
                    _("Wait until it ends, or stop it first."),
                )
            time.sleep(LOOK_SECONDS)
        yield log


def start(
    run: RunConfig,
    log: IO[bytes],
    module: str,
    *arguments: str,
    dataset: Dataset | None = None,
    nodes: Nodes | None = None,
    begin: Callable[[], None] = lambda: None,
    given_up: Callable[[], bool] = lambda: False,
    hung_up: Callable[[], None] | None = None,
) -> Ended:
    """Run `module` as training would run it, and wait until it ends.

    Ctrl-C, SIGTERM, SIGHUP and SIGUSR1 are passed on, so that the processes save before they end.
    A second Ctrl-C ends them at once: a backward pass would not notice a request for long.

    Args:
        run: the run config: how many processes, on which devices.
        log: where their errors go, from `at_work`.
        module: what each of them runs.
        arguments: for each of them.
        dataset: that of the run, verified; None: each of them verifies it.
        nodes: the machines, if this is one of several.
        begin: called before they are started, when a request to stop is already waited for.
        given_up: asked now and then; once it says so, the processes are ended where they stand.
        hung_up: called once the terminal is gone, where the processes are to go on without it;
            None: they are asked to stop then.
    """
    terminal = hung_up is not None and terminal_loss.has_terminal()
    length = log.seek(0, os.SEEK_END)
    kills_before = out_of_memory_kills()
    torchrun = _by_torchrun(run, nodes)
    with (
        handed_on(run, dataset) as told,
        _with_own_files(command(run, module, *arguments, nodes=nodes)) as words,
        _stop_signals() as asked,
        contextlib.ExitStack() as suspending,
    ):
        begin()
        # A session of their own: a terminal's Ctrl-C then reaches this process only, which
        # passes it on once, to those who can save.
        child = subprocess.Popen(
            words,
            env=inherited() | settings(run) | network_settings(nodes) | told,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=begin_torchrun if torchrun else end_with_parent,
        )
        suspending.enter_context(_suspended_together(child))
        passed_on, last = 0, 0.0
        asked_workers: set[psutil.Process] = set()
        while (returncode := _wait(child)) is None:
            heard = asked[passed_on:]
            if hung_up is not None and terminal and signal.SIGHUP in heard and _is_gone():
                terminal = False
                signal.signal(signal.SIGHUP, signal.SIG_IGN)
                asked[:] = [number for number in asked if number != signal.SIGHUP]
                hung_up()
                continue
            if asked.count(signal.SIGINT) > 1:
                _kill(child)
                continue
            if signal.SIGINT in heard:
                _say_that_it_was_heard()
            for number in heard:
                asked_workers |= _pass_on(child, number, torchrun=torchrun)
                passed_on, last = passed_on + 1, time.monotonic()
            if given_up():
                _kill_workers(child, torchrun=torchrun)
            if asked and time.monotonic() - last > REMIND_SECONDS:
                asked_workers |= _pass_on(child, signal.SIGTERM, torchrun=torchrun)
                last = time.monotonic()
        # Where torchrun was killed alone, they are still saving: what is theirs is not given up.
        psutil.wait_procs(asked_workers, ORPHANED_SECONDS)
    log.seek(max(length, log.seek(0, os.SEEK_END) - LOG_TAIL_BYTES))
    tail = log.read().decode(errors="replace")
    killed = (-returncode, None) if returncode < 0 else _killed_rank(tail)
    if killed[0] is not None and sys.stdout.isatty():
        print(flush=True)  # it has left its bars behind, and the cursor in their line
    kills = out_of_memory_kills()
    return Ended(
        returncode,
        *killed,
        stop_asked=bool(asked),
        log=tail,
        kills=None if kills is None or kills_before is None else kills - kills_before,
    )


@contextlib.contextmanager
def _suspended_together(child: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Let Ctrl-Z, which reaches this process alone, suspend the others too, and fg resume them."""

    def suspend(_number: int, _frame: object) -> None:
        started = _processes_of(child)
        _send(started, signal.SIGSTOP)
        os.kill(os.getpid(), signal.SIGSTOP)
        _send(started, signal.SIGCONT)  # here it goes on

    if signal.getsignal(signal.SIGTSTP) != signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTSTP, suspend)
    try:
        yield
    finally:
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)


def _processes_of(
    child: "subprocess.Popen[bytes]", *, recursive: bool = True
) -> list[psutil.Process]:
    """Return what was launched, then what it has started; nothing where it is gone."""
    try:
        launched = psutil.Process(child.pid)
        return [launched, *launched.children(recursive=recursive)]
    except psutil.Error:
        return []


def _launched(
    child: "subprocess.Popen[bytes]", *, torchrun: bool
) -> tuple[list[psutil.Process], list[psutil.Process]]:
    """Return what was launched, if it is still there, and its workers where it is torchrun."""
    processes = _processes_of(child, recursive=False)
    return processes[:1], processes[1:] if torchrun else []


def _send(processes: list[psutil.Process], number: int) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(number)


def _is_gone() -> bool:
    """Return whether the terminal goes away, as SIGHUP says, or is still there after a while."""
    until = time.monotonic() + HANGUP_SECONDS
    while (there := terminal_loss.has_terminal()) and time.monotonic() < until:
        time.sleep(LOOK_SECONDS)
    return not there


def begin_torchrun() -> None:
    """Let torchrun be deaf to SIGUSR1, which Slurm sends to every process of a job.

    It would end at once, and leave its workers behind. These begin deaf, too, and listen as soon
    as they can save.
    """
    end_with_parent()
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)


@contextlib.contextmanager
def _with_own_files(words: list[str]) -> Iterator[list[str]]:
    """Give torchrun a directory for its files, which it leaves behind where it chooses one.

    These are its logs, and the file in which processes of one machine meet.
    """
    if TORCHRUN not in words:
        yield words
        return
    place = words.index(TORCHRUN) + 1
    with tempfile.TemporaryDirectory(prefix="srwizard-", ignore_cleanup_errors=True) as directory:
        own = [f"--log-dir={directory}/logs"]
        if MEETING_IN_A_FILE in words:
            own.append(f"--rdzv-endpoint={directory}/store")
        yield [*words[:place], *own, *words[place:]]


def _wait(child: "subprocess.Popen[bytes]") -> int | None:
    try:
        return child.wait(LOOK_SECONDS)
    except subprocess.TimeoutExpired:
        return None


@contextlib.contextmanager
def _stop_signals() -> Iterator[list[int]]:
    """Collect the requests to stop that arrive meanwhile; those that are ignored stay ignored."""
    asked: list[int] = []
    wanted = [
        number
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
        if signal.getsignal(number) != signal.SIG_IGN
    ]
    earlier = {
        number: signal.signal(number, lambda received, _frame: asked.append(received))
        for number in wanted
    }
    try:
        yield asked
    finally:
        for number, handler in earlier.items():
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, handler)


def _pass_on(
    child: "subprocess.Popen[bytes]", number: int, *, torchrun: bool
) -> set[psutil.Process]:
    """Ask the processes to stop, and return torchrun's workers among them.

    torchrun itself is left out once its workers are there: asked to stop, it would grant them
    half a minute only.
    """
    sent = signal.SIGINT if number == signal.SIGINT else signal.SIGTERM
    launched, workers = _launched(child, torchrun=torchrun)
    _send(workers or launched, sent)
    return set(workers)


def _kill_workers(child: "subprocess.Popen[bytes]", *, torchrun: bool) -> None:
    """End the processes, so that torchrun notices; itself too, where it has none any more."""
    launched, workers = _launched(child, torchrun=torchrun)
    _send(workers or launched, signal.SIGKILL)


def _say_that_it_was_heard() -> None:
    """Answer Ctrl-C at once: a step may take minutes."""
    if sys.stderr.isatty():
        text = _("Stopping once the step is done; Ctrl-C again ends at once.")
        print(f"\n{text}", file=sys.stderr, flush=True)


def _kill(child: "subprocess.Popen[bytes]") -> None:
    """End the processes where they stand; what is half written is never taken for a checkpoint."""
    _send(_processes_of(child)[::-1], signal.SIGKILL)


def _killed_rank(log: str) -> tuple[int | None, int | None]:
    """Find in torchrun's summary the (signal, rank) of the rank that was killed first."""
    found = re.findall(r"rank\s*: (\d+) \(local_rank.*\n\s*exitcode\s*: -(\d+) \(pid", log)
    # The root cause stands last. SIGTERM is how torchrun ends the others.
    for rank, number in reversed(found):
        if int(number) != signal.SIGTERM:
            return int(number), int(rank)
    return None, None


def run_and_leave(main: Callable[[list[str]], int]) -> NoReturn:
    """Run `main` with the command line and end this process with the code that it returns.

    The interpreter's own clean-up is left out: torch's threads may still want the interpreter
    while it goes, and then abort the process. A training that is complete would count as failed.
    """
    terminal_loss.survive()
    show_only_visible()
    try:
        code = main(sys.argv[1:])
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    except Exception:
        traceback.print_exc()
        code = EXIT_TRAINING
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # torch takes the end of a loader for a failure
    for loader in multiprocessing.active_children():
        loader.kill()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
