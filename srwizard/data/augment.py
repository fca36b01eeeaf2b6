"""Mirrored training samples: what the sea does to the east, it could do to the west.

A sample is turned over as a whole, after what the network starts from has been taken off: the
climatology stays where it belongs, and what the network learns is what is missed. Components of a
vector change their sign with the direction that they point in.
"""

from collections.abc import Sequence

import numpy as np

from srwizard.data.fields import FloatField

STREAM = 1
"""Of random numbers, beside those that place the patches."""


def mirrors(seed: int, index: int) -> tuple[bool, bool]:
    """Return whether a sample is turned over from north to south, and from west to east.

    Args:
        seed: of the epoch.
        index: of the sample.
    """
    drawn = np.random.default_rng([seed, index, STREAM]).integers(0, 2, 2)
    return bool(drawn[0]), bool(drawn[1])


def mirrored(
    field: FloatField, rows: bool, columns: bool, vectors: Sequence[tuple[int, int]] = ()
) -> FloatField:
    """Return `[C, h, w]` turned over.

    Args:
        field: of anomalies, or of anything that has no direction.
        rows: from north to south.
        columns: from west to east.
        vectors: the channels of eastward and northward components.
    """
    turned = field[:, :: -1 if rows else 1, :: -1 if columns else 1]
    if not vectors or not (rows or columns):
        return np.ascontiguousarray(turned)
    signs = np.ones((len(field), 1, 1), field.dtype)
    for eastward, northward in vectors:
        signs[eastward] *= -1 if columns else 1
        signs[northward] *= -1 if rows else 1
    return np.ascontiguousarray(turned * signs)
