"""What a guide brings where fine scales follow the bathymetry: `python -m bench guides`.

Synthetic temperature: large eddies, which LR shows, and a thermal wind over the slopes of a rough
bottom, whose strength changes from step to step with the large scale, which LR does not show. EDSR
is trained on it with and without the bathymetry as a guide, three seeds each, from the linear
filter; a network that sees the place on the map alone (PGN) stands beside them. All by srwizard's
own commands but the training loop.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

import numpy as np
import numpy.typing as npt
import torch

from bench._runs import frozen, made_ready, trained
from bench.zoo import scores_of

Floats = npt.NDArray[np.float64]

SHAPE, SCALE = (96, 96), 4
STEPS = {"train": 48, "valid": 12, "test": 24}
SEEDS = (0, 1, 2)
EPOCHS = 60
BATCH = 4


def waves(random: np.random.Generator, lowest: float, highest: float) -> Floats:
    """Return a random field [H, W] of mean 0 and spread 1 with wavenumbers in a band."""
    rows, columns = (np.fft.fftfreq(side) * side for side in SHAPE)
    size = np.hypot(rows[:, None], columns[None])
    band = (size >= lowest) & (size <= highest)
    noise = np.fft.fft2(random.standard_normal(SHAPE))
    field = np.fft.ifft2(noise * np.where(band, 1 / np.maximum(size, 1), 0)).real
    return (field - field.mean()) / field.std()  # type: ignore[no-any-return]


def write_dataset(root: Path) -> None:
    """Write the splits, and the bathymetry as a static field at HR and at LR."""
    random = np.random.default_rng(0)
    depth = 3000 + 500 * waves(random, 2, 40)
    slope = np.gradient(depth, axis=0)
    slope /= slope.std()
    for split, count in STEPS.items():
        for step in range(count):
            large = waves(random, 1, 6)
            hr = 15 + 2 * large + 0.5 * (1 + large) * slope
            for level, field in (("hr", hr), ("lr", blocks(hr))):
                place = root / split / level / "temp"
                place.mkdir(parents=True, exist_ok=True)
                np.save(place / f"{step:03d}.npy", field.astype(np.float32))
    for level, field in (("hr", depth), ("lr", blocks(depth))):
        place = root / "static_variables" / level
        place.mkdir(parents=True)
        np.save(place / "00_depth.npy", field)


def blocks(field: Floats) -> Floats:
    """Return the means of blocks of SCALE x SCALE points."""
    height, width = (side // SCALE for side in SHAPE)
    return field.reshape(height, SCALE, width, SCALE).mean(axis=(1, 3))  # type: ignore[no-any-return]


def rmse(work: Path, name: str, seed: int, data: dict[str, list[str]], normalization: str) -> float:
    """Train one network and return its RMSE on the test split."""
    run_dir = frozen(
        work / f"{name}-{seed}",
        work / "data",
        {"name": "EDSR", "size": "tiny", "skip": "linear"},
        {
            "epochs": EPOCHS,
            "batch_size": BATCH,
            "normalization": normalization,
            "seed": seed,
            "augment": False,
        },
        data,
    )
    training = made_ready(run_dir)
    trained(training, run_dir)
    return float(scores_of(training, run_dir)["temp"]["model"]["rmse"])


CASES = (
    ("no bathymetry", {}, "GN"),
    ("no bathymetry, normalized point by point", {}, "PGN"),
    ("bathymetry at LR (`static_variables`)", {"static_variables": ["depth"]}, "GN"),
    ("bathymetry at HR (`guides`)", {"guides": ["depth"]}, "GN"),
)


def main(arguments: Sequence[str] = ()) -> None:
    """Print the table."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        work = Path(arguments[0] if arguments else name).absolute()
        if not (work / "data").exists():
            write_dataset(work / "data")
        print("| EDSR sees | RMSE on the test split, mean of three seeds | each |")
        print("| --- | ---: | --- |")
        for place, (title, data, normalization) in enumerate(CASES):
            found = [rmse(work, str(place), seed, data, normalization) for seed in SEEDS]
            each = ", ".join(f"{one:.3f}" for one in found)
            print(f"| {title} | {mean(found):.3f} | {each} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
