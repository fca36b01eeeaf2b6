"""A raw record for `prepare`: daily temperatures without land."""

from pathlib import Path

import numpy as np
import xarray as xr


def write_raw(directory: Path, steps: int = 20) -> Path:
    """Write `raw.nc` with `sst` of [16, 24]."""
    fields = np.random.default_rng(0).normal(15, 2, (steps, 16, 24)).astype("float32")
    lat, lon = np.linspace(10, 20, 16), np.linspace(100, 112, 24)
    xr.Dataset(
        {"sst": (("time", "lat", "lon"), fields, {"units": "degC"})},
        {"time": np.arange(steps), "lat": lat, "lon": lon},
    ).to_netcdf(directory / "raw.nc")
    return directory / "raw.nc"
