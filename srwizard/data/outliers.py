"""Values that cannot be: every value of a dataset is looked at before it is trained on.

Infinite values, and those beyond `LARGEST`, are outliers wherever they are. Any other value is one
if it differs by more than `MOST_SPREADS` spreads from its neighbours in space *and* from those in
time: a front is sharp in space, a storm quick in time, but neither stands alone in both.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from srwizard.base.errors import DatasetError
from srwizard.base.i18n import translate as _
from srwizard.data.fields import WHOLE, Field, FieldWithin, FloatField, Window
from srwizard.data.layout import LEVELS, Contents, FieldKey
from srwizard.data.sampling import spread
from srwizard.data.split_names import SPLITS

Rule = Literal["refuse", "mask"]
Points = Mapping[str, Mapping[str, Sequence[Sequence[int]]]]
"""By part (`train/hr/temp`) and step: rows and columns of what only its neighbours tell."""
Progress = Callable[[int, int], None]
BoolField = npt.NDArray[np.bool_]

LARGEST = 1e15
MOST_SPREADS = 50.0
MOST_POINTS = 10_000
"""Where more values differ from their neighbours, it is not single values that are wrong."""
MOST_TOLD = 5
STEPS_FOR_SPREAD = 16
VALUES_FOR_SPREAD = 200_000
TRIMMED = 0.001
"""The share of the values, at either end, that has no say in what the spread is."""
WINDOW = 2
"""Neighbours are the points and the steps at most so far away."""


@dataclass(frozen=True)
class Outlier:
    """One value that cannot be, and where it is."""

    path: Path
    step: str
    row: int
    column: int
    value: float

    def __str__(self) -> str:
        return _(
            "{path}: step {step} holds {value:g} at row {row}, column {column} (counted from 0)",
            path=self.path,
            step=self.step,
            value=self.value,
            row=self.row,
            column=self.column,
        )


@dataclass
class Outliers:
    """The outliers of a variable.

    Args:
        count: how many there are.
        first: some of them.
        points: where those are that cannot be told without their neighbours.
    """

    count: int = 0
    first: list[Outlier] = field(default_factory=list)
    points: dict[str, dict[str, list[list[int]]]] = field(default_factory=dict)

    def refuse(self, root: Path) -> None:
        """Raise where there are any.

        Raises:
            DatasetError: names file, step and point.
        """
        if self.count:
            raise DatasetError(
                self._told(_("the dataset {root} contains impossible values:", root=root)),
                _("Repair these files, or leave such values out everywhere: --set "
                  "data.outliers=mask"),
            )  # fmt: skip

    def refuse_too_many(self, root: Path) -> None:
        """Raise where so many differ from their neighbours that masking them would mend nothing.

        Raises:
            DatasetError: names some of them.
        """
        count = sum(len(found) for steps in self.points.values() for found in steps.values())
        if count > MOST_POINTS:
            raise DatasetError(
                self._told(_("the dataset {root} contains impossible values:", root=root)),
                _("More than {count} values are too many to be masked one by one; repair the "
                  "files.",
                  count=MOST_POINTS),
            )  # fmt: skip

    def _told(self, title: str) -> str:
        lines = [title, *(f"  {one}" for one in self.first)]
        if self.count > len(self.first):
            lines.append("  " + _("… and {count} more", count=self.count - len(self.first)))
        return "\n".join(lines)


@dataclass(frozen=True)
class Masked(FieldWithin):
    """A field without its outliers: NaN stands where they are.

    Args:
        inner: the field as it is stored.
        points: by step, rows and columns of what only its neighbours tell.
    """

    points: Mapping[str, Sequence[Sequence[int]]] = field(default_factory=dict)

    def read(self, index: int, window: Window = WHOLE) -> FloatField:
        values = self.inner.read(index, window)
        values[_impossible(values)] = np.nan
        points = self.points.get(self.steps[index])
        if points:
            here = np.zeros(self.shape, dtype=bool)
            here[tuple(np.transpose(points))] = True
            values[here[window]] = np.nan
        return values


def part_of(key: FieldKey) -> str:
    """Return the name of a part of a dataset, as the fingerprint has it."""
    return "/".join(key)


def masked(contents: Contents, points: Points) -> Contents:
    """Return contents whose fields leave out outliers: all that are impossible, and `points`."""
    fields: dict[FieldKey, Field] = {}
    for key, found in contents.fields.items():
        inner = found.inner if isinstance(found, Masked) else found
        known = found.points if isinstance(found, Masked) else {}
        fields[key] = Masked(inner, points.get(part_of(key), known))
    return replace(contents, fields=fields)


def points_of(contents: Contents) -> Points | None:
    """Return what is left out of contents besides the impossible; None: nothing is."""
    fields = {key: one for key, one in contents.fields.items() if isinstance(one, Masked)}
    if not fields:
        return None
    return {part_of(key): one.points for key, one in fields.items() if one.points}


def steps_of(contents: Contents, variable: str) -> int:
    """Return how many steps `look` reads."""
    return sum(len(found.steps) for _key, found in _fields(contents, variable))


def look(
    contents: Contents, variable: str, progress: Progress = lambda _done, _total: None
) -> Outliers:
    """Look at every value of a variable: in all splits, at both levels.

    Raises:
        OSError, ValueError: a file cannot be read.
    """
    found = Outliers()
    done, total = 0, steps_of(contents, variable)
    spreads = {level: _spread(contents.fields["train", level, variable]) for level in LEVELS}
    for key, one in _fields(contents, variable):
        limit = MOST_SPREADS * spreads[key[1]]
        for index in range(len(one.steps)):
            values = one.read(index)
            # NaN is passed over by both; an infinite value, or one out of place, shows in them.
            lowest, highest = np.fmin.reduce(values, axis=None), np.fmax.reduce(values, axis=None)
            if max(-lowest, highest) > LARGEST or float(highest) - float(lowest) > limit:
                _note(found, key, one, index, values, limit)
            done += 1
            progress(done, total)
    return found


def _fields(contents: Contents, variable: str) -> Iterator[tuple[FieldKey, Field]]:
    for split in SPLITS:
        for level in LEVELS:
            stored = contents.fields[split, level, variable]
            yield (split, level, variable), stored.inner if isinstance(stored, Masked) else stored


def _note(
    found: Outliers, key: FieldKey, one: Field, index: int, values: FloatField, limit: float
) -> None:
    impossible = _impossible(values)
    apart = _apart(one, index, np.where(impossible, np.nan, values), limit)
    places = np.argwhere(impossible | apart)
    if not len(places):
        return
    found.count += len(places)
    for row, column in places[: MOST_TOLD - len(found.first)].tolist():
        value = float(values[row, column])
        found.first.append(Outlier(one.path(index), one.steps[index], row, column, value))
    if apart.any():
        steps = found.points.setdefault(part_of(key), {})
        steps[one.steps[index]] = np.argwhere(apart).tolist()


def _impossible(values: FloatField) -> BoolField:
    """Return where values are infinite or beyond `LARGEST`."""
    return np.asarray(np.abs(values) > LARGEST)


def _apart(one: Field, index: int, stored: FloatField, limit: float) -> BoolField:
    """Return where values are too far from those around them, before and after them.

    A block of such values is found from its corners on: each is out of place once those next to
    it have made way for what is usual there.
    """
    values = stored.astype(np.float64)
    found = np.zeros(values.shape, dtype=bool)
    near: FloatField | None = None
    while np.isfinite(values).any():
        usual = np.nanmedian(values)
        # Of two values further apart than the limit, one is further from the median than half.
        rows, columns = np.nonzero(~found & (np.abs(values - usual) > limit / 2))
        around = _surroundings(values, rows, columns, float(usual))
        new = np.abs(values[rows, columns] - around) > limit
        if not new.any():
            break
        if near is None:
            near = _near_steps(one, index)
        rows, columns, around = rows[new], columns[new], around[new]
        before_and_after = _median(near[:, rows, columns].astype(np.float64), float(usual))
        new = np.abs(values[rows, columns] - before_and_after) > limit
        if not new.any():
            break
        found[rows[new], columns[new]] = True
        values[rows[new], columns[new]] = around[new]
    return found


def _surroundings(
    values: npt.NDArray[np.float64],
    rows: npt.NDArray[np.intp],
    columns: npt.NDArray[np.intp],
    usual: float,
) -> npt.NDArray[np.float64]:
    """Return the median of the neighbours of some points `[k]`; `usual` where they have none."""
    padded = np.pad(values, WINDOW, constant_values=np.nan)
    offsets = range(2 * WINDOW + 1)
    windows = np.stack(
        [
            padded[rows + down, columns + right]
            for down in offsets
            for right in offsets
            if (down, right) != (WINDOW, WINDOW)
        ]
    )
    return _median(windows, usual)


def _near_steps(one: Field, index: int) -> FloatField:
    """Return the steps before and after one `[k, H, W]`."""
    count = len(one.steps)
    near = [place for place in range(index - WINDOW, index + WINDOW + 1) if place != index]
    read = [one.read(place) for place in near if 0 <= place < count]
    found = np.stack(read) if read else np.zeros((0, *one.shape), dtype=np.float32)
    found[_impossible(found)] = np.nan
    return found


def _median(values: npt.NDArray[np.float64], otherwise: float) -> npt.NDArray[np.float64]:
    """Return the median `[k]` of values `[n, k]`, passing over NaN; `otherwise` of none."""
    if not len(values):
        return np.full(values.shape[1:], otherwise)
    ordered = np.sort(values, axis=0)  # NaN comes last
    count = np.isfinite(ordered).sum(axis=0)
    low, high = ((np.maximum(count, 1) - 1) // 2), count // 2
    ends = [np.take_along_axis(ordered, place[None], axis=0)[0] for place in (low, high)]
    return np.where(count > 0, (ends[0] + ends[1]) / 2, otherwise)


def _spread(one: Field) -> float:
    """Return the standard deviation in space of a usual step, whatever outliers there are.

    Infinite where there is nothing to tell it from: no value is far from its neighbours then.
    """
    stride = max(1, round(float(math.sqrt(math.prod(one.shape) / VALUES_FOR_SPREAD))))
    window = slice(None, None, stride), slice(None, None, stride)
    found = []
    for index in spread(len(one.steps), STEPS_FOR_SPREAD):
        values = one.read(index, window).astype(np.float64)
        values = np.sort(values[np.abs(values) <= LARGEST])
        cut = max(1, round(TRIMMED * values.size))
        kept = values[cut : values.size - cut]
        if kept.size:
            found.append(float(kept.std()))
    usual = sorted(found)[(len(found) - 1) // 2] if found else 0.0
    return usual or max(found, default=0.0) or float("inf")
