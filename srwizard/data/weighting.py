"""How HR points count in the block means that LR is made of."""

from typing import Literal

from srwizard.base import files
from srwizard.data.layout import Contents
from srwizard.data.statics import LATITUDE, static_files

Weighting = Literal["equal", "area"]
BY_AREA = "block mean, weighted by cos(latitude)"
"""What the manifest of a dataset says where they were weighted by their area."""


def weighting_of(contents: Contents) -> Weighting:
    """Return it as the dataset's manifest says; datasets from elsewhere have none."""
    manifest = files.read_json(contents.root / "manifest.json") or {}
    by_area = manifest.get("method") == BY_AREA
    return "area" if by_area and LATITUDE in static_files(contents, "hr") else "equal"
