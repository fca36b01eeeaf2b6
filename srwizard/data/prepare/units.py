"""Converting values to other units: those that ocean fields come in."""

import math
import re
from dataclasses import dataclass

import numpy as np

from srwizard.base.errors import DatasetError, UsageError
from srwizard.base.i18n import translate as _
from srwizard.data.fields import FloatField

# Per quantity: how it is spelt -> what one is in the base unit, and where its zero lies there.
_QUANTITIES: tuple[dict[str, tuple[float, float]], ...] = (
    {
        "K": (1.0, 0.0), "kelvin": (1.0, 0.0), "degK": (1.0, 0.0), "Kelvin": (1.0, 0.0),
        "degC": (1.0, 273.15), "celsius": (1.0, 273.15), "Celsius": (1.0, 273.15),
        "degree_C": (1.0, 273.15), "degrees_C": (1.0, 273.15), "deg_C": (1.0, 273.15),
        "degree_Celsius": (1.0, 273.15), "degrees_Celsius": (1.0, 273.15), "°C": (1.0, 273.15),
        "degree Celsius": (1.0, 273.15), "degrees Celsius": (1.0, 273.15), "C": (1.0, 273.15),
        "degree_celsius": (1.0, 273.15), "degrees_celsius": (1.0, 273.15),
    },
    {
        "m": (1.0, 0.0), "meter": (1.0, 0.0), "meters": (1.0, 0.0), "metre": (1.0, 0.0),
        "metres": (1.0, 0.0), "cm": (0.01, 0.0), "mm": (0.001, 0.0), "km": (1000.0, 0.0),
    },
    {
        "m s-1": (1.0, 0.0), "m/s": (1.0, 0.0), "m s^-1": (1.0, 0.0), "m.s-1": (1.0, 0.0),
        "meter/second": (1.0, 0.0), "cm s-1": (0.01, 0.0), "cm/s": (0.01, 0.0),
        "cm s^-1": (0.01, 0.0),
    },
    {"1": (1.0, 0.0), "%": (0.01, 0.0), "percent": (0.01, 0.0)},
    {
        "kg m-3": (1.0, 0.0), "kg/m3": (1.0, 0.0), "kg m^-3": (1.0, 0.0), "g m-3": (1e-3, 0.0),
        "mg m-3": (1e-6, 0.0), "mg/m3": (1e-6, 0.0), "mg m^-3": (1e-6, 0.0),
        "milligram m-3": (1e-6, 0.0),
    },
    {
        "Pa": (1.0, 0.0), "hPa": (100.0, 0.0), "mbar": (100.0, 0.0), "dbar": (1e4, 0.0),
    },
)  # fmt: skip


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
    if source is None:
        raise DatasetError(
            _("The sources do not say the units of {variable}: it cannot be converted to {units}.",
              variable=variable, units=target),
            _("Leave --units out, or set the attribute first, e.g. with ncatted."),
        )  # fmt: skip
    if source.strip() == target:
        return Conversion(source, target, 1.0, 0.0)
    for quantity in _QUANTITIES:
        if source.strip() in quantity and target in quantity:
            (factor, zero), (base, base_zero) = quantity[source.strip()], quantity[target]
            return Conversion(source, target, factor / base, (zero - base_zero) / base)
    alike = next((known for known in _QUANTITIES if source.strip() in known), None)
    raise DatasetError(
        _("{variable} is in {source}, which cannot be converted to {target}.",
          variable=variable, source=source, target=target),
        _("Known for it: {units}.", units=", ".join(alike)) if alike
        else _("Leave --units out: the values stay as they are."),
    )  # fmt: skip
