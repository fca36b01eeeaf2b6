"""What raw files hold is told before anything is made of them, and what to do."""

from pathlib import Path

import pytest
import xarray as xr
from click.testing import CliRunner

from srwizard.base.errors import DatasetError
from srwizard.commands.inspect import inspect
from srwizard.data.prepare.look import look
from tests.data.test_prepare import make, ocean, saved


@pytest.mark.parametrize("units", ["degC", None])
def test_files_of_other_units_are_told_before_and_when_they_are_prepared(
    tmp_path: Path, units: str | None
) -> None:
    first, second = ocean(6), ocean(6, start=6)
    second["temp"].attrs = {} if units is None else {"units": units}
    for name, each in (("a", first), ("b", second)):
        saved(each, tmp_path / f"{name}.nc")
    sources = [tmp_path / "a.nc", tmp_path / "b.nc"]
    with pytest.raises(DatasetError, match="temp has") as refused:
        make(sources, tmp_path / "out")
    assert "None" not in refused.value.message
    (found,) = look(sources).variables
    assert any(refused.value.message in text for text in found.suspicions)


def test_a_dimension_of_members_is_to_be_cut(tmp_path: Path) -> None:
    members = xr.concat([ocean(), ocean(seed=1)], "member").transpose("member", "time", ...)
    members = members.assign_coords(time=ocean()["time"], lat=ocean()["lat"], lon=ocean()["lon"])
    with pytest.raises(DatasetError) as refused:
        look([saved(members, tmp_path / "a.nc")])
    assert "isel(member=0)" in str(refused.value.hint)


def test_files_without_a_step(tmp_path: Path) -> None:
    none = saved(ocean(6).isel(time=slice(0, 0)), tmp_path / "none.nc")
    with pytest.raises(DatasetError) as refused:
        look([none])
    assert "temp: it has no time step" in str(refused.value.hint)
    (found,) = look([none, saved(ocean(6), tmp_path / "some.nc")]).variables
    assert found.steps == 6


def test_a_variable_that_was_renamed_within_a_record(tmp_path: Path) -> None:
    """What is proposed can be run: the files that hold the likeliest name."""
    saved(ocean(6), tmp_path / "a.nc")
    saved(ocean(6, start=6).rename(temp="thetao"), tmp_path / "b.nc")
    said = CliRunner().invoke(inspect, [str(tmp_path / "a.nc"), str(tmp_path / "b.nc")]).output
    assert "b.nc has no variable temp" in said
    (command,) = (line for line in said.splitlines() if "srwizard prepare" in line)
    assert "a.nc --variable temp" in command
    assert "b.nc" not in command


def test_variables_that_lie_in_files_of_their_own(tmp_path: Path) -> None:
    saved(ocean(6), tmp_path / "a.nc")
    saved(ocean(6).rename(temp="salt"), tmp_path / "b.nc")
    said = CliRunner().invoke(inspect, [str(tmp_path / "a.nc"), str(tmp_path / "b.nc")]).output
    (command,) = (line for line in said.splitlines() if "srwizard prepare" in line)
    assert "b.nc --variable temp --variable salt" in command
