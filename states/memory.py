"""memory: the options that lower the peak."""

from collections.abc import Callable

from srwizard.base.i18n import translate as _
from srwizard.hardware.devices import fast_bfloat16
from srwizard.prompts.question import Choice, Question
from srwizard.settings.answers import key_problem
from srwizard.wizard.chosen_dataset import chosen_dataset, chosen_variables
from srwizard.wizard.conversation import Conversation


def run(conversation: Conversation) -> str:
    """Offer the memory options as they stand; ask for each where the user wants to change them."""
    # An answers file is never asked in short: every value in it must be checked.
    change = not conversation.prompts.interactive

    def ask_whether() -> Question | None:
        return None if not conversation.prompts.interactive else _overview(conversation, note)

    def note(value: bool) -> str | None:
        nonlocal change
        change = value
        return None

    conversation.ask_in_turn(
        [
            ask_whether,
            lambda: _amp_question(conversation) if change else None,
            lambda: _checkpointing_question() if change else None,
            lambda: _patch_question(conversation) if change else None,
            lambda: _shard_question() if change and _several_processes(conversation) else None,
        ]
    )
    _settle_defaults(conversation)
    return "next"


def _overview(conversation: Conversation, note: Callable[[bool], str | None]) -> Question:
    """Return the question whether to change anything, the present values in its help line."""
    answers = conversation.session.answers
    amp = _amp_question(conversation)
    use_amp = answers.memory.use_amp if answers.has("memory.use_amp") else amp.default
    shown = ", ".join(
        [
            f"{_('Mixed precision')} {_yes_or_no(use_amp)}",
            f"{_('Checkpointing')} {_yes_or_no(answers.memory.gradient_checkpointing)}",
            f"{_('Patch size')} {answers.memory.patch_size or _('whole fields')}",
            *(
                [f"{_('Sharded weights')} {_yes_or_no(answers.memory.shard)}"]
                if _several_processes(conversation)
                else []
            ),
        ]
    )
    return Question(
        key="",
        text=_("Memory options"),
        kind="one",
        default=False,
        help=_("Now: {parameters}", parameters=shown),
        choices=(Choice(False, _("as shown")), Choice(True, _("change them one by one"))),
        check=lambda value: note(value) or (patch_problem_now(conversation) if not value else None),
    )


def _yes_or_no(value: bool) -> str:
    return _("yes") if value else _("no")


def _settle_defaults(conversation: Conversation) -> None:
    """Decide what was not asked: the default for mixed precision depends on the device."""
    answers = conversation.session.answers
    if not answers.has("memory.use_amp"):
        answers.set("memory.use_amp", _amp_question(conversation).default)


def stale(conversation: Conversation) -> str | None:
    """Say why patches of this size can no longer be cut, or None."""
    return patch_problem_now(conversation)


def patch_problem_now(conversation: Conversation) -> str | None:
    """Say why the patch size as answered cannot be used, or None."""
    return patch_problem(conversation, conversation.session.answers.memory.patch_size)


def _amp_question(conversation: Conversation) -> Question:
    on_cpu = not conversation.session.answers.devices.on_gpus
    slow = on_cpu and not fast_bfloat16()
    return Question(
        key="memory.use_amp",
        text=_("Mixed precision (use_amp)"),
        kind="yes_no",
        default=not slow,
        help=_("Off by default here: this CPU only emulates bfloat16, which is slow.")
        if slow
        else _("Computes in bfloat16 where that is safe: about half the memory, and faster."),
    )


def _checkpointing_question() -> Question:
    return Question(
        key="memory.gradient_checkpointing",
        text=_("Activation checkpointing (gradient_checkpointing)"),
        kind="yes_no",
        default=True,
        help=_("Recomputes each block in the backward pass: less memory, about a third slower."),
    )


def _patch_question(conversation: Conversation) -> Question:
    return Question(
        key="memory.patch_size",
        text=_("Patch size (empty: whole fields)"),
        kind="int",
        help=_("Trains on random HR windows of this size; validation scores whole fields."),
        check=lambda value: patch_problem(conversation, value),
        optional=True,
    )


def _several_processes(conversation: Conversation) -> bool:
    return conversation.session.answers.devices.world_size > 1


def _shard_question() -> Question:
    return Question(
        key="memory.shard",
        text=_("Share the weights out to the processes (shard, FSDP)"),
        kind="yes_no",
        default=False,
        help=_(
            "Each keeps its part of weights, gradients and optimizer state: for networks larger "
            "than the memory of one GPU. The result is the same; there is more traffic."
        ),
    )


def patch_problem(conversation: Conversation, size: int | None) -> str | None:
    """Say why HR windows of `size` x `size` cannot be cut from the data, or None."""
    if size is None:
        return None
    found = key_problem("memory.patch_size", size)
    if found:
        return found
    scale = conversation.session.answers.data.scale or 1
    if size % scale:
        lower = size - size % scale
        return _(
            "{size} is not a multiple of the scale {scale}; {lower} and {upper} are",
            size=size, scale=scale, lower=max(lower, scale), upper=lower + scale,
        )  # fmt: skip
    height, width = chosen_variables(conversation, chosen_dataset(conversation))[0].hr_shape
    if size > min(height, width):
        return _(
            "{size} is larger than the field {shape}; at most {limit}",
            size=size, shape=[height, width], limit=min(height, width) // scale * scale,
        )  # fmt: skip
    return None
