"""The 95 % intervals of errors by place and by month, as figures show them."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from srwizard.base.i18n import translate as _
from srwizard.report.records import FloatArray

Row = Mapping[str, Any]


def ends_of(rows: Sequence[Row], method: str) -> FloatArray:
    """Return low and high of the RMSE in each row `[K, 2]`; NaN where there is no interval.

    Args:
        rows: entries of `month`, `latitude` or `coast`, as scores tell them; {} is one without.
        method: of the report; one that rows do not name is the best simple method.
    """
    none = (math.nan, math.nan)
    known = [(row.get("interval") or {}).get("rmse") or {} for row in rows]
    found = [one.get(method) or one.get("best") or none for one in known]
    return np.array(found, np.float64).reshape(-1, 2)


def whiskers(axes: Axes, place: FloatArray, rows: Sequence[Row], method: str) -> None:
    """Draw the interval of each bar."""
    ends = ends_of(rows, method)
    there = np.isfinite(ends).all(axis=1)
    if there.any():
        axes.vlines(place[there], *ends[there].T, color="#333333", linewidth=1.0)


def too_few_steps(row: Row) -> bool:
    """Return whether an entry has too few steps for an interval."""
    return "interval" in row and row["interval"]["rmse"] is None


def with_intervals(label: str, rows: Sequence[Row]) -> str:
    """Return the label of an axis that says what whiskers are, and where there are none."""
    known = [row for row in rows if "interval" in row]
    few = [row for row in known if too_few_steps(row)]
    if not known:
        return label
    if len(few) == len(known):
        return _("{label}; too few steps for intervals", label=label)
    if few:
        return _("{label}; 95 % intervals; *: too few steps for one", label=label)
    return _("{label}; 95 % intervals", label=label)
