"""What a run directory says of a run whose job Slurm tells of: on other machines, or ended."""

import json
import os
import signal
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from srwizard.base.errors import UsageError
from srwizard.runs import submission
from srwizard.runs.process_identity import LOCK_FILE, identity_of
from srwizard.runs.status import advice, state_text, status_of
from srwizard.runs.stopping import request_stop
from srwizard.slurm import following

NAME = "srwizard-run"


@pytest.fixture(autouse=True)
def asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "_queues", {})


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A frozen run whose job 7 was submitted a minute ago."""
    from srwizard.settings import run_config
    from tests.configs import made_up_config

    path = tmp_path / "run"
    path.mkdir()
    run_config.write(run_config.seal(made_up_config()), path)
    following.note(path, "7", NAME, os.getuid(), "slurm-7.log")
    record = json.loads((path / "job.json").read_text())
    write(path / "job.json", record | {"since": ago(60)})
    return path


def ago(seconds: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()


def write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content))


def said(run_dir: Path, state: str, **details: Any) -> None:
    """Let training on another machine have said something."""
    identity = {"host": "far-away", "pid": 1, "process_start": 1, "boot_id": "x"}
    write(run_dir / "status.json", {"state": state, "time": ago(30), **identity, **details})


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "StandIn":
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", str(directory), prepend=":")
    return StandIn(directory)


class StandIn:
    """Programs called as those of Slurm, which print what they are told to."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        for name in ("squeue", "sacct", "scontrol", "scancel", "sbatch"):
            self.says(name, "", code=0 if name == "squeue" else 1)

    def says(self, name: str, text: str, code: int = 0) -> None:
        path = self._directory / name
        path.write_text(
            f'#!/bin/sh\necho "$0 $*" >> {self._directory}/calls\n'
            f"cat << 'END'\n{text}\nEND\nexit {code}\n"
        )
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def queue(self, state: str, *, reason: str = "None", nodes: str = "", name: str = NAME) -> None:
        self.says("squeue", f"7|{os.getuid()}|{state}|2026-11-25T10:00:00|{nodes}|{reason}|{name}")

    def calls(self) -> list[str]:
        path = self._directory / "calls"
        return path.read_text().splitlines() if path.exists() else []


def run_status(run_dir: Path) -> dict[str, Any]:
    found = status_of(run_dir)
    assert found is not None
    return found


def test_waiting(slurm: StandIn, run_dir: Path) -> None:
    slurm.queue("PENDING", reason="Priority")
    found = run_status(run_dir)
    assert (found["state"], found["alive"]) == ("queued", False)
    assert found["job"]["reason"] == "Priority"
    text = state_text(found)
    assert "Slurm job 7" in text and "Priority" in text and "2026-11-25 10:00:00" in text
    # Also one that was cut off and waits for its next turn.
    for state in ("stopped", "running"):
        said(run_dir, state)
        assert run_status(run_dir)["state"] == "queued"


def test_alive_on_another_machine(slurm: StandIn, run_dir: Path) -> None:
    slurm.queue("RUNNING", nodes="n[1-2]")
    found = run_status(run_dir)  # it has not begun to train yet
    assert (found["state"], found["alive"], found["phase"]) == ("running", True, "set-up")
    said(run_dir, "running", phase="training", epoch=3, epochs=9)
    found = run_status(run_dir)
    assert (found["state"], found["alive"], found["phase"]) == ("running", True, "training")
    assert "Slurm job 7 on n[1-2]" in state_text(found)
    said(run_dir, "completed")
    assert run_status(run_dir)["state"] == "completed"


def test_what_it_said_before_the_job_came_is_not_taken_for_the_job_s(
    slurm: StandIn, run_dir: Path
) -> None:
    slurm.queue("RUNNING", nodes="n1")
    said(run_dir, "failed", time=ago(3600), failure={"kind": "killed", "error": "of old"})
    assert run_status(run_dir)["state"] == "running"


@pytest.mark.parametrize("state", ["TIMEOUT", "OUT_OF_MEMORY", "NODE_FAIL", "CANCELLED"])
def test_ended_while_it_trained(slurm: StandIn, run_dir: Path, state: str) -> None:
    said(run_dir, "running", phase="training")
    slurm.says(
        "sacct", f"{state} by 1000|0:9|{NAME}" if state == "CANCELLED" else f"{state}|0:9|{NAME}"
    )
    found = run_status(run_dir)
    assert (found["state"], found["alive"]) == ("interrupted", False)
    assert state in state_text(found)
    assert any("srwizard submit" in line for line in advice(found))
    # Slurm forgets it; the run directory does not.
    slurm.says("sacct", "", code=1)
    calls = len(slurm.calls())
    assert run_status(run_dir)["job"]["state"] == state
    assert len(slurm.calls()) == calls


def test_without_accounts_slurm_s_memory_must_do(slurm: StandIn, run_dir: Path) -> None:
    said(run_dir, "running", phase="training")
    slurm.says("sacct", "Slurm accounting storage is disabled", code=1)
    slurm.says(
        "scontrol", "JobId=7 JobName=srwizard-run JobState=TIMEOUT Reason=TimeLimit ExitCode=0:15"
    )
    assert "TIMEOUT: its time limit was reached" in state_text(run_status(run_dir))


def test_ended_before_it_could_say_anything(slurm: StandIn, run_dir: Path) -> None:
    slurm.says("sacct", f"FAILED|4:0|{NAME}")
    found = run_status(run_dir)
    assert (found["state"], found["failure"]["kind"]) == ("failed", "does_not_fit")
    assert any("slurm-7.log" in line for line in advice(found))


def test_ended_by_a_node_before_it_could_say_anything(slurm: StandIn, run_dir: Path) -> None:
    slurm.says("sacct", f"NODE_FAIL|1:0|{NAME}")
    found = run_status(run_dir)
    assert (found["state"], found["failure"]["kind"]) == ("failed", "job_ended")
    assert "NODE_FAIL: a node failed" in found["failure"]["error"]


def test_cancelled_while_it_waited(slurm: StandIn, run_dir: Path) -> None:
    slurm.says("sacct", f"CANCELLED by 1000|0:0|{NAME}")
    assert run_status(run_dir)["state"] == "frozen"


def test_a_number_that_another_job_has_by_now(slurm: StandIn, run_dir: Path) -> None:
    slurm.queue("RUNNING", nodes="n1", name="somebody-elses")
    said(run_dir, "running", phase="training")
    found = run_status(run_dir)
    assert found["state"] == "interrupted"
    with pytest.raises(UsageError, match="nothing is running"):
        request_stop(run_dir)
    assert not [call for call in slurm.calls() if "scancel" in call]


def test_how_another_job_of_that_number_has_ended_is_not_taken_for_it(
    slurm: StandIn, run_dir: Path
) -> None:
    """As on another cluster, to which the run directory was copied."""
    said(run_dir, "running", phase="training")
    slurm.says("sacct", "COMPLETED|0:0|somebody-elses")
    slurm.says("scontrol", "JobId=7 JobName=else JobState=FAILED ExitCode=1:0")
    found = run_status(run_dir)
    assert (found["state"], found["job"]["state"]) == ("interrupted", None)
    assert "ended" not in json.loads((run_dir / "job.json").read_text())


def test_no_second_job_where_slurm_does_not_say_what_became_of_the_first(
    slurm: StandIn, run_dir: Path
) -> None:
    slurm.says("squeue", "slurm_load_jobs error: Socket timed out", code=1)
    with pytest.raises(UsageError, match=r"the job 7 of .* may still wait or run"):
        submission.hand_over(submission.Prepared(run_dir / "job.sbatch", (run_dir,)))
    said(run_dir, "stopped")
    found = run_status(run_dir)
    assert "Slurm does not answer" in state_text(found)
    assert any("squeue -j 7" in line for line in advice(found))
    assert not [call for call in slurm.calls() if "sbatch" in call]


def test_a_training_beside_a_job_that_waits(
    slurm: StandIn, run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused; where it goes on all the same, `stop` asks it and takes the job out."""
    slurm.queue("PENDING")
    slurm.says("scancel", "")
    with pytest.raises(UsageError, match=r"the Slurm job 7 of .* waits in the queue"):
        submission.require_no_job(run_dir)
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    submission.require_no_job(run_dir)  # the job itself, of which Slurm says so a little longer
    with (run_dir / LOCK_FILE).open("w") as lock:
        here = subprocess.Popen(["sleep", "60"], stdin=lock)
    try:
        write(
            run_dir / "status.json", {"state": "running", "time": ago(5), **identity_of(here.pid)}
        )
        found = run_status(run_dir)
        assert (found["state"], found["alive"]) == ("running", True)
        assert f"process {here.pid}" in state_text(found)
        assert "Slurm job 7 waits in the queue beside it" in state_text(found)
        assert request_stop(run_dir) == "asked"
        assert here.wait(20) == -signal.SIGTERM
    finally:
        here.kill()
    assert [call for call in slurm.calls() if "scancel --state=PENDING 7" in call]


def test_another_user_s_job_is_left_alone(slurm: StandIn, run_dir: Path) -> None:
    record = json.loads((run_dir / "job.json").read_text())
    write(run_dir / "job.json", record | {"uid": os.getuid() + 1})
    slurm.queue("PENDING")
    with pytest.raises(UsageError, match="another user"):
        request_stop(run_dir)
    assert not [call for call in slurm.calls() if "scancel" in call]


def test_where_slurm_cannot_be_asked(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert run_status(run_dir)["state"] == "frozen"
    said(run_dir, "running", phase="training")
    found = run_status(run_dir)
    assert (found["state"], found["alive"]) == ("running", None)
    said(run_dir, "stopped")
    assert run_status(run_dir)["state"] == "stopped"


@pytest.mark.parametrize("content", ["", "[1]", "{}", '{"job": 7, "uid": "x"}'])
def test_a_damaged_record_is_none(slurm: StandIn, run_dir: Path, content: str) -> None:
    (run_dir / "job.json").write_text(content)
    found = run_status(run_dir)
    assert (found["state"], found["job"]) == ("frozen", None)
