"""Units however they are spelt, and grids however their longitudes are counted."""

import numpy as np
import pytest

from srwizard.base.errors import DatasetError
from srwizard.data.coordinates import Grid
from srwizard.data.prepare.units import difference_units, quantity, same_units
from srwizard.use.grids import difference, refined, refuse_flipped


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
        ("mg m-3", "milligram m-3", True),
        ("hPa", "mb", True),
        ("dbar", "decibar", True),
        ("M/S", "m s-1", True),
        ("mmol m-3", "umol L-1", True),
        ("W m-2", "watt/m2", True),
        ("J m-2", "J/m**2", True),
        ("psu", "practical salinity unit", True),
        ("g/kg", "PSU", True),
        ("1", "dimensionless", True),
        ("1", "", True),
        ("°C", "℃", True),
        ("mg Chl m-3", "mg Chl/m3", True),
        ("mg Chl m-3", "mg C m-3", False),
        ("10^6 m3 s-1", "Sv", True),
        ("10**-3", "psu", True),
        ("106 m", "10^6 m", False),
        ("S m-1", "s m-1", False),
        ("mM", "mm", False),
        ("Mm", "mm", False),
        ("Kg m-3", "kg/m3", True),
        ("what it is", "what  it is", True),
        ("what it is", "(something else)", False),
    ],
)
def test_units_are_compared_by_what_they_mean(one: str, other: str, same: bool) -> None:
    assert same_units(one, other) is same
    assert same_units(other, one) is same


def test_a_difference_of_temperatures_is_in_kelvin() -> None:
    assert difference_units("celsius") == "K"
    assert difference_units("m s-1") == "m s-1"


@pytest.mark.parametrize(
    ("units", "factor"),
    [("10^6 m3 s-1", 1e6), ("10^3 kg", 1e3), ("10^18 J", 1e18), ("10-6 m", 1e-6), ("1e-6 m", 1e-6)],
)
def test_powers_of_ten(units: str, factor: float) -> None:
    found = quantity(units)
    assert found is not None
    assert found.factor == pytest.approx(factor, rel=1e-12)


@pytest.mark.parametrize("units", ["10^999 m", "1e300**2 m", "0 m", "0-1 m", "1e999", "10^99999 m"])
def test_a_number_that_is_no_factor_is_not_understood(units: str) -> None:
    assert quantity(units) is None


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
