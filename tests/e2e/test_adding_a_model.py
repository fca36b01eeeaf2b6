"""docs/adding-a-model.md, followed to the letter."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.datasets import write_dataset
from tests.e2e.page import follow, steps
from tests.e2e.terminal import PROGRAM


@pytest.mark.slow
def test_a_model_from_outside_is_listed_offered_and_trained(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    package, site = tmp_path / "package", tmp_path / "site"
    write_dataset(package / "data")
    environment["PYTHONPATH"] = str(site)
    shown = {}
    for language, name, content in steps("adding-a-model.md"):
        if name:
            follow(package, language, name, content)
            continue
        words = shlex.split(content)
        if words[0] == "python":
            # Into a directory of its own, so that no other test sees the model.
            words = [sys.executable, *words[1:], "--quiet", "--target", str(site)]
        assert words[0] in (sys.executable, "srwizard")
        done = subprocess.run(
            [PROGRAM if words[0] == "srwizard" else words[0], *words[1:]],
            cwd=package, env=environment | {"PATH": os.environ["PATH"]},
            capture_output=True, text=True, check=False, timeout=180,
        )  # fmt: skip
        assert done.returncode == 0, f"{content}\n{done.stdout}{done.stderr}"
        shown[content] = done.stdout
    assert "SRCNN" in shown["srwizard models"]
    assert "kernel: 9" in shown["srwizard answers --template --model SRCNN"]
    frozen = yaml.safe_load((package / "run" / "run.yaml").read_text())
    assert frozen["model"]["params"] == {"width": 16, "kernel": 5}
    events = (package / "run" / "metrics.jsonl").read_text().splitlines()
    assert json.loads(events[-1])["event"] == "test"
    assert (package / "run" / "report.html").is_file()
