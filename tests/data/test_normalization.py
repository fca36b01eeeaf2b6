"""Normalization: numpy's own mean and spread over what was observed in train, and nothing else."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5netcdf
import h5py
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from srwizard.data import normalization
from srwizard.data.layout import scan
from srwizard.data.normalization import (
    NAMES,
    RARE_STEPS,
    SMALLEST_SPREAD,
    Statistics,
    statistics,
)
from srwizard.data.normalization_methods import NORMALIZATIONS
from tests.datasets import write_dataset
from tests.fields import contents_of

SHAPE = (4, 6)
METHODS = tuple(entry.name for entry in NORMALIZATIONS)
every_method = pytest.mark.parametrize("method", METHODS)

observations = hnp.arrays(
    np.float32, (6, *SHAPE), elements=st.floats(-100, 100, width=32, allow_subnormal=False)
)
gaps = hnp.arrays(np.bool_, (6, *SHAPE))
no_values = st.sampled_from([np.nan, np.inf, -np.inf])


def of(hr: npt.NDArray[np.float32], method: str = "PGN", **options: Any) -> dict[str, Statistics]:
    return statistics(contents_of({"temp": hr}), ["temp"], method, **options)


def stack(root: Path, split: str, level: str, variable: str) -> npt.NDArray[np.float64]:
    files = sorted((root / split / level / variable).iterdir())
    return np.stack([np.load(file) for file in files]).astype(np.float64)


def assert_same(one: Mapping[str, Statistics], other: Mapping[str, Statistics]) -> None:
    for level, found in one.items():
        for name in NAMES:
            np.testing.assert_array_equal(getattr(found, name), getattr(other[level], name))


# Against numpy


@pytest.mark.parametrize("layout", ["npy", "h5", "nc"])
def test_pgn_is_the_mean_and_spread_of_each_point(tmp_path: Path, layout: Any) -> None:
    names = ["temp", "salt"]
    plain = write_dataset(tmp_path / "plain", variables=names)
    root = write_dataset(tmp_path / "ocean", layout=layout, variables=names)
    found = statistics(scan(root), names, "PGN")
    for level in ("hr", "lr"):
        for channel, name in enumerate(names):
            values = stack(plain, "train", level, name)
            sea = np.isfinite(values[0])
            for computed, expected in (
                (found[level].mean[channel], values.mean(axis=0)),
                (found[level].std[channel], values.std(axis=0)),
            ):
                np.testing.assert_allclose(computed[sea], expected[sea], rtol=1e-6)
            np.testing.assert_array_equal(found[level].observed[channel], sea)
            assert found[level].minimum[channel] == np.nanmin(values)
            assert found[level].maximum[channel] == np.nanmax(values)


def test_gn_is_the_mean_and_spread_of_each_variable(tmp_path: Path) -> None:
    names = ["temp", "salt"]
    root = write_dataset(tmp_path / "ocean", variables=names)
    found = statistics(scan(root), names, "GN")
    for level in ("hr", "lr"):
        values = np.stack([stack(root, "train", level, name) for name in names])
        assert found[level].mean.shape == found[level].std.shape == (2, 1, 1)
        np.testing.assert_allclose(
            found[level].mean.ravel(), np.nanmean(values, axis=(1, 2, 3)), rtol=1e-6
        )
        np.testing.assert_allclose(
            found[level].std.ravel(), np.nanstd(values, axis=(1, 2, 3)), rtol=1e-6
        )


@every_method
def test_a_small_spread_on_a_large_mean_is_not_lost(method: str) -> None:
    """The textbook sum of squares in float32 gives rubbish here, and even zero."""
    random = np.random.default_rng(0)
    hr = (1e5 + random.normal(0, 1, (50, *SHAPE))).astype(np.float32)
    wide = hr.astype(np.float64)
    expected = wide.std(axis=0) if method == "PGN" else wide.std()
    np.testing.assert_allclose(of(hr, method)["hr"].std[0], expected, rtol=1e-5)


# Gaps


@every_method
@given(values=observations, missing=gaps, one=no_values, other=no_values)
def test_what_stands_in_a_gap_changes_nothing(
    method: str, values: Any, missing: Any, one: float, other: float
) -> None:
    first, second = (
        of(np.where(missing, np.float32(mark), values), method) for mark in (one, other)
    )
    assert_same(first, second)


@given(values=observations, missing=gaps)
def test_gaps_are_left_out_and_never_counted_as_zero(values: Any, missing: Any) -> None:
    masked = np.ma.masked_array(values.astype(np.float64), missing)
    hr = np.where(missing, np.float32(np.nan), values)
    per_point, overall = of(hr)["hr"], of(hr, "GN")["hr"]
    seen = ~missing.all(axis=0)
    np.testing.assert_array_equal(per_point.observed[0], seen)
    np.testing.assert_allclose(
        per_point.mean[0][seen], masked.mean(axis=0).data[seen], rtol=1e-5, atol=1e-4
    )
    often = (~missing).sum(axis=0) >= RARE_STEPS
    expected = np.maximum(masked.std(axis=0).data, SMALLEST_SPREAD * float(overall.std.squeeze()))
    np.testing.assert_allclose(per_point.std[0][often], expected[often], rtol=1e-3, atol=1e-4)
    if seen.any():
        assert overall.mean.item() == pytest.approx(masked.mean(), rel=1e-5, abs=1e-4)
        assert per_point.minimum.item() == masked.min()
        assert per_point.maximum.item() == masked.max()


@given(values=observations, missing=gaps)
def test_every_point_can_be_normalized(values: Any, missing: Any) -> None:
    for method in METHODS:
        found = of(np.where(missing, np.float32(np.nan), values), method)
        for level in ("hr", "lr"):
            assert np.isfinite(found[level].mean).all()
            assert np.isfinite(found[level].std).all()
            assert (found[level].std > 0).all()


@pytest.mark.parametrize("value", [3.8047893e-38, 1013.25, -0.1, 0.0])
def test_a_field_without_spread_is_not_divided_by_what_rounding_has_left(value: float) -> None:
    hr = np.full((6, *SHAPE), value, np.float32)
    hr[0, 0, 0] = np.nan
    for method in METHODS:
        for found in of(hr, method).values():
            assert (found.std > 0.9 * SMALLEST_SPREAD).all()


def test_land_and_rarely_seen_points_get_the_spread_of_the_others() -> None:
    hr = np.random.default_rng(0).normal(20, 2, (6, *SHAPE)).astype(np.float32)
    hr[:, 0, 0] = np.nan
    hr[: 6 - RARE_STEPS + 1, 0, 1] = np.nan
    hr[: 6 - RARE_STEPS, 0, 2] = np.nan
    found = of(hr)["hr"]
    rest = np.ones(SHAPE, bool)
    rest[0, :2] = False
    typical = np.median(np.nanstd(hr[:, rest].astype(np.float64), axis=0))
    assert found.std[0, 0, 0] == pytest.approx(typical)
    assert found.std[0, 0, 1] == pytest.approx(typical)
    assert found.std[0, 0, 2] == pytest.approx(np.nanstd(hr[:, 0, 2].astype(np.float64)))
    assert found.mean[0, 0, 0] == pytest.approx(np.nanmean(hr.astype(np.float64)), rel=1e-5)
    assert found.mean[0, 0, 1] == pytest.approx(np.nanmean(hr[:, 0, 1]), rel=1e-6)


def test_a_point_that_never_changes_is_not_blown_up() -> None:
    hr = np.random.default_rng(0).normal(20, 2, (6, *SHAPE)).astype(np.float32)
    hr[:, 1, 1] = 20
    found = of(hr)["hr"]
    assert found.std[0, 1, 1] == pytest.approx(SMALLEST_SPREAD * hr.std(), rel=1e-3)


@every_method
@given(
    value=st.floats(-1e6, 1e6, width=32),
    shape=st.tuples(*[st.integers(1, 9)] * 3),
)
def test_a_constant_field_is_divided_by_no_rounding_error(
    method: str, value: float, shape: tuple[int, int, int]
) -> None:
    hr = np.full(shape, value, np.float32)
    found = statistics(contents_of({"temp": hr}, scale=1), ["temp"], method)["hr"]
    assert (found.mean == np.float32(value)).all()
    assert ((hr[0] - found.mean) / found.std == 0).all()
    # A last digit that differs in another split must not become a huge number.
    next_value = np.nextafter(np.float32(value), np.float32(np.inf))
    assert np.abs((next_value - found.mean) / found.std).max() < 1 / SMALLEST_SPREAD


# Packed files


@pytest.mark.parametrize("fill", [-32768, 0, 7])
def test_packed_netcdf_is_unpacked(tmp_path: Path, fill: int) -> None:
    plain = write_dataset(tmp_path / "plain")
    root = write_dataset(tmp_path / "packed", layout="nc")
    scale, offset = np.float32(0.001), np.float32(15)
    (root / "train.nc").unlink()
    unpacked: dict[str, npt.NDArray[np.float64]] = {}
    with h5netcdf.File(root / "train.nc", "w") as opened:
        for level in ("hr", "lr"):
            values = stack(plain, "train", level, "temp")
            sea = np.isfinite(values)
            packed = np.where(sea, np.round((np.nan_to_num(values) - offset) / scale), 0)
            packed[sea & (packed == fill)] += 1
            unpacked[level] = np.where(sea, packed * scale + offset, np.nan)
            packed[~sea] = fill
            group = opened.create_group(level)
            group.dimensions = dict(zip(("time", "y", "x"), values.shape, strict=True))
            variable = group.create_variable(
                "temp", ("time", "y", "x"), "i2", data=packed.astype("i2"), fillvalue=np.int16(fill)
            )
            variable.attrs["scale_factor"] = scale
            variable.attrs["add_offset"] = offset
    found = statistics(scan(root), ["temp"], "PGN")
    for level, values in unpacked.items():
        sea = np.isfinite(values[0])
        np.testing.assert_array_equal(found[level].observed[0], sea)
        np.testing.assert_allclose(found[level].mean[0][sea], values.mean(0)[sea], rtol=1e-5)
        np.testing.assert_allclose(found[level].std[0][sea], values.std(0)[sea], rtol=1e-4)


@pytest.mark.parametrize("attribute", ["_FillValue", "missing_value"])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("fill", [1e20, -999.9, 9.96921e36])
def test_a_fill_value_is_no_value_in_whatever_precision_it_is_stored(
    tmp_path: Path, attribute: str, kind: Any, fill: float
) -> None:
    plain = write_dataset(tmp_path / "plain", layout="h5")
    marked = Path(shutil.copytree(plain, tmp_path / "marked"))
    with h5py.File(marked / "train.h5", "a") as opened:
        for level in ("hr", "lr"):
            dataset = opened[level]["temp"]
            dataset[...] = np.nan_to_num(dataset[...], nan=fill)
            dataset.attrs[attribute] = kind(fill)
    assert_same(statistics(scan(plain), ["temp"], "PGN"), statistics(scan(marked), ["temp"], "PGN"))


# From train and nothing else


@every_method
def test_only_train_counts(tmp_path: Path, method: str) -> None:
    root = write_dataset(tmp_path / "ocean")
    before = statistics(scan(root), ["temp"], method)
    for split in ("valid", "test"):
        for file in root.glob(f"{split}/*/temp/*.npy"):
            np.save(file, np.load(file) * 100)
    assert_same(statistics(scan(root), ["temp"], method), before)
    file = min((root / "train/hr/temp").iterdir())
    np.save(file, np.load(file) * 100)
    after = statistics(scan(root), ["temp"], method)
    assert (after["hr"].mean != before["hr"].mean).any()


def test_channels_come_in_the_order_asked_for(tmp_path: Path) -> None:
    contents = scan(write_dataset(tmp_path / "ocean", variables=("temp", "salt")))
    forth = statistics(contents, ["temp", "salt"], "PGN")["hr"]
    back = statistics(contents, ["salt", "temp"], "PGN")["hr"]
    np.testing.assert_array_equal(forth.mean[::-1], back.mean)
    assert (forth.mean != back.mean).any()


@pytest.mark.parametrize("steps", [1, 3])
def test_a_rehearsal_reads_only_some_steps(steps: int) -> None:
    hr = np.random.default_rng(0).normal(20, 2, (10, *SHAPE)).astype(np.float32)
    contents = contents_of({"temp": hr})
    seen: list[tuple[int, int]] = []
    found = statistics(contents, ["temp"], "GN", steps=steps, progress=lambda *at: seen.append(at))
    assert seen == [(done, 2 * steps) for done in range(1, 2 * steps + 1)]
    used = hr[[0]] if steps == 1 else hr[[0, 4, 9]]
    assert found["hr"].mean.item() == pytest.approx(used.mean(), rel=1e-5)


# On disk


def test_statistics_are_kept_for_their_key_alone(tmp_path: Path) -> None:
    hr = np.random.default_rng(0).normal(20, 2, (5, *SHAPE)).astype(np.float32)
    found = of(hr)
    path = tmp_path / "statistics.npz"
    normalization.save(path, found, "this dataset")
    stored = normalization.load(path, "this dataset")
    assert stored is not None
    assert_same(found, stored)
    assert normalization.load(path, "another dataset") is None
    assert normalization.load(tmp_path / "none.npz", "this dataset") is None


@pytest.mark.parametrize("size", [0, 3, 200, -1])
def test_damaged_statistics_are_no_statistics(tmp_path: Path, size: int) -> None:
    path = tmp_path / "statistics.npz"
    normalization.save(path, of(np.ones((5, *SHAPE), np.float32)), "key")
    path.write_bytes(path.read_bytes()[:size])
    assert normalization.load(path, "key") is None


def test_a_crop_of_the_statistics_is_that_of_the_window() -> None:
    hr = np.random.default_rng(0).normal(20, 2, (5, *SHAPE)).astype(np.float32)
    rows, columns = slice(1, 3), slice(2, 6)
    per_point, overall = of(hr)["hr"], of(hr, "GN")["hr"]
    mean, std = per_point.crop(rows, columns)
    np.testing.assert_array_equal(mean, per_point.mean[:, rows, columns])
    np.testing.assert_array_equal(std, per_point.std[:, rows, columns])
    assert [part.shape for part in overall.crop(rows, columns)] == [(1, 1, 1), (1, 1, 1)]
