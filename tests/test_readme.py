"""What the README says is so."""

import re
import subprocess
from pathlib import Path

import pytest

from srwizard.commands.cli import COMMANDS
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


@pytest.mark.parametrize("name", READMES)
def test_every_folder_of_the_program_is_in_the_tree(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    listed = re.findall(r"^  (\w+)/ +\S", text, re.MULTILINE)
    there = {path.name for path in (ROOT / "srwizard").iterdir() if path.is_dir()}
    assert sorted(listed) == sorted(there - {"__pycache__"})


@pytest.mark.parametrize("name", READMES)
def test_every_command_is_named(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert set(COMMANDS) <= set(re.findall(r"`srwizard ([a-z]+)\b", text))
