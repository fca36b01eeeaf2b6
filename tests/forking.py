"""How a process that has everything loaded forks another, which becomes what was asked for."""

import atexit
import contextlib
import ctypes
import fcntl
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import threading
import time
import traceback
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from srwizard.base.child_process import end_with_parent
from srwizard.train.detach import _ignore_hangups
from srwizard.train.processes import begin_torchrun
from tests.loaded import load

REPOSITORY = Path(__file__).parents[1]
CUSTOMIZATION = "sitecustomize"
"""A module that Python imports before anything else."""
STREAMS = 3
MOST_FDS = 16
FREE_FROM = 500
"""Nobody asks for a file descriptor of this number or above."""
NAMESPACES = Path("/run/netns")
CLONE_NEWNS, CLONE_NEWUTS = 0x00020000, 0x04000000
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
MS_REC, MS_PRIVATE = 1 << 14, 1 << 18
NAMELESS = 12345
"""An id that no database knows."""
_installed = [place for place in sys.path if place not in ("", str(REPOSITORY))]
is_forked = False
"""Whether this process is one of those: it forks others itself."""


def take_terminal() -> None:
    """Make the terminal that is read from the one whose keys reach this process as signals."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def enter_machine(namespace: str, host: str) -> None:
    """Go over to a network namespace of `ip netns`, under a host name."""
    libc = ctypes.CDLL(None, use_errno=True)
    with (NAMESPACES / namespace).open() as entered:
        failed = libc.setns(entered.fileno(), CLONE_NEWNET) or libc.unshare(CLONE_NEWUTS)
    if failed:
        raise OSError(ctypes.get_errno(), "setns or unshare")
    socket.sethostname(host)


def become_nameless() -> None:
    """Be a user of a namespace whom no database knows, as `unshare --map-user=12345` does."""
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    if libc.unshare(CLONE_NEWUSER):
        raise OSError(ctypes.get_errno(), "unshare")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{NAMELESS} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{NAMELESS} {group} 1")


def mount_first(script: str, place: str) -> None:
    """Run a shell script in mounts of this process alone, as `unshare --mount` does.

    Raises:
        OSError: this process may have no mounts of its own.
        CalledProcessError: the script, whose `$1` is `place`, has failed.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) or libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None):
        raise OSError(ctypes.get_errno(), "unshare or mount")
    subprocess.run(["sh", "-c", script, "sh", place], check=True)


PREPARATIONS: dict[str, Callable[..., object]] = {
    "": lambda: None,
    "become_nameless": become_nameless,
    "begin_torchrun": begin_torchrun,
    "end_with_parent": end_with_parent,
    "enter_machine": enter_machine,
    "ignore_hangups": _ignore_hangups,
    "mount_first": mount_first,
    "take_terminal": take_terminal,
}
"""What may be done in a child before its program begins."""


def serve(requests: socket.socket) -> None:
    """Fork a process for each request until nobody can ask any more.

    A request brings a connection, three streams, and what else is to be open; over the connection
    comes the plan, and goes back the process id. The process is made by another one that ends at
    once, so that it becomes a child of whoever has asked.
    """
    load()
    while True:
        said, fds, _flags, _address = socket.recv_fds(requests, 1, MOST_FDS)
        if not said:
            return
        between = os.fork()
        if not between:
            _fork_and_end(fds)
        for fd in fds:
            os.close(fd)
        os.waitpid(between, 0)


def _fork_and_end(fds: Sequence[int]) -> NoReturn:
    parent = os.getpid()
    if os.fork():
        os._exit(0)
    while os.getppid() == parent:
        time.sleep(0.0002)
    with socket.socket(fileno=fds[0]) as asked:
        length = int.from_bytes(received(asked, 8), "big")
        _become(json.loads(received(asked, length)), fds[1:], asked)


def received(connection: socket.socket, count: int) -> bytes:
    """Return the next `count` bytes.

    Raises:
        RuntimeError: the other end is gone.
    """
    found = b""
    while len(found) < count:
        part = connection.recv(count - len(found))
        if not part:
            raise RuntimeError("the process that is forked from, or a forked one, has ended")
        found += part
    return found


def fork_here(plan: dict[str, Any], fds: Sequence[int]) -> int:
    """Fork a process that does what is planned; return its id once it can be seen from outside."""
    sys.stdout.flush()
    sys.stderr.flush()
    ours, theirs = socket.socketpair()
    with ours:
        pid = os.fork()
        if not pid:
            _become(plan, fds, theirs)
        theirs.close()
        received(ours, 8)
    return pid


def _become(plan: dict[str, Any], fds: Sequence[int], asked: socket.socket) -> NoReturn:
    """Be the process that was asked for, to its end."""
    code = 1
    try:
        asked = socket.socket(fileno=_out_of_the_way(asked.detach()))
        _set_up(plan, fds, asked.fileno())
        asked.sendall(os.getpid().to_bytes(8, "big"))
        asked.close()
        code = _run(plan["module"], plan["arguments"])
    except KeyboardInterrupt:
        traceback.print_exc()
        sys.stdout.flush()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _out_of_the_way(fd: int) -> int:
    """Return another file descriptor of an open file, which stands in nobody's way."""
    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, FREE_FROM)


def _set_up(plan: dict[str, Any], fds: Sequence[int], kept_open: int) -> None:
    """Take on the streams, session, signals, environment and command line of a fresh process."""
    global is_forked
    if is_forked:
        # What the parent tidies up at its end, a directory for instance, is not this one's.
        atexit._clear()
        weakref.finalize._registry.clear()  # type: ignore[attr-defined]
        weakref.finalize._registered_with_atexit = False  # type: ignore[attr-defined]
    is_forked = True
    _take_files(fds, [*range(STREAMS), *plan["passed"]], kept_open)
    if plan["session"]:
        os.setsid()
    _reset_signals()
    if plan["umask"] >= 0:
        os.umask(plan["umask"])
    os.chdir(plan["directory"])
    os.environ.clear()
    os.environ.update(plan["environment"])
    if plan["nice"]:
        os.nice(10)
    name, *arguments = plan["preparation"]
    PREPARATIONS[name](*arguments)
    _write_command_line(plan["words"])
    sys.orig_argv[:] = plan["words"]
    first = [] if plan["safe"] else [str(Path.cwd())]
    tempfile.tempdir = None  # to be found anew
    sys.path[:] = [*first, *plan["places"], *_installed]
    for library in plan["libraries"]:
        ctypes.CDLL(library)  # whoever asks for its name gets this one
    threads = os.environ.get("OMP_NUM_THREADS")
    if threads is not None:
        sys.modules["torch"].set_num_threads(int(threads))


def _take_files(fds: Sequence[int], numbers: Sequence[int], kept_open: int) -> None:
    """Have these open under the numbers asked for, and nothing else that the parent has."""
    for fd, number in zip(list(map(_out_of_the_way, fds)), numbers, strict=True):
        os.dup2(fd, number)
    for fd in [int(path.name) for path in Path("/proc/self/fd").iterdir()]:
        if fd not in numbers and fd != kept_open:
            with contextlib.suppress(OSError):
                os.close(fd)
    options: dict[str, Any] = {"encoding": "utf-8", "closefd": False}
    sys.stdin = open(0, **options)  # noqa: SIM115
    sys.stdout = open(1, "w", **options)  # noqa: SIM115
    sys.stderr = open(2, "w", 1, errors="backslashreplace", **options)  # noqa: SIM115


def _reset_signals() -> None:
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if signal.getsignal(number) not in (signal.SIG_IGN, signal.SIG_DFL, None):
            signal.signal(number, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _write_command_line(words: Sequence[str]) -> None:
    """Write over what the kernel shows as the command line of this process (see proc(5))."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    begin, end = int(fields[45]), int(fields[46])
    text = b"\0".join(word.encode() for word in words)[: end - begin - 1]
    ctypes.memmove(begin, text + bytes(end - begin - len(text)), end - begin)


def _run(module: str | None, arguments: list[str]) -> int:
    """Run `srwizard`, or a module as `python -m` does; return the exit code."""
    sys.argv[:] = arguments
    code = 0
    try:
        _customize()
        if module is None:
            importlib.import_module("srwizard.__main__").main()
        else:
            sys.modules.pop(f"{module}.__main__" if module == "srwizard" else module, None)
            runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        code = _code_of(ended)
    except KeyboardInterrupt:
        raise
    except BaseException:
        traceback.print_exc()
        code = 1
    with contextlib.suppress(Exception):
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    return code


def _customize() -> None:
    """Import `sitecustomize` if there is one, as Python does at its start."""
    sys.modules.pop(CUSTOMIZATION, None)
    importlib.invalidate_caches()
    with contextlib.suppress(ModuleNotFoundError):
        importlib.import_module(CUSTOMIZATION)


def _code_of(ended: SystemExit) -> int:
    if ended.code is None:
        return 0
    if isinstance(ended.code, int):
        return ended.code & 0xFF
    print(ended.code, file=sys.stderr)
    return 1
