"""What a dataset says of its variables besides their values: units, names, depths, and what stood
for no value in the raw files.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from srwizard.base import files
from srwizard.data.hdf5_reading import open_hdf5

Attributes = Mapping[str, str]
"""units, long_name, standard_name of a variable, as far as they are known."""

NAMES = ("units", "long_name", "standard_name")


MOST_DEPTH = 1e6
"""What a manifest says beyond that is no depth, whoever wrote it."""


@dataclass(frozen=True)
class Level:
    """What a variable of a dataset was made of.

    Args:
        source: its name in the raw files.
        depth: of the level that was taken, in metres or in the unit of the vertical coordinate;
            None where none was chosen.
    """

    source: str
    depth: float | None


Levels = Mapping[str, Level]


def attributes_in(root: Path, layout: str, variables: list[str]) -> dict[str, Attributes]:
    """Return what a dataset says of its variables, {} where it is silent.

    `srwizard prepare` keeps it in manifest.json; HDF5 and NetCDF datasets may hold it themselves.
    Whatever cannot be read is not known.
    """
    manifest = manifest_of(root)
    found = {name: _from_manifest(manifest, name) for name in variables}
    if layout != "npy":
        for name in variables:
            found[name] = _from_hdf5(root / f"train.{layout}", name) | found[name]
    return dict(found)


def manifest_of(root: Path) -> dict[str, Any]:
    """Return the manifest of a dataset directory, {} where there is none."""
    return files.read_json(root / "manifest.json") or {}


def missing_values_of(root: Path) -> tuple[float, ...]:
    """Return the values that stood for none in the raw files of a dataset, as `prepare` was told.

    What the manifest does not say is not known.
    """
    try:
        return tuple(float(value) for value in manifest_of(root)["request"]["masking"]["missing"])
    except (KeyError, TypeError, ValueError):
        return ()


def levels_in(root: Path) -> dict[str, Level]:
    """Return the level of each variable of a dataset directory, as `prepare` has written it down.

    What the manifest does not say, or whoever wrote it, is not known.
    """
    known = manifest_of(root).get("variables")
    found = {}
    for name, entry in known.items() if isinstance(known, dict) else ():
        if isinstance(entry, dict) and isinstance(source := entry.get("source_variable"), str):
            depth = entry.get("depth")
            known_depth = None
            if isinstance(depth, int | float) and abs(depth) < MOST_DEPTH:
                known_depth = float(depth)
            found[str(name)] = Level(source, known_depth)
    return found


def _from_manifest(manifest: Mapping[str, Any], name: str) -> dict[str, str]:
    try:
        stored = manifest["variables"][name]["attributes"]
        return {key: str(stored[key]) for key in NAMES if stored.get(key)}
    except (KeyError, TypeError, AttributeError):
        return {}


def _from_hdf5(file: Path, name: str) -> dict[str, str]:
    try:
        with open_hdf5(file) as opened:
            stored = opened[f"hr/{name}"].attrs
            return {key: _text(stored[key]) for key in NAMES if key in stored}
    except (OSError, KeyError, RuntimeError, AttributeError):
        return {}


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
