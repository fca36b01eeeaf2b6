"""Which runs differ by more than chance: their errors on the same test steps."""

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from srwizard.runs.intervals import intervals

Array = npt.NDArray[np.float64]
FIRST, SECOND = "model", "other"


@dataclass(frozen=True)
class Steps:
    """The squared errors of a run on each test step: names `[N]`, sums and points `[N]`."""

    names: tuple[str, ...]
    squared: Array
    points: Array


def differing(run_dirs: Mapping[str, Path], variable: str, best: str) -> dict[str, bool | None]:
    """Return whether runs differ from the best one, by their errors on the same steps.

    Only runs that were scored on the same points are told; None: the test split has too few
    independent steps to say so.

    Args:
        run_dirs: by the name of the run.
        variable: which is compared.
        best: the name of the run that the others are compared with.
    """
    theirs = steps_of(run_dirs[best], variable)
    if theirs is None:
        return {}
    found = {}
    for name, run_dir in run_dirs.items():
        ours = steps_of(run_dir, variable)
        if name == best or ours is None or ours.names != theirs.names:
            continue
        if not np.array_equal(ours.points, theirs.points):
            continue
        squared = {FIRST: ours.squared, SECOND: theirs.squared}
        found[name] = intervals(squared, ours.points, SECOND).distinguishable
    return found


def steps_of(run_dir: Path, variable: str) -> Steps | None:
    """Return the errors of a run; None where they are not there, or are damaged."""
    try:
        with np.load(run_dir / "plots" / "breakdown.npz", allow_pickle=False) as archive:
            channel = archive["variables"].tolist().index(variable)
            return Steps(
                tuple(archive["names"].tolist()),
                archive["steps"][0, channel].astype(np.float64),
                archive["step_points"][channel].astype(np.float64),
            )
    except (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile):
        return None
