"""Samples: normalized, filled, masked, LR and HR of the same water, the same for the same seed."""

import multiprocessing as mp
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch.utils.data import DataLoader, default_collate

from srwizard.base.errors import DatasetError
from srwizard.data.gaps import NearestFill
from srwizard.data.layout import LEVELS, scan
from srwizard.data.normalization import statistics
from srwizard.data.samples import FieldPairs, Key, Sample
from srwizard.train.loaders import as_it_is
from tests.datasets import Floats, land_mask, write_dataset
from tests.fields import contents_of

SCALE = 2
PATCH = 8


def pairs_of(
    hr: Floats, *, method: str = "PGN", scale: int = SCALE, patch_size: int | None = None
) -> FieldPairs:
    contents = contents_of({"temp": hr}, scale)
    found = statistics(contents, ["temp"], method)
    return FieldPairs(contents, "train", ["temp"], scale, found, patch_size)


def sea(steps: int = 6, shape: tuple[int, int] = (16, 24), *, seed: int = 0) -> Floats:
    """Return a series with land in it."""
    values = np.random.default_rng(seed).normal(20, 2, (steps, *shape)).astype(np.float32)
    values[:, land_mask(shape)] = np.nan
    return values


def numbered(shape: tuple[int, int], scale: int) -> Floats:
    """Return a field in which every LR point has a number of its own, all over its HR block."""
    rows, columns = np.indices((shape[0] // scale, shape[1] // scale))
    low = (100.0 * rows + columns)[None].astype(np.float32)
    return low.repeat(scale, axis=1).repeat(scale, axis=2)


def corner_of(sample: Sample) -> tuple[int, int]:
    """Return the upper left LR point of a patch of a `numbered` field."""
    number = int(sample["lr_physical"][0, 0, 0])
    return number // 100, number % 100


def assert_same(one: Sample, other: Sample) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        if isinstance(value, torch.Tensor):
            torch.testing.assert_close(
                value,
                other[name],  # type: ignore[literal-required]
                rtol=0,
                atol=0,
                equal_nan=True,  # lr_physical has gaps
            )
        else:
            assert value == other[name]  # type: ignore[literal-required]


# Whole fields


@pytest.mark.parametrize("layout", ["npy", "h5", "nc"])
@pytest.mark.parametrize("method", ["PGN", "GN"])
def test_a_sample_is_normalized_and_masked(tmp_path: Path, layout: Any, method: str) -> None:
    names = ["temp", "salt"]
    contents = scan(write_dataset(tmp_path / "ocean", layout=layout, variables=names))
    found = statistics(contents, names, method)
    sample = FieldPairs(contents, "valid", names, SCALE, found)[Key(1, weight=0.5)]
    physical = np.stack([contents.fields["valid", "hr", name].read(1) for name in names])
    mask = np.isfinite(physical)
    expected = np.where(mask, (physical - found["hr"].mean) / found["hr"].std, 0)
    np.testing.assert_array_equal(sample["mask"], mask)
    np.testing.assert_array_equal(sample["hr"], expected)
    low = np.stack([contents.fields["valid", "lr", name].read(1) for name in names])
    there = np.isfinite(low)
    normalized = (low - found["lr"].mean) / found["lr"].std
    np.testing.assert_array_equal(sample["lr"][there], normalized[there])
    np.testing.assert_array_equal(sample["lr_physical"], low)
    assert sample["lr"].shape == sample["lr_physical"].shape == low.shape
    assert {sample[name].dtype for name in ("lr", "hr", "lr_physical")} == {torch.float32}
    assert (sample["index"], sample["weight"]) == (1, 0.5)


def test_normalized_train_has_mean_zero_and_spread_one() -> None:
    pairs = pairs_of(sea(steps=12))
    samples = [pairs[Key(index)] for index in range(len(pairs))]
    values = torch.stack([sample["hr"] for sample in samples])[:, samples[0]["mask"]]
    torch.testing.assert_close(values.mean(0), torch.zeros(values.shape[1]), atol=1e-4, rtol=0)
    torch.testing.assert_close(
        values.std(0, unbiased=False), torch.ones(values.shape[1]), atol=1e-4, rtol=0
    )


def test_each_sample_has_the_mask_of_its_own_step() -> None:
    hr = sea()
    hr[1, 10:, 10:] = np.nan  # a cloud
    hr[2, :, :3] = np.nan
    pairs = pairs_of(hr)
    for index in (0, 1, 2, 1, 0):  # in whatever order
        sample = pairs[Key(index)]
        np.testing.assert_array_equal(sample["mask"][0], np.isfinite(hr[index]))
        assert (sample["hr"][~sample["mask"]] == 0).all()
        assert all(torch.isfinite(sample[name]).all() for name in ("lr", "hr", "base"))


@pytest.mark.parametrize("patch_size", [None, 8])
def test_infinite_values_that_appear_later_end_the_run_and_name_the_file(
    patch_size: int | None,
) -> None:
    hr = sea()
    hr[2] = np.inf
    pairs = pairs_of(hr, patch_size=patch_size)
    with pytest.raises(DatasetError, match="0002 holds infinite values now"):
        pairs[Key(2)]


def test_a_step_without_any_value_is_masked_throughout() -> None:
    hr = sea()
    hr[3] = np.nan
    sample = pairs_of(hr)[Key(3)]
    assert not sample["mask"].any()
    assert (sample["lr"] == 0).all()


# Gaps in LR


@given(
    values=hnp.arrays(np.float32, (5, 7), elements=st.floats(-100, 100, width=32)),
    missing=hnp.arrays(np.bool_, (5, 7)),
)
def test_a_gap_gets_the_value_of_a_nearest_point(
    values: Floats, missing: npt.NDArray[np.bool_]
) -> None:
    filled = NearestFill()(np.where(missing, np.float32(np.nan), values))
    np.testing.assert_array_equal(filled[~missing], values[~missing])
    if missing.all():
        assert (filled == 0).all()
        return
    there = np.argwhere(~missing)
    for row, column in np.argwhere(missing):
        distances = ((there - (row, column)) ** 2).sum(axis=1)
        nearest = there[distances == distances.min()]
        assert filled[row, column] in values[tuple(nearest.T)]


def test_a_fill_does_not_remember_the_gaps_of_another_field() -> None:
    random = np.random.default_rng(0)
    fill = NearestFill()
    for _ in range(5):
        values = random.normal(size=(5, 7)).astype(np.float32)
        values[random.random((5, 7)) < 0.4] = np.nan
        for field in (values, values * 2):
            np.testing.assert_array_equal(fill(field.copy()), NearestFill()(field.copy()))


def test_lr_on_land_is_the_nearest_water() -> None:
    hr = np.full((4, 8, 8), 20, np.float32)
    hr[:, :, 4:] = 30
    hr[:, :, :2] = np.nan
    sample = pairs_of(hr, method="GN")[Key(0)]
    assert torch.isnan(sample["lr_physical"][0, :, 0]).all()
    np.testing.assert_array_equal(sample["lr"][0, :, 0], sample["lr"][0, :, 1])


# Batches


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("augment", [False, True])
@pytest.mark.parametrize("patch_size", [None, PATCH])
def test_a_batch_is_its_samples_put_together(
    patch_size: int | None, augment: bool, workers: int
) -> None:
    """HR and masks are made in the batch, each in its place."""
    contents = contents_of({"temp": sea()}, SCALE)
    found = statistics(contents, ["temp"], "PGN")
    pairs = FieldPairs(
        contents, "train", ["temp"], SCALE, found, patch_size,
        augment=augment, area_weights=False, conserve=True,
    )  # fmt: skip
    keys = [tuple(Key(index, 1.0, seed) for index in (seed, 3, 0)) for seed in range(3)]
    loader = DataLoader(
        pairs,
        batch_sampler=keys,  # type: ignore[arg-type]
        num_workers=workers,
        collate_fn=as_it_is,
    )
    for batch, wanted in zip(loader, keys, strict=True):
        assert_same(batch, default_collate([pairs[key] for key in wanted]))
        assert batch["hr"].is_shared() == batch["mask"].is_shared() == bool(workers)


# Patches


@given(seed=st.integers(0, 2**63), index=st.integers(0, 2))
def test_lr_and_hr_of_a_patch_show_the_same_place(seed: int, index: int) -> None:
    field = numbered((24, 36), 3).repeat(3, axis=0)
    contents = contents_of({"temp": field}, 3)
    found = statistics(contents, ["temp"], "GN")
    sample = FieldPairs(contents, "train", ["temp"], 3, found, 12)[Key(index, 1.0, seed)]
    assert sample["hr"].shape == (1, 12, 12)
    assert sample["lr"].shape == (1, 4, 4)
    physical = sample["hr"][0] * found["hr"].std.item() + found["hr"].mean.item()
    blown_up = sample["lr_physical"][0].repeat_interleave(3, 0).repeat_interleave(3, 1)
    torch.testing.assert_close(physical, blown_up, rtol=0, atol=1e-2)


@given(seed=st.integers(0, 2**32 - 1))
def test_a_patch_is_a_crop_of_the_whole_sample(seed: int) -> None:
    """Per-point statistics, masks and values all come from where the patch was cut."""
    noise = np.random.default_rng(0).normal(20, 2, (5, 16, 24)).astype(np.float32)
    series = np.concatenate([noise, numbered((16, 24), SCALE)])
    series[:, ::4, ::6] = np.nan  # one of the four HR points of a block: LR has no gap
    whole = pairs_of(series)[Key(5)]
    patch = pairs_of(series, patch_size=PATCH)[Key(5, 1.0, seed)]
    top, left = corner_of(patch)
    side = PATCH // SCALE
    low = (slice(None), slice(top, top + side), slice(left, left + side))
    high = (slice(None), *(slice(SCALE * part.start, SCALE * part.stop) for part in low[1:]))
    for name, window in (("lr", low), ("lr_physical", low), ("hr", high), ("mask", high)):
        assert torch.equal(patch[name], whole[name][window])  # type: ignore[literal-required]
    assert not patch["mask"].all()


def test_patches_reach_every_corner_of_the_field() -> None:
    pairs = pairs_of(numbered((16, 24), SCALE), method="GN", patch_size=PATCH)
    corners = {corner_of(pairs[Key(0, 1.0, seed)]) for seed in range(600)}
    assert corners == {(row, column) for row in range(5) for column in range(9)}


@pytest.mark.parametrize("place", [(0, 0), (7, 11), (3, 11), (7, 0)])
def test_every_patch_holds_water(place: tuple[int, int]) -> None:
    """All is land but one LR point."""
    hr = np.full((4, 16, 24), np.nan, np.float32)
    row, column = (SCALE * part for part in place)
    hr[:, row : row + SCALE, column : column + SCALE] = 20
    pairs = pairs_of(hr, patch_size=PATCH)
    for seed in range(50):
        assert pairs[Key(0, 1.0, seed)]["mask"].sum() == SCALE**2


def test_a_patch_may_be_the_whole_field() -> None:
    hr = sea(shape=(16, 16))
    assert_same(pairs_of(hr, patch_size=16)[Key(0, 1.0, 7)], pairs_of(hr)[Key(0)])


def test_the_same_seed_cuts_the_same_patch_in_any_process() -> None:
    hr = sea()
    one, other = (pairs_of(hr, patch_size=PATCH) for _ in range(2))
    for seed in range(10):
        assert_same(one[Key(2, 1.0, seed)], other[Key(2, 1.0, seed)])


def test_patches_differ_by_seed_and_by_step() -> None:
    pairs = pairs_of(numbered((16, 24), SCALE).repeat(9, axis=0), method="GN", patch_size=PATCH)
    assert len({corner_of(pairs[Key(0, 1.0, seed)]) for seed in range(9)}) > 1
    assert len({corner_of(pairs[Key(index, 1.0, 0)]) for index in range(9)}) > 1


# Loader processes


@pytest.mark.parametrize("layout", ["npy", "h5"])
def test_loader_processes_read_what_this_one_reads(tmp_path: Path, layout: Any) -> None:
    contents = scan(write_dataset(tmp_path / "ocean", layout=layout))
    found = statistics(contents, ["temp"], "PGN")
    pairs = FieldPairs(contents, "train", ["temp"], SCALE, found, PATCH)
    keys = [Key(index, 1.0, index) for index in range(4)]
    here = [pairs[key] for key in keys]
    loader = DataLoader(pairs, batch_size=None, sampler=keys, num_workers=2)  # type: ignore[arg-type]
    for mine, theirs in zip(here, loader, strict=True):
        assert_same(mine, theirs)


def test_each_process_opens_a_file_once(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "ocean", layout="h5", variables=("temp", "salt"))
    contents = scan(root)
    names = ("temp", "salt")
    fields = [contents.fields["train", level, name] for level in LEVELS for name in names]

    def times_opened() -> int:
        for part in fields:
            part.read(0)
        opened = [Path(one.path) for one in psutil.Process().open_files()]
        return opened.count(root / "train.h5")

    assert times_opened() == 1
    here, there = mp.Pipe()
    loader = mp.get_context("fork").Process(target=lambda: there.send(times_opened()))
    loader.start()
    assert here.recv() == 1
    loader.join()
