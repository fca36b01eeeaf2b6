"""Which variables are the components of a vector, known by their standard names or names."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from srwizard.data.quantities import Attributes

PAIRS = (
    ("u", "v"), ("uo", "vo"), ("ugos", "vgos"), ("ugosa", "vgosa"), ("u10", "v10"),
    ("uas", "vas"), ("water_u", "water_v"), ("uvel", "vvel"), ("uwnd", "vwnd"), ("ua", "va"),
    ("eastward_wind", "northward_wind"), ("taux", "tauy"), ("tauuo", "tauvo"),
)  # fmt: skip
"""Eastward and northward, in lower case."""
DIRECTIONS = (("eastward", "northward"), ("_x_", "_y_"))
"""Parts of CF standard names, such as sea_water_x_velocity."""

_NAME = re.compile(r"(.+?)(_-?\d+(?:\.\d+)?(?:e[+-]?\d+)?[A-Za-z]*)?", re.DOTALL)
"""A name, and what `prepare` adds to it where there are several depths: _0m, _97.5m, _850hPa."""

Told = Mapping[str, Attributes]


def known_vectors(variables: Sequence[str], told: Told) -> list[list[str]]:
    """Return the pairs among `variables`, each [eastward, northward], of one level and unit.

    Args:
        variables: their names.
        told: what the dataset says of them, as far as it does (see `quantities.attributes_in`).
    """
    return [pair for pair in _pairs(variables, _standard_names(told)) if _of_one_unit(pair, told)]


def _standard_names(told: Told) -> dict[str, str]:
    return {
        name: found["standard_name"] for name, found in told.items() if "standard_name" in found
    }


def _of_one_unit(pair: Sequence[str], told: Told) -> bool:
    """Return whether no two units are known: m/s of one and cm/s of the other turn into nothing."""
    return len({told[name]["units"] for name in pair if told.get(name, {}).get("units")}) < 2


def _pairs(variables: Sequence[str], named: Mapping[str, str]) -> list[list[str]]:
    standard = {name: (named[name], _parts(name)[1]) for name in variables if name in named}
    # Where two have the same standard name, their names have to tell.
    times = Counter(standard.values())
    known = {found: name for name, found in standard.items() if times[found] == 1}
    found = [
        [name, known[northward, level]]
        for (eastward, level), name in known.items()
        for east, north in DIRECTIONS
        if east in eastward and (northward := eastward.replace(east, north), level) in known
    ]
    paired = {name for pair in found for name in pair}
    left = {_parts(name): name for name in variables if name not in paired}
    return found + [
        [name, left[north, level]]
        for (own, level), name in left.items()
        for east, north in PAIRS
        if own == east and (north, level) in left
    ]


def _parts(name: str) -> tuple[str, str]:
    """Return a name without its level, in lower case, and that level, "" if there is none."""
    found = _NAME.fullmatch(name)
    return (found[1].lower(), found[2] or "") if found is not None else (name.lower(), "")


def lonely_components(
    variables: Sequence[str], vectors: Sequence[Sequence[str]], told: Told
) -> list[tuple[str, bool]]:
    """Return the variables that look like components of a vector, but belong to none.

    Each with whether it is the eastward component.
    """
    paired, named = {name for pair in vectors for name in pair}, _standard_names(told)
    found = []
    for name in variables:
        roles = [
            role
            for roles in (PAIRS, DIRECTIONS)
            for pair in roles
            for role, part in zip((True, False), pair, strict=True)
            if (part == _parts(name)[0] if roles is PAIRS else part in named.get(name, ""))
        ]
        if roles and name not in paired:
            found.append((name, roles[-1]))
    return found
