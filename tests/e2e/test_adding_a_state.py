"""docs/adding-a-state.md, followed to the letter in a copy of the program."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import Open, Run
from tests.e2e.page import follow, steps
from tests.e2e.terminal import DOWN, ENTER, ESCAPE
from tests.e2e.walk import Walk

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def copy(tmp_path: Path, environment: dict[str, str]) -> Path:
    """A copy of the sources, changed as the page says; the installed command runs it."""
    copy = tmp_path / "sources"
    for name in ("srwizard", "states", "models", "docs"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("states", "models"):  # where they are installed
        (copy / "srwizard" / name).symlink_to(copy / name)
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, copy / name)
    environment["PYTHONPATH"] = str(copy)
    for language, name, content in steps("adding-a-state.md"):
        if name:
            follow(copy, language, name, content)
            continue
        program, *words = shlex.split(content)
        assert program == "make"
        # With the environment that the tests run in, and nothing installed into it.
        there = [f"VENV={sys.prefix}", "-o", f"{sys.prefix}/.installed"]
        done = subprocess.run(
            [program, *there, *words], cwd=copy, env=environment | {"PATH": os.environ["PATH"]},
            capture_output=True, text=True, check=False, timeout=180,
        )  # fmt: skip
        assert done.returncode == 0, f"{content}\n{done.stdout}{done.stderr}"
    return copy


@pytest.mark.slow
@pytest.mark.afresh
def test_a_new_state_is_drawn_asked_listed_and_resumed(
    copy: Path, srwizard: Run, terminal: Open, answers: Path, dataset: Path, tmp_path: Path
) -> None:
    diagram = (copy / "docs" / "states.md").read_text(encoding="utf-8")
    for line in (
        "output --> note: next",
        "note --> model: next",
        "note --> output: back",
        "review --> note: edit_note",
        "| `note` | Ask what the run is for. |",
    ):
        assert line in diagram
    assert "What is this run for?" in (copy / "docs" / "answers.md").read_text(encoding="utf-8")

    # From an answers file.
    done = srwizard("--answers", answers, "--set", "output.note=spring", "--stop-after", "frozen")
    assert done.returncode == 0, done.stderr
    (saved,) = (tmp_path / "state" / "srwizard" / "sessions").glob("*.json")
    assert json.loads(saved.read_text())["answers"]["output"]["note"] == "spring"

    # At the terminal, forward and back.
    screen = terminal()
    Walk(screen, root=dataset).to("output")
    screen.send(ENTER)
    screen.wait_for("? What is this run for?")
    screen.send(ESCAPE)
    screen.wait_for("? Run directory", count=2)
    screen.send(ENTER)
    screen.wait_for("? What is this run for?", count=2)
    screen.send("autumn" + ENTER)
    screen.wait_for("? Model")
    screen.send(ESCAPE)
    screen.wait_for("? What is this run for? autumn", count=2)
    screen.kill()

    # Listed by its title beside the session of the answers file, and gone on with.
    resumed = terminal("resume", rows=60, columns=160)
    resumed.wait_for("Which session?")
    resumed.wait_for("· note ·")
    resumed.send(ENTER)
    resumed.wait_for("? What is this run for? autumn")
    resumed.send(ENTER)
    walk = Walk(resumed, root=dataset, answered={"data": {}})
    walk.to("review", begin="model")

    # Edited from the review, it comes back to it.
    resumed.wait_for("Edit: note")
    resumed.send(DOWN * 3 + ENTER)
    resumed.wait_for("? What is this run for? autumn", count=2)
    resumed.send(ENTER)
    resumed.wait_for("? Go ahead?", count=2)
    resumed.kill()
