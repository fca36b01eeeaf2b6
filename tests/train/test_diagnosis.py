"""A loss that is not finite is traced to the layer or the field that it came from."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from srwizard.runs.failures import NetworkOutputError, NonFiniteLossError
from srwizard.train.loop import Callbacks, epoch_steps
from srwizard.train.setup import Training, micro_batches_of
from tests.datasets import write_dataset
from tests.train.runs import freeze, made_ready, trained


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    freeze(write_dataset(tmp_path / "data"), tmp_path / "run", epochs=3, num_workers=0)
    return tmp_path / "run"


def spoil(training: Training, name: str) -> None:
    with torch.no_grad():
        dict(training.bare.named_parameters())[name].view(-1)[0] = torch.nan


def test_a_layer_whose_weights_are_spoilt(run_dir: Path) -> None:
    def spoil_a_weight(training: Training, _loss: float, _samples: int) -> None:
        if training.progress.steps == 3:
            spoil(training, "net.body.0.conv1.weight")

    with pytest.raises(
        NonFiniteLossError, match=r"loss is nan at step 4 .*weights of layer body\.0\.conv1 "
    ):
        trained(run_dir, Callbacks(on_step=spoil_a_weight))


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (lambda sr: sr[..., :1], r"the network gave \[2, 1, \d+, 1\] for an input of \[2, 1, \d"),
        (lambda sr: (sr, None), "the network gave a tuple, not a tensor"),
    ],
)
def test_what_would_only_be_broadcast_is_refused(run_dir: Path, output: Any, words: str) -> None:
    training = made_ready(run_dir)
    training.bare.register_forward_hook(lambda _network, _inputs, sr: output(sr))
    (batch,) = training.batches("train", micro_batches_of(epoch_steps(training)[:1]))
    with pytest.raises(NetworkOutputError, match=words):
        training.objective(batch["lr"], batch["hr"], batch["mask"])


@pytest.mark.parametrize("workers", [0, 2])
def test_a_layer_that_overflows(run_dir: Path, tmp_path: Path, workers: int) -> None:
    freeze(tmp_path / "data", run_dir, epochs=3, num_workers=workers)

    def overflow(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        return output * torch.inf

    def break_a_layer(training: Training, _loss: float, _samples: int) -> None:
        if training.progress.steps == 5:
            training.bare.get_submodule("net.body.0.conv2").register_forward_hook(overflow)

    with pytest.raises(
        NonFiniteLossError, match=r"step 6 .*the output of layer body\.0\.conv2 is the first"
    ):
        trained(run_dir, Callbacks(on_step=break_a_layer))


def test_a_gradient_without_a_norm(run_dir: Path, tmp_path: Path) -> None:
    freeze(tmp_path / "data", run_dir, epochs=3, clip_grad_norm=1.0)

    def break_a_gradient(training: Training, _loss: float, _samples: int) -> None:
        weight = dict(training.bare.named_parameters())["net.conv_first.weight"]
        weight.register_hook(lambda gradient: gradient * torch.nan)

    with pytest.raises(
        NonFiniteLossError, match=r"gradient is nan at step 2 .*gradient of layer conv_first"
    ):
        trained(run_dir, Callbacks(on_step=break_a_gradient))
