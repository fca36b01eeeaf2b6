"""model: which network, and its parameters."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from rich.text import Text

from srwizard.base.errors import SrwizardError, UsageError
from srwizard.base.i18n import language
from srwizard.base.i18n import translate as _
from srwizard.base.sizes_and_times import bytes_text
from srwizard.hardware.devices import find_devices
from srwizard.memory.forecast import begin, fits, known
from srwizard.models import weights_file
from srwizard.models.catalog import (
    ModelCard,
    Parameter,
    card,
    cards,
    problems,
    resolve_parameters,
    size_parameters,
)
from srwizard.models.table import family_title, model_title
from srwizard.prompts.question import Choice, Question
from srwizard.settings.answers import Answers
from srwizard.settings.model import SIZES, model_parameters
from srwizard.settings.run_config import RunConfig
from srwizard.wizard.chosen_dataset import chosen_dataset, chosen_variables
from srwizard.wizard.conversation import Conversation, Maker
from srwizard.wizard.option_questions import question, questions
from srwizard.wizard.recipe import RECOMMENDED, take_recipe
from srwizard.wizard.resolve import has_global_skip, resolve
from srwizard.wizard.skip import NONE, wanted_skip


def run(conversation: Conversation) -> str:
    """Ask for the model, then whether its parameters are to be changed, then for these.

    Raises:
        UsageError: an answers file has parameters that cannot work; says which.
    """
    answers = conversation.session.answers
    parameters_of = answers.model.name
    change = False

    def note_change(value: bool | str) -> str | None:
        nonlocal change
        change = value is True
        if isinstance(value, str):
            answers.forget("model.params")
            answers.set("model.size", value)
        return None

    def ask_whether() -> Question:
        nonlocal parameters_of
        if parameters_of not in (None, answers.model.name):
            for name in ("size", "params", "weights"):
                answers.forget(f"model.{name}")
        parameters_of = answers.model.name
        return _overview(conversation, note_change)

    def ask_parameter(place: int) -> Question | None:
        chosen = card(answers.model.name or "")
        if not change or place >= len(chosen.parameters):
            return None
        return _parameter_question(chosen, answers.model.size, chosen.parameters[place])

    makers: list[Maker] = [lambda: _model_question(conversation), ask_whether]
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
                message, _("Change model.params, or leave them out to take the defaults.")
            )
        conversation.show(Text(message, style="red"))
        change = True
        conversation.ask_in_turn(makers, begin=first_parameter)
    return "next"


def _overview(conversation: Conversation, note: Callable[[bool | str], str | None]) -> Question:
    """Return the question whether to change anything, the present values in its help line."""
    answers = conversation.session.answers
    chosen = card(answers.model.name or "")
    shown = model_parameters(answers.model)
    return Question(
        key="",
        text=_("Parameters of {model}", model=chosen.name),
        kind="one",
        default=False,
        help=", ".join(f"{name} {value}" for name, value in shown.items()),
        details=tuple(_explained(chosen)),
        choices=(
            Choice(False, _("as shown")),
            Choice(True, _("change them one by one")),
            *(
                Choice(size.name, size.text, details=partial(_size_details, chosen, size.name))
                for size in SIZES
                if size.name in chosen.sizes
            ),
        ),
        check=note,
    )


def _size_details(chosen: ModelCard, size: str) -> Iterator[str]:
    yield ", ".join(f"{name} {value}" for name, value in size_parameters(chosen, size).items())


def stale(conversation: Conversation) -> str | None:
    """Say why the model cannot work with the data as chosen now, or None."""
    return "; ".join(parameter_problems(conversation)) or None


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
    return Choice(
        item.name,
        model_title(item),
        _unfit(item, conversation.session.answers.data.scale),
        group=family_title(item),
        note=lambda: " · ".join(_figures(item, run, coming=conversation.runs_in_background)),
        details=lambda: _details(item, run),
    )


def _figures(item: ModelCard, run: RunConfig | None, *, coming: bool) -> Iterator[str]:
    """Yield what is known of a model on this data: parameters, predicted peak, time of a step."""
    found = known(run) if run is not None else None
    if found is not None:
        yield _("{millions:.2g} M parameters", millions=found.parameters / 1e6)
        yield _("about {peak}", peak=bytes_text(found.peak_bytes))
        if found.step_seconds is not None:
            yield _("{seconds:.2g} s a step", seconds=found.step_seconds)
    elif run is not None and coming:
        yield _("being predicted …")
    if item.fft:
        yield "FFT"


def _details(item: ModelCard, run: RunConfig | None) -> Iterator[str]:
    yield item.summary_zh if language() == "zh" else item.summary_en
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
        yield f"{parameter.name}: {meaning}"


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
    answers = conversation.session.answers.model_copy(deep=True)
    answers.set("model.name", item.name)
    answers.set("model.params", {})
    answers.forget("model.size")
    answers.forget("model.weights")
    if not answers.has("devices.gpus"):
        answers.set("devices.gpus", gpus)
    try:
        return resolve(conversation, answers)
    except SrwizardError:
        return None


def _unfit(item: ModelCard, scale: int | None) -> str | None:
    if scale is not None and scale not in item.scales:
        allowed = ", ".join(str(value) for value in item.scales)
        return _(
            "{model} cannot do scale {scale}x, only {allowed}",
            model=item.name, scale=scale, allowed=allowed,
        )  # fmt: skip
    return None


def _parameter_question(chosen: ModelCard, size: str | None, parameter: Parameter) -> Question:
    def check(value: Any) -> str | None:
        try:
            resolve_parameters(chosen, {parameter.name: value})
        except UsageError as error:
            return error.message
        return None

    default = (size_parameters(chosen, size) if size else {}).get(parameter.name, parameter.default)
    return Question(
        key=f"model.params.{parameter.name}",
        text=parameter.name,
        kind="one" if parameter.choices else _KINDS[parameter.kind],
        default=list(default) if isinstance(default, (tuple, list)) else default,
        help=parameter.help_zh if language() == "zh" else parameter.help_en,
        choices=tuple(Choice(value, str(value)) for value in parameter.choices or ()),
        check=check,
    )


_KINDS: dict[str, Any] = {"int": "int", "float": "float", "str": "text", "ints": "ints"}


def parameter_problems(conversation: Conversation) -> list[str]:
    """Return what is wrong with the chosen model and its parameters on the chosen data."""
    answers = conversation.session.answers
    chosen = card(answers.model.name or "")
    variables = chosen_variables(conversation, chosen_dataset(conversation))
    params = model_parameters(answers.model)
    return problems(chosen, params, answers.data.scale or 1, variables[0].lr_shape)


def weights_problems(conversation: Conversation) -> list[str]:
    """Return where the file of weights to begin from is of another network."""
    answers = conversation.session.answers
    if answers.model.weights is None:
        return []
    found = weights_file.describe(weights_file.expanded(answers.model.weights))
    variables = chosen_variables(conversation, chosen_dataset(conversation))
    wanted = {
        "model.name": (found.model, answers.model.name),
        **{
            f"model.params.{name}": (found.params.get(name), value)
            for name, value in model_parameters(answers.model).items()
            if name not in weights_file.FREE
        },
        "data.scale": (found.scale, answers.data.scale),
        "model.global_skip": (found.global_skip, has_global_skip(answers)),
        _("input channels"): (
            found.in_channels,
            len(variables) + len(answers.data.static_variables),
        ),
        _("output channels"): (found.out_channels, len(variables)),
    }
    return [
        _("the weights are for {key} {theirs}, not {ours}", key=key, theirs=theirs, ours=ours)
        for key, (theirs, ours) in wanted.items()
        if theirs != ours
    ]


def weights_notices(answers: Answers) -> Iterator[str]:
    """Say so where weights are to begin from a skip that they may never have seen.

    Not refused: those of a run that had this skip are right with it.
    """
    skip = wanted_skip(answers)
    if answers.model.weights is not None and skip != NONE and not has_global_skip(answers):
        yield _(
            "model.skip: {skip} adds what the weights in {path} give to what that method gives. "
            "This is right only if they were trained so; for weights from elsewhere use "
            "model.skip: none.",
            skip=skip,
            path=weights_file.expanded(answers.model.weights),
        )
