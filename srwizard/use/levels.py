"""At which depth the variables of a run lie, and whether an input has them there."""

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from srwizard.base.errors import DatasetError, UsageError
from srwizard.base.i18n import in_a_row
from srwizard.base.i18n import translate as _
from srwizard.data.missing_variable import NoSuchVariableError
from srwizard.data.prepare.masking import Masking
from srwizard.data.prepare.record import Record, Survey, survey_sources
from srwizard.data.quantities import Level, Levels

TOLERANCE = 1.0
"""In metres, or in the unit of the vertical coordinate: products have levels of their own."""
TOLERANCE_SHARE = 0.1


def survey_levels(
    paths: Sequence[Path],
    names: Mapping[str, str],
    levels: Levels,
    missing: Sequence[float] = (),
) -> tuple[Survey, dict[str, Record]]:
    """Open raw files; return what is in them, and the record of each variable of a run.

    A variable that has no other name in the files, and is not there by its own, is looked for by
    the name that it had in the raw files of the training; and at its depth.

    Args:
        paths: NetCDF files and Zarr stores.
        names: variable of the run -> its name in the files.
        levels: of the variables of the run, as far as they are known.
        missing: values that stand for none, besides those that the files declare.

    Raises:
        UsageError, DatasetError: as `survey_sources`; a level is not there.
    """
    depths = [
        level.depth for name in names if (level := levels.get(name)) and level.depth is not None
    ]

    def found_by(names: Mapping[str, str]) -> tuple[Survey, dict[str, Record]]:
        wanted = list(dict.fromkeys(names.values()))
        found = survey_sources(
            paths,
            wanted,
            lambda _done, _total: None,
            depths=list(dict.fromkeys(depths)),
            masking=Masking(tuple(missing)),
        )
        return found, {
            name: _at_its_depth(name, there, found, levels.get(name))
            for name, there in names.items()
        }

    raw = {
        name: levels[name].source if name == there and name in levels else there
        for name, there in names.items()
    }
    try:
        return found_by(names)
    except NoSuchVariableError as error:
        missed = error
    if raw != names:
        with contextlib.suppress(NoSuchVariableError):
            return found_by(raw)
    another = _("Where a variable has another name: --variable {name}=NAME_IN_FILE",
                name=next(iter(names)))  # fmt: skip
    raise UsageError(missed.message, in_a_row([missed.hint, another]))


def _at_its_depth(name: str, there: str, found: Survey, level: Level | None) -> Record:
    records = [record for record in found.records.values() if record.variable == there]
    wanted = None if level is None else level.depth
    if wanted is None:
        return records[0]
    nearest = min(records, key=lambda record: abs((record.depth or 0.0) - wanted))
    check_depth(name, str(nearest.steps[0].source.path), nearest.depth, wanted)
    return nearest


def check_depth(name: str, where: str, found: float | None, wanted: float | None) -> None:
    """Refuse a variable of an input at another depth than in the training.

    Raises:
        DatasetError: it is, where both are known.
    """
    if found is None or wanted is None:
        return
    if abs(found - wanted) > max(TOLERANCE, TOLERANCE_SHARE * abs(wanted)):
        raise DatasetError(
            _("{name} lies at the depth {found:g} in {where}, but the run was trained at "
              "{expected:g}",
              name=name, found=found, where=where, expected=wanted),
            _("Give an input that holds that level. To use the run at another depth all the same, "
              "take the depth out of the file first, e.g. in xarray: ds.isel(depth=0, drop=True)."),
        )  # fmt: skip
