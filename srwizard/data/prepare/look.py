"""What raw files hold, told before anything is made of them.

Quick: of many files some are opened, of each variable a few steps are read.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import cftime
import numpy as np
import xarray as xr

from srwizard.base.errors import DatasetError, SrwizardError
from srwizard.base.i18n import translate as _
from srwizard.base.i18n import translate_count as _n
from srwizard.data.coordinates import Grid, Window
from srwizard.data.prepare.grid_order import check_order
from srwizard.data.prepare.levels import depth_units, find_level, level_depths
from srwizard.data.prepare.opening import Source, open_source
from srwizard.data.prepare.reading import StepReader
from srwizard.data.prepare.record_faults import check_consistent, check_grid
from srwizard.data.prepare.selection import reaches_around
from srwizard.data.prepare.source import SourceField, Step
from srwizard.data.prepare.source_notes import time_problem
from srwizard.data.prepare.surveying import survey_field
from srwizard.data.prepare.times import Moment, have_same_dates
from srwizard.data.undeclared import UndeclaredTally, undeclared_notes

MOST_OPENED = 24
"""Of more sources, so many are opened, spread over all of them."""
STEPS_READ = 3
MOST_CELLS_READ = 4_000_000


@dataclass(frozen=True)
class SourceVariable:
    """One variable over all sources that were opened.

    Args:
        name: in the sources.
        units, long_name: as the sources say; empty where they do not.
        dimensions: name -> size, in the source that was opened first.
        shape: `(H, W)`; None where it is no field on a grid.
        steps: time steps in the sources that were opened.
        first, last: times of the first and the last of these; empty without a time.
        step_hours: the most common time between two steps; None where it is not known.
        time_problem: why the times of a source cannot be used; empty where all can.
        depths: of the vertical levels, where there are several, in order.
        depth_units: m, or what the sources say where that is not a length.
        is_global: whether the grid reaches around the globe.
        land_share: share of the points that have no value in any step that was read; None where
            nothing could be read.
        low, high: the least and the greatest value that was read.
        suspicions: what looks like an undeclared mask, in words.
        undeclared: the values that look so.
        is_mask: whether it is itself a mask or a class rather than a field.
        problem: why it cannot be prepared; empty where it can.
        sources: places of the sources that have it.
    """

    name: str
    units: str
    long_name: str
    dimensions: dict[str, int]
    shape: tuple[int, int] | None = None
    steps: int = 0
    first: str = ""
    last: str = ""
    step_hours: float | None = None
    time_problem: str = ""
    depths: tuple[float, ...] = ()
    depth_units: str = ""
    is_global: bool = False
    land_share: float | None = None
    low: float | None = None
    high: float | None = None
    suspicions: tuple[str, ...] = ()
    undeclared: tuple[float, ...] = ()
    is_mask: bool = False
    problem: str = ""
    sources: tuple[int, ...] = ()

    @property
    def usable(self) -> bool:
        """Whether a dataset can be made of it."""
        return not self.problem


@dataclass(frozen=True)
class Contents:
    """What was found.

    Args:
        paths: all sources.
        opened: those that were looked into.
        variables: those that can be fields on a grid.
    """

    paths: tuple[Path, ...]
    opened: tuple[Path, ...]
    variables: tuple[SourceVariable, ...]

    @property
    def usable(self) -> list[SourceVariable]:
        """Those that can be prepared, the likeliest first: fields, with the most steps."""
        found = [one for one in self.variables if one.usable]
        return sorted(found, key=lambda one: (one.is_mask, -one.steps, -len(one.sources)))

    def named(self, name: str) -> SourceVariable | None:
        """Return a variable that can be prepared, or None."""
        return next((one for one in self.variables if one.usable and one.name == name), None)


@dataclass
class _Found:
    """One variable while the sources are gone through."""

    first: xr.DataArray
    fields: list[SourceField] = field(default_factory=list)
    grid: Grid | None = None
    depths: tuple[float, ...] = ()
    depth_units: str = ""
    refused: SrwizardError | None = None
    grids_differ: DatasetError | None = None
    sources: list[int] = field(default_factory=list)


def look(
    paths: Sequence[Path], progress: Callable[[int, int], None] = lambda _done, _total: None
) -> Contents:
    """Look into raw files.

    Args:
        paths: NetCDF files and Zarr stores.
        progress: told (sources done, sources in all).

    Raises:
        UsageError: a source cannot be read.
        DatasetError: none of them holds a field on a grid.
    """
    places = np.unique(np.linspace(0, len(paths) - 1, min(len(paths), MOST_OPENED)).astype(int))
    opened = [paths[place] for place in places]
    found: dict[str, _Found] = {}
    for number, path in enumerate(opened):
        with open_source(path) as source:
            for name in source.field_names():
                dataset, there = source.dataset_of(name)
                one = found.setdefault(name, _Found(dataset[there]))
                one.sources.append(number)
                _take(one, source, name)
        progress(number + 1, len(opened))
    variables = tuple(_variable(name, one) for name, one in found.items())
    if not any(one.usable for one in variables):
        for one in found.values():
            if one.grids_differ is not None:
                raise one.grids_differ
        reasons = {
            f"{one.name}: {one.problem}" if refused is None else _told(refused)
            for one in variables
            if (refused := found[one.name].refused) is not None or one.problem
        }
        raise DatasetError(
            _("{path} holds no field on a grid of latitude and longitude.", path=opened[0])
            if len(opened) == 1
            else _n(
                "The file does not hold a field on a grid.",
                "None of the {count} files holds a field on a grid.",
                len(opened),
                count=len(opened),
            ),
            "\n".join(sorted(reasons))
            or _("Give files with a variable of time, latitude and longitude."),
        )
    return Contents(tuple(paths), tuple(opened), variables)


def _take(one: _Found, source: Source, name: str) -> None:
    dataset, there = source.dataset_of(name)
    level = find_level(dataset, dataset[there])
    deep = level is not None and dataset.sizes[level] > 1
    try:
        if deep and level is not None:
            one.depths = one.depths or tuple(sorted(level_depths(dataset, there, level)))
            one.depth_units = depth_units(dataset, level)
        each, grid = survey_field(source, name, min(one.depths) if deep else None)
    except SrwizardError as error:
        one.refused = one.refused or error
        return
    one.fields.append(each)
    one.grid = one.grid or grid
    try:
        check_grid((one.grid, one.fields[0]), grid, each)
    except DatasetError as error:
        one.grids_differ = error


def _variable(name: str, found: _Found) -> SourceVariable:
    array, fields, grid = found.first, found.fields, found.grid
    attributes = array.attrs
    known: dict[str, Any] = {
        "name": name,
        "units": str(attributes.get("units", "")),
        "long_name": str(attributes.get("long_name", attributes.get("standard_name", ""))),
        "dimensions": {str(dimension): size for dimension, size in array.sizes.items()},
        "is_mask": _is_mask(array),
        "sources": tuple(found.sources),
    }
    if found.grids_differ is not None:
        return SourceVariable(**known, problem=_told(found.grids_differ))
    if grid is None or not fields:
        return SourceVariable(**known, problem=found.refused.message if found.refused else "")
    if not any(one.steps for one in fields):
        return SourceVariable(**known, problem=_("it has no time step"))
    timed = [one for one in fields if one.axes.time.moments is not None]
    moments = sorted(
        {moment for one in timed for moment in one.axes.time.moments or () if moment is not None}
    )
    return SourceVariable(
        **known,
        shape=grid.shape,
        steps=sum(one.steps for one in fields),
        first=moments[0].extended() if moments else "",
        last=moments[-1].extended() if moments else "",
        step_hours=_usual_step(moments, {one.axes.time.calendar for one in timed}),
        time_problem=time_problem(fields),
        depths=found.depths,
        depth_units=found.depth_units,
        is_global=reaches_around(grid),
        **_read(name, fields, grid),
    )


def _faults(fields: Sequence[SourceField], grid: Grid) -> Iterator[str]:
    """Yield why `prepare` will refuse them: other units in one file, rows that are not in order."""
    for check in (partial(check_consistent, fields), partial(check_order, grid)):
        try:
            check()
        except DatasetError as error:
            yield _told(error)


def _told(error: SrwizardError) -> str:
    return _("{message} {hint}", message=error.message, hint=error.hint).strip()


def _is_mask(array: xr.DataArray) -> bool:
    attributes, name = array.attrs, str(array.name).lower()
    return (
        "flag_values" in attributes
        or "flag_masks" in attributes
        or "mask" in str(attributes.get("standard_name", ""))
        or "mask" in name
        or name in ("lsm", "landsea")
    )


def _usual_step(moments: Sequence[Moment], calendars: Collection[str]) -> float | None:
    """Return the most common time between two steps in hours; None where calendars differ."""
    if not have_same_dates(calendars):
        return None
    calendar = next(iter(sorted(calendars)), "")
    times = [cftime.datetime(*moment, calendar=calendar) for moment in moments]
    gaps = Counter((later - earlier).total_seconds() / 3600 for earlier, later in pairwise(times))
    return gaps.most_common(1)[0][0] if gaps else None


def _read(name: str, fields: Sequence[SourceField], grid: Grid) -> dict[str, Any]:
    """Read a few steps, and say what their values look like."""
    steps = [Step(one, index, None) for one in fields for index in range(one.steps)]
    if not steps:
        return {}
    rows = max(1, min(grid.shape[0], MOST_CELLS_READ // max(1, grid.shape[1])))
    window = Window(slice(0, rows), (slice(0, grid.shape[1]),))
    places = np.unique(np.linspace(0, len(steps) - 1, min(len(steps), STEPS_READ)).astype(int))
    try:
        with StepReader(window) as reader:
            sample = np.stack([*reader.fields([steps[place] for place in places])])
    except DatasetError as error:
        return {"suspicions": (error.message,)}
    valid = np.isfinite(sample)
    values = sample[valid]
    if not values.size:
        return {"land_share": 1.0, "suspicions": (_("no value in the steps that were read"),)}
    tally = UndeclaredTally()
    for each in sample:
        tally.add(each)
    return {
        "land_share": float(1 - valid.any(axis=0).mean()),
        "low": float(values.min()),
        "high": float(values.max()),
        "suspicions": (*undeclared_notes(name, tally.found()), *_faults(fields, grid)),
        "undeclared": tally.found().values,
    }
