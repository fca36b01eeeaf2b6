"""Which variable is suggested where the one that was named is not there, and where it is said."""

from pathlib import Path

import iris_sample_data
import pytest
import xarray as xr

from srwizard.base.errors import UsageError
from srwizard.data.missing_variable import meant_variable
from srwizard.data.prepare.opening import open_source
from srwizard.data.prepare.record import survey_sources
from tests.data.test_prepare import ocean, saved

OSTIA_DAILY = {
    "analysed_sst": ("sea_surface_foundation_temperature", "analysed sea surface temperature"),
    "analysis_error": ("sea_surface_temperature standard_error", "estimated error"),
    "sea_ice_fraction": ("sea_ice_area_fraction", "sea ice area fraction"),
    "mask": ("", "land sea ice lake bit mask"),
}
NEMO = {
    "zos": ("sea_surface_height_above_geoid",),
    "so": ("sea_water_salinity", "Salinity"),
    "thetao": ("sea_water_potential_temperature", "Temperature"),
    "/diagnostics/mlotst": ("ocean_mixed_layer_thickness_defined_by_sigma_theta",),
}


@pytest.mark.parametrize(
    ("wanted", "available", "meant"),
    [
        ("sst", OSTIA_DAILY, "analysed_sst"),
        ("SST", OSTIA_DAILY, "analysed_sst"),
        ("Analysed_SST", OSTIA_DAILY, "analysed_sst"),
        ("analysed_sts", OSTIA_DAILY, "analysed_sst"),
        ("ice", OSTIA_DAILY, "sea_ice_fraction"),
        ("sea_surface_temperature", OSTIA_DAILY, "analysed_sst"),
        ("temperature", NEMO, "thetao"),
        ("salinity", NEMO, "so"),
        ("ssh", NEMO, "zos"),
        ("mixed_layer_thickness", NEMO, "/diagnostics/mlotst"),
        ("mlotts", NEMO, "/diagnostics/mlotst"),
        ("sst", {"analysed_sst_uncertainty": (), "analysed_sst": ()}, "analysed_sst"),
        ("temp", {"tmp": ()}, "tmp"),
        ("t", NEMO, None),
        ("chlorophyll", NEMO, None),
        ("/", NEMO, None),
        ("sst", {}, None),
    ],
)
def test_meant(wanted: str, available: dict[str, tuple[str, ...]], meant: str | None) -> None:
    assert meant_variable(wanted, available) == meant


def test_said_alike_wherever_it_is_missed(tmp_path: Path) -> None:
    path = saved(ocean().rename(temp="analysed_sst"), tmp_path / "a.nc")
    told = []
    with open_source(path) as source, pytest.raises(UsageError) as raised:
        source.dataset_of("sst")
    told.append((raised.value.message, raised.value.hint))
    with pytest.raises(UsageError) as raised:
        survey_sources([path], ["sst"], lambda _done, _total: None)
    told.append((raised.value.message, raised.value.hint))
    assert told == [
        (f"{path} has no variable sst.", "Did you mean analysed_sst? Available: analysed_sst.")
    ] * 2  # fmt: skip


def test_one_of_two_variables_is_in_no_file(tmp_path: Path) -> None:
    one, other = ocean().rename(temp="thetao"), ocean().rename(temp="so")
    one["thetao"].attrs = {"standard_name": "sea_water_potential_temperature"}
    other["so"].attrs = {"long_name": "practical salinity"}
    path = saved(xr.merge([one, other]), tmp_path / "a.nc")
    with pytest.raises(UsageError, match=r"^No source has a variable temperature\.$") as raised:
        survey_sources([path], ["so", "temperature"], lambda _done, _total: None)
    assert raised.value.hint == "Did you mean thetao? Available: so, thetao."


def test_a_real_file() -> None:
    path = Path(iris_sample_data.__file__).parent / "sample_data" / "ostia_monthly.nc"
    with pytest.raises(UsageError) as raised:
        survey_sources([path], ["temp"], lambda _done, _total: None)
    assert "Did you mean surface_temperature?" in (raised.value.hint or "")
