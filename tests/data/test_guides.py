"""Guide fields: static HR fields that the network sees at the resolution of its output."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from srwizard.base.errors import DatasetError
from srwizard.data.guides import as_blocks, gaps_in_guides, guide_fields
from srwizard.data.inspect import inspect
from srwizard.data.layout import scan
from srwizard.data.samples import Key
from srwizard.data.selected_fields import guides_problem
from srwizard.memory.predict import predict
from srwizard.models import build
from srwizard.models.catalog import cards
from srwizard.models.guide import WIDTH
from srwizard.settings import run_config
from srwizard.train.dataset import verified
from srwizard.train.tiling import super_resolve_tiled
from tests.datasets import write_dataset
from tests.small_networks import SMALL
from tests.train.runs import epochs, freeze, set_up_only, train_command, trained

HR, SCALE = (16, 24), 2
WATER = np.ones(HR, dtype=bool)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = write_dataset(tmp_path / "data")
    np.save(root / "static_variables" / "hr" / "02_depth.npy", depth())
    return root


def depth() -> np.ndarray:
    return np.random.default_rng(0).normal(3000, 500, HR)


def test_blocks_are_those_of_pixel_unshuffle() -> None:
    fields = torch.randn(3, 8, 12)
    blocks = torch.from_numpy(as_blocks(fields.numpy(), 4))
    assert torch.equal(blocks, torch.nn.functional.pixel_unshuffle(fields, 4))


def test_what_can_be_a_guide(root: Path) -> None:
    directory = root / "static_variables" / "hr"
    np.save(directory / "03_of_lr.npy", np.zeros((8, 12)))
    (directory / "04_damaged.npy").write_bytes(b"nothing")
    summary = inspect(scan(root))
    assert summary.guides == ("lon", "lat", "depth")
    assert guides_problem(summary, ["depth"], ["temp"]) is None
    for wrong in ("of_lr", "temp"):
        told = guides_problem(summary, [wrong], ["temp"])
        assert told is not None
        assert told.startswith(f"{wrong} cannot be a guide: ")
        assert told.endswith("here lon, lat, depth")


def test_they_are_standardized_and_zero_on_land(root: Path) -> None:
    values = depth()
    values[0, 0] = np.nan
    np.save(root / "static_variables" / "hr" / "02_depth.npy", values)
    water = WATER.copy()
    water[0, 0] = False
    (guide,) = guide_fields(scan(root), ["depth"], water)
    assert guide[0, 0] == 0
    assert guide.ravel()[1:].mean() == pytest.approx(0, abs=1e-5)
    assert guide.ravel()[1:].std() == pytest.approx(1, abs=1e-5)


def test_gaps_in_the_water_are_named(root: Path) -> None:
    values = depth()
    values[9, 20:22] = np.nan
    np.save(root / "static_variables" / "hr" / "02_depth.npy", values)
    with pytest.raises(DatasetError, match=r"02_depth.npy has no value at 2 points .* row 9, col"):
        guide_fields(scan(root), ["depth"], WATER)
    told = gaps_in_guides(scan(root), inspect_names(root), ["depth"])
    assert told is not None
    assert "2 points" in told


def inspect_names(root: Path) -> list[str]:
    return [variable.name for variable in inspect(scan(root)).variables]


@pytest.mark.parametrize(("patch_size", "periodic"), [(None, False), (8, False), (8, True)])
@pytest.mark.parametrize("augment", [False, True])
def test_samples_hold_them_cut_and_turned_like_hr(
    root: Path, tmp_path: Path, patch_size: int | None, periodic: bool, augment: bool
) -> None:
    """HR itself as a guide: whatever is done to the one is done to the other."""
    first = np.load(min((root / "train" / "hr").glob("*/*.npy")))
    np.save(root / "static_variables" / "hr" / "02_depth.npy", first)
    freeze(
        root, tmp_path / "run", patch_size=patch_size, guides=["depth"], augment=augment,
        normalization="GN",
        periodic=periodic,
    )  # fmt: skip
    pairs = set_up_only(tmp_path / "run").splits["train"]
    keys = [Key(0, patch_seed=seed) for seed in range(12)]
    ends = [pairs._window(key)[1].stop or 0 for key in keys]
    assert (max(ends) > HR[1] // SCALE) == periodic
    for key in keys:
        sample = pairs[key]
        assert sample["lr"].shape[0] == 1 + SCALE**2
        guide = torch.nn.functional.pixel_shuffle(sample["lr"][1:], SCALE)[0]
        hr, mask = sample["hr"][0], sample["mask"][0]
        # Both are the same field, normalized in one way or another.
        if mask.sum() > 2:
            together = torch.stack([guide[mask], hr[mask]])
            assert torch.corrcoef(together)[0, 1] == pytest.approx(1, abs=1e-4)
        assert (guide[~mask] == 0).all()


@pytest.mark.broad
@pytest.mark.parametrize("model", SMALL)
def test_every_model_takes_them_and_is_the_skip_untrained(model: str) -> None:
    net = build(
        model, in_channels=1, out_channels=1, scale=SCALE, guides=2, params=SMALL[model],
        starts_from_zero=True,
    )  # fmt: skip
    lr = torch.randn(2, 1 + 2 * SCALE**2, 16, 16)
    if cards()[model].family == "standard":
        assert net(lr).abs().max() == 0
        return
    hr = torch.randn(2, 1, 32, 32)
    mask = torch.ones_like(hr, dtype=torch.bool)
    torch.nn.init.normal_(net.guide.layers[-1].weight)
    net.training_loss(lr, hr, mask).sum().backward()
    assert net.guide.layers[0].weight.grad is not None
    assert net.sample(lr, 2).shape == hr.shape


def test_an_untrained_network_does_not_see_them_and_learns_to() -> None:
    net = build("EDSR", in_channels=1, out_channels=1, scale=SCALE, guides=1, params=SMALL["EDSR"])
    lr = torch.randn(1, 1 + SCALE**2, 8, 8)
    other = torch.cat([lr[:, :1], torch.randn(1, SCALE**2, 8, 8)], dim=1)
    assert torch.equal(net(lr), net(other))
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2)
    for _step in range(3):
        optimizer.zero_grad()
        net(lr).square().mean().backward()
        optimizer.step()
    assert not torch.equal(net(lr), net(other))
    assert net.net.guide.layers[-1].weight.shape == (WIDTH, WIDTH, 1, 1)


def test_tiles_see_the_guides_of_their_place() -> None:
    def shown(x: Tensor) -> Tensor:
        return torch.nn.functional.pixel_shuffle(x[:, 1:], SCALE)

    lr = torch.randn(1, 1 + SCALE**2, 40, 40)
    whole = shown(lr)
    torch.testing.assert_close(super_resolve_tiled(shown, lr, SCALE, 16), whole)


@pytest.mark.parametrize("patch_size", [None, 8])
def test_training_learns_from_them(root: Path, tmp_path: Path, patch_size: int | None) -> None:
    freeze(root, tmp_path / "run", epochs=3, patch_size=patch_size, guides=["depth"])
    training = trained(tmp_path / "run")
    lr = torch.randn(1, 1 + SCALE**2, 4, 4)
    deeper = torch.cat([lr[:, :1], lr[:, 1:] + 1], dim=1)
    with torch.no_grad():
        assert not torch.equal(training.bare(lr), training.bare(deeper))
    assert len(epochs(tmp_path / "run")) == 3


def test_a_changed_guide_is_noticed(root: Path, tmp_path: Path) -> None:
    freeze(root, tmp_path / "with", guides=["depth"])
    freeze(root, tmp_path / "without")
    np.save(root / "static_variables" / "hr" / "02_depth.npy", np.ones(HR))
    verified(run_config.load(tmp_path / "without"))
    with pytest.raises(DatasetError, match=r"data\.fingerprint\.static/hr/02_depth has changed"):
        verified(run_config.load(tmp_path / "with"))


@pytest.mark.broad
def test_memory_is_predicted_with_them(root: Path, tmp_path: Path) -> None:
    with_guides = predict(freeze(root, tmp_path / "with", guides=["depth"]))
    without = predict(freeze(root, tmp_path / "without"))
    assert with_guides.parameters > without.parameters
    assert with_guides.phases["step"].tensor_bytes > without.phases["step"].tensor_bytes


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """Sea level with temperature as what may guide it."""
    return write_dataset(tmp_path / "two", variables=("level", "temp"))


@pytest.mark.parametrize("patch_size", [None, 8])
def test_a_variable_can_be_a_guide(two: Path, tmp_path: Path, patch_size: int | None) -> None:
    assert guides_problem(inspect(scan(two)), ["temp"], ["level"]) is None
    run = freeze(two, tmp_path / "run", patch_size=patch_size, guides=["temp"], augment=True)
    assert run.data.variables == ["level"]
    mean, spread = run.data.guide_scales["temp"]
    fields = np.stack([np.load(file) for file in sorted((two / "train/hr/temp").glob("*.npy"))])
    assert mean == pytest.approx(np.nanmean(fields), rel=1e-5)
    assert spread == pytest.approx(np.nanstd(fields), rel=1e-4)
    pairs = set_up_only(tmp_path / "run").splits["train"]
    shown = [pairs[Key(step, patch_seed=1)]["lr"][1:] for step in (2, 3)]
    assert not torch.equal(*shown)
    if patch_size is None:
        guide = torch.nn.functional.pixel_shuffle(shown[0], SCALE)[0].numpy()
        expected = np.nan_to_num((fields[2] - mean) / spread)
        assert np.sort(guide.ravel()) == pytest.approx(np.sort(expected.ravel()), abs=1e-4)
    training = trained(tmp_path / "run")
    assert training.bare.training is not None


def test_a_variable_with_gaps_in_the_water_is_refused(two: Path, tmp_path: Path) -> None:
    file = sorted((two / "valid/hr/temp").glob("*.npy"))[1]
    values = np.load(file)
    row, column = (int(place[0]) for place in np.nonzero(np.isfinite(values)))
    values[row, column] = np.nan
    np.save(file, values)
    with pytest.raises(DatasetError, match=f"{file.name} has no value at a point .* row {row}"):
        freeze(two, tmp_path / "run", guides=["temp"])


def test_a_variable_that_has_changed_is_noticed(two: Path, tmp_path: Path) -> None:
    freeze(two, tmp_path / "run", guides=["temp"])
    file = min((two / "train/hr/temp").glob("*.npy"))
    np.save(file, np.load(file) + 1)
    with pytest.raises(DatasetError, match="train/hr/temp has changed"):
        verified(run_config.load(tmp_path / "run"))


@pytest.mark.slow
def test_two_processes_train_with_them(two: Path, tmp_path: Path) -> None:
    np.save(two / "static_variables" / "hr" / "02_depth.npy", depth())
    freeze(
        two, tmp_path / "run", guides=["depth", "temp"], processes=2, patch_size=8, epochs=2,
        use_amp=True, gradient_checkpointing=True, skip="linear", augment=True,
    )  # fmt: skip
    subprocess.run(train_command(tmp_path / "run"), check=True, capture_output=True)
    assert len(epochs(tmp_path / "run")) == 2
