"""review: everything at a glance; confirm, or edit any section."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, get_args

from rich.cells import cell_len
from rich.text import Text

from srwizard.base.i18n import translate as _
from srwizard.base.i18n import translate_count as _n
from srwizard.base.sizes_and_times import memory_name
from srwizard.base.text_width import packed
from srwizard.base.typed_paths import expand
from srwizard.base.visible import in_one_line
from srwizard.hardware.devices import find_devices
from srwizard.memory import forecast
from srwizard.models.catalog import card
from srwizard.prompts.question import Choice, Question
from srwizard.settings.answers import DevicesAnswers, model_parameters
from srwizard.settings.changes import value_text
from srwizard.settings.option import Asked
from srwizard.settings.recipe import Recommended
from srwizard.settings.training import TrainingAnswers
from srwizard.settings.validations import epochs_between, validation_in_epochs
from srwizard.states import memory, model, output, prepare
from srwizard.states.devices import gpu_warnings
from srwizard.wizard import other_machines, simple_methods
from srwizard.wizard.chosen_dataset import chosen_dataset, chosen_variables, steps_text
from srwizard.wizard.conversation import Conversation
from srwizard.wizard.option_questions import in_words, without_effect
from srwizard.wizard.preparing import raw_files_of
from srwizard.wizard.recipe import RECOMMENDED, take_recipe
from srwizard.wizard.resolve import resolved_training
from srwizard.wizard.skip import wanted_skip
from srwizard.wizard.transition_table import ASKING, EDIT, title_of

QUIT = "quit"
BACKGROUND = "background"
INDENT = 2
FEW_VALIDATIONS = 2.0
"""Times the work of the training between them that validations may be without a word."""
SHOWN_APART: dict[str, tuple[str, ...]] = {
    "data": ("root", "variables", "scale", "prepare"),
    "output": ("dir",),
    "model": ("name", "size", "params", "weights"),
    "training": ("grad_accumulation",),
    "devices": (
        "launcher", "gpus", "nodes", "gpus_per_node", "processes", "rdzv_endpoint",
        "slurm_partition", "slurm_time", "slurm_memory",
    ),
    "memory": (),
}  # fmt: skip
"""Options that are told of together with others; the rest is shown as it is declared."""


def run(conversation: Conversation) -> str:
    """Show the summary; return "next" when confirmed, or the section to edit."""
    otherwise: list[Recommended] = []
    if conversation.session.answers.training.recipe == RECOMMENDED:
        # Model, data or devices may be others by now.
        otherwise = take_recipe(conversation, forecast.fits)
    simple_methods.begin(conversation)
    # Before the summary is made: what comes meanwhile is rather shown twice than not at all.
    news = simple_methods.news(conversation, _variables(conversation))
    conversation.show(summary(conversation))
    for notice in (*_notices(conversation), *_on_recipe(conversation, otherwise)):
        conversation.show(Text(notice, style="yellow"))
    found = _stale_section(conversation)
    if found is not None and conversation.prompts.interactive:
        section, message = found
        conversation.show(Text(message, style="red"))
        return f"{EDIT}{section}"
    needed = memory_name("GPU" if conversation.session.answers.devices.on_gpus else "cpu")
    choices = (
        Choice(
            "next",
            _(
                "Yes: freeze this, measure the {memory} it takes, and train if it fits",
                memory=needed,
            ),
        ),
        *(
            Choice(f"{EDIT}{name}", _("Edit: {section}", section=title_of(name)))
            for name in ASKING
            if name != "prepare" or raw_files_of(conversation.session.answers)
        ),
        *_in_the_background(conversation),
        Choice(QUIT, _("Save and quit")),
    )
    action: str = conversation.ask(
        Question(
            key="",
            text=_("Go ahead?"),
            kind="one",
            default=BACKGROUND if conversation.session.answers.devices.background else "next",
            details=(
                _(
                    "The answers are frozen as run.yaml, the only file that training reads its "
                    "settings from."
                ),
                _("A dry run takes a few real steps and measures the peak memory."),
                _(
                    "Training begins at once if it fits. Where it does not, or where much memory "
                    "is left over for a training of ten minutes or more, you choose what to change."
                ),
            ),
            choices=choices,
            live=news,
        )
    )
    if action == QUIT:
        conversation.save_and_quit()
    if action in ("next", BACKGROUND) and conversation.prompts.interactive:
        conversation.session.answers.set("confirm", True)
        if conversation.session.answers.devices.background != (action == BACKGROUND):
            conversation.session.answers.set("devices.background", action == BACKGROUND)
    return "next" if action == BACKGROUND else action


def _in_the_background(conversation: Conversation) -> Iterator[Choice]:
    if conversation.session.answers.devices.launcher == other_machines.HERE:
        yield Choice(
            BACKGROUND, _("Yes, and train in the background: it continues after you log out")
        )


def _stale_section(conversation: Conversation) -> tuple[str, str] | None:
    """Find a section that an edit elsewhere has made impossible."""
    for section, stale in (
        ("prepare", prepare.stale),
        ("model", model.stale),
        ("memory", memory.stale),
        ("output", output.stale),
    ):
        message = stale(conversation)
        if message is not None:
            return section, message
    return None


def summary(conversation: Conversation) -> Text:
    """Return every decision, what belongs together in one line as far as the screen is wide.

    Paths are left for the terminal to wrap, so that they can be copied whole.
    """
    columns = conversation.prompts.columns - INDENT - 1
    text = Text(_("Please confirm the training parameters"), style="bold")
    for line in _lines(conversation, columns):
        text.append(f"\n{' ' * INDENT}{line}", style="not bold")
    return text


def _lines(conversation: Conversation, columns: int) -> Iterator[str]:
    answers = conversation.session.answers

    def joined(*pairs: tuple[str, Any]) -> Iterator[str]:
        yield from packed((_pair(*pair) for pair in pairs), " · ", columns)

    def listed(title: str, pairs: Iterable[tuple[str, Any]], joint: str = ", ") -> Iterator[str]:
        items = [f"{in_one_line(name)} {in_one_line(value)}" for name, value in pairs]
        if not items:
            return
        first, *rest = packed(items, joint, columns - cell_len(title) - 2)
        yield _pair(title, first)
        yield from (f"{' ' * (cell_len(title) + 2)}{line}" for line in rest)

    yield _pair(_("Data directory"), expand(answers.data.root or ""))
    if raw_files_of(answers):
        yield _pair(_("Made of raw files"), ", ".join(raw_files_of(answers)))
    yield _pair(_("Run directory"), expand(answers.output.dir or ""))
    yield from joined(
        (_("Variables"), ", ".join(_variables(conversation))),
        (_("Scale"), f"{answers.data.scale}x"),
        (_("Time steps"), _steps_text(conversation)),
    )
    for line in simple_methods.to_beat(conversation, _variables(conversation)):
        yield _pair(_("To beat"), line)
    yield from joined(*_declared(conversation, "data"), *_declared(conversation, "output"))
    yield from joined((_("Model"), answers.model.name), *_declared(conversation, "model"))
    params = model_parameters(answers.model).items()
    yield from listed(
        _("Model parameters"), ((name, value_text("", value)) for name, value in params), "; "
    )
    if answers.model.weights:
        yield _pair(_("Begins from the weights"), expand(answers.model.weights))
    yield from joined(*_declared(conversation, "training", ("always", "common")))
    yield from listed(
        _("Other training parameters"), _declared(conversation, "training", ("on_request", "never"))
    )
    yield from joined(
        (_devices_title(answers.devices), devices_text(conversation)),
        *_declared(conversation, "devices"),
    )
    yield from listed(_("Protection against running out of memory"), _memory_pairs(conversation))


def _declared(
    conversation: Conversation, section: str, asked: Collection[Asked] = get_args(Asked)
) -> list[tuple[str, str]]:
    """Return titles and values of the options that no line of its own tells of.

    Args:
        conversation: whose answers.
        section: of the answers.
        asked: only those that are asked for then.
    """
    answers = conversation.session.answers
    values = getattr(answers, section).model_dump()
    if section == "model":
        values["skip"] = wanted_skip(answers)
    if section == "training":
        values = resolved_training(answers).model_dump()
        values["batch_size"] = _batch_text(conversation)
    shown = in_words(conversation, section, values, leave_out=SHOWN_APART[section])
    return [(one.title, text) for one, text in shown if one.option.asked in asked]


def _memory_pairs(conversation: Conversation) -> list[tuple[str, str]]:
    return [(f"{title}:", text) for title, text in _declared(conversation, "memory")]


def _pair(name: str, value: Any) -> str:
    return f"{name}: {in_one_line(value)}"


def _variables(conversation: Conversation) -> list[str]:
    chosen = chosen_variables(conversation, chosen_dataset(conversation))
    return [variable.name for variable in chosen]


def _steps_text(conversation: Conversation) -> str:
    return steps_text(chosen_dataset(conversation).steps)


def _notices(conversation: Conversation) -> Iterator[str]:
    """Say what can be meant, but rarely is."""
    training = resolved_training(conversation.session.answers)
    batch = _batch_notice(conversation)
    if batch is not None:
        yield batch
    chosen = conversation.session.answers.devices.gpus
    if chosen:
        yield from gpu_warnings(chosen, find_devices())
    if training.warmup_epochs >= training.epochs and training.scheduler != "OneCycle":
        yield _("The learning rate is still rising when the last epoch ends.")
    if training.eval_freq > training.epochs:
        yield _("There is only one validation, after the last epoch.")
    yield from _on_waves(conversation)
    yield from _on_validations(conversation, training)
    yield from without_effect(conversation)


def _on_waves(conversation: Conversation) -> Iterator[str]:
    """Say so where a network of Fourier modes would learn on patches: their modes are others."""
    answers = conversation.session.answers
    if answers.memory.patch_size is not None and card(answers.model.name or "").fft:
        yield _(
            "{model} works on the waves of whole fields; those of patches are others. Leave "
            "memory.patch_size out, or take another model.",
            model=answers.model.name,
        )


def _on_validations(conversation: Conversation, training: TrainingAnswers) -> Iterator[str]:
    """Say so where validations of whole fields are most of the work of a training on patches."""
    patch = conversation.session.answers.memory.patch_size
    if patch is None:
        return
    dataset = chosen_dataset(conversation)
    hr_shape = chosen_variables(conversation, dataset)[0].hr_shape
    validation = validation_in_epochs(dataset.steps, hr_shape, patch)
    between = epochs_between(validation, training.epochs)
    if between > training.eval_freq and validation > FEW_VALIDATIONS * training.eval_freq:
        yield _(
            "Validations will take longer than the training: one of whole fields is as much work "
            "as {count:.2g} epochs on patches. With training.eval_freq {between} they are fewer.",
            count=validation,
            between=between,
        )


def _on_recipe(conversation: Conversation, otherwise: Sequence[Recommended]) -> Iterator[str]:
    """Say what an answers file decides otherwise than the recipe that it asks for.

    A file made from the template decides everything; a person has decided it on purpose.
    """
    if otherwise and not conversation.prompts.interactive:
        yield _(
            "The answers decide what the recommended recipe would choose otherwise: {options}. "
            "Leave these keys out to have them recommended.",
            options=", ".join(f"{one.key} ({value_text(one.key, one.value)})" for one in otherwise),
        )


def _batch_notice(conversation: Conversation) -> str | None:
    """Say so where one step takes the whole training split or more."""
    answers = conversation.session.answers
    total = (
        answers.training.batch_size
        * answers.training.grad_accumulation
        * answers.devices.world_size
    )
    steps = chosen_dataset(conversation).steps["train"]
    if total <= steps:
        return None
    return _n(
        "The batch of {total} is larger than the training split of {steps} step: each epoch "
        "is one optimizer step.",
        "The batch of {total} is larger than the training split of {steps} steps: each epoch "
        "is one optimizer step.",
        steps,
        total=total,
        steps=steps,
    )


def _batch_text(conversation: Conversation) -> str:
    answers = conversation.session.answers
    batch, accumulation = answers.training.batch_size, answers.training.grad_accumulation
    processes = answers.devices.world_size
    factors = [str(batch)]
    if accumulation > 1:
        factors.append(_("{count} micro-batches", count=accumulation))
    if processes > 1:
        factors.append(_n("{count} process", "{count} processes", processes, count=processes))
    if len(factors) > 1:
        factors[-1] += f" = {batch * accumulation * processes}"
    return " x ".join(factors)


def _devices_title(devices: DevicesAnswers) -> str:
    if devices.launcher != other_machines.HERE:
        return _("Machines")
    return "GPU" if devices.gpus else "CPU"


def devices_text(conversation: Conversation) -> str:
    """Return the chosen devices as one line."""
    devices = conversation.session.answers.devices
    if devices.launcher != other_machines.HERE:
        return other_machines.devices_text(devices)
    if not devices.gpus:
        if devices.processes == 1:
            return _("1 process")
        if conversation.session.answers.memory.shard:
            return _("{count} processes, FSDP", count=devices.processes)
        return _("{count} processes, DDP", count=devices.processes)
    names = ", ".join(f"GPU {number}" for number in devices.gpus)
    if len(devices.gpus) == 1:
        return names
    if conversation.session.answers.memory.shard:
        return _("{count} GPUs ({names}), FSDP", count=len(devices.gpus), names=names)
    return _("{count} GPUs ({names}), DDP", count=len(devices.gpus), names=names)
