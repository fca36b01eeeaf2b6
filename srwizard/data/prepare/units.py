"""Converting values to other units: those that ocean fields come in.

The table is our own. pint with cf-xarray's units does not read what archives hold: to it, `M/S` is
molar per siemens, `MB` megabytes and `deg C` an angle times a coulomb; `Deg C`, `degrees_C` and
`PSU` are unknown. It would cost two more packages, and 0.3 s to import.
"""

import math
import re
from collections import Counter
from dataclasses import dataclass

import numpy as np

from srwizard.base.errors import DatasetError, UsageError
from srwizard.base.i18n import listed
from srwizard.base.i18n import translate as _
from srwizard.data.fields import FloatField

_PASCAL = "kg m-1 s-2"
_SYMBOLS: dict[str, tuple[float, str]] = {
    "m": (1.0, "m"), "meter": (1.0, "m"), "metre": (1.0, "m"), "km": (1e3, "m"), "cm": (0.01, "m"),
    "mm": (1e-3, "m"), "s": (1.0, "s"), "sec": (1.0, "s"), "second": (1.0, "s"), "h": (3600.0, "s"),
    "hr": (3600.0, "s"), "hour": (3600.0, "s"), "d": (86400.0, "s"), "day": (86400.0, "s"),
    "kg": (1.0, "kg"), "g": (1e-3, "kg"), "gram": (1e-3, "kg"), "mg": (1e-6, "kg"),
    "milligram": (1e-6, "kg"), "ug": (1e-9, "kg"), "microgram": (1e-9, "kg"),
    "l": (1e-3, "m3"), "L": (1e-3, "m3"), "liter": (1e-3, "m3"), "litre": (1e-3, "m3"),
    "ml": (1e-6, "m3"),
    "Pa": (1.0, _PASCAL), "pascal": (1.0, _PASCAL), "hPa": (100.0, _PASCAL),
    "kPa": (1e3, _PASCAL), "mb": (100.0, _PASCAL), "mbar": (100.0, _PASCAL),
    "millibar": (100.0, _PASCAL), "bar": (1e5, _PASCAL), "dbar": (1e4, _PASCAL),
    "decibar": (1e4, _PASCAL), "N": (1.0, "kg m s-2"), "newton": (1.0, "kg m s-2"),
    "J": (1.0, "kg m2 s-2"), "joule": (1.0, "kg m2 s-2"), "W": (1.0, "kg m2 s-3"),
    "watt": (1.0, "kg m2 s-3"), "knot": (1852 / 3600, "m s-1"), "kt": (1852 / 3600, "m s-1"),
    "kn": (1852 / 3600, "m s-1"), "Sv": (1e6, "m3 s-1"), "sverdrup": (1e6, "m3 s-1"),
    "mol": (1.0, "mol"), "mole": (1.0, "mol"), "mmol": (1e-3, "mol"), "millimole": (1e-3, "mol"),
    "umol": (1e-6, "mol"), "micromole": (1e-6, "mol"),
    "K": (1.0, "K"), "kelvin": (1.0, "K"), "degC": (1.0, "K"), "celsius": (1.0, "K"),
    "C": (1.0, "K"), "degF": (5 / 9, "K"), "fahrenheit": (5 / 9, "K"),
    "%": (0.01, ""), "percent": (0.01, ""), "psu": (1e-3, ""), "ppt": (1e-3, ""),
    "pss": (1e-3, ""), "permil": (1e-3, ""), "\u2030": (1e-3, ""),
}  # fmt: skip
"""What one is in base units, and which these are; a plural s and capitals are seen through."""
_LOWER = {name.lower(): found for name, found in _SYMBOLS.items()}
_MISSPELT = {"Kg": "kg", "Km": "km", "Cm": "cm", "Mb": "mb", "Hr": "hr"}
_MEGA = ("Mmol", "Mgram", "Mmole")
_PHRASES = {
    "practical salinity unit": "psu", "practical salinity units": "psu",
    "parts per thousand": "ppt", "percentage": "%", "\u2103": "degC",
    "1.e-3": "1e-3", ".001": "1e-3",
    **dict.fromkeys(("none", "dimensionless", "unitless", "-"), "1"),
}  # fmt: skip
_DEGREES = re.compile(
    r"(?:°|deg(?:ree)?s?)[\s_]*(celsius|kelvin|fahrenheit|c|k|f)\b", re.IGNORECASE
)
_SALINITY_SCALE = re.compile(r"\bps[su][-_ ]?78\b", re.IGNORECASE)
_BASE = re.compile(r"([A-Za-z]+)(-?\d+)?")
_LARGEST_POWER = 9
_NUMBER_TO_POWER = re.compile(r"(?<![\w.])(\d+(?:\.\d*)?)\s*(?:\*\*|\^)\s*([+-]?\d+)")
_FACTOR = re.compile(r"([A-Za-z%\u2030]+|\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)([+-]?\d+)?")
_CELSIUS_ZERO, _FAHRENHEIT_ZERO = 273.15, 459.67 * 5 / 9
_COMMON = (
    "K",
    "degC",
    "m",
    "cm",
    "m s-1",
    "cm s-1",
    "1",
    "%",
    "psu",
    "kg m-3",
    "Pa",
    "hPa",
    "dbar",
)


@dataclass(frozen=True)
class Quantity:
    """What units mean: one is `factor` of the base units, whose zero lies at `zero`.

    Args:
        factor: in base units.
        zero: in base units; not 0 only for degrees Celsius and Fahrenheit.
        powers: base unit -> its exponent, in order of the name.
    """

    factor: float
    zero: float
    powers: tuple[tuple[str, int], ...]


def quantity(units: str, *, any_name: bool = False) -> Quantity | None:
    """Return what units mean, as people write them (M/S, deg C), or None where that is unclear.

    Args:
        units: "" says nothing.
        any_name: whether a name that is not known counts as a base unit: what remains to be
            compared of "mg Chl m-3".
    """
    try:
        found = _read(units, any_name=any_name)
    except (OverflowError, ZeroDivisionError):
        return None
    return found if found is not None and 0 < found.factor < math.inf else None


def _read(units: str, *, any_name: bool) -> Quantity | None:
    degrees = {"c": "degC", "f": "degF", "k": "K"}
    text = " ".join(units.split())
    text = _PHRASES.get(text.lower(), text)
    text = _DEGREES.sub(lambda found: degrees[found[1][0].lower()], text)
    text = _SALINITY_SCALE.sub("psu", text)
    # A power may be written **2, ^2 or 2, behind a number only the former, 106 is no power of 10;
    # a product *, a point or a blank; a quotient / or per.
    text = _NUMBER_TO_POWER.sub(lambda found: f"{float(found[1]) ** int(found[2]):g}", text)
    text = re.sub(r"\*\*|\^", "", text)
    text = re.sub(r"(?<=[A-Za-z])\.|(?<=\d)\.(?=[A-Za-z])|[*·()]", " ", text)
    parts = re.split(r"/|\bper\b", text)
    factor, powers = 1.0, Counter[str]()
    for place, part in enumerate(parts):
        for token in part.split():
            match = _FACTOR.fullmatch(token)
            if match is None:
                return None
            power = int(match[2] or 1) * (-1 if place else 1)
            if abs(power) > _LARGEST_POWER:
                return None
            if match[1][0].isdigit():
                factor *= float(match[1]) ** power
                continue
            known = _symbol(match[1], shouted=units == units.upper())
            if known is None and any_name:
                powers[f"{match[1]}?"] += power
                continue
            if known is None:
                return None
            factor *= known[0] ** power
            for name, of_base in _BASE.findall(known[1]):
                powers[name] += power * int(of_base or 1)
    if not text:
        return None
    zero = 0.0
    if text in ("degC", "C", "c") or text.lower() == "celsius":
        zero = _CELSIUS_ZERO
    elif text == "degF" or text.lower() == "fahrenheit":
        zero = _FAHRENHEIT_ZERO
    base = tuple(sorted((name, power) for name, power in powers.items() if power))
    return Quantity(factor, zero, base)


def _symbol(name: str, *, shouted: bool) -> tuple[float, str] | None:
    """Return what a name means. Capitals count where they tell Mg from mg, mM from mm, S from s.

    Args:
        name: of one unit.
        shouted: whether all of the units are in capitals, as in `M/S`.
    """
    found = _SYMBOLS.get(_MISSPELT.get(name, name))
    if found is not None:
        return found
    spelt = len(name) > 2 and name not in _MEGA
    if not (shouted or spelt or name.islower()):
        return None
    lower = name.lower()
    return _LOWER.get(lower) or (_LOWER.get(lower.removesuffix("s")) if len(name) > 2 else None)


@dataclass(frozen=True)
class Conversion:
    """`value * factor + offset`, from `source` units to `target` units."""

    source: str
    target: str
    factor: float
    offset: float

    def __call__(self, field: FloatField) -> FloatField:
        """Return the field in the target units."""
        converted: FloatField = (field.astype(np.float64) * self.factor + self.offset).astype(
            np.float32
        )
        return converted

    def source_value(self, value: float) -> float:
        """Return what `value`, read from a field in the target units, was in the source."""
        # Rounded to what float32 leaves of it: 273.15 K were 0 degC, not 6e-6.
        decimals = -math.ceil(math.log10(max(abs(value), 1e-30) * 2.0**-22 / abs(self.factor)))
        return round((value - self.offset) / self.factor, decimals) + 0.0  # never -0


def same_units(one: str | None, other: str | None) -> bool:
    """Return whether two units are the same, however they are written: "degC" and "Celsius".

    None is not known, and the same as None alone; "" says the same as "1".
    """
    if one is None or other is None:
        return one is other
    mine, theirs = (quantity(each.strip() or "1", any_name=True) for each in (one, other))
    if mine is None or theirs is None:
        return one.split() == other.split()
    alike = mine.powers == theirs.powers and mine.zero == theirs.zero
    return alike and math.isclose(mine.factor, theirs.factor, rel_tol=1e-9)


def difference_units(units: str) -> str:
    """Return the units of a difference of two values: of degrees Celsius that is kelvin."""
    meant = quantity(units)
    return "K" if meant is not None and meant.zero == _CELSIUS_ZERO else units


def parse_units(texts: tuple[str, ...]) -> dict[str, str]:
    """Read "temp=degC", ...: variable in the dataset -> its units there.

    Raises:
        UsageError: no such pair, or a variable twice.
    """
    wanted: dict[str, str] = {}
    for text in texts:
        match = re.fullmatch(r"([^=\s]+)=(\S.*)", text.strip())
        if match is None or match[1] in wanted:
            raise UsageError(
                _("The units {text} are not NAME=UNITS, once for each variable.", text=text),
                _("For example: --units temp=degC"),
            )
        wanted[match[1]] = match[2].strip()
    return wanted


def conversion(variable: str, source: str | None, target: str) -> Conversion:
    """Return how `variable` comes from the units of the sources to `target`.

    Raises:
        DatasetError: the sources do not say their units, or the two cannot be converted.
    """
    if source is None or not source.strip():
        raise DatasetError(
            _("The sources do not say the units of {variable}: it cannot be converted to {units}.",
              variable=variable, units=target),
            _("Leave --units out, or set the attribute first, e.g. with ncatted."),
        )  # fmt: skip
    if source.strip() == target:
        return Conversion(source, target, 1.0, 0.0)
    known, wanted = quantity(source), quantity(target)
    if known is not None and wanted is not None and known.powers == wanted.powers:
        factor = known.factor / wanted.factor
        return Conversion(source, target, factor, (known.zero - wanted.zero) / wanted.factor)
    alike = [
        each
        for each, found in ((each, quantity(each)) for each in _COMMON)
        if known is not None and found is not None and found.powers == known.powers
    ]
    raise DatasetError(
        _("{variable} is in {source}, which cannot be converted to {target}.",
          variable=variable, source=source, target=target),
        _("Known units: {units}.", units=listed(alike)) if alike
        else _("Leave --units out: the values stay as they are."),
    )  # fmt: skip
