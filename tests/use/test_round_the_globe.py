"""A run of a global grid, used on a part of the globe, and on another global grid."""

import numpy as np
import numpy.typing as npt
import pytest

from srwizard.data.coordinates import Grid
from srwizard.use.predictor import Predictor
from srwizard.use.run import Run, load_run
from tests.train.runs import freeze, trained
from tests.train.test_seam import SHAPE, global_dataset

WIDTH = SHAPE[1] // 2
"""LR columns of the whole circle."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    place = tmp_path_factory.mktemp("globe")
    root = global_dataset(place / "data")
    freeze(root, place / "run", normalization="GN", skip="linear", periodic=True, epochs=1)
    trained(place / "run")
    return load_run(place / "run")


def reaches_across(run: Run, longitude: npt.NDArray[np.float64] | None, width: int) -> bool:
    """Say whether the first columns of a prediction follow the last column of the input."""
    grid = Grid((8, width), np.linspace(-60, 60, 8), longitude)
    at_home = run.check_grid(grid, "the field")
    rng = np.random.default_rng(0)
    lr = rng.normal(15, 1, (1, 8, width)).astype(np.float32)
    other = lr.copy()
    other[..., -1] += 3
    gap = lr.copy()
    gap[..., 3, 0] = np.nan  # filled from its neighbours
    found = [
        run.members_of_step(
            each, 0, 1, at_home=at_home, periodic=run.goes_round(grid, at_home=at_home)
        )
        for each in (lr, other, gap)
    ]
    assert all(each.shape == (1, 1, 16, 2 * width) for each in found)
    return not np.allclose(found[0][..., 0], found[1][..., 0], atol=1e-5)


def test_at_home_it_reaches_across_the_seam(run: Run) -> None:
    assert reaches_across(run, np.arange(WIDTH) * 360 / WIDTH + 360 / WIDTH / 4, WIDTH)


def test_a_part_of_the_globe_has_two_ends(run: Run) -> None:
    assert not reaches_across(run, 40 + np.arange(20) * 5.0, 20)


def test_a_part_of_the_globe_with_as_many_columns_as_the_training(run: Run) -> None:
    assert not reaches_across(run, 40 + np.arange(WIDTH) * 5.0, WIDTH)


def test_an_array_of_another_size_is_not_known_to_go_round(run: Run) -> None:
    assert not reaches_across(run, None, 20)


def test_another_grid_around_the_globe_goes_round(run: Run) -> None:
    assert reaches_across(run, np.arange(20) * 18.0, 20)


def test_a_graph_keeps_to_the_grid_that_it_is_closed_on(run: Run) -> None:
    """It is not told longitudes, and could not know."""
    assert Predictor(run.network, run.preprocessing, seam=8, scale=2).size == (8, WIDTH)
    assert Predictor(run.network, run.preprocessing, scale=2).size is None
