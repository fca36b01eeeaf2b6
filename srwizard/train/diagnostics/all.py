"""Every diagnostic of a run's test split, and what they tell."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from srwizard.base.errors import DatasetError
from srwizard.data.grid import grid_of
from srwizard.data.layout import Contents
from srwizard.data.samples import FieldPairs
from srwizard.data.statics import read_static, static_files
from srwizard.settings.run_config import RunConfig
from srwizard.train.diagnostics.calibration import Calibration
from srwizard.train.diagnostics.consistency import Consistency
from srwizard.train.diagnostics.diagnostic import Diagnostic
from srwizard.train.diagnostics.geostrophy import Geostrophy
from srwizard.train.diagnostics.gradients import Gradients, Spacing
from srwizard.train.diagnostics.places import Places
from srwizard.train.diagnostics.scales import Scales
from srwizard.train.diagnostics.series import Series
from srwizard.train.diagnostics.vectors import Vectors

DEPTHS = ("depth", "deptho", "bathymetry", "bathy", "topo", "elevation")
"""Names of static fields that tell how deep the sea is, the last two upwards."""
UPWARDS = ("topo", "elevation")
RANGE_OVER_SPREAD = 4.0
"""About how many spreads of a variable its range is wide."""
COAST_LR_CELLS = 2
"""So many LR cells from land are the coast."""


def diagnostics_of(
    run: RunConfig,
    contents: Contents,
    pairs: FieldPairs,
    members: int,
    span: npt.NDArray[np.floating[Any]],
) -> list[Diagnostic]:
    """Return the diagnostics of a run, empty.

    Args:
        run: the run config.
        contents: its dataset.
        pairs: the test split.
        members: of the ensemble that is scored.
        span: `[C]`, width of the range of each variable in the training split.
    """
    names, (height, width) = run.data.variables, run.data.hr_shape
    shape, periodic = (height, width), run.data.periodic
    grid = grid_of(contents, shape)
    vectors = [(names.index(east), names.index(north)) for east, north in run.data.vectors or ()]
    found: list[Diagnostic] = [
        Series.of(names, pairs.steps, span, shape),
        Scales.of(names, shape, None if grid is None else grid.mean_spacing_km, len(pairs)),
        Gradients(names, Spacing.of(grid, shape, periodic=periodic), len(pairs)),
        Consistency(names, pairs.shares, len(pairs)),
        Calibration(names, span / RANGE_OVER_SPREAD, members),
        Places(
            names, pairs.sea, grid, _depth(contents, shape), COAST_LR_CELLS * run.data.scale,
            members, len(pairs), periodic=periodic,
        ),
    ]  # fmt: skip
    if vectors:
        found.append(Vectors.of(names, vectors, grid, shape, len(pairs), periodic=periodic))
    if grid is not None:
        found.append(Geostrophy.of(names, grid, len(pairs), periodic=periodic))
    return found


def _depth(contents: Contents, shape: tuple[int, int]) -> npt.NDArray[np.float64] | None:
    """Return the depth of the sea floor in metres, where a static field tells it."""
    known = {name.lower(): name for name in static_files(contents, "hr")}
    for name in DEPTHS:
        if name in known:
            try:
                found = read_static(contents, "hr", known[name], shape)
            except DatasetError:
                return None
            return -found if name in UPWARDS else np.abs(found)
    return None


def told_of(diagnostics: Sequence[Diagnostic]) -> dict[str, dict[str, Any]]:
    """Return what all of them tell, by variable or by pair of variables."""
    told: dict[str, dict[str, Any]] = {}
    for diagnostic in diagnostics:
        for name, figures in diagnostic.numbers().items():
            told.setdefault(name, {}).update(figures)
    return told
