"""Grids that go round the globe: nothing happens at the seam."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from srwizard.data.baselines.filters import bicubic_kernel, enlarge
from srwizard.data.grid import goes_round
from srwizard.data.layout import scan
from srwizard.data.normalization import statistics
from srwizard.data.samples import FieldPairs, Key, Sample
from srwizard.models import build, diffusion
from srwizard.models.padding import across, within
from srwizard.settings import run_config
from srwizard.train.inference import apply_network
from srwizard.train.objective import Objective
from srwizard.train.scoring import score, super_resolve
from srwizard.train.seam import COLUMNS
from tests.configs import made_up_config
from tests.datasets import write_dataset
from tests.small_networks import SMALL
from tests.train.runs import freeze, made_ready, trained

SHAPE = (16, 64)
MANY = 1500
"""Draws, in which every patch comes up."""


def global_dataset(root: Path, *, first: float = 0.0, lat: bool = True) -> Path:
    write_dataset(root, hr_shape=SHAPE, land=False)
    shutil.rmtree(root / "static_variables")
    statics = root / "static_variables" / "hr"
    statics.mkdir(parents=True)
    step = 360 / SHAPE[1]
    np.save(statics / "00_lon.npy", (first + step * np.arange(SHAPE[1])) % 360)
    if lat:
        np.save(statics / "01_lat.npy", np.linspace(-60, 60, SHAPE[0]))
    return root


def rolled(root: Path, target: Path, columns: int, scale: int = 2) -> Path:
    """Write the same dataset with its seam elsewhere."""
    for path in root.rglob("*.npy"):
        values = np.load(path)
        by = columns * scale if "hr" in path.parts else columns
        there = target / path.relative_to(root)
        there.parent.mkdir(parents=True, exist_ok=True)
        static = values.ndim == 1 and "lat" in path.name
        np.save(there, values if static else np.roll(values, by, axis=-1))
    return target


@pytest.mark.parametrize(
    ("lon", "expected"),
    [
        (np.arange(64) * 5.625, True),
        (np.arange(64) * 5.625 - 180, True),
        ((np.arange(64) * 5.625 + 200) % 360, True),
        (359 - np.arange(64) * 5.625, True),
        (np.linspace(100, 160, 64), False),
        (np.arange(64) * 5.0, False),
        (np.linspace(0, 360, 64), False),  # the first column is there twice
    ],
)
def test_longitudes_tell_whether_a_grid_goes_round(
    tmp_path: Path, lon: "np.ndarray[tuple[int], np.dtype[np.float64]]", expected: bool
) -> None:
    root = global_dataset(tmp_path)
    np.save(root / "static_variables" / "hr" / "00_lon.npy", lon)
    assert goes_round(scan(root), SHAPE) is expected


def test_without_coordinates_it_does_not(tmp_path: Path) -> None:
    assert not goes_round(scan(global_dataset(tmp_path, lat=False)), SHAPE)


def test_across_and_back() -> None:
    field = torch.arange(24.0).reshape(1, 1, 2, 12)
    wide = across(field, 3)
    assert wide[0, 0, 0].tolist() == [9, 10, 11, *range(12), 0, 1, 2]
    assert torch.equal(within(wide, 3), field)
    assert across(field, 0) is field


def test_filters_see_across_the_seam() -> None:
    field = np.random.default_rng(0).normal(size=(6, 20)).astype(np.float32)
    whole = enlarge(bicubic_kernel(3), field, periodic=True)
    turned = enlarge(bicubic_kernel(3), np.roll(field, 7, axis=1), periodic=True)
    np.testing.assert_allclose(turned, np.roll(whole, 21, axis=1), atol=1e-5)


@pytest.mark.parametrize("patch", [None, 16])
def test_a_network_gives_the_same_wherever_the_seam_is(patch: int | None) -> None:
    """As far as it sees no further than the field is widened: of tiles their own overlap."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(8, 4, 3, padding=1),
        torch.nn.PixelShuffle(2),
    )  # fmt: skip
    lr = torch.randn(1, 1, 16, 32)
    with torch.no_grad():
        whole, turned = (
            apply_network(network, field, scale=2, patch=patch, seam=COLUMNS)
            for field in (lr, lr.roll(5, dims=-1))
        )
        without = apply_network(network, lr, scale=2, patch=patch)
    assert torch.allclose(whole.roll(10, dims=-1), turned, atol=1e-5)
    assert not torch.allclose(whole[..., :2], without[..., :2], atol=1e-3)
    assert torch.allclose(whole[..., 8:-8], without[..., 8:-8], atol=1e-5)


class Local(torch.nn.Module):
    """A denoiser that sees its next neighbours alone."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = torch.nn.Conv2d(2, 1, 3, padding=1)

    def forward(self, shown: torch.Tensor, _told: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.convolution(shown)
        return found


@pytest.mark.parametrize("patch", [None, 16])
@pytest.mark.parametrize(
    ("model", "sampler"),
    [("DDPM", "dpm_solver"), ("DDPM", "ancestral"), ("ResShift", "ddim"),
     ("FlowMatching", "midpoint"), ("FlowMatching", "heun")],
)  # fmt: skip
def test_a_member_is_one_field_wherever_the_seam_is(
    monkeypatch: pytest.MonkeyPatch, model: str, sampler: str, patch: int | None
) -> None:
    """Its last column and its first are made of the same noise."""
    torch.manual_seed(0)
    params = SMALL[model] | {"sampler": sampler, "sampling_steps": 4}
    network = build(model, in_channels=1, out_channels=1, scale=2, params=params)
    network.denoiser = Local()
    lr, turn = torch.randn(1, 1, 16, 32), 0

    def turned_noise(shape: Any, generator: Any, _device: Any) -> torch.Tensor:
        return torch.randn(*shape, generator=generator).roll(turn, dims=-1)

    monkeypatch.setattr(diffusion, "normal_noise", turned_noise)
    found = []
    for turn in (0, 10):
        noise: Any = torch.Generator().manual_seed(1)
        field = lr.roll(turn // 2, dims=-1)
        found.append(apply_network(network, field, noise, scale=2, patch=patch, seam=COLUMNS))
    whole, turned = found
    assert whole.shape[-2:] == (32, 64)
    assert torch.allclose(whole.roll(10, dims=-1), turned, atol=1e-4)


def test_a_diffusion_model_learns_each_column_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is shown what lies across the seam as it is, and learns nothing from it."""
    told: list[torch.Tensor] = []

    def loss(_lr: Any, hr: Any, mask: Any, area: Any) -> torch.Tensor:
        told.extend((hr, mask, area))
        return torch.zeros(1)

    network = torch.nn.Module()
    monkeypatch.setattr(network, "training_loss", loss, raising=False)
    objective = Objective(network, made_up_config().training, seam=2)
    hr = torch.randn(1, 1, 8, 24)
    objective(torch.randn(1, 1, 4, 12), hr, hr > 0)
    wide, mask, area = told
    assert torch.equal(wide, across(hr, 4))
    assert torch.equal(mask, across(hr, 4) > 0)
    assert area[0, 0, 0].tolist() == 4 * [0] + 24 * [1] + 4 * [0]


@pytest.mark.parametrize("model", ["EDSR", "DDPM"])
def test_a_run_on_a_global_grid(tmp_path: Path, model: str) -> None:
    root = global_dataset(tmp_path / "data")
    params = {"num_blocks": 1} if model == "EDSR" else {}
    freeze(root, tmp_path / "run", skip="auto", model=model, params=params, periodic=True)
    assert run_config.load(tmp_path / "run").data.periodic
    training = trained(tmp_path / "run")
    if model != "EDSR":
        return
    other = rolled(root, tmp_path / "rolled", 9)
    freeze(other, tmp_path / "other", skip="auto", model=model, params=params, periodic=True)
    again = made_ready(tmp_path / "other")
    again.bare.load_state_dict(training.bare.state_dict())
    first, second = (
        super_resolve(one, next(iter(one.batches("test", [(Key(0),)])))).detach()
        for one in (training, again)
    )
    assert torch.allclose(first.roll(18, dims=-1), second, atol=1e-4)
    scores = [score(one, "valid").variables["temp"] for one in (training, again)]
    for method in ("model", "bicubic", "linear"):
        assert scores[0][method]["rmse"] == pytest.approx(scores[1][method]["rmse"], rel=1e-4)


@pytest.fixture
def coast(tmp_path: Path) -> Path:
    """A global dataset with land on both sides of the seam."""
    root = global_dataset(tmp_path / "data")
    for path in (*root.glob("*/*/*/*.npy"), *root.glob("*/*/*.npy")):
        if "static_variables" in path.parts:
            continue
        values = np.load(path)
        fine = 2 if "hr" in path.parts else 1
        values[2 * fine : 5 * fine, : 3 * fine] = np.nan
        values[3 * fine : 6 * fine, -2 * fine :] = np.nan
        np.save(path, values)
    low = (SHAPE[0] // 2, SHAPE[1] // 2)
    (root / "static_variables" / "lr").mkdir()
    mark = np.random.default_rng(0).normal(size=low)
    np.save(root / "static_variables" / "lr" / "00_mark.npy", mark)
    return root


def patches(run_dir: Path) -> dict[bytes, Sample]:
    """Return the patches of one training step, by what marks their place."""
    whole = made_ready(run_dir).splits["train"]
    found = (whole[Key(0, patch_seed=seed)] for seed in range(MANY))
    return {np.asarray(sample["lr"][-1]).tobytes(): sample for sample in found}


@pytest.mark.parametrize("skip", [None, "climatology+linear"])
def test_a_patch_across_the_seam_is_that_of_the_rolled_field(
    coast: Path, tmp_path: Path, skip: str | None
) -> None:
    """With statistics of each point, mask, static fields, blocks and the simple method."""
    runs = []
    for root, name in ((coast, "run"), (rolled(coast, tmp_path / "rolled", 13), "other")):
        freeze(
            root, tmp_path / name, skip=skip, periodic=True, patch_size=8,
            static_variables=("mark",), conserve="none" if skip is None else "additive",
        )  # fmt: skip
        runs.append(patches(tmp_path / name))
    places = SHAPE[1] // 2 * (SHAPE[0] // 2 - 3)
    assert [len(found) for found in runs] == [places, places]
    for mark, sample in runs[0].items():
        for part, values in sample.items():
            if isinstance(values, torch.Tensor):
                torch.testing.assert_close(
                    values, runs[1][mark][part], rtol=1e-4, atol=1e-4, equal_nan=True
                )


def test_runs_that_were_frozen_before_go_on_with_their_patches(coast: Path) -> None:
    contents = scan(coast)
    found = statistics(contents, ["temp"], "PGN")
    ours, before = (
        FieldPairs(contents, "train", ["temp"], 2, found, 8, periodic=periodic)
        for periodic in (True, False)
    )
    for seed in range(20):
        key = Key(seed % 8, patch_seed=seed)
        assert torch.equal(ours[key]["hr"], before[key]["hr"])
