"""The values that are recommended for a model and a dataset, each with its reason. No NumPy."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from srwizard.base.i18n import language
from srwizard.base.i18n import translate as _
from srwizard.base.i18n import translate_count as _n
from srwizard.models.card import ModelCard, problems
from srwizard.settings.options import option_named
from srwizard.settings.training import training_defaults
from srwizard.settings.validations import (
    epochs_between,
    patches_in_a_field,
    validation_in_epochs,
)

STEPS, VALUES = 400, 300_000
"""With so many HR values to train on, networks were best after about so many optimizer steps, and
overfitted then; from more values they learn for longer, by about the cube root of their number.
Patches show them less in each step: then by the root of how many make up a field."""
LEAST_EPOCHS, MOST_EPOCHS = 10, 500
LARGEST_BATCH = 16
STEPS_PER_EPOCH = 16
"""At least so many optimizer steps make an epoch: with few fields, batches are small."""
LEAST_MODES = 4
PATCH_WAVES, LEAST_PATCH = 4.0, 48
"""A patch is at least so many of the shortest waves wide that hold variance, and so many points."""
LEAST_PATIENCE = 5
PATIENCE = 0.25
"""Share of the validations without a better one after which training stops."""

KEYS = (
    "training.epochs", "training.batch_size", "training.lr", "training.loss", "training.scheduler",
    "training.warmup_epochs", "training.clip_grad_norm", "training.patience", "model.params.modes",
    "memory.patch_size", "model.conserve", "training.eval_freq",
)  # fmt: skip
"""The answers that a recipe may decide."""


@dataclass(frozen=True)
class Facts:
    """What the recommendation depends on besides the model.

    Attributes:
        steps: of the training split.
        validated: steps of the validation split.
        scale: HR/LR.
        lr_shape: `(h, w)` of LR.
        land_share: share of HR points without a value.
        block_means: whether LR is the block means of HR.
        reaches: the wavenumbers `(y, x)` below which 90 % of the variance lies: `data.spectrum`.
    """

    steps: int
    scale: int
    lr_shape: tuple[int, int]
    reaches: tuple[int, int]
    validated: int = 0
    land_share: float = 0.0
    block_means: bool = False

    @property
    def hr_shape(self) -> tuple[int, int]:
        """`[H, W]`."""
        height, width = self.lr_shape
        return height * self.scale, width * self.scale

    @property
    def values(self) -> float:
        """HR values of a variable that there are to train on."""
        height, width = self.lr_shape
        return self.steps * height * width * self.scale**2 * (1 - self.land_share)

    @property
    def reach(self) -> int:
        """The wavenumber in the direction in which the variance reaches further."""
        return max(self.reaches)

    @property
    def wave(self) -> float:
        """HR points of the shortest wave that the variance reaches to."""
        sides = zip(self.lr_shape, self.reaches, strict=True)
        return self.scale * min(side / wavenumber for side, wavenumber in sides)


@dataclass(frozen=True)
class Room:
    """What fits into memory: samples of one process at once, and patches where whole fields do not.

    Attributes:
        batch: the largest batch, of those that are wanted.
        patch: side in HR points; None: whole fields.
    """

    batch: int = LARGEST_BATCH
    patch: int | None = None


@dataclass(frozen=True)
class Given:
    """What the recommendation follows from that is decided already; None: it is not.

    Attributes:
        epochs, batch, eval_freq: as `training` has them.
        patch: as `memory` has it.
        accumulation: micro-batches of an optimizer step.
        world: processes that train together.
    """

    epochs: int | None = None
    batch: int | None = None
    eval_freq: int | None = None
    patch: int | None = None
    accumulation: int = 1
    world: int = 1


@dataclass(frozen=True)
class Recommended:
    """A value of an option, and why."""

    key: str
    value: Any
    reason: str

    @property
    def title(self) -> str:
        """What the option is called; a parameter of the network goes by its name."""
        declared = option_named(self.key)
        return declared.title if declared is not None else self.key.rpartition(".")[2]

    def as_json(self) -> dict[str, Any]:
        """Return what `srwizard recommend --json` prints of it."""
        return {"key": self.key, "value": self.value, "reason": self.reason}


def recommended(
    card: ModelCard,
    params: Mapping[str, Any],
    facts: Facts,
    room: Room | None = None,
    given: Given | None = None,
) -> list[Recommended]:
    """Return what is recommended, in the order in which people read it.

    Args:
        card: of the model.
        params: of the network, resolved.
        facts: on the data.
        room: in memory; None: enough.
        given: what is decided already; None: nothing.
    """
    room, given = room or Room(), given or Given()
    batch = _batch_size(facts, given.world, room.batch)
    together = (given.batch or int(batch.value)) * given.accumulation * given.world
    patch = given.patch or room.patch
    epochs = _epochs(facts, together, patch)
    planned = given.epochs or int(epochs.value)
    usual = training_defaults(card.name).eval_freq
    seldom = list(_eval_freq(facts, patch, planned, usual))
    eval_freq = given.eval_freq or (int(seldom[0].value) if seldom else usual)
    return [
        epochs,
        batch,
        *_learning(card, planned),
        *seldom,
        _patience(planned / eval_freq),
        *_modes(card, params, facts),
        *_patch(facts, room.patch),
        *_conserve(card, facts),
    ]


def patch_sides(card: ModelCard, params: Mapping[str, Any], facts: Facts) -> list[int]:
    """Return the patches that serve where whole fields do not fit, the largest first.

    Each is a multiple of the scale, half as large as the one before, and holds enough waves of what
    varies. None where the network's Fourier modes are those of the whole field.
    """
    if card.fft:
        return []
    found, side = [], min(facts.lr_shape) // 2
    while side * facts.scale >= max(PATCH_WAVES * facts.wave, LEAST_PATCH):
        if not problems(card, params, facts.scale, (side, side)):
            found.append(side * facts.scale)
        side //= 2
    return found


def few_fields_batch(steps: int) -> int:
    """Return the largest batch, a power of two, of which an epoch takes enough."""
    return min(1 << int(math.log2(max(steps // STEPS_PER_EPOCH, 1))), LARGEST_BATCH)


def _batch_size(facts: Facts, world: int, largest: int) -> Recommended:
    wanted = few_fields_batch(facts.steps // world)
    if largest < wanted:
        reason = _("a larger batch would not fit in memory")
    elif wanted < LARGEST_BATCH:
        reason = _n(
            "{count} training step: an epoch has {least} batch",
            "{count} training steps: an epoch has at least {least} batches",
            facts.steps,
            count=facts.steps,
            least=min(STEPS_PER_EPOCH, facts.steps),
        )
    else:
        reason = _("there are enough fields for batches of this size")
    return Recommended("training.batch_size", min(largest, wanted), reason)


def _epochs(facts: Facts, batch: int, patch: int | None) -> Recommended:
    per_epoch = -(-facts.steps // batch)
    wanted = STEPS * (facts.values / VALUES) ** (1 / 3) / per_epoch
    if patch is not None:
        wanted *= math.sqrt(patches_in_a_field(facts.hr_shape, patch))
    epochs = min(max(round(wanted), LEAST_EPOCHS), MOST_EPOCHS)
    said = {"steps": epochs * per_epoch, "count": facts.values}
    return Recommended(
        "training.epochs",
        epochs,
        _("{steps} optimizer steps suit {count:.2g} values; with more, networks overfit", **said)
        if patch is None
        else _(
            "{steps} optimizer steps: of the {count:.2g} values, a patch shows few at a time",
            **said,
        ),
    )


def _learning(card: ModelCard, epochs: int) -> Iterator[Recommended]:
    own = card.recipe
    why = own.why_zh if language() == "zh" else own.why_en
    yield Recommended("training.lr", own.lr, f"{card.name}: {why}")
    if card.family == "standard":
        yield Recommended(
            "training.loss", "L2", _("it minimizes the RMSE, by which models are compared")
        )
    yield Recommended(
        "training.scheduler", "cosine", _("the last epochs settle at a rate that falls to zero")
    )
    if own.warmup:
        yield Recommended(
            "training.warmup_epochs",
            max(math.ceil(own.warmup * epochs), 1),
            _("the first steps of {model} are unsteady at the full rate", model=card.name),
        )
    if own.clip_grad_norm is not None:
        yield Recommended(
            "training.clip_grad_norm",
            own.clip_grad_norm,
            _("a single unusual field cannot destabilize {model}",
              model=card.name),
        )  # fmt: skip


def _eval_freq(facts: Facts, patch: int | None, epochs: int, usual: int) -> Iterator[Recommended]:
    """Yield how often to validate, where that takes longer than to train on patches."""
    if patch is None:
        return
    steps = {"train": facts.steps, "valid": facts.validated}
    validation = validation_in_epochs(steps, facts.hr_shape, patch)
    between = epochs_between(validation, epochs)
    if between > usual:
        yield Recommended(
            "training.eval_freq",
            between,
            _("a validation of whole fields is as much work as {count:.2g} epochs on patches",
              count=validation),
        )  # fmt: skip


def _patience(validations: float) -> Recommended:
    return Recommended(
        "training.patience",
        max(round(PATIENCE * validations), LEAST_PATIENCE),
        _("a quarter of all validations"),
    )


def _conserve(card: ModelCard, facts: Facts) -> Iterator[Recommended]:
    if facts.block_means and card.family == "standard":
        yield Recommended(
            "model.conserve",
            "additive",
            _("LR is the block means of HR: they need not be learnt, and are exact then"),
        )


def _patch(facts: Facts, patch: int | None) -> Iterator[Recommended]:
    if patch is not None:
        yield Recommended(
            "memory.patch_size",
            patch,
            _(
                "whole fields do not fit in memory; a patch holds {count:.0f} wavelengths of "
                "{points:.0f} points, the shortest that carry 90 % of the variance",
                count=patch / facts.wave,
                points=facts.wave,
            ),
        )


def _modes(card: ModelCard, params: Mapping[str, Any], facts: Facts) -> Iterator[Recommended]:
    """Yield how many Fourier modes a network with modes should keep."""
    if not card.fft or not isinstance(params.get("modes"), int):
        return
    wanted = max(facts.reach + 1, LEAST_MODES)
    while wanted > 1 and problems(card, {**params, "modes": wanted}, facts.scale, facts.lr_shape):
        wanted -= 1
    yield Recommended(
        "model.params.modes",
        wanted,
        _("90 % of the variance lies at wavenumbers up to {reach}", reach=facts.reach),
    )
