"""What the README says is so."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.e2e.terminal import PROGRAM

ROOT = Path(__file__).parent.parent
READMES = ("README.md", "README.zh-CN.md")


@pytest.mark.parametrize("name", READMES)
def test_nothing_is_left_to_be_filled_in(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert not re.search(r"@[A-Z]+@|TODO|FIXME|XXX", text)


@pytest.mark.parametrize("name", READMES)
def test_every_link_leads_somewhere(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert (ROOT / target).exists(), target


@pytest.mark.broad
@pytest.mark.parametrize("name", READMES)
def test_every_command_and_option_is_there(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    for words in re.findall(r"`srwizard ([a-z]+)\b([^`]*)`", text):
        command, rest = words
        shown = subprocess.run(
            [PROGRAM, command, "--help"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert shown.returncode == 0, command
        for option in re.findall(r"--[a-z][a-z-]+", rest):
            assert option in shown.stdout, f"{command} {option}"


@pytest.mark.parametrize("name", READMES)
def test_every_make_target_is_there(name: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    text = (ROOT / name).read_text(encoding="utf-8")
    for target in re.findall(r"\bmake ([a-z]+)`", text):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.slow
def test_the_demo_beats_bicubic_interpolation(tmp_path: Path) -> None:
    done = subprocess.run(
        ["make", "demo", f"DEMO={tmp_path / 'demo'}"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = re.findall(r"temp +│ (model|bicubic) +│ +([0-9.]+)", done.stdout)
    rmse = {method: float(value) for method, value in rows}
    assert rmse["model"] < rmse["bicubic"]
    report = tmp_path / "demo" / "run" / "report.html"
    assert report.is_file()
    assert str(report) in done.stdout
