"""Training samples turned at random: what the sea does to the east, it could do to the west.

A sample is turned as a whole, after what the network starts from has been taken off: the
climatology stays where it belongs, and what the network learns is what is missed. Components of a
vector change their sign with the direction that they point in, and their places where the sample
is turned by 90 degrees.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from srwizard.data.fields import FloatField

STREAM = 1
"""Of random numbers, beside those that place the patches."""


class Symmetry(NamedTuple):
    """How a sample is turned: over in `rows` (north to south) and in `columns` (west to east),
    then over its diagonal, so that rows become columns (`exchanged`).

    With a mirror, that is a turn by 90 degrees.
    """

    rows: bool
    columns: bool
    exchanged: bool = False


def drawn(seed: int, index: int, *, turns: bool = False) -> Symmetry:
    """Return how a sample is turned.

    Args:
        seed: of the epoch.
        index: of the sample.
        turns: whether rows may become columns; without, the mirrors are the same.
    """
    random = np.random.default_rng([seed, index, STREAM])
    rows, columns = random.integers(0, 2, 2)
    return Symmetry(bool(rows), bool(columns), turns and bool(random.integers(0, 2)))


def turned(
    field: FloatField,
    symmetry: Symmetry,
    vectors: Sequence[tuple[int, int]] = (),
    handedness: int = 1,
) -> FloatField:
    """Return `[C, h, w]` turned; h = w where rows become columns.

    Args:
        field: of anomalies, or of anything that has no direction.
        symmetry: how.
        vectors: the channels of eastward and northward components.
        handedness: 1 where north lies along the rows as east does along the columns (or both the
            other way round), -1 where rows run from north to south and columns from west to east.
    """
    rows, columns, exchanged = symmetry
    found = field[:, :: -1 if rows else 1, :: -1 if columns else 1]
    if exchanged:
        found = found.swapaxes(1, 2)
    if not vectors or not any(symmetry):
        return np.ascontiguousarray(found)
    signs = np.ones((len(field), 1, 1), field.dtype)
    source = np.arange(len(field))
    for eastward, northward in vectors:
        signs[eastward] *= -1 if columns else 1
        signs[northward] *= -1 if rows else 1
        if exchanged:
            source[[eastward, northward]] = northward, eastward
            signs[[eastward, northward]] = handedness * signs[[northward, eastward]]
    return np.ascontiguousarray(found[source] * signs)
