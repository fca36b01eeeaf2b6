"""The months that the steps of a record are of, by their names."""

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

# How `prepare` names steps, and other usual spellings of a date in a name. 00000301 is a number.
_DATE = re.compile(
    r"(?<!\d)(?:\d{4}-|\d{4}(?=\d{4}T)|[12]\d{3})(0[1-9]|1[0-2])(?:-?[0-3]\d)?(?!\d)"
)


def months_of(names: Sequence[str]) -> npt.NDArray[np.int_] | None:
    """Return the month of each step, 1 to 12; None where their names hold no date."""
    found = [_DATE.search(name) for name in names]
    if not found or not all(found):
        return None
    return np.array([int(match[1]) for match in found if match is not None])
