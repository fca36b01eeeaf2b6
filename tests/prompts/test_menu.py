"""What the keys do in a menu, and how its lines are broken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from srwizard.base.text_width import packed, padded, wrapped
from srwizard.prompts.menu import Menu
from srwizard.prompts.question import Choice

CHOICES = (
    Choice("a", "1. half the batch"),
    Choice("b", "2. windows of 128"),
    Choice("c", "3. another model", disabled="none is lighter"),
    Choice("d", "Save and quit"),
)


def at(menu: Menu) -> object:
    (place,) = menu.result()
    return CHOICES[place].value


def shown(menu: Menu) -> list[str]:
    return [str(choice.title) for choice in menu.filtered_choices]


def test_the_default_is_highlighted_and_what_cannot_be_chosen_is_passed_over() -> None:
    menu = Menu(CHOICES, ["b"], several=False)
    assert at(menu) == "b"
    menu.move(1)
    assert at(menu) == "d"
    menu.move(1)
    assert at(menu) == "a"
    menu.move(5)
    assert at(menu) == "d"


def test_a_default_that_cannot_be_chosen_gives_way_to_the_first_that_can() -> None:
    assert at(Menu(CHOICES, ["c"], several=False)) == "a"


def test_what_is_typed_filters_and_prefers_what_begins_with_it() -> None:
    menu = Menu(CHOICES, ["a"], several=False)
    menu.filter("2")
    assert shown(menu) == ["2. windows of 128"]
    menu.filter("")
    assert at(menu) == "b"
    menu.filter("s")
    assert at(menu) == "d"


def test_numbers_are_those_of_all_choices_whatever_is_shown() -> None:
    cards = [Choice(place, name, number=place) for place, name in enumerate(("A100", "RTX 3090"))]
    menu = Menu(cards, [], several=True)
    menu.filter("rtx")
    menu.type_numbers("0")
    assert menu.result() == [0]
    assert shown(menu) == ["A100", "RTX 3090"]


def test_what_is_contained_nowhere_is_not_taken() -> None:
    menu = Menu(CHOICES, ["a"], several=False)
    menu.filter("x")
    assert menu.search_filter == ""
    # Only what cannot be chosen contains it.
    menu.filter("another")
    assert menu.search_filter == ""


def test_marking_and_unmarking_all_that_is_shown() -> None:
    menu = Menu(CHOICES, ["a"], several=True)
    menu.mark_all()
    assert menu.result() == [0, 1, 3]
    menu.filter("save")
    menu.mark_all()
    assert menu.result() == [0, 1]
    menu.mark()
    assert menu.result() == [0, 1, 3]


def test_a_menu_of_which_nothing_can_be_chosen() -> None:
    menu = Menu((CHOICES[2],), [], several=False)
    menu.move(1)
    menu.filter("3")
    assert menu.result() == []


@given(st.text(), st.integers(2, 100))
def test_no_line_is_wider_than_asked_and_nothing_is_lost(text: str, columns: int) -> None:
    lines = wrapped(text, columns)
    assert all(cell_len(line) <= columns for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("for sharp fronts and eddies", ["for sharp", "fronts and", "eddies"]),
        ("适合锋面，与涡旋", ["适合锋面，", "与涡旋"]),
        ("FFT 傅里叶神经算子", ["FFT 傅里叶", "神经算子"]),
        ("/a/path/without/end", ["/a/path/wi", "thout/end"]),
    ],
)
def test_where_lines_are_broken(text: str, lines: list[str]) -> None:
    assert wrapped(text, 10) == lines


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("Go on with: srwizard resume 2026-1", ["Go on", "with:", "srwizard resume 2026-1"]),
        ("继续：srwizard --lang zh train /tmp/a", ["继续：", "srwizard --lang zh train /tmp/a"]),
        ("srwizard needs it", ["srwizard needs it"]),
    ],
)
def test_what_is_to_be_copied_is_not_broken(text: str, lines: list[str]) -> None:
    assert wrapped(text, 8, words_whole=True) == lines


def test_chinese_takes_two_columns_each() -> None:
    assert padded("模型", 6) + "|" == "模型  |"


def test_as_many_parts_in_a_line_as_there_is_room_for() -> None:
    parts = ["Epochs: 500", "Batch size: 16", "Seed: 42"]
    assert packed(parts, " · ", 80) == ["Epochs: 500 · Batch size: 16 · Seed: 42"]
    assert packed(parts, " · ", 30) == ["Epochs: 500 · Batch size: 16", "Seed: 42"]
    assert packed(parts, ", ", 12) == ["Epochs: 500,", "Batch size:", "16, Seed: 42"]
