"""Python processes forked from one that has torch loaded, in place of fresh interpreters.

To start Python and import torch takes longer than most of what the tests let it do. `Popen` stands
in for `subprocess.Popen`: what would start `srwizard`, or one of the modules in `MODULES`, is
forked instead, and everything else is started as ever. The process that comes of it is a child of
whoever asked for it, with the command line, environment, directory, streams, session and signals
that it would have; what differs is that its modules are loaded already, and that a report has
pixels for pictures. A test that is about that difference is marked `afresh`.

`python -m tests.forked SOCKET PADDING` is the process that is forked from; the padding is what the
command lines of the others are written over.
"""

import ctypes
import functools
import importlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from srwizard.train.process_environment import allocator_settings
from tests import forking
from tests.hardware.nvml.world import NAME as NVML

PROGRAM = str(Path(sys.executable).with_name("srwizard"))
MODULES = (
    "srwizard", "srwizard.data.baselines.settler", "srwizard.memory.forecaster",
    "srwizard.memory.rehearsal", "srwizard.models.own_checkpoint", "srwizard.train.scorer",
    "srwizard.train.worker", "tests.train.killing_itself", "tests.train.sharded",
    "torch.distributed.run",
)  # fmt: skip
"""What is forked where `python -m` names it."""
SETTINGS_AT_START = {
    "LD_PRELOAD", "PYTHONHOME", "PYTHONIOENCODING", "PYTHONOPTIMIZE",
    "PYTHONUTF8", "PYTHONWARNINGS",
}  # fmt: skip
"""What is looked at when an interpreter starts, and never again."""
CUSTOMIZATION = f"{forking.CUSTOMIZATION}.py"
PR_SET_CHILD_SUBREAPER = 36
PADDING = 8000
started = subprocess.Popen
"""What starts processes afresh."""
_libc = ctypes.CDLL(None)
_server: "tuple[socket.socket, subprocess.Popen[bytes]] | None" = None


class Popen(subprocess.Popen):  # type: ignore[type-arg]
    """`subprocess.Popen`, but for Python processes that can be forked."""

    def _execute_child(
        self, args: Any, executable: Any, preexec_fn: Any, close_fds: bool, pass_fds: Any,
        cwd: Any, env: Any, startupinfo: Any, creationflags: Any, shell: bool, *rest: Any,
    ) -> None:  # fmt: skip
        *pipes, _restore_signals, gid, gids, uid, umask, start_new_session, _process_group = rest
        environment = dict(os.environ if env is None else env)
        preparation = _preparation(preexec_fn)
        plan = None
        if not (shell or executable or gid or gids or uid or isinstance(args, str)):
            plan = _plan([os.fspath(word) for word in args], environment)
        if plan is None or preparation is None:
            super()._execute_child(  # type: ignore[misc]
                args, executable, preexec_fn, close_fds, pass_fds, cwd, env, startupinfo,
                creationflags, shell, *rest,
            )  # fmt: skip
            return
        plan |= {
            "environment": environment,
            "directory": str(Path.cwd() if cwd is None else cwd),
            "preparation": preparation,
            "session": bool(start_new_session),
            "umask": umask,
            "passed": list(pass_fds),
        }
        read_in, _write_in, _read_out, write_out, _read_error, write_error = pipes
        given = (read_in, write_out, write_error)
        streams = [own if fd == -1 else fd for own, fd in enumerate(given)]
        fork = forking.fork_here if forking.is_forked else _have_forked
        self.pid = fork(plan, [*streams, *pass_fds])
        self._child_created = True
        self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]


def _preparation(preexec_fn: Any) -> list[str] | None:
    """Return the name under which a forked process finds it, with its arguments, or None."""
    if preexec_fn is None:
        return [""]
    function, arguments = preexec_fn, ()
    if isinstance(preexec_fn, functools.partial):
        function, arguments = preexec_fn.func, preexec_fn.args
    names = [name for name, done in forking.PREPARATIONS.items() if done is function]
    return [*names, *arguments] if names else None


def _plan(words: list[str], environment: Mapping[str, str]) -> dict[str, Any] | None:
    """Return what a forked process would run, or None if it must be started afresh."""
    places = _places(environment, "PYTHONPATH")
    libraries = [str(Path(place) / NVML) for place in _places(environment, "LD_LIBRARY_PATH")]
    if SETTINGS_AT_START & environment.keys() or not (
        all(map(_can_be_met_later, places)) and all(Path(path).is_file() for path in libraries)
    ):
        return None
    nice = words[0] == "nice"
    program, *options = words[1:] if nice else words
    plan = {
        "words": [program, *options], "nice": nice, "places": places, "libraries": libraries,
    }  # fmt: skip
    if program == PROGRAM:
        return plan | {"module": None, "arguments": [program, *options], "safe": True}
    safe = "PYTHONSAFEPATH" in environment
    while options[:1] in (["-P"], ["-u"]):
        safe |= options.pop(0) == "-P"
    if program != sys.executable or options[:1] != ["-m"] or options[1:2] == []:
        return None
    if options[1] not in MODULES:
        return None
    return plan | {"module": options[1], "arguments": options[1:], "safe": safe}


def _places(environment: Mapping[str, str], name: str) -> list[str]:
    return [place for place in environment.get(name, "").split(os.pathsep) if place]


def _can_be_met_later(place: str) -> bool:
    """Return whether no module comes from this place on PYTHONPATH that is loaded already."""
    if Path(place) == forking.REPOSITORY:
        return True
    return {path.name for path in Path(place).glob("*")} - {"__pycache__"} == {CUSTOMIZATION}


def _have_forked(plan: dict[str, Any], fds: Sequence[int]) -> int:
    """Have a process forked that becomes a child of this one; return its id."""
    global _server
    if _server is None or _server[1].poll() is not None:
        _server = _start_server()
    # A process whose parent has ended becomes the child of the next above that asks for it.
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                socket.send_fds(_server[0], [b"x"], [theirs.fileno(), *fds])
            message = json.dumps(plan).encode()
            ours.sendall(len(message).to_bytes(8, "big") + message)
            return int.from_bytes(forking.received(ours, 8), "big")
    finally:
        _libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def _start_server() -> "tuple[socket.socket, subprocess.Popen[bytes]]":
    """Start the process that is forked from; it ends with this one."""
    ours, theirs = socket.socketpair()
    settings = {"OMP_WAIT_POLICY": "PASSIVE", "TORCH_CPP_LOG_LEVEL": "ERROR"}
    with theirs:
        process = started(
            [sys.executable, "-m", "tests.forked", str(theirs.fileno()), "x" * PADDING],
            cwd=forking.REPOSITORY,
            env=os.environ | allocator_settings() | settings,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    return ours, process


def main() -> None:
    """Be the process that is forked from."""
    subprocess.Popen = Popen  # type: ignore[misc] - before anybody takes it by its name
    forking.serve(socket.socket(fileno=int(sys.argv[1])))


if __name__ == "__main__":
    # The module that everybody else imports, not the one that Python runs under another name.
    importlib.import_module("tests.forked").main()
