"""What can be changed to make a training shorter, and how long it would take then."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from srwizard.base.i18n import translate as _
from srwizard.memory.remedies import Surroundings, remedies
from srwizard.memory.remedy_effects import RemedyEffect
from srwizard.memory.room import WORTHWHILE, without_checkpointing
from srwizard.settings.answers import Answers
from srwizard.settings.remedy import Remedy
from srwizard.settings.run_config import RunConfig

SHARE_OF_BUDGET = 0.95
"""What fewer epochs are to take of the time there is: a prediction is not exact."""


@dataclass(frozen=True)
class Training:
    """A training, with what its steps cost.

    Args:
        run: its config.
        epoch_cost: of the training steps of an epoch, to be compared; None where it is unknown.
    """

    run: RunConfig
    epoch_cost: float | None


def ways(
    answers: Answers,
    around: Surroundings,
    idle_gpus: Sequence[int],
    run_seconds: float,
    budget_seconds: float,
    recipe: Remedy | None,
) -> list[Remedy]:
    """Return what may make a training shorter, the least intrusive first.

    Args:
        answers: the decisions so far.
        around: what they depend on besides these.
        idle_gpus: numbers of the GPUs that nobody uses.
        run_seconds: that the training is predicted to take.
        budget_seconds: that it may take.
        recipe: takes the recommended recipe, where there is one.
    """
    others = [one for one in remedies(answers, around) if one.key not in ("shard", "batch_size")]
    return [
        *_on_a_gpu(answers, idle_gpus),
        *([recipe] if recipe is not None else []),
        *without_checkpointing(answers),
        *_fewer_epochs(answers, run_seconds, budget_seconds),
        *others,
    ]


def effects_on_time(
    offered: Sequence[Remedy],
    present: Training,
    changed: Sequence[Training],
    run_seconds: float,
) -> list[RemedyEffect]:
    """Return those that make the training shorter, with the time that each would take.

    Args:
        offered: the remedies.
        present: the training as it is.
        changed: the training that each remedy leads to.
        run_seconds: that the present one is predicted to take.
    """
    found = []
    for remedy, then in zip(offered, changed, strict=True):
        share = _share(present, then)
        if share is not None and share <= WORTHWHILE:
            found.append(RemedyEffect(remedy, run_seconds=share * run_seconds))
    return found


def _share(present: Training, then: Training) -> float | None:
    """Return the time of one training as a share of that of another."""
    epochs = then.run.training.epochs / present.run.training.epochs
    if _same_steps(present.run, then.run):
        return epochs
    if not present.epoch_cost or then.epoch_cost is None:
        return None
    return epochs * then.epoch_cost / present.epoch_cost


def _same_steps(one: RunConfig, other: RunConfig) -> bool:
    """Return whether nothing but the number of epochs differs."""
    epochs = {"epochs": one.training.epochs}
    return one.model_copy(update={"training": None}) == other.model_copy(
        update={"training": None}
    ) and one.training == other.training.model_copy(update=epochs)


def _on_a_gpu(answers: Answers, idle: Sequence[int]) -> Iterator[Remedy]:
    if idle and not answers.devices.gpus:
        yield Remedy(
            {"devices.gpus": [idle[0]], "devices.processes": 1},
            _("Devices: CPU → GPU {number}", number=idle[0]),
            _("the result is the same but for rounding; the GPU is taken"),
            "gpu",
        )


def _fewer_epochs(answers: Answers, run_seconds: float, budget_seconds: float) -> Iterator[Remedy]:
    epochs = answers.training.epochs
    fewer = int(SHARE_OF_BUDGET * epochs * budget_seconds / run_seconds)
    if 1 <= fewer < epochs:
        yield Remedy(
            {"training.epochs": fewer},
            _("Epochs {before} → {now}", before=epochs, now=fewer),
            _("the network may not have learnt all it could"),
            "epochs",
        )
