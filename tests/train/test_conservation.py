"""`model.conserve: additive`: block means of SR are LR, in training, scores and predictions."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import default_collate

from srwizard import load_run
from srwizard.data import normalization
from srwizard.data.block_means import block_shares
from srwizard.data.coordinates import Grid, block_mean, cell_weights
from srwizard.data.layout import scan
from srwizard.data.samples import FieldPairs, Key
from srwizard.data.weighting import BY_AREA
from srwizard.settings import run_config
from srwizard.train import checkpoint
from srwizard.train.conservation import blocks_for, blocks_of, conserved
from srwizard.train.final_scores import score_test
from srwizard.train.resuming import load_best
from tests.datasets import write_dataset
from tests.train.runs import freeze, set_up_only, trained

NAMES = ("salt", "temp")
EXACT = 1e-5
"""Of values about 15, in float32."""


def lr_of(root: Path) -> Any:
    fields = [scan(root).fields["test", "lr", name] for name in NAMES]
    return np.stack([[part.read(step) for part in fields] for step in range(3)])


def largest_difference(sr: Any, lr: Any, weights: Any = None) -> float:
    """Return it as anybody would measure it in the file, by the means of `srwizard prepare`."""
    scale = sr.shape[-1] // lr.shape[-1]
    flat = zip(sr.reshape(-1, *sr.shape[-2:]), lr.reshape(-1, *lr.shape[-2:]), strict=True)
    return max(
        float(np.nanmax(np.abs(block_mean(field, scale, weights) - low))) for field, low in flat
    )


def test_the_shift_by_hand_and_its_gradient() -> None:
    output = torch.tensor([[[[1.0, 3.0, 7.0, 9.0], [5.0, 100.0, 1.0, 3.0]]]], requires_grad=True)
    present = np.array([[[True, True, True, True], [True, False, True, True]]])
    share = block_shares(present, 2)
    spread = np.full((1, 2, 4), 2.0, np.float32)
    base = np.full((1, 2, 4), 10.0, np.float32)
    lr = np.array([[[20.0, np.nan]]], np.float32)
    found = conserved(output, blocks_for(lr, base, spread, share))
    # Base 10, means of the output (1 + 3 + 5) / 3 * 2 = 6: 4 are missing, 2 of the spread.
    assert found[0, 0].tolist() == [[3, 5, 7, 9], [7, 102, 1, 3]]
    found[0, 0, 0, 0].backward()
    assert output.grad is not None
    assert output.grad[0, 0, 0].tolist() == pytest.approx([2 / 3, -1 / 3, 0, 0])
    assert output.grad.isfinite().all()
    assert conserved(output, None) is output


@pytest.mark.parametrize(
    "changes",
    [
        {"skip": "auto"},
        {"skip": "climatology+linear", "use_amp": True},
        {"patch_size": 8, "skip": "auto", "augment": True},
        {"normalization": "GN"},
        {"model": "DDPM", "normalization": "GN"},
    ],
    ids=["skip", "amp", "tiles", "no-skip", "ensemble"],
)
def test_every_prediction_conserves(tmp_path: Path, changes: dict[str, Any]) -> None:
    root = write_dataset(tmp_path / "data", variables=NAMES)
    freeze(root, tmp_path / "run", conserve="additive", lr=0.01, **changes)
    training = trained(tmp_path / "run")
    run, lr = load_run(tmp_path / "run"), lr_of(root)
    members = run.sample(lr)
    for member in members.swapaxes(0, 1):
        assert largest_difference(member, lr) < EXACT
    assert largest_difference(run.predict(lr), lr) < EXACT
    assert load_best(training, tmp_path / "run") is not None
    told = score_test(training, tmp_path / "breakdown.npz", scan(root)).variables
    for name in NAMES:
        assert told[name]["consistency"]["model"]["largest"] < 3 * EXACT
        assert told[name]["consistency"]["truth"]["largest"] < 3 * EXACT


def test_the_loss_sees_it(tmp_path: Path) -> None:
    """What the network gives to all points of a block alike has no influence and no gradient."""
    root = write_dataset(tmp_path / "data", variables=NAMES)
    freeze(root, tmp_path / "run", conserve="additive", skip="auto", augment=True)
    training = set_up_only(tmp_path / "run")
    (batch,) = training.batches("train", [tuple(training_keys(2))])
    output = torch.randn_like(batch["hr"])
    moved = output + 3 / batch["spread"]
    blocks = blocks_of(batch)
    assert blocks is not None
    known = blocks.missing.isfinite().repeat_interleave(2, 2).repeat_interleave(2, 3)
    where = known & batch["mask"]
    one, other = (conserved(values, blocks)[where] for values in (output, moved))
    torch.testing.assert_close(one, other, rtol=0, atol=1e-3)
    # The truth has the means already: nothing is shifted.
    torch.testing.assert_close(
        conserved(batch["hr"], blocks)[where], batch["hr"][where], rtol=0, atol=1e-3
    )


def training_keys(count: int) -> list[Any]:
    return [Key(index, patch_seed=3) for index in range(count)]


def test_means_by_area_as_prepare_took_them(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data", variables=NAMES, land=True)
    # Farther north, and steeper: there the weights differ within a block.
    latitude = np.linspace(60, 89, 16)
    np.save(root / "static_variables" / "hr" / "01_lat.npy", latitude)
    weights = cell_weights(Grid((16, 24), latitude, None))
    (root / "manifest.json").write_text(json.dumps({"method": BY_AREA}))
    for (_split, level, _name), field in scan(root).fields.items():
        for index in range(len(field.steps)) if level == "hr" else ():
            path = Path(str(field.path(index)).replace("/hr/", "/lr/"))
            np.save(path, block_mean(field.read(index), 2, weights).astype(np.float32))
    freeze(root, tmp_path / "run", conserve="additive", skip="auto")
    assert run_config.load(tmp_path / "run").data.block_means == "area"
    trained(tmp_path / "run")
    sr, lr = load_run(tmp_path / "run").predict(lr_of(root)), lr_of(root)
    assert largest_difference(sr, lr, weights) < EXACT
    assert largest_difference(sr, lr) > 100 * EXACT


def test_a_gap_in_lr_is_left_to_the_network(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data", variables=NAMES)
    freeze(root, tmp_path / "run", conserve="additive", skip="auto")
    trained(tmp_path / "run")
    lr = lr_of(root)
    lr[:, :, 1:3, 8:10] = np.nan
    sr = load_run(tmp_path / "run").predict(lr)
    assert np.isfinite(sr[:, :, 2:6, 16:20]).all()
    assert largest_difference(sr, lr) < EXACT


def test_without_it_nothing_is_exact_and_old_checkpoints_still_fit(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data", variables=NAMES)
    freeze(root, tmp_path / "run", skip="auto")
    training = trained(tmp_path / "run")
    lr = lr_of(root)
    sr = load_run(tmp_path / "run").predict(lr)
    found = largest_difference(sr, lr)
    assert found > 100 * EXACT
    load_best(training, tmp_path / "run")
    told = score_test(training, tmp_path / "breakdown.npz", scan(root)).variables
    largest = max(told[name]["consistency"]["model"]["largest"] for name in NAMES)
    assert largest == pytest.approx(found, rel=1e-3)
    state = torch.load(tmp_path / "run" / "checkpoints" / "best.pt", weights_only=True)
    assert "conserve" not in state["identity"]["model"]


def test_turned_vectors_keep_the_means_of_their_components(tmp_path: Path) -> None:
    """Rows become columns, eastward northward: HR, which has the means, is not shifted."""
    names = ["uo", "vo"]
    root = write_dataset(tmp_path / "data", variables=names)
    contents = scan(root)
    found = normalization.statistics(contents, names, "PGN")
    pairs = FieldPairs(
        contents, "train", names, 2, found, 8,
        for_scoring=False, augment=True, vectors=[(0, 1)], handedness=1, conserve=True,
    )  # fmt: skip
    for seed in range(12):
        batch = default_collate([pairs[Key(seed % 8, patch_seed=seed)]])
        blocks = blocks_of(batch)
        assert blocks is not None
        where, hr = batch["mask"], batch["hr"]
        torch.testing.assert_close(conserved(hr, blocks)[where], hr[where], rtol=0, atol=1e-3)


def test_with_a_gain_predictions_are_still_what_is_scored(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data", variables=NAMES)
    freeze(root, tmp_path / "run", conserve="additive", skip="auto", lr=0.01)
    training = trained(tmp_path / "run")
    assert load_best(training, tmp_path / "run") is not None
    state = checkpoint.load(tmp_path / "run", "best", training.run)
    assert state is not None
    gain = {"salt": 0.25, "temp": 0.5}
    training.gain = gain
    checkpoint.save(tmp_path / "run", "best", state | {"gain": gain})
    sr, lr = load_run(tmp_path / "run").predict(lr_of(root)), lr_of(root)
    assert largest_difference(sr, lr) < EXACT
    told = score_test(training, tmp_path / "breakdown.npz", scan(root)).variables
    for channel, name in enumerate(NAMES):
        high = scan(root).fields["test", "hr", name]
        error = sr[:, channel] - np.stack([high.read(step) for step in range(3)])
        rmse = float(np.sqrt(np.nanmean(error.astype(np.float64) ** 2)))
        assert rmse == pytest.approx(told[name]["model"]["rmse"], rel=1e-5)
