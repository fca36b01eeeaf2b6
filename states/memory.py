"""memory: the options that lower the peak."""

from srwizard.answers import key_problem
from srwizard.conversation import Conversation
from srwizard.devices import fast_bfloat16
from srwizard.i18n import translate as _
from srwizard.prompts import Question
from srwizard.states.data import chosen_dataset, chosen_variables


def run(conversation: Conversation) -> str:
    """Ask for mixed precision, activation checkpointing and the patch size."""
    conversation.ask_in_turn(
        [
            lambda: _amp_question(conversation),
            _checkpointing_question,
            lambda: _patch_question(conversation),
        ]
    )
    return "next"


def stale(conversation: Conversation) -> str | None:
    """Say why patches of this size can no longer be cut, or None."""
    return patch_problem(conversation, conversation.session.answers.memory.patch_size)


def _amp_question(conversation: Conversation) -> Question:
    on_cpu = not conversation.session.answers.devices.gpus
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
