"""What can be changed to lower the peak, in the order of preference, and what each costs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from srwizard.base.i18n import translate as _
from srwizard.models.catalog import ModelCard, cards, problems, resolve_parameters
from srwizard.settings.answers import Answers, model_parameters
from srwizard.settings.remedy import Remedy, combined

SMALLEST_PATCH = 8
"""Side of the smallest window worth training on, in LR points."""


LIGHTER_SIZES = ("base", "tiny")
"""Presets of a model that may be lighter than what was chosen."""
OTHER_MODELS = 3
"""So many other models are looked at, the first ones of the menu."""


@dataclass(frozen=True)
class Surroundings:
    """What remedies depend on beside the answers.

    Args:
        hr_shape: `[H, W]` of the fields.
        free_gpus: numbers of idle GPUs that could be used beside the chosen ones.
        model_is_open: whether another network may be offered; not where there is a checkpoint.
    """

    hr_shape: tuple[int, int]
    free_gpus: tuple[int, ...] = ()
    model_is_open: bool = True


def remedies(answers: Answers, around: Surroundings) -> list[Remedy]:
    """Return what can still be done, the least intrusive first.

    Args:
        answers: the decisions so far.
        around: what they depend on beside these.
    """
    return [
        *_memory_options(answers),
        *_smaller_batches(answers),
        *_patches(answers, around.hr_shape),
        *_more_gpus(answers, around.free_gpus),
        *_sharded(answers, around.free_gpus),
        *(_lighter_models(answers, around.hr_shape) if around.model_is_open else ()),
    ]


def _memory_options(answers: Answers) -> Iterator[Remedy]:
    if not answers.memory.use_amp:
        yield Remedy(
            {"memory.use_amp": True},
            _("Mixed precision: no → yes (computes in bfloat16)"),
            _("results differ in the third digit"),
            "use_amp",
        )
    if not answers.memory.gradient_checkpointing:
        yield Remedy(
            {"memory.gradient_checkpointing": True},
            _("Activation checkpointing: no → yes (recomputes each block)"),
            _("the result is the same"),
            "gradient_checkpointing",
        )


def _smaller_batches(answers: Answers) -> Iterator[Remedy]:
    size = answers.training.batch_size
    if size == 1:
        return
    half = _half_or_less(size)
    yield smaller_batch(answers, half)
    if half > 1:
        quarter = _half_or_less(half)
        yield smaller_batch(answers, quarter)
        yield Remedy(
            {"training.batch_size": quarter},
            _("Batch size {before} → {batch}", before=size, batch=quarter),
            _("more steps an epoch; with a smaller effective batch, lower the learning rate too"),
            "batch_size",
        )


def smaller_batch(answers: Answers, batch_size: int) -> Remedy:
    """Return the remedy of a batch that divides the present one, accumulated to the same."""
    training = answers.training
    steps = training.grad_accumulation * (training.batch_size // batch_size)
    return Remedy(
        {"training.batch_size": batch_size, "training.grad_accumulation": steps},
        _(
            "Batch size {before} → {batch}, gradient accumulation {steps}",
            before=training.batch_size,
            batch=batch_size,
            steps=steps,
        ),
        _("the effective batch stays the same"),
        "batch_size_accumulated",
    )


def _patches(answers: Answers, hr_shape: tuple[int, int]) -> Iterator[Remedy]:
    scale = answers.data.scale or 1
    side = min(answers.memory.patch_size or min(hr_shape), *hr_shape) // 2 // scale * scale
    if side >= SMALLEST_PATCH * scale:
        yield Remedy(
            {"memory.patch_size": side},
            _(
                "Patch size {before} → {size} (trains on windows)",
                before=answers.memory.patch_size or _("whole fields"),
                size=side,
            ),
            _("the network sees less context; more epochs may be needed"),
            "patch_size",
        )


def _more_gpus(answers: Answers, free: tuple[int, ...]) -> Iterator[Remedy]:
    """More GPUs lower the peak where they share the batch: as many as divide it."""
    chosen, batch = answers.devices.gpus, answers.training.batch_size
    together = batch * len(chosen)
    for count in range(len(chosen) + len(free), len(chosen), -1):
        if not chosen or together % count:
            continue
        gpus = [*chosen, *free[: count - len(chosen)]]
        yield Remedy(
            {
                "devices.gpus": gpus,
                "devices.processes": count,
                "training.batch_size": together // count,
            },
            _(
                "GPUs {before} → {gpus}, each with a batch of {batch}",
                before=", ".join(map(str, chosen)),
                gpus=", ".join(map(str, gpus)),
                batch=together // count,
            ),
            _("the effective batch stays the same; more GPUs are taken"),
            "more_gpus",
        )
        return


def _sharded(answers: Answers, free: tuple[int, ...]) -> Iterator[Remedy]:
    """Weights, gradients and optimizer state sharded, which takes several processes."""
    if answers.memory.shard and answers.devices.world_size > 1:
        return
    shard = Remedy(
        {"memory.shard": True},
        _("Sharded weights: no → yes (with gradients and optimizer state)"),
        _("the result is the same; more traffic between processes"),
        "shard",
    )
    if answers.devices.world_size > 1:
        yield shard
        return
    more = next(_more_gpus(answers, free), None) or _as_many_batches(answers, free)
    if more is not None:
        yield combined([more, shard])


def _as_many_batches(answers: Answers, free: tuple[int, ...]) -> Remedy | None:
    """Return the remedy of more GPUs, each with a batch as before: none by itself."""
    if not answers.devices.gpus or not free:
        return None
    gpus = [*answers.devices.gpus, *free]
    return Remedy(
        {"devices.gpus": gpus, "devices.processes": len(gpus)},
        _(
            "GPUs {before} → {gpus}, each with a batch of {batch}",
            before=", ".join(map(str, answers.devices.gpus)),
            gpus=", ".join(map(str, gpus)),
            batch=answers.training.batch_size,
        ),
        _("the effective batch grows; more GPUs are taken"),
        "more_gpus",
    )


def _lighter_models(answers: Answers, hr_shape: tuple[int, int]) -> Iterator[Remedy]:
    """Smaller presets of the model, or another model where it is at its smallest."""
    chosen = cards().get(answers.model.name or "")
    if chosen is None:
        return
    present = model_parameters(answers.model)
    smallest = False
    for size in LIGHTER_SIZES:
        preset = chosen.sizes.get(size)
        if preset is None:
            continue
        params = {**answers.model.params, **preset}
        resolved = resolve_parameters(chosen, params)
        if resolved == present:
            smallest = size == LIGHTER_SIZES[-1]
        elif _can_be_used(chosen, resolved, answers, hr_shape):
            yield Remedy(
                {"model.params": params, **_taken_back(answers, "weights")},
                _("Lighter model: {model}, size {size}", model=chosen.name, size=size),
                _("another network, which can represent less"),
                "lighter_model",
            )
    if smallest or not chosen.sizes:
        yield from _another_model(chosen, answers, hr_shape)


def _another_model(
    chosen: ModelCard, answers: Answers, hr_shape: tuple[int, int]
) -> Iterator[Remedy]:
    others = [other for other in cards().values() if other.family == chosen.family]
    for other in others[:OTHER_MODELS]:
        preset = dict(other.sizes.get(LIGHTER_SIZES[-1], {}))
        resolved = resolve_parameters(other, preset)
        if other.name != chosen.name and _can_be_used(other, resolved, answers, hr_shape):
            yield Remedy(
                {
                    "model.name": other.name,
                    "model.params": preset,
                    **_taken_back(answers, "size", "weights"),
                },
                _("Lighter model: {model}, size {size}", model=other.name, size=LIGHTER_SIZES[-1]),
                _("another network, which can represent less"),
                "lighter_model",
            )


def _taken_back(answers: Answers, *names: str) -> dict[str, Any]:
    """Return changes that take back what was answered about the model that is left."""
    return {f"model.{name}": None for name in names if answers.has(f"model.{name}")}


def _can_be_used(
    model: ModelCard, params: dict[str, Any], answers: Answers, hr_shape: tuple[int, int]
) -> bool:
    scale = answers.data.scale or 1
    return not problems(model, params, scale, (hr_shape[0] // scale, hr_shape[1] // scale))


def _half_or_less(batch_size: int) -> int:
    """Return the largest divisor below `batch_size`, so that the effective batch stays the same."""
    return next(size for size in range(batch_size // 2, 0, -1) if batch_size % size == 0)
