"""Questions in a real pseudo-terminal: what is typed, what is shown, what is answered."""

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.terminal import CTRL_A, CTRL_B, CTRL_C, CTRL_U, DOWN, ENTER, ESCAPE, UP, Terminal

ROOT = Path(__file__).parent.parent.parent
CTRL_Q, CTRL_R, BACKSPACE, TAB = "\x11", "\x12", "\x7f", "\t"
LEFT, END, PAGE_DOWN = "\x1b[D", "\x1b[F", "\x1b[6~"
SOON = 20.0
"""Seconds in which whatever is ever shown has been shown."""

Ask = Callable[..., Terminal]


@pytest.fixture
def ask(tmp_path: Path) -> Iterator[Ask]:
    """Ask one of the questions of `ask.py` in a terminal."""
    opened: list[Terminal] = []

    def ask_one(kind: str, *, language: str = "C.UTF-8", **size: int) -> Terminal:
        screen = Terminal(
            ["-m", "tests.prompts.ask", kind],
            cwd=tmp_path,
            environment={"TERM": "xterm-256color", "LANG": language, "PYTHONPATH": str(ROOT)},
            program=sys.executable,
            **size,
        )
        screen.wait_for("? ", patience=SOON)
        opened.append(screen)
        return screen

    yield ask_one
    for screen in opened:
        screen.kill()


def answer(screen: Terminal, keys: str = "") -> Any:
    """Type, and return what is answered."""
    screen.send(keys)
    screen.wait_for("Answer:", patience=SOON)
    assert screen.wait_for_end() == 0
    return json.loads(screen.text.split("Answer:")[1])


def type_and_wait(screen: Terminal, keys: str, text: str) -> None:
    screen.send(keys)
    screen.wait_for(text, patience=SOON)


def test_down_in_what_a_filter_leaves_under_a_heading_stays_there(ask: Ask) -> None:
    screen = ask("one")
    type_and_wait(screen, "m2", "containing: m2")
    assert "── operators ──" in screen.visible
    assert "── standard ──" not in screen.visible
    assert answer(screen, DOWN + DOWN + UP + ENTER) == "mwt"


def test_a_filter_that_leaves_only_what_cannot_be_chosen_is_not_taken(ask: Ask) -> None:
    screen = ask("one")
    type_and_wait(screen, "旧", "nothing matches")
    type_and_wait(screen, ENTER, "(arrows, Enter)")  # what was typed is gone, nothing is chosen
    assert answer(screen, ENTER) == "edsr"


def test_blanks_are_part_of_a_filter(ask: Ask) -> None:
    screen = ask("one")
    type_and_wait(screen, "two w", "nothing matches: two w")


def test_chinese_filters_too(ask: Ask) -> None:
    screen = ask("one")
    type_and_wait(screen, "神经", "containing: 神经")
    assert "EDSR" not in screen.visible
    assert answer(screen, ENTER) == "fno"


@pytest.mark.parametrize("kind", ["one", "several", "yes_no", "int", "text", "directory"])
def test_a_chinese_user_reads_chinese(ask: Ask, kind: str) -> None:
    screen = ask(kind, language="zh_CN.UTF-8")
    type_and_wait(screen, "?", "保存并退出")
    shown = screen.visible
    for english in ("Use ", "Select", "Description", "Yes", "No ", "(Y/n)", "default"):
        assert english not in shown, english
    screen.send(CTRL_R + CTRL_C)
    screen.wait_for("Answer:", patience=SOON)
    assert "search" not in screen.text


@pytest.mark.parametrize("kind", ["one", "several", "yes_no", "text"])
def test_ctrl_q_does_not_quit(ask: Ask, kind: str) -> None:
    screen = ask(kind)
    assert answer(screen, CTRL_Q + ENTER + ENTER) != "KeyboardInterrupt"


@pytest.mark.broad
@pytest.mark.parametrize("kind", ["one", "several", "int", "text", "directory"])
@pytest.mark.parametrize(
    ("key", "left"), [(ESCAPE, "Back"), (CTRL_B, "Back"), (CTRL_C, "KeyboardInterrupt")]
)
def test_back_and_out_of_every_question(ask: Ask, kind: str, key: str, left: str) -> None:
    screen = ask(kind)
    assert answer(screen, key) == left
    assert re.search(r"\? \w+ ←", screen.text)


def test_escape_first_gives_up_the_filter(ask: Ask) -> None:
    screen = ask("one")
    type_and_wait(screen, "fno", "containing: fno")
    type_and_wait(screen, ESCAPE, "M2NO2d")
    assert answer(screen, ENTER) == "fno"


def test_one_character_of_a_filter_is_taken_back(ask: Ask) -> None:
    screen = ask("one")
    type_and_wait(screen, "sw", "containing: sw")
    type_and_wait(screen, BACKSPACE, "EDSR")
    assert "containing: s\n" in screen.visible
    assert answer(screen, DOWN + ENTER) == "edsr"


def test_the_keys_of_a_long_menu(ask: Ask) -> None:
    screen = ask("many", rows=12, columns=60)
    screen.wait_for("    v", patience=SOON)  # the arrow of a scroll bar
    type_and_wait(screen, PAGE_DOWN, "» number 5")
    type_and_wait(screen, END, "» number 39")
    type_and_wait(screen, DOWN, "» number 0")
    assert answer(screen, UP + ENTER) == 39


def test_what_fits_has_no_scroll_bar(ask: Ask) -> None:
    screen = ask("one")
    screen.wait_for("M2NO2d", patience=SOON)
    assert not re.search(r"[\^v]$", screen.visible, re.MULTILINE)


def test_several_are_marked_and_answered_in_their_order(ask: Ask) -> None:
    screen = ask("several")
    screen.wait_for("● EDSR", patience=SOON)
    assert "- 旧的 U-Net (no weights)" in screen.visible
    assert answer(screen, UP * 2 + " " + DOWN + " " + ENTER) == ["swin", "edsr", "mwt"]


def test_names_of_somebody_else_are_text(ask: Ask) -> None:
    """In titles, headings, notes, explanations and in the answer."""
    screen = ask("names")
    escaped = r"te\nFAKE\r\t\x1b[2J\u202e\u200bmp"
    assert screen.visible.count(escaped) >= 6, screen.visible
    assert answer(screen, ENTER) == ["v"]
    assert f"Variables {escaped}" in screen.text
    assert not any(line.strip().startswith("FAKE") for line in screen.text.splitlines())
    assert not set(screen.text) & set("\u202e\u200b")


def test_an_answer_that_cannot_be_edited_is_shown_as_text_and_kept(ask: Ask) -> None:
    screen = ask("kept")
    escaped = r"te\nFAKE\r\t\x1b[2J\u202e\u200bmp"
    screen.wait_for(escaped, patience=SOON)
    assert not any(line.strip().startswith("FAKE") for line in screen.visible.splitlines())
    assert answer(screen, ENTER) == "te\nFAKE\r\t\x1b[2J\u202e\u200bmp"


def test_all_that_can_be_chosen_are_marked(ask: Ask) -> None:
    assert answer(ask("several"), CTRL_A + ENTER) == ["swin", "edsr", "fno", "mwt"]


def test_notes_change_while_one_reads(ask: Ask) -> None:
    screen = ask("one")
    screen.wait_for("EDSR  2 s", patience=SOON)
    screen.wait_for("EDSR  4 s", patience=SOON)
    assert answer(screen, ENTER) == "edsr"


@pytest.mark.parametrize(("rows", "columns"), [(24, 80), (24, 40), (12, 60)])
def test_what_is_highlighted_is_explained_in_whole_words(ask: Ask, rows: int, columns: int) -> None:
    screen = ask("one", rows=rows, columns=columns)
    type_and_wait(screen, DOWN, "the end")
    shown = " ".join(screen.visible.split())
    assert "what is said of it is longer than the line of a narrow terminal has columns" in shown
    assert "» FNO2d, 傅里叶神经算子" in shown.replace("神经 算子", "神经算子")


def test_yes_and_no_by_arrows_and_by_letters(ask: Ask) -> None:
    assert answer(ask("yes_no"), DOWN + ENTER) is False
    assert answer(ask("yes_no"), "n" + ENTER) is False
    assert answer(ask("yes_no", language="zh_CN.UTF-8"), "否" + ENTER) is False


def test_a_number_is_replaced_unless_the_cursor_was_moved(ask: Ask) -> None:
    assert answer(ask("int"), "80" + ENTER) == 80
    assert answer(ask("int"), LEFT + END + "0" + ENTER) == 5000
    assert answer(ask("int"), BACKSPACE + ENTER) == 50


def test_a_question_mark_helps_or_belongs_to_a_text(ask: Ask) -> None:
    screen = ask("text", columns=40)
    type_and_wait(screen, "?", "what is said of it")
    assert "the line of a narrow terminal has\n" in screen.visible
    assert answer(screen, CTRL_U + "why" + "?" + ENTER) == "why?"


@pytest.mark.parametrize(("rows", "columns"), [(24, 80), (24, 40), (12, 60)])
def test_what_is_wrong_is_said_in_whole_words_and_checked_again(
    ask: Ask, tmp_path: Path, rows: int, columns: int
) -> None:
    screen = ask("directory", rows=rows, columns=columns)
    type_and_wait(screen, "new" + ENTER, "there is no directory new")
    assert "a narrow terminal has columns" in " ".join(screen.visible.split())
    (tmp_path / "new").mkdir()
    assert answer(screen, ENTER) == "new"


def test_a_slash_only_types_itself(ask: Ask, tmp_path: Path) -> None:
    for name in ("data/first", "data/second"):
        (tmp_path / name).mkdir(parents=True)
    screen = ask("directory")
    type_and_wait(screen, "data/", "data/")
    assert "first" not in screen.visible
    type_and_wait(screen, TAB, "second")
    assert answer(screen, "first" + LEFT * 5 + "/" + ENTER) == "data//first"
