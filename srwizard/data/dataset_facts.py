"""What a dataset says besides its fields, kept beside a run: grids, units, depths, missing values.

A run is used where its dataset is not, or is another one by now: whether an input is on the grid of
the training and in its units is told by what was there when training began.
"""

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from srwizard.base import files
from srwizard.base.special_files import require_file
from srwizard.data.coordinates import FloatArray, Grid
from srwizard.data.layout import Contents
from srwizard.data.quantities import (
    Attributes,
    Level,
    Levels,
    attributes_in,
    levels_in,
    missing_values_of,
)
from srwizard.data.statics import static_files

FILE_NAME = "dataset.npz"
Shape = tuple[int, int]


@dataclass(frozen=True)
class DatasetFacts:
    """What a dataset says besides its fields, as far as it does.

    Attributes:
        grids: "hr" and "lr"; coordinates as far as they are known.
        attributes: variable or guide -> units, long_name, standard_name.
        levels: variable -> its name and its depth in the raw files.
        missing: values that stood for none in these.
    """

    grids: Mapping[str, Grid]
    attributes: Mapping[str, Attributes]
    levels: Levels
    missing: tuple[float, ...]


def facts_of(contents: Contents, names: Sequence[str], shapes: Mapping[str, Shape]) -> DatasetFacts:
    """Return what a dataset says.

    Args:
        contents: its layout and its static fields; fields are not looked at.
        names: of the variables and of the guides that change in time.
        shapes: `[H, W]` of the levels "hr" and "lr".
    """
    levels = levels_in(contents.root)
    return DatasetFacts(
        grids={level: known_grid(contents, level, shape) for level, shape in shapes.items()},
        attributes=attributes_in(contents.root, contents.layout, list(names)),
        levels={name: levels[name] for name in names if name in levels},
        missing=missing_values_of(contents.root),
    )


def known_grid(contents: Contents, level: str, shape: tuple[int, int]) -> Grid:
    """Return the grid of a level from the static fields lon and lat, as far as they are there.

    What cannot be read or does not fit `shape` `[H, W]` is not known.
    """
    files = static_files(contents, level)
    found: dict[str, FloatArray | None] = {}
    for name, length in (("lat", shape[0]), ("lon", shape[1])):
        found[name] = None
        try:
            values = np.load(files[name], allow_pickle=False)
        except (KeyError, OSError, ValueError):
            continue
        if values.dtype.kind in "fiu" and values.shape in ((length,), shape):
            found[name] = values.astype(np.float64)
    return Grid(shape, found["lat"], found["lon"])


def save(path: Path, facts: DatasetFacts, key: str) -> None:
    """Write them; `key` tells which dataset they are of.

    Raises:
        OSError: they cannot be written.
    """
    told = np.array(json.dumps(told_by(facts)))
    arrays: dict[str, Any] = {**coordinates_of(facts.grids)}
    files.write_with(path, lambda stream: np.savez(stream, key=np.array(key), told=told, **arrays))


def load(path: Path, key: str, shapes: Mapping[str, Shape]) -> DatasetFacts | None:
    """Read them back; None where there are none for `key`."""
    try:
        with np.load(require_file(path), allow_pickle=False) as stored:
            if str(stored["key"]) != key:
                return None
            return read_from(json.loads(str(stored["told"])), stored, shapes)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile):
        return None


def told_by(facts: DatasetFacts) -> dict[str, Any]:
    """Return what is no array of them, as JSON can hold it."""
    return {
        "attributes": {name: dict(known) for name, known in facts.attributes.items()},
        "levels": {name: asdict(level) for name, level in facts.levels.items()},
        "missing": list(facts.missing),
    }


def coordinates_of(grids: Mapping[str, Grid]) -> dict[str, FloatArray]:
    """Return the coordinates that are known: `hr_lat`, `hr_lon`, `lr_lat`, `lr_lon`."""
    return {
        f"{level}_{name}": values
        for level, grid in grids.items()
        for name, values in (("lat", grid.latitude), ("lon", grid.longitude))
        if values is not None
    }


def read_from(
    told: Mapping[str, Any], arrays: Mapping[str, Any], shapes: Mapping[str, Shape]
) -> DatasetFacts:
    """Return what `told_by` and `coordinates_of` have taken apart.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: it is none of that.
    """
    return DatasetFacts(
        grids={
            level: Grid(shape, arrays.get(f"{level}_lat"), arrays.get(f"{level}_lon"))
            for level, shape in shapes.items()
        },
        attributes={name: dict(known) for name, known in told["attributes"].items()},
        levels={name: Level(**level) for name, level in told["levels"].items()},
        missing=tuple(map(float, told["missing"])),
    )
