"""The learning-rate range test of the dry run."""

import json
import math
from pathlib import Path

import pytest

from srwizard.memory.dry_run_table import dry_run_table
from srwizard.memory.measure import dry_run
from srwizard.settings import run_config
from srwizard.train.lr_range import HIGHEST, LOWEST, STEPS, lr_range_test, proposed, smoothed
from tests.datasets import write_dataset
from tests.train.runs import epochs, freeze, set_up_only, trained


def test_a_tenth_of_the_rate_of_the_lowest_loss_is_proposed() -> None:
    rates = [10**power for power in (-4, -3, -2, -1)]
    assert proposed(rates, [1, 0.9, 0.5, 3]) == pytest.approx(0.001)
    assert proposed(rates, [1, 1.1, 1.2, 3]) is None
    assert proposed([], []) is None
    assert proposed([0.03567], [1.0]) is None
    assert proposed([1e-3, 0.03567], [1.0, 0.4]) == 0.0036


def test_the_smoothed_loss_has_no_bias_to_zero() -> None:
    assert smoothed([2.0] * 5) == pytest.approx([2.0] * 5)
    assert smoothed([1.0, 3.0])[1] == pytest.approx((0.98 * 1 + 3) / 1.98)


@pytest.mark.parametrize("changes", [{"skip": "auto"}, {"normalization": "GN"}])
@pytest.mark.broad
def test_the_rate_rises_until_the_loss_flies_up(tmp_path: Path, changes: dict[str, str]) -> None:
    root = write_dataset(tmp_path / "data")
    freeze(root, tmp_path / "run", **changes)  # type: ignore[arg-type]
    found = lr_range_test(set_up_only(tmp_path / "run"))
    rates = found["lr"]
    assert len(rates) == len(found["loss"]) == len(found["smoothed"]) <= STEPS
    assert rates[0] == pytest.approx(LOWEST)
    assert rates[-1] <= HIGHEST * (1 + 1e-9)
    assert rates[1] / rates[0] == pytest.approx((HIGHEST / LOWEST) ** (1 / (STEPS - 1)))
    if "skip" in changes:  # an untrained network gives 0, which is what the loss is divided by
        assert found["loss"][0] == pytest.approx(1, abs=1e-4)
    assert 1e-5 < found["proposed"] < 0.1


@pytest.mark.slow
def test_the_dry_run_keeps_the_curve_and_changes_nothing(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data")
    run = freeze(root, tmp_path / "run", skip="auto", lr_range_test=True, processes=2)
    before = (tmp_path / "run" / "run.yaml").read_bytes()
    result = dry_run(tmp_path / "run")
    written = json.loads((tmp_path / "run" / "dry_run.json").read_text())
    assert written["lr_range"] == result.lr_range
    assert result.lr_range is not None
    assert all(math.isfinite(loss) for loss in result.lr_range["loss"])
    assert all("lr_range" not in rank for rank in result.ranks)
    shown = [str(cell) for cell in dry_run_table(result).columns[1].cells]
    assert any(f"{result.lr_range['proposed']:g} proposed" in cell for cell in shown)
    assert (tmp_path / "run" / "run.yaml").read_bytes() == before
    assert run_config.load(tmp_path / "run") == run
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_training_is_the_same_with_it(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data")
    for name, wanted in (("with", True), ("without", False)):
        freeze(root, tmp_path / name, skip="linear", lr_range_test=wanted)
        trained(tmp_path / name)
    losses = [
        [event["train_loss"] for event in epochs(tmp_path / name)] for name in ("with", "without")
    ]
    assert losses[0] == losses[1]
