"""The state diagram, drawn by the machine itself: `python -m srwizard.wizard.diagram`."""

from typing import Any

from transitions.extensions import GraphMachine

from srwizard.wizard.machine import build_machine, module_of, transitions
from srwizard.wizard.transition_table import NAMES

HEADER = """# The states of the wizard

Drawn by the machine itself from the table in `srwizard/wizard/transition_table.py` (`make docs`).
`is_editing` is true while a state is edited from the review, `has_raw_files` where raw files were
named in the place of a dataset directory.

```mermaid
"""


class _Drawn:
    """A model that stands nowhere in particular."""

    state: str

    def is_editing(self) -> bool:
        return False

    def has_raw_files(self) -> bool:
        return False


class _MermaidMachine(GraphMachine):
    def __init__(self, **arguments: Any) -> None:
        super().__init__(graph_engine="mermaid", show_conditions=True, **arguments)


def diagram() -> str:
    """Return the machine as a Mermaid state diagram."""
    machine = build_machine(_Drawn(), machine=_MermaidMachine)
    return str(machine.get_combined_graph().source)


def page() -> str:
    """Return docs/states.md: the diagram, and what each state does."""
    lines = [HEADER + diagram().strip(), "```", "", "| state | what it does | leads to |"]
    lines.append("| --- | --- | --- |")
    for name in NAMES:
        subject = (module_of(name).run.__doc__ or "").splitlines()[0]
        lines.append(f"| `{name}` | {subject} | {', '.join(_leads_to(name))} |")
    return "\n".join(lines) + "\n"


def _leads_to(state: str) -> list[str]:
    found = [
        f"`{row['trigger']}` → `{row['dest']}`"
        for row in transitions()
        if state == row["source"] or (isinstance(row["source"], list) and state in row["source"])
    ]
    return list(dict.fromkeys(found)) or ["the end"]


if __name__ == "__main__":
    print(page(), end="")
