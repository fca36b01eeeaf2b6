"""A terminal that is closed, or whose connection is cut, loses nothing."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from srwizard.runs.records import Records
from tests.datasets import write_dataset
from tests.e2e.conftest import Open, Run
from tests.e2e.terminal import ENTER, UP, Terminal
from tests.e2e.walk import Walk
from tests.train.runs import PATIENCE_SECONDS, epochs, freeze

MANY = 100_000


def status(srwizard: Run, run_dir: Path) -> dict[str, Any]:
    shown = srwizard("status", "--json", run_dir)
    assert shown.returncode == 0, shown.stderr
    found: dict[str, Any] = json.loads(shown.stdout)[0]
    return found


def wait_for_epoch(run_dir: Path, number: int) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not (run_dir / "metrics.jsonl").exists() or len(epochs(run_dir)) < number:
        assert time.monotonic() < until, (run_dir / "train.log").read_text()
        time.sleep(0.05)


def goes_on_until_it_is_stopped(srwizard: Run, screen: Terminal, run_dir: Path) -> None:
    """Close the terminal while a run trains; look at it, read along, and stop it."""
    screen.close()
    os.kill(screen.pid, signal.SIGHUP)  # as a shell repeats it
    wait_for_epoch(run_dir, len(epochs(run_dir)) + 3)
    found = status(srwizard, run_dir)
    assert (found["state"], found["alive"], found["background"]) == ("running", True, True)
    assert "在后台运行" in srwizard("status", run_dir, "--lang", "zh").stdout
    assert "training continues in the background" in srwizard("logs", run_dir).stdout
    stopped = srwizard("stop", run_dir)
    assert stopped.returncode == 0, stopped.stderr
    assert "checkpoints/last.pt" in stopped.stdout
    assert status(srwizard, run_dir)["state"] == "stopped"
    assert not (run_dir / "failure.json").exists()
    assert "epoch" in (run_dir / "console.log").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_a_training_goes_on_when_its_terminal_is_closed(
    terminal: Open, srwizard: Run, tmp_path: Path, processes: int
) -> None:
    run_dir = tmp_path / "run"
    data = write_dataset(tmp_path / "data", steps=(20, 2, 2))
    freeze(data, run_dir, epochs=MANY, processes=processes)
    screen = terminal("train", run_dir)
    wait_for_epoch(run_dir, 1)
    goes_on_until_it_is_stopped(srwizard, screen, run_dir)
    assert screen.wait_for_exit() == 130
    # Nothing is lost: it goes on from there.
    done = len(epochs(run_dir))
    again = terminal("train", run_dir)
    wait_for_epoch(run_dir, done + 1)
    again.kill()


@pytest.mark.slow
def test_a_training_of_the_wizard_goes_on_and_its_session_comes_back_to_it(
    terminal: Open, srwizard: Run, answers: Path, tmp_path: Path
) -> None:
    screen = terminal("--answers", answers, "--set", f"training.epochs={MANY}")
    wait_for_epoch(tmp_path / "run", 1)
    screen.close()
    wait_for_epoch(tmp_path / "run", len(epochs(tmp_path / "run")) + 3)
    looked_at = terminal("resume", "--lang", "zh")
    looked_at.wait_for("在后台运行")
    looked_at.wait_for("停止并保存检查点")
    assert looked_at.wait_for_end() == 0
    goes_on_until_it_is_stopped_elsewhere(srwizard, tmp_path / "run")
    assert screen.wait_for_exit() == 130
    resumed = terminal("resume")
    resumed.wait_for("Training in")
    resumed.kill()


def goes_on_until_it_is_stopped_elsewhere(srwizard: Run, run_dir: Path) -> None:
    assert srwizard("stop", run_dir).returncode == 0
    assert status(srwizard, run_dir)["state"] == "stopped"


@pytest.mark.slow
def test_a_training_that_completes_without_its_terminal_has_its_report(
    terminal: Open, srwizard: Run, answers: Path, tmp_path: Path
) -> None:
    screen = terminal("--answers", answers, "--set", "training.epochs=100")
    wait_for_epoch(tmp_path / "run", 1)
    screen.close()
    assert screen.wait_for_exit() == 0
    assert status(srwizard, tmp_path / "run")["state"] == "completed"
    assert (tmp_path / "run" / "report.html").is_file()
    resumed = terminal("resume")
    resumed.wait_for("Test split")
    assert resumed.wait_for_end() == 0


def test_a_closed_terminal_saves_the_session(terminal: Open, dataset: Path, tmp_path: Path) -> None:
    screen = terminal("--lang", "zh")
    screen.wait_for("数据集目录")
    screen.send(str(dataset) + ENTER)
    screen.wait_for("运行目录")
    screen.close()
    assert screen.wait_for_exit() == 130
    resumed = terminal("resume", "--lang", "zh")
    resumed.wait_for("运行目录")
    resumed.kill()


@pytest.mark.slow
def test_the_review_offers_to_train_in_the_background(
    terminal: Open, srwizard: Run, dataset: Path, tmp_path: Path
) -> None:
    screen = terminal()
    Walk(screen, root=dataset).to("review")
    screen.send(UP * 2 + ENTER)
    screen.wait_for("Training in the background")
    assert screen.wait_for_end() == 0
    run_dir = tmp_path / "runs" / "data"
    assert Records(run_dir).status()["state"] in ("running", "completed")
    srwizard("stop", run_dir)
