"""What `prepare` did, as manifest.json states it, and the counts behind it."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from srwizard.data.fields import FloatField
from srwizard.data.layout import Layout
from srwizard.i18n import translate as _

LARGEST_PLAUSIBLE_VALUE = 1e15
"""Fill values that a file does not declare are mostly 1e20 or 9.97e36; no ocean field is near."""


class FieldTally:
    """Counts what the HR fields `[H, W]` of one variable hold while they pass by."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.fields = 0
        self.empty_fields = 0
        self.missing = 0
        self.always_missing: npt.NDArray[np.bool_] = np.ones(shape, dtype=bool)
        self.ranges: dict[str, tuple[float, float]] = {}

    def add(self, split: str, field: FloatField) -> None:
        """Count one field of `split`."""
        gaps = np.isnan(field)
        self.fields += 1
        self.missing += int(gaps.sum())
        self.always_missing &= gaps
        if gaps.all():
            self.empty_fields += 1
            return
        low, high = self.ranges.get(split, (math.inf, -math.inf))
        self.ranges[split] = (
            min(low, float(np.nanmin(field))),
            max(high, float(np.nanmax(field))),
        )

    @property
    def land_share(self) -> float:
        """Share of the cells without a value in any step."""
        return float(self.always_missing.mean())

    @property
    def missing_share(self) -> float:
        """Share of all values that are missing."""
        return self.missing / (self.fields * self.always_missing.size)


@dataclass(frozen=True)
class Crop:
    """Which rows and columns of the source grid were left out: `[start, stop)`, at the end."""

    source_shape: tuple[int, int]
    dropped_rows: tuple[int, int]
    dropped_columns: tuple[int, int]

    @classmethod
    def between(cls, source: tuple[int, int], kept: tuple[int, int]) -> "Crop":
        """Return what has to go from `source` to leave the first `kept` rows and columns."""
        return cls(source, (kept[0], source[0]), (kept[1], source[1]))


@dataclass(frozen=True)
class PreparedSplit:
    """One split: `steps` consecutive steps, from the one named `first` to `last`, inclusive.

    `value_range` maps a variable to the least and the greatest value of its HR fields.
    """

    steps: int
    first: str
    last: str
    value_range: Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class PreparedVariable:
    """One variable.

    Args:
        source_variable: its name in the sources.
        attributes: units, long_name, standard_name, as far as the sources have them.
        land_share: share of the HR cells that have no value in any step, 0 to 1.
        missing_share: share of all HR values that are missing, land included, 0 to 1.
    """

    source_variable: str
    attributes: Mapping[str, str]
    land_share: float
    missing_share: float

    @classmethod
    def counted(
        cls, source_variable: str, attributes: Mapping[str, str], tally: FieldTally
    ) -> "PreparedVariable":
        """Take the shares from the tally of all fields."""
        return cls(source_variable, dict(attributes), tally.land_share, tally.missing_share)


@dataclass(frozen=True)
class Manifest:
    """What `prepare` did. Equal input makes an equal manifest: it holds no time of writing."""

    srwizard_version: str
    sources: tuple[str, ...]
    format: Layout
    scale: int
    method: str
    hr_shape: tuple[int, int]
    lr_shape: tuple[int, int]
    crop: Crop
    calendar: str
    fractions: tuple[float, float, float]
    splits: Mapping[str, PreparedSplit]
    variables: Mapping[str, PreparedVariable]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return what manifest.json holds: dicts, lists, strings and finite numbers."""
        return asdict(self)


def notes_on(
    source: tuple[int, int], kept: tuple[int, int], tallies: Mapping[str, FieldTally]
) -> list[str]:
    """Say what the user should know: cells left out, steps without values, doubtful values."""
    notes = []
    if source != kept:
        notes.append(
            _("The last {rows} rows and the last {columns} columns were dropped, to make the grid "
              "a multiple of the scale.", rows=source[0] - kept[0], columns=source[1] - kept[1])
        )  # fmt: skip
    for variable, tally in tallies.items():
        if tally.empty_fields:
            notes.append(
                _("{variable} has {steps} steps without any value.",
                  variable=variable, steps=tally.empty_fields)
            )  # fmt: skip
        if any(max(abs(low), abs(high)) > LARGEST_PLAUSIBLE_VALUE
               for low, high in tally.ranges.values()):  # fmt: skip
            notes.append(
                _("{variable} has values beyond {limit:g}: perhaps a fill value that the sources "
                  "do not declare.", variable=variable, limit=LARGEST_PLAUSIBLE_VALUE)
            )  # fmt: skip
    return notes
