"""What is looked at in every HR field, in one pass: a band of rows while the processor has it near.

From memory a field takes longer to fetch than all of this to compute.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from srwizard.data.bands import bands
from srwizard.data.coordinates import band_mean
from srwizard.data.fields import FloatField
from srwizard.data.prepare.statistics import FieldStatistics


class Summary(NamedTuple):
    """Of a field `[H, W]`.

    Args:
        statistics: of its values.
        missing: `[H, W]`, where it has none.
        mean: its block means `[H / scale, W / scale]`, if they were asked for.
    """

    statistics: FieldStatistics
    missing: npt.NDArray[np.bool_]
    mean: FloatField | None


def summed_up(field: FloatField, scale: int | None) -> Summary:
    """Go through a field once.

    Args:
        field: `[H, W]`, NaN where there is no value; sides are multiples of `scale`.
        scale: cells of a block along each direction; None for no block means.
    """
    statistics = FieldStatistics()
    missing = np.empty(field.shape, dtype=bool)
    means = []
    with np.errstate(invalid="ignore"):  # infinite values are refused by whoever asked
        for each in bands(field, scale or 1):
            band, absent = field[each], np.isnan(field[each], out=missing[each])
            statistics = statistics.joined(FieldStatistics.of(band, absent))
            if scale is not None:
                means.append(band_mean(band, absent, scale).astype(np.float32))
    return Summary(statistics, missing, np.concatenate(means) if means else None)
