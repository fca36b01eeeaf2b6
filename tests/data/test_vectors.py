"""Which variables are the components of a vector: by standard name, or by name."""

import pytest

from srwizard.data.vectors import known_vectors, lonely_components


@pytest.mark.parametrize(
    ("variables", "named", "vectors", "lonely"),
    [
        (["uo", "thetao", "vo"], {}, [["uo", "vo"]], []),
        (["V10", "U10"], {}, [["U10", "V10"]], []),
        (["uo", "thetao"], {}, [], [("uo", True)]),
        (["vo"], {}, [], [("vo", False)]),
        (["sst", "ssh"], {}, [], []),
        (
            ["vx", "vy"],
            {"vx": "sea_water_x_velocity", "vy": "sea_water_y_velocity"},
            [["vx", "vy"]],
            [],
        ),
        (
            ["b", "a"],
            {"a": "surface_geostrophic_eastward_sea_water_velocity",
             "b": "surface_geostrophic_northward_sea_water_velocity"},
            [["a", "b"]],
            [],
        ),
        (["a", "sst"], {"a": "northward_wind"}, [], [("a", False)]),
        (
            ["u_0m", "u_100m", "v_100m", "v_0m"],
            {"u_0m": "eastward_wind", "u_100m": "eastward_wind",
             "v_0m": "northward_wind", "v_100m": "northward_wind"},
            [["u_0m", "v_0m"], ["u_100m", "v_100m"]],
            [],
        ),
        (["uo_0.5m", "vo_0.5m", "uo_97m"], {}, [["uo_0.5m", "vo_0.5m"]], [("uo_97m", True)]),
        (["a", "b", "c"],
         {"a": "eastward_wind", "b": "eastward_wind", "c": "northward_wind"}, [],
         [("a", True), ("b", True), ("c", False)]),
    ],
)  # fmt: skip
def test_components_are_known_by_standard_name_or_name(
    variables: list[str],
    named: dict[str, str],
    vectors: list[list[str]],
    lonely: list[tuple[str, bool]],
) -> None:
    told = {name: {"standard_name": standard} for name, standard in named.items()}
    found = known_vectors(variables, told)
    assert found == vectors
    assert lonely_components(variables, found, told) == lonely


@pytest.mark.parametrize(
    ("units", "vectors"),
    [
        (("m s-1", "m s-1"), [["uo", "vo"]]),
        (("m s-1", ""), [["uo", "vo"]]),
        (("m s-1", "cm s-1"), []),
    ],
)
def test_components_of_other_units_are_no_vector(
    units: tuple[str, str], vectors: list[list[str]]
) -> None:
    told = {name: {"units": unit} for name, unit in zip(("uo", "vo"), units, strict=True)}
    assert known_vectors(["uo", "vo"], told) == vectors
    lonely = lonely_components(["uo", "vo"], vectors, told)
    assert bool(lonely) is not bool(vectors)
