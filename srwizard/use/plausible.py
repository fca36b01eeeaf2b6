"""Whether the values of an input can be what the run was trained on."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from srwizard.base.errors import DatasetError
from srwizard.base.i18n import translate as _
from srwizard.base.i18n import translate_count as _n
from srwizard.data.fields import FloatField
from srwizard.data.normalization import Statistics

FARTHEST = 10.0
"""A value is refused that lies further beyond the range of the training than so many of its widths:
no ocean field is there, but fill values that a file does not declare are."""
FARTHEST_SPREADS = 100.0
"""The same of a guide, whose range in the training is not known: so many spreads from its mean."""
FARTHEST_MIDDLE = 10.0
"""So many spreads from that mean the median of a step of a guide can be."""
MOST_ALIKE = 0.1
"""What a larger share of the points has exactly is a fill value, and none of another unit."""


def check_values(
    variables: Sequence[str], known: Statistics, values: FloatField, where: str, step: str
) -> list[str]:
    """Refuse a step that holds what cannot be: fill values, or other units than in the training.

    Args:
        variables: names of the channels.
        known: of HR in the training split.
        values: `[C, h, w]`.
        where: the input, for messages.
        step: its name, for messages.

    Returns:
        The variables of which a value is further from the range of the training than that is wide.

    Raises:
        DatasetError: every value of a variable does, or one lies more than `FARTHEST` widths away.
    """
    far = []
    for name, field, low, high in zip(variables, values, known.minimum, known.maximum, strict=True):
        valid = field[np.isfinite(field)].astype(np.float64)
        span = float(high) - float(low) or max(abs(float(low)), 1.0)  # of one number: as its size
        if not len(valid):
            continue
        lowest, highest = float(valid.min()), float(valid.max())
        if lowest > high + span or highest < low - span:
            raise DatasetError(
                _("{name} runs from {lowest:.4g} to {highest:.4g} in {where}, step {step}, but "
                  "from {low:.4g} to {high:.4g} in the training",
                  name=name, lowest=lowest, highest=highest, where=where, step=step,
                  low=low, high=high),
                _convert(),
            )  # fmt: skip
        away = max(low - lowest, highest - high)
        if away > FARTHEST * span:
            value = highest if away == highest - high else lowest
            raise DatasetError(
                _("{name} has the value {value:.6g} in {where}, step {step}, but runs from "
                  "{low:.4g} to {high:.4g} in the training",
                  name=name, value=value, where=where, step=step, low=low, high=high),
                _declare(value),
            )  # fmt: skip
        if away > span:
            far.append(name)
    return far


def check_guides(
    scales: Mapping[str, Sequence[float]],
    water: npt.NDArray[np.bool_],
    values: FloatField,
    where: str,
    step: str,
) -> None:
    """Refuse guides of a step that hold what cannot be, or have gaps in the water.

    Args:
        scales: mean and spread of each in the training split, by name.
        water: `[H, W]`, where they must have values.
        values: `[G, H, W]`.
        where: the input, for messages.
        step: its name, for messages.

    Raises:
        DatasetError: a value lies more than `FARTHEST_SPREADS` from the mean, or their median more
            than `FARTHEST_MIDDLE`; a point in the water has none.
    """
    for (name, (mean, spread)), field in zip(scales.items(), values, strict=False):
        if field.shape == water.shape:  # another one is refused by its shape
            _refuse_gaps(name, field, water, where, step)
        there = field[np.isfinite(field)].astype(np.float64)
        if not len(there):
            continue
        middle = float(np.median(there))
        off = abs(middle - mean) > FARTHEST_MIDDLE * spread
        if off and np.mean(there == middle) <= MOST_ALIKE:
            raise DatasetError(
                _("{name} is around {middle:.4g} in {where}, step {step}, but {mean:.4g} on "
                  "average and a spread of {spread:.4g} in the training",
                  name=name, middle=middle, where=where, step=step, mean=mean, spread=spread),
                _convert(),
            )  # fmt: skip
        away = np.abs(there - mean)
        if away.max() > FARTHEST_SPREADS * spread:
            value = float(there[away.argmax()])
            raise DatasetError(
                _("{name} has the value {value:.6g} in {where}, step {step}, but {mean:.4g} on "
                  "average and a spread of {spread:.4g} in the training",
                  name=name, value=value, where=where, step=step, mean=mean, spread=spread),
                _declare(value),
            )  # fmt: skip


def _refuse_gaps(
    name: str, field: FloatField, water: npt.NDArray[np.bool_], where: str, step: str
) -> None:
    missing = water & ~np.isfinite(field)
    if missing.any():
        row, column = (int(place[0]) for place in np.nonzero(missing))
        raise DatasetError(
            _n(
                "the guide {name} has no value at {count} point in the water in {where}, step "
                "{step}: row {row}, column {column}",
                "the guide {name} has no value at {count} points in the water in {where}, step "
                "{step}, the first in row {row}, column {column}",
                int(missing.sum()),
                name=name,
                count=int(missing.sum()),
                where=where,
                step=step,
                row=row,
                column=column,
            ),
            _("Fill its gaps in the water first; on land it may have any value or none."),
        )


def _convert() -> str:
    return _(
        "Is it in different units, such as kelvin instead of degrees Celsius? Convert it first."
    )


def _declare(value: float) -> str:
    return _(
        "If it marks missing values, begin anew with --missing-value {value:.7g} --overwrite "
        "(NetCDF files and Zarr stores); in a dataset directory or an array it must be NaN.",
        value=value,
    )
