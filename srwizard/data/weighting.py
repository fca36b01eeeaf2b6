"""How HR points count in the block means that LR is made of."""

import json
from typing import Literal

from srwizard.data.layout import Contents
from srwizard.data.statics import LATITUDE, static_files

Weighting = Literal["equal", "area"]
BY_AREA = "block mean, weighted by cos(latitude)"
"""What the manifest of a dataset says where they were weighted by their area."""


def weighting_of(contents: Contents) -> Weighting:
    """Return it as the dataset's manifest says; datasets from elsewhere have none."""
    try:
        manifest = json.loads((contents.root / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "equal"
    by_area = isinstance(manifest, dict) and manifest.get("method") == BY_AREA
    return "area" if by_area and LATITUDE in static_files(contents, "hr") else "equal"
