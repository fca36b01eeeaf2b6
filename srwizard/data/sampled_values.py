"""The values of a dataset, a sample of them: their range, and what among them is no value.

Some rows of some steps are read, so that a record of any length is looked at in seconds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from srwizard.base.i18n import translate as _
from srwizard.base.os_errors import reason_of
from srwizard.data.fields import WHOLE, Field, FloatField
from srwizard.data.layout import Contents, Problem
from srwizard.data.sampling import spread
from srwizard.data.undeclared import (
    LARGEST_PLAUSIBLE_VALUE,
    Undeclared,
    UndeclaredTally,
    far_values,
)

SAMPLED_STEPS = 512
"""At most so many steps of a split have values sampled."""
SAMPLED_ROWS = 16
# What archives write where there is no value, if not NaN.
FILL_VALUES = (-9999.0, -99999.0, -32768.0, -32767.0, -999.0, 9999.0, 99999.0)


@dataclass
class SampledValues:
    """What a sample of the values of one variable shows.

    Args:
        lowest, highest: of the finite values of HR; NaN where there are none.
        problems: what is no value: infinite, missing, or a fill value.
        doubts: what may be meant, but is told.
        undeclared: values that look as if they stood for none.
    """

    lowest: float = np.nan
    highest: float = np.nan
    problems: list[Problem] = field(default_factory=list)
    doubts: list[Problem] = field(default_factory=list)
    undeclared: tuple[float, ...] = ()


def sample_values(contents: Contents, name: str) -> SampledValues:
    """Sample the values of a variable in every split; what is wrong is noted, not raised."""
    found = SampledValues()
    fills: dict[float, _Fill] = {}
    standing = UndeclaredTally()
    looked_at = 0
    for (split, level, variable), stored in contents.fields.items():
        if variable != name:
            continue
        sampled = list(spread(len(stored.steps), SAMPLED_STEPS))
        empty = []
        for index in sampled:
            values = _sampled_rows(stored, index, found.problems)
            looked_at += 1
            if values.size and not np.isfinite(values).any():
                empty.append(index)
            if np.isinf(values).any():
                found.problems.append(Problem(stored.path(index), _infinite(stored, index, values)))
            finite = values[np.isfinite(values)]
            if not finite.size:
                continue
            for fill in _likely_fills(finite):
                fills.setdefault(fill, _Fill(stored.path(index), stored.steps[index])).steps += 1
            if level == "hr":
                found.lowest = float(np.fmin(found.lowest, finite.min()))
                found.highest = float(np.fmax(found.highest, finite.max()))
            if (split, level) == ("train", "hr"):
                standing.add(_rows(values, stored))
        found.problems += _empty_problems(stored, empty, len(sampled))
    found.problems += _fill_problems(fills, looked_at)
    found.undeclared = tuple(float(f"{value:g}") for value in fills)
    first = contents.fields["train", "hr", name].path(0)
    always = standing.found().standing
    if always is not None and always[0] not in fills:
        found.undeclared += (always[0],)
        found.doubts.append(
            Problem(
                first,
                _("{percent:.1f} % of the points are {value:g} in every step that was looked at, "
                  "which is perhaps how land is stored; points without a value must be NaN",
                  percent=100 * always[1], value=always[0]),
                fatal=False,
            )
        )  # fmt: skip
    if found.lowest == found.highest:
        text = _("every value of {name} that was looked at is {value:g}",
                 name=name, value=found.lowest)  # fmt: skip
        found.problems.append(Problem(first, text, fatal=False))
    return found


def _empty_problems(stored: Field, empty: Sequence[int], looked_at: int) -> Iterator[Problem]:
    """Tell of steps without any value, from which nothing is learnt."""
    if not empty:
        return
    path = stored.path(empty[0])
    if len(empty) == looked_at:
        yield Problem(path, _("no step that was looked at has any value"))
    else:
        yield Problem(
            path,
            _("step {step} has no value at all, and nothing is learnt from it (so it is with "
              "{count} of the {all} steps that were looked at)",
              step=stored.steps[empty[0]], count=len(empty), all=looked_at),
            fatal=False,
        )  # fmt: skip


@dataclass
class _Fill:
    """Where a likely fill value was seen first, and in how many steps."""

    path: Path
    step: str
    steps: int = 0


def _fill_problems(fills: dict[float, _Fill], looked_at: int) -> Iterator[Problem]:
    """Name each value once, however many files have it.

    In a field where it does not stand out it is not counted.
    """
    for value, seen in fills.items():
        count = str(seen.steps)
        yield Problem(
            seen.path,
            _("step {step} holds {value}, which looks like a fill value; points without a value "
              "must be NaN (it is in {count} of the {all} fields that were looked at)",
              step=seen.step, value=f"{value:g}", all=looked_at,
              count=count if seen.steps == looked_at else _("at least {count}", count=count)),
            fatal=False,
        )  # fmt: skip


def _infinite(found: Field, index: int, values: FloatField) -> str:
    """Name the first infinite value of a step, of which all rows or some of them were read."""
    row, column = np.argwhere(np.isinf(values))[0].tolist()
    return _(
        "step {step} holds infinite values: {value:g} at row {row}, column {column} "
        "(counted from 0); data.outliers: mask leaves such values out",
        step=found.steps[index],
        value=float(values[row, column]),
        row=row * (1 if len(values) == found.shape[0] else _stride(found)),
        column=column,
    )


def _likely_fills(finite: FloatField) -> set[float]:
    """Return those of the values of a field that are likely to stand for "no value"."""
    extremes = float(finite.min()), float(finite.max())
    known = {
        value for value in extremes if value in FILL_VALUES or abs(value) > LARGEST_PLAUSIBLE_VALUE
    }
    return known | Undeclared.of(far_values(finite), None).far.keys()


def _stride(found: Field) -> int:
    return max(1, found.shape[0] // SAMPLED_ROWS)


def _rows(values: FloatField, found: Field) -> FloatField:
    """Return the sampled rows where the whole field was read."""
    return values[:: _stride(found)] if len(values) == found.shape[0] else values


def _sampled_rows(found: Field, index: int, problems: list[Problem]) -> FloatField:
    """Read some rows of a step; where they hold nothing, the whole of it."""
    try:
        values = found.read(index, (slice(None, None, _stride(found)), slice(None)))
        if not np.isfinite(values).any():
            values = found.read(index, WHOLE)
    except (OSError, ValueError) as error:
        problems.append(
            Problem(found.path(index), _("cannot be read: {reason}", reason=reason_of(error)))
        )
        return np.zeros((0, 0), dtype=np.float32)
    return values
