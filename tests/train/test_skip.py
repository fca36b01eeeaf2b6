"""A network gives what a simple method misses: untrained it is that method, everywhere."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from srwizard import load_run
from srwizard.data import normalization as data_normalization
from srwizard.data.augment import drawn, turned
from srwizard.data.baselines import fit, known
from srwizard.data.dataset import Dataset
from srwizard.data.layout import scan
from srwizard.data.samples import Key
from srwizard.runs.outcome import warnings
from srwizard.runs.records import METRICS_FILE, read_events
from srwizard.settings import run_config
from srwizard.train.dataset import verified
from srwizard.train.loop import Callbacks
from srwizard.train.resuming import load_best
from srwizard.train.scoring import by_simple_method, score, super_resolve, to_physical
from srwizard.train.setup import load_statistics
from srwizard.wizard.skip import keep_learnt
from tests.data.test_baselines import drifting, pairs
from tests.datasets import write_dataset
from tests.train.runs import freeze, made_ready, same_weights, trained, weights

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


def on_the_equator(root: Path) -> Path:
    """Write u and v on a grid as fine from north to south as from west to east."""
    write_dataset(root, variables=["u", "v"], hr_shape=(16, 16))
    lon, lat = (0.1 * np.arange(16) for _ in range(2))
    for name, values in (("00_lon", lon), ("01_lat", np.repeat(lat[:, None], 16, 1))):
        np.save(root / "static_variables" / "hr" / f"{name}.npy", values)
    return root


@pytest.mark.parametrize("patch", [None, 8])
@pytest.mark.broad
def test_where_the_grid_allows_it_samples_are_turned_too(tmp_path: Path, patch: int | None) -> None:
    root = on_the_equator(tmp_path / "data")
    for name, augment in (("plain", False), ("turned", True)):
        freeze(
            root, tmp_path / name, skip="linear", augment=augment, patch_size=patch,
            static_variables=["lat", "lon"], vectors=[["u", "v"]],
        )  # fmt: skip
    assert run_config.load(tmp_path / "plain").data.handedness == 0
    assert run_config.load(tmp_path / "turned").data.handedness == 1
    plain = made_ready(tmp_path / "plain").splits["train"]
    pairs = made_ready(tmp_path / "turned").splits["train"]
    exchanged = 0
    for seed in range(12):
        key = Key(0, 1.0, seed)
        symmetry = drawn(seed, 0, turns=True)
        exchanged += symmetry.exchanged
        for name in ("lr", "hr", "mask"):
            vectors = [] if name == "mask" else [(0, 1)]
            expected = turned(plain[key][name].numpy(), symmetry, vectors)  # type: ignore[literal-required]
            assert np.array_equal(pairs[key][name].numpy(), expected)  # type: ignore[literal-required]
    assert 0 < exchanged < 12


@pytest.mark.broad
def test_a_training_with_turned_samples_goes_on_bit_for_bit(tmp_path: Path) -> None:
    root = on_the_equator(tmp_path / "data")
    for name in ("whole", "parts"):
        freeze(root, tmp_path / name, skip="linear", augment=True, epochs=3)
    trained(tmp_path / "whole")
    steps = iter(range(6))
    trained(tmp_path / "parts", Callbacks(stop_requested=lambda: next(steps, 0) == 5))
    trained(tmp_path / "parts")
    assert same_weights(weights(tmp_path / "whole"), weights(tmp_path / "parts"))


def test_an_oblong_field_is_mirrored_only(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data", hr_shape=(16, 24))
    step = 0.1 * np.arange(24)
    np.save(root / "static_variables" / "hr" / "00_lon.npy", step)
    np.save(root / "static_variables" / "hr" / "01_lat.npy", step[:16])
    freeze(root, tmp_path / "run", skip="linear", augment=True)
    assert run_config.load(tmp_path / "run").data.handedness == 1
    sample = made_ready(tmp_path / "run").splits["train"][Key(0, 1.0, 1)]
    assert sample["hr"].shape == (1, 16, 24)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["DDPM", "ResShift", "ReMD", "FlowMatching"])
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


def test_the_end_of_a_run_says_why_it_is_no_better(tmp_path: Path) -> None:
    """From what freezing found of the record: no field is read again."""
    steps = {"train": 56, "valid": 12, "test": 12}
    root = pairs(tmp_path / "data", drifting(), 4, steps)
    run = freeze(root, tmp_path / "run", skip="auto")
    beaten = {"model": {"rmse": 0.2}, "linear": {"rmse": 0.1}, "best": "linear"}
    (said,) = warnings({"temp": beaten}, tmp_path / "run", run.model_dump(mode="json"), {})
    assert "not better than the best simple method, linear filter (RMSE 0.2 against 0.1)" in said
    assert "reaches levels that training has not seen" in said
    assert not list(
        warnings(
            {"temp": beaten | {"model": {"rmse": 0.09}}}, tmp_path / "run", run.model_dump(), {}
        )
    )


def test_a_run_config_without_evidence_is_read(tmp_path: Path) -> None:
    run = freeze(write_dataset(tmp_path / "data"), tmp_path / "run", skip="auto")
    values = run.model_dump()
    assert values["model"]["skip"]["temp"].pop("evidence")["learning_curve"]
    values["data"].pop("handedness")
    older = run_config.RunConfig.model_validate(values)
    assert older.model.skip is not None
    assert older.model.skip["temp"].evidence is None
    assert older.data.handedness == 0


@pytest.mark.parametrize("normalization", ["PGN", "GN"])
def test_training_reads_no_statistics_where_the_wizard_has_left_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, normalization: str
) -> None:
    root = write_dataset(tmp_path / "data", variables=["salt", "temp"])
    run = freeze(root, tmp_path / "run", skip="auto", normalization=normalization)
    contents = verified(run).contents
    expected = load_statistics(run, tmp_path, contents)
    keep_learnt(run, Dataset(root), tmp_path / "run")

    def refuse(*_arguments: object, **_options: object) -> None:
        raise AssertionError("the training split was read again")

    monkeypatch.setattr(data_normalization, "statistics", refuse)
    found = load_statistics(run, tmp_path / "run", contents)
    for level, there in expected.items():
        for name, array in vars(there).items():
            np.testing.assert_array_equal(getattr(found[level], name), array)


def test_of_a_record_of_which_the_fit_reads_only_some_steps_training_reads_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known.forget()
    monkeypatch.setattr(fit, "MOST_STEPS", 5)
    root = write_dataset(tmp_path / "data")
    run = freeze(root, tmp_path / "run", skip="auto")
    keep_learnt(run, Dataset(root), tmp_path / "run")
    assert not (tmp_path / "run" / data_normalization.FILE_NAME).exists()
    contents = verified(run).contents
    found = load_statistics(run, tmp_path / "run", contents)
    every = data_normalization.statistics(contents, ["temp"], "PGN")
    np.testing.assert_array_equal(found["hr"].mean, every["hr"].mean)
    known.forget()
