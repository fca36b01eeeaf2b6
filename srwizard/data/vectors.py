"""Which variables are the components of a vector, known by the names that archives give them."""

from collections.abc import Sequence

PAIRS = (
    ("u", "v"), ("uo", "vo"), ("ugos", "vgos"), ("ugosa", "vgosa"), ("u10", "v10"),
    ("uas", "vas"), ("water_u", "water_v"), ("uvel", "vvel"), ("uwnd", "vwnd"), ("ua", "va"),
    ("eastward_wind", "northward_wind"), ("taux", "tauy"), ("tauuo", "tauvo"),
)  # fmt: skip
"""Eastward and northward, in lower case."""


def known_vectors(variables: Sequence[str]) -> list[list[str]]:
    """Return the pairs among `variables`, each [eastward, northward]."""
    lower = {name.lower(): name for name in variables}
    return [
        [lower[east], lower[north]] for east, north in PAIRS if east in lower and north in lower
    ]


def lonely_components(variables: Sequence[str], vectors: Sequence[Sequence[str]]) -> list[str]:
    """Return the variables that look like components of a vector, but belong to none."""
    names = {name for pair in PAIRS for name in pair}
    paired = {name for pair in vectors for name in pair}
    return [name for name in variables if name.lower() in names and name not in paired]
