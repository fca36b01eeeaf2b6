"""Make a dataset directory of low/high-resolution pairs from NetCDF files."""

from srwizard.data.prepare.dataset import Progress, Split, parse_split, prepare

__all__ = ["Progress", "Split", "parse_split", "prepare"]
