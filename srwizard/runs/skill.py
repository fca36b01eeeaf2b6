"""How a model compares with the simple methods. No torch."""

from collections.abc import Mapping
from typing import Any

from srwizard.base.i18n import N_
from srwizard.base.i18n import translate as _
from srwizard.data.baselines.choice import BICUBIC, MODEL, method_title

ROUNDING = 1e-5
"""Errors that differ by a smaller share are equal: those of a network that does nothing are."""


def is_better(ours: float, theirs: float) -> bool:
    """Return whether an error is lower than another by more than rounding."""
    return ours < theirs * (1 - ROUNDING)


def simple_methods(scores: Mapping[str, Any]) -> list[str]:
    """Return the simple methods that a variable was scored by, in the order of the record."""
    return [
        name
        for name, found in scores.items()
        if isinstance(found, Mapping) and "mae" in found and name != MODEL
    ]


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


def gain_lines(gain: Mapping[str, float], members: int = 1) -> list[str]:
    """Say how much of what a network gives is taken, by variable, where that is not all of it.

    Args:
        gain: by variable.
        members: of the ensemble whose mean it is of.
    """
    if members == 1:
        text = N_(
            "{name}: the network's correction is multiplied by {gain:.2f}, because that is best on "
            "the validation split."
        )
    else:
        text = N_(
            "{name}: what the members have in common corrects too much on the validation split; "
            "the ensemble mean takes {gain:.2f} of it, and the members keep their spread."
        )
    return [
        _(text, name=name, gain=float(factor))
        for name, factor in gain.items()
        if factor is not None
    ]
