"""What `prepare` did, as manifest.json states it, and the counts behind it."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from srwizard.data.fields import FloatField
from srwizard.data.layout import Layout
from srwizard.data.prepare.leakage import Likeness, SplitLikeness
from srwizard.data.prepare.lr_product import LrProduct
from srwizard.data.prepare.statistics import FieldStatistics, SplitStatistics
from srwizard.data.prepare.units import Conversion
from srwizard.data.undeclared import StandingValue


class Jump(NamedTuple):
    """A step whose values have nothing in common with those of the step before."""

    step: str
    before: FieldStatistics
    after: FieldStatistics


class FieldTally:
    """Counts what the HR fields `[H, W]` of one variable hold while they pass by."""

    def __init__(self, variable: str, shape: tuple[int, int]) -> None:
        self.empty_fields = 0
        self.far: Counter[float] = Counter()
        self.outside = 0
        self.standing = StandingValue()
        self.always_missing: npt.NDArray[np.bool_] = np.ones(shape, dtype=bool)
        self.statistics: dict[str, FieldStatistics] = {}
        self.jump: Jump | None = None
        self._before: FieldStatistics | None = None
        self._likeness = SplitLikeness(variable, shape)

    def add(self, split: str, field: FloatField) -> None:
        """Take one field of `split` that has a value."""
        self.standing.add(field)
        self._likeness.add(split, field)

    def add_missing(self, always: npt.NDArray[np.uint8]) -> None:
        """Take the cells, packed to bits, in which some fields have no value."""
        cells = np.unpackbits(always, count=self.always_missing.size).view(np.bool_)
        self.always_missing &= cells.reshape(self.always_missing.shape)

    def finish(self, split: str, kept: Mapping[str, FieldStatistics]) -> None:
        """Take the statistics of the fields that `split` is made of, by the names of their steps.

        The splits come in the order of time.
        """
        total = FieldStatistics()
        for name, each in kept.items():
            total = total.joined(each)
            self.empty_fields += not each.count
            if not each.count:
                continue
            if self.jump is None and self._before is not None and each.apart_from(self._before):
                self.jump = Jump(name, self._before, each)
            self._before = each
        self.statistics[split] = total

    def has_values(self, split: str) -> bool:
        """Say whether any field of `split` had a value."""
        return split in self.statistics and self.statistics[split].count > 0

    def standing_in_source(self, conversion: Conversion | None) -> tuple[float, float] | None:
        """Return the value that stands in some cells as it is in the source, and their share."""
        if conversion is None:
            return self.standing.found(zero=0.0)
        zero = float(conversion(np.zeros(1, np.float32))[0])
        found = self.standing.found(zero)
        return None if found is None else (conversion.source_value(found[0]), found[1])

    @property
    def likeness(self) -> list[Likeness]:
        """How alike neighbouring splits are."""
        return self._likeness.found

    @property
    def land_share(self) -> float:
        """Share of the cells without a value in any step."""
        return float(self.always_missing.mean())

    @property
    def missing_share(self) -> float:
        """Share of all values that are missing."""
        cells = sum(part.cells for part in self.statistics.values())
        return (cells - sum(part.count for part in self.statistics.values())) / cells


@dataclass(frozen=True)
class Crop:
    """Which rows and columns were left out at the end of the grid or region: `[start, stop)`."""

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
    statistics: Mapping[str, SplitStatistics]


@dataclass(frozen=True)
class PreparedVariable:
    """One variable.

    Args:
        source_variable: its name in the sources.
        attributes: units, long_name, standard_name, as far as they are known; the units are those
            of the values in the dataset.
        land_share: share of the HR cells that have no value in any step, 0 to 1.
        missing_share: share of all HR values that are missing, land included, 0 to 1.
        source_units: units in the sources; None where they do not say.
        depth: of the level that was taken, in the unit of the sources' vertical coordinate; None
            where none was chosen.
    """

    source_variable: str
    attributes: Mapping[str, str]
    land_share: float
    missing_share: float
    source_units: str | None
    depth: float | None


@dataclass(frozen=True)
class Region:
    """What of the source grid was taken, before it was cropped to a multiple of the scale.

    Args:
        longitude, latitude: as asked for, degrees; None where all was taken.
        rows: `[start, stop)`.
        columns: `[start, stop)`, two of them where the region crosses the seam of the grid.
    """

    longitude: tuple[float, float] | None
    latitude: tuple[float, float] | None
    rows: tuple[int, int]
    columns: tuple[tuple[int, int], ...]


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
    climatology: bool
    fractions: tuple[float, float, float]
    splits: Mapping[str, PreparedSplit]
    variables: Mapping[str, PreparedVariable]
    notes: tuple[str, ...]
    region: Region
    gap: int
    likeness: tuple[Likeness, ...]
    statics: tuple[str, ...]
    request: Mapping[str, Any]
    dropped_steps: tuple[str, ...]
    lr_product: LrProduct | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what manifest.json holds: dicts, lists, strings and finite numbers or null."""
        content = asdict(self)
        for each in content["likeness"]:
            if math.isnan(each["correlation"]):
                each["correlation"] = None
        return content
