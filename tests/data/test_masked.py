"""Points set by a mask: as NumPy sets them, bit for bit."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from srwizard.data.masked import blank, zero_outside

SHAPES = array_shapes(min_dims=1, max_dims=3, max_side=9)
VALUES = st.floats(width=32, allow_nan=True, allow_infinity=True)


@given(st.data(), SHAPES)
def test_all_that_is_outside_becomes_zero(data: st.DataObject, shape: tuple[int, ...]) -> None:
    values = data.draw(arrays(np.float32, shape, elements=VALUES))
    mask = data.draw(arrays(np.bool_, shape))
    expected = values.copy()
    expected[~mask] = 0
    zero_outside(values, mask)
    assert np.array_equal(values.view(np.int32), expected.view(np.int32))


@given(st.data(), SHAPES)
def test_gaps_become_nan_and_nothing_else_changes(
    data: st.DataObject, shape: tuple[int, ...]
) -> None:
    values = data.draw(arrays(np.float32, shape, elements=VALUES))
    gaps = data.draw(arrays(np.bool_, shape))
    before = values.copy()
    blank(values, gaps)
    assert np.isnan(values[gaps]).all()
    assert np.array_equal(values[~gaps].view(np.int32), before[~gaps].view(np.int32))
