"""What is not told of a test split, because there was nothing to tell it from. No torch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from srwizard.base.i18n import translate as _
from srwizard.data.quantities import attributes_in
from srwizard.data.vectors import lonely_components
from srwizard.runs.skill import best_method

Reason = Literal["no_value", "one_member", "no_coordinates", "no_dates", "component_missing"]


class Absent(NamedTuple):
    """Figures that are left out for one reason, and the variables that this concerns."""

    reason: Reason
    variables: list[str]


def absent(variables: Mapping[str, Mapping[str, Any]], config: Mapping[str, Any]) -> list[Absent]:
    """Return what is left out of the scores of a split.

    Args:
        variables: its scores; nothing but values and members is missed of scores without
            diagnostics, which are those of another split than the test split, or of version 0.1.0.
        config: the run config.
    """
    names, found = list(variables), list[Absent]()
    empty = [name for name, scores in variables.items() if has_no_value(scores)]
    if empty:
        found.append(Absent("no_value", empty))
    if ((config.get("model") or {}).get("params") or {}).get("ensemble_members") == 1:
        found.append(Absent("one_member", names))
    gradients = [scores["gradient"] for scores in variables.values() if "gradient" in scores]
    if not gradients:
        return found
    if gradients[0]["per"] == "cell":
        found.append(Absent("no_coordinates", names))
    measured = [scores for name, scores in variables.items() if name not in empty]
    # Diagnostics of an earlier version told no months of any record.
    if any("map" in scores for scores in measured) and not any(
        "month" in scores for scores in measured
    ):
        found.append(Absent("no_dates", names))
    data = config.get("data") or {}
    told = (
        attributes_in(Path(data["root"]), data.get("layout", ""), names) if "root" in data else {}
    )
    lonely = lonely_components(names, data.get("vectors") or [], told)
    if lonely:
        found.append(Absent("component_missing", [name for name, _eastward in lonely]))
    return found


def has_no_value(scores: Mapping[str, Any]) -> bool:
    """Return whether a variable had no value in the split: no simple method has a score either."""
    rmse = (scores.get(best_method(scores)) or {}).get("rmse")
    return rmse is None or rmse != rmse


def absent_line(missing: Absent) -> str:
    """Say what is left out, and why."""
    return {
        "no_value": _(
            "{names}: there is no value in this split, and so there are no scores.",
            names=", ".join(missing.variables),
        ),
        "one_member": _(
            "One member is drawn of each field (model.params.ensemble_members: 1): these are "
            "scores of single samples, without spread, CRPS and calibration."
        ),
        "no_coordinates": _(
            "The dataset has no coordinates (HR static fields lon and lat): distances are in cells "
            "instead of km, derivatives are those on a plane, and errors by latitude and "
            "geostrophic speeds are left out."
        ),
        "no_dates": _(
            "The names of the steps hold no dates such as 20200131, which srwizard prepare gives "
            ".npy files: there are no errors by month."
        ),
        "component_missing": _(
            "{names}: no errors of speed, direction, kinetic energy, vorticity and divergence, "
            "because the other component of the vector is not among the variables, or data.vectors "
            "does not pair them.",
            names=", ".join(missing.variables),
        ),
    }[missing.reason]
