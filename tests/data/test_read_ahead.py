"""What is read next is fetched meanwhile: the right bytes, and nothing fails where it cannot be."""

import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from srwizard.data.prepare import read_ahead
from srwizard.data.prepare.read_ahead import fetch_ahead, fetch_beginning
from tests.data.test_prepare import files_under, make, ocean, saved

Advised = list[tuple[int, int]]


@pytest.fixture
def advised(monkeypatch: pytest.MonkeyPatch) -> Advised:
    """Offset and length of everything that the system is told to fetch."""
    found: Advised = []
    monkeypatch.setattr(
        os, "posix_fadvise", lambda _file, start, size, _advice: found.append((start, size))
    )
    return found


@pytest.fixture
def fields() -> np.ndarray:
    return np.random.default_rng(0).random((6, 8, 12)).astype(np.float32)


@pytest.mark.parametrize("chunks", [None, (1, 8, 12), (2, 4, 12), (4, 5, 7)])
def test_the_bytes_of_the_next_steps_are_fetched(
    chunks: tuple[int, ...] | None, fields: np.ndarray, advised: Advised, tmp_path: Path
) -> None:
    path = tmp_path / "sst.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("sst", data=fields, chunks=chunks)
    with h5py.File(path) as file:
        fetch_ahead(file, "sst", [slice(3, 9), slice(None), slice(None)])
    stored = path.read_bytes()
    fetched = b"".join(stored[start : start + size] for start, size in advised)
    values = np.frombuffer(fetched, np.float32)
    assert np.isin(fields[3:], values).all()
    if chunks in (None, (1, 8, 12)):  # no chunk holds a step of before
        np.testing.assert_array_equal(values, fields[3:].ravel())


def test_no_more_than_the_page_cache_can_spare(
    fields: np.ndarray, advised: Advised, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_ahead, "MOST_BYTES", 1000)
    with h5py.File(tmp_path / "sst.h5", "w") as file:
        file.create_dataset("sst", data=fields, chunks=(1, 8, 12))
        file.flush()
        fetch_ahead(file, "sst", [slice(0, 6), slice(None), slice(None)])
    assert sum(size for _start, size in advised) == 1000


def test_what_cannot_be_fetched_is_not(fields: np.ndarray, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "memory.h5", "w", driver="core", backing_store=False) as file:
        file["sst"] = fields
        file.create_dataset("empty", (6, 8, 12), np.float32, chunks=(1, 8, 12))
        fetch_ahead(file, "sst", [slice(0, 6), 0, 0])
        fetch_ahead(file, "empty", [slice(0, 6), 0, 0])
        fetch_ahead(file, "none", [slice(0, 6), 0, 0])
        fetch_ahead(file, "sst", [slice(6, 9), slice(None), slice(None)])
    fetch_beginning(tmp_path / "none.nc")
    fetch_beginning(tmp_path)


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_dataset_is_the_same_on_a_system_without_such_advice(
    jobs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = [saved(ocean(steps=20), tmp_path / "sst.nc")]
    make(sources, tmp_path / "with", jobs=jobs)
    monkeypatch.delattr(os, "posix_fadvise")
    make(sources, tmp_path / "without", jobs=jobs)
    assert files_under(tmp_path / "with") == files_under(tmp_path / "without")
