"""The peak of a run whose weights are sharded: predicted from FSDP2 itself, and measured."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch.distributed as dist

from srwizard.memory.measure import dry_run
from srwizard.memory.predict import Prediction, predict
from srwizard.memory.resident import MIB
from srwizard.settings.run_config import RunConfig
from tests.datasets import write_dataset
from tests.memory.test_predict import config
from tests.small_networks import SMALL
from tests.train.runs import freeze

WIDE = {"num_features": 256, "num_blocks": 6}


def sharded(processes: int, *, model: str = "EDSR", **changes: object) -> RunConfig:
    """Return a run in which parameters dominate."""
    params = WIDE if model == "EDSR" else SMALL[model]
    run = config(model, params=params, hr_shape=(32, 32), processes=processes, **changes)  # type: ignore[arg-type]
    return run.model_copy(update={"memory": run.memory.model_copy(update={"shard": True})})


def after_a_step(prediction: Prediction) -> float:
    """Return what stays, in units of all parameters."""
    return prediction.phases["checkpoint"].tensor_bytes / (4 * prediction.parameters)


@pytest.mark.parametrize("processes", [2, 4])
def test_each_keeps_its_part(processes: int) -> None:
    """Of weights, gradients and AdamW's two moments."""
    found = predict(sharded(processes))
    assert after_a_step(found) == pytest.approx(4 / processes, 0.05)
    assert not dist.is_initialized()


def test_an_average_is_sharded_too() -> None:
    assert after_a_step(predict(sharded(2, ema_decay=0.9))) == pytest.approx(5 / 2, 0.05)


def test_less_than_with_ddp_and_more_traffic() -> None:
    run = sharded(2)
    ddp = predict(run.model_copy(update={"memory": run.memory.model_copy(update={"shard": False})}))
    found = predict(run)
    # On a CPU, what FSDP imports is 67 MiB more: sharding is for larger networks than this one.
    assert found.tensor_bytes < ddp.tensor_bytes
    assert found.parameters == ddp.parameters
    assert found.step_cost > ddp.step_cost


def test_alone_nothing_is_sharded() -> None:
    assert after_a_step(predict(sharded(1))) == pytest.approx(4, 0.05)


@pytest.mark.slow
def test_shapes_that_dtensor_looks_up_are_not_counted() -> None:
    """It does so once for each operator, on whole tensors: a process that has just begun."""
    first = "from tests.memory.test_sharded import after_first_steps as steps; print(*steps())"
    done = subprocess.run([sys.executable, "-c", first], stdout=subprocess.PIPE, check=True)
    before, after = map(int, done.stdout.split())
    assert before == after


def after_first_steps() -> tuple[int, int]:
    """Return the peak of two predictions of the same run."""
    run = config(
        "EDSR", params={"num_features": 256, "num_blocks": 1}, hr_shape=(16, 16), processes=2
    )
    run = run.model_copy(update={"memory": run.memory.model_copy(update={"shard": True})})
    return predict(run).rank_bytes, predict(run).rank_bytes


@pytest.mark.slow
def test_a_diffusion_model_and_accumulation() -> None:
    found = predict(sharded(2, model="DDPM", accumulation=2))
    assert found.phases["validation"].tensor_bytes > 0


@pytest.mark.afresh
@pytest.mark.slow
def test_agrees_with_a_dry_run(tmp_path: Path) -> None:
    run = freeze(
        write_dataset(tmp_path / "data"), tmp_path / "run", processes=2, shard=True, batch_size=2,
        params={**WIDE, "num_blocks": 8},
    )  # fmt: skip
    found = dry_run(tmp_path / "run")
    baseline = sum(rank["baseline_rss_bytes"] for rank in found.ranks)
    assert found.peak_bytes is not None
    measured = found.peak_bytes - baseline
    prediction = predict(run)
    predicted = 2 * (prediction.rank_bytes - prediction.fixed_bytes["baseline"])
    assert measured >= 200 * MIB
    assert abs(predicted / measured - 1) < 0.12
