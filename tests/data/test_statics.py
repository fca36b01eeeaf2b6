"""Static fields: input channels, areas of grid points, and what is said of bad ones."""

from pathlib import Path

import numpy as np
import pytest
import torch

from srwizard.base.errors import DatasetError
from srwizard.data.inspect import inspect
from srwizard.data.layout import scan
from srwizard.data.samples import Key
from srwizard.data.statics import input_channels, read_static, relative_areas
from srwizard.settings import run_config
from srwizard.train.dataset import verified
from tests.datasets import write_dataset
from tests.train.runs import epochs, freeze, set_up_only, trained

LR = (8, 12)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = write_dataset(tmp_path / "data")
    depth = np.random.default_rng(0).normal(3000, 500, LR)
    depth[0, 0] = np.nan
    np.save(root / "static_variables" / "lr" / "02_depth.npy", depth)
    return root


def test_what_can_be_an_input(root: Path) -> None:
    np.save(root / "static_variables" / "lr" / "03_wrong.npy", np.zeros((3, 3)))
    (root / "static_variables" / "lr" / "04_damaged.npy").write_bytes(b"nothing")
    assert inspect(scan(root)).static_inputs == ("lon", "lat", "depth")


def test_channels_are_standardized_and_without_gaps(root: Path) -> None:
    lon, lat, depth = input_channels(scan(root), ["lon", "lat", "depth"], LR)
    assert depth[0, 0] == 0
    for channel in (lon, lat, depth.ravel()[1:]):
        assert channel.mean() == pytest.approx(0, abs=1e-5)
        assert channel.std() == pytest.approx(1, abs=1e-5)
    assert (lon == lon[0]).all()  # one longitude in each column
    assert (lat[:, 0] == lat.T).all()


def test_latitude_lies_along_the_rows_of_a_square(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data", hr_shape=(16, 16))
    contents = scan(root)
    assert (read_static(contents, "hr", "lat", (16, 16))[0] == 50).all()
    assert (read_static(contents, "hr", "lon", (16, 16))[:, 0] == -10).all()


def test_areas_are_cosines_of_latitude(root: Path) -> None:
    latitude = 50 - 0.1 * np.arange(16)
    areas = relative_areas(scan(root), (16, 24))
    assert areas.shape == (1, 16, 24)
    np.testing.assert_allclose(areas[0, :, 5], np.cos(np.deg2rad(latitude)), rtol=1e-6)


@pytest.mark.parametrize("patch_size", [None, 8])
def test_samples_hold_them_cropped_like_the_fields(
    root: Path, tmp_path: Path, patch_size: int | None
) -> None:
    freeze(
        root,
        tmp_path / "run",
        patch_size=patch_size,
        static_variables=["lat", "depth"],
        area_weights=True,
    )
    pairs = set_up_only(tmp_path / "run").splits["train"]
    whole = torch.from_numpy(input_channels(scan(root), ["lat", "depth"], LR))
    areas = torch.from_numpy(relative_areas(scan(root), (16, 24)))
    rows, columns = pairs._window(Key(3, patch_seed=5))
    sample = pairs[Key(3, patch_seed=5)]
    assert torch.equal(sample["lr"][1:], whole[:, rows, columns])
    if patch_size is not None:
        rows, columns = (slice(2 * part.start, 2 * part.stop) for part in (rows, columns))
    assert torch.equal(sample["area"], areas[:, rows, columns])
    assert sample["area"].shape[-2:] == sample["hr"].shape[-2:]
    assert len(sample["hr"]) == 1


@pytest.mark.parametrize("patch_size", [None, 8])
def test_training_learns_from_them(root: Path, tmp_path: Path, patch_size: int | None) -> None:
    freeze(
        root,
        tmp_path / "run",
        epochs=3,
        patch_size=patch_size,
        static_variables=["depth"],
        area_weights=True,
    )
    training = trained(tmp_path / "run")
    lr = torch.zeros(1, 2, 4, 4)
    deeper = lr.clone()
    deeper[:, 1] = 1
    with torch.no_grad():
        assert not torch.equal(training.bare(lr), training.bare(deeper))
    assert len(epochs(tmp_path / "run")) == 3


def test_a_changed_static_field_is_noticed_only_if_it_is_used(root: Path, tmp_path: Path) -> None:
    freeze(root, tmp_path / "with", static_variables=["depth"])
    freeze(root, tmp_path / "without")
    np.save(root / "static_variables" / "lr" / "02_depth.npy", np.ones(LR))
    verified(run_config.load(tmp_path / "without"))
    with pytest.raises(DatasetError, match=r"data\.fingerprint\.static/lr/02_depth has changed"):
        verified(run_config.load(tmp_path / "with"))


def test_bad_ones_are_named(root: Path) -> None:
    contents = scan(root)
    with pytest.raises(DatasetError, match="no static field salt for lr; it has lon, lat, depth"):
        read_static(contents, "lr", "salt", LR)
    with pytest.raises(DatasetError, match=r"02_depth.npy: shape \[8, 12\] does not fit"):
        read_static(contents, "lr", "depth", (9, 12))
    np.save(root / "static_variables" / "hr" / "01_lat.npy", np.linspace(0, 5000, 16))
    with pytest.raises(DatasetError, match="must lie between -90 and 90"):
        relative_areas(contents, (16, 24))
