"""What one pass over an HR field finds is what numpy finds in the whole field."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srwizard.data import bands
from srwizard.data.coordinates import block_mean
from srwizard.data.prepare.summary import summed_up


@given(st.data())
def test_what_numpy_finds(data: st.DataObject) -> None:
    scale = data.draw(st.integers(2, 4))
    rows, columns = (scale * data.draw(st.integers(1, 12)) for _side in range(2))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    field = random.normal(data.draw(st.sampled_from([0, 15, 1e5])), 2, (rows, columns))
    field = field.astype(np.float32)
    field[random.random(field.shape) < data.draw(st.sampled_from([0, 0.01, 0.6]))] = np.nan
    field[: data.draw(st.integers(0, rows))] = np.nan
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(bands, "BAND_BYTES", data.draw(st.sampled_from([1, 500, 2**19])))
        found = summed_up(field, scale)
    np.testing.assert_array_equal(found.missing, np.isnan(field))
    np.testing.assert_allclose(found.mean, block_mean(field, scale).astype(np.float32))
    values = field[~np.isnan(field)].astype(np.float64)
    assert (found.statistics.cells, found.statistics.count) == (field.size, values.size)
    if not values.size:
        return
    assert (found.statistics.low, found.statistics.high) == (values.min(), values.max())
    assert found.statistics.mean == pytest.approx(values.mean(), abs=1e-5, rel=1e-7)
    assert found.statistics.squares / values.size == pytest.approx(values.var(), abs=1e-6, rel=1e-5)


@pytest.mark.parametrize("infinite", [np.inf, -np.inf])
def test_infinite_values_are_seen_in_the_ends(infinite: float) -> None:
    field = np.arange(64, dtype=np.float32).reshape(8, 8)
    field[5, 3], field[0, 0] = infinite, np.nan
    found = summed_up(field, None).statistics
    assert infinite in (found.low, found.high)


def test_without_block_means() -> None:
    assert summed_up(np.ones((5, 7), np.float32), None).mean is None
