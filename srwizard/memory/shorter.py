"""What can be changed to make a training shorter, and how long it would take then."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from srwizard.base.i18n import translate as _
from srwizard.memory.forecast import file_of
from srwizard.memory.remedies import Surroundings, remedies
from srwizard.memory.remedy_effects import RemedyEffect
from srwizard.memory.room import WORTHWHILE, without_checkpointing
from srwizard.settings.answers import Answers
from srwizard.settings.remedy import Remedy
from srwizard.settings.run_config import RunConfig
from srwizard.settings.training import FrozenTraining
from srwizard.settings.validations import epochs_between, validations_of

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


@dataclass(frozen=True)
class Measured:
    """How long a training takes, in seconds, from its dry run.

    Args:
        run: all that is left of it, the scores at its end included.
        epoch: the training steps of an epoch.
        validation: of the whole validation split, once.
        done: epochs that it goes on after.
    """

    run: float
    epoch: float
    validation: float
    done: int = 0


def ways(
    answers: Answers,
    around: Surroundings,
    idle_gpus: Sequence[int],
    training: FrozenTraining,
    measured: Measured,
    budget_seconds: float,
    recipe: Remedy | None,
) -> list[Remedy]:
    """Return what may make a training shorter, the least intrusive first.

    Args:
        answers: the decisions so far.
        around: what they depend on besides these.
        idle_gpus: numbers of the GPUs that nobody uses.
        training: its options, resolved.
        measured: how long it takes.
        budget_seconds: that it may take.
        recipe: takes the recommended recipe, where there is one.
    """
    others = [one for one in remedies(answers, around) if one.key not in ("shard", "batch_size")]
    return [
        *_on_a_gpu(answers, idle_gpus),
        *([recipe] if recipe is not None else []),
        *without_checkpointing(answers),
        *_fewer_validations(training, measured),
        *_fewer_epochs(training, measured, budget_seconds),
        *others,
    ]


def effects_on_time(
    offered: Sequence[Remedy],
    present: Training,
    changed: Sequence[Training],
    measured: Measured,
) -> list[RemedyEffect]:
    """Return those that make the training shorter, with the time that each would take.

    Args:
        offered: the remedies.
        present: the training as it is.
        changed: the training that each remedy leads to.
        measured: how long the present one takes.
    """
    found = []
    for remedy, then in zip(offered, changed, strict=True):
        seconds = _seconds(present, then, measured)
        if seconds is not None and seconds <= WORTHWHILE * measured.run:
            found.append(RemedyEffect(remedy, run_seconds=seconds))
    return found


def _seconds(present: Training, then: Training, measured: Measured) -> float | None:
    """Return how long the changed training takes, None where that is not known."""
    steps = _share_of_steps(present, then)
    if steps is None:
        return None
    before, after = present.run.training, then.run.training
    at_the_end = _besides_epochs(before, measured)
    # Scores are computed in float32 and without a backward pass: only another network, other
    # devices or more processes change how long that takes.
    alike = _scored_alike(present.run, then.run)
    scores = present.run.devices.world_size / then.run.devices.world_size if alike else steps
    return steps * _training(after, measured) + scores * (
        _validations(after, measured) + at_the_end
    )


def _besides_epochs(training: FrozenTraining, measured: Measured) -> float:
    """Return what is scored before and behind all epochs, in seconds."""
    epochs = _training(training, measured) + _validations(training, measured)
    return max(measured.run - epochs, 0.0)


def _training(training: FrozenTraining, measured: Measured) -> float:
    """Return the time of the training steps that are left, as they were measured, in seconds."""
    return max(training.epochs - measured.done, 0) * measured.epoch


def _validations(training: FrozenTraining, measured: Measured) -> float:
    """Return the time of the validations that are left, as one was measured, in seconds."""
    count = validations_of(training.epochs, training.eval_freq, measured.done)
    return count * measured.validation


def _share_of_steps(present: Training, then: Training) -> float | None:
    """Return the time of an epoch's training steps as a share of that of another training."""
    if file_of(present.run) == file_of(then.run):
        return 1.0  # nothing differs that a step depends on
    if not present.epoch_cost or then.epoch_cost is None:
        return None
    return then.epoch_cost / present.epoch_cost


def _scored_alike(one: RunConfig, other: RunConfig) -> bool:
    return (one.model.name, one.model.params, one.devices.on_gpus) == (
        other.model.name,
        other.model.params,
        other.devices.on_gpus,
    )


def _on_a_gpu(answers: Answers, idle: Sequence[int]) -> Iterator[Remedy]:
    if idle and not answers.devices.gpus:
        yield Remedy(
            {"devices.gpus": [idle[0]], "devices.processes": 1, **_as_many_samples(answers)},
            _("Devices: CPU → GPU {number}", number=idle[0]),
            _("the result is the same but for rounding; the GPU is taken"),
            "gpu",
        )


def _as_many_samples(answers: Answers) -> dict[str, int]:
    """Return what lets one process take as many samples in a step as several did."""
    together = answers.devices.processes
    if together == 1:
        return {}
    return {"training.grad_accumulation": answers.training.grad_accumulation * together}


def _fewer_validations(training: FrozenTraining, measured: Measured) -> Iterator[Remedy]:
    """Yield to validate less often, where validations take longer than the steps between them."""
    if measured.epoch <= 0:
        return
    before = training.eval_freq
    now = epochs_between(measured.validation / measured.epoch, training.epochs)
    if now > before:
        # What counts validations is to mean as many epochs as it did.
        counts = {
            f"training.{key}": max(round(count * before / now), 1)
            for key, count in _counted_in_validations(training)
        }
        yield Remedy(
            {"training.eval_freq": now, **counts},
            _("Epochs between two validations {before} → {now}", before=before, now=now),
            _("the best checkpoint is chosen among fewer"),
            "fewer_validations",
        )


def _counted_in_validations(training: FrozenTraining) -> Iterator[tuple[str, int]]:
    if training.patience is not None:
        yield "patience", training.patience
    if training.scheduler == "plateau":
        yield "plateau_patience", training.plateau_patience


def _fewer_epochs(
    training: FrozenTraining, measured: Measured, budget_seconds: float
) -> Iterator[Remedy]:
    """Yield as many epochs as there is time for."""
    each = measured.epoch + measured.validation / training.eval_freq
    left = SHARE_OF_BUDGET * budget_seconds - _besides_epochs(training, measured)
    fewer = measured.done + int(left / each) if each > 0 else 0
    if measured.done < fewer < training.epochs:
        yield Remedy(
            {"training.epochs": fewer},
            _("Epochs {before} → {now}", before=training.epochs, now=fewer),
            _("the network may not have learnt all it could"),
            "epochs",
        )
