"""Sessions: listed, locked, refused when damaged, and gone on with when the world has changed."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from srwizard.base.locks import held
from tests.e2e.conftest import Open, Run
from tests.e2e.terminal import CTRL_C, CTRL_U, DOWN, ENTER
from tests.e2e.walk import Walk


def session_files(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "state" / "srwizard" / "sessions").glob("*.json"))


def leave_session(terminal: Open, dataset: Path, state: str) -> None:
    screen = terminal()
    Walk(screen, root=dataset).to(state)
    screen.send(CTRL_C)
    assert screen.wait_for_end() == 130


def test_resume_without_a_session_says_how_to_begin(srwizard: Run) -> None:
    refused = srwizard("resume")
    assert refused.returncode == 2
    assert "there is no unfinished session" in refused.stderr


@pytest.mark.broad
def test_several_sessions_are_listed_the_latest_first(
    terminal: Open, dataset: Path, tmp_path: Path
) -> None:
    leave_session(terminal, dataset, "model")
    leave_session(terminal, dataset, "training")
    screen = terminal("resume", columns=160)
    screen.wait_for("Which session?")
    screen.wait_for("· model ·")
    text = screen.text
    assert text.index("· training ·") < text.index("· model ·")
    assert str(dataset) in text
    screen.send(ENTER)
    screen.wait_for("Epochs")
    screen.kill()


def test_the_second_wizard_on_a_session_is_told_who_holds_it(
    terminal: Open, dataset: Path, tmp_path: Path
) -> None:
    first = terminal()
    Walk(first, root=dataset).to("model")
    second = terminal("resume", columns=160)
    assert second.wait_for_end() == 2
    assert f"process {first.pid}" in second.text
    first.kill()
    # A lock whose holder was killed is nobody's.
    third = terminal("resume")
    third.wait_for("? Model")
    third.kill()


def test_a_session_in_use_cannot_be_chosen(terminal: Open, dataset: Path) -> None:
    leave_session(terminal, dataset, "model")
    first = terminal()
    Walk(first, root=dataset).to("training")
    listed = terminal("resume", columns=200)
    listed.wait_for("Which session?")
    listed.wait_for("in use by")
    assert f"process {first.pid}" in listed.text
    listed.send(ENTER)
    listed.wait_for("? Model")
    listed.kill()


def test_a_session_means_the_same_from_another_directory(
    terminal: Open, dataset: Path, tmp_path: Path
) -> None:
    screen = terminal()
    screen.wait_for("? Dataset directory")
    screen.send(dataset.name + ENTER)
    screen.wait_for("? Run directory")
    screen.send(ENTER)
    screen.wait_for("? Model")
    screen.kill()
    (tmp_path / "elsewhere").mkdir()
    resumed = terminal("resume", cwd=tmp_path / "elsewhere")
    resumed.wait_for("? Model")
    assert "Since the session was saved" not in resumed.text
    resumed.kill()


@pytest.mark.broad
def test_a_run_directory_where_somebody_is_at_work_is_left_to_them(
    terminal: Open, dataset: Path, tmp_path: Path
) -> None:
    screen = terminal(rows=60, columns=200)
    Walk(screen, root=dataset).to("review")
    run_dir = tmp_path / "runs" / "data"
    run_dir.mkdir(parents=True)
    with held(run_dir / ".lock", "run"):
        screen.send(ENTER)
        screen.wait_for("is in use by")
        screen.wait_for("Go ahead?", count=2)
    screen.send(DOWN * 2 + ENTER)
    screen.wait_for("? Run directory", count=2)
    screen.kill()


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b'{"schema_version": 1}', b"\xff\xfe", b'{"schema_version": "x"}'],
)
def test_a_damaged_session_is_refused_and_left_untouched(
    srwizard: Run, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    refused = srwizard("resume", path)
    assert refused.returncode == 2
    assert str(path) in refused.stderr
    assert path.read_bytes() == content


def test_a_session_of_a_newer_version_is_refused(srwizard: Run, tmp_path: Path) -> None:
    path = tmp_path / "newer.json"
    path.write_text(json.dumps({"schema_version": 99}))
    refused = srwizard("resume", path)
    assert refused.returncode == 2
    assert "newer" in refused.stderr


def test_a_changed_dataset_is_noticed_on_resume(terminal: Open, dataset: Path) -> None:
    leave_session(terminal, dataset, "devices")
    step = next((dataset / "train" / "hr" / "temp").glob("*.npy"))
    np.save(step, np.load(step) + np.float32(1))
    screen = terminal("resume", columns=160)
    screen.wait_for("has changed")
    screen.wait_for(f"? Dataset directory or raw files {dataset}")
    screen.kill()


def test_a_vanished_dataset_is_noticed_on_resume(
    terminal: Open, dataset: Path, tmp_path: Path
) -> None:
    leave_session(terminal, dataset, "review")
    moved = tmp_path / "moved"
    shutil.move(dataset, moved)
    screen = terminal("resume", columns=160)
    screen.wait_for("can no longer be used")
    screen.wait_for("? Dataset directory")
    screen.send(CTRL_U + str(moved) + ENTER)
    # From behind the memory section, only the data is asked again.
    screen.wait_for("Go ahead?")
    assert "Epochs: 2" in screen.text
    screen.kill()


@pytest.mark.broad
def test_a_run_directory_taken_meanwhile_is_noticed_on_resume(
    terminal: Open, srwizard: Run, dataset: Path, answers: Path, tmp_path: Path
) -> None:
    leave_session(terminal, dataset, "review")
    taken = tmp_path / "runs" / "data"
    done = srwizard("--answers", answers, "--set", f"output.dir={taken}", "--stop-after", "frozen")
    assert done.returncode == 0, done.stderr
    # The session that froze it is the latest; the one that was left is below.
    screen = terminal("resume", columns=160)
    screen.wait_for("· confirmation ·")
    screen.send(DOWN + ENTER)
    screen.wait_for("already holds a run")
    screen.wait_for("? Run directory")
    screen.kill()


def test_answers_from_a_run_lead_to_the_same_digest(
    srwizard: Run, answers: Path, tmp_path: Path
) -> None:
    assert srwizard("--answers", answers, "--stop-after", "frozen").returncode == 0
    written = srwizard("answers", "--from", tmp_path / "run")
    assert written.returncode == 0, written.stderr
    again = tmp_path / "again.yaml"
    again.write_text(written.stdout)
    assert srwizard("--answers", again, "--stop-after", "frozen").returncode == 0
    digests = {
        yaml.safe_load((tmp_path / name / "run.yaml").read_text())["digest"]
        for name in ("run", "run-again")
    }
    assert len(digests) == 1


def test_answers_from_a_session(srwizard: Run, answers: Path, tmp_path: Path) -> None:
    assert srwizard("--answers", answers, "--stop-after", "frozen").returncode == 0
    (saved,) = session_files(tmp_path)
    written = srwizard("answers", "--from", saved.stem)
    assert written.returncode == 0, written.stderr
    found = yaml.safe_load(written.stdout)
    assert found["training"]["epochs"] == 2
    assert found["model"]["params"] == {"num_features": 8, "num_blocks": 1}


def test_the_template_and_the_schema_accept_each_other(srwizard: Run) -> None:
    template = srwizard("answers", "--model", "SwinIR")
    assert template.returncode == 0
    found = yaml.safe_load(template.stdout)
    assert found["model"]["params"]["embed_dim"] == 60
    schema = json.loads(srwizard("answers", "--schema").stdout)
    assert set(found) == set(schema["properties"])


def test_killed_between_freezing_and_noting_it(
    terminal: Open, srwizard: Run, answers: Path, tmp_path: Path
) -> None:
    assert srwizard("--answers", answers, "--stop-after", "frozen").returncode == 0
    before = (tmp_path / "run" / "run.yaml").read_bytes()
    (path,) = session_files(tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"state": "frozen"}))
    screen = terminal("resume", columns=160)
    screen.wait_for("Frozen:")
    screen.kill()
    assert (tmp_path / "run" / "run.yaml").read_bytes() == before
