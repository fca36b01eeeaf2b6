"""Runs as their users attend to them: in the background, watched, stopped, scored."""

import contextlib
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from rich.cells import cell_len

from tests.datasets import write_dataset
from tests.e2e.conftest import Open, Run
from tests.e2e.terminal import CTRL_C, PROGRAM
from tests.train.runs import PATIENCE_SECONDS, epochs, freeze

LONG = 100_000


@pytest.fixture(autouse=True)
def nobody_left(tmp_path: Path) -> Iterator[None]:
    """Kill in the end whatever is still at work in the run directories of a test."""
    yield
    for path in tmp_path.glob("*/status.json"):
        with contextlib.suppress(OSError, ValueError, KeyError, psutil.Error):
            process = psutil.Process(status(path.parent)["pid"])
            if str(path.parent) in process.cmdline():
                for left in [*process.children(recursive=True), process]:
                    left.kill()


@pytest.fixture
def long_run(tmp_path: Path) -> Path:
    """A frozen run that does not end by itself."""
    run_dir = tmp_path / "long"
    freeze(write_dataset(tmp_path / "many", steps=(20, 2, 2)), run_dir, epochs=LONG)
    return run_dir


def status(run_dir: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run_dir / "status.json").read_text())
    return found


def run_status(srwizard: Run, *run_dirs: Path) -> list[dict[str, Any]]:
    shown = srwizard("status", "--json", *run_dirs)
    assert shown.returncode == 0, shown.stderr
    found: list[dict[str, Any]] = json.loads(shown.stdout)
    return found


def wait_for_epochs(run_dir: Path, number: int) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while len(epochs(run_dir)) < number:
        assert time.monotonic() < until, (run_dir / "console.log").read_text()
        time.sleep(0.05)


@pytest.mark.slow
def test_in_the_background(
    srwizard: Run, long_run: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    begun = srwizard("train", long_run, "--detach")
    assert begun.returncode == 0, begun.stderr
    for advised in ("logs -f", "status", "stop"):
        assert f"srwizard {advised} {long_run}" in begun.stdout
    pid = status(long_run)["pid"]
    assert os.getsid(pid) == pid != os.getsid(0)  # no terminal's end reaches it
    os.kill(pid, signal.SIGHUP)
    with subprocess.Popen(
        [PROGRAM, "logs", "-f", str(long_run)],
        env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as following:  # fmt: skip
        wait_for_epochs(long_run, 2)
        (found,) = run_status(srwizard)  # it is known without being named
        assert found["run_dir"] == str(long_run)
        assert (found["state"], found["alive"], found["pid"]) == ("running", True, pid)
        assert found["epochs"] == LONG
        assert found["memory_bytes"] > 10_000_000
        # One training, or evaluation, at a time.
        for other in (["train"], ["train", "--detach"], ["evaluate", "--checkpoint", "last"]):
            refused = srwizard(*other, long_run)
            assert refused.returncode == 2, refused.stdout
            assert "in use" in refused.stderr or "already running" in refused.stderr
        stopped = srwizard("stop", long_run)
        assert stopped.returncode == 0, stopped.stderr
        assert "checkpoints/last.pt" in stopped.stdout
        assert f"srwizard train {long_run}" in stopped.stdout
        log, end = following.communicate(timeout=PATIENCE_SECONDS)
        assert following.returncode == 0
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    assert "epoch 2/" in log and "stopped on request" in log
    assert end.startswith("stopped")
    (found,) = run_status(srwizard, long_run)
    assert (found["state"], found["alive"]) == ("stopped", False)
    assert found["step"] >= 2 * found["steps_in_epoch"]
    assert 0 < found["progress"] < 1
    again = srwizard("stop", long_run)
    assert again.returncode == 2
    assert "nothing is running" in again.stderr


@pytest.mark.slow
def test_killed_without_a_word(srwizard: Run, long_run: Path) -> None:
    assert srwizard("train", "--detach", long_run).returncode == 0
    wait_for_epochs(long_run, 1)
    process = psutil.Process(status(long_run)["pid"])
    process.kill()
    process.wait(PATIENCE_SECONDS)  # it takes a moment to give back its memory
    shown = srwizard("status", long_run)
    assert "interrupted: its process is gone" in shown.stdout
    assert f"srwizard train {long_run}" in shown.stdout
    assert run_status(srwizard, long_run)[0]["state"] == "interrupted"
    assert srwizard("stop", long_run).returncode == 2
    # And it does go on.
    assert srwizard("train", "--detach", long_run).returncode == 0
    assert srwizard("stop", long_run).returncode == 0


@pytest.mark.slow
def test_from_an_answers_file_into_the_background_and_back(
    srwizard: Run, terminal: Open, answers: Path, tmp_path: Path
) -> None:
    begun = srwizard("--answers", answers, "--detach")
    assert begun.returncode == 0, begun.stderr
    run_dir = tmp_path / "run"
    assert f"srwizard logs -f {run_dir}" in begun.stdout
    watched = srwizard("status", run_dir, "--watch")
    assert watched.returncode == 0
    # Not only the training: the report is written, too.
    process = status(run_dir)["pid"]
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(process).wait(PATIENCE_SECONDS)
    assert (run_dir / "report.html").is_file()
    assert "RMSE" in (run_dir / "console.log").read_text()
    (found,) = run_status(srwizard, run_dir)
    assert (found["state"], found["progress"], found["report"]) == ("completed", 1.0, True)
    assert set(found["test"]["temp"]) == {"rmse", "bicubic_rmse", "best", "best_rmse", "skill"}
    # The session comes back to the result.
    screen = terminal("resume")
    screen.wait_for("Test split")
    assert screen.wait_for_end() == 0
    before = (run_dir / "metrics.jsonl").read_bytes()
    # The same scores as training found.
    scored = srwizard("evaluate", run_dir, "--json")
    assert scored.returncode == 0, scored.stderr
    result = json.loads(scored.stdout)
    assert json.loads((run_dir / "evaluation.test.best.json").read_text()) == result
    test_event = json.loads(before.decode().splitlines()[-1])
    for method in ("model", "bicubic"):
        found_then = test_event["variables"]["temp"][method]
        assert result["variables"]["temp"][method] == pytest.approx(found_then)
    assert result["epoch"] == test_event["epoch"]
    assert (run_dir / "metrics.jsonl").read_bytes() == before
    # A damaged checkpoint is named; what is there of earlier stays.
    (run_dir / "checkpoints" / "best.pt").write_bytes(b"no checkpoint")
    damaged = srwizard("evaluate", run_dir)
    assert damaged.returncode == 5
    assert f"{run_dir}/checkpoints/best.pt is damaged" in damaged.stderr
    assert "--checkpoint last" in damaged.stderr
    assert json.loads((run_dir / "evaluation.test.best.json").read_text()) == result
    assert not (run_dir / "failure.json").exists()
    assert not list(run_dir.glob(".evaluate-*"))


@pytest.mark.slow
def test_a_session_resumed_while_its_training_goes_on(
    srwizard: Run, terminal: Open, answers: Path, tmp_path: Path
) -> None:
    begun = srwizard(
        "--answers",
        answers,
        "--detach",
        "--set",
        f"training.epochs={LONG}",
        "--set",
        "training.patience=null",
    )
    assert begun.returncode == 0, begun.stderr
    run_dir = tmp_path / "run"
    screen = terminal("resume")
    screen.wait_for("running · EDSR")
    screen.wait_for("srwizard stop")
    assert screen.wait_for_end() == 0
    assert run_status(srwizard, run_dir)[0]["state"] == "running"
    assert srwizard("stop", run_dir).returncode == 0


@pytest.mark.slow
def test_two_processes_score_whole_fields_of_a_training_in_patches(
    srwizard: Run, tmp_path: Path, dataset: Path
) -> None:
    run_dir = tmp_path / "patches"
    freeze(dataset, run_dir, processes=2, patch_size=8, epochs=1)
    assert srwizard("train", run_dir).returncode == 0
    shown = srwizard("evaluate", run_dir, "--split", "train", "--checkpoint", "last")
    assert shown.returncode == 0, shown.stderr
    result = json.loads((run_dir / "evaluation.train.last.json").read_text())
    scores = result["variables"]["temp"]
    assert "Training split" in shown.stdout
    assert f"{scores['model']['rmse']:.4g}" in shown.stdout
    assert f"{100 * scores['skill']:+.1f} %" in shown.stdout
    assert (result["epoch"], result["step"], result["members"]) == (1, 2, 1)


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "columns", "lang"), [(24, 80, "en"), (10, 36, "zh")])
def test_the_live_view(
    terminal: Open,
    environment: dict[str, str],
    long_run: Path,
    rows: int,
    columns: int,
    lang: str,
) -> None:
    environment["NO_COLOR"] = "1"
    screen = terminal("--lang", lang, "train", long_run, rows=rows, columns=columns)
    wait_for_epochs(long_run, 2)
    words = {"en": ("step ", "loss ", "samples/s", "left", "memory ", "RMSE", "bicubic"),
             "zh": ("步", "损失", "样本", "剩余", "内存", "RMSE", "双三次")}[lang]  # fmt: skip
    until = time.monotonic() + PATIENCE_SECONDS
    # The bars stand still for a moment only: all of it on one screen.
    while not all(word in screen.visible for word in words):
        assert time.monotonic() < until, screen.visible
        with contextlib.suppress(AssertionError):
            screen.wait_for("never shown", patience=0.2)
    assert max(cell_len(line) for line in screen.visible.splitlines()) <= columns
    colours = {cell.fg for line in screen.screen.buffer.values() for cell in line.values()}
    assert colours == {"default"}
    screen.send(CTRL_C)
    assert screen.wait_for_end() == 130
    assert "step 1" not in screen.visible.splitlines()[-1]  # the bars are taken away
    assert status(long_run)["state"] == "stopped"


def test_a_training_that_cannot_begin_in_the_background_says_so(
    srwizard: Run, long_run: Path, tmp_path: Path
) -> None:
    (tmp_path / "many").rename(tmp_path / "gone")
    refused = srwizard("train", long_run, "--detach")
    assert refused.returncode == 3
    assert str(tmp_path / "many") in refused.stderr
    assert not (long_run / "status.json").exists()


def no_directory(_long_run: Path, tmp_path: Path) -> Path:
    return tmp_path / "nowhere"


def no_run(_long_run: Path, tmp_path: Path) -> Path:
    return tmp_path


def another_version(long_run: Path, _tmp_path: Path) -> Path:
    path = long_run / "run.yaml"
    text = path.read_text()
    path.chmod(0o644)
    path.write_text(text.replace("schema_version: 1", "schema_version: 7"))
    return long_run


@pytest.mark.parametrize("command", ["status", "logs", "stop", "evaluate", "train"])
@pytest.mark.parametrize("wrong", [no_directory, no_run, another_version])
def test_what_is_no_run_directory(
    srwizard: Run, long_run: Path, tmp_path: Path, command: str, wrong: Any
) -> None:
    run_dir = wrong(long_run, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in long_run.rglob("*")}
    shown = srwizard(command, run_dir)
    if wrong is another_version and command == "status":
        assert shown.returncode == 0
        assert "not trained yet" in shown.stdout
        return
    assert shown.returncode == 2
    assert str(run_dir) in shown.stderr
    assert len(shown.stderr.splitlines()) <= 2
    assert {path: path.stat().st_mtime_ns for path in long_run.rglob("*")} == before


def test_an_evaluation_without_a_checkpoint(srwizard: Run, long_run: Path) -> None:
    refused = srwizard("evaluate", long_run)
    assert refused.returncode == 2
    assert "checkpoints/best.pt" in refused.stderr
    assert f"srwizard train {long_run}" in refused.stderr


def test_runs_that_are_no_more_are_forgotten(srwizard: Run, long_run: Path, tmp_path: Path) -> None:
    known = tmp_path / "state" / "srwizard" / "runs"
    known.mkdir(parents=True)
    (known / "gone.json").write_text(json.dumps({"run_dir": str(tmp_path / "gone")}))
    (known / "odd.json").write_text("[")
    # Its disk may come back.
    (known / "away.json").write_text(json.dumps({"run_dir": str(tmp_path / "disk" / "run")}))
    found = run_status(srwizard)  # that below the directory one stands in
    assert [run["run_dir"] for run in found] == [str(long_run)]
    assert found[0]["state"] == "frozen"
    assert [left.name for left in known.iterdir()] == ["away.json"]


def test_a_tracker_that_is_not_installed(srwizard: Run, answers: Path, tmp_path: Path) -> None:
    refused = srwizard("--answers", answers, "--set", "training.trackers=[wandb]")
    assert refused.returncode == 2
    assert "pip install 'srwizard[wandb]'" in refused.stderr
    assert not (tmp_path / "run").exists()
    odd = srwizard("--answers", answers, "--set", "training.trackers=[paper]")
    assert odd.returncode == 2
    assert re.search(r"paper.*tensorboard", odd.stderr)
