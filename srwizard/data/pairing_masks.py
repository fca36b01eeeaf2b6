"""Whether LR and HR have values at the same places, where they are pairs."""

import numpy as np
import numpy.typing as npt

from srwizard.base.i18n import translate as _
from srwizard.data.pairing_measures import Series

OTHER_MASK = 0.01
"""The share of the points that LR may lack, or have besides."""


def other_mask(lr: Series, filled: Series) -> str | None:
    """Compare masks where there is no doubt: a cell away from coasts, which products differ in."""
    there = np.isfinite(lr).any((1, 2)) & filled.any((1, 2))  # others are told as empty
    lr, filled = lr[there], filled[there]
    sea, land = _inside(filled == 1), _inside(filled == 0)
    lacks = np.isnan(lr)[sea].mean() if sea.any() else 0.0
    more = np.isfinite(lr)[land].mean() if land.any() and np.isnan(lr).any() else 0.0
    if lacks > OTHER_MASK:
        return _(
            "LR has a different mask from HR: it lacks points where HR has values ({share:.1f} "
            "%); they are filled with the nearest value",
            share=100 * lacks,
        )
    if more > OTHER_MASK:
        return _(
            "LR has a different mask from HR: it has values at points where HR has none "
            "({share:.1f} %)",
            share=100 * more,
        )
    return None


def _inside(where: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return the points all of whose neighbours are among them too."""
    padded = np.pad(where, ((0, 0), (1, 1), (1, 1)), constant_values=True)
    rows = padded[:, :-2] & padded[:, 1:-1] & padded[:, 2:]
    return np.asarray(rows[:, :, :-2] & rows[:, :, 1:-1] & rows[:, :, 2:])
