"""model: which network, and its parameters."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from rich.text import Text

from srwizard.base.errors import UsageError
from srwizard.base.i18n import labelled, language
from srwizard.base.i18n import translate as _
from srwizard.base.sizes_and_times import bytes_text
from srwizard.hardware.devices import find_devices
from srwizard.memory.forecast import begin, fits, known
from srwizard.models.catalog import (
    ModelCard,
    card,
    cards,
    resolve_parameters,
    size_parameters,
)
from srwizard.models.table import family_title, model_title
from srwizard.prompts.question import Choice, Question
from srwizard.settings.answers import Answers
from srwizard.settings.changes import value_text
from srwizard.settings.model import SIZES, model_parameters
from srwizard.settings.run_config import RunConfig
from srwizard.wizard.conversation import Conversation, Maker
from srwizard.wizard.network_parameters import (
    parameter_problems,
    parameter_question,
    weights_notices,
    weights_problems,
)
from srwizard.wizard.option_questions import question, questions
from srwizard.wizard.recipe import RECOMMENDED, take_recipe
from srwizard.wizard.resolve import possible

ROOM_FOR_SUMMARIES = 80
"""Columns of a screen that has room for a line on each model in the list."""
DEFAULTS = "defaults"
"""In the place of a size."""


def run(conversation: Conversation) -> str:
    """Ask for the model, then whether its parameters are to be changed, then for these.

    Raises:
        UsageError: an answers file has parameters that cannot work; says which.
    """
    answers = conversation.session.answers
    parameters_of = answers.model.name
    change = False
    # Mostly the state before has begun to predict, and that goes on.
    predicting = conversation.runs_in_background

    def ask_model() -> Question:
        nonlocal predicting
        if conversation.prompts.interactive and not predicting:
            begin_forecasts(conversation)
        predicting = True
        return _model_question(conversation)

    def note_change(value: bool | str) -> str | None:
        nonlocal change
        change = value is True
        if isinstance(value, str):
            answers.forget("model.params")
            answers.forget("model.size")
            if value != DEFAULTS:
                answers.set("model.size", value)
        return None

    def ask_whether() -> Question:
        nonlocal parameters_of, predicting
        predicting = False  # its sizes are predicted instead
        if parameters_of not in (None, answers.model.name):
            for name in ("size", "params", "weights"):
                answers.forget(f"model.{name}")
        parameters_of = answers.model.name
        return _overview(conversation, note_change)

    def ask_parameter(place: int) -> Question | None:
        chosen = card(answers.model.name or "")
        if not change or place >= len(chosen.parameters):
            return None
        return parameter_question(conversation, chosen, chosen.parameters[place])

    makers: list[Maker] = [ask_model, ask_whether]
    first_parameter, most = len(makers), max(len(item.parameters) for item in cards().values())
    makers += [partial(ask_parameter, place) for place in range(most)]
    makers += [
        *questions(conversation, "model", ["common", "on_request"], wanted=lambda: change),
        *questions(conversation, "model", ["always"], leave_out=["name"]),
    ]
    conversation.ask_in_turn(makers)
    if wrong := weights_problems(conversation):
        raise UsageError(
            _("model.weights: {problems}", problems="; ".join(wrong)),
            _("Import the weights again for this network, or leave model.weights out."),
        )
    for line in weights_notices(answers):
        conversation.show(Text(line))
    conversation.stop_background()  # what is predicted for the list is of no more use
    if answers.training.recipe == RECOMMENDED:
        # Parameters that are too large for the grid by default are left to it.
        take_recipe(conversation, fits)
    while found := parameter_problems(conversation):
        message = _("model.params: {problems}", problems="; ".join(found))
        if not conversation.prompts.interactive:
            raise UsageError(
                message,
                _("Change model.params, or leave them out to take the defaults.")
                if answers.model.params
                else _("Change model.params, or take another model."),
            )
        conversation.show(Text(message, style="red"))
        change = True
        conversation.ask_in_turn(makers, begin=first_parameter)
    return "next"


def _overview(conversation: Conversation, note: Callable[[bool | str], str | None]) -> Question:
    """Return the question whether to change anything, the present values in its help line."""
    answers = conversation.session.answers
    chosen = card(answers.model.name or "")
    shown, defaults = model_parameters(answers.model), resolve_parameters(chosen, {})
    sizes = [size for size in SIZES if size.name in chosen.sizes]
    runs = {size.name: _of_size(conversation, size.name) for size in sizes}
    conversation.run_in_background(begin([run for run in runs.values() if run is not None]))
    back = (Choice(DEFAULTS, _("back to the defaults"), details=lambda: [_in_words(defaults)]),)
    return Question(
        key="",
        text=_("Parameters of {model}", model=chosen.name),
        kind="one",
        default=False,
        help=_in_words(shown),
        details=tuple(_explained(chosen)),
        choices=(
            Choice(False, _("as shown")),
            Choice(True, _("change them one by one")),
            *(back if shown != defaults else ()),
            *(
                Choice(
                    size.name,
                    size.text,
                    note=partial(_size_note, conversation, runs[size.name]),
                    details=partial(_size_details, chosen, size.name),
                )
                for size in sizes
            ),
        ),
        check=note,
    )


def _size_details(chosen: ModelCard, size: str) -> Iterator[str]:
    yield _in_words(size_parameters(chosen, size))


def _size_note(conversation: Conversation, run: RunConfig | None) -> str:
    return " · ".join(_cost(run, coming=conversation.runs_in_background))


def _of_size(conversation: Conversation, size: str) -> RunConfig | None:
    """Return the run with a size of the chosen model, or None where it cannot be one."""
    answers = _with_no_parameters(conversation, _first_idle_gpu())
    answers.set("model.size", size)
    return possible(conversation, answers)


def _in_words(params: dict[str, Any]) -> str:
    return "; ".join(f"{name} {value_text('', value)}" for name, value in params.items())


def stale(conversation: Conversation) -> str | None:
    """Say why the model cannot work with the data as chosen now, or None."""
    try:
        return "; ".join(parameter_problems(conversation) or weights_problems(conversation)) or None
    except UsageError as error:  # they are gone
        return error.message


def _model_question(conversation: Conversation) -> Question:
    scale = conversation.session.answers.data.scale
    recommended = next((item.name for item in cards().values() if item.recommended), None)
    gpus = _first_idle_gpu()

    def check(name: str) -> str | None:
        try:
            return _unfit(card(name), scale)
        except UsageError as error:
            return error.message

    return replace(
        question(conversation, "model.name"),
        kind="one",
        default=recommended,
        choices=tuple(_choice(conversation, item, gpus) for item in cards().values()),
        check=check,
        person_only=True,
    )


def _choice(conversation: Conversation, item: ModelCard, gpus: list[int]) -> Choice:
    run = _by_default(conversation, item, gpus)
    wide = conversation.prompts.columns >= ROOM_FOR_SUMMARIES
    return Choice(
        item.name,
        model_title(item),
        _unfit(item, conversation.session.answers.data.scale),
        group=family_title(item),
        note=lambda: " · ".join(_figures(item, run, coming=conversation.runs_in_background)),
        summary=_summary(item) if wide else "",
        details=lambda: _details(item, run, summary=not wide),
    )


def _figures(item: ModelCard, run: RunConfig | None, *, coming: bool) -> Iterator[str]:
    """Yield what is known of a model on this data."""
    yield from _cost(run, coming=coming)
    if item.fft:
        yield "FFT"


def _cost(run: RunConfig | None, *, coming: bool) -> Iterator[str]:
    """Yield what is known of a network on this data: parameters, predicted peak, time of a step."""
    found = known(run) if run is not None else None
    if found is not None:
        yield _("{millions:.2g} M parameters", millions=found.parameters / 1e6)
        yield _("about {peak}", peak=bytes_text(found.peak_bytes))
        if found.step_seconds is not None:
            yield _("{seconds:.2g} s a step", seconds=found.step_seconds)
    elif run is not None and coming:
        yield _("being predicted …")


def _summary(item: ModelCard) -> str:
    return item.summary_zh if language() == "zh" else item.summary_en


def _details(item: ModelCard, run: RunConfig | None, *, summary: bool) -> Iterator[str]:
    if summary:
        yield _summary(item)
    yield item.paper
    if item.fft:
        yield _("FFT: it transforms whole fields, and part of it stays in 32 bits under use_amp.")
    if run is not None:
        yield _(
            "Memory: predicted for a batch of {batch} on this data; a dry run measures it later.",
            batch=run.training.batch_size,
        )


def _explained(chosen: ModelCard) -> Iterator[str]:
    for parameter in chosen.parameters:
        meaning = parameter.help_zh if language() == "zh" else parameter.help_en
        yield labelled(parameter.name, meaning)


def begin_forecasts(conversation: Conversation) -> None:
    """Begin to predict what each model would need on the chosen data, the recommended one first."""
    items = sorted(cards().values(), key=lambda item: not item.recommended)
    gpus = _first_idle_gpu()
    runs = [_by_default(conversation, item, gpus) for item in items]
    conversation.run_in_background(begin([run for run in runs if run is not None]))


def _first_idle_gpu() -> list[int]:
    return [gpu.index for gpu in find_devices().gpus if not gpu.busy][:1]


def _by_default(conversation: Conversation, item: ModelCard, gpus: list[int]) -> RunConfig | None:
    """Return the run that a model would be by default, or None where it cannot be one."""
    answers = _with_no_parameters(conversation, gpus)
    answers.set("model.name", item.name)
    return possible(conversation, answers)


def _with_no_parameters(conversation: Conversation, gpus: list[int]) -> Answers:
    """Return the answers without what was said of the network; on `gpus` unless that is said."""
    answers = conversation.session.answers.model_copy(deep=True)
    answers.set("model.params", {})
    answers.forget("model.size")
    answers.forget("model.weights")
    if not answers.has("devices.gpus"):
        answers.set("devices.gpus", gpus)
    return answers


def _unfit(item: ModelCard, scale: int | None) -> str | None:
    if scale is not None and scale not in item.scales:
        allowed = ", ".join(str(value) for value in item.scales)
        return _(
            "{model} cannot do scale {scale}x, only {allowed}",
            model=item.name, scale=scale, allowed=allowed,
        )  # fmt: skip
    return None
