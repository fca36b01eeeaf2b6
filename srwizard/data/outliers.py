"""Values that cannot be: every value of a dataset is looked at before it is trained on.

Infinite values, and those beyond `LARGEST`, are outliers wherever they are. Any other value is one
if it differs by more than `MOST_SPREADS` spreads from its neighbours in space *and* from those in
time: a front is sharp in space, a storm quick in time, but neither stands alone in both.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from srwizard.base.errors import DatasetError
from srwizard.base.i18n import translate as _
from srwizard.data.fields import WHOLE, Field, FieldWithin, FloatField, Window
from srwizard.data.layout import LEVELS, Contents, FieldKey
from srwizard.data.out_of_place import LARGEST, apart, impossible, usual_spread
from srwizard.data.split_names import SPLITS

Rule = Literal["refuse", "mask"]
Points = Mapping[str, Mapping[str, Sequence[Sequence[int]]]]
"""By part (`train/hr/temp`) and step: rows and columns of what only its neighbours tell."""
Progress = Callable[[int, int], None]

MOST_SPREADS = 50.0
MOST_POINTS = 10_000
"""Where more values differ from their neighbours, it is not single values that are wrong."""
MOST_TOLD = 5


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
        values[impossible(values)] = np.nan
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
    spreads = {level: usual_spread(contents.fields["train", level, variable]) for level in LEVELS}
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
    cannot_be = impossible(values)
    alone = apart(one, index, np.where(cannot_be, np.nan, values), limit)
    places = np.argwhere(cannot_be | alone)
    if not len(places):
        return
    found.count += len(places)
    for row, column in places[: MOST_TOLD - len(found.first)].tolist():
        value = float(values[row, column])
        found.first.append(Outlier(one.path(index), one.steps[index], row, column, value))
    if alone.any():
        steps = found.points.setdefault(part_of(key), {})
        steps[one.steps[index]] = np.argwhere(alone).tolist()
