"""roomy: memory is left over; use it, or keep the answers as they are."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from rich.text import Text

from srwizard.base.i18n import translate as _
from srwizard.base.sizes_and_times import memory_name
from srwizard.hardware.devices import cpu
from srwizard.memory.dry_run_table import verdict_lines
from srwizard.memory.remedies_table import details, note_text, remedies_table, time_text
from srwizard.memory.remedy_effects import RemedyEffect
from srwizard.memory.room import Room, what_room_buys
from srwizard.prompts.question import Choice, Question
from srwizard.runs.records import note_in_dry_run
from srwizard.settings.remedy import apply
from srwizard.states.adjust import (
    numbered,
    predicted_effects,
    reason_of,
    show_changes,
    surroundings,
)
from srwizard.states.frozen import run_directory
from srwizard.wizard.chosen_dataset import opened_dataset
from srwizard.wizard.conversation import Conversation
from srwizard.wizard.reason import LONG, Outcome
from srwizard.wizard.time_budget import is_over_budget

KEEP, FASTER, EDIT, QUIT = "keep", "faster", "edit", "quit"


def run(conversation: Conversation) -> str | Outcome:
    """Show what the room can buy; a person or memory.when_roomy decides."""
    room = _room(conversation)
    note_in_dry_run(run_directory(conversation), conversation.session.digest, room.as_json())
    if not room.singles:
        return _kept(conversation)
    if conversation.prompts.interactive:
        return _ask(conversation, room)
    conversation.show(remedies_table(room.singles, _("What the room can buy")))
    if room.faster is None or not wants_faster(conversation):
        return _kept(conversation)
    _take(conversation, room.faster)
    return "changed"


def wants_faster(conversation: Conversation) -> bool:
    """Return whether the answers want spare memory used, which is done once."""
    session = conversation.session
    return session.answers.memory.when_roomy == FASTER and not session.before_faster


def recall(conversation: Conversation) -> None:
    """Say again what led here, to one who comes back to it."""
    conversation.show(Text("\n".join(verdict_lines(reason_of(conversation).figures))))


def _room(conversation: Conversation) -> Room:
    with conversation.prompts.busy(_("Predicting what each change would bring …")):
        return what_room_buys(
            conversation.session.answers,
            surroundings(conversation),
            opened_dataset(conversation).summary.steps["train"],
            cpu().cores,
            partial(predicted_effects, conversation),
        )


def _ask(conversation: Conversation, room: Room) -> str | Outcome:
    device = reason_of(conversation).figures.get("device") or ""
    conversation.show(
        Text(_("There is {memory} to spare.", memory=memory_name(device)), style="bold")
    )
    chosen = conversation.ask(
        Question(
            "",
            _("What should the room be used for?"),
            "one",
            FASTER if room.faster is not None and wants_faster(conversation) else KEEP,
            details=(_("Whatever is changed is measured again before training begins."),),
            choices=tuple(_choices(room)),
        )
    )
    if chosen == QUIT:
        conversation.save_and_quit()
    if chosen == KEEP:
        return _kept(conversation)
    if chosen == EDIT:
        return "changed"
    item = room.faster if chosen == FASTER else room.singles[chosen]
    assert item is not None
    _take(conversation, item)
    return "changed"


def _choices(room: Room) -> Iterator[Choice]:
    yield Choice(KEEP, _("Nothing: launch as it is"))
    if room.faster is not None:
        yield Choice(
            FASTER,
            _("Faster: {remedy}", remedy=room.faster.remedy.title),
            note=partial(_faster_note, room.faster),
            details=partial(details, room.faster),
        )
    yield from numbered(room.singles)
    yield Choice(EDIT, _("Edit the answers myself"))
    yield Choice(QUIT, _("Save and quit"))


def _faster_note(item: RemedyEffect) -> str:
    return _("{peak}; time per epoch {change}", peak=note_text(item), change=time_text(item))


def _take(conversation: Conversation, item: RemedyEffect) -> None:
    """Make the changes, and keep what was there before, which is known to fit."""
    session = conversation.session
    before = session.answers.model_copy(deep=True)
    session.before_faster = {key: before.get(key) for key in item.remedy.changes}
    apply(session.answers, item.remedy)
    show_changes(conversation, before)


def _kept(conversation: Conversation) -> str | Outcome:
    reason = reason_of(conversation)
    if is_over_budget(conversation, reason.figures):
        return Outcome("long", replace(reason, kind=LONG))
    return "accepted"
