"""The benchmarks of GPUs run: on the CPU, and on fake CUDA tensors."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from bench.gpu import measured

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.slow
def test_training_beside_a_plain_loop(tmp_path: Path, device: torch.device) -> None:
    used = measured(tmp_path, "EDSR", device, memory=False)
    assert used.samples_per_second > 0 < used.plain_samples_per_second
    assert 0 <= used.stall <= 1


@pytest.mark.slow
def test_what_a_step_asks_of_a_card_is_counted_without_one() -> None:
    """Through the training core, on fake CUDA tensors; the host waits for nothing in a step."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.gpu_counts", "EDSR"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    model, kernels, waits = (part.strip() for part in done.stdout.splitlines()[-1].split("|")[1:4])
    assert model == "EDSR"
    assert int(kernels) > 100
    assert waits == "0"
