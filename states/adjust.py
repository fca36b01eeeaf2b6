"""adjust: memory is short, or training failed; change the answers, or accept the risk."""

import json
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from rich.table import Table
from rich.text import Text

from srwizard.conversation import Conversation
from srwizard.dataset import chosen_dataset, chosen_variables
from srwizard.errors import DoesNotFitError, NeedsPersonError
from srwizard.failure_remedies import FOR_WANT_OF_MEMORY, remedies_for
from srwizard.i18n import translate as _
from srwizard.memory.forecast import forecasts
from srwizard.memory.measure import FILE_NAME
from srwizard.memory.outlook import Outlook, outlooks, recommended
from srwizard.memory.remedies import Remedy, apply, combinations, remedies
from srwizard.prompts import Choice, Question
from srwizard.resolve import resolve
from srwizard.states.diagnose import recorded_failure
from srwizard.states.frozen import run_directory
from srwizard.units import megabytes_text

BEST, SEVERAL, EDIT, ACCEPT, QUIT = "best", "several", "edit", "accept", "quit"


def run(conversation: Conversation) -> str:
    """Show the remedies with what each would bring; a person or memory.when_tight decides."""
    kind = _failure_kind(conversation)
    if kind is not None and kind not in FOR_WANT_OF_MEMORY:
        offered = remedies_for(kind, conversation.session.answers)
        singles, best = [Outlook(remedy) for remedy in offered], None
    else:
        singles, best = _against_want_of_memory(conversation)
    if conversation.prompts.interactive:
        return _ask(conversation, singles, best)
    conversation.show(remedies_table(singles))
    if best is not None:
        conversation.show(Text(_("Predicted to fit: {remedy}", remedy=best.remedy.title)))
    return _decide(conversation, [item.remedy for item in singles], best)


def _failure_kind(conversation: Conversation) -> str | None:
    """Return the kind of the failure that led here, or None where memory was found short before."""
    history = conversation.session.history
    if not history or history[-1].get("from") != "diagnose":
        return None
    return str(recorded_failure(run_directory(conversation))["kind"])


def _against_want_of_memory(conversation: Conversation) -> tuple[list[Outlook], Outlook | None]:
    """Return what lowers the peak, and the least of it that is predicted to be enough."""
    variables = chosen_variables(conversation, chosen_dataset(conversation))
    offered = remedies(conversation.session.answers, variables[0].hr_shape)
    with conversation.prompts.busy(_("Predicting what each change would bring …")):
        singles = _outlooks(conversation, offered)
        best = recommended(singles)
        if best is None:
            best = recommended(_outlooks(conversation, combinations(offered)))
    return singles, best


def _outlooks(conversation: Conversation, offered: Sequence[Remedy]) -> list[Outlook]:
    """Predict what each remedy would bring to the config as it is."""
    answers, digests = conversation.session.answers, conversation.session.fingerprint
    runs = [resolve(conversation, answers, digests=digests)]
    for remedy in offered:
        changed = answers.model_copy(deep=True)
        apply(changed, remedy)
        runs.append(resolve(conversation, changed, digests=digests))
    present, *predicted = forecasts(runs)
    measured = _dry_run(conversation)
    return outlooks(
        offered,
        predicted,
        present,
        measured.get("peak_bytes"),
        int(measured.get("capacity_bytes") or 0),
    )


def remedies_table(offered: Sequence[Outlook]) -> Table:
    """Return the remedies as a numbered table, with their predicted peaks."""
    table = Table(title=_("What can be changed"), title_justify="left")
    table.add_column(_("No."))
    table.add_column(_("Remedy"), overflow="fold")
    table.add_column(_("Predicted peak"), overflow="fold")
    table.add_column(_("Cost"), overflow="fold")
    for number, item in enumerate(offered, start=1):
        table.add_row(
            str(number), Text(item.remedy.title), Text(_peak_text(item)), Text(_cost(item))
        )
    return table


def _cost(item: Outlook) -> str:
    return item.remedy.cost if item.gains else _("saves next to nothing here")


def _peak_text(item: Outlook) -> str:
    if item.peak_bytes is None:
        return "-"
    text = megabytes_text(item.peak_bytes)
    return f"{text}, {100 * item.share:.0f} %" if item.share is not None else text


def _dry_run(conversation: Conversation) -> dict[str, Any]:
    """Return the dry run of the config as it is frozen now, empty where there is none."""
    try:
        found = json.loads((run_directory(conversation) / FILE_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    same = isinstance(found, dict) and found.get("digest") == conversation.session.digest
    return found if same else {}


def _verdict(conversation: Conversation) -> str | None:
    return _dry_run(conversation).get("verdict")


def _ask(conversation: Conversation, offered: Sequence[Outlook], best: Outlook | None) -> str:
    """Let a person pick remedies, edit, or accept what is tight; return the trigger."""
    choices = [*_numbered(offered)]
    if best is not None:
        title = _("Predicted to fit: {remedy}", remedy=best.remedy.title)
        choices.insert(0, Choice(BEST, title, details=partial(_details, best)))
    if len(offered) > 1:
        choices.append(Choice(SEVERAL, _("Several of these …")))
    if _failure_kind(conversation) is not None:
        choices.append(Choice(EDIT, _("Change nothing, or edit the answers myself")))
    else:
        choices.append(Choice(EDIT, _("Edit the answers myself")))
    if _verdict(conversation) == "tight":
        choices.append(Choice(ACCEPT, _("Launch all the same, although it is tight")))
    choices.append(Choice(QUIT, _("Save and quit")))
    chosen = conversation.ask(
        Question("", _("What shall be changed?"), "one", choices[0].value, choices=tuple(choices))
    )
    if chosen == QUIT:
        conversation.save_and_quit()
    if chosen == ACCEPT:
        return "accepted"
    if chosen == BEST and best is not None:
        apply(conversation.session.answers, best.remedy)
    for number in _picked(conversation, offered, chosen):
        apply(conversation.session.answers, offered[number].remedy)
    return "changed"


def _numbered(offered: Sequence[Outlook]) -> Iterator[Choice]:
    for number, item in enumerate(offered):
        yield Choice(
            number,
            f"{number + 1}. {item.remedy.title}",
            note=partial(_peak_text, item) if item.peak_bytes is not None else None,
            details=partial(_details, item),
        )


def _details(item: Outlook) -> Iterator[str]:
    if item.peak_bytes is not None:
        yield _("Predicted peak: {peak}", peak=_peak_text(item))
    yield _("Cost: {cost}", cost=_cost(item))


def _picked(conversation: Conversation, offered: Sequence[Outlook], chosen: object) -> list[int]:
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
        help=_("They are applied in this order; of two that set the same, the later counts."),
        choices=tuple(_numbered(offered)),
        check=lambda marked: None if marked else _("mark at least one"),
    )
    marked: list[int] = conversation.ask(question)
    return marked


def _decide(conversation: Conversation, offered: Sequence[Remedy], best: Outlook | None) -> str:
    """Follow memory.when_tight.

    Raises:
        DoesNotFitError: it says to stop, or nothing is left to do.
        NeedsPersonError: training failed, and what to change is a person's decision.
    """
    verdict, policy = _verdict(conversation), conversation.session.answers.memory.when_tight
    if verdict in (None, "fits"):
        raise NeedsPersonError(
            _("stopped: what to change after a failure is a person's decision"),
            _("Go on by hand: srwizard resume {id}", id=conversation.session.id),
        )
    if policy == "accept" and verdict == "tight":
        return "accepted"
    if policy == "apply" and offered:
        apply(conversation.session.answers, best.remedy if best is not None else offered[0])
        return "changed"
    message = (
        _("the run is tight in memory; nothing was launched")
        if verdict == "tight"
        else _("the run does not fit in memory; nothing was launched")
    )
    raise DoesNotFitError(
        message,
        _("Set memory.when_tight to apply or accept, or change it by hand: srwizard resume {id}",
          id=conversation.session.id),
    )  # fmt: skip
