"""What is to be super-resolved: NetCDF files, a Zarr store, or the lr/ of a dataset directory."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from srwizard.base.errors import DatasetError, SrwizardError, UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.i18n import translate_count as _n
from srwizard.base.visible import in_shell
from srwizard.data.dataset_facts import known_grid
from srwizard.data.layout import dataset_around, scan
from srwizard.data.outliers import Points, masked
from srwizard.data.quantities import Levels, attributes_in
from srwizard.use.dataset_input import Resolution, dataset_input, is_dataset, read_step
from srwizard.use.opened_input import FieldSeries, Input, origin_of
from srwizard.use.raw_input import raw_input


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
        its_split = split if is_dataset(guide_paths[0]) else None
        return _with_guides(found, names_of_guides, guide_paths, levels, missing, its_split)
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
            yield np.stack([read_step(one, index) for one in series])

    return replace(
        found,
        guides=fields,
        guide_grid=known_grid(contents, "hr", series[0].shape),
        guide_attributes={name: known[its] for name, its in names_of_guides.items()},
        guides_where=str(root),
        guides_origin=origin_of([root], there),
    )


def _opened(
    paths: Sequence[Path],
    names: Mapping[str, str],
    split: str | None,
    outliers: Points | None,
    levels: Levels,
    missing: Sequence[float],
    resolution: Resolution = "lr",
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
        return dataset_input(datasets[0], names, split or "test", outliers, levels, resolution)
    if split is not None:
        raise UsageError(
            _("--split {split}: only a dataset directory has splits, and {path} is not one",
              split=split, path=paths[0]),
            _("Leave --split out."),
        )  # fmt: skip
    return raw_input(paths, names, levels, missing)


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


def _with_guides(
    found: Input,
    names: Mapping[str, str],
    paths: Sequence[Path],
    levels: Levels,
    missing: Sequence[float],
    split: str | None,
) -> Input:
    if not names:
        raise UsageError(_("the run takes no guides of every step"), _("Leave --guide out."))
    declared = () if is_dataset(paths[0]) else missing
    beside = _opened(paths, names, split, None, levels, declared, "hr")
    _require_steps(found, beside.names, beside.where)
    return replace(
        found,
        guides=_at_steps(beside, found.names),
        guide_grid=beside.grid,
        guide_attributes=beside.attributes,
        guides_where=beside.where,
        guides_origin=beside.origin,
    )


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
