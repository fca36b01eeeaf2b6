"""What memory that is left over can buy: less time, a larger batch, more context."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from srwizard.base.i18n import translate as _
from srwizard.memory.remedies import Surroundings
from srwizard.memory.remedy_effects import RemedyEffect
from srwizard.settings.answers import Answers
from srwizard.settings.remedy import Remedy, combined

ROOMY_UP_TO = 0.6
"""Share of the memory up to which a measured peak leaves room for something."""
SAFE_UP_TO = 0.75
"""Share that a predicted peak may take: 12 % more than predicted, the worst known, still fits."""
WORTHWHILE = 0.95
"""What takes a larger share than this of the time is not faster."""
WORTH_LOOKING_SECONDS = 600.0
"""Nobody is asked how a shorter training could be faster."""
SAME_RESULT = ("no_gradient_checkpointing", "less_accumulation", "more_loaders")
"""Changes that leave the training as it is but for rounding: no person has to weigh them."""
LARGER = (2, 4)


@dataclass(frozen=True)
class Room:
    """What the room can buy.

    Args:
        singles: each change by itself, those that are predicted to fit.
        faster: what saves the most time and leaves the result as it is, maybe several in one.
    """

    singles: list[RemedyEffect]
    faster: RemedyEffect | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it as `dry_run.json` lists it; see docs/memory.md."""
        return {
            "room": [item.as_json() for item in self.singles],
            "faster": None if self.faster is None else self.faster.as_json(),
        }


def is_roomy(peak_bytes: int | None, capacity_bytes: int) -> bool:
    """Return whether a measured peak leaves room for something."""
    return peak_bytes is not None and peak_bytes <= ROOMY_UP_TO * capacity_bytes


def what_room_buys(
    answers: Answers,
    around: Surroundings,
    samples: int,
    cores: int,
    look: Callable[[Sequence[Remedy]], list[RemedyEffect]],
) -> Room:
    """Return what can be changed where memory is left over, with what each is predicted to bring.

    Args:
        answers: the decisions so far.
        around: what they depend on besides these.
        samples: of the training split.
        cores: of the CPU.
        look: predicts what each change would bring.
    """
    singles = _that_fit(look(list(ways(answers, around.hr_shape, samples, cores))))
    kept = [item for item in singles if item.remedy.key in SAME_RESULT]
    together = [combined([item.remedy for item in kept])] if len(kept) > 1 else []
    faster = [item for item in (*kept, *_that_fit(look(together))) if _is_faster(item)]
    return Room(singles, min(faster, key=lambda item: item.time_change or 0.0, default=None))


def ways(answers: Answers, hr_shape: tuple[int, int], samples: int, cores: int) -> Iterator[Remedy]:
    """Yield what memory that is left over can be used for, the least intrusive first.

    Args:
        answers: the decisions so far.
        hr_shape: `[H, W]` of the fields.
        samples: of the training split.
        cores: of the CPU.
    """
    yield from without_checkpointing(answers)
    yield from _less_accumulation(answers)
    yield from _more_loaders(answers, cores)
    yield from _larger_batches(answers, samples)
    yield from _larger_patches(answers, hr_shape)


def without_checkpointing(answers: Answers) -> Iterator[Remedy]:
    """Yield the change that recomputes nothing, where something is recomputed."""
    if answers.memory.gradient_checkpointing:
        yield Remedy(
            {"memory.gradient_checkpointing": False},
            _("Activation checkpointing: yes → no (recomputes nothing)"),
            _("more memory, which the dry run measures again; the result is the same"),
            "no_gradient_checkpointing",
        )


def _less_accumulation(answers: Answers) -> Iterator[Remedy]:
    training = answers.training
    if training.grad_accumulation > 1:
        batch = training.batch_size * training.grad_accumulation
        yield Remedy(
            {"training.batch_size": batch, "training.grad_accumulation": 1},
            _(
                "Batch size {before} → {batch}, gradient accumulation {steps}",
                before=training.batch_size,
                batch=batch,
                steps=1,
            ),
            _("the effective batch stays the same"),
            "less_accumulation",
        )


def _more_loaders(answers: Answers, cores: int) -> Iterator[Remedy]:
    """More loaders beside GPUs; on a CPU they would take cores from the steps."""
    loaders, processes = answers.training.num_workers, answers.devices.processes_per_node
    if not answers.devices.on_gpus or loaders is None or loaders > 1:
        return
    more = min(4, cores // processes - 1)
    if more > loaders:
        yield Remedy(
            {"training.num_workers": more},
            _("Loader processes {before} → {now}", before=loaders, now=more),
            _("helps where steps wait for data; the result is the same"),
            "more_loaders",
        )


def _larger_batches(answers: Answers, samples: int) -> Iterator[Remedy]:
    training = answers.training
    if training.grad_accumulation > 1:
        return  # less of that comes first
    for times in LARGER:
        batch = times * training.batch_size
        if batch * answers.devices.world_size <= samples:
            yield Remedy(
                {"training.batch_size": batch},
                _("Batch size {before} → {batch}", before=training.batch_size, batch=batch),
                _("fewer steps an epoch; the effective batch grows: raise the learning rate too"),
                "larger_batch",
            )


def _larger_patches(answers: Answers, hr_shape: tuple[int, int]) -> Iterator[Remedy]:
    patch = answers.memory.patch_size
    if patch is None:
        return
    for size in (2 * patch, None):
        if size is None or size < min(hr_shape):
            yield Remedy(
                {"memory.patch_size": size},
                _("Patch size {before} → {size}", before=patch, size=size or _("whole fields")),
                _("the network sees more context; an epoch takes longer"),
                "larger_patch",
            )


def _that_fit(found: Sequence[RemedyEffect]) -> list[RemedyEffect]:
    # That the peak does not fall is no objection here.
    return [
        replace(item, gains=True)
        for item in found
        if item.share is not None and item.share <= SAFE_UP_TO
    ]


def _is_faster(item: RemedyEffect) -> bool:
    return item.time_change is not None and 1 + item.time_change <= WORTHWHILE
