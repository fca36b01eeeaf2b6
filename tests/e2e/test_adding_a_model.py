"""docs/adding-a-model.md, followed to the letter."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.datasets import write_dataset
from tests.e2e.terminal import PROGRAM

PAGE = Path(__file__).parent.parent.parent / "docs" / "adding-a-model.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"^\*\*`([^`]+)`\*\*", re.MULTILINE)


def steps() -> list[tuple[str, str]]:
    """Return what the page says to do, in order: files with their content, and commands."""
    text = PAGE.read_text(encoding="utf-8")
    found = []
    end = 0
    for block in BLOCK.finditer(text):
        names = NAMED.findall(text, end, block.start())
        end = block.end()
        if block[1] == "sh":
            found += [("", line) for line in block[2].splitlines()]
        else:
            assert len(names) == 1, block[0]
            found.append((names[0], block[2]))
    return found


@pytest.mark.slow
def test_a_model_from_outside_is_listed_offered_and_trained(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    package, site = tmp_path / "package", tmp_path / "site"
    write_dataset(package / "data")
    environment["PYTHONPATH"] = str(site)
    shown = {}
    for name, content in steps():
        if name:
            (package / name).parent.mkdir(parents=True, exist_ok=True)
            (package / name).write_text(content, encoding="utf-8")
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
