"""Whether the values of an input can be what the run was trained on."""

from collections.abc import Sequence

import numpy as np

from srwizard.base.errors import DatasetError
from srwizard.base.i18n import translate as _
from srwizard.data.fields import FloatField
from srwizard.data.normalization import Statistics

FARTHEST = 10.0
"""A value is refused that lies further beyond the range of the training than so many of its widths:
no ocean field is there, but fill values that a file does not declare are."""


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
        span = float(high) - float(low)
        if not len(valid) or not span > 0:
            continue
        lowest, highest = float(valid.min()), float(valid.max())
        if lowest > high + span or highest < low - span:
            raise DatasetError(
                _("{name} runs from {lowest:.4g} to {highest:.4g} in {where}, step {step}, but "
                  "from {low:.4g} to {high:.4g} in the training",
                  name=name, lowest=lowest, highest=highest, where=where, step=step,
                  low=low, high=high),
                _("Is it in different units, such as kelvin instead of degrees Celsius? Convert "
                  "it first."),
            )  # fmt: skip
        away = max(low - lowest, highest - high)
        if away > FARTHEST * span:
            value = highest if away == highest - high else lowest
            raise DatasetError(
                _("{name} has the value {value:.6g} in {where}, step {step}, but runs from "
                  "{low:.4g} to {high:.4g} in the training",
                  name=name, value=value, where=where, step=step, low=low, high=high),
                _("If it marks missing values, declare it in the file: ncatted -a "
                  "_FillValue,{name},o,f,{value:.6g}", name=name, value=value),
            )  # fmt: skip
        if away > span:
            far.append(name)
    return far
