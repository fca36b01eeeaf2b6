"""Why a model does not beat the best simple method, as its curves and its record show. No torch.

Each cause is a function that returns what to say, with its figures and what to change; or None
where nothing speaks for it. Nobody is told to train longer where the error does not fall.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from srwizard.base.i18n import in_a_row
from srwizard.base.i18n import translate as _
from srwizard.base.i18n import translate_count as _n
from srwizard.data.baselines.choice import MODEL, method_title
from srwizard.data.split_names import split_words
from srwizard.runs.overfitting import Event, overfitting_since, overfitting_text, training_loss_of
from srwizard.runs.skill import best_method

UNSTEADY = 0.1
"""The loss oscillates if it rises by this share of itself in every third epoch."""
STILL_FALLING = 0.995
"""Training had not converged if the last quarter still brought the error down by this factor."""
MADE_WORSE = 1.02
"""The learning rate is too high if the first validation is worse by this factor than the start."""
FEWEST_TURNS = 3
FEW_OPTIMIZER_STEPS = 100
"""Curves of fewer say nothing of what a network could learn."""
MORE_FIELDS_HELP = 0.98
"""Fields are too few if twice as many bring the error of the linear filter down by this factor."""
OUTSIDE = 0.1
"""Levels lie outside those of training from this share of their range on."""
FEW_STEPS = 10
"""Of fewer steps the statistics of a single grid point are uncertain."""
NOT_CONSERVED = 0.1
"""LR is not the block means of HR if they differ by this share of the RMSE of the model."""
FEW_OBSERVED = 0.3
"""Masked points dominate where no more than this share has a value."""

Config = Mapping[str, Any]


def no_better(
    name: str,
    scores: Mapping[str, Any],
    epochs: Sequence[Event],
    config: Config,
    gain: float = 1.0,
) -> str:
    """Say that a model does not beat the best simple method, and why, as far as is known.

    Args:
        name: of the variable.
        scores: its metrics on the test split.
        epochs: the events of the epochs, for the curves.
        config: the run config, for what was found of the record before.
        gain: of the variable.
    """
    said = _(
        "{name}: the model is not better than the best simple method, {best} (RMSE {ours:.4g} "
        "against {theirs:.4g}).",
        name=name,
        best=method_title(best_method(scores)),
        ours=scores[MODEL]["rmse"],
        theirs=scores[best_method(scores)]["rmse"],
    )
    if scores[best_method(scores)]["rmse"] == 0:
        nothing = _("That method makes no error: there is nothing left for a network to learn.")
        return in_a_row([said, nothing])
    params = (config.get("model") or {}).get("params") or {}
    more = "ensemble_members" in params
    known = [said, conserving(scores, config), _noise_of_members(scores, gain, more=more)]
    return in_a_row([*(text for text in known if text), *causes(name, epochs, config)])


def _noise_of_members(scores: Mapping[str, Any], gain: float, *, more: bool) -> str | None:
    """Say that an ensemble is too small for its mean to beat the method, if it is no more.

    Args:
        scores: metrics of a variable on the test split.
        gain: what the correction is multiplied with.
        more: whether the model has a parameter for how many members are drawn.
    """
    members = int((scores.get("calibration") or {}).get("members") or 1)
    if members < 2:
        return None
    noise = (gain * scores[MODEL].get("spread", 0.0)) ** 2 / members
    squared = scores[MODEL]["rmse"] ** 2 - noise
    if not 0 < squared < scores[best_method(scores)]["rmse"] ** 2:
        return None
    said = _(
        "The mean of {members} members still holds some of the noise of each; that of very many "
        "would have an RMSE of about {without:.4g}: draw more (predict --members).",
        members=members,
        without=squared**0.5,
    )
    also = _("In training and in the test it is model.params.ensemble_members.") if more else ""
    return in_a_row([said, also]) if also else said


def conserving(scores: Mapping[str, Any], config: Config) -> str | None:
    """Say that a model conserves block means which are not those of HR, and what that costs.

    Args:
        scores: metrics of a variable on the test split.
        config: the run config.
    """
    departure = ((scores.get("consistency") or {}).get("truth") or {}).get("rmse") or 0.0
    if (config.get("model") or {}).get("conserve", "none") == "none":
        return None
    if not departure > NOT_CONSERVED * scores[MODEL]["rmse"]:
        return None
    return _(
        "model.conserve makes block means of SR equal to LR, but those of HR differ from LR by "
        "{departure:.3g} (RMS), and so do predictions: LR was not made from HR by block means of "
        "this scale. Set model.conserve to none.",
        departure=departure,
    )


def causes(name: str, epochs: Sequence[Event], config: Config) -> Iterator[str]:
    """Yield what speaks for a cause, each with what to change; or that nothing does."""
    skip = ((config.get("model") or {}).get("skip") or {}).get(name) or {}
    evidence = skip.get("evidence") or {}
    found = [
        _of_the_curves(name, epochs, skip),
        _too_few_fields(evidence),
        _normalization(evidence, config, per_point=bool(skip.get("weight"))),
        _masked(evidence),
    ]
    yield from (text for text in found if text is not None)
    if found[1:] == [None] * 3 and found[0] is None:
        yield _(
            "Neither the curves nor the record show why: the fields contain little more than "
            "that method already recovers. Static fields or further variables as inputs may "
            "help."
        )


def _start(name: str, epochs: Sequence[Event], skip: Mapping[str, Any]) -> float | None:
    """Return the validation error of the simple method that a variable starts from, if of any.

    That is its RMSE; beside an ensemble its CRPS, where that is on record.
    """
    method = str(skip.get("method"))
    validations = (_scores(event, name) for event in epochs)
    scores = next((found for found in validations if found), {})
    if scores.get(MODEL, {}).get("crps") is not None:
        found = (scores.get(method) or {}).get("crps")
    else:
        found = (skip.get("valid_rmse") or {}).get(method)
    return None if found is None else float(found)


def _of_the_curves(name: str, epochs: Sequence[Event], skip: Mapping[str, Any]) -> str | None:
    """Tell a learning rate that is too high, overfitting, and too few epochs apart."""
    steps = int(epochs[-1].get("step") or FEW_OPTIMIZER_STEPS) if epochs else 0
    if steps < FEW_OPTIMIZER_STEPS:
        return _n(
            "{count} optimizer step is too few to tell why from the curves.",
            "{count} optimizer steps are too few to tell why from the curves.",
            steps,
            count=steps,
        )
    losses = [loss for event in epochs if (loss := training_loss_of(event)) == loss]
    found = [error for event in epochs if (error := _error(event, name)) is not None]
    errors = [error for error, _kind in found]
    start = _start(name, epochs, skip)
    if _oscillates(losses):
        return _("The training loss goes up and down from epoch to epoch: lower training.lr, or "
                 "set training.clip_grad_norm.")  # fmt: skip
    if _rises(losses):
        return _("The training loss has risen since the first epoch: lower training.lr.")
    since = overfitting_since(epochs)
    if since is not None:
        return overfitting_text(since)
    if start is not None and errors and errors[0] > MADE_WORSE * start and min(errors) >= start:
        return _(
            "The first validation was worse than the simple method that the run starts from "
            "({score} {first:.4g} against {start:.4g}), and none was better: lower training.lr.",
            score=found[0][1],
            first=errors[0],
            start=start,
        )
    if len(errors) < 2:
        return _("One validation is too few to tell why from the curves.")
    quarter = max(1, len(errors) // 4)
    before, after = min(errors[:-quarter]), min(errors[-quarter:])
    if after < STILL_FALLING * before:
        return _n(
            "Not yet converged: in the last validation the error still fell by {percent:.1f} %. "
            "Raise training.epochs, or training.lr.",
            "Not yet converged: in the last {count} validations the error still fell by "
            "{percent:.1f} %. Raise training.epochs, or training.lr.",
            quarter,
            count=quarter,
            percent=100 * (1 - after / before),
        )
    return None


def _oscillates(losses: Sequence[float]) -> bool:
    """Return whether rises are as many as a third of all changes, and there are falls as well."""
    rises = sum(later > (1 + UNSTEADY) * earlier for earlier, later in pairwise(losses))
    falls = sum(earlier > (1 + UNSTEADY) * later for earlier, later in pairwise(losses))
    return rises >= max(FEWEST_TURNS, (len(losses) - 1) / 3) and falls >= FEWEST_TURNS


def _rises(losses: Sequence[float]) -> bool:
    """Return whether the loss is at its lowest in the beginning, and well above it at the end."""
    return len(losses) >= 3 and min(losses) == losses[0] and losses[-1] > (1 + UNSTEADY) * losses[0]


def _too_few_fields(evidence: Mapping[str, Any]) -> str | None:
    curve = [(point["steps"], point["rmse"]) for point in evidence.get("learning_curve") or ()]
    if len(curve) < 2 or not curve[-1][1] < MORE_FIELDS_HELP * curve[-2][1]:
        return None
    return _(
        "Too few fields: {curve} A longer record helps; training.augment makes more of this one.",
        curve=learning_curve_text(curve),
    )


def learning_curve_text(curve: Sequence[tuple[int, float]]) -> str:
    """Say how the error of the linear filter falls with the steps that it is fitted on."""
    parts = [_("{error:.4g} with {steps}", error=error, steps=steps) for steps, error in curve]
    return _(
        "The linear filter's validation RMSE, by training steps: {figures}.",
        figures=", ".join(parts),
    )


def _normalization(evidence: Mapping[str, Any], config: Config, *, per_point: bool) -> str | None:
    levels = evidence.get("levels") or {}
    if "train" in levels:
        low, high = levels["train"]
        for split in ("valid", "test"):
            lowest, highest = levels.get(split, (low, high))
            if max(low - lowest, highest - high) > OUTSIDE * (high - low):
                return _(
                    "Normalization: the {split} reaches levels that training has not seen. The "
                    "mean of a field lies {lowest:+.3g} to {highest:+.3g} from the training mean "
                    "there, but {low:+.3g} to {high:+.3g} in training. Train on steps that cover "
                    "these levels; where the record has a trend, take it off the fields.",
                    lowest=lowest, highest=highest, low=low, high=high, split=split_words(split),
                )  # fmt: skip
    method = (config.get("training") or {}).get("normalization")
    if method == "PGN" and per_point and evidence.get("steps", FEW_STEPS) < FEW_STEPS:
        return _n(
            "Normalization: the statistics of each grid point come from a single step. Set "
            "training.normalization to GN.",
            "Normalization: the statistics of each grid point come from only {steps} steps. Set "
            "training.normalization to GN.",
            evidence["steps"],
            steps=evidence["steps"],
        )
    return None


def _masked(evidence: Mapping[str, Any]) -> str | None:
    observed = evidence.get("observed", 1.0)
    if observed > FEW_OBSERVED:
        return None
    return _(
        "Masked points dominate: of the points in training only {percent:.0f} % have a value. "
        "Choose a region with less land, or patches (memory.patch_size), which are cut where "
        "there is water.",
        percent=100 * observed,
    )


def _scores(event: Event, name: str) -> Mapping[str, Any]:
    scores: Mapping[str, Any] = (event.get("valid") or {}).get("variables", {}).get(name, {})
    return scores


def _error(event: Event, name: str) -> tuple[float, str] | None:
    """Return what a validation is judged by, and what it is: the RMSE, of an ensemble the CRPS."""
    model = _scores(event, name).get(MODEL, {})
    kind = "rmse" if model.get("crps") is None else "crps"
    found = model.get(kind)
    return None if found is None else (float(found), kind.upper())
