"""Samples that are turned: all eight ways, vectors with them, and only where the grid allows it."""

from pathlib import Path

import numpy as np
import pytest

from srwizard.data.augment import Symmetry, drawn, turned
from srwizard.data.layout import scan
from srwizard.data.square_grid import handedness
from tests.datasets import write_dataset

SHAPE = (8, 8)
EVERY = [Symmetry(a, b, c) for a in (False, True) for b in (False, True) for c in (False, True)]
EQUATOR = np.linspace(-3.5, 3.5, 8)


@pytest.mark.parametrize("handed", [1, -1])
@pytest.mark.parametrize("symmetry", EVERY)
def test_the_gradient_of_a_turned_field_is_the_turned_gradient(
    symmetry: Symmetry, handed: int
) -> None:
    """A gradient is a vector: whatever is done to it has to be what is done to its field."""
    field = np.random.default_rng(0).normal(size=(1, 9, 9))

    def gradient(values: np.ndarray) -> np.ndarray:
        northward, eastward = np.gradient(values[0])
        return np.stack([eastward, handed * northward])

    found = turned(gradient(field), symmetry, [(0, 1)], handed)
    np.testing.assert_allclose(found, gradient(turned(field, symmetry)), atol=1e-12)


def test_every_sample_is_turned_in_all_eight_ways_and_alike_each_time() -> None:
    found = [drawn(seed, 3, turns=True) for seed in range(100)]
    assert set(found) == set(EVERY)
    assert found == [drawn(seed, 3, turns=True) for seed in range(100)]
    plain = [drawn(seed, 3) for seed in range(100)]
    assert plain == [symmetry._replace(exchanged=False) for symmetry in found]


def test_channels_that_are_no_vector_keep_their_place() -> None:
    fields = np.random.default_rng(0).normal(size=(3, 4, 4))
    found = turned(fields, Symmetry(False, False, True), [(2, 0)])
    np.testing.assert_array_equal(found[1], fields[1].T)
    np.testing.assert_array_equal(found[0], fields[2].T)


def on_grid(root: Path, **coordinates: np.ndarray) -> int:
    """Return how the grid with these coordinates can be turned, for vectors too."""
    write_dataset(root, hr_shape=SHAPE)
    folder = root / "static_variables" / "hr"
    for path in folder.iterdir():
        path.unlink()
    for number, (name, values) in enumerate(coordinates.items()):
        np.save(folder / f"{number:02d}_{name}.npy", values)
    return handedness(scan(root), SHAPE, vectors=True)


def test_where_rows_and_columns_are_equally_far_apart(tmp_path: Path) -> None:
    lat = EQUATOR[:, None] * np.ones(SHAPE)
    metres = 5000.0 * np.arange(8)
    mercator = np.degrees(np.arctan(np.sinh(np.radians(60 + np.arange(8)))))
    for number, (expected, coordinates) in enumerate(
        [
            (1, {"lon": EQUATOR, "lat": lat}),
            (-1, {"lon": EQUATOR, "lat": lat[::-1]}),
            (1, {"lon": (EQUATOR + 360) % 360, "lat": lat}),
            (0, {"lon": EQUATOR, "lat": 40 + lat}),
            (0, {"lon": 2 * EQUATOR, "lat": lat}),
            (1, {"longitude": EQUATOR, "latitude": mercator[:, None] * np.ones(SHAPE)}),
            (1, {"x": metres, "y": (metres[:, None] + 0 * metres)}),
            (0, {"x": 3 * metres, "y": (metres[:, None] + 0 * metres)}),
            (0, {"lon": EQUATOR}),
            (0, {"lon": np.full(8, np.nan), "lat": lat}),
            (0, {"lon": np.arange(5.0), "lat": lat}),
            (0, {}),
        ]
    ):
        assert on_grid(tmp_path / str(number), **coordinates) == expected, coordinates


def test_where_rows_run_aslant_vectors_are_not_turned(tmp_path: Path) -> None:
    x, y = np.meshgrid(EQUATOR, EQUATOR)
    aslant = {"lon": x - 0.5 * y, "lat": y + 0.5 * x}
    assert on_grid(tmp_path / "data", **aslant) == 0
    assert handedness(scan(tmp_path / "data"), SHAPE, vectors=False) == 1
