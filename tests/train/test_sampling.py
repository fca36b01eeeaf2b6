"""Diffusion models through the training core: trained, resumed, scored, in several processes."""

import math
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from srwizard.base.errors import EXIT_INTERRUPTED
from srwizard.data.samples import Key
from srwizard.report.page import write_report
from srwizard.runs.last_phase import last_seen
from srwizard.runs.records import METRICS_FILE, read_events
from srwizard.settings.run_config import load
from srwizard.train.ensembles import ensemble_sums
from srwizard.train.launch import launch
from srwizard.train.resuming import load_best
from srwizard.train.sampling import members_of, noise_of
from srwizard.train.scoring import Score, score, super_resolve
from tests.datasets import write_dataset
from tests.train.runs import (
    PATIENCE_SECONDS,
    epochs,
    freeze,
    made_ready,
    output,
    running,
    same_weights,
    set_up_only,
    train_command,
    trained,
    wait_for_epoch,
    weights,
)
from tests.train.test_loop import stop_after

NAMES = ("DDPM", "SR3", "ResShift", "ReMD", "FlowMatching")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data"), steps=(7, 3, 3))


@pytest.mark.parametrize("name", NAMES)
def test_trained_in_parts_is_trained_in_one(root: Path, tmp_path: Path, name: str) -> None:
    settings: dict[str, Any] = {
        "model": name,
        "params": {"dropout": 0.1},
        "ema_decay": 0.9,
        "batch_size": 3,
    }
    for run in ("whole", "parts"):
        freeze(root, tmp_path / run, **settings)
    trained(tmp_path / "whole")
    trained(tmp_path / "parts", stop_after(2))
    trained(tmp_path / "parts")
    assert same_weights(weights(tmp_path / "whole"), weights(tmp_path / "parts"))
    found = [epochs(tmp_path / run)[-1]["valid"] for run in ("whole", "parts")]
    assert found[0] == found[1]
    # What it measured of the data before the first step comes back with the weights.
    assert 0 < float(weights(tmp_path / "parts")["residual_std"]) < 0.9


def wait_for_phase(run_dir: Path, phase: str, process: "subprocess.Popen[str]") -> None:
    """Wait until the first rank is at something."""
    until = time.monotonic() + PATIENCE_SECONDS
    while last_seen(run_dir, 0).get("phase") != phase:
        assert process.poll() is None and time.monotonic() < until, output(run_dir)
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["validation", "test"])
def test_a_stop_while_a_split_is_scored(root: Path, tmp_path: Path, phase: str) -> None:
    """A field takes seconds; the second rank has one less of the three."""
    run_dir = tmp_path / "run"
    drawing: dict[str, Any] = {"sampler": "ancestral", "sampling_steps": 200}
    if phase == "test":
        drawing = {"ensemble_members": 100}
    freeze(root, run_dir, model="DDPM", params=drawing, epochs=1, processes=2, batch_size=1)
    with running(train_command(run_dir), run_dir) as command:
        wait_for_phase(run_dir, phase, command)
        command.send_signal(signal.SIGINT)
        assert command.wait(60) == EXIT_INTERRUPTED, output(run_dir)
    words = {
        "validation": "training was stopped; the checkpoint is saved",
        "test": "training is complete and saved; the test split has not been scored yet",
    }
    assert words[phase] in " ".join(output(run_dir).split())
    assert not (run_dir / "failure.json").exists()
    state = torch.load(run_dir / "checkpoints" / "last.pt", weights_only=True)
    done = (1, 7) if phase == "validation" else (2, 0)
    assert (state["progress"]["epoch"], state["progress"]["samples_in_epoch"]) == done
    freeze(root, run_dir, model="DDPM", epochs=1, processes=2, batch_size=1)
    with running(train_command(run_dir), run_dir) as command:
        assert command.wait(60) == 0, output(run_dir)


def test_how_samples_are_drawn_may_change_between_two_parts(root: Path, tmp_path: Path) -> None:
    freeze(root, tmp_path / "run", model="DDPM", epochs=1)
    trained(tmp_path / "run")
    freeze(
        root,
        tmp_path / "run",
        model="DDPM",
        epochs=2,
        params={"sampler": "ancestral", "sampling_steps": 4, "ensemble_members": 2},
    )
    trained(tmp_path / "run")
    assert [event["epoch"] for event in epochs(tmp_path / "run")] == [1, 2]


def scored(run_dir: Path, split: str = "test") -> dict[str, Any]:
    return score(made_ready(run_dir), split).variables["temp"]


def test_scores_depend_on_no_batch_size(root: Path, tmp_path: Path) -> None:
    freeze(root, tmp_path / "run", model="DDPM", epochs=1)
    trained(tmp_path / "run")
    found = scored(tmp_path / "run")
    assert found == scored(tmp_path / "run")
    freeze(root, tmp_path / "run", model="DDPM", epochs=1, batch_size=3)
    other = scored(tmp_path / "run")
    for name, value in found["model"].items():
        assert other["model"][name] == pytest.approx(value, rel=1e-4), name


def test_noise_differs_by_sample_member_split_and_seed() -> None:
    drawn = [
        torch.randn(4, generator=generator)
        for given in (
            noise_of(1, "test", [0, 1], 0),
            noise_of(1, "test", [0], 1),
            noise_of(1, "valid", [0], 0),
            noise_of(2, "test", [0], 0),
        )
        for generator in given
    ]
    assert len({tuple(values.tolist()) for values in drawn}) == 5
    (again,) = noise_of(1, "test", [1], 0)
    assert torch.equal(drawn[1], torch.randn(4, generator=again))


def test_ensemble_of_the_test_split(root: Path, tmp_path: Path) -> None:
    freeze(root, tmp_path / "run", model="DDPM", epochs=1)
    training = trained(tmp_path / "run")
    assert (members_of(training.bare, "valid"), members_of(training.bare, "test")) == (2, 3)
    valid, test = score(training, "valid"), score(training, "test")
    assert (valid.members, test.members) == (2, 3)
    # Checkpoints are compared by the fair CRPS.
    span = training.span.cpu()
    assert valid.error(span) == pytest.approx(valid.variables["temp"]["model"]["crps"] / span[0])
    found = test.variables["temp"]
    # By hand, from the same members.
    batch = next(iter(training.batches("test", [tuple(map(Key, range(3)))])))
    drawn = torch.stack(
        [
            super_resolve(training, batch, noise_of(42, "test", [0, 1, 2], member))
            * training.spread
            for member in range(3)
        ]
    )
    truth, mask = batch["hr"] * training.spread, batch["mask"]
    error = torch.where(mask, drawn.mean(0) - truth, 0.0)
    points = mask.sum()
    rmse = math.sqrt(error.square().sum() / points)
    assert found["model"]["rmse"] == pytest.approx(rmse, rel=1e-4)
    variance = torch.where(mask, drawn.var(0), 0.0).sum() / points
    assert found["model"]["spread"] == pytest.approx(math.sqrt(variance), rel=1e-4)
    assert 0 < found["model"]["crps"] < found["model"]["mae"] + found["model"]["spread"]
    assert found["bicubic"]["crps"] == found["bicubic"]["mae"]


def test_a_model_that_knows_its_spread_is_better_than_a_sharper_guess() -> None:
    """The RMSE of one sample would choose the untrained network, which draws no spread."""
    scores = {"rmse": 0.8, "crps": 0.5}, {"rmse": 0.7, "crps": 0.6}
    honest, sharp = (Score(1.0, {"t": {"model": one}}, members=2) for one in scores)
    assert honest.error(torch.ones(1)) < sharp.error(torch.ones(1))


def test_fair_crps_against_its_definition() -> None:
    torch.manual_seed(0)
    members, truth = torch.randn(5, 2, 3, 4), torch.randn(2, 3, 4)
    mask = torch.rand(2, 3, 4) < 0.7
    found = ensemble_sums(members, torch.where(mask, truth, math.nan), mask)
    for channel in (0, 1):
        crps = variance = 0.0
        for place in mask[channel].nonzero().tolist():
            values = members[(slice(None), channel, *place)]
            apart = (values[:, None] - values).abs().sum() / (5 * 4)
            crps += float((values - truth[(channel, *place)]).abs().mean() - apart / 2)
            variance += float(values.var())
        assert found[channel].tolist() == pytest.approx(
            [variance, crps, float(mask[channel].sum())], rel=1e-5
        )


def test_crps_of_a_perfect_ensemble_is_the_known_one() -> None:
    """For a normal distribution it is sigma / sqrt(pi) on average (Gneiting et al. 2005)."""
    torch.manual_seed(0)
    members, truth = torch.randn(4, 1, 300, 300), torch.randn(1, 300, 300)
    (found,) = ensemble_sums(members, truth, torch.ones(1, 300, 300, dtype=torch.bool)).tolist()
    assert found[1] / found[2] == pytest.approx(1 / math.sqrt(math.pi), rel=0.02)
    assert found[0] / found[2] == pytest.approx(1.0, rel=0.02)


@pytest.mark.parametrize("name", ["DDPM", "ResShift"])
def test_tiles_make_no_seams(root: Path, tmp_path: Path, name: str) -> None:
    """Trained on patches, a field is drawn tile by tile from one field of noise."""
    freeze(root, tmp_path / "patches", model=name, epochs=1, patch_size=12)
    tiles = trained(tmp_path / "patches")
    freeze(root, tmp_path / "whole", model=name, epochs=1)
    whole = set_up_only(tmp_path / "whole")
    whole.bare.load_state_dict(tiles.bare.state_dict())
    whole.bare.eval()
    tiles.bare.eval()
    lr = torch.randn(1, 1, 8, 12)
    with torch.no_grad():
        one = super_resolve(tiles, {"lr": lr}, noise_of(1, "test", [0], 0))
        other = super_resolve(whole, {"lr": lr}, noise_of(1, "test", [0], 0))
        unlike = super_resolve(whole, {"lr": lr}, noise_of(1, "test", [1], 0))
    assert one.shape == (1, 1, 16, 24)
    # The same noise: nearer to each other than to another sample, though group normalization
    # sees less of the field.
    assert (one - other).square().mean() < 0.25 * (one - unlike).square().mean()


def test_amp_and_checkpointing(root: Path, tmp_path: Path) -> None:
    freeze(root, tmp_path / "run", model="SR3", epochs=1, use_amp=True)
    run = load(tmp_path / "run")
    assert run.memory.use_amp
    trained(tmp_path / "run")
    (event,) = epochs(tmp_path / "run")
    assert math.isfinite(event["train_loss"])
    assert math.isfinite(event["valid"]["variables"]["temp"]["model"]["rmse"])


@pytest.mark.slow
def test_two_processes_stopped_and_resumed(root: Path, tmp_path: Path) -> None:
    """Each draws noise of its own, and goes on with it where it was stopped."""
    for run in ("whole", "parts"):
        freeze(
            root, tmp_path / run, model="DDPM", epochs=24, processes=2, batch_size=1, ema_decay=0.9,
            eval_freq=8,
        )  # fmt: skip
    launch(tmp_path / "whole")
    run_dir = tmp_path / "parts"
    with running(train_command(run_dir), run_dir) as command:
        wait_for_epoch(run_dir, 2, command)
        command.send_signal(signal.SIGTERM)
        assert command.wait(60) == EXIT_INTERRUPTED, output(run_dir)
    assert len(epochs(run_dir)) < 24
    launch(run_dir)
    assert same_weights(weights(run_dir), weights(tmp_path / "whole"))
    assert same_weights(weights(run_dir, "best"), weights(tmp_path / "whole", "best"))


@pytest.mark.slow
def test_two_processes_train_score_and_report(root: Path, tmp_path: Path) -> None:
    freeze(root, tmp_path / "run", model="DDPM", epochs=2, processes=2, ema_decay=0.9)
    launch(tmp_path / "run")
    (test,) = (
        event for event in read_events(tmp_path / "run" / METRICS_FILE) if event["event"] == "test"
    )
    assert test["members"] == 3
    # One process gives the same scores to the same weights.
    training = made_ready(tmp_path / "run")
    load_best(training, tmp_path / "run")
    alone = score(training, "test").variables["temp"]
    for name, value in test["variables"]["temp"]["model"].items():
        assert alone["model"][name] == pytest.approx(value, rel=1e-4), name
    page = write_report(tmp_path / "run").read_text()
    assert "CRPS" in page
    assert "spread" in page
