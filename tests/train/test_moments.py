"""The moments of an optimizer go on with the weights that they belong to."""

from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from torch import Tensor, nn

from srwizard.models.channels_last import order_weights
from srwizard.settings import run_config
from srwizard.settings.run_config import RunConfig
from srwizard.train import setup
from tests.datasets import write_dataset
from tests.train.runs import freeze, made_ready, trained, weights

build = setup.build_network


def as_on_a_gpu(run: RunConfig) -> nn.Module:
    """Build a network whose weights have channels last in memory."""
    network = build(run)
    order_weights(network)
    return network


def change(run_dir: Path, **training: Any) -> None:
    run = run_config.load(run_dir)
    options = run.training.model_copy(update=training)
    changed = run.model_copy(update={"training": options, "revision": run.revision + 1})
    run_config.write(run_config.seal(changed), run_dir)


@pytest.mark.parametrize("optimizer", ["AdamW", "SGD"])
def test_a_training_that_began_on_a_gpu_goes_on_the_same_on_a_cpu(
    tmp_path: Path, optimizer: str
) -> None:
    root = write_dataset(tmp_path / "data", steps=(16, 2, 2))
    found: list[dict[str, Tensor]] = []
    for name in ("there", "here"):
        freeze(root, tmp_path / name, epochs=1, optimizer=optimizer, lr=0.01)
        with mock.patch.object(setup, "build_network", as_on_a_gpu):
            trained(tmp_path / name)
        change(tmp_path / name, epochs=2)
        builder = as_on_a_gpu if name == "there" else build
        with mock.patch.object(setup, "build_network", builder):
            trained(tmp_path / name)
        found.append(weights(tmp_path / name))
    for part, values in found[0].items():
        torch.testing.assert_close(found[1][part], values, rtol=1e-4, atol=1e-6)


def test_options_of_the_optimizer_are_those_of_the_run_that_goes_on(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data")
    freeze(root, tmp_path / "run", epochs=1, optimizer="SGD", momentum=0.9)
    trained(tmp_path / "run")
    change(tmp_path / "run", epochs=2, momentum=0.3)
    (group,) = made_ready(tmp_path / "run").optimizer.param_groups
    assert group["momentum"] == 0.3
