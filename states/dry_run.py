"""dry_run: the training core measures the true peak memory of the frozen config."""

from dataclasses import asdict, replace

from rich.text import Text

from srwizard.base.errors import InterruptedByUserError
from srwizard.base.i18n import translate as _
from srwizard.memory.dry_run_table import dry_run_table, verdict_lines
from srwizard.memory.forecast import note_step_seconds
from srwizard.memory.measure import dry_run
from srwizard.memory.room import WORTH_LOOKING_SECONDS, is_roomy
from srwizard.prompts.question import Choice, Question
from srwizard.settings import run_config
from srwizard.states.frozen import hold_run, run_directory
from srwizard.states.roomy import wants_faster
from srwizard.wizard.chosen_dataset import verified_dataset
from srwizard.wizard.conversation import Conversation
from srwizard.wizard.reason import LONG, ROOMY, Outcome, short_of_memory
from srwizard.wizard.time_budget import is_over_budget


def run(conversation: Conversation) -> Outcome:
    """Measure; "fits" leads to the launch if there is time for it, or to the review."""
    if conversation.stop_after != "dry_run":
        conversation.require_confirmation()
    hold_run(conversation)
    run_dir = run_directory(conversation)
    dataset = verified_dataset(conversation, run_dir)
    with conversation.prompts.busy(_("Dry run: a few real steps, to measure the memory …")):
        try:
            result = dry_run(run_dir, dataset=dataset)
        except InterruptedByUserError:
            conversation.save_and_quit()
    if result.step_seconds is not None:
        note_step_seconds(run_config.load(run_dir), result.step_seconds)
    conversation.show(dry_run_table(result))
    reason = short_of_memory(asdict(result))
    conversation.show(Text("\n".join(verdict_lines(reason.figures))))
    if result.verdict != "fits":
        return Outcome("changed") if _put_back(conversation) else Outcome("short", reason)
    proposed = (result.lr_range or {}).get("proposed")
    if proposed and _taken(conversation, proposed):
        return Outcome("changed")
    roomy = is_roomy(result.peak_bytes, result.capacity_bytes)
    if roomy and wants_faster(conversation):
        return Outcome("roomy", replace(reason, kind=ROOMY))
    if is_over_budget(conversation, reason.figures):
        return Outcome("long", replace(reason, kind=LONG))
    if roomy and (result.run_seconds or 0.0) >= WORTH_LOOKING_SECONDS:
        return Outcome("roomy", replace(reason, kind=ROOMY))
    return Outcome("fits")


def _put_back(conversation: Conversation) -> bool:
    """Take back what an answers file let spare memory be used for, where it does not suffice."""
    session = conversation.session
    before = {
        key: value
        for key, value in session.before_faster.items()
        if session.answers.get(key) != value
    }
    if conversation.prompts.interactive or not before:
        return False
    conversation.show(
        Text(
            _("The faster settings turned out too large when measured; the earlier ones are back.")
        )
    )
    for key, value in before.items():
        session.answers.set(key, value)
    return True


def _taken(conversation: Conversation, proposed: float) -> bool:
    """Ask whether to train with the learning rate proposed; only a person can take it."""
    answers = conversation.session.answers
    if not conversation.prompts.interactive or proposed == answers.training.lr:
        return False
    question = Question(
        "",
        _("Learning rate"),
        "one",
        False,
        choices=(
            Choice(False, _("Train with {lr:g}, as answered", lr=answers.training.lr)),
            Choice(True, _("Use {lr:g}, and show the summary again", lr=proposed)),
        ),
    )
    taken: bool = conversation.ask(question)
    if taken:
        answers.set("training.lr", proposed)
        answers.set("training.lr_range_test", False)
    return taken
