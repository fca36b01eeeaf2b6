"""Grids that go round the globe: networks see across the seam between the last and first column.

A field is widened on both sides by columns from its other end before it goes into the network, and
cut back afterwards. That is done around the network, not in it, so that it holds for every one,
whole or by tiles.
"""

from srwizard.settings.run_config import RunConfig

COLUMNS = 8
"""LR columns on each side; as many as a tile sees of its neighbours."""


def seam_of(run: RunConfig) -> int:
    """Return by how many LR columns whole fields of a run are widened on each side; 0: not."""
    return seam_across(run.data.lr_shape[1]) if run.data.periodic else 0


def seam_across(width: int) -> int:
    """Return by how many columns a field that goes round the globe, so wide, is widened."""
    return min(COLUMNS, width)
