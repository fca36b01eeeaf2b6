"""Values that are none, declared or not, and steps without any."""

from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import pytest
import xarray as xr

from srwizard.data.layout import scan
from srwizard.data.prepare import Manifest, Masking, parse_mask, prepare
from srwizard.data.prepare.look import look
from srwizard.data.prepare.masking import MaskVariable
from tests.data.test_prepare import every_field, make, ocean, saved, series

LAND = (slice(None), slice(0, 2), slice(0, 3))


def waves(steps: int = 12, low: float = 10.0) -> xr.Dataset:
    """Daily fields [steps, 8, 12] between `low` and about `low` + 10."""
    values = low + np.random.default_rng(0).random((steps, 8, 12)).astype(np.float32) * 10
    return xr.Dataset(
        {"sst": (("time", "lat", "lon"), values, {"units": "degC"})},
        {
            "time": ("time", np.arange(steps), {"units": "days since 2000-01-01"}),
            "lat": ("lat", np.linspace(-10, 10, 8), {"units": "degrees_north"}),
            "lon": ("lon", np.linspace(100, 140, 12), {"units": "degrees_east"}),
        },
    )


def write(dataset: xr.Dataset, path: Path, encoding: dict[str, Any] | None = None) -> Path:
    """Write `dataset` with no fill value that is not asked for."""
    plain = {str(name): {"_FillValue": None} for name in dataset.variables}
    plain["sst"] = plain["sst"] | (encoding or {})
    dataset.to_netcdf(path, engine="h5netcdf", encoding=plain)
    return path


def made(tmp_path: Path, *sources: Path, **options: Any) -> Manifest:
    return prepare(
        sources,
        out=tmp_path / "root",
        **({"variables": {"sst": "temp"}, "scale": 2, "split": (0.5, 0.25, 0.25)} | options),
    )


class TestUndeclaredFillValues:
    @pytest.mark.parametrize("fill", [-999.0, 1e20, 9.969209968386869e36, -99.0, 0.0])
    def test_one_note_for_all_files_says_what_to_write(self, tmp_path: Path, fill: float) -> None:
        dataset = waves()
        dataset.sst[LAND] = fill
        sources = [
            write(dataset.isel(time=slice(n, n + 3)), tmp_path / f"{n}.nc") for n in (0, 3, 6, 9)
        ]
        (note,) = [note for note in made(tmp_path, *sources).notes if "--missing-value" in note]
        typed = float(note.split("--missing-value ")[1].split(",")[0].split()[0])
        mended = made(tmp_path, *sources, masking=Masking((typed,)), overwrite=True)
        assert not any("--missing-value" in note for note in mended.notes)
        hr = every_field(tmp_path / "root", "hr")
        assert np.isnan(hr[LAND]).all()
        assert np.isfinite(hr[:, 2:]).all()

    @pytest.mark.parametrize("fill", [-999.0, 1e20, 0.0])
    def test_a_look_at_the_files_says_it_before_anything_is_made(
        self, tmp_path: Path, fill: float
    ) -> None:
        dataset = waves()
        dataset.sst[LAND] = fill
        (found,) = look([write(dataset, tmp_path / "a.nc")]).usable
        assert found.undeclared == (fill,)
        (suspicion,) = found.suspicions
        assert f"--missing-value {fill:g}" in suspicion
        dataset.sst[LAND] = np.nan
        (found,) = look([write(dataset, tmp_path / "b.nc")]).usable
        assert found.undeclared == ()

    def test_it_is_told_in_the_units_of_the_sources(self, tmp_path: Path) -> None:
        for fill in (-999.0, 0.0):
            dataset = waves(low=-5)
            dataset.sst[LAND] = fill
            source = write(dataset, tmp_path / f"{fill:g}.nc")
            notes = made(tmp_path, source, units={"temp": "K"}, overwrite=True).notes
            assert any(f"--missing-value {fill:g}" in note for note in notes)

    def test_two_of_them_and_both_are_masked(self, tmp_path: Path) -> None:
        dataset = waves()
        dataset.sst[LAND] = -999
        dataset.sst[:, 7, 7] = 1e20
        source = write(dataset, tmp_path / "a.nc")
        (note,) = [note for note in made(tmp_path, source).notes if "--missing-value" in note]
        assert "--missing-value -999 --missing-value 1e+20" in note
        made(tmp_path, source, masking=Masking((-999, 1e20)), overwrite=True)
        assert np.nanmax(np.abs(every_field(tmp_path / "root", "hr"))) < 21

    def test_a_declared_value_of_another_precision_is_masked(self, tmp_path: Path) -> None:
        dataset = waves()
        dataset.sst[LAND] = 1e20
        dataset.sst.attrs["missing_value"] = np.float64(1e20)
        made(tmp_path, write(dataset, tmp_path / "a.nc"))
        assert np.isnan(every_field(tmp_path / "root", "hr")[LAND]).all()

    def test_a_value_that_is_declared_as_text_is_masked(self, tmp_path: Path) -> None:
        dataset = waves()
        dataset.sst[LAND] = -999
        dataset.sst.attrs["missing_value"] = "-999"
        made(tmp_path, write(dataset, tmp_path / "a.nc"))
        assert np.isnan(every_field(tmp_path / "root", "hr")[LAND]).all()

    def test_a_quantity_that_is_often_zero_is_left_alone(self, tmp_path: Path) -> None:
        dataset = waves(low=-5)
        dataset["sst"] = dataset.sst.clip(min=0)
        dataset.sst[LAND] = 0
        notes = made(tmp_path, write(dataset, tmp_path / "a.nc")).notes
        assert not any("--missing-value" in note for note in notes)

    def test_sound_fields_are_left_alone(self, tmp_path: Path) -> None:
        dataset = waves()
        dataset.sst[LAND] = np.nan
        notes = made(tmp_path, write(dataset, tmp_path / "a.nc")).notes
        assert not any("--missing-value" in note for note in notes)


class TestValidRange:
    @pytest.mark.parametrize(
        "limits",
        [
            {"valid_min": np.float32(-5), "valid_max": np.float32(40)},
            {"valid_range": np.array([-5, 40], np.float32)},
            {"valid_min": -5.0},
        ],
    )
    def test_what_is_outside_is_missing_and_told(
        self, tmp_path: Path, limits: dict[str, Any]
    ) -> None:
        dataset = waves()
        dataset.sst[:, 3, 3] = -1000
        dataset.sst.attrs.update(limits)
        notes = made(tmp_path, write(dataset, tmp_path / "a.nc")).notes
        hr = every_field(tmp_path / "root", "hr")
        assert np.isnan(hr[:, 3, 3]).all()
        assert np.isnan(hr).sum() == 12
        assert any("12 values outside the valid range" in note for note in notes)

    @pytest.mark.parametrize(
        "limits", [np.array([0, 2000], np.int16), np.array([0, 20], np.float32)]
    )
    def test_limits_of_packed_values(self, tmp_path: Path, limits: Any) -> None:
        dataset = waves()
        dataset.sst[:, 3, 3] = 100
        dataset.sst[:, 4, 4] = 20
        dataset.sst.attrs["valid_range"] = limits
        packing = {"dtype": "int16", "scale_factor": 0.01, "_FillValue": -32768}
        made(tmp_path, write(dataset, tmp_path / "a.nc", packing))
        hr = every_field(tmp_path / "root", "hr")
        assert np.isnan(hr[:, 3, 3]).all()
        assert np.isnan(hr).sum() == 12


class TestMasks:
    def test_a_variable_of_the_sources(self, tmp_path: Path) -> None:
        dataset = waves()
        dataset["mask"] = (("lat", "lon"), np.ones((8, 12), np.int8))
        dataset.mask[LAND[1:]] = 0
        source = write(dataset, tmp_path / "a.nc")
        made(tmp_path, source, masking=Masking(variable=MaskVariable("mask")))
        hr = every_field(tmp_path / "root", "hr")
        assert np.isnan(hr[LAND]).all()
        assert np.isnan(hr).sum() == 12 * 6

    def test_a_mask_of_every_step_and_its_value(self, tmp_path: Path) -> None:
        dataset = waves()
        dataset["mask"] = (("time", "lat", "lon"), np.ones((12, 8, 12), np.int8))
        dataset.mask[4, 5] = 2
        source = write(dataset, tmp_path / "a.nc")
        made(tmp_path, source, masking=Masking(variable=parse_mask("mask", (2.0,))), jobs=2)
        hr = every_field(tmp_path / "root", "hr")
        assert np.isnan(hr[4, 5]).all()
        assert np.isnan(hr).sum() == 12

    def test_a_file_of_its_own(self, tmp_path: Path) -> None:
        dataset = waves()
        mask = dataset.drop_vars("time").isel(time=0).rename(sst="tmask")
        mask["tmask"] = mask.tmask * 0 + 1
        mask.tmask[LAND[1:]] = np.nan
        mask.to_netcdf(tmp_path / "mask.nc", engine="h5netcdf")
        source = write(dataset, tmp_path / "a.nc")
        variable = parse_mask(f"{tmp_path / 'mask.nc'}:tmask", ())
        made(tmp_path, source, masking=Masking(variable=variable))
        assert np.isnan(every_field(tmp_path / "root", "hr")[LAND]).all()

    def test_refusals(self, tmp_path: Path) -> None:
        source = write(waves(), tmp_path / "a.nc")
        other = write(waves().isel(lat=slice(0, 4)), tmp_path / "b.nc")
        with pytest.raises(Exception, match="no mask"):
            made(tmp_path, source, masking=Masking(variable=MaskVariable("mask")))
        with pytest.raises(Exception, match="does not belong"):
            made(tmp_path, source, masking=Masking(variable=MaskVariable("sst", other)))
        with pytest.raises(Exception, match="no mask is named"):
            parse_mask(None, (0.0,))


class TestEmptySteps:
    @pytest.mark.parametrize("fmt", ["npy", "h5", "nc"])
    def test_they_are_left_out_and_counted(
        self, tmp_path: Path, fmt: Literal["npy", "h5", "nc"]
    ) -> None:
        dataset = waves()
        dataset["ssh"] = dataset.sst.copy(deep=True)
        dataset.sst[2] = np.nan
        dataset.ssh[4] = np.nan
        source = write(dataset, tmp_path / "a.nc")
        variables = {"sst": "temp", "ssh": "ssh"}
        manifest = made(tmp_path, source, variables=variables, fmt=fmt)
        assert [split.steps for split in manifest.splits.values()] == [4, 3, 3]
        assert manifest.dropped_steps == ("2000-01-03T00:00:00", "2000-01-05T00:00:00")
        assert any("2 steps without any value were left out" in note for note in manifest.notes)
        kept = dataset.sst.values[[0, 1, 3, 5]]
        if fmt == "npy":
            hr = np.stack([*series(tmp_path / "root", "train", "hr").values()])
        else:
            with h5py.File(tmp_path / f"root/train.{fmt}") as file:
                hr = file["hr/temp"][:]
                assert (np.diff(file["time"][:]) == [86400, 2 * 86400, 2 * 86400]).all()
        np.testing.assert_array_equal(hr, kept)
        assert manifest.splits["train"].statistics["temp"].mean == pytest.approx(kept.mean())

    def test_they_are_kept_where_that_is_asked_for(self, tmp_path: Path) -> None:
        dataset = waves()
        dataset.sst[2] = np.nan
        manifest = made(tmp_path, write(dataset, tmp_path / "a.nc"), empty_steps="keep")
        assert manifest.splits["train"].steps == 6
        assert any("1 step without any value" in note for note in manifest.notes)


def test_companion_files_of_macos_are_passed_over(tmp_path: Path) -> None:
    companion = tmp_path / "._a.nc"
    companion.write_bytes(b"\x00\x05\x16\x07")
    made(tmp_path, companion, write(waves(), tmp_path / "a.nc"))
    for level in ("hr", "lr"):
        (tmp_path / "root/train" / level / "temp/._20000101T000000.npy").write_bytes(b"\x00\x05")
    found = scan(tmp_path / "root")
    assert not found.problems
    assert len(found.fields["train", "hr", "temp"].steps) == 6


def test_a_file_in_other_units_under_the_same_name(tmp_path: Path) -> None:
    first, second = ocean(6), ocean(6, start=6, seed=1)
    second["temp"] = second["temp"].copy(data=second["temp"].values - 273.15)
    sources = [saved(first, tmp_path / "a.nc"), saved(second, tmp_path / "b.nc")]
    notes = make(sources, tmp_path / "out").notes
    assert any("from step 20000107T000000 on" in note for note in notes)
    assert not any("other units" in note for note in make(sources[:1], tmp_path / "one").notes)


def test_levels_of_a_mask_under_another_name(tmp_path: Path) -> None:
    """As in NEMO's mesh_mask.nc: the dimension is z, its depths are nav_lev."""
    values = np.broadcast_to(ocean()["temp"].values[:, None], (6, 3, 4, 6))
    deep = ocean().drop_vars("temp")
    deep["depth"] = ("depth", np.array([0.5, 10, 30]), {"units": "m", "positive": "down"})
    deep["temp"] = (("time", "depth", "lat", "lon"), values.copy(), {"units": "K"})
    mask = np.ones((1, 3, 4, 6), np.int8)
    mask[0, 1, 3, 3] = 0
    saved(xr.Dataset({"tmask": (("t", "z", "y", "x"), mask),
                      "nav_lev": ("z", np.array([0.5, 10, 30], np.float32))}),
          tmp_path / "mesh_mask.nc")  # fmt: skip
    masking = Masking(variable=MaskVariable("tmask", tmp_path / "mesh_mask.nc"))
    source = saved(deep, tmp_path / "a.nc")
    make([source], tmp_path / "out", depths=(10.0,), masking=masking)
    assert np.isnan(every_field(tmp_path / "out", "hr")[:, 3, 3]).all()
    make([source], tmp_path / "top", depths=(0.0,), masking=masking)
    assert np.isfinite(every_field(tmp_path / "top", "hr")[:, 3, 3]).all()


def test_a_manifest_of_fill_values_is_json(tmp_path: Path) -> None:
    filled = ocean().fillna(1e20)
    source = saved(filled, tmp_path / "a.nc", encoding={"temp": {"_FillValue": None}})
    make([source], tmp_path / "out")
    assert "Infinity" not in (tmp_path / "out" / "manifest.json").read_text()
