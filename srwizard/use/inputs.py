"""What is to be super-resolved: NetCDF files, a Zarr store, or the lr/ of a dataset directory."""

import re
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import cftime
import numpy as np

from srwizard.base.errors import DatasetError, SrwizardError, UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.i18n import translate_count as _n
from srwizard.base.os_errors import reason_of
from srwizard.base.typed_paths import expand
from srwizard.base.visible import in_one_line, in_shell
from srwizard.data.fields import FloatField
from srwizard.data.hdf5_reading import open_hdf5
from srwizard.data.layout import Contents, dataset_around, recognise, scan
from srwizard.data.missing_variable import no_such_variable
from srwizard.data.outliers import Points, masked
from srwizard.data.prepare.grid import Grid
from srwizard.data.prepare.grid_order import check_order
from srwizard.data.prepare.levels import SeveralLevelsError
from srwizard.data.prepare.reading import InfiniteValuesError, StepReader
from srwizard.data.prepare.record import Record, Survey
from srwizard.data.prepare.times import Moment
from srwizard.data.raw_files import is_zarr
from srwizard.settings.run_config import RunData
from srwizard.use.grids import grid_of
from srwizard.use.levels import Levels, check_depth, levels_in, survey_levels
from srwizard.use.quantities import Attributes, attributes_in, manifest_of

FieldSeries = Generator[FloatField, None, None]
"""`[C, h, w]` of one step after the other, read when they are asked for."""
BASIC_TIME = re.compile(r"(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})")
"""How `srwizard prepare` names the steps of files without a time of their own."""


@dataclass(frozen=True)
class Input:
    """Low-resolution fields of all variables of a run, in order of time.

    Args:
        where: what it is read from, for messages.
        origin: the same in full: all paths, and variables.
        names: of the steps.
        moments: of the steps; None where no time is known.
        calendar: the CF calendar of the moments.
        grid: shape and, as far as known, coordinates.
        attributes: variable of the run -> units, long_name, standard_name, as far as known.
        fields: yields the steps `[C, h, w]` from a given one on, one at a time.
        guides: does so of HR fields beside them `[G, H, W]`; None: there are none.
        guide_grid, guide_attributes, guides_where, guides_origin: theirs, and what they are read
            from.
        notes: what the user should know.
    """

    where: str
    origin: tuple[str, ...]
    names: tuple[str, ...]
    moments: tuple[Moment, ...] | None
    calendar: str
    grid: Grid
    attributes: Mapping[str, Attributes]
    fields: Callable[[int], FieldSeries]
    guides: Callable[[int], FieldSeries] | None = None
    guide_grid: Grid | None = None
    guide_attributes: Mapping[str, Attributes] = field(default_factory=dict)
    guides_where: str = ""
    guides_origin: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def names_in_input(given: Sequence[str], variables: Sequence[str]) -> dict[str, str]:
    """Return the name in the input of each variable of a run.

    Args:
        given: `NAME=NAME_IN_INPUT` as on the command line; others have the same name there.
        variables: of the run.

    Raises:
        UsageError: one is not of that form, or is no variable of the run.
    """
    names = {name: name for name in variables}
    for text in given:
        name, equals, there = text.partition("=")
        if not equals or not name or not there:
            raise UsageError(
                _("--variable {given} is not NAME=NAME_IN_FILE", given=text),
                _("For example: --variable {name}=thetao", name=variables[0]),
            )
        if name not in names:
            raise UsageError(
                _("--variable {given}: the run has no variable {name}", given=text, name=name),
                _("Its variables: {names}.", names=", ".join(variables)),
            )
        names[name] = there
    return names


def open_input(
    paths: Sequence[Path],
    names: Mapping[str, str],
    split: str | None,
    guides: Sequence[str] | Mapping[str, str] = (),
    guide_paths: Sequence[Path] = (),
    outliers: Points | None = None,
    levels: Levels = MappingProxyType({}),
    missing: Sequence[float] = (),
) -> Input:
    """Open an input: headers and coordinates are read, no fields.

    Args:
        paths: NetCDF files and Zarr stores of one record, or one dataset directory.
        names: variable of the run -> its name in the input.
        split: of a dataset directory; None: "test".
        guides: HR fields that are needed beside them, maybe with their names in the input: of a
            dataset directory its own.
        guide_paths: NetCDF files and Zarr stores of the guides; with the steps of LR among theirs.
        outliers: mask in a dataset directory what cannot be: all that is impossible, and these
            points, see `masked_points`; None: nothing.
        levels: at which depth the variables of the run lie, see `levels_in`.
        missing: values in NetCDF files and Zarr stores that stand for none, besides those declared.

    Raises:
        UsageError: it is missing or unreadable, or lacks a variable or a guide; or the paths do not
            go together.
        DatasetError: what is in it makes no record of fields on one grid.
    """
    try:
        found = _opened(paths, names, split, outliers, levels, missing)
    except SrwizardError:
        _refuse_part_of_dataset(paths[0])
        raise
    names_of_guides = guides if isinstance(guides, Mapping) else {name: name for name in guides}
    if guide_paths:
        return _with_guides(found, names_of_guides, guide_paths, levels, missing)
    if not guides:
        return found
    root = paths[0]
    if not is_dataset(root):
        raise UsageError(
            _("the run takes {names} at high resolution as guides, and there is none beside {path}",
              names=", ".join(guides), path=root),
            _("Give a file that holds them for the same steps: --guide FILE"),
        )  # fmt: skip
    contents = scan(root) if outliers is None else masked(scan(root), outliers)
    there = list(names_of_guides.values())
    absent = [name for name in there if (split or "test", "hr", name) not in contents.fields]
    if absent:
        raise UsageError(
            _("{path} has no variable {variable}.",
              path=root / (split or "test") / "hr", variable=", ".join(absent)),
            _("Give a file that holds them for the same steps: --guide FILE"),
        )  # fmt: skip
    series = [contents.fields[split or "test", "hr", name] for name in there]
    _require_steps(found, series[0].steps, str(root))
    known = attributes_in(root, contents.layout, there)

    def fields(start: int) -> FieldSeries:
        for index in range(start, len(found.names)):
            yield np.stack([_read(one, index) for one in series])

    return replace(
        found,
        guides=fields,
        guide_grid=grid_of(contents, "hr", series[0].shape),
        guide_attributes={name: known[its] for name, its in names_of_guides.items()},
        guides_where=str(root),
        guides_origin=_origin([root], there),
    )


def _with_guides(
    found: Input,
    names: Mapping[str, str],
    paths: Sequence[Path],
    levels: Levels,
    missing: Sequence[float],
) -> Input:
    if not names:
        raise UsageError(_("the run takes no guides of every step"), _("Leave --guide out."))
    beside = _opened(paths, names, None, None, levels, () if is_dataset(paths[0]) else missing)
    _require_steps(found, beside.names, beside.where)
    return replace(
        found,
        guides=_at_steps(beside, found.names),
        guide_grid=beside.grid,
        guide_attributes=beside.attributes,
        guides_where=beside.where,
        guides_origin=beside.origin,
    )


def is_dataset(path: Path) -> bool:
    """Return whether a path is meant as a dataset directory: a Zarr store is a directory, too."""
    return path.is_dir() and not is_zarr(path)


def _require_steps(found: Input, steps: Sequence[str], where: str) -> None:
    """Refuse guides that lack a step of LR; of more than that, only steps with a time are told."""
    if found.moments is None and tuple(steps) != found.names:
        raise DatasetError(
            _("the guides in {guides} have different steps from {where}, and no time says which "
              "belong together",
              guides=where, where=found.where),
            _("Give guides of the same steps as LR."),
        )  # fmt: skip
    lacking = sorted(set(found.names) - set(steps))
    if lacking:
        raise DatasetError(
            _n("the guides in {guides} lack {count} step of {where}: {step}",
               "the guides in {guides} lack {count} steps of {where}: {step}, …",
               len(lacking), count=len(lacking), guides=where, where=found.where,
               step=lacking[0]),
            _("Give guides of the same times as LR."),
        )  # fmt: skip


def _at_steps(given: Input, names: Sequence[str]) -> Callable[[int], FieldSeries]:
    """Return what yields the fields of some of the steps of an input; both are in order of time."""
    if given.names == tuple(names):
        return given.fields

    def fields(start: int) -> FieldSeries:
        wanted = set(names[start:])
        first = given.names.index(names[start]) if wanted else len(given.names)
        for name, values in zip(given.names[first:], given.fields(first), strict=False):
            if name in wanted:
                yield values

    return fields


def _refuse_part_of_dataset(path: Path) -> None:
    """Say so where what cannot be used is a part of a dataset directory.

    Raises:
        UsageError: it is.
    """
    around = dataset_around(path)
    if around is not None:
        root, split = around
        raise UsageError(
            _("{path} is a part of the dataset directory {root}", path=path, root=root),
            _("Give the directory, and the split: {root} --split {split}",
              root=in_shell(root), split=split),
        ) from None  # fmt: skip


def _opened(
    paths: Sequence[Path],
    names: Mapping[str, str],
    split: str | None,
    outliers: Points | None,
    levels: Levels,
    missing: Sequence[float],
) -> Input:
    datasets = [path for path in paths if is_dataset(path)]
    if datasets and len(paths) > 1:
        raise UsageError(
            _("{path} is a directory and cannot be joined with other inputs", path=datasets[0]),
            _("Give one dataset directory, or any number of NetCDF files and Zarr stores."),
        )
    if datasets:
        if missing:
            raise UsageError(
                _("--missing-value {value:g}: {path} is a dataset directory, where NaN marks what "
                  "is missing",
                  value=missing[0], path=datasets[0]),
                _("Leave --missing-value out."),
            )  # fmt: skip
        return _from_dataset(datasets[0], names, split or "test", outliers, levels)
    if split is not None:
        raise UsageError(
            _("--split {split}: only a dataset directory has splits, and {path} is not one",
              split=split, path=paths[0]),
            _("Leave --split out."),
        )  # fmt: skip
    try:
        survey, records = survey_levels(paths, names, levels, missing)
    except SeveralLevelsError as error:
        raise DatasetError(
            error.message,
            _("Cut out the level that the run was trained on first, e.g. with ncks -d depth,0."),
        ) from error
    check_order(survey.grid)
    return Input(
        where=str(paths[0]) if len(paths) == 1 else _("{path} and {count} more",
                                                      path=paths[0], count=len(paths) - 1),
        origin=_origin(paths, [*names.values(), *map(str, missing)]),
        names=tuple(
            f"{number:06d}" if step.moment is None else step.moment.basic()
            for number, step in enumerate(survey.steps)
        ),
        moments=_moments(survey),
        calendar=survey.calendar,
        grid=survey.grid,
        attributes={name: record.attributes for name, record in records.items()},
        fields=lambda start: _fields_of(list(records.values()), start),
        notes=survey.notes,
    )  # fmt: skip


def _origin(paths: Iterable[Path], variables: Iterable[str]) -> tuple[str, ...]:
    """Return what tells an input from any other: all paths, and the names of the variables.

    Not the content: who is told of a step that cannot be used mends it, and goes on.
    """
    return (*map(str, paths), *variables)


def _moments(survey: Survey) -> tuple[Moment, ...] | None:
    found = tuple(step.moment for step in survey.steps if step.moment is not None)
    return found if len(found) == len(survey.steps) else None


def _fields_of(records: Sequence[Record], start: int) -> FieldSeries:
    with ExitStack() as stack:
        # One reader for each variable: they may lie in different files.
        readers = [stack.enter_context(StepReader()) for _record in records]
        series = [
            reader.fields(record.steps[start:])
            for reader, record in zip(readers, records, strict=True)
        ]
        try:
            for fields in zip(*series, strict=True):
                yield np.stack(fields)
        except InfiniteValuesError as error:  # whose advice is an option of `prepare`
            raise DatasetError(
                error.message,
                _("Make them NaN first, e.g. with xarray: ds.where(abs(ds) < float('inf'))."),
            ) from error


def masked_points(data: RunData, root: Path) -> Points | None:
    """Return what a run masks of the dataset in `root`, as its training did; None: nothing.

    Which values only their neighbours tell is known of the dataset that was trained on alone.
    """
    if data.outliers != "mask":
        return None
    return data.masked if expand(data.root) == expand(str(root)) else {}


def _from_dataset(
    root: Path, names: Mapping[str, str], split: str, outliers: Points | None, levels: Levels
) -> Input:
    if recognise(root) is None:
        raise UsageError(
            _("{path} is neither a dataset directory nor a Zarr store", path=root),
            _("Give a NetCDF file, a Zarr store, or a directory with train/, valid/, test/ "
              "(or train.h5, train.nc, …)."),
        )  # fmt: skip
    contents = scan(root) if outliers is None else masked(scan(root), outliers)
    _check_sound(contents, names, split)
    chosen = [contents.fields[split, "lr", there] for there in names.values()]
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
            yield np.stack([_read(found, index) for found in chosen])

    return Input(
        where=_("{root} ({split})", root=root, split=split),
        origin=_origin([root / split], names.values()),
        names=first.steps,
        moments=moments,
        calendar=calendar,
        grid=grid_of(contents, "lr", first.shape),
        attributes={name: attributes[there] for name, there in names.items()},
        fields=fields,
    )


def _read(found: Any, index: int) -> FloatField:
    try:
        values: FloatField = found.read(index)
    except (OSError, ValueError, RuntimeError) as error:
        raise DatasetError(
            _("{path} cannot be read: {reason}", path=found.path(index), reason=reason_of(error))
        ) from error
    return values


def _check_sound(contents: Contents, names: Mapping[str, str], split: str) -> None:
    """Refuse a split whose LR fields are not all there; its HR fields do not matter."""
    parent = contents.root / split / "lr"
    for there in names.values():
        found = contents.fields.get((split, "lr", there))
        places = [contents.root / f"{split}.{contents.layout}", parent.parent, parent]
        for problem in contents.problems:
            damaged = problem.path.parent == parent / there and (
                found is None or problem.path.stem not in found.steps
            )
            absent = found is None and problem.path in (*places, parent / there)
            if problem.fatal and (damaged or absent) and "hr/" not in problem.message:
                raise DatasetError(
                    f"{in_one_line(problem.path)}: {problem.message}",
                    _("See: srwizard inspect {root}", root=in_shell(contents.root)),
                )
        if found is None:
            raise _no_such_variable(contents, split, there)


def _no_such_variable(contents: Contents, split: str, variable: str) -> UsageError:
    known = sorted(name for part, level, name in contents.fields if (part, level) == (split, "lr"))
    return no_such_variable(variable, dict.fromkeys(known, ()), contents.root / split / "lr")


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
