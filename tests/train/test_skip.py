"""A network gives what a simple method misses: untrained it is that method, everywhere."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from srwizard import load_run
from srwizard.data.layout import scan
from srwizard.data.samples import Key
from srwizard.runs.records import METRICS_FILE, read_events
from srwizard.train.resuming import load_best
from srwizard.train.scoring import by_simple_method, score, super_resolve, to_physical
from tests.data.test_baselines import drifting, pairs
from tests.datasets import write_dataset
from tests.train.runs import freeze, made_ready, trained

METHODS = ["bicubic", "climatology", "linear", "climatology+linear", "auto"]


def untrained(root: Path, run_dir: Path, **changes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the test scores of an untrained network and those of the method it starts from."""
    run = freeze(root, run_dir, epochs=1, **changes)
    found = score(made_ready(run_dir), "test").variables
    assert run.model.skip is not None
    names = {name: skip.choice.name for name, skip in run.model.skip.items()}
    return (
        {name: scores["model"] for name, scores in found.items()},
        {name: found[name][names[name]] for name in found},
    )


@pytest.mark.parametrize("skip", METHODS)
@pytest.mark.parametrize("normalization", ["PGN", "GN"])
def test_an_untrained_network_is_the_method(tmp_path: Path, skip: str, normalization: str) -> None:
    root = write_dataset(tmp_path / "data", variables=["salt", "temp"])
    ours, theirs = untrained(root, tmp_path / "run", skip=skip, normalization=normalization)
    for name, scores in ours.items():
        assert scores == pytest.approx(theirs[name], rel=1e-6), name


@pytest.mark.parametrize(
    "changes",
    [
        {"patch_size": 8},
        {"use_amp": True},
        {"static_variables": ["lat", "lon"]},
        {"model": "SwinIR"},
        {"model": "FNO2d"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_so_it_is_by_tiles_with_statics_in_16_bits(tmp_path: Path, changes: Any) -> None:
    root = write_dataset(tmp_path / "data")
    ours, theirs = untrained(root, tmp_path / "run", skip="auto", **changes)
    assert ours["temp"] == pytest.approx(theirs["temp"], rel=1e-6)


def test_a_patch_has_the_target_of_the_whole_field(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data")
    for name, patch in (("whole", None), ("patches", 8)):
        freeze(root, tmp_path / name, skip="climatology+linear", patch_size=patch)
    whole = made_ready(tmp_path / "whole").splits["train"][Key(2)]
    pairs = made_ready(tmp_path / "patches").splits["train"]
    for seed in range(5):
        patch = pairs[Key(2, 1.0, seed)]
        found = [
            (row, column)
            for row in range(0, 9, 2)
            for column in range(0, 17, 2)
            if torch.equal(patch["mask"], whole["mask"][:, row : row + 8, column : column + 8])
            and torch.allclose(
                patch["hr"], whole["hr"][:, row : row + 8, column : column + 8], atol=1e-4
            )
        ]
        assert found


def test_a_prediction_is_what_scoring_scores(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data")
    freeze(root, tmp_path / "run", skip="auto", epochs=3, lr=0.003)
    training = trained(tmp_path / "run")
    load_best(training, tmp_path / "run")
    (batch,) = training.batches("test", [(Key(1),)])
    training.bare.eval()
    with torch.no_grad():
        expected = to_physical(training, super_resolve(training, batch), batch["base"])[0]
    lr = scan(root).fields["test", "lr", "temp"].read(1)[None]
    found = load_run(tmp_path / "run").predict(lr)
    sea = np.isfinite(found)
    assert sea.any()
    np.testing.assert_allclose(found[sea], expected.numpy()[sea], rtol=0, atol=2e-5)


def test_what_training_begins_from_is_a_candidate(tmp_path: Path) -> None:
    """A learning rate that spoils the weights at once: the best one is the method itself."""
    root = write_dataset(tmp_path / "data")
    freeze(root, tmp_path / "run", skip="auto", epochs=2, lr=1.0)
    training = trained(tmp_path / "run")
    assert training.progress.best_epoch == 0
    load_best(training, tmp_path / "run")
    found = score(training, "valid").variables["temp"]
    assert found["model"] == pytest.approx(found[found["best"]], rel=1e-6)
    (start,) = [
        event for event in read_events(tmp_path / "run" / METRICS_FILE) if event["event"] == "start"
    ]
    assert start["valid"]["variables"]["temp"]["skill"] == pytest.approx(0, abs=1e-6)


@pytest.mark.broad
def test_on_a_record_that_drifts_nothing_is_worse_than_bicubic(tmp_path: Path) -> None:
    steps = {"train": 56, "valid": 12, "test": 12}
    root = pairs(tmp_path / "data", drifting(), 4, steps)
    freeze(root, tmp_path / "run", skip="auto", epochs=3, batch_size=8, augment=True)
    training = trained(tmp_path / "run")
    load_best(training, tmp_path / "run")
    found = score(training, "test").variables["temp"]
    assert found["model"]["rmse"] <= 1.01 * found[found["best"]]["rmse"]
    assert found["model"]["rmse"] <= found["bicubic"]["rmse"]


def test_mirrored_samples_are_mirrored_as_a_whole(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data", variables=["u", "v"])
    run = freeze(root, tmp_path / "plain", skip="linear")
    freeze(root, tmp_path / "mirrored", skip="linear", augment=True)
    assert run.training.augment is None
    plain = made_ready(tmp_path / "plain").splits["train"][Key(0)]
    pairs = made_ready(tmp_path / "mirrored").splits["train"]
    turns = set()
    for seed in range(30):
        sample = pairs[Key(0, 1.0, seed)]
        for rows in (False, True):
            for columns in (False, True):
                axes = [axis for axis, turned in ((1, rows), (2, columns)) if turned]
                if all(
                    torch.equal(sample[name], plain[name].flip(axes))  # type: ignore[literal-required]
                    for name in ("lr", "hr", "mask")
                ):
                    turns.add((rows, columns))
    assert len(turns) == 4


@pytest.mark.slow
@pytest.mark.parametrize("model", ["DDPM", "ResShift"])
def test_diffusion_models_what_the_skip_misses(tmp_path: Path, model: str) -> None:
    root = write_dataset(tmp_path / "data")
    freeze(root, tmp_path / "run", model=model, skip="climatology+linear", epochs=1)
    training = trained(tmp_path / "run")
    assert training.bare.skip_outside
    (batch,) = training.batches("test", [(Key(0),)])
    base = by_simple_method(training, "climatology+linear", batch["lr_physical"])
    torch.testing.assert_close(batch["base"], base, rtol=0, atol=1e-5)
    assert np.isfinite(score(training, "test").variables["temp"]["model"]["rmse"])


def test_the_run_config_says_how_the_method_was_found(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data")
    run = freeze(root, tmp_path / "run", skip="auto")
    assert run.model.skip is not None
    found = run.model.skip["temp"]
    known = {name: value for name, value in found.valid_rmse.items() if value is not None}
    assert known[found.choice.name] == min(known.values())
    assert json.loads(json.dumps(found.model_dump())) == found.model_dump()
