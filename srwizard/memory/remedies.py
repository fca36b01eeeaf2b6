"""What can be changed to lower the peak, in the order of preference, and what each costs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from srwizard.answers import Answers
from srwizard.i18n import translate as _

SMALLEST_PATCH = 8
"""Side of the smallest window worth training on, in LR points."""


@dataclass(frozen=True)
class Remedy:
    """A change of answers that lowers the peak.

    Args:
        changes: the answers to set, by key.
        title: what is changed.
        cost: what it costs, in time or in the result.
    """

    changes: dict[str, Any]
    title: str
    cost: str


def remedies(answers: Answers, hr_shape: tuple[int, int]) -> list[Remedy]:
    """Return what can still be done, the least intrusive first.

    Args:
        answers: the decisions so far.
        hr_shape: `[H, W]` of the fields.
    """
    return list(_possible(answers, hr_shape))


def _possible(answers: Answers, hr_shape: tuple[int, int]) -> Iterator[Remedy]:
    memory, training = answers.memory, answers.training
    if not memory.use_amp:
        yield Remedy(
            {"memory.use_amp": True},
            _("use_amp: compute in bfloat16"),
            _("faster on most devices; results differ in the third digit"),
        )
    if not memory.gradient_checkpointing:
        yield Remedy(
            {"memory.gradient_checkpointing": True},
            _("gradient_checkpointing: recompute each block"),
            _("about a third slower; the result is the same"),
        )
    if training.batch_size > 1:
        half = _half_or_less(training.batch_size)
        yield _smaller_batch(answers, half)
        if half > 1:
            quarter = _half_or_less(half)
            yield _smaller_batch(answers, quarter)
            yield Remedy(
                {"training.batch_size": quarter},
                _("batch_size {batch}", batch=quarter),
                _("more steps an epoch; the effective batch shrinks, training.lr may have to"),
            )
    scale = answers.data.scale or 1
    side = min(memory.patch_size or min(hr_shape), *hr_shape) // 2 // scale * scale
    if side >= SMALLEST_PATCH * scale:
        yield Remedy(
            {"memory.patch_size": side},
            _("patch_size {size}: train on windows", size=side),
            _("the network sees less context; more epochs may be needed"),
        )


def _smaller_batch(answers: Answers, batch_size: int) -> Remedy:
    training = answers.training
    steps = training.grad_accumulation * (training.batch_size // batch_size)
    return Remedy(
        {"training.batch_size": batch_size, "training.grad_accumulation": steps},
        _("batch_size {batch} with grad_accumulation {steps}", batch=batch_size, steps=steps),
        _("slightly slower; the effective batch stays the same"),
    )


def _half_or_less(batch_size: int) -> int:
    """Return the largest divisor below `batch_size`, so that the effective batch stays the same."""
    return next(size for size in range(batch_size // 2, 0, -1) if batch_size % size == 0)


def combined(parts: Sequence[Remedy]) -> Remedy:
    """Return several remedies as one; of two that set the same, the later counts."""
    changes: dict[str, Any] = {}
    for part in parts:
        changes |= part.changes
    return Remedy(changes, " + ".join(part.title for part in parts), "")


def combinations(offered: Sequence[Remedy]) -> list[Remedy]:
    """Return what can be done together, the least intrusive first.

    Of the remedies for the batch only those that keep the effective batch are taken.
    """
    kept: list[Remedy] = []
    found = []
    for remedy in offered:
        if set(remedy.changes) == {"training.batch_size"}:
            continue
        # A smaller batch takes the place of a larger one, not its place beside it.
        kept = [part for part in kept if set(part.changes) != set(remedy.changes)] + [remedy]
        if len(kept) > 1:
            found.append(combined(kept))
    return found


def apply(answers: Answers, remedy: Remedy) -> None:
    """Take over the changes of a remedy."""
    for key, value in remedy.changes.items():
        answers.set(key, value)
