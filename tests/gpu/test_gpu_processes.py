"""Processes on a device: torchrun with one rank, sharded weights, failures that are provoked."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.gpu.provoked import PROVOKED

REPOSITORY = Path(__file__).parents[2]
ON_A_CPU = ("too_large_for_the_machine", "without_cuda")
WITHOUT_A_CARD = {"CUDA_VISIBLE_DEVICES": ""}


def run(words: list[str], **environment: str) -> None:
    subprocess.run(
        [sys.executable, "-m", *words],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environment},
        cwd=REPOSITORY,
        check=True,
        timeout=240,
    )


def torchrun(processes: int, *words: str) -> None:
    together = ["torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    run([*together, "-m", *words])


@pytest.mark.slow
@pytest.mark.afresh
def test_one_rank_exchanges_and_keeps_sharded_weights(tmp_path: Path, device: torch.device) -> None:
    torchrun(1, "tests.gpu.one_rank", device.type, str(tmp_path))
    assert json.loads((tmp_path / "found.json").read_text()) == {
        "backend": "nccl" if device.type == "cuda" else "gloo",
        "sum": [1.0, 1.0, 1.0],
        "sharded": True,
        "read_as_saved": True,
        "on": device.type,
    }


@pytest.mark.slow
@pytest.mark.afresh
@pytest.mark.parametrize(
    "name",
    [name if name in ON_A_CPU else pytest.param(name, marks=pytest.mark.gpu) for name in PROVOKED],
)
def test_a_provoked_failure_is_called_what_it_is(tmp_path: Path, name: str) -> None:
    words = ["tests.gpu.provoked", name, str(tmp_path)]
    if name == "two_ranks_on_one_card":
        torchrun(2, *words)
    else:
        run(words, **(WITHOUT_A_CARD if name == "without_cuda" else {}))
    recorded = json.loads((tmp_path / "failure.rank0.json").read_text())
    assert recorded["kind"] == PROVOKED[name][1], recorded["error"]
