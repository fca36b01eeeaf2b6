"""Random patches of LR fields in which there is water."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from srwizard.data.fields import Window


def water_corners(
    water: npt.NDArray[np.bool_], side: int, *, goes_round: bool
) -> npt.NDArray[np.intp]:
    """Return the upper left corners `[n, 2]` of all patches that are not land throughout.

    Args:
        water: `[h, w]`, where there is any.
        side: of a patch, in LR points.
        goes_round: whether a patch may begin in every column, the grid going round the globe.
    """
    if goes_round:
        water = np.concatenate([water, water[:, : side - 1]], axis=1)
    sums = np.pad(water, ((1, 0), (1, 0))).cumsum(0, dtype=np.int64).cumsum(1)
    inside = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side]
    return np.argwhere(inside + sums[:-side, :-side] > 0)


def drawn_patch(corners: npt.NDArray[np.intp], side: int, seed: Sequence[int]) -> Window:
    """Return the rows and columns of a random patch.

    Args:
        corners: from `water_corners`.
        side: of a patch, in LR points.
        seed: the same one draws the same patch.
    """
    choice = np.random.default_rng(seed).integers(len(corners))
    top, left = (int(place) for place in corners[choice])
    return slice(top, top + side), slice(left, left + side)
