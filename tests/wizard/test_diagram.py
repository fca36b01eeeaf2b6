"""The documentation shows the machine as it is."""

import itertools
from pathlib import Path

from srwizard.settings.answers import SECTIONS, known_keys
from srwizard.wizard.diagram import page
from srwizard.wizard.machine import build_machine, module_of, transitions
from srwizard.wizard.transition_table import ASKING, FINAL, NAMES, REQUIRED, START, STATES, title_of

ROOT = Path(__file__).parents[2]


def test_the_diagram_in_the_documentation_is_drawn_from_the_machine() -> None:
    assert (ROOT / "docs" / "states.md").read_text(encoding="utf-8") == page(), "run: make docs"


def test_every_state_is_a_module_and_every_module_a_state() -> None:
    names = {path.stem for path in (ROOT / "states").glob("*.py")} - {"__init__"}
    assert names == set(NAMES)
    assert all(callable(module_of(state).run) for state in NAMES)


def test_every_state_can_be_reached_and_leads_on() -> None:
    rows = transitions()
    assert {START} | {row["dest"] for row in rows} == set(NAMES)
    leaving: set[str] = set()
    for row in rows:
        leaving.update(row["source"] if isinstance(row["source"], list) else [row["source"]])
    assert set(NAMES) - leaving == set(FINAL) == {"done"}


def test_every_state_has_a_title_of_its_own() -> None:
    assert len({title_of(name) for name in NAMES}) == len(NAMES)


def test_every_section_of_the_answers_is_asked_for() -> None:
    assert {state.section for state in STATES} - {None} == set(SECTIONS)
    assert set(REQUIRED.values()) <= set(known_keys())


def test_raw_files_lead_to_the_state_that_makes_a_dataset_of_them() -> None:
    class Model:
        def __init__(self, *, raw_files: bool, editing: bool = False) -> None:
            self.raw_files, self.editing = raw_files, editing

        def is_editing(self) -> bool:
            return self.editing

        def has_raw_files(self) -> bool:
            return self.raw_files

    for state, trigger, model, following in (
        ("data", "next", Model(raw_files=False), "output"),
        ("data", "next", Model(raw_files=True), "prepare"),
        ("data", "next", Model(raw_files=True, editing=True), "prepare"),
        ("output", "back", Model(raw_files=False), "data"),
        ("output", "back", Model(raw_files=True), "prepare"),
        ("output", "back", Model(raw_files=True, editing=True), "review"),
        ("prepare", "defaults", Model(raw_files=True), "review"),
    ):
        build_machine(model, state)
        getattr(model, trigger)()
        assert model.state == following, (state, trigger)  # type: ignore[attr-defined]


def test_a_state_goes_on_to_the_next_one_or_back_to_the_review_it_was_edited_from() -> None:
    class Model:
        editing = False

        def is_editing(self) -> bool:
            return self.editing

        def has_raw_files(self) -> bool:
            return not self.editing

    order = [*ASKING, "review"]
    for name, following in itertools.pairwise(order):
        model = Model()
        build_machine(model, name)
        model.next()  # type: ignore[attr-defined]
        assert model.state == following  # type: ignore[attr-defined]
        model = Model()
        model.editing = True
        build_machine(model, name)
        model.next()  # type: ignore[attr-defined]
        assert model.state == "review"  # type: ignore[attr-defined]
