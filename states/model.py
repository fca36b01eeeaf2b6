"""model: which network, and its parameters."""

from collections.abc import Iterator
from typing import Any

from rich.text import Text

from srwizard.conversation import Conversation
from srwizard.devices import find_devices
from srwizard.errors import SrwizardError, UsageError
from srwizard.i18n import language
from srwizard.i18n import translate as _
from srwizard.memory.forecast import begin, known
from srwizard.models.catalog import ModelCard, Parameter, card, cards, problems, resolve_parameters
from srwizard.models.table import family_title
from srwizard.prompts import Choice, Question
from srwizard.resolve import resolve
from srwizard.runconfig import RunConfig
from srwizard.states.data import chosen_dataset, chosen_variables
from srwizard.units import bytes_text


def run(conversation: Conversation) -> str:
    """Ask for the model, then whether its parameters are to be changed."""
    answers = conversation.session.answers
    before = answers.model.name
    change = False

    def note_change(value: bool) -> str | None:
        nonlocal change
        change = value
        return None

    def ask_whether() -> Question:
        if before is not None and before != answers.model.name:
            answers.forget("model.params")
        chosen = card(answers.model.name or "")
        shown = resolve_parameters(chosen, answers.model.params)
        return Question(
            key="",
            text=_("Parameters of {model}", model=chosen.name),
            kind="one",
            default=False,
            help="\n  ".join(
                [chosen.paper, ", ".join(f"{name} {value}" for name, value in shown.items())]
            ),
            details=tuple(_explained(chosen)),
            choices=(Choice(False, _("as shown")), Choice(True, _("change them one by one"))),
            check=note_change,
        )

    conversation.ask_in_turn([lambda: _model_question(conversation), ask_whether])
    if change:
        _ask_parameters(conversation)
    _settle_parameters(conversation)
    return "next"


def stale(conversation: Conversation) -> str | None:
    """Say why the model cannot work with the data as chosen now, or None."""
    return "; ".join(parameter_problems(conversation)) or None


def _model_question(conversation: Conversation) -> Question:
    scale = conversation.session.answers.data.scale
    recommended = next((item.name for item in cards().values() if item.recommended), None)

    def check(name: str) -> str | None:
        try:
            return _unfit(card(name), scale)
        except UsageError as error:
            return error.message

    return Question(
        key="model.name",
        text=_("Model"),
        kind="one",
        default=recommended,
        help=_("The recommended model is a good first choice; lighter ones train faster."),
        choices=tuple(_choice(conversation, item) for item in cards().values()),
        check=check,
        person_only=True,
    )


def _choice(conversation: Conversation, item: ModelCard) -> Choice:
    summary = item.summary_zh if language() == "zh" else item.summary_en
    mark = " " + _("(recommended)") if item.recommended else ""
    transform = ["FFT"] if item.fft else []
    title = " · ".join([item.name + mark, *_figures(conversation, item), *transform, summary])
    unfit = _unfit(item, conversation.session.answers.data.scale)
    return Choice(item.name, title, unfit, group=family_title(item))


def _figures(conversation: Conversation, item: ModelCard) -> Iterator[str]:
    """Yield what is known of a model on this data: parameters, predicted peak, time of a step."""
    run = _by_default(conversation, item)
    found = known(run) if run is not None else None
    if run is None or found is None:
        return
    yield _("{millions:.2g} M parameters", millions=found.parameters / 1e6)
    yield _(
        "about {peak} at batch {batch}",
        peak=bytes_text(found.peak_bytes),
        batch=run.training.batch_size,
    )
    if found.step_seconds is not None:
        yield _("{seconds:.2g} s a step", seconds=found.step_seconds)


def _explained(chosen: ModelCard) -> Iterator[str]:
    for parameter in chosen.parameters:
        meaning = parameter.help_zh if language() == "zh" else parameter.help_en
        yield f"{parameter.name}: {meaning}"


def begin_forecasts(conversation: Conversation) -> None:
    """Begin to predict what each model would need on the chosen data, in the background."""
    runs = [_by_default(conversation, item) for item in cards().values()]
    begin([run for run in runs if run is not None])


def _by_default(conversation: Conversation, item: ModelCard) -> RunConfig | None:
    """Return the run that a model would be by default, or None where it cannot be one."""
    answers = conversation.session.answers.model_copy(deep=True)
    answers.set("model.name", item.name)
    answers.set("model.params", {})
    if not answers.has("devices.gpus"):
        answers.set("devices.gpus", [gpu.index for gpu in find_devices().gpus if not gpu.busy][:1])
    try:
        return resolve(conversation, answers, digests=conversation.session.fingerprint)
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


def _ask_parameters(conversation: Conversation) -> None:
    chosen = card(conversation.session.answers.model.name or "")

    def ask(parameter: Parameter) -> Question:
        return _parameter_question(chosen, parameter)

    conversation.ask_in_turn(
        [lambda parameter=parameter: ask(parameter) for parameter in chosen.parameters]  # type: ignore[misc]
    )
    answers = conversation.session.answers
    parameters = {item.name: item for item in chosen.parameters}
    answers.set(
        "model.params",
        {name: _typed(parameters[name], value) for name, value in answers.model.params.items()},
    )


def _parameter_question(chosen: ModelCard, parameter: Parameter) -> Question:
    def check(value: Any) -> str | None:
        try:
            resolve_parameters(chosen, {parameter.name: _typed(parameter, value)})
        except (UsageError, ValueError) as error:
            return str(error)
        return None

    default = parameter.default
    if isinstance(default, tuple):
        default = " ".join(str(item) for item in default)
    return Question(
        key=f"model.params.{parameter.name}",
        text=parameter.name,
        kind="one" if parameter.choices else _KINDS[parameter.kind],
        default=default,
        help=parameter.help_zh if language() == "zh" else parameter.help_en,
        choices=tuple(Choice(value, str(value)) for value in parameter.choices or ()),
        check=check,
    )


_KINDS: dict[str, Any] = {"int": "int", "float": "float", "str": "text", "ints": "text"}


def _typed(parameter: Parameter, value: Any) -> Any:
    """Turn typed text such as "6 6 6 6" into the list that it stands for."""
    if parameter.kind == "ints" and isinstance(value, str):
        try:
            return [int(part) for part in value.replace(",", " ").strip("[] ").split()]
        except ValueError:
            raise ValueError(_("please type whole numbers, such as 6 6 6 6")) from None
    return value


def _settle_parameters(conversation: Conversation) -> None:
    """Ask again, or refuse, until the parameters work together and on this grid.

    Raises:
        UsageError: an answers file has parameters that cannot work; says which.
    """
    while found := parameter_problems(conversation):
        message = _("model.params: {problems}", problems="; ".join(found))
        if not conversation.prompts.interactive:
            raise UsageError(
                message, _("Change model.params, or leave them out to take the defaults.")
            )
        conversation.show(Text(message, style="red"))
        _ask_parameters(conversation)


def parameter_problems(conversation: Conversation) -> list[str]:
    """Return what is wrong with the chosen model and its parameters on the chosen data."""
    answers = conversation.session.answers
    chosen = card(answers.model.name or "")
    variables = chosen_variables(conversation, chosen_dataset(conversation))
    params = resolve_parameters(chosen, answers.model.params)
    unfit = _unfit(chosen, answers.data.scale)
    found = list(problems(chosen, params, answers.data.scale or 1, variables[0].lr_shape))
    return [unfit, *found] if unfit else found
