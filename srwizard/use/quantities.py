"""What is known of the variables of a run besides their values: units and names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from srwizard.base import files
from srwizard.data.hdf5_reading import open_hdf5
from srwizard.settings.run_config import RunData

Attributes = Mapping[str, str]
"""units, long_name, standard_name of a variable, as far as they are known."""

NAMES = ("units", "long_name", "standard_name")


def known_attributes(data: RunData) -> dict[str, Attributes]:
    """Return what the training dataset says of its variables and guides, {} where it is silent.

    `srwizard prepare` keeps it in manifest.json; HDF5 and NetCDF datasets may hold it themselves.
    Whatever cannot be read is not known.
    """
    names = [*data.variables, *data.varying_guides]
    return attributes_in(Path(data.root), data.layout, names)


def attributes_in(root: Path, layout: str, variables: list[str]) -> dict[str, Attributes]:
    """Return the same for a dataset directory of any layout."""
    found = {name: _from_manifest(root, name) for name in variables}
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


def _from_manifest(root: Path, name: str) -> dict[str, str]:
    try:
        stored = manifest_of(root)["variables"][name]["attributes"]
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
