"""An input as it lies open: steps, grid and attributes are known, fields wait to be read."""

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from srwizard.data.coordinates import Grid
from srwizard.data.fields import FloatField
from srwizard.data.prepare.times import Moment
from srwizard.data.quantities import Attributes

FieldSeries = Generator[FloatField, None, None]
"""`[C, h, w]` of one step after the other, read when they are asked for."""


@dataclass(frozen=True)
class Input:
    """Low-resolution fields of all variables of a run, in order of time.

    Args:
        where: what it is read from, for messages.
        origin: the same in full: all paths, and variables.
        names: of the steps.
        moments: of the steps; None where no time is known.
        calendar: the CF calendar of the moments.
        grid: shape and, as far as known, coordinates.
        attributes: variable of the run -> units, long_name, standard_name, as far as known.
        fields: yields the steps `[C, h, w]` from a given one on, one at a time.
        guides: does so of HR fields beside them `[G, H, W]`; None: there are none.
        guide_grid, guide_attributes, guides_where, guides_origin: theirs, and what they are read
            from.
        notes: what the user should know.
    """

    where: str
    origin: tuple[str, ...]
    names: tuple[str, ...]
    moments: tuple[Moment, ...] | None
    calendar: str
    grid: Grid
    attributes: Mapping[str, Attributes]
    fields: Callable[[int], FieldSeries]
    guides: Callable[[int], FieldSeries] | None = None
    guide_grid: Grid | None = None
    guide_attributes: Mapping[str, Attributes] = field(default_factory=dict)
    guides_where: str = ""
    guides_origin: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def origin_of(paths: Iterable[Path], variables: Iterable[str]) -> tuple[str, ...]:
    """Return what tells an input from any other: all paths, and the names of the variables.

    Not the content: who is told of a step that cannot be used mends it, and goes on.
    """
    return (*map(str, paths), *variables)
