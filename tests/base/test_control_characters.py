"""Whatever names say, a terminal and a log get text, not commands."""

import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import cast

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from srwizard.base.console import Console
from srwizard.base.visible import VisibleStream, visible
from srwizard.runs.records import Records
from tests.installed import run_installed

HOSTILE = "te\x1b]0;owned\x07\x1b[2Jmp\x9b31m\r"
CONTROLS = {*map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0)), "\u202e"} - {"\t", "\n"}


def dataset(root: Path) -> Path:
    for split in ("train", "valid", "test"):
        for level, side in (("hr", 8), ("lr", 4)):
            directory = root / split / level / HOSTILE
            directory.mkdir(parents=True)
            for step in range(3):
                values = np.random.default_rng(step).random((side, side), np.float32)
                np.save(directory / f"{step}.npy", values)
    return root


@given(st.text())
def test_nothing_is_left_that_a_terminal_obeys(text: str) -> None:
    shown = visible(text)
    assert not CONTROLS & set(shown)
    assert visible(shown) == shown
    shown.encode()


@given(st.text())
def test_json_stays_json(text: str) -> None:
    assert json.loads(visible(json.dumps(text, ensure_ascii=False))) == text


def test_print_and_rich_show_names_as_text_and_rich_keeps_its_colours() -> None:
    stream = io.StringIO()
    print(HOSTILE, file=cast("io.StringIO", VisibleStream(stream)), end="")
    assert stream.getvalue() == r"te\x1b]0;owned\x07\x1b[2Jmp\u009b31m\x0d"
    coloured = io.StringIO()
    Console(file=coloured, force_terminal=True, width=80).print(
        f"[red]{HOSTILE}[/nowhere]", style="bold", highlight=False
    )
    assert coloured.getvalue().startswith("\x1b[1m")
    assert r"[red]te\x1b]0;owned" in coloured.getvalue()
    assert "\x1b]0" not in coloured.getvalue() and "\x9b" not in coloured.getvalue()


def test_the_log_gets_text(tmp_path: Path) -> None:
    Records(tmp_path).log(HOSTILE)
    assert not CONTROLS & set((tmp_path / "train.log").read_text())


def test_commands_show_the_names_of_a_dataset_as_text(tmp_path: Path) -> None:
    root = dataset(tmp_path / f"data{HOSTILE}")
    for arguments in (("inspect", root), ("inspect", root, "--json"), ("inspect", f"{root}no")):
        done = run_installed(arguments, dict(os.environ), cwd=tmp_path)
        assert not CONTROLS & set(done.stdout + done.stderr), arguments
        assert "owned" in done.stdout + done.stderr


def test_so_they_do_in_a_terminal(tmp_path: Path) -> None:
    root = dataset(tmp_path / "data")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "srwizard", "inspect", str(root)]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=tmp_path):
        os.close(theirs)
        said = b""
        try:
            while part := os.read(ours, 65536):
                said += part
        except OSError:  # the last of it was closed
            pass
    os.close(ours)
    assert rb"te\x1b]0;owned" in said
    assert b"\x1b]0" not in said and b"\x1b[2J" not in said
