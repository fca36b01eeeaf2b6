"""memory: the options that lower the peak."""

from collections.abc import Callable
from dataclasses import replace

from srwizard.base.i18n import translate as _
from srwizard.hardware.devices import fast_bfloat16
from srwizard.prompts.question import Choice, Question
from srwizard.settings.answers import key_problem
from srwizard.wizard.chosen_dataset import chosen_dataset, chosen_variables
from srwizard.wizard.conversation import Conversation
from srwizard.wizard.option_questions import in_words, question, questions


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
            *questions(conversation, "memory", ["always"]),
            *questions(
                conversation,
                "memory",
                ["common", "on_request"],
                adapt={
                    "use_amp": lambda asked: _for_this_device(conversation, asked),
                    "patch_size": lambda asked: replace(
                        asked, check=lambda value: patch_problem(conversation, value)
                    ),
                },
                wanted=lambda: change,
            ),
        ]
    )
    _settle_defaults(conversation)
    return "next"


def _overview(conversation: Conversation, note: Callable[[bool], str | None]) -> Question:
    """Return the question whether to change anything, the present values in its help line."""
    answers = conversation.session.answers
    values = answers.memory.model_dump()
    if not answers.has("memory.use_amp"):
        values["use_amp"] = _use_amp_by_default(conversation)
    shown = [f"{one.title} {text}" for one, text in in_words(conversation, "memory", values)]
    return Question(
        key="",
        text=_("Memory options"),
        kind="one",
        default=False,
        help=_("Now: {parameters}", parameters=", ".join(shown)),
        choices=(Choice(False, _("as shown")), Choice(True, _("change them one by one"))),
        check=lambda value: note(value) or (patch_problem_now(conversation) if not value else None),
    )


def _settle_defaults(conversation: Conversation) -> None:
    """Decide what was not asked: the default for mixed precision depends on the device."""
    answers = conversation.session.answers
    if not answers.has("memory.use_amp"):
        answers.set("memory.use_amp", _use_amp_by_default(conversation))


def stale(conversation: Conversation) -> str | None:
    """Say why patches of this size can no longer be cut, or None."""
    return patch_problem_now(conversation)


def patch_problem_now(conversation: Conversation) -> str | None:
    """Say why the patch size as answered cannot be used, or None."""
    return patch_problem(conversation, conversation.session.answers.memory.patch_size)


def _use_amp_by_default(conversation: Conversation) -> bool:
    declared: bool = question(conversation, "memory.use_amp").default
    return declared and not _emulates_bfloat16(conversation)


def _emulates_bfloat16(conversation: Conversation) -> bool:
    return not conversation.session.answers.devices.on_gpus and not fast_bfloat16()


def _for_this_device(conversation: Conversation, asked: Question) -> Question:
    """Let mixed precision be off by default where it would be slow."""
    if not _emulates_bfloat16(conversation):
        return asked
    slow = _("Off by default here: this CPU only emulates bfloat16, which is slow.")
    return replace(asked, default=False, help=slow, details=(asked.help,))


def patch_problem(conversation: Conversation, size: int | None) -> str | None:
    """Say why HR windows of `size` x `size` cannot be cut from the data, or None."""
    if size is None:
        return None
    found = key_problem("memory.patch_size", size)
    if found:
        return found
    scale = conversation.session.answers.data.scale or 1
    height, width = chosen_variables(conversation, chosen_dataset(conversation))[0].hr_shape
    if size > min(height, width):
        return _(
            "{size} is larger than the field {shape}; at most {limit}",
            size=size, shape=[height, width], limit=min(height, width) // scale * scale,
        )  # fmt: skip
    if size % scale:
        lower = size - size % scale
        return _(
            "{size} is not a multiple of the scale {scale}; {lower} and {upper} are",
            size=size, scale=scale, lower=max(lower, scale), upper=lower + scale,
        )  # fmt: skip
    return None
