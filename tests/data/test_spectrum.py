"""How far the spectrum of a dataset reaches."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from srwizard.data.layout import scan
from srwizard.data.spectrum import reaches


def dataset_of(root: Path, field: Callable[[int], "np.ndarray[tuple[int, int]]"]) -> Path:
    for split, count in {"train": 12, "valid": 2, "test": 2}.items():
        for level in ("hr", "lr"):
            (root / split / level / "temp").mkdir(parents=True)
            for step in range(count):
                np.save(root / split / level / "temp" / f"{step:02d}.npy", field(step))
    return root


@pytest.mark.parametrize("k", [3, 9])
@pytest.mark.parametrize("axis", [0, 1])
def test_one_wave_is_found_in_either_direction(tmp_path: Path, k: int, axis: int) -> None:
    place = np.mgrid[:48, :64][axis] / (48, 64)[axis]
    root = dataset_of(tmp_path, lambda step: np.sin(2 * np.pi * k * place + step) + 280)
    assert abs(reaches(scan(root), "temp")[axis] - k) <= 1


def test_what_does_not_change_in_time_counts_for_nothing(tmp_path: Path) -> None:
    y, x = np.mgrid[:32, :32] / 32
    fixed = 100 * np.sin(2 * np.pi * 12 * x)
    root = dataset_of(tmp_path, lambda step: fixed + np.sin(2 * np.pi * 2 * y + step))
    assert max(reaches(scan(root), "temp")) <= 3


def test_land_and_constant_fields(tmp_path: Path) -> None:
    field = np.full((16, 16), 4.0)
    field[:4] = np.nan
    assert reaches(scan(dataset_of(tmp_path, lambda _step: field)), "temp") == (1, 1)
