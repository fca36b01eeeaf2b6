"""Every diagnostic of a run's test split, and what they tell."""

from collections.abc import Sequence
from typing import Any

from srwizard.data.grid import grid_of
from srwizard.data.layout import Contents
from srwizard.data.samples import FieldPairs
from srwizard.settings.run_config import RunConfig
from srwizard.train.diagnostics.consistency import Consistency
from srwizard.train.diagnostics.diagnostic import Diagnostic
from srwizard.train.diagnostics.geostrophy import Geostrophy
from srwizard.train.diagnostics.gradients import Gradients, Spacing
from srwizard.train.diagnostics.scales import Scales
from srwizard.train.diagnostics.series import Series
from srwizard.train.diagnostics.vectors import Vectors


def diagnostics_of(run: RunConfig, contents: Contents, pairs: FieldPairs) -> list[Diagnostic]:
    """Return the diagnostics of a run, empty.

    Args:
        run: the run config.
        contents: its dataset.
        pairs: the test split.
    """
    names, (height, width) = run.data.variables, run.data.hr_shape
    shape = height, width
    grid = grid_of(contents, shape)
    vectors = [(names.index(east), names.index(north)) for east, north in run.data.vectors or ()]
    found: list[Diagnostic] = [
        Series.of(names, len(pairs)),
        Scales.of(names, shape, None if grid is None else grid.mean_spacing_km),
        Gradients(names, Spacing.of(grid, shape)),
        Consistency(names, pairs.shares, len(pairs)),
    ]
    if vectors:
        found.append(Vectors.of(names, vectors, grid, shape))
    if grid is not None:
        found.append(Geostrophy.of(names, grid))
    return found


def told_of(diagnostics: Sequence[Diagnostic]) -> dict[str, dict[str, Any]]:
    """Return what all of them tell, by variable or by pair of variables."""
    told: dict[str, dict[str, Any]] = {}
    for diagnostic in diagnostics:
        for name, figures in diagnostic.numbers().items():
            told.setdefault(name, {}).update(figures)
    return told
