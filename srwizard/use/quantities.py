"""What is known of the variables of a run besides their values: units and names; and whether
two units are the same.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from srwizard.base import files
from srwizard.data.hdf5_reading import open_hdf5
from srwizard.settings.run_config import RunData

Attributes = Mapping[str, str]
"""units, long_name, standard_name of a variable, as far as they are known."""

NAMES = ("units", "long_name", "standard_name")
CELSIUS = "degC"
_SPELLINGS = {
    CELSIUS: (
        "degc", "deg_c", "deg c", "degree_c", "degrees_c", "celsius", "degree_celsius",
        "degrees_celsius", "degree celsius", "degrees celsius", "°c", "℃", "c",
    ),
    "K": ("k", "kelvin", "kelvins", "degk", "deg_k", "degree_k", "degrees_k", "degree_kelvin",
          "degrees_kelvin", "°k"),
    "1e-3": ("1e-3", "1e-03", "0.001", ".001", "1.e-3", "psu", "practical salinity unit",
             "practical salinity units", "pss-78", "pss78", "g/kg", "g kg-1", "g kg^-1", "ppt",
             "parts per thousand"),
    "1": ("1", "", "none", "dimensionless", "unitless", "-"),
    "m": ("m", "meter", "meters", "metre", "metres"),
    "%": ("%", "percent", "percentage"),
}  # fmt: skip
_CANONICAL = {spelling: canonical for canonical, known in _SPELLINGS.items() for spelling in known}


def same_units(one: str, other: str) -> bool:
    """Return whether two units are the same, however they are spelt: "degC" and "Celsius"."""
    return _canonical(one) == _canonical(other)


def difference_units(units: str) -> str:
    """Return the units of a difference of two values: of temperatures that is kelvin."""
    return "K" if _canonical(units) == CELSIUS else units


def _canonical(units: str) -> str:
    text = " ".join(units.split())
    known = _CANONICAL.get(text.lower())
    if known is not None:
        return known
    # m/s, m.s-1, m s^-1 and m s**-1 are "m s-1".
    text = re.sub(r"\b(?:meter|metre)s?\b", "m", text)
    text = re.sub(r"\b(?:seconds?|sec)\b", "s", text)
    text = re.sub(r"\s*/\s*([A-Za-z]+)\^?(\d*)", lambda found: _inverse(*found.groups()), text)
    text = re.sub(r"(\^|\*\*)", "", text)
    parts = re.sub(r"(?<=[A-Za-z0-9])[.·*](?=[A-Za-z])", " ", text).split()
    return " ".join(sorted(parts))


def _inverse(unit: str, power: str) -> str:
    return f" {unit}-{power or 1}"


def known_attributes(data: RunData) -> dict[str, Attributes]:
    """Return what the training dataset says of its variables, {} for one that it says nothing of.

    `srwizard prepare` keeps it in manifest.json; HDF5 and NetCDF datasets may hold it themselves.
    Whatever cannot be read is not known.
    """
    return attributes_in(Path(data.root), data.layout, data.variables)


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
