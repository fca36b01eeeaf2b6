"""adjust: memory is short, or training failed; change the answers, or accept the risk."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from rich.text import Text

from srwizard.base.errors import DoesNotFitError, NeedsPersonError
from srwizard.base.i18n import translate as _
from srwizard.base.signs import good
from srwizard.base.sizes_and_times import memory_name
from srwizard.hardware.devices import find_devices
from srwizard.memory.dry_run_table import tight_text, verdict_lines
from srwizard.memory.forecast import Forecast, forecasts
from srwizard.memory.measure import FILE_NAME
from srwizard.memory.remedies import Surroundings, remedies
from srwizard.memory.remedies_table import details, note_text, remedies_table
from srwizard.memory.remedy_effects import (
    Expected,
    Offer,
    RemedyEffect,
    batch_that_fits,
    effects,
    helpful_first,
    needed,
    recommended,
    smallest_combination,
    with_room,
)
from srwizard.prompts.question import Back, Choice, Question
from srwizard.runs import checkpoint_files
from srwizard.runs.failure_kinds import kind_named
from srwizard.runs.failure_kinds.kind import Kind
from srwizard.runs.records import note_in_dry_run
from srwizard.settings.answers import Answers
from srwizard.settings.changes import differences
from srwizard.settings.remedy import Remedy, apply
from srwizard.settings.run_config import RunConfig
from srwizard.states.diagnose import explanation
from srwizard.states.frozen import run_directory
from srwizard.wizard.chosen_dataset import chosen_dataset, chosen_variables
from srwizard.wizard.conversation import Conversation
from srwizard.wizard.reason import LONG, Outcome, Reason
from srwizard.wizard.resolve import resolve
from srwizard.wizard.time_budget import is_over_budget

BEST, ROOMY, SEVERAL, EDIT, ACCEPT, QUIT = "best", "roomy", "several", "edit", "accept", "quit"


def run(conversation: Conversation) -> str | Outcome:
    """Show the remedies with what each would bring; a person or memory.when_tight decides."""
    kind = _failure_kind(conversation)
    if kind is not None and not kind.ran_out_of_memory:
        offered = kind.remedies(conversation.session.answers)
        offer = Offer([RemedyEffect(remedy) for remedy in offered])
    else:
        offer = _against_want_of_memory(conversation)
        best = offer.best.as_json() if offer.best is not None else None
        note_in_dry_run(
            run_directory(conversation),
            conversation.session.digest,
            {"remedies": [item.as_json() for item in offer.singles], "recommended": best},
        )
    if conversation.prompts.interactive:
        # After a failure others may have the memory: how much is needed, nobody has measured.
        if kind is None and offer.none_is_enough:
            conversation.show(Text(_not_enough()))
        return _ask(conversation, offer)
    conversation.show(remedies_table(offer.singles))
    if offer.best is not None:
        conversation.show(Text(_("Predicted to fit: {remedy}", remedy=offer.best.remedy.title)))
    elif kind is None and offer.none_is_enough:
        conversation.show(Text(_not_enough()))
    return _decide(conversation, offer)


def _not_enough() -> str:
    return _(
        "None of these changes is predicted to be enough, nor are they together: a smaller "
        "network, or a machine with more memory, is needed."
    )


def recall(conversation: Conversation) -> None:
    """Say again what led here, to one who comes back to it."""
    reason = reason_of(conversation)
    if reason.is_failure:
        conversation.show(explanation(conversation, reason))
    else:
        conversation.show(Text("\n".join(verdict_lines(reason.figures))))


def reason_of(conversation: Conversation) -> Reason:
    """Return what led to the present state."""
    reason = conversation.session.reason
    assert reason is not None
    return reason


def _failure_kind(conversation: Conversation) -> Kind | None:
    """Return the kind of the failure that led here, or None where memory was found short before."""
    found = reason_of(conversation)
    return kind_named(found.kind) if found.is_failure else None


def _against_want_of_memory(conversation: Conversation) -> Offer:
    """Return what lowers the peak, and what of it is predicted to be enough."""
    answers = conversation.session.answers
    look = partial(predicted_effects, conversation)
    with conversation.prompts.busy(_("Predicting what each change would bring …")):
        singles = look(remedies(answers, surroundings(conversation)))
        if not reason_of(conversation).is_failure:  # then what is needed has not been measured
            singles = helpful_first(singles)
        batch = batch_that_fits(singles, answers)
        if batch is not None:
            place = max(n for n, item in enumerate(singles) if item.remedy.key == batch.key)
            singles[place + 1 : place + 1] = look([batch])
        best = recommended(singles) or smallest_combination(singles, look)
        interactive = conversation.prompts.interactive
        return Offer(singles, best, with_room(singles, best, look) if interactive else None)


def surroundings(conversation: Conversation) -> Surroundings:
    """Return what remedies depend on besides the answers."""
    variables = chosen_variables(conversation, chosen_dataset(conversation))
    run_dir = run_directory(conversation)
    return Surroundings(
        hr_shape=variables[0].hr_shape,
        free_gpus=_free_gpus(conversation.session.answers.devices.gpus),
        # Another network could not go on from the checkpoint that is there.
        model_is_open=not checkpoint_files.exists(run_dir, checkpoint_files.LAST),
    )


def _free_gpus(chosen: Sequence[int]) -> tuple[int, ...]:
    """Return the idle GPUs beside those chosen; parts of a GPU can only be used alone."""
    if not chosen:
        return ()
    found = find_devices().gpus
    if any(gpu.parent is not None for gpu in found if gpu.index in chosen):
        return ()
    return tuple(
        gpu.index
        for gpu in found
        if gpu.index not in chosen and not gpu.busy and gpu.parent is None
    )


def predicted_effects(conversation: Conversation, offered: Sequence[Remedy]) -> list[RemedyEffect]:
    """Predict what each remedy would bring to the config as it is."""
    answers = conversation.session.answers
    runs = [resolve(conversation, answers)]
    for remedy in offered:
        changed = answers.model_copy(deep=True)
        apply(changed, remedy)
        runs.append(resolve(conversation, changed))
    present, *predicted = map(_expected, forecasts(runs), runs)
    reason = reason_of(conversation)
    capacity, measured = reason.figures.get("capacity_bytes"), reason.figures.get("measured_bytes")
    ran_out = capacity is not None and (measured is None or reason.is_failure)
    capacity = int(capacity or 0)
    known = needed(measured, present.peak_bytes if present else None, capacity, ran_out=ran_out)
    return effects(offered, predicted, present, known, capacity)


def _expected(forecast: Forecast | None, run: RunConfig) -> Expected | None:
    return None if forecast is None else Expected(forecast.peak_bytes, forecast.epoch_cost(run))


def _verdict(conversation: Conversation) -> str | None:
    verdict: str | None = reason_of(conversation).figures.get("verdict")
    return verdict


def _ask(conversation: Conversation, offer: Offer) -> str | Outcome:
    """Let a person pick remedies, edit, or accept what is tight; return the trigger."""
    figures, failed = reason_of(conversation).figures, _failure_kind(conversation) is not None
    tight, memory = _verdict(conversation) == "tight", memory_name(figures.get("device") or "")
    trigger = choose(
        conversation,
        offer,
        edit=_("Change nothing, or edit the answers myself")
        if failed
        else _("Edit the answers myself"),
        accept=_("Launch anyway ({memory} will be tight)", memory=memory) if tight else None,
        explained=[tight_text(memory)] if tight else [],
    )
    return _accepted(conversation) if trigger == "accepted" else trigger


def choose(
    conversation: Conversation,
    offer: Offer,
    *,
    edit: str,
    accept: str | None,
    explained: Sequence[str],
) -> str:
    """Let a person choose what to change, make the changes, and list them.

    Args:
        conversation: whose answers are changed.
        offer: what can be changed.
        edit: what it is called to change nothing here.
        accept: what it is called to launch all the same; None where that cannot be.
        explained: what is said to one who asks for help.

    Returns:
        the trigger: "changed" or "accepted".
    """
    offered, proposals = offer.singles, {BEST: offer.best, ROOMY: offer.roomy}
    if offered:
        conversation.show(Text(_("Suggested changes:"), style="bold"))
    titles = {
        BEST: lambda title: _("Predicted to fit: {remedy}", remedy=title),
        ROOMY: lambda title: _("With room to spare: {remedy}", remedy=title),
    }
    choices = [
        Choice(
            name,
            titles[name](item.remedy.title),
            note=partial(note_text, item),
            details=partial(details, item),
        )
        for name, item in proposals.items()
        if item is not None
    ]
    choices += numbered(offered)
    if len(offered) > 1:
        choices.append(Choice(SEVERAL, _("Several of these …")))
    choices.append(Choice(EDIT, edit))
    if accept is not None:
        choices.append(Choice(ACCEPT, accept))
    choices.append(Choice(QUIT, _("Save and quit")))
    question = Question(
        "",
        _("What should be changed?"),
        "one",
        choices[0].value,
        details=tuple(explained),
        choices=tuple(choices),
    )
    while True:
        chosen = conversation.ask(question)
        if chosen == QUIT:
            conversation.save_and_quit()
        if chosen == ACCEPT:
            return "accepted"
        try:
            picked = _picked(conversation, offered, chosen)
        except Back:
            question = replace(question, default=SEVERAL)
            continue
        before = conversation.session.answers.model_copy(deep=True)
        proposal = proposals.get(chosen) if isinstance(chosen, str) else None
        if proposal is not None:
            apply(conversation.session.answers, proposal.remedy)
        for number in picked:
            apply(conversation.session.answers, offered[number].remedy)
        show_changes(conversation, before)
        return "changed"


def show_changes(conversation: Conversation, before: Answers) -> None:
    """List what is otherwise in the answers now."""
    if changes := [f"  - {one}" for one in differences(before, conversation.session.answers)]:
        conversation.show(Text("\n".join([good(_("Changed:")), *changes])))


def _accepted(conversation: Conversation) -> str | Outcome:
    """Accept what is tight; that may take too long besides."""
    reason = reason_of(conversation)
    if not reason.is_failure and is_over_budget(conversation, reason.figures):
        return Outcome("long", replace(reason, kind=LONG))
    return "accepted"


def numbered(offered: Sequence[RemedyEffect]) -> Iterator[Choice]:
    """Yield the changes as choices, with what each is predicted to bring."""
    for number, item in enumerate(offered):
        yield Choice(
            number,
            f"{number + 1}. {item.remedy.title}",
            note=partial(note_text, item),
            details=partial(details, item),
            number=number + 1,
        )


def _picked(
    conversation: Conversation, offered: Sequence[RemedyEffect], chosen: object
) -> list[int]:
    """Return the numbers of the remedies to apply."""
    if isinstance(chosen, int):
        return [chosen]
    if chosen != SEVERAL:
        return []
    question = Question(
        "",
        _("Which of them?"),
        "several",
        default=[],
        help=_(
            "They are applied in this order; if two of them set the same parameter, the "
            "later one counts."
        ),
        choices=tuple(numbered(offered)),
        check=lambda marked: None if marked else _("mark at least one"),
    )
    marked: list[int] = conversation.ask(question)
    return marked


def _decide(conversation: Conversation, offer: Offer) -> str | Outcome:
    """Follow memory.when_tight.

    Raises:
        DoesNotFitError: it says to stop, or nothing is left to do.
        NeedsPersonError: training failed, and what to change is a person's decision.
    """
    verdict, policy = _verdict(conversation), conversation.session.answers.memory.when_tight
    if verdict in (None, "fits"):
        raise NeedsPersonError(
            _("stopped: after a failure, you have to decide what to change"),
            _("Continue by hand: srwizard resume {id}", id=conversation.session.id),
        )
    if policy == "accept" and verdict == "tight":
        return _accepted(conversation)
    helpful = [item for item in offer.singles if item.gains]
    if policy == "apply" and (offer.best is not None or helpful):
        apply(conversation.session.answers, (offer.best or helpful[0]).remedy)
        return "changed"
    message = (
        _("the run is tight in memory; nothing was launched")
        if verdict == "tight"
        else _("the run does not fit in memory; nothing was launched")
    )
    raise DoesNotFitError(
        message,
        "\n".join(
            [
                _(
                    "Suggested changes are listed in {path}.",
                    path=run_directory(conversation) / FILE_NAME,
                ),
                _("Set memory.when_tight to apply or accept, or change it by hand: "
                  "srwizard resume {id}", id=conversation.session.id)
                if verdict == "tight" else
                _("Set memory.when_tight to apply, or change it by hand: srwizard resume {id}",
                  id=conversation.session.id),
            ]
        ),
    )  # fmt: skip
