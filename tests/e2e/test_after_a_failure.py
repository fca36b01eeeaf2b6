"""After a failed training: what is offered fits what has happened."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import Open, Run
from tests.e2e.terminal import CTRL_C, DOWN, ENTER, Terminal

Fail = Callable[[str], Terminal]
OLD_SESSION = Path(__file__).parents[1] / "wizard" / "session-0.1.0.json"


@pytest.fixture
def failed(srwizard: Run, terminal: Open, answers: Path, tmp_path: Path) -> Fail:
    """Return a way to open a session whose training has just failed; no file tells why."""

    def open_one(kind: str) -> Terminal:
        assert srwizard("--answers", answers, "--stop-after", "frozen").returncode == 0
        path = only_session(tmp_path)
        figures = {"step": 3, "epoch": 2, "phase": "training"}
        reason = {"kind": kind, "error": "E", "figures": figures}
        saved = json.loads(path.read_text())
        path.write_text(json.dumps(saved | {"state": "diagnose", "reason": reason}))
        screen = terminal("resume", rows=24, columns=80)
        screen.wait_for("? What should be changed?")
        return screen

    return open_one


def only_session(tmp_path: Path) -> Path:
    (path,) = (tmp_path / "state" / "srwizard" / "sessions").glob("*.json")
    return path


def test_against_a_loss_that_is_not_finite_no_memory_is_saved(failed: Fail) -> None:
    screen = failed("loss_not_finite")
    screen.wait_for("Cost: each epoch makes less progress")
    assert "The loss is not a finite number." in screen.text
    assert "Batch size" not in screen.text
    screen.send("2")
    screen.wait_for("» 2. Largest norm of the gradient")
    screen.send(ENTER)
    screen.wait_for("Largest norm of the gradient never → 1.0")
    screen.wait_for("Largest norm of the gradient 1.0")
    screen.wait_for("? Go ahead?")
    screen.kill()


def test_one_who_comes_back_is_told_again_what_happened(failed: Fail, terminal: Open) -> None:
    screen = failed("loss_not_finite")
    screen.send(CTRL_C)
    assert screen.wait_for_end() == 130
    resumed = terminal("resume")
    resumed.wait_for("? What should be changed?")
    before = resumed.text[: resumed.text.index("? What should be changed?")]
    for shown in (
        "Training failed",
        "Error message: E",
        "After step 3, in epoch 2",
        "Likely causes:",
    ):
        assert shown in before, shown
    resumed.kill()


def test_what_to_type_names_the_run_directory(failed: Fail, tmp_path: Path) -> None:
    screen = failed("port_in_use")
    # A long path is broken between lines.
    assert f"srwizard train {tmp_path}/run".replace(" ", "") in "".join(screen.text.split())
    assert "RUN_DIR" not in screen.text
    screen.kill()


def test_where_nothing_of_the_answers_is_to_blame_the_run_is_tried_again_as_it_is(
    failed: Fail,
) -> None:
    screen = failed("disk_full")
    assert "free some space, then continue" in screen.text
    screen.wait_for("» Change nothing, or edit the answers myself")
    screen.send(ENTER)
    screen.wait_for("? Go ahead?")
    screen.send(ENTER)
    screen.wait_for("(revision 1,")
    screen.kill()


@pytest.mark.broad
def test_after_running_out_of_memory_what_saves_memory_is_offered(failed: Fail) -> None:
    screen = failed("host_out_of_memory")
    screen.wait_for("1. Mixed precision: no → yes")
    screen.send(DOWN)
    screen.wait_for("Predicted peak: ")
    screen.kill()


@pytest.mark.parametrize("record", ['{"kind": "loss_not_finite", "error": "E"}', "{"])
def test_a_session_of_version_0_1_0_that_had_failed_is_gone_on_with(
    srwizard: Run, terminal: Open, answers: Path, tmp_path: Path, record: str
) -> None:
    """Also where the record of its failure is lost."""
    assert srwizard("--answers", answers, "--stop-after", "frozen").returncode == 0
    path = only_session(tmp_path)
    now, old = json.loads(path.read_text()), json.loads(OLD_SESSION.read_text())
    failed = {"time": "now", "from": "launch", "trigger": "failed", "to": "diagnose"}
    old |= {key: now[key] for key in ("id", "answers", "digests", "fingerprint")}
    old |= {"state": "diagnose", "history": [*old["history"], failed]}
    path.write_text(json.dumps(old))
    (tmp_path / "run" / "failure.json").write_text(record)
    screen = terminal("resume")
    screen.wait_for("? What should be changed?")
    if "loss" in record:
        screen.wait_for("1. Learning rate 0.001 → 0.0001")
    else:
        screen.wait_for("» Change nothing, or edit the answers myself")
    screen.kill()
