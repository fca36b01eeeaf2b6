"""Finding what a variable is in an open source: axes, grid, units, what is missing, its mask."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import xarray as xr

from srwizard.base.errors import DatasetError, UsageError
from srwizard.base.i18n import in_a_row
from srwizard.base.i18n import translate as _
from srwizard.base.visible import in_one_line
from srwizard.data.coordinates import FloatArray, Grid
from srwizard.data.missing_variable import available_text
from srwizard.data.prepare.cf import Axes, find_axes, find_coordinate, named_coordinates
from srwizard.data.prepare.levels import has_levels
from srwizard.data.prepare.masking import Masking, missed_fill_values, valid_range
from srwizard.data.prepare.opening import Source, open_source
from srwizard.data.prepare.source import SourceField

WINDOW_BYTES = 64 * 2**20
"""Most bytes of one variable that are decoded at a time."""
USUAL_BYTES = 16 * 2**20
"""Smaller chunks are read several at a time: each reading takes milliseconds by itself."""


def survey_field(
    source: Source,
    variable: str,
    depth: float | None = None,
    missing: Sequence[float] = (),
) -> tuple[SourceField, Grid]:
    """Return what `variable` is in an open source, and its grid.

    Args:
        source: it has the variable.
        variable: by its name or, in a group, by its path.
        depth: take the level nearest to it.
        missing: values that stand for none, besides those that the source declares.

    Raises:
        UsageError: the variable does not hold numbers.
        DatasetError: it has a dimension that is neither time nor horizontal.
    """
    path = source.path
    dataset, name = source.dataset_of(variable)
    array = dataset[name]
    if array.dtype.kind not in "iuf":
        raise UsageError(
            _("Variable {variable} in {path} holds {dtype}, not numbers.",
              variable=variable, path=path, dtype=array.dtype),
            _("Choose one of: {available}", available=", ".join(source.field_names())),
        )  # fmt: skip
    try:
        axes = find_axes(dataset, name, depth)
    except DatasetError as error:
        raise type(error)(f"{in_one_line(path)}: {error.message}", error.hint) from error
    steps = 1 if axes.time.dimension is None else array.sizes[axes.time.dimension]
    attributes = {
        name: str(array.attrs[name])
        for name in ("units", "long_name", "standard_name")
        if name in array.attrs
    }
    field = SourceField(
        path,
        variable,
        axes,
        steps,
        _window(array, axes),
        attributes,
        (*missing, *missed_fill_values(array)),
        valid_range(array),
        source.stored(variable),
    )
    return field, _grid(dataset, array, axes)


def survey_mask(
    field: SourceField, grid: Grid, source: Source, masking: Masking, depth: float | None
) -> SourceField:
    """Return `field` with its mask, of the open source itself or of another file.

    Raises:
        UsageError: there is no such mask.
        DatasetError: it is on another grid, or its steps are not those of the field.
    """
    wanted = masking.variable
    if wanted is None:
        return field
    with open_source(wanted.path) if wanted.path else nullcontext(source) as holder:
        path, there = holder.path, holder.find(wanted.name)
        if there is None:
            raise UsageError(
                _("{path} has no mask {name}.", path=path, name=wanted.name),
                in_a_row([
                    _("Name a variable of the sources, or of another file: "
                      "--mask-variable FILE:NAME."),
                    available_text(wanted.name, holder.described_fields()),
                ]),
            )  # fmt: skip
        deep = has_levels(*there)
        mask, its_grid = survey_field(holder, wanted.name, depth if deep else None)
    if not its_grid.matches(grid) or mask.steps not in (1, field.steps):
        raise DatasetError(
            _("The mask {name} in {path} (steps, rows and columns: {steps} x {rows} x {columns}) "
              "does not belong to {variable} ({field_steps} x {field_rows} x {field_columns}), or "
              "its longitudes and latitudes differ.",
              name=mask.variable, path=path, steps=mask.steps, rows=its_grid.shape[0],
              columns=its_grid.shape[1], variable=field.variable, field_steps=field.steps,
              field_rows=grid.shape[0], field_columns=grid.shape[1]),
            _("Give a mask on the grid of the sources, of one step or of the same steps."),
        )  # fmt: skip
    untimed = replace(mask.axes.time, moments=None)
    mask = replace(mask, axes=replace(mask.axes, time=untimed))
    return replace(field, mask=(mask, wanted.values))


def _window(array: xr.DataArray, axes: Axes) -> int:
    """Return how many steps to read at a time.

    A compressed chunk that spans many steps would be decompressed once for each of them.
    """
    if axes.time.dimension is None:
        return 1
    chunks = array.encoding.get("chunksizes") or array.encoding.get("preferred_chunks")
    if isinstance(chunks, Mapping):
        stored = int(chunks.get(axes.time.dimension, 1))
    else:
        stored = int(chunks[array.dims.index(axes.time.dimension)]) if chunks else 1
    step_bytes = array.sizes[axes.rows] * array.sizes[axes.columns] * array.dtype.itemsize
    most, usual = (size // max(1, step_bytes) for size in (WINDOW_BYTES, USUAL_BYTES))
    return max(1, min(stored * max(1, usual // stored), most))


def _grid(dataset: xr.Dataset, array: xr.DataArray, axes: Axes) -> Grid:
    dimensions, named = [axes.rows, axes.columns], named_coordinates(array)

    def coordinate(found: xr.DataArray | None, one_dimensional: str) -> FloatArray | None:
        if found is None or (found.ndim == 1 and found.dims != (one_dimensional,)):
            return None
        ordered = found if found.ndim == 1 else found.transpose(*dimensions)
        return ordered.values.astype(np.float64)

    return Grid(
        (array.sizes[axes.rows], array.sizes[axes.columns]),
        coordinate(find_coordinate(dataset, dimensions, "latitude", named), axes.rows),
        coordinate(find_coordinate(dataset, dimensions, "longitude", named), axes.columns),
    ).rectilinear()
