"""Which colours a field is drawn in, and over which range of values."""

import re
from dataclasses import dataclass

import cmocean  # noqa: F401  registers its colour maps with matplotlib, as cmo.*
import matplotlib
import numpy as np
from matplotlib.colors import Colormap

from srwizard.report.records import FloatArray

# Between the pale middle of the diverging maps and every end of the others, so that land is
# never taken for a value.
LAND = "#b9b1a4"
# Where a curvilinear grid does not reach there is neither land nor sea.
OUTSIDE = "#f1f3f5"


@dataclass(frozen=True)
class Colours:
    """A colour map of cmocean, diverging about zero or running from low to high."""

    name: str
    diverging: bool = False

    @property
    def colormap(self) -> Colormap:
        """The colour map, with the colour of land for what has no value."""
        name = self.name if self.name == "viridis" else f"cmo.{self.name}"
        return matplotlib.colormaps[name].with_extremes(bad=LAND)

    def limits(self, *fields: FloatArray) -> tuple[float, float]:
        """Return one range for all fields, blind to the outermost percent at either end."""
        values = _finite(*fields)
        if self.diverging:
            reach = float(np.percentile(np.abs(values), 99))
            return _apart(-reach, reach)
        lowest, highest = np.percentile(values, [1, 99])
        return _apart(float(lowest), float(highest))


# Words are matched whole, stems anywhere in the name; the first line that matches counts.
_CONVENTIONS: tuple[tuple[frozenset[str], tuple[str, ...], Colours], ...] = (
    (frozenset({"ssta"}), ("anomal",), Colours("delta", diverging=True)),
    (frozenset({"curl", "vor", "zeta"}), ("vortic",), Colours("curl", diverging=True)),
    (frozenset({"speed", "spd", "current", "eke"}), ("speed",), Colours("speed")),
    (
        frozenset({"u", "v", "w", "uo", "vo", "wo", "uv", "ugos", "vgos", "vozocrtx", "vomecrty"}),
        ("velocity", "eastward", "northward"),
        Colours("delta", diverging=True),
    ),
    (frozenset({"sla", "ssha"}), (), Colours("delta", diverging=True)),
    (
        frozenset({"t", "sst", "tos", "thetao", "theta", "to", "bottomt"}),
        ("temp",),
        Colours("thermal"),
    ),
    (frozenset({"s", "so", "sos", "sss", "sal"}), ("salt", "salin"), Colours("haline")),
    (frozenset({"rho", "sigma"}), ("dens",), Colours("dense")),
    (frozenset({"chl", "chla"}), ("chlor",), Colours("algae")),
    (frozenset({"o", "do"}), ("oxy",), Colours("oxy")),
    (frozenset({"sic", "siconc"}), ("sea_ice", "seaice"), Colours("ice")),
    (frozenset({"mld", "mlotst", "depth"}), ("bathy",), Colours("deep")),
)


def colours_of(variable: str, values: FloatArray) -> Colours:
    """Return what oceanographers draw this variable in, judging an unknown name by its values."""
    name = variable.lower()
    words = set(re.findall(r"[a-z]+", name))
    for known, stems, colours in _CONVENTIONS:
        if words & known or any(stem in name for stem in stems):
            return colours
    lowest, highest = np.percentile(_finite(values), [1, 99])
    swings = lowest < 0 < highest and min(-lowest, highest) > 0.25 * max(-lowest, highest)
    return Colours("delta", diverging=True) if swings else Colours("viridis")


def error_colours() -> Colours:
    """Return the colours of a difference."""
    return Colours("balance", diverging=True)


def _finite(*fields: FloatArray) -> FloatArray:
    values = np.concatenate([field[np.isfinite(field)].ravel() for field in fields])
    return values if values.size else np.zeros(1)


def _apart(lowest: float, highest: float) -> tuple[float, float]:
    """Widen an empty range: a constant field still has a colour."""
    if highest > lowest:
        return lowest, highest
    margin = 0.5 * abs(lowest) * 1e-3 or 0.5
    return lowest - margin, highest + margin
