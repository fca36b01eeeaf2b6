"""The input of a dataset directory: the LR fields of one of its splits."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import cftime
import numpy as np

from srwizard.base.errors import DatasetError, UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.os_errors import reason_of
from srwizard.base.typed_paths import expand
from srwizard.base.visible import in_one_line, in_shell
from srwizard.data.dataset_facts import known_grid
from srwizard.data.fields import FloatField
from srwizard.data.hdf5_reading import open_hdf5
from srwizard.data.layout import Contents, recognise, scan
from srwizard.data.missing_variable import no_such_variable
from srwizard.data.outliers import Points, masked
from srwizard.data.prepare.times import Moment
from srwizard.data.quantities import Levels, attributes_in, levels_in, manifest_of
from srwizard.data.raw_files import is_zarr
from srwizard.settings.run_config import RunData
from srwizard.use.levels import check_depth
from srwizard.use.opened_input import FieldSeries, Input, origin_of

Resolution = Literal["lr", "hr"]
BASIC_TIME = re.compile(r"(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})")
"""How `srwizard prepare` names the steps of files without a time of their own."""


def is_dataset(path: Path) -> bool:
    """Return whether a path is meant as a dataset directory: a Zarr store is a directory, too."""
    return path.is_dir() and not is_zarr(path)


def masked_points(data: RunData, root: Path) -> Points | None:
    """Return what a run masks of the dataset in `root`, as its training did; None: nothing.

    Which values only their neighbours tell is known of the dataset that was trained on alone.
    """
    if data.outliers != "mask":
        return None
    return data.masked if expand(data.root) == expand(str(root)) else {}


def dataset_input(
    root: Path,
    names: Mapping[str, str],
    split: str,
    outliers: Points | None,
    levels: Levels,
    resolution: Resolution = "lr",
) -> Input:
    """Open a split of a dataset directory; the arguments are those of `open_input`.

    Its LR fields are read; of guides, those of HR.

    Raises:
        UsageError, DatasetError: as `open_input` does.
    """
    if recognise(root) is None:
        raise UsageError(
            _("{path} is neither a dataset directory nor a Zarr store", path=root),
            _("Give a NetCDF file, a Zarr store, or a directory with train/, valid/, test/ "
              "(or train.h5, train.nc, …)."),
        )  # fmt: skip
    contents = scan(root) if outliers is None else masked(scan(root), outliers)
    _check_sound(contents, names, split, resolution)
    chosen = [contents.fields[split, resolution, there] for there in names.values()]
    its_levels = levels_in(root)
    for name, there in names.items():
        if name in levels and there in its_levels:
            check_depth(name, str(root), its_levels[there].depth, levels[name].depth)
    first = chosen[0]
    for name, found in zip(names, chosen, strict=True):
        if found.steps != first.steps or found.shape != first.shape:
            raise DatasetError(
                _("{name} and {other} have different steps or grids in {path}",
                  name=name, other=next(iter(names)), path=root / split),
                _("See: srwizard inspect {root}", root=in_shell(root)),
            )  # fmt: skip
    times = _dataset_times(contents, split, first.steps)
    moments, calendar = times if times is not None else (None, "")
    attributes = attributes_in(root, contents.layout, list(names.values()))

    def fields(start: int) -> FieldSeries:
        for index in range(start, len(first.steps)):
            yield np.stack([read_step(found, index) for found in chosen])

    return Input(
        where=_("{root} ({split})", root=root, split=split),
        origin=origin_of([root / split], names.values()),
        names=first.steps,
        moments=moments,
        calendar=calendar,
        grid=known_grid(contents, resolution, first.shape),
        attributes={name: attributes[there] for name, there in names.items()},
        fields=fields,
    )


def read_step(found: Any, index: int) -> FloatField:
    """Return the field of a step.

    Raises:
        DatasetError: its file cannot be read.
    """
    try:
        values: FloatField = found.read(index)
    except (OSError, ValueError, RuntimeError) as error:
        raise DatasetError(
            _("{path} cannot be read: {reason}", path=found.path(index), reason=reason_of(error))
        ) from error
    return values


def _check_sound(
    contents: Contents, names: Mapping[str, str], split: str, resolution: Resolution
) -> None:
    """Refuse a split whose fields are not all there; those of the other level do not matter."""
    other = "hr/" if resolution == "lr" else "lr/"
    parent = contents.root / split / resolution
    for there in names.values():
        found = contents.fields.get((split, resolution, there))
        places = [contents.root / f"{split}.{contents.layout}", parent.parent, parent]
        for problem in contents.problems:
            damaged = problem.path.parent == parent / there and (
                found is None or problem.path.stem not in found.steps
            )
            absent = found is None and problem.path in (*places, parent / there)
            if problem.fatal and (damaged or absent) and other not in problem.message:
                raise DatasetError(
                    f"{in_one_line(problem.path)}: {problem.message}",
                    _("See: srwizard inspect {root}", root=in_shell(contents.root)),
                )
        if found is None:
            raise _no_such_variable(contents, split, there, resolution)


def _no_such_variable(
    contents: Contents, split: str, variable: str, resolution: Resolution
) -> UsageError:
    there = [name for part, level, name in contents.fields if (part, level) == (split, resolution)]
    known = dict.fromkeys(sorted(there), ())
    return no_such_variable(variable, known, contents.root / split / resolution)


def _dataset_times(
    contents: Contents, split: str, steps: Sequence[str]
) -> tuple[tuple[Moment, ...], str] | None:
    """Return the times of the steps and their calendar; None where none are known."""
    if contents.layout == "npy":
        calendar = manifest_of(contents.root).get("calendar")
        found = [BASIC_TIME.fullmatch(step) for step in steps]
        if not calendar or not all(found):
            return None
        moments = [Moment(*map(int, match.groups())) for match in found if match is not None]
        return tuple(moments), str(calendar)
    return _hdf5_times(contents.root / f"{split}.{contents.layout}", len(steps))


def _hdf5_times(file: Path, count: int) -> tuple[tuple[Moment, ...], str] | None:
    try:
        with open_hdf5(file) as opened:
            stored = opened["time"]
            units, calendar = (
                value.decode() if isinstance(value, bytes) else str(value)
                for value in (stored.attrs["units"], stored.attrs.get("calendar", "standard"))
            )
            times = cftime.num2date(stored[:], units, calendar, only_use_cftime_datetimes=True)
    except (OSError, KeyError, ValueError, TypeError, AttributeError):
        return None
    moments = tuple(
        Moment(time.year, time.month, time.day, time.hour, time.minute, time.second)
        for time in times
    )
    return (moments, calendar) if len(moments) == count else None
