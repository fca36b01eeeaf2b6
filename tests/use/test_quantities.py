"""Units however they are spelt, and grids however their longitudes are counted."""

import numpy as np
import pytest

from srwizard.base.errors import DatasetError
from srwizard.data.prepare.grid import Grid
from srwizard.use.grids import difference, refined, refuse_flipped
from srwizard.use.quantities import difference_units, same_units


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("degC", "Celsius", True),
        ("degrees_C", "°C", True),
        ("K", "kelvin", True),
        ("degC", "K", False),
        ("m s-1", "m/s", True),
        ("m.s-1", "m s^-1", True),
        ("metres/second", "m s**-1", True),
        ("m s-1", "cm s-1", False),
        ("m/s2", "m s-2", True),
        ("psu", "1e-3", True),
        ("m", "meters", True),
        ("m", "mm", False),
        ("mmol m-3", "mmol/m3", True),
        ("mg m-3", "Mg m-3", False),
    ],
)
def test_units_are_compared_by_what_they_mean(one: str, other: str, same: bool) -> None:
    assert same_units(one, other) is same
    assert same_units(other, one) is same


def test_a_difference_of_temperatures_is_in_kelvin() -> None:
    assert difference_units("celsius") == "K"
    assert difference_units("m s-1") == "m s-1"


def grid(lat: list[float], lon: list[float]) -> Grid:
    return Grid((len(lat), len(lon)), np.array(lat), np.array(lon))


def test_longitudes_may_differ_by_whole_turns_and_by_rounding() -> None:
    west = grid([10, 20], [-170, -150, -130])
    assert difference(grid([10, 20.00001], [190, 210, 230]), west) is None
    assert difference(Grid((2, 3), None, None), west) is None
    two_dimensional = Grid(
        (2, 3), np.array([[10.0] * 3, [20.0] * 3]), np.array([[190.0, 210, 230]] * 2)
    )
    assert difference(two_dimensional, west) is None
    found = difference(grid([20, 10], [-170, -150, -130]), west)
    assert found is not None
    assert (found.what, found.found, found.expected) == ("latitude", "20 to 10", "10 to 20")
    assert difference(grid([10, 20], [-169, -149, -129]), west) is not None


@pytest.mark.parametrize(
    ("lat", "lon", "words"),
    [
        ([20, 10], [-170, -150, -130], "upside down: its latitudes run from 20 to 10"),
        ([10, 20], [-130, -150, -170], "mirrored: its longitudes run from -130 to -170"),
        ([60, 50, 40], [0, 20], "upside down"),  # on whatever grid
        ([10, 20], [-170, 170, 150], "mirrored"),  # over the date line
    ],
)
def test_what_runs_the_other_way_is_called_flipped(
    lat: list[float], lon: list[float], words: str
) -> None:
    with pytest.raises(DatasetError, match=words) as refusal:
        refuse_flipped("in.nc", grid(lat, lon), grid([10, 20], [-170, -150, -130]))
    assert "slice(None, None, -1)" in refusal.value.hint


def test_what_runs_the_same_way_or_is_not_known_is_not() -> None:
    training = grid([10, 20], [170, -170, -150])
    for lat, lon in (([30, 40], [150, 170, -170]), ([10, 20], [170, 190, 210])):
        refuse_flipped("in.nc", grid(lat, lon), training)
    refuse_flipped("in.nc", Grid((2, 3), None, None), training)
    turned = Grid((2, 3), np.array([[10.0] * 3, [20.0] * 3]), np.array([[190.0, 210, 230]] * 2))
    refuse_flipped("in.nc", turned, training)


def test_a_refined_grid_has_the_coarse_one_as_its_block_means() -> None:
    fine = refined(grid([0, 10, 20], [170, -170]), 2)
    assert fine.shape == (6, 4)
    assert fine.latitude is not None
    assert fine.longitude is not None
    assert fine.latitude.tolist() == [-2.5, 2.5, 7.5, 12.5, 17.5, 22.5]
    assert fine.longitude.tolist() == [165, 175, 185, 195]
    rows, columns = np.meshgrid([0.0, 10, 20], [170.0, -170], indexing="ij")
    curved = refined(Grid((3, 2), rows + columns / 100, columns), 3)
    assert curved.latitude is not None
    assert curved.longitude is not None
    assert curved.longitude.shape == (9, 6)
    blocks = curved.longitude.reshape(3, 3, 2, 3).mean(axis=(1, 3))
    assert np.allclose(blocks, [[170, 190]] * 3)
