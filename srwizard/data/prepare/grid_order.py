"""Whether neighbours in an array are neighbours on the globe."""

import numpy as np

from srwizard.base.errors import DatasetError
from srwizard.base.i18n import translate as _
from srwizard.data.coordinates import FloatArray, Grid


def check_order(grid: Grid) -> None:
    """Refuse rows or columns whose coordinates go back and forth, or are not there.

    Block means and convolutions would mix what lies far apart. Curvilinear grids are left alone:
    at their poles and seams they do both.

    Raises:
        DatasetError: the latitudes or longitudes do not run in one direction.
    """
    if grid.latitude is not None and grid.latitude.ndim == 1:
        found = out_of_order(grid.latitude)
        if found is not None:
            raise DatasetError(
                _("The latitudes of the grid do not run in one direction: {one:g} is followed by "
                  "{other:g}.", one=found[0], other=found[1]),
                _("Sort the sources by latitude first, e.g. with xarray's sortby, or correct it."),
            )  # fmt: skip
    found = None if grid.longitude is None else longitudes_out_of_order(grid.longitude)
    if found is not None:
        raise DatasetError(
            _("The longitudes of the grid do not run in one direction: {one:g} is followed by "
              "{other:g}.", one=found[0], other=found[1]),
            _("Where a region crosses the meridian at which the array begins, name its western "
              "and eastern end, e.g. --lon -12:12; else sort the sources by longitude first."),
        )  # fmt: skip


def longitudes_out_of_order(longitude: FloatArray) -> tuple[float, float] | None:
    """Return two neighbours `[W]` that are none around the globe; None for none, or `[H, W]`."""
    if longitude.ndim != 1:
        return None
    return out_of_order(np.unwrap(longitude, period=360.0), longitude)


def out_of_order(
    values: FloatArray, stored: FloatArray | None = None
) -> tuple[float, float] | None:
    """Return two neighbours that do not go on in the direction of most of `[N]`; None for none.

    Args:
        values: what should rise, or fall, all along.
        stored: these as they are named, if not as they are.
    """
    steps = np.diff(values)
    known = steps[np.isfinite(steps)]
    direction = -1.0 if known.size and np.median(known) < 0 else 1.0
    wrong = np.flatnonzero(~(direction * steps > 0))
    if not wrong.size:
        return None
    named = values if stored is None else stored
    return float(named[wrong[0]]), float(named[wrong[0] + 1])
