"""The states of the wizard and the ways between them: the whole machine, as one table.

All else that is known of states follows from `STATES`: what `machine` walks, the titles on the
screen, the states that a session file may name, what can be edited from the review, the diagram in
docs/states.md. docs/adding-a-state.md adds one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from srwizard.base.i18n import N_
from srwizard.base.i18n import translate as _


@dataclass(frozen=True)
class State:
    """One state: a module of the same name in `srwizard.states` does what it does.

    Args:
        name: of the state, of its module, and in session files.
        title: what it is called on the screen.
        section: the section of the answers that it asks for; None where it asks for none. A state
            that asks can be edited from the review, and leads back to it then.
        transitions: where each trigger leads.
        with_raw_files: where some of them lead instead while raw files are named.
        required: the answer without which nothing behind the state can go on.
    """

    name: str
    title: str
    section: str | None
    transitions: Mapping[str, str]
    required: str | None = None
    with_raw_files: Mapping[str, str] = field(default_factory=dict)


STATES = (
    # The questions, in their order. From the review, each can be edited.
    State(
        "data", N_("data"), "data",
        {"next": "output"},
        with_raw_files={"next": "prepare"},
    ),
    # A dataset is made of what was named, if it is not there already. All else can be left at its
    # default from there.
    State(
        "prepare", N_("preparing the dataset"), "data",
        {"next": "output", "back": "data", "defaults": "review"},
        required="data.root",
    ),
    State(
        "output", N_("output"), "output",
        {"next": "model", "back": "data"},
        required="output.dir",
        with_raw_files={"back": "prepare"},
    ),
    State(
        "model", N_("model"), "model",
        {"next": "training", "back": "output"},
        required="model.name",
    ),
    State(
        "training", N_("training"), "training",
        {"next": "devices", "back": "model"},
    ),
    State(
        "devices", N_("devices"), "devices",
        {"next": "memory", "back": "training"},
    ),
    State(
        "memory", N_("memory"), "memory",
        {"next": "review", "back": "devices"},
    ),
    State(
        "review", N_("confirmation"), None,
        {"next": "frozen", "back": "memory"},
    ),
    # From here on only files are handed over. On other machines the memory is measured there, as
    # the first step of the training.
    State(
        "frozen", N_("freezing the config"), None,
        {"next": "dry_run", "taken": "review", "other_machines": "launch"},
    ),
    State(
        "dry_run", N_("dry run"), None,
        {
            "fits": "launch", "short": "adjust", "long": "shorten", "roomy": "roomy",
            "changed": "review", "back": "review",
        },
    ),
    # Memory is short, or training failed: change the answers, or accept the risk.
    State(
        "adjust", N_("choosing a remedy"), None,
        {"changed": "review", "accepted": "launch", "long": "shorten", "back": "review"},
    ),
    # It fits, and memory is left over: use it, or launch as it is.
    State(
        "roomy", N_("memory to spare"), None,
        {"changed": "review", "accepted": "launch", "long": "shorten", "back": "review"},
    ),
    # It fits, but would take longer than training.time_budget.
    State(
        "shorten", N_("a long training"), None,
        {"changed": "review", "accepted": "launch", "back": "review"},
    ),
    # Training goes on in the background, or on other machines: a resumed session looks what came
    # of it, and may find that a dry run there was short of memory.
    State(
        "launch", N_("training in progress"), None,
        {"completed": "done", "detached": "launch", "short": "adjust", "failed": "diagnose"},
    ),
    State(
        "diagnose", N_("diagnosis of a failure"), None,
        {"next": "adjust"},
    ),
    State(
        "done", N_("done"), None,
        {},
    ),
)  # fmt: skip

START = STATES[0].name
REVIEW = "review"
EDIT = "edit_"
"""The review's trigger that leads to a state is this and the state's name."""

NAMES = tuple(state.name for state in STATES)
ASKING = tuple(state.name for state in STATES if state.section is not None)
"""The states that ask, in their order: those that can be edited from the review."""
FINAL = tuple(state.name for state in STATES if not state.transitions)
REQUIRED = {state.name: state.required for state in STATES if state.required is not None}

_BY_NAME = {state.name: state for state in STATES}


def title_of(name: str) -> str:
    """Return what a state is called in the user's language."""
    return _(_BY_NAME[name].title)
