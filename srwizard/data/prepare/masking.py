"""What is taken for missing besides the fill values that xarray masks while it decodes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.typed_paths import expand
from srwizard.data.fields import FloatField, is_unsigned

SAME_VALUE = 1e-6
"""Relative: a fill value is told, and typed, with six digits."""


@dataclass(frozen=True)
class MaskVariable:
    """A variable that says where there is no water.

    Args:
        name: the variable.
        path: the file that has it; None: every source has its own.
        values: what it is where there is no water; there too where it has no value.
    """

    name: str
    path: Path | None = None
    values: tuple[float, ...] = (0.0,)


@dataclass(frozen=True)
class Masking:
    """What the user says is missing.

    Args:
        missing: values that stand for none, in the units of the sources, unpacked.
        variable: where there is no water.
    """

    missing: tuple[float, ...] = ()
    variable: MaskVariable | None = None


def masking_of(
    missing: Sequence[float], mask: str | None, mask_values: Sequence[float]
) -> Masking | None:
    """Return what the user says is missing; None for nothing.

    Args:
        missing: values that stand for none.
        mask, mask_values: as for `parse_mask`.

    Raises:
        UsageError: as `parse_mask`.
    """
    variable = parse_mask(mask, mask_values)
    return Masking(tuple(missing), variable) if missing or variable is not None else None


def parse_mask(text: str | None, values: Sequence[float]) -> MaskVariable | None:
    """Read "NAME" or "FILE:NAME", and the values that mean land (0 where there are none).

    Raises:
        UsageError: values without a variable, or no name.
    """
    if text is None:
        if values:
            raise UsageError(
                _("--mask-value says what a mask holds on land, and no mask is named."),
                _("Name it, e.g. --mask-variable mask, or --mask-variable mesh_mask.nc:tmask"),
            )
        return None
    match = re.fullmatch(r"(?:(.+):)?([^:]+)", text)
    if match is None:
        raise UsageError(
            _("The mask {text} is neither NAME nor FILE:NAME.", text=text),
            _("Name it, e.g. --mask-variable mask, or --mask-variable mesh_mask.nc:tmask"),
        )
    path = None if match[1] is None else expand(match[1])
    return MaskVariable(match[2], path, tuple(values) or (0.0,))


def without(fields: FloatField, values: Sequence[float]) -> FloatField:
    """Return the fields with NaN for each of `values`."""
    for value in values:
        margin = SAME_VALUE * abs(value) if np.isfinite(value) else 0.0
        # What lies beyond float32 cannot be there.
        with np.errstate(over="ignore"):
            low, high = np.float32(value - margin), np.float32(value + margin)
        same = (fields >= low) & (fields <= high)
        if same.any():
            fields = np.where(same, np.float32(np.nan), fields)
    return fields


def land_of(mask: FloatField, values: Sequence[float]) -> npt.NDArray[np.bool_]:
    """Return where a mask says that there is no water."""
    land: npt.NDArray[np.bool_] = np.isnan(mask) | np.isin(mask, np.asarray(values, np.float32))
    return land


def missed_fill_values(array: xr.DataArray) -> tuple[float, ...]:
    """Return declared fill values that decoding passes over.

    A `missing_value` of 1e20 in double precision is not equal to 1e20 in single precision, and
    one that was written as text, "-999", to no number.
    """
    stored = np.dtype(array.encoding.get("dtype", array.dtype))
    if _is_packed(array):
        return ()
    attributes = [array.encoding.get(name, array.attrs.get(name))
                  for name in ("_FillValue", "missing_value")]  # fmt: skip
    as_text = [value for each in attributes if isinstance(each, str) for value in _numbers(each)]
    if stored.kind != "f":
        return tuple(as_text)
    declared = [value for each in attributes for value in _numbers(each)]
    with np.errstate(over="ignore"):
        rounded = [value for value in declared if float(stored.type(value)) != value]
    return tuple(dict.fromkeys(as_text + rounded))


def valid_range(array: xr.DataArray) -> tuple[float, float] | None:
    """Return the least and the greatest valid value, unpacked, by CF 2.5.1; None for no limits.

    In packed data, limits of the packed type are packed too, and those of a wider type are not
    (NetCDF User Guide, appendix A).
    """
    limits = _numbers(array.attrs.get("valid_range"))
    if len(limits) != 2:
        low, high = (_numbers(array.attrs.get(name)) for name in ("valid_min", "valid_max"))
        if not low and not high:
            return None
        limits = [low[0] if low else -np.inf, high[0] if high else np.inf]
    if _is_packed(array) and _in_packed_units(array):
        if is_unsigned(array.encoding.get("_Unsigned")):
            span = 2.0 ** (8 * np.dtype(array.encoding["dtype"]).itemsize)
            limits = [limit % span if np.isfinite(limit) else limit for limit in limits]
        scale = float(np.ravel(array.encoding.get("scale_factor", 1.0))[0])
        offset = float(np.ravel(array.encoding.get("add_offset", 0.0))[0])
        # Half a step, so that the limits themselves stay valid whatever the rounding.
        margin = abs(scale) / 2
        limits = sorted(limit * scale + offset for limit in limits)
        limits = [limits[0] - margin, limits[1] + margin]
    else:
        limits = [float(np.float32(limit)) for limit in limits]
    return (limits[0], limits[1]) if limits[0] < limits[1] else None


def _is_packed(array: xr.DataArray) -> bool:
    return "scale_factor" in array.encoding or "add_offset" in array.encoding


def _in_packed_units(array: xr.DataArray) -> bool:
    given = next(
        array.attrs[name]
        for name in ("valid_range", "valid_min", "valid_max")
        if name in array.attrs
    )
    stored = np.dtype(array.encoding.get("dtype", array.dtype))
    return not (np.asarray(given).dtype.kind == "f" and stored.kind in "iu")


def _numbers(attribute: Any) -> list[float]:
    """Return the numbers that an attribute holds; none where it cannot be read as such."""
    if attribute is None:
        return []
    try:
        found = [float(each) for each in np.ravel(attribute)]
    except (TypeError, ValueError):
        return []
    return [] if np.isnan(found).any() else found
