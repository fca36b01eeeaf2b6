"""A learning rate that the dry run proposes is taken by a person, or not at all."""

import json
from pathlib import Path

import pytest
import yaml

from tests.e2e.conftest import Open, Run
from tests.e2e.terminal import DOWN, ENTER


@pytest.mark.slow
def test_a_proposed_learning_rate_can_be_taken(
    srwizard: Run, terminal: Open, answers: Path, tmp_path: Path
) -> None:
    wanted = ("--answers", answers, "--set", "training.lr_range_test=true")
    # A file of answers says which learning rate: nothing else is taken.
    done = srwizard(*wanted, "--stop-after", "dry_run")
    assert done.returncode == 0, done.stderr
    assert "proposed by the range test" in " ".join(done.stdout.split())
    run = yaml.safe_load((tmp_path / "run" / "run.yaml").read_text())
    found = json.loads((tmp_path / "run" / "dry_run.json").read_text())
    proposed = found["lr_range"]["proposed"]
    assert run["training"]["lr"] != proposed

    other = tmp_path / "other"
    frozen = srwizard(*wanted, "--set", f"output.dir={other}", "--stop-after", "frozen")
    assert frozen.returncode == 0, frozen.stderr
    screen = terminal("resume")
    screen.wait_for(str(other))
    screen.send(ENTER)
    screen.wait_for("? Learning rate")
    screen.send(DOWN + ENTER)
    screen.wait_for("? Go ahead?")
    (session,) = [
        content
        for path in (tmp_path / "state" / "srwizard" / "sessions").glob("*.json")
        if (content := json.loads(path.read_text()))["answers"]["output"]["dir"] == str(other)
    ]
    assert session["answers"]["training"]["lr"] == pytest.approx(proposed)
    assert session["answers"]["training"]["lr_range_test"] is False
    screen.kill()
