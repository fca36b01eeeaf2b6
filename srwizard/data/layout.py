"""What a dataset directory holds: its files, found and checked from their headers.

Three layouts are recognised (`npy`, `h5`, `nc`):
`ROOT/{train,valid,test}/{hr,lr}/<variable>/*.npy`, `ROOT/{train,valid,test}.h5` and
`ROOT/{train,valid,test}.nc`, the last two with datasets `hr/<variable>`, `lr/<variable>`.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Literal

from srwizard.base.errors import DatasetError
from srwizard.base.i18n import translate as _
from srwizard.base.os_errors import reason_of
from srwizard.base.special_files import require_file
from srwizard.base.visible import in_one_line, in_shell
from srwizard.data.fields import Field, HDF5Field, NpyField, read_npy_header
from srwizard.data.file_faults import dataset_fault, hdf5_fault, npy_fault
from srwizard.data.hdf5_reading import UnfinishedFileError, open_hdf5
from srwizard.data.split_names import SPLITS

Layout = Literal["npy", "h5", "nc"]
LEVELS = ("hr", "lr")
Progress = Callable[[int, int], None]

MOST_UNPAIRED = 5
"""More steps of a file without a partner are counted, not named."""
DEPTH_OF_FIELDS = 4
"""ROOT/test/lr/VARIABLE/STEP.npy"""
FieldKey = tuple[str, str, str]
"""(split, level, variable)"""


@dataclass(frozen=True)
class Problem:
    """Something wrong with a dataset. A fatal one makes it unusable."""

    path: Path
    message: str
    fatal: bool = True


@dataclass(frozen=True)
class Contents:
    """The fields found under a root, and the problems met on the way."""

    root: Path
    layout: Layout
    fields: Mapping[FieldKey, Field]
    statics: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    periodic: bool | None = None
    """Whether the grid goes round the globe, where that was answered; see `grid.goes_round`."""

    def variables(self) -> tuple[str, ...]:
        """Return every variable that is present in some split and at some level."""
        return tuple(sorted({variable for _split, _level, variable in self.fields}))


def scan(root: Path, progress: Progress = lambda _done, _total: None) -> Contents:
    """Find the layout of `root` and open the headers of everything in it.

    Args:
        root: the dataset directory.
        progress: told (files opened, files in all), where each step is a file.

    Returns:
        The contents; what is wrong stands in `problems`, nothing is raised for bad data.
    """
    try:
        return _scan(root, progress)
    except OSError as error:
        place = Path(error.filename) if error.filename else root
        problem = Problem(place, _("cannot be read: {reason}", reason=reason_of(error)))
        return Contents(root, "npy", {}, problems=(problem,))


def _scan(root: Path, progress: Progress) -> Contents:
    layout = recognise(root)
    if layout is None:
        return Contents(root, "npy", {}, problems=(no_layout(root),))
    problems: list[Problem] = []
    fields: dict[FieldKey, Field] = {}
    if layout == "npy":
        fields.update(_npy_fields(root, problems, progress))
    else:
        for split in SPLITS:
            fields.update(_hdf5_fields(root, split, layout, problems))
    problems.extend(_absent(root, layout, fields))
    problems.extend(_unpaired(root, layout, fields))
    return Contents(root, layout, fields, find_statics(root), tuple(problems))


def recognise(root: Path) -> Layout | None:
    """Return the layout of `root`, or None where it is no dataset directory."""
    if any((root / split).is_dir() for split in SPLITS):
        return "npy"
    for suffix in ("h5", "nc"):
        if any(os.path.lexists(root / f"{split}.{suffix}") for split in SPLITS):
            return suffix
    return None


def no_layout(root: Path) -> Problem:
    """Say why `root` is not a dataset directory at all."""
    if not root.exists():
        return Problem(root, _("the directory does not exist"))
    if not root.is_dir():
        return Problem(root, _("this is a file, not a directory"))
    try:
        empty = next(root.iterdir(), None) is None
    except PermissionError:
        return Problem(root, _("you have no permission to read this directory"))
    if empty:
        return Problem(root, _("the directory is empty"))
    return Problem(root, _("it contains neither train/, valid/, test/ nor train.h5 or train.nc"))


def _npy_fields(
    root: Path, problems: list[Problem], progress: Progress
) -> Iterator[tuple[FieldKey, Field]]:
    listed = {
        (split, level, directory.name): (directory, _npy_files(directory))
        for split in SPLITS
        for level in LEVELS
        for directory in _directories(root, split, level, problems)
    }
    opened, total = count(1), sum(len(files) for _directory, files in listed.values())
    for key, (directory, files) in listed.items():
        found = _npy_field(directory, files, problems, lambda: progress(next(opened), total))
        if found is not None:
            yield key, found


def _directories(root: Path, split: str, level: str, problems: list[Problem]) -> list[Path]:
    """Return the directories of the variables of a split at a level."""
    parent = root / split / level
    if parent.is_dir():
        return sorted(path for path in parent.iterdir() if path.is_dir())
    if (root / split).is_dir():
        problems.append(Problem(parent, _("the directory is missing")))
    elif level == LEVELS[0]:  # once
        problems.append(Problem(root / split, _("the split is missing")))
    return []


def _npy_files(directory: Path) -> list[Path]:
    # Not glob, which passes over a directory that must not be read.
    # macOS writes a companion file ._NAME beside each file on a foreign drive.
    return sorted(
        path
        for path in directory.iterdir()
        if path.suffix == ".npy" and not path.name.startswith("._")
    )


def _npy_field(
    directory: Path, files: Sequence[Path], problems: list[Problem], opened: Callable[[], None]
) -> NpyField | None:
    if not files:
        problems.append(Problem(directory, _("there is no .npy file in it")))
        return None
    shapes = {}
    for file in files:
        shapes[file] = _checked_shape(file, problems)
        opened()
    counted = Counter(shape for shape in shapes.values() if shape is not None)
    if not counted:
        return None
    # Most files are right: the odd one is named, even if it is the first.
    usual = counted.most_common(1)[0][0]
    for file, shape in shapes.items():
        if shape is not None and shape != usual:
            problems.append(
                Problem(
                    file,
                    _("shape {found} differs from {usual} of the other steps",
                      found=list(shape), usual=list(usual)),
                )
            )  # fmt: skip
    steps = tuple(file.stem for file in files if shapes[file] == usual)
    return NpyField(directory, steps, usual)


def _checked_shape(file: Path, problems: list[Problem]) -> tuple[int, int] | None:
    """Return `[H, W]` of a sound `.npy` file, else None with the problem noted."""
    try:
        header = read_npy_header(file)
        message = npy_fault(header, file.stat().st_size)
    except OSError as error:
        message = _("cannot be read: {reason}", reason=reason_of(error))
    except ValueError:
        message = _("not a .npy file, or its header is damaged")
    if message is not None:
        problems.append(Problem(file, message))
        return None
    return (header.shape[0], header.shape[1])


def _hdf5_fields(
    root: Path, split: str, layout: Layout, problems: list[Problem]
) -> Iterator[tuple[FieldKey, Field]]:
    import h5py

    file = root / f"{split}.{layout}"
    if not os.path.lexists(file):
        problems.append(Problem(file, _("the split is missing")))
        return
    try:
        require_file(file)
    except OSError as error:
        problems.append(Problem(file, _("cannot be read: {reason}", reason=reason_of(error))))
        return
    try:
        with open_hdf5(file) as opened:
            for level in LEVELS:
                if not isinstance(opened.get(level), h5py.Group):
                    problems.append(Problem(file, _("has no group {level}/", level=level)))
                    continue
                for variable, dataset in opened[level].items():
                    if not isinstance(variable, str):
                        raise ValueError(variable)  # bytes, where a name is no UTF-8
                    if not isinstance(dataset, h5py.Dataset) or dataset.ndim < 3:
                        continue  # a coordinate
                    name = f"{level}/{variable}"
                    if dataset.ndim > 3:
                        problems.append(_of_other_dimensions(file, name, dataset.shape))
                        continue
                    message = dataset_fault(dataset)
                    if message is not None:
                        problems.append(Problem(file, f"{in_one_line(name)}: {message}"))
                        continue
                    steps = tuple(f"{index:06d}" for index in range(dataset.shape[0]))
                    shape = (int(dataset.shape[1]), int(dataset.shape[2]))
                    yield (split, level, variable), HDF5Field(file, name, steps, shape)
    except UnfinishedFileError as error:
        problems.append(Problem(file, _("cannot be read: {reason}", reason=error.strerror)))
    except (OSError, RuntimeError, KeyError, ValueError, TypeError):
        # h5py raises any of these where bytes inside the file are damaged.
        problems.append(Problem(file, hdf5_fault(file)))


def _of_other_dimensions(file: Path, name: str, shape: Sequence[int]) -> Problem:
    message = _("left out: its shape {shape} is not [N, H, W]", shape=list(shape))
    return Problem(file, f"{in_one_line(name)}: {message}", fatal=False)


def _absent(root: Path, layout: Layout, fields: Mapping[FieldKey, Field]) -> Iterator[Problem]:
    """Find variables that are there in train and not in another split."""
    variables = {
        split: {variable for name, _level, variable in fields if name == split} for split in SPLITS
    }
    for split in SPLITS:
        if not variables[split]:
            continue  # which has been said already
        for variable in sorted(variables["train"] - variables[split]):
            yield Problem(
                root / (split if layout == "npy" else f"{split}.{layout}"),
                _("{variable} exists in train but not in {split}",
                  variable=variable, split=split),
            )  # fmt: skip


def _unpaired(root: Path, layout: Layout, fields: Mapping[FieldKey, Field]) -> Iterator[Problem]:
    """Find variables and steps that are there in HR and not in LR, or the other way round."""
    pairs = {(split, variable) for split, _level, variable in fields}
    for split, variable in sorted(pairs):
        hr, lr = (fields.get((split, level, variable)) for level in LEVELS)
        if hr is None or lr is None:
            there, missing = ("lr", "hr") if hr is None else ("hr", "lr")
            yield Problem(
                root / split / missing / variable
                if layout == "npy"
                else root / f"{split}.{layout}",
                _("{variable} exists in {there} but not in {missing}",
                  variable=variable, there=there, missing=missing),
            )  # fmt: skip
            continue
        for level, extra in (("hr", set(hr.steps) - set(lr.steps)),
                             ("lr", set(lr.steps) - set(hr.steps))):  # fmt: skip
            other = "lr" if level == "hr" else "hr"
            mine = hr if level == "hr" else lr
            if layout != "npy" and len(extra) > MOST_UNPAIRED:
                yield Problem(
                    mine.path(0),
                    _("{variable}: {level} has {count} steps, {other} has {other_count}",
                      variable=variable, level=level, count=len(mine.steps), other=other,
                      other_count=len((lr if level == "hr" else hr).steps)),
                )  # fmt: skip
                continue
            for step in sorted(extra):
                if (root / split / other / variable / f"{step}.npy").exists():
                    continue  # the partner is there but damaged, which has been said already
                yield Problem(
                    mine.path(mine.steps.index(step)),
                    _("has no partner in {other}: step {step}", other=other, step=step),
                )


def dataset_around(path: Path) -> tuple[Path, str] | None:
    """Return the dataset directory that a path lies in, and in which of its splits; or None."""
    whole = path.absolute()
    for root in list(whole.parents)[:DEPTH_OF_FIELDS]:
        split = whole.relative_to(root).parts[0].partition(".")[0]
        if split in SPLITS and recognise(root) is not None:
            return root, split
    return None


def holds_levels(path: Path, root: Path) -> bool:
    """Return whether a path in a dataset directory holds HR or LR fields as datasets do."""
    inside = path.absolute().relative_to(root).parts
    if len(inside) > 1:
        return inside[1] in LEVELS
    try:
        with open_hdf5(path) as file:
            return any(level in file for level in LEVELS)
    except (OSError, UnfinishedFileError):
        return False


def find_statics(root: Path) -> dict[str, tuple[Path, ...]]:
    """Return the files of static fields of each level, in the order of their numbers."""
    directory = root / "static_variables"
    return {level: tuple(sorted((directory / level).glob("[!.]*.npy"))) for level in LEVELS}


def require_root(root: Path) -> None:
    """Make sure that the directory of a dataset is still there.

    Raises:
        DatasetError: it is not; says what to do where it was moved.
    """
    if not root.is_dir():
        raise DatasetError(
            _("the dataset directory {root} is no longer there", root=root),
            _("If it was moved, move it back, or let a link lead to it: ln -s NEW_PLACE {root}",
              root=in_shell(root)),
        )  # fmt: skip
