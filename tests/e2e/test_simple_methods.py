"""What a network has to beat is worked out beside the questions."""

import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import yaml

from tests.datasets import write_dataset
from tests.e2e.conftest import Open, Run
from tests.e2e.terminal import CTRL_B, CTRL_C, CTRL_U, ENTER, ESCAPE, Terminal
from tests.e2e.walk import Walk

SETTLER = "srwizard.data.baselines.settler"
TO_BEAT = "temp: RMSE 0.1497 by linear filter; bicubic 0.3772"


@pytest.fixture
def gate(environment: dict[str, str], dataset: Path, tmp_path: Path) -> Path:
    """A file without which the simple methods are not settled further than the fourth step."""
    steps = sorted((dataset / "train" / "hr" / "temp").iterdir())
    environment["PYTHONPATH"] = str(Path(__file__).parent / "gated")
    environment["GATE"] = str(tmp_path / "gate")
    environment["GATED"] = str(steps[4])
    return tmp_path / "gate"


def settlers(screen: Terminal) -> list[psutil.Process]:
    """Return the processes of a wizard that settle simple methods."""
    return [
        child
        for child in psutil.Process(screen.pid).children(recursive=True)
        if child.status() != psutil.STATUS_ZOMBIE and SETTLER in child.cmdline()
    ]


def eventually(is_so: Callable[[], bool]) -> bool:
    end = time.monotonic() + 60
    while not is_so() and time.monotonic() < end:
        time.sleep(0.05)
    return is_so()


def test_it_stands_in_the_review_and_in_the_table_after_going_back(
    terminal: Open, dataset: Path
) -> None:
    screen = terminal()
    walk = Walk(screen, root=dataset)
    walk.to("output")
    assert "temp: being worked out …" in screen.text
    assert eventually(lambda: not settlers(screen))
    screen.send(CTRL_B)
    screen.wait_for("? Dataset directory", count=2)
    screen.send(ENTER)
    screen.wait_for("? Run directory", count=2)
    assert re.search(rf"│ To beat +│ {re.escape(TO_BEAT)}", screen.text)
    walk.to("review", begin="output")
    assert f"  To beat: {TO_BEAT}" in screen.text
    screen.kill()


def test_in_chinese(terminal: Open, environment: dict[str, str], dataset: Path) -> None:
    environment["LANG"] = "zh_CN.UTF-8"
    root = write_dataset(dataset.with_name("two"), variables=["salt", "temp"])
    screen = terminal()
    screen.wait_for("? 数据集目录")
    screen.send(str(root) + ENTER)
    screen.wait_for("salt: 正在计算 …")
    # The question that comes next shows them as soon as they are there.
    screen.wait_for("temp  RMSE 0.175（线性滤波）；双三次插值 0.3589")
    screen.kill()


@pytest.mark.slow
def test_where_it_is_not_ready_freezing_waits_and_shows_the_steps(
    terminal: Open, srwizard: Run, gate: Path, dataset: Path, tmp_path: Path
) -> None:
    screen = terminal()
    Walk(screen, root=dataset).to("review")
    assert "To beat: temp: being worked out …" in screen.text
    screen.wait_for("    temp: being worked out … 8 %")
    screen.send(ENTER)
    screen.wait_for("Comparing the simple methods")
    screen.wait_for("4/47")
    assert "Frozen" not in screen.text
    gate.touch()
    screen.wait_for("Frozen:")
    screen.kill()
    frozen = yaml.safe_load((tmp_path / "runs" / "data" / "run.yaml").read_text())
    (skip,) = frozen["model"]["skip"].values()
    assert f"{skip['valid_rmse']['linear']:.4g}" == "0.1497"


@pytest.mark.slow
def test_a_review_that_waits_for_its_answer_shows_what_has_come_meanwhile(
    terminal: Open, gate: Path, dataset: Path
) -> None:
    screen = terminal()
    Walk(screen, root=dataset).to("review")
    assert TO_BEAT not in screen.text
    gate.touch()
    screen.wait_for(f"    {TO_BEAT}")
    assert eventually(lambda: not settlers(screen))
    screen.kill()


@pytest.mark.slow
def test_a_file_that_vanishes_is_told_in_the_review_and_when_freezing(
    terminal: Open, environment: dict[str, str], gate: Path, dataset: Path
) -> None:
    screen = terminal(columns=200)
    Walk(screen, root=dataset).to("review")
    gone = Path(environment["GATED"])
    gone.unlink()
    gate.touch()
    screen.wait_for(f"temp: could not be worked out: {gone} cannot be read: no such file")
    screen.send(ENTER)
    assert screen.wait_for_end() == 3
    assert "can no longer be used" in screen.text
    assert "Traceback" not in screen.text


@pytest.mark.slow
@pytest.mark.parametrize("how", ["Ctrl-C", "kill -9"])
def test_it_ends_with_the_wizard_and_begins_again_with_the_resumed_one(
    terminal: Open, gate: Path, dataset: Path, how: str
) -> None:
    screen = terminal()
    Walk(screen, root=dataset).to("training")
    (settler,) = settlers(screen)
    if how == "Ctrl-C":
        screen.send(CTRL_C)
        assert screen.wait_for_end() == 130
        assert not settler.is_running()
    else:
        os.kill(screen.pid, signal.SIGKILL)
        screen.wait_for_end()
        assert eventually(lambda: not settler.is_running())
    gate.touch()
    resumed = terminal("resume")
    walk = Walk(resumed, root=dataset, answered={"data": 1, "output": 1, "model": 1})
    resumed.wait_for("? Epochs")
    walk.to("review", begin="training")
    resumed.wait_for(TO_BEAT)
    resumed.kill()


@pytest.mark.slow
def test_what_is_at_work_on_a_dataset_ends_when_another_one_is_chosen(
    terminal: Open, gate: Path, dataset: Path
) -> None:
    other = write_dataset(dataset.with_name("other"), seed=1)
    screen = terminal()
    walk = Walk(screen, root=dataset)
    walk.to("output")
    (settler,) = settlers(screen)
    screen.send(ESCAPE)
    screen.wait_for("? Dataset directory", count=2)
    screen.send(CTRL_U + str(other) + ENTER)
    screen.wait_for("? Run directory", count=2)
    assert not settler.is_running()
    screen.send(ENTER)
    walk.to("review", begin="model")
    screen.wait_for("temp: RMSE")
    assert TO_BEAT not in screen.text
    screen.kill()


@pytest.mark.parametrize(("language", "word"), [("C.UTF-8", "Steps"), ("zh_CN.UTF-8", "时间步")])
def test_the_command_shows_the_steps_and_prints_only_its_result(
    terminal: Open, environment: dict[str, str], tmp_path: Path, language: str, word: str
) -> None:
    environment["LANG"] = language
    root = write_dataset(tmp_path / "long", steps=(300, 3, 3), hr_shape=(64, 64))
    screen = terminal("baselines", root)
    # 306 steps of HR and LR are looked at, 300 fitted on, 50 measured on, 3 and 3 scored on.
    screen.wait_for("/968")
    screen.wait_for(word)
    assert screen.wait_for_end() == 0
    assert "/968" not in screen.text


def test_from_an_answers_file_it_is_worked_out_when_freezing(
    srwizard: Run, answers: Path, tmp_path: Path
) -> None:
    done = srwizard("--answers", answers, "--stop-after", "frozen")
    assert done.returncode == 0, done.stderr
    assert "being worked out" not in done.stdout
    for name in ("baselines.npz", "normalization.npz"):
        assert (tmp_path / "run" / name).is_file()
