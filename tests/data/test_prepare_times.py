"""Time axes as files have them: decoded where the meaning is clear, else named with the reason."""

from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from rich.console import Console

from srwizard.base.errors import DatasetError
from srwizard.data.prepare.look import Contents, look
from srwizard.data.prepare.times import TimeAxis, decoded_axis
from srwizard.wizard.contents_table import contents_table
from tests.data.test_prepare import series
from tests.data.test_prepare_missing import made, waves, write


def times(values: Any, units: str, **attributes: Any) -> TimeAxis:
    return decoded_axis("time", "time", xr.Variable("time", values, {"units": units, **attributes}))


def days(axis: TimeAxis) -> list[str]:
    assert axis.moments is not None, axis.problem
    return ["missing" if moment is None else moment.extended() for moment in axis.moments]


@pytest.mark.parametrize(
    ("values", "units", "attributes", "expected"),
    [
        ([0, 1, 13], "months since 1990-01-15", {}, ["1990-01-15", "1990-02-15", "1991-02-15"]),
        ([0, 1, 2], "Month Since 1990-01-31", {}, ["1990-01-31", "1990-02-28", "1990-03-31"]),
        ([0.5, -1.0], "months since 1991-02-01 00:00", {}, ["1991-02-15", "1991-01-01"]),
        ([0, 1, 2], "months since 2000-01-30", {"calendar": "360_day"},
         ["2000-01-30", "2000-02-30", "2000-03-30"]),
        ([1, 2], "months since 2000-01-31", {"calendar": "noleap"}, ["2000-02-28", "2000-03-31"]),
        ([0, 4, 4.5], "years since 1996-02-29", {}, ["1996-02-29", "2000-02-29", "2000-08-29"]),
        ([20000101.5, 20000229], "day as %Y%m%d.%f", {}, ["2000-01-01T12", "2000-02-29"]),
        ([200001.0, 200002.5], "month as %Y%m.%f", {}, ["2000-01-01", "2000-02-15T12"]),
        ([19991231, 20000101], "YYYYMMDD", {}, ["1999-12-31", "2000-01-01"]),
        ([366.0, 1096.485], "hour since 0000-01-01 00:00:00", {}, ["0000-01-16", "0000-02-15"]),
        ([730485], "days since 0000-01-01", {}, ["2000-01-01"]),
        ([15], "days since 0000-00-00", {}, ["0000-01-16"]),
        ([0, 2], "weeks since 2000-01-01", {}, ["2000-01-01", "2000-01-15"]),
        ([0, 86400 * 10**9], "nanoseconds since 2000-01-01", {}, ["2000-01-01", "2000-01-02"]),
        ([0, 1], "days since 2000", {}, ["2000-01-01", "2000-01-02"]),
        ([0, 1], "hours since 2000-07", {}, ["2000-07-01T00", "2000-07-01T01"]),
        ([19991231, 20000101], "", {}, ["1999-12-31", "2000-01-01"]),
        ([2451545.0], "days since -4713-01-01T12:00:00", {"calendar": "julian"}, ["1999-12-19T12"]),
        ([0], "days since 2000-01-01", {"calendar": " "}, ["2000-01-01"]),
        ([0, 9.96921e36, 2], "days since 2000-01-01", {},
         ["2000-01-01", "missing", "2000-01-03"]),
        ([0, -2147483647, 2], "days since 2000-01-01", {},
         ["2000-01-01", "missing", "2000-01-03"]),
        ([0, -999, 2], "days since 2000-01-01", {}, ["2000-01-01", "missing", "2000-01-03"]),
        ([998, 999, 1000], "days since 2000-01-01", {}, ["2002-09-25", "2002-09-26", "2002-09-27"]),
        ([0, np.nan, 2], "days since 2000-01-01", {}, ["2000-01-01", "missing", "2000-01-03"]),
        *(([0], f"hours since 2000-01-02 00:00{seconds}{zone}", {}, [f"2000-01-{time}:00"])
          for seconds in ("", ":00", ":00.0 ")
          for zone, time in (
              ("-6:00", "02T06"), ("+3", "01T21"), ("+03:00", "01T21"), ("", "02T00")
          )),
    ],
)  # fmt: skip
def test_clear_times_are_decoded(
    values: Any, units: str, attributes: dict[str, str], expected: list[str]
) -> None:
    found = days(times(np.array(values), units, **attributes))
    for moment, begin in zip(found, expected, strict=True):
        assert moment.startswith(begin)


@pytest.mark.parametrize(
    ("values", "units", "attributes", "reason"),
    [
        ([0, 1], "fortnights since 2000-01-01", {}, "fortnights is not known"),
        ([0, 1], "days since yesterday", {}, "yesterday"),
        ([0, 1], "days since 01/02/2000", {}, "is not a date"),
        ([0, 1], "days since 31.12.1999", {}, "31.12.1999"),
        ([20001301], "", {}, "20001301 is not a date"),
        ([0, 1], "days since 2000-01-01", {"calendar": "martian"}, "martian is not known"),
        ([np.nan, np.nan], "days since 2000-01-01", {}, "missing"),
        ([20001301], "day as %Y%m%d.%f", {}, "20001301 is not a date"),
        ([0, 1], "days", {}, "reference date"),
    ],
)
def test_unclear_ones_are_named_with_the_reason(
    values: Any, units: str, attributes: dict[str, str], reason: str
) -> None:
    found = times(np.array(values), units, **attributes)
    assert found.moments is None
    assert found.problem.startswith(f"time, with units “{units}”")
    assert reason in found.problem.split("”", 1)[1] + units


def with_times(values: Any, units: str, **attributes: str) -> xr.Dataset:
    dataset = waves()
    dataset["time"] = ("time", np.asarray(values), {"units": units, **attributes})
    return dataset


class TestRecords:
    def test_calendar_months(self, tmp_path: Path) -> None:
        source = write(with_times(np.arange(12), "months since 1990-01-15"), tmp_path / "a.nc")
        manifest = made(tmp_path, source)
        assert manifest.splits["train"].last == "1990-06-15T00:00:00"
        assert not manifest.climatology

    def test_a_step_without_a_time_is_left_out_and_named(self, tmp_path: Path) -> None:
        values = np.where(np.arange(12) == 7, np.nan, np.arange(12))
        source = write(with_times(values, "days since 2000-01-01"), tmp_path / "a.nc")
        manifest = made(tmp_path, source)
        assert sum(split.steps for split in manifest.splits.values()) == 11
        assert any("a.nc: the time of step 7 is missing" in note for note in manifest.notes)

    def test_one_bad_file_does_not_take_the_times_of_the_others(self, tmp_path: Path) -> None:
        bad = write(with_times(np.arange(12), "moons since 2000-01-01"), tmp_path / "bad.nc")
        manifest = made(tmp_path, bad, write(waves(), tmp_path / "good.nc"))
        assert manifest.splits["train"].first == "2000-01-01T00:00:00"
        (note,) = [note for note in manifest.notes if "bad.nc" in note]
        assert "left out" in note
        assert "moons since" in note

    def test_without_any_time_the_coordinate_is_named(self, tmp_path: Path) -> None:
        bad = write(with_times(np.arange(12), "moons since 2000-01-01"), tmp_path / "bad.nc")
        manifest = made(tmp_path, bad)
        assert manifest.splits["train"].first == "000000"
        assert any("time, with units “moons since 2000-01-01”" in note for note in manifest.notes)

    def test_days_that_occur_twice_are_named(self, tmp_path: Path) -> None:
        days = 20000101.0 + np.arange(12) % 10
        source = write(with_times(days, "day as %Y%m%d.%f"), tmp_path / "a.nc")
        with pytest.raises(DatasetError, match="2000-01-01T00:00:00 of sst occurs twice"):
            made(tmp_path, source)

    @pytest.mark.parametrize("fmt", ["npy", "h5", "nc"])
    def test_years_from_zero_on(self, tmp_path: Path, fmt: str) -> None:
        axis = with_times(np.arange(12) * 1461.0, "hour since 0000-01-01 00:00:00")
        manifest = made(tmp_path, write(axis, tmp_path / "a.nc"), fmt=fmt)
        assert manifest.splits["train"].first == "0000-01-01T00:00:00"
        assert manifest.splits["test"].last == "0001-10-31T15:00:00"
        assert not manifest.climatology


class TestClimatologies:
    def test_the_numbers_of_the_months(self, tmp_path: Path) -> None:
        dataset = waves().rename(time="month").assign_coords(month=np.arange(1, 13))
        manifest = made(tmp_path, write(dataset, tmp_path / "a.nc"))
        assert manifest.climatology
        assert list(series(tmp_path / "root", "train", "hr"))[1] == "00000215T000000"
        assert any("climatology" in note for note in manifest.notes)

    def test_seasons_are_split_by_what_there_is(self, tmp_path: Path) -> None:
        dataset = waves(4)
        attributes = {"units": "days since 1990-01-15", "climatology": "bounds"}
        dataset["time"] = ("time", np.arange(4) * 91, attributes)
        manifest = made(tmp_path, write(dataset, tmp_path / "a.nc"), split=(0.7, 0.15, 0.15))
        assert [split.steps for split in manifest.splits.values()] == [2, 1, 1]

    def test_a_year_zero(self, tmp_path: Path) -> None:
        middle = 366 + np.arange(12) * 730.485
        source = write(with_times(middle, "hour since 0000-01-01"), tmp_path / "a.nc")
        assert made(tmp_path, source).climatology


def shown(contents: Contents) -> str:
    console = Console(width=500, file=StringIO())
    console.print(contents_table(contents))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("units", ["months since 2010-12-15", "days since 2010-12-15"])
def test_a_coordinate_called_month_is_what_its_units_say(units: str) -> None:
    axis = decoded_axis("month", "month", xr.Variable("month", [1, 2, 3, 4], {"units": units}))
    assert not axis.climatology
    assert days(axis)[0].startswith(("2010-12-16", "2011-01-15"))


class TestAtFirstSight:
    """What `inspect` and the wizard tell of times."""

    def test_why_there_are_none(self, tmp_path: Path) -> None:
        source = write(with_times(np.arange(12), "moons since 2000-01-01"), tmp_path / "a.nc")
        (found,) = look([source]).variables
        assert found.time_problem.startswith("a.nc: time, with units “moons since 2000-01-01”")
        assert found.time_problem in shown(look([source]))

    def test_a_bad_file_does_not_take_those_of_the_others(self, tmp_path: Path) -> None:
        bad = write(with_times(np.arange(12), "moons since 2000-01-01"), tmp_path / "bad.nc")
        (found,) = look([bad, write(waves(), tmp_path / "good.nc")]).variables
        assert (found.first[:10], found.step_hours) == ("2000-01-01", 24)
        assert "bad.nc" in found.time_problem

    def test_files_of_different_calendars(self, tmp_path: Path) -> None:
        sources = [
            write(with_times(np.arange(12) + 55, "days since 2001-01-01", calendar=calendar),
                  tmp_path / f"{calendar}.nc")
            for calendar in ("360_day", "noleap")
        ]  # fmt: skip
        (found,) = look(sources).variables
        assert (found.steps, found.step_hours) == (24, None)
        assert "360_day, noleap" in found.time_problem

    def test_times_that_are_missing_or_there_twice(self, tmp_path: Path) -> None:
        source = write(with_times(np.arange(12.0), "days since 2000-01-01"), tmp_path / "a.nc")
        (found,) = look([source, source]).variables
        assert (found.step_hours, found.time_problem) == (
            24, "12 times occur more than once, the first 2000-01-01T00:00:00",
        )  # fmt: skip
        times = np.where(np.arange(12) == 3, np.nan, np.arange(12))
        gap = write(with_times(times, "days since 2000-01-01"), tmp_path / "gap.nc")
        (found,) = look([gap]).variables
        assert found.time_problem == "1 time is missing"

    def test_months_and_years_are_called_so(self, tmp_path: Path) -> None:
        for unit in ("month", "year"):
            source = write(with_times(np.arange(12), f"{unit}s since 1990-01-15"), tmp_path / unit)
            assert f"about every {unit}" in shown(look([source]))
        for days, unit in ((30.4375, "month"), (365.25, "year")):  # parts of a mean year
            times = with_times(np.arange(12) * days, "days since 1990-01-15")
            assert f"about every {unit}" in shown(look([write(times, tmp_path / f"mean-{unit}")]))
