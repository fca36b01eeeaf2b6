"""Which values of a field are far from those around them, before them and after them."""

import math

import numpy as np
import numpy.typing as npt

from srwizard.data.fields import Field, FloatField
from srwizard.data.sampling import spread

BoolField = npt.NDArray[np.bool_]

LARGEST = 1e15
STEPS_FOR_SPREAD = 16
VALUES_FOR_SPREAD = 200_000
TRIMMED = 0.001
"""The share of the values, at either end, that has no say in what the spread is."""
WINDOW = 2
"""Neighbours are the points and the steps at most so far away."""


def impossible(values: FloatField) -> BoolField:
    """Return where values are infinite or beyond `LARGEST`."""
    return np.asarray(np.abs(values) > LARGEST)


def apart(one: Field, index: int, stored: FloatField, limit: float) -> BoolField:
    """Return where values are too far from those around them, before and after them.

    A block of such values is found from its corners on: each is out of place once those next to
    it have made way for what is usual there.
    """
    values = stored.astype(np.float64)
    found = np.zeros(values.shape, dtype=bool)
    near: FloatField | None = None
    while np.isfinite(values).any():
        usual = np.nanmedian(values)
        # Of two values further apart than the limit, one is further from the median than half.
        rows, columns = np.nonzero(~found & (np.abs(values - usual) > limit / 2))
        around = _surroundings(values, rows, columns, float(usual))
        new = np.abs(values[rows, columns] - around) > limit
        if not new.any():
            break
        if near is None:
            near = _near_steps(one, index)
        rows, columns, around = rows[new], columns[new], around[new]
        before_and_after = _median(near[:, rows, columns].astype(np.float64), float(usual))
        new = np.abs(values[rows, columns] - before_and_after) > limit
        if not new.any():
            break
        found[rows[new], columns[new]] = True
        values[rows[new], columns[new]] = around[new]
    return found


def _surroundings(
    values: npt.NDArray[np.float64],
    rows: npt.NDArray[np.intp],
    columns: npt.NDArray[np.intp],
    usual: float,
) -> npt.NDArray[np.float64]:
    """Return the median of the neighbours of some points `[k]`; `usual` where they have none."""
    padded = np.pad(values, WINDOW, constant_values=np.nan)
    offsets = range(2 * WINDOW + 1)
    windows = np.stack(
        [
            padded[rows + down, columns + right]
            for down in offsets
            for right in offsets
            if (down, right) != (WINDOW, WINDOW)
        ]
    )
    return _median(windows, usual)


def _near_steps(one: Field, index: int) -> FloatField:
    """Return the steps before and after one `[k, H, W]`."""
    count = len(one.steps)
    near = [place for place in range(index - WINDOW, index + WINDOW + 1) if place != index]
    read = [one.read(place) for place in near if 0 <= place < count]
    found = np.stack(read) if read else np.zeros((0, *one.shape), dtype=np.float32)
    found[impossible(found)] = np.nan
    return found


def _median(values: npt.NDArray[np.float64], otherwise: float) -> npt.NDArray[np.float64]:
    """Return the median `[k]` of values `[n, k]`, passing over NaN; `otherwise` of none."""
    if not len(values):
        return np.full(values.shape[1:], otherwise)
    ordered = np.sort(values, axis=0)  # NaN comes last
    count = np.isfinite(ordered).sum(axis=0)
    low, high = ((np.maximum(count, 1) - 1) // 2), count // 2
    ends = [np.take_along_axis(ordered, place[None], axis=0)[0] for place in (low, high)]
    return np.where(count > 0, (ends[0] + ends[1]) / 2, otherwise)


def usual_spread(one: Field) -> float:
    """Return the standard deviation in space of a usual step, whatever outliers there are.

    Infinite where there is nothing to tell it from: no value is far from its neighbours then.
    """
    stride = max(1, round(float(math.sqrt(math.prod(one.shape) / VALUES_FOR_SPREAD))))
    window = slice(None, None, stride), slice(None, None, stride)
    found = []
    for index in spread(len(one.steps), STEPS_FOR_SPREAD):
        values = one.read(index, window).astype(np.float64)
        values = np.sort(values[np.abs(values) <= LARGEST])
        cut = max(1, round(TRIMMED * values.size))
        kept = values[cut : values.size - cut]
        if kept.size:
            found.append(float(kept.std()))
    usual = sorted(found)[(len(found) - 1) // 2] if found else 0.0
    return usual or max(found, default=0.0) or float("inf")
