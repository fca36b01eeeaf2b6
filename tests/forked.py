"""Python processes forked from one that has torch loaded, in place of fresh interpreters.

To start Python and import torch takes longer than most of what the tests let it do. `Popen` stands
in for `subprocess.Popen`: what would start `srwizard`, or one of the modules in `MODULES`, is forked
instead, and everything else is started as ever. The process that comes of it is a child of whoever
asked for it, with the command line, environment, directory, streams, session and signals that it
would have; what differs is that its modules are loaded already.

`python -m tests.forked SOCKET_FD PADDING` is the process that is forked from.
"""

import atexit
import contextlib
import ctypes
import fcntl
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from srwizard.base.child_process import end_with_parent
from srwizard.train.detach import _ignore_hangups
from srwizard.train.processes import allocator_settings

REPOSITORY = Path(__file__).parents[1]
PROGRAM = str(Path(sys.executable).with_name("srwizard"))
MODULES = (
    "srwizard", "srwizard.memory.forecaster", "srwizard.memory.rehearsal", "srwizard.train.scorer",
    "srwizard.train.worker", "tests.train.sharded", "torch.distributed.run",
)  # fmt: skip
"""What is forked where `python -m` names it."""
LOADED = (
    "torch.distributed.run", "srwizard.train.worker", "srwizard.memory.rehearsal",
    "srwizard.memory.imitation", "srwizard.commands.cli", "srwizard.wizard.machine",
    "srwizard.prompts.terminal", "srwizard.report.page", "matplotlib.pyplot",
    "srwizard.memory.predict", "srwizard.memory.forecaster", "srwizard.train.scorer",
)  # fmt: skip
"""What is loaded before: these, and what they import."""
def take_terminal() -> None:
    """Make the terminal that is read from the one whose keys reach this process as signals."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


SETTINGS_AT_START = {"PYTHONHOME", "PYTHONIOENCODING", "PYTHONOPTIMIZE", "PYTHONUTF8", "PYTHONWARNINGS"}
"""What an interpreter looks at when it starts, and never again."""
PREPARATIONS: dict[str, Callable[[], object]] = {
    "end_with_parent": end_with_parent,
    "ignore_hangups": _ignore_hangups,
    "take_terminal": take_terminal,
}
"""What may be done in a child before its program begins."""
PR_SET_CHILD_SUBREAPER = 36
STREAMS = 3
PADDING = 8000
"""Bytes of a command line that can be written over by another one."""
_libc = ctypes.CDLL(None)
_is_forked = False
_server: "tuple[socket.socket, subprocess.Popen[bytes]] | None" = None
_started_afresh = subprocess.Popen


class Popen(subprocess.Popen):  # type: ignore[type-arg]
    """`subprocess.Popen`, but for Python processes that can be forked."""

    def _execute_child(
        self, args: Any, executable: Any, preexec_fn: Any, close_fds: bool, pass_fds: Any,
        cwd: Any, env: Any, *rest: Any,
    ) -> None:  # fmt: skip
        (startupinfo, creationflags, shell, *pipes, restore_signals, gid, gids, uid, umask,
         start_new_session, process_group) = rest  # fmt: skip
        environment = dict(os.environ if env is None else env)
        plan = None
        if not (shell or pass_fds or executable or isinstance(args, str | bytes)):
            plan = _plan([os.fspath(word) for word in args], environment)
        preparation = _name_of(preexec_fn)
        if plan is None or preparation is None or (gid, gids, uid) != (None, None, None):
            super()._execute_child(  # type: ignore[misc]
                args, executable, preexec_fn, close_fds, pass_fds, cwd, env, *rest
            )
            return
        plan |= {
            "environment": environment,
            "directory": os.fspath(cwd) if cwd is not None else os.getcwd(),
            "preparation": preparation,
            "session": bool(start_new_session),
        }
        read_in, _write_in, _read_out, write_out, _read_error, write_error = pipes
        given = (read_in, write_out, write_error)
        streams = [own if fd == -1 else fd for own, fd in enumerate(given)]
        self.pid = _fork_here(plan, streams) if _is_forked else _ask_server(plan, streams)
        self._child_created = True
        self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]


def _name_of(preexec_fn: Any) -> str | None:
    if preexec_fn is None:
        return ""
    return next((name for name, done in PREPARATIONS.items() if done is preexec_fn), None)


def _plan(words: list[str], environment: Mapping[str, str]) -> dict[str, Any] | None:
    """Return what a forked process would run, or None if it must be started afresh."""
    nice = words[0] == "nice"
    rest = words[1:] if nice else words
    if SETTINGS_AT_START & environment.keys():
        return None
    places = [place for place in environment.get("PYTHONPATH", "").split(os.pathsep) if place]
    if any((Path(place) / "sitecustomize.py").exists() for place in places):
        return None
    plan: dict[str, Any] = {"words": rest, "nice": nice, "places": places}
    if rest[0] == PROGRAM:
        return plan | {"module": None, "arguments": rest, "safe": True}
    if rest[0] != sys.executable:
        return None
    options = rest[1:]
    safe = "PYTHONSAFEPATH" in environment
    while options and options[0] in ("-P", "-u"):
        safe |= options.pop(0) == "-P"
    if len(options) < 2 or options[0] != "-m" or options[1] not in MODULES:
        return None
    return plan | {"module": options[1], "arguments": options[1:], "safe": safe}


def _ask_server(plan: dict[str, Any], streams: Sequence[int]) -> int:
    """Have a process forked that becomes a child of this one; return its id."""
    global _server
    if _server is None or _server[1].poll() is not None:
        _server = _start_server()
    # Whose parent has ended is handed to the next above that asks for it.
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            socket.send_fds(_server[0], [b"x"], [theirs.fileno(), *streams])
            theirs.close()
            message = json.dumps(plan).encode()
            ours.sendall(len(message).to_bytes(8, "big") + message)
            return int.from_bytes(_received(ours, 8), "big")
    finally:
        _libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def _start_server() -> "tuple[socket.socket, subprocess.Popen[bytes]]":
    ours, theirs = socket.socketpair()
    with theirs:
        fd = theirs.fileno()
        environment = {
            **os.environ, **allocator_settings(), "OMP_WAIT_POLICY": "PASSIVE",
            "TORCH_CPP_LOG_LEVEL": "ERROR",
        }  # fmt: skip
        process = _started_afresh(
            [sys.executable, "-m", "tests.forked", str(fd), "x" * PADDING],
            cwd=REPOSITORY, env=environment, pass_fds=[fd], stdin=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
    return ours, process


def _received(connection: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        part = connection.recv(count - len(found))
        if not part:
            raise RuntimeError("the process that others are forked from has ended")
        found += part
    return found


def serve(requests: socket.socket) -> None:
    """Fork a process for each request until nobody can ask any more."""
    subprocess.Popen = Popen  # type: ignore[misc] - also for those who take it by its name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in LOADED:
            importlib.import_module(name)
    # Their texts are made, and the terminal is looked at, when they are loaded.
    for name in [name for name in sys.modules if name.startswith("srwizard.commands")]:
        del sys.modules[name]
    gc.collect()
    gc.freeze()
    while True:
        said, fds, _flags, _address = socket.recv_fds(requests, 1, 1 + STREAMS)
        if not said:
            return
        between = os.fork()
        if not between:
            parent = os.getpid()
            if os.fork():
                os._exit(0)
            while os.getppid() == parent:
                time.sleep(0.0002)
            with socket.socket(fileno=fds[0]) as connection:
                length = int.from_bytes(_received(connection, 8), "big")
                plan = json.loads(_received(connection, length))
                _become(plan, fds[1:], connection)
        for fd in fds:
            os.close(fd)
        os.waitpid(between, 0)


def _fork_here(plan: dict[str, Any], streams: Sequence[int]) -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    ours, theirs = socket.socketpair()
    with ours:
        pid = os.fork()
        if not pid:
            _become(plan, streams, theirs)
        theirs.close()
        _received(ours, 8)
    return pid


def _become(plan: dict[str, Any], streams: Sequence[int], asked: socket.socket) -> NoReturn:
    """Be the process that was asked for, to its end; say so once it looks like that from outside."""
    code = 1
    try:
        _set_up(plan, streams, asked.fileno())
        asked.sendall(os.getpid().to_bytes(8, "big"))
        asked.close()
        code = _run(plan["module"], plan["arguments"])
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _set_up(plan: dict[str, Any], streams: Sequence[int], kept_open: int) -> None:
    global _is_forked
    _is_forked = True
    kept = [os.dup(fd) for fd in streams]
    for fd, own in enumerate(kept):
        os.dup2(own, fd)
    for fd in map(int, os.listdir("/proc/self/fd")):
        if fd >= STREAMS and fd != kept_open:
            with contextlib.suppress(OSError):
                os.close(fd)
    if plan["session"] and os.getsid(0) != os.getpid():
        os.setsid()
    _reset_signals()
    os.chdir(plan["directory"])
    os.environ.clear()
    os.environ.update(plan["environment"])
    if plan["nice"]:
        os.nice(10)
    if plan["preparation"]:
        PREPARATIONS[plan["preparation"]]()
    _write_command_line(plan["words"])
    sys.orig_argv[:] = plan["words"]
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    first = [] if plan["safe"] else [os.getcwd()]
    sys.path[:] = [*first, *plan["places"], *(p for p in sys.path[1:] if p != str(REPOSITORY))]
    threads = os.environ.get("OMP_NUM_THREADS")
    if threads is not None and "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(int(threads))


def _reset_signals() -> None:
    signal.set_wakeup_fd(-1)
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number in signal.valid_signals():
        if signal.getsignal(number) not in (signal.SIG_IGN, signal.SIG_DFL, None):
            signal.signal(number, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _write_command_line(words: Sequence[str]) -> None:
    """Write over what the kernel shows as the command line of this process."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    begin, end = int(fields[45]), int(fields[46])
    text = b"\0".join(word.encode() for word in words)[: end - begin - 1]
    ctypes.memmove(begin, text + bytes(end - begin - len(text)), end - begin)


def _run(module: str | None, arguments: list[str]) -> int:
    """Run `srwizard`, or a module as `python -m` does; return the exit code."""
    sys.argv[:] = arguments
    try:
        if module is None:
            importlib.import_module("srwizard.__main__").main()
        else:
            name = f"{module}.__main__" if module == "srwizard" else module
            sys.modules.pop(name, None)
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as ended:
        code = _code_of(ended)
    except KeyboardInterrupt:
        traceback.print_exc()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
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


def _code_of(ended: SystemExit) -> int:
    if ended.code is None:
        return 0
    if isinstance(ended.code, int):
        return ended.code & 0xFF
    print(ended.code, file=sys.stderr)
    return 1


if __name__ == "__main__":
    # As a module of its own name: what is forked asks the same one.
    importlib.import_module("tests.forked").serve(socket.socket(fileno=int(sys.argv[1])))
