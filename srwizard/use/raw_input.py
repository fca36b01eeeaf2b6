"""The input of NetCDF files and Zarr stores."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from srwizard.base.errors import DatasetError
from srwizard.base.i18n import translate as _
from srwizard.data.prepare.grid_order import check_order
from srwizard.data.prepare.levels import SeveralLevelsError
from srwizard.data.prepare.reading import InfiniteValuesError, StepReader
from srwizard.data.prepare.record import Record, Survey
from srwizard.data.prepare.times import Moment
from srwizard.data.quantities import Levels
from srwizard.use.levels import survey_levels
from srwizard.use.opened_input import FieldSeries, Input, origin_of


def raw_input(
    paths: Sequence[Path], names: Mapping[str, str], levels: Levels, missing: Sequence[float]
) -> Input:
    """Open the files and stores of one record; the arguments are those of `open_input`.

    Raises:
        UsageError, DatasetError: as `open_input` does.
    """
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
        origin=origin_of(paths, [*names.values(), *map(str, missing)]),
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
