"""How a model compares with the simple methods, and why where it does not beat them. No torch."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from srwizard.base.i18n import translate as _
from srwizard.data.baselines.choice import BICUBIC, MODEL, method_title

WORSE = 1.01
"""A validation counts as worse than the best one from this ratio on."""
STILL_FALLING = 0.995
"""Training had not converged if the last quarter still brought the error down by this factor."""
UNSTEADY = 0.1
"""The loss oscillates if it rises by this share of itself in every third epoch."""


def simple_methods(scores: Mapping[str, Any]) -> list[str]:
    """Return the simple methods that a variable was scored by, in the order of the record."""
    return [name for name, found in scores.items() if isinstance(found, Mapping) and name != MODEL]


def best_method(scores: Mapping[str, Any]) -> str:
    """Return the best simple method by the validation split; runs of 0.1.0 knew bicubic alone."""
    return str(scores.get("best", BICUBIC))


def beside(scores: Mapping[str, Any]) -> str:
    """Return the RMSE of a model, with those of the best simple method and of bicubic."""
    best = best_method(scores)
    ours, theirs, bicubic = (scores[name]["rmse"] for name in (MODEL, best, BICUBIC))
    if best == BICUBIC:
        return _("RMSE {ours:.4g} (bicubic {theirs:.4g})", ours=ours, theirs=bicubic)
    return _(
        "RMSE {ours:.4g} ({best} {theirs:.4g}, bicubic {bicubic:.4g})",
        ours=ours,
        best=method_title(best),
        theirs=theirs,
        bicubic=bicubic,
    )


def no_better(name: str, scores: Mapping[str, Any], epochs: Sequence[Mapping[str, Any]]) -> str:
    """Say that a model does not beat the best simple method, and why, as far as the curves tell.

    Args:
        name: of the variable.
        scores: its metrics on the test split.
        epochs: the events of the epochs, for the curves.
    """
    said = _(
        "{name}: the model is no better than {best} (RMSE {ours:.4g} against {theirs:.4g}).",
        name=name,
        best=method_title(best_method(scores)),
        ours=scores[MODEL]["rmse"],
        theirs=scores[best_method(scores)]["rmse"],
    )
    return f"{said} {_reason(name, epochs)}"


def _reason(name: str, epochs: Sequence[Mapping[str, Any]]) -> str:
    losses = [float(event["train_loss"]) for event in epochs]
    measured = [event for event in epochs if event.get("valid") is not None]
    errors = [_rmse(event, name) for event in measured]
    known = [error for error in errors if error is not None]
    if len(losses) < 2 or not known:
        return _("Too few epochs were trained to say why: raise training.epochs.")
    if _oscillates(losses):
        return _("The training loss goes up and down: lower training.lr.")
    best = known.index(min(known))
    if known[-1] > WORSE * known[best] and losses[-1] < losses[best if best < len(losses) else 0]:
        return _(
            "Validation was best at epoch {epoch} and then got worse while the training loss "
            "fell: overfitting. More data, training.augment, a larger training.weight_decay, a "
            "smaller network or patches help.",
            epoch=measured[best]["epoch"],
        )
    quarter = known[-1 - max(1, len(known) // 4)] if len(known) > 1 else known[0]
    if known[-1] < STILL_FALLING * quarter:
        return _("The validation error was still falling: raise training.epochs.")
    return _(
        "Neither overfitting nor a learning rate that is too high shows in the curves: the fields "
        "hold little more than that method finds, or too few of them show it."
    )


def _rmse(event: Mapping[str, Any], name: str) -> float | None:
    found = event["valid"]["variables"].get(name, {}).get(MODEL, {}).get("rmse")
    return None if found is None else float(found)


def _oscillates(losses: Sequence[float]) -> bool:
    rises = [later > (1 + UNSTEADY) * earlier for earlier, later in pairwise(losses)]
    return len(rises) >= 3 and sum(rises) >= len(rises) / 3
