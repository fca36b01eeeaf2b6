"""Low-resolution records as users have them: NetCDF files and Zarr stores."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from srwizard.data.layout import scan


def lr_fields(root: Path, name: str, split: str = "test") -> Any:
    """Return `[N, h, w]` of a variable of a dataset directory."""
    found = scan(root).fields[split, "lr", name]
    return np.stack([found.read(index) for index in range(len(found.steps))])


def record(
    root: Path,
    *,
    names: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    calendar: str = "noleap",
) -> xr.Dataset:
    """Return the test split of a dataset directory as a record with lon, lat and time.

    Args:
        root: the dataset directory.
        names: variable -> its name in the record.
        units: variable -> its units.
        calendar: of the times, which are days from 2001-02-27 on.
    """
    variables = sorted({name for _split, _level, name in scan(root).fields})
    statics = root / "static_variables" / "lr"
    fields = {name: lr_fields(root, name) for name in variables}
    count = len(next(iter(fields.values())))
    return xr.Dataset(
        {
            (names or {}).get(name, name): (
                ("time", "lat", "lon"),
                values,
                {"units": units[name]} if units and name in units else {},
            )
            for name, values in fields.items()
        },
        coords={
            "time": (
                "time",
                np.arange(count, dtype=float),
                {"units": "days since 2001-02-27", "calendar": calendar, "standard_name": "time"},
            ),
            "lat": ("lat", np.load(statics / "01_lat.npy"), {"units": "degrees_north"}),
            "lon": ("lon", np.load(statics / "00_lon.npy"), {"units": "degrees_east"}),
        },
    )
