"""Make a dataset directory of low/high-resolution pairs from NetCDF files and Zarr stores."""

from srwizard.data.prepare.dataset import prepare
from srwizard.data.prepare.lr_product import LrSource
from srwizard.data.prepare.manifest import Manifest
from srwizard.data.prepare.masking import Masking, masking_of, parse_mask
from srwizard.data.prepare.names import named, usual_names
from srwizard.data.prepare.notes import LEAST_LR_CELLS
from srwizard.data.prepare.pair_writer import EmptySteps, Progress
from srwizard.data.prepare.request import Request, is_made_of
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
    "LEAST_LR_CELLS",
    "EmptySteps",
    "LrSource",
    "Manifest",
    "Masking",
    "Progress",
    "Request",
    "Selection",
    "Split",
    "is_made_of",
    "masking_of",
    "named",
    "parse_depths",
    "parse_latitudes",
    "parse_longitudes",
    "parse_mask",
    "parse_split",
    "parse_static",
    "parse_times",
    "parse_units",
    "prepare",
    "usual_names",
]
