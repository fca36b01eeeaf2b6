"""review: everything at a glance; confirm, or edit any section."""

from typing import Any

from rich.text import Text

from srwizard.answers import SECTIONS
from srwizard.conversation import Conversation
from srwizard.i18n import translate as _
from srwizard.models.catalog import card, resolve_parameters
from srwizard.prompts import Choice, Question, expand
from srwizard.states import memory, model, output
from srwizard.states.data import chosen_dataset, chosen_variables

QUIT = "quit"


def run(conversation: Conversation) -> str:
    """Show the summary; return "next" when confirmed, or the section to edit."""
    conversation.show(summary(conversation))
    notice = _batch_notice(conversation)
    if notice is not None:
        conversation.show(Text(notice, style="yellow"))
    found = _stale_section(conversation)
    if found is not None and conversation.prompts.interactive:
        section, message = found
        conversation.show(Text(message, style="red"))
        return f"edit_{section}"
    choices = (
        Choice("next", _("Yes, freeze this and measure its memory")),
        *(
            Choice(f"edit_{name}", _("Edit: {section}", section=_titles()[name]))
            for name in SECTIONS
        ),
        Choice(QUIT, _("Save and quit")),
    )
    action: str = conversation.ask(
        Question(key="", text=_("Go ahead?"), kind="one", default="next", choices=choices)
    )
    if action == QUIT:
        conversation.save_and_quit()
    if action == "next" and conversation.prompts.interactive:
        conversation.session.answers.set("confirm", True)
    return action


def _stale_section(conversation: Conversation) -> tuple[str, str] | None:
    """Find a section that an edit elsewhere has made impossible."""
    for section, stale in (
        ("model", model.stale),
        ("memory", memory.stale),
        ("output", output.stale),
    ):
        message = stale(conversation)
        if message is not None:
            return section, message
    return None


def summary(conversation: Conversation) -> Text:
    """Return every decision, one a line: it must be readable in any width, and be copied."""
    text = Text(_("Please confirm the training parameters") + "\n", style="bold")
    for name, value in _rows(conversation):
        text.append(f"  {name}: ", style="not bold")
        text.append(f"{value}\n")
    return text


def _rows(conversation: Conversation) -> list[tuple[str, Any]]:
    answers = conversation.session.answers
    training = answers.training
    dataset = chosen_dataset(conversation)
    variables = chosen_variables(conversation, dataset)
    parameters = resolve_parameters(card(answers.model.name or ""), answers.model.params)
    steps = " / ".join(str(count) for count in dataset.steps.values())
    return [
        (_("Data directory"), expand(answers.data.root or "")),
        (_("Run directory"), expand(answers.output.dir or "")),
        (_("Variables"), ", ".join(variable.name for variable in variables)),
        (_("Steps"), f"{steps}  (train / valid / test)"),
        (_("Scale"), f"{answers.data.scale}x"),
        (_("Model"), answers.model.name),
        (_("Model parameters"), ", ".join(f"{key} {value}" for key, value in parameters.items())),
        (_("Epochs"), training.epochs),
        (_("Learning rate"), training.lr),
        (_("Batch size"), _batch_text(conversation)),
        (_("Normalization"), training.normalization),
        ("GPU" if answers.devices.gpus else "CPU", devices_text(conversation)),
        (_("Mixed precision"), _("yes") if answers.memory.use_amp else _("no")),
        (_("Checkpointing"), _("yes") if answers.memory.gradient_checkpointing else _("no")),
        (_("Patch size"), answers.memory.patch_size or _("whole fields")),
    ]


def _batch_notice(conversation: Conversation) -> str | None:
    """Say so where one step takes the whole training split or more."""
    answers = conversation.session.answers
    total = (
        answers.training.batch_size
        * answers.training.grad_accumulation
        * max(answers.devices.processes, 1)
    )
    steps = chosen_dataset(conversation).steps["train"]
    if total <= steps:
        return None
    return _(
        "The batch of {total} is larger than the training split of {steps} steps: "
        "each epoch is one optimizer step.",
        total=total,
        steps=steps,
    )


def _batch_text(conversation: Conversation) -> str:
    answers = conversation.session.answers
    batch, accumulation = answers.training.batch_size, answers.training.grad_accumulation
    processes = answers.devices.processes
    if accumulation == processes == 1:
        return str(batch)
    return _(
        "{batch} x {accumulation} micro-batches x {processes} processes = {total}",
        batch=batch,
        accumulation=accumulation,
        processes=processes,
        total=batch * accumulation * processes,
    )


def devices_text(conversation: Conversation) -> str:
    """Return the chosen devices as one line."""
    devices = conversation.session.answers.devices
    if not devices.gpus:
        if devices.processes == 1:
            return _("1 process")
        return _("{count} processes, DDP", count=devices.processes)
    names = ", ".join(f"GPU {number}" for number in devices.gpus)
    if len(devices.gpus) == 1:
        return names
    return _("{count} GPUs ({names}), DDP", count=len(devices.gpus), names=names)


def _titles() -> dict[str, str]:
    return {
        "data": _("data"),
        "output": _("output"),
        "model": _("model"),
        "training": _("training"),
        "devices": _("devices"),
        "memory": _("memory"),
    }
