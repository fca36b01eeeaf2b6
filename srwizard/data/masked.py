"""Points of a field set by a mask, all in one pass over the bits of its values.

NumPy's own ways (`copyto(where=)`, `field[mask] = value`) decide anew at each point: along coasts
that takes many times as long as to copy the field.
"""

import numpy as np
import numpy.typing as npt

NAN_BITS = np.float32(np.nan).view(np.int32)


def zero_outside(values: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_]) -> None:
    """Set the contiguous `values` to 0 where `mask`, of the same shape, is False."""
    kept = np.negative(mask.view(np.int8))  # all bits, or none
    bits = values.view(np.int32)
    np.bitwise_and(bits, kept, out=bits)


def blank(values: npt.NDArray[np.float32], gaps: npt.NDArray[np.bool_]) -> None:
    """Set the contiguous `values` to NaN where `gaps`, of the same shape, is True."""
    lost = np.negative(gaps.view(np.int8)) & NAN_BITS
    bits = values.view(np.int32)
    np.bitwise_or(bits, lost, out=bits)
