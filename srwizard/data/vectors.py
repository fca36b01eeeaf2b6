"""Which variables are the components of a vector, known by their standard names or names."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from srwizard.base import files

PAIRS = (
    ("u", "v"), ("uo", "vo"), ("ugos", "vgos"), ("ugosa", "vgosa"), ("u10", "v10"),
    ("uas", "vas"), ("water_u", "water_v"), ("uvel", "vvel"), ("uwnd", "vwnd"), ("ua", "va"),
    ("eastward_wind", "northward_wind"), ("taux", "tauy"), ("tauuo", "tauvo"),
)  # fmt: skip
"""Eastward and northward, in lower case."""
DIRECTIONS = (("eastward", "northward"), ("_x_", "_y_"))
"""Parts of CF standard names, such as sea_water_x_velocity."""

Names = Mapping[str, str]


def standard_names(root: Path) -> Names:
    """Return the CF standard names of the variables that `prepare` has written down."""
    found = (files.read_json(root / "manifest.json") or {}).get("variables")
    known = found.items() if isinstance(found, dict) else ()
    return {
        str(name): str(entry["attributes"]["standard_name"])
        for name, entry in known
        if isinstance(entry, dict)
        and isinstance(entry.get("attributes"), dict)
        and entry["attributes"].get("standard_name")
    }


def known_vectors(variables: Sequence[str], named: Names) -> list[list[str]]:
    """Return the pairs among `variables`, each [eastward, northward].

    Args:
        variables: their names.
        named: their standard names, as far as they have one.
    """
    by_standard_name = {named[name]: name for name in variables if name in named}
    found = [
        [by_standard_name[eastward], by_standard_name[eastward.replace(east, north)]]
        for eastward in by_standard_name
        for east, north in DIRECTIONS
        if east in eastward and eastward.replace(east, north) in by_standard_name
    ]
    paired = {name for pair in found for name in pair}
    lower = {name.lower(): name for name in variables if name not in paired}
    return found + [
        [lower[east], lower[north]] for east, north in PAIRS if east in lower and north in lower
    ]


def lonely_components(
    variables: Sequence[str], vectors: Sequence[Sequence[str]], named: Names
) -> list[tuple[str, bool]]:
    """Return the variables that look like components of a vector, but belong to none.

    Each with whether it is the eastward component.
    """
    paired = {name for pair in vectors for name in pair}
    found = []
    for name in variables:
        roles = [
            role
            for roles in (PAIRS, DIRECTIONS)
            for pair in roles
            for role, part in zip((True, False), pair, strict=True)
            if (part == name.lower() if roles is PAIRS else part in named.get(name, ""))
        ]
        if roles and name not in paired:
            found.append((name, roles[-1]))
    return found
