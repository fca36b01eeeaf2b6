"""Small synthetic ocean datasets, in every layout that srwizard reads."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import h5netcdf
import h5py
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

SPLITS = ("train", "valid", "test")
WAVES = 4


def write_dataset(
    root: Path,
    *,
    layout: Literal["npy", "h5", "nc"] = "npy",
    steps: tuple[int, int, int] = (8, 3, 3),
    hr_shape: tuple[int, int] = (16, 24),
    scale: int = 2,
    variables: Sequence[str] = ("temp",),
    land: bool = True,
    seed: int = 0,
) -> Path:
    """Write a dataset of smooth fields that drift from step to step; the same for equal arguments.

    Args:
        root: the directory to make.
        layout: one `.npy` file for each step, or one HDF5 or NetCDF-4 file for each split.
        steps: how many in train, valid and test, one after the other in time.
        hr_shape: `[H, W]` of HR, multiples of `scale`.
        scale: LR is the mean over blocks of `scale` x `scale` sea points.
        variables: their names.
        land: whether a corner and an island are NaN, about a seventh of the field.
        seed: of the fields.

    Returns:
        `root`.
    """
    fields = {
        name: _series(sum(steps), hr_shape, np.random.default_rng([seed, place]))
        for place, name in enumerate(variables)
    }
    ends = np.cumsum((0, *steps))
    for split, begin, end in zip(SPLITS, ends[:-1], ends[1:], strict=True):
        levels: dict[str, dict[str, Floats]] = {"hr": {}, "lr": {}}
        for name, series in fields.items():
            hr = series[begin:end].copy()
            if land:
                hr[:, land_mask(hr_shape)] = np.nan
            levels["hr"][name] = hr
            levels["lr"][name] = block_mean(hr, scale)
        if layout == "npy":
            _write_npy(root / split, levels, int(begin))
        elif layout == "h5":
            write_h5(root / f"{split}.h5", levels)
        else:
            write_nc(root / f"{split}.nc", levels)
    _write_statics(root / "static_variables", hr_shape, scale)
    return root


def land_mask(shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Return where the land is: the upper left corner and a round island."""
    rows, columns = np.indices(shape) / np.reshape(shape, (2, 1, 1))
    corner = rows + columns < 0.4
    island = (rows - 0.65) ** 2 + (columns - 0.65) ** 2 < 0.12**2
    return np.asarray(corner | island)


def block_mean(fields: Floats, scale: int) -> Floats:
    """Return the mean `[N, h, w]` over the sea points of each block; NaN where there is none."""
    count, height, width = fields.shape
    blocks = fields.reshape(count, height // scale, scale, width // scale, scale)
    sea = np.isfinite(blocks)
    total = np.where(sea, blocks, 0).sum((2, 4))
    points = sea.sum((2, 4))
    return np.where(points > 0, total / np.maximum(points, 1), np.nan).astype(np.float32)


def _series(count: int, shape: tuple[int, int], random: np.random.Generator) -> Floats:
    """Return `[count, H, W]`: a north-south gradient around 15 with a few drifting waves on it."""
    rows, columns = np.indices(shape) / np.reshape(shape, (2, 1, 1))
    times = np.arange(count)[:, None, None]
    values = 17 - 4 * rows + np.zeros((count, 1, 1))
    for _ in range(WAVES):
        along, across = random.integers(1, 4, 2)
        phase, drift = random.uniform(0, 2 * np.pi), random.uniform(0.2, 1.0)
        place = 2 * np.pi * (along * columns + across * rows)
        values = values + np.sin(place + phase + drift * times)
    return values.astype(np.float32)


def _write_npy(split: Path, levels: dict[str, dict[str, Floats]], first: int) -> None:
    for level, fields in levels.items():
        for name, series in fields.items():
            directory = split / level / name
            directory.mkdir(parents=True)
            for index, values in enumerate(series, start=first):
                np.save(directory / f"step_{index:04d}.npy", values)


def write_h5(file: Path, levels: dict[str, dict[str, Floats]]) -> None:
    """Write one split as HDF5."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(file, "w") as opened:
        for level, fields in levels.items():
            for name, series in fields.items():
                opened.create_dataset(f"{level}/{name}", data=series)


def write_nc(file: Path, levels: dict[str, dict[str, Floats]]) -> None:
    """Write one split as NetCDF-4."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with h5netcdf.File(file, "w") as opened:
        for level, fields in levels.items():
            group = opened.create_group(level)
            group.dimensions = dict(
                zip(("time", "y", "x"), next(iter(fields.values())).shape, strict=True)
            )
            for name, series in fields.items():
                group.create_variable(
                    name, ("time", "y", "x"), data=series, fillvalue=np.float32(np.nan)
                )


def _write_statics(directory: Path, hr_shape: tuple[int, int], scale: int) -> None:
    """Write longitude and latitude, 1-D, LR standing in the middle of its blocks."""
    latitude = 50 - 0.1 * np.arange(hr_shape[0])
    longitude = -10 + 0.1 * np.arange(hr_shape[1])
    for level, size in (("hr", 1), ("lr", scale)):
        (directory / level).mkdir(parents=True)
        for name, values in (("00_lon", longitude), ("01_lat", latitude)):
            np.save(directory / level / f"{name}.npy", values.reshape(-1, size).mean(axis=1))
