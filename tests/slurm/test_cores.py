"""How many cores a job asks for."""

from pathlib import Path

import pytest

from srwizard.settings.run_config import RunConfig, RunSlurm
from srwizard.slurm.job import script_text
from tests.configs import made_up_config


def job(*, gpus: int, loaders: int, asked: int | None = None) -> RunConfig:
    run = made_up_config()
    devices = run.devices.model_copy(
        update={"gpus": [], "gpus_per_node": gpus, "processes": gpus or 3, "nodes": 1,
                "slurm": RunSlurm(cpus=asked)}
    )  # fmt: skip
    training = run.training.model_copy(update={"num_workers": loaders})
    return run.model_copy(update={"devices": devices, "training": training})


@pytest.mark.parametrize(
    ("run", "cores"),
    [
        (job(gpus=2, loaders=4), 10),  # each process on a GPU, and each of its loaders
        (job(gpus=2, loaders=0), 2),
        (job(gpus=0, loaders=4), 3),
        (job(gpus=2, loaders=4, asked=7), 7),
    ],
)
def test_a_core_for_each_loader_of_a_gpu(run: RunConfig, cores: int) -> None:
    text = script_text(run, Path("/runs/one"))
    assert text.count(f"--cpus-per-task={cores}\n") + text.count(f"--cpus-per-task={cores} ") == 2
