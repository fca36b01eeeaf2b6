"""The wizard as a finite-state machine: one table, one loop.

`TRANSITIONS` is the whole of the machine. A state is a module in `srwizard.states` with a
function `run(conversation) -> trigger`; the loop calls it, makes the transition that the
trigger stands for, and saves the session before anything else is asked. A section of the answers
may have a function `stale(conversation)` besides, which says what has made its answers impossible
since they were given, or None.
"""

from importlib import import_module
from types import ModuleType
from typing import Any

from rich.text import Text
from transitions import Machine

from srwizard.base.i18n import translate as _
from srwizard.prompts.question import Back
from srwizard.settings.answers import SECTIONS
from srwizard.wizard.conversation import Conversation
from srwizard.wizard.session import FINAL_STATES, STATES, Session

REQUIRED = {"data": "data.root", "output": "output.dir", "model": "model.name"}
"""The answers without which nothing behind their section can go on."""
LEAVES = "detached"
"""The trigger that ends a conversation whose session is not at its end."""
STOPS = {"frozen": "dry_run", "dry_run": "launch"}
"""Where `--stop-after` ends: before the state that comes next if all is well."""

TRANSITIONS: list[dict[str, Any]] = [
    # A section edited from the review comes back to it.
    {"trigger": "next", "source": list(SECTIONS), "dest": "review", "conditions": "is_editing"},
    {"trigger": "back", "source": list(SECTIONS), "dest": "review", "conditions": "is_editing"},
    # The way forward ...
    {"trigger": "next", "source": "data", "dest": "output"},
    {"trigger": "next", "source": "output", "dest": "model"},
    {"trigger": "next", "source": "model", "dest": "training"},
    {"trigger": "next", "source": "training", "dest": "devices"},
    {"trigger": "next", "source": "devices", "dest": "memory"},
    {"trigger": "next", "source": "memory", "dest": "review"},
    {"trigger": "next", "source": "review", "dest": "frozen"},
    {"trigger": "taken", "source": "frozen", "dest": "review"},
    {"trigger": "next", "source": "frozen", "dest": "dry_run"},
    # On other machines the memory is measured there, as the first step of the training.
    {"trigger": "other_machines", "source": "frozen", "dest": "launch"},
    {"trigger": "fits", "source": "dry_run", "dest": "launch"},
    {"trigger": "short", "source": "dry_run", "dest": "adjust"},
    {"trigger": "completed", "source": "launch", "dest": "done"},
    # A dry run on other machines has found, when the session is resumed, that it does not fit.
    {"trigger": "short", "source": "launch", "dest": "adjust"},
    # Training goes on in the background; a resumed session looks what came of it.
    {"trigger": "detached", "source": "launch", "dest": "launch"},
    # ... and back.
    {"trigger": "back", "source": "output", "dest": "data"},
    {"trigger": "back", "source": "model", "dest": "output"},
    {"trigger": "back", "source": "training", "dest": "model"},
    {"trigger": "back", "source": "devices", "dest": "training"},
    {"trigger": "back", "source": "memory", "dest": "devices"},
    {"trigger": "back", "source": "review", "dest": "memory"},
    # Any section can be edited from the review.
    *({"trigger": f"edit_{section}", "source": "review", "dest": section} for section in SECTIONS),
    # Memory is short: change the answers, or accept the risk.
    {"trigger": "changed", "source": "adjust", "dest": "review"},
    {"trigger": "accepted", "source": "adjust", "dest": "launch"},
    # Training failed: see why, then change the answers.
    {"trigger": "failed", "source": "launch", "dest": "diagnose"},
    {"trigger": "next", "source": "diagnose", "dest": "adjust"},
    {"trigger": "back", "source": "adjust", "dest": "review"},
]


def module_of(state: str) -> ModuleType:
    """Return the module of a state; it is imported when it is entered first, not before."""
    return import_module(f"srwizard.states.{state}")


class WizardModel:
    """What `transitions` moves: the session's state, and whether a section is being edited."""

    state: str

    def __init__(self, session: Session) -> None:
        self.session = session

    def is_editing(self) -> bool:
        """Whether the section was entered from the review."""
        return self.session.editing


def build_machine(model: Any, initial: str = "data", machine: type[Machine] = Machine) -> Machine:
    """Return the machine over `model`, standing in `initial`."""
    return machine(
        model=model,
        states=list(STATES),
        transitions=TRANSITIONS,
        initial=initial,
        auto_transitions=False,
    )


def run(conversation: Conversation) -> None:
    """Walk from the session's state to the end.

    Raises:
        SrwizardError: the conversation ended before; the error says why and what to do.
    """
    session = conversation.session
    session.save()
    try:
        conversation.hold(session.lock_path, _("the session {id}", id=session.id))
        _walk(conversation)
    except KeyboardInterrupt:
        conversation.save_and_quit()
    finally:
        conversation.end()


def _walk(conversation: Conversation) -> None:
    session = conversation.session
    model = WizardModel(session)
    machine = build_machine(model, session.state)
    while session.state != STOPS.get(conversation.stop_after or ""):
        source = session.state
        try:
            trigger: str = module_of(source).run(conversation)
        except Back:
            trigger = "back"
        if source in FINAL_STATES:
            return
        moved = trigger in machine.get_triggers(source) and model.trigger(trigger)  # type: ignore[attr-defined]
        conversation.backwards = moved and trigger == "back"
        if not moved:
            continue  # there is nothing to go back to from the first question
        session.state = model.state
        session.editing = trigger.startswith("edit_") or (
            session.editing and session.state in SECTIONS
        )
        session.record(trigger, source, session.state)
        session.save()
        if trigger == LEAVES:
            return


def _unanswered(session: Session, section: str) -> str | None:
    key = REQUIRED.get(section)
    if key is None or session.answers.get(key) is not None:
        return None
    return _("{key} is not answered", key=key)


def _stale(conversation: Conversation, section: str) -> str | None:
    """Say what has made the answers of a section impossible since they were given, or None."""
    stale = getattr(module_of(section), "stale", None)
    message: str | None = stale(conversation) if stale is not None else None
    return message


def resume(conversation: Conversation) -> None:
    """Go on with a saved session; where the world has changed since, from the answer it concerns.

    Raises:
        SrwizardError: as `run`.
    """
    session = conversation.session
    behind = [name for name in SECTIONS if STATES.index(name) < STATES.index(session.state)]
    left = bool(session.history) and session.history[-1]["trigger"] == LEAVES
    # What goes on in the background has its answers already, and its directory is in use.
    for name in behind if session.state not in FINAL_STATES and not left else []:
        message = _unanswered(session, name) or _stale(conversation, name)
        if message is not None:
            conversation.show(Text(_("Since the session was saved: {what}", what=message)))
            # Behind the review, the section is edited as from there.
            session.editing = session.editing or len(behind) == len(SECTIONS)
            session.record("stale", session.state, name)
            session.state = name
            break
    run(conversation)
