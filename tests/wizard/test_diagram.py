"""The documentation shows the machine as it is."""

import itertools
from pathlib import Path

from srwizard.wizard.diagram import page
from srwizard.wizard.machine import SECTIONS, TRANSITIONS, build_machine, module_of
from srwizard.wizard.session import FINAL_STATES, STATES

ROOT = Path(__file__).parents[2]


def test_the_diagram_in_the_documentation_is_drawn_from_the_machine() -> None:
    assert (ROOT / "docs" / "states.md").read_text(encoding="utf-8") == page(), "run: make docs"


def test_every_state_is_a_module_and_every_module_a_state() -> None:
    names = {path.stem for path in (ROOT / "states").glob("*.py")} - {"__init__"}
    assert names == set(STATES)
    assert all(callable(module_of(state).run) for state in STATES)


def test_every_state_can_be_reached_and_leads_on() -> None:
    reached = {"data"} | {row["dest"] for row in TRANSITIONS}
    assert reached == set(STATES)
    leaving: set[str] = set()
    for row in TRANSITIONS:
        leaving.update(row["source"] if isinstance(row["source"], list) else [row["source"]])
    assert set(STATES) - leaving == set(FINAL_STATES)


def test_a_section_goes_on_to_the_next_one_or_back_to_the_review_it_was_edited_from() -> None:
    class Model:
        editing = False

        def is_editing(self) -> bool:
            return self.editing

    order = [*SECTIONS, "review"]
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
