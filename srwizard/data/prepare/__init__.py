"""Make a dataset directory of low/high-resolution pairs from NetCDF files and Zarr stores."""

from srwizard.data.prepare.dataset import EmptySteps, Progress, prepare
from srwizard.data.prepare.manifest import Manifest
from srwizard.data.prepare.masking import Masking, parse_mask
from srwizard.data.prepare.selection import (
    Selection,
    parse_depths,
    parse_latitudes,
    parse_longitudes,
    parse_times,
)
from srwizard.data.prepare.splits import Split, parse_split
from srwizard.data.prepare.static_fields import parse_static
from srwizard.data.prepare.units import parse_units

__all__ = [
    "EmptySteps",
    "Manifest",
    "Masking",
    "Progress",
    "Selection",
    "Split",
    "parse_depths",
    "parse_latitudes",
    "parse_longitudes",
    "parse_mask",
    "parse_split",
    "parse_static",
    "parse_times",
    "parse_units",
    "prepare",
]
