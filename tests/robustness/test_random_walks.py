"""Keys at random, by somebody who knows none of the questions: the wizard ends as documented."""

import io
import os
import random
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
from prompt_toolkit.application import application, create_app_session
from prompt_toolkit.data_structures import Size
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput
from rich.console import Console

from srwizard.base.errors import EXIT_INTERNAL, EXIT_INTERRUPTED, SrwizardError
from srwizard.data.baselines import beside
from srwizard.memory import forecast
from srwizard.prompts import terminal
from srwizard.settings import run_config
from srwizard.wizard import machine
from srwizard.wizard import session as sessions
from srwizard.wizard.conversation import Conversation
from tests.datasets import write_dataset
from tests.robustness.long_runs import LONG, note

CTRL_C = "\x03"
ENTER, UP, DOWN, LEFT, RIGHT = "\r", "\x1b[A", "\x1b[B", "\x1b[D", "\x1b[C"
OFTEN = (ENTER,) * 12 + (DOWN,) * 3 + (UP,) * 2 + (" ",) * 2
SELDOM = (
    LEFT, RIGHT, "?", "\x02", "\x1bOQ", "\x07", "\t", "\x7f", "\x15", "\x1b", "\x01", "\x17",
    "0", "1", "2", "9", "-", ".", ",", "e", "a", "y", "n", "S", "./", "~", '"', "[", "。", "２",
    "海", "null", "nan", "1e400", "0,1", "auto", "swin", "../..", "\x1b[200~paste\rd\x1b[201~",
)  # fmt: skip
"""Ctrl-B, F2, Ctrl-G, Tab, keys that delete, Esc, numbers, full-width characters, a paste."""


class Screen(DummyOutput):
    """A screen of a common size that shows nothing."""

    def get_size(self) -> Size:
        return Size(rows=30, columns=80)


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def _no_process(*_arguments: object, **_settings: object) -> None:
    raise OSError("no process beside the questions")


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No terminal, no processes beside the questions, and nothing that only takes time."""
    monkeypatch.setattr(os, "fsync", lambda _handle: None)
    monkeypatch.setattr(application, "load_key_bindings", cache(application.load_key_bindings))
    monkeypatch.setattr(terminal, "_deaf", _nothing)
    monkeypatch.setattr(beside, "_start", _no_process)
    monkeypatch.setattr(forecast, "begin", lambda _runs: None)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    # What is typed at random is a path as well.
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    here = tmp_path / "one" / "two" / "three"
    here.mkdir(parents=True)
    monkeypatch.chdir(here)


def keys_of(draw: random.Random) -> str:
    """Return the keys of one walk: mostly such as lead on."""
    many = draw.choice((3, 10, 25, 60))
    pressed = [draw.choice(OFTEN if draw.random() < 0.7 else SELDOM) for _key in range(many)]
    return "".join(pressed)


def walk(keys: str, root: Path, run_dir: Path) -> tuple[int, str]:
    """Walk from the beginning; return the exit code, and the state that was reached."""
    session = sessions.new_session()
    session.answers.set("data.root", str(root))
    session.answers.set("output.dir", str(run_dir))
    prompts = terminal.TerminalPrompts(Console(file=io.StringIO(), width=80))
    with create_pipe_input() as typed, create_app_session(typed, Screen()):
        typed.send_text(keys + CTRL_C * 40)
        try:
            machine.run(Conversation(session, prompts, "frozen"))
            code = 0
        except SrwizardError as error:
            code = error.exit_code
    assert session.path is not None
    assert sessions.load(session.path).state == session.state
    return code, session.state


@pytest.mark.parametrize(
    ("count", "part"), [(25, 0), *(pytest.param(500, part, marks=LONG) for part in range(20))]
)
@pytest.mark.slow
@pytest.mark.usefixtures("alone")
def test_random_keys(tmp_path: Path, count: int, part: int) -> None:
    root, run_dir = write_dataset(tmp_path / "data"), tmp_path / "run"
    draw = random.Random(f"walks {count} {part}")
    ends: Counter[tuple[int, str]] = Counter()
    for number in range(count):
        keys = keys_of(draw)
        try:
            code, state = walk(keys, root, run_dir)
        except Exception as error:
            error.add_note(f"walk {number} with the keys {keys!r}")
            raise
        assert code in (0, 2, 3, 6, EXIT_INTERRUPTED), (number, keys)
        assert code != EXIT_INTERNAL
        if run_dir.exists():
            assert run_config.load(run_dir).training.epochs > 0
            shutil.rmtree(run_dir)
        ends[code, state] += 1
    assert len({state for _code, state in ends}) > 4
    if count > 25:
        found = dict(ends.most_common())
        note(f"walks, part {part}: {count}; ended with (exit code, state): {found}")
