"""What a variable is in one NetCDF file or Zarr store, and its steps."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from srwizard.data.prepare.cf import Axes
from srwizard.data.prepare.stored import StoredVariable
from srwizard.data.prepare.times import Moment


@dataclass(frozen=True, slots=True)
class SourceField:
    """One variable in one file.

    Args:
        path: the NetCDF file or Zarr store.
        variable: its name there.
        axes: the meaning of its dimensions, with the level that is taken.
        steps: how many time steps it has.
        window: how many steps to read at a time; windows start at multiples of it.
        attributes: units, long_name, standard_name, as far as they are there.
        missing: values that stand for none.
        valid: the least and the greatest value that is one; None for no limits.
        stored: where HDF5 keeps it; None where xarray is needed to read it.
        mask: where there is no water, and what it is there; of one step or of as many.
    """

    path: Path
    variable: str
    axes: Axes
    steps: int
    window: int
    attributes: Mapping[str, str]
    missing: tuple[float, ...] = ()
    valid: tuple[float, float] | None = None
    stored: StoredVariable | None = None
    mask: "tuple[SourceField, tuple[float, ...]] | None" = None


@dataclass(frozen=True)
class Wanted:
    """A variable of the sources at a depth, if one is given.

    Args:
        variable: its name in the sources.
        depth: the level nearest to it is taken.
        suffix: what tells it from the same variable at other depths, e.g. `_100m`.
    """

    variable: str
    depth: float | None = None
    suffix: str = ""


@dataclass(frozen=True, slots=True)  # of a long record there are very many
class Step:
    """One time step: number `index` of `source`; `moment` is None where no time is known."""

    source: SourceField
    index: int
    moment: Moment | None


def windows(steps: Sequence[Step]) -> Iterator[Sequence[Step]]:
    """Group steps that follow each other in one source and in one window of it."""
    start = 0
    for end in range(1, len(steps) + 1):
        last = steps[end - 1]
        if (
            end == len(steps)
            or steps[end].source is not last.source
            or steps[end].index != last.index + 1
            or steps[end].index % last.source.window == 0
        ):
            yield steps[start:end]
            start = end
