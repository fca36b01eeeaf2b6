"""The wizard as a finite-state machine: `transition_table` says where to, the loop here walks it.

A state is a module in `srwizard.states` with a function `run(conversation)`, which returns the
trigger of a transition, or an `Outcome` where the state that follows must know what was found. The
loop makes the transition and saves the session before anything else is asked. A state that asks may
have a function `stale(conversation)` besides, which says what has made its answers impossible since
they were given, or None; one that is entered for a reason, `recall(conversation)`, which tells it
again to one who resumes there.
"""

from importlib import import_module
from types import ModuleType
from typing import Any

from rich.text import Text
from transitions import Machine

from srwizard.base.errors import SrwizardError
from srwizard.base.i18n import translate as _
from srwizard.base.visible import Lines
from srwizard.prompts.question import Back
from srwizard.wizard.conversation import Conversation
from srwizard.wizard.preparing import raw_files_of
from srwizard.wizard.reason import Outcome
from srwizard.wizard.session import Session, load
from srwizard.wizard.transition_table import (
    ASKING,
    EDIT,
    FINAL,
    NAMES,
    REQUIRED,
    REVIEW,
    START,
    STATES,
)

STOPS_BEFORE = {"frozen": ("dry_run", "launch"), "dry_run": ("launch",)}
"""Where `--stop-after` ends: before the states that come next if all is well."""


def transitions() -> list[dict[str, Any]]:
    """Return the transition table as `transitions` takes it; of two that apply the first counts."""
    return [
        # Edited from the review too, raw files lead on to what makes a dataset of them.
        *_with_raw_files("next"),
        # A state edited from the review comes back to it.
        {"trigger": "next", "source": list(ASKING), "dest": REVIEW, "conditions": "is_editing"},
        {"trigger": "back", "source": list(ASKING), "dest": REVIEW, "conditions": "is_editing"},
        *_with_raw_files("back"),
        *(
            {"trigger": trigger, "source": state.name, "dest": dest}
            for state in STATES
            for trigger, dest in state.transitions.items()
        ),
        *({"trigger": f"{EDIT}{name}", "source": REVIEW, "dest": name} for name in ASKING),
    ]


def _with_raw_files(trigger: str) -> list[dict[str, Any]]:
    return [
        {
            "trigger": trigger,
            "source": state.name,
            "dest": state.with_raw_files[trigger],
            "conditions": "has_raw_files",
        }
        for state in STATES
        if trigger in state.with_raw_files
    ]


def module_of(state: str) -> ModuleType:
    """Return the module of a state; it is imported when it is entered first, not before."""
    return import_module(f"srwizard.states.{state}")


class WizardModel:
    """What `transitions` moves: the session's state, and whether it is edited from the review."""

    state: str

    def __init__(self, session: Session) -> None:
        self.session = session

    def is_editing(self) -> bool:
        """Return whether the state was entered from the review."""
        return self.session.editing

    def has_raw_files(self) -> bool:
        """Return whether the dataset is made of raw files that were named."""
        return raw_files_of(self.session.answers) != []


def build_machine(model: Any, initial: str = START, machine: type[Machine] = Machine) -> Machine:
    """Return the machine over `model`, standing in `initial`."""
    return machine(
        model=model,
        states=list(NAMES),
        transitions=transitions(),
        initial=initial,
        auto_transitions=False,
    )


def run(conversation: Conversation) -> None:
    """Walk from the session's state to the end.

    Raises:
        SrwizardError: the conversation ended before; the error says why and what to do.
    """
    session = conversation.session
    conversation.resumed = session.path is not None
    if session.path is None:  # a new one, which nobody else has
        session.save()
    try:
        _hold(conversation)
        session.save()
        _walk(conversation)
    except KeyboardInterrupt:
        conversation.save_and_quit()
    finally:
        conversation.end()


def _hold(conversation: Conversation) -> None:
    session = conversation.session
    conversation.hold(session.lock_path, _("the session {id}", id=session.id))


def _walk(conversation: Conversation) -> None:
    session = conversation.session
    model = WizardModel(session)
    machine = build_machine(model, session.state)
    while session.state not in STOPS_BEFORE.get(conversation.stop_after or "", ()):
        source = session.state
        if source not in ASKING:
            conversation.ask_again()
        outcome = _outcome_of(source, conversation)
        conversation.resumed = False
        if source in FINAL:
            return
        trigger = outcome.trigger
        known = trigger in machine.get_triggers(source)
        moved = known and model.trigger(trigger)  # type: ignore[attr-defined]
        conversation.backwards = moved and trigger == "back"
        if not known and trigger != "back":
            raise ValueError(f"the state {source} has no transition for {trigger!r}")
        if not moved:
            continue  # there is nothing to go back to from the first question
        session.editing = trigger.startswith(EDIT) or (session.editing and model.state in ASKING)
        session.enter(model.state, trigger, outcome.reason)
        session.save()
        if session.is_detached:
            return


def _outcome_of(state: str, conversation: Conversation) -> Outcome:
    try:
        found: str | Outcome = module_of(state).run(conversation)
    except Back:
        return Outcome("back")
    return Outcome(found) if isinstance(found, str) else found


def _unanswered(session: Session, state: str) -> str | None:
    key = REQUIRED.get(state)
    if key is None or session.answers.get(key) is not None:
        return None
    return _("{key} is not answered", key=key)


def _stale(conversation: Conversation, state: str) -> str | None:
    """Say what has made the answers of a state impossible since they were given, or None."""
    stale = getattr(module_of(state), "stale", None)
    message: str | None = stale(conversation) if stale is not None else None
    return message


def resume(conversation: Conversation) -> None:
    """Go on with a saved session; where the world has changed since, from the answer it concerns.

    Raises:
        SrwizardError: as `run`.
    """
    try:
        _hold(conversation)  # before anything is written, or another process loses its answers
        if conversation.session.path is not None and conversation.session.path.exists():
            conversation.session = load(conversation.session.path)  # as that has left it
    except SrwizardError:
        conversation.end()
        raise
    session = conversation.session
    behind = [name for name in ASKING if NAMES.index(name) < NAMES.index(session.state)]
    # What goes on in the background has its answers already, and its directory is in use.
    for name in behind if session.state not in FINAL and not session.is_detached else []:
        message = _unanswered(session, name) or _stale(conversation, name)
        if message is not None:
            conversation.show(Text(_("Since the session was saved: {what}", what=Lines(message))))
            # Behind the review, the state is edited as from there.
            session.editing = session.editing or len(behind) == len(ASKING)
            session.enter(name, "stale")
            break
    recall = getattr(module_of(session.state), "recall", None)
    if recall is not None:
        recall(conversation)
    if session.state in ASKING and session.answers.data.root is not None:
        from srwizard.wizard import simple_methods  # takes NumPy

        simple_methods.begin(conversation)
    run(conversation)
