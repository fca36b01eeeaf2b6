"""Whose process a run is: never another one's, whatever its number says."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from srwizard.base.errors import UsageError
from srwizard.runs.process_identity import boot_id, identity_of, locate, start_of
from srwizard.runs.records import Records, now
from srwizard.runs.status import state_text, status_of
from srwizard.runs.stopping import request_stop
from tests.report.made_up_run import epoch_event


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    """Somebody's process that must not be harmed."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    (tmp_path / "run.yaml").write_text("model: {name: EDSR}\n")
    return tmp_path


def at_work_in(run_dir: Path, **options: Any) -> "subprocess.Popen[bytes]":
    """Start a process that has the lock file of a run directory open."""
    with (run_dir / ".lock").open("w") as lock:
        return subprocess.Popen(["/bin/sleep", "600"], pass_fds=[lock.fileno()], **options)


@pytest.fixture
def trainer(run_dir: Path) -> Iterator["subprocess.Popen[bytes]"]:
    process = at_work_in(run_dir)
    yield process
    process.kill()
    process.wait()


def say(run_dir: Path, **status: Any) -> None:
    (run_dir / "status.json").write_text(json.dumps({"state": "running"} | status))


def test_a_process_is_known_by_more_than_its_number(
    sleeper: "subprocess.Popen[bytes]",
) -> None:
    identity = identity_of(sleeper.pid)
    assert locate(identity) == "here"
    assert locate(identity | {"process_start": identity["process_start"] - 1}) == "gone"
    assert locate(identity | {"boot_id": "another"}) == "gone"
    assert locate(identity | {"host": "elsewhere"}) == "elsewhere"
    assert locate({"pid": sleeper.pid}) == "unknown"
    sleeper.kill()
    sleeper.wait()
    assert locate(identity) == "gone"


def test_who_has_ended_but_is_not_waited_for_is_gone(
    sleeper: "subprocess.Popen[bytes]",
) -> None:
    identity = identity_of(sleeper.pid)
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert locate(identity) == "gone"


@pytest.mark.parametrize(
    "difference", [{"process_start": 1}, {"boot_id": "another"}, {"host": "elsewhere"}]
)
def test_a_recycled_number_or_another_machine_is_never_stopped(
    run_dir: Path, sleeper: "subprocess.Popen[bytes]", difference: dict[str, Any]
) -> None:
    say(run_dir, **identity_of(sleeper.pid) | difference)
    with pytest.raises(UsageError) as refused:
        request_stop(run_dir)
    assert refused.value.exit_code == 2
    assert sleeper.poll() is None
    run_status = status_of(run_dir)
    assert run_status is not None
    if "host" in difference:
        assert "elsewhere" in refused.value.message
        assert (run_status["state"], run_status["alive"]) == ("running", None)
    else:
        assert "its process is gone" in refused.value.message
        assert run_status["state"] == "interrupted"


def test_another_users_process_is_never_stopped(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.getuid() == 0:
        process = at_work_in(run_dir, user=65534)
        pid = process.pid
    else:
        process, pid = None, 1
    try:
        # Even if it claims to be ours.
        say(run_dir, pid=pid, process_start=start_of(pid), host=socket.gethostname(),
            boot_id=boot_id(), uid=os.getuid())  # fmt: skip
        sent: list[int] = []
        monkeypatch.setattr(signal, "pidfd_send_signal", lambda *_: sent.append(1))
        monkeypatch.setattr(os, "kill", lambda *_: sent.append(1))
        with pytest.raises(UsageError, match="another user"):
            request_stop(run_dir)
        assert not sent
    finally:
        if process is not None:
            monkeypatch.undo()
            process.kill()
            process.wait()


def test_ours_is_asked_to_stop(run_dir: Path, trainer: "subprocess.Popen[bytes]") -> None:
    say(run_dir, **identity_of(trainer.pid))
    request_stop(run_dir)
    assert trainer.wait(30) == -signal.SIGTERM


def test_the_process_of_a_copy_or_of_anything_else_is_never_stopped(
    run_dir: Path, tmp_path_factory: pytest.TempPathFactory,
    trainer: "subprocess.Popen[bytes]", sleeper: "subprocess.Popen[bytes]",
) -> None:  # fmt: skip
    """A run directory that was copied while it trained, and a status that names any process."""
    say(run_dir, **identity_of(trainer.pid))
    copy = tmp_path_factory.mktemp("copies") / "copy"
    shutil.copytree(run_dir, copy)
    for directory, process in ((copy, trainer), (run_dir, sleeper)):
        say(directory, **identity_of(process.pid))
        found = status_of(directory)
        assert found is not None
        assert found["state"] == "interrupted"
        with pytest.raises(UsageError, match="its process is gone"):
            request_stop(directory)
        assert process.poll() is None


def test_a_run_directory_that_was_moved_meanwhile_is_still_known(
    run_dir: Path, tmp_path_factory: pytest.TempPathFactory, trainer: "subprocess.Popen[bytes]"
) -> None:
    say(run_dir, **identity_of(trainer.pid))
    moved = tmp_path_factory.mktemp("elsewhere") / "run"
    run_dir.rename(moved)
    assert locate(identity_of(trainer.pid), moved) == "here"
    moved.rename(run_dir)


def test_without_descriptors_of_processes_too(
    run_dir: Path, trainer: "subprocess.Popen[bytes]", monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_pid: int) -> int:
        raise OSError("not on this system")

    monkeypatch.setattr(os, "pidfd_open", refuse)
    say(run_dir, **identity_of(trainer.pid))
    request_stop(run_dir)
    assert trainer.wait(30) == -signal.SIGTERM


def test_another_machine_that_has_gone_silent(run_dir: Path) -> None:
    elsewhere = identity_of(os.getpid()) | {"host": "elsewhere"}
    for time, silent in (("2020-01-01T00:00:00+00:00", True), (now(), False), ("odd", False)):
        say(run_dir, **elsewhere, time=time)
        run_status = status_of(run_dir)
        assert run_status is not None
        assert ("no sign of life for" in state_text(run_status)) == silent


@pytest.mark.parametrize("content", ["", "[]", "{", '{"state": 3}', '{"state": "running"}'])
def test_a_status_that_says_nothing_of_use(run_dir: Path, content: str) -> None:
    (run_dir / "status.json").write_text(content)
    run_status = status_of(run_dir)
    assert run_status is not None
    assert run_status["state"] in ("frozen", "interrupted")
    with pytest.raises(UsageError, match="nothing is running"):
        request_stop(run_dir)


def test_one_that_is_stopped_before_it_goes_on_keeps_its_figures(run_dir: Path) -> None:
    """It has trained two epochs; begun again, it was stopped before its next step."""
    records = Records(run_dir)
    for number in (1, 2):
        records.append(epoch_event(number))
    records.begin_status(phase="set-up", epochs=8)
    records.set_status("stopped")
    found = status_of(run_dir)
    assert found is not None
    assert (found["state"], found["epoch"], found["progress"]) == ("stopped", 2, 0.25)
    assert found["validation"]["epoch"] == 2
    assert found["step"] is None
