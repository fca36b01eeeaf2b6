"""Sixteen bits: one type for all ranks, and a way there from a training without."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from srwizard.runs.failures import NonFiniteLossError
from srwizard.runs.records import Records
from srwizard.train import process_environment
from srwizard.train.distributed import Place
from srwizard.train.loop import Callbacks, train
from srwizard.train.resuming import resume
from srwizard.train.setup import common_amp_dtype
from tests.datasets import write_dataset
from tests.train.runs import freeze, set_up_only, trained

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.slow
def test_cards_with_and_without_bfloat16_train_in_one_type(tmp_path: Path) -> None:
    run = freeze(write_dataset(tmp_path / "data"), tmp_path / "run", processes=2)
    subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"),
            *("-m", "tests.train.two_cards", str(tmp_path)),
        ],
        env={**os.environ, **process_environment.settings(run), "PYTHONPATH": str(REPOSITORY)},
        check=True,
        timeout=120,
    )
    assert {(tmp_path / rank).read_text() for rank in "01"} == {"torch.float16"}


@pytest.mark.parametrize(("has", "kind"), [(True, torch.bfloat16), (False, torch.float16)])
def test_one_card_trains_in_its_own_type(
    monkeypatch: pytest.MonkeyPatch, has: bool, kind: torch.dtype
) -> None:
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda **_named: has)
    assert common_amp_dtype(Place(0, 1, torch.device("cuda", 0))) == kind
    assert common_amp_dtype(Place(0, 1, torch.device("cpu"))) == torch.bfloat16


def test_a_training_goes_on_in_float16_that_began_in_32_bits(tmp_path: Path) -> None:
    root = tmp_path / "data"
    write_dataset(root)
    freeze(root, tmp_path / "run", epochs=1)
    trained(tmp_path / "run")
    training = set_up_only(tmp_path / "run")
    training.scaler = torch.amp.GradScaler("cpu", enabled=True)
    assert resume(training, tmp_path / "run") is not None
    assert training.progress.epoch == 2
    assert training.scaler.get_scale() == 2.0**16  # its beginning: nothing was scaled before


def test_gradients_that_are_never_finite_end_the_training(tmp_path: Path) -> None:
    """The scaler passes over each step, and the loss alone looks as if something were learnt."""
    freeze(write_dataset(tmp_path / "data", steps=(20, 2, 2)), tmp_path / "run", batch_size=1)
    training = set_up_only(tmp_path / "run")
    training.scaler = torch.amp.GradScaler("cpu", enabled=True)
    next(training.bare.parameters()).register_hook(lambda gradient: gradient * math.nan)
    with pytest.raises(NonFiniteLossError, match="gradient"):
        train(training, tmp_path / "run", Records(tmp_path / "run"), Callbacks())
