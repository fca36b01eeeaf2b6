"""What processes on GPUs find in their environment, and how they meet."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist

from srwizard.__main__ import _run
from srwizard.settings.run_config import RunConfig, RunGPU
from srwizard.train import distributed, processes
from srwizard.train.distributed import joined
from srwizard.train.process_environment import segments_expand, settings
from tests.configs import made_up_config


def on_gpus() -> RunConfig:
    run = made_up_config()
    return run.model_copy(update={"devices": run.devices.model_copy(update={"gpus_per_node": 1})})


def on_a_cpu() -> RunConfig:
    run = made_up_config()
    return run.model_copy(update={"devices": run.devices.model_copy(update={"gpus": []})})


def test_segments_grow_on_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF"):
        monkeypatch.delenv(name, raising=False)
    assert settings(on_gpus())["PYTORCH_CUDA_ALLOC_CONF"] == "expandable_segments:True"
    assert "PYTORCH_CUDA_ALLOC_CONF" not in settings(on_a_cpu())
    assert segments_expand()


@pytest.mark.parametrize("name", ["PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF"])
@pytest.mark.parametrize(
    ("value", "expand"),
    [("max_split_size_mb:128", False), ("a:1, expandable_segments:True", True)],
)
def test_what_the_user_has_set_stays(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, expand: bool
) -> None:
    monkeypatch.setenv(name, value)
    assert "PYTORCH_CUDA_ALLOC_CONF" not in settings(on_gpus())
    assert segments_expand() is expand


# Numbers as nvidia-smi has them


@pytest.mark.parametrize("typed", ["FASTEST_FIRST", "PCI_BUS_ID", ""])
def test_a_command_and_all_that_it_starts_number_gpus_as_nvidia_smi_does(
    monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    """A child that is not given an environment of its own has that of the command."""
    monkeypatch.setenv("CUDA_DEVICE_ORDER", typed)
    assert _run(["models"], named_language=False) == 0
    assert os.environ["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"


@pytest.mark.parametrize("run", [on_gpus(), on_a_cpu()], ids=["gpus", "cpu"])
def test_processes_of_a_run_number_gpus_as_nvidia_smi_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, run: RunConfig
) -> None:
    """Also where srwizard was not started by its command: what they are really given."""
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "FASTEST_FIRST")
    given: list[dict[str, str]] = []

    class NotStartedError(Exception):
        pass

    def note(_words: list[str], *, env: dict[str, str], **_rest: Any) -> None:
        given.append(env)
        raise NotStartedError

    monkeypatch.setattr(subprocess, "Popen", note)
    with (tmp_path / "log").open("a+b") as log, pytest.raises(NotStartedError):
        processes.start(run, log, "srwizard.train.worker", str(tmp_path))
    assert [environment["CUDA_DEVICE_ORDER"] for environment in given] == ["PCI_BUS_ID"]


# Meeting: each process names its GPU


class MetError(Exception):
    """The processes have met, as far as this test goes."""


@pytest.fixture
def meeting(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Note what a process group is begun with, on a GPU that is not there."""
    noted: dict[str, Any] = {}

    def begin(backend: str, **given: Any) -> None:
        noted.update(given, backend=backend)
        raise MetError

    monkeypatch.setattr(torch.cuda, "init", lambda: None)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: noted.update(set_to=device))
    monkeypatch.setattr(dist, "init_process_group", begin)
    monkeypatch.setattr(distributed, "_store_on_loopback", lambda rank, world: (rank, world))
    return noted


def places(monkeypatch: pytest.MonkeyPatch, *, machines: int) -> None:
    """Put this process second of two on its machine, as torchrun does."""
    told = {"RANK": 1, "LOCAL_RANK": 1, "WORLD_SIZE": 2 * machines, "LOCAL_WORLD_SIZE": 2}
    for name, value in told.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")


@pytest.mark.parametrize("machines", [1, 2])
def test_a_process_group_knows_the_gpu_of_each_rank(
    monkeypatch: pytest.MonkeyPatch, meeting: dict[str, Any], machines: int
) -> None:
    places(monkeypatch, machines=machines)
    gpus = [RunGPU(index=n, uuid=f"GPU-{n}", name="NVIDIA A100") for n in (0, 1)]
    devices = made_up_config().devices.model_copy(update={"gpus": gpus, "backend": "nccl"})
    with pytest.raises(MetError), joined(devices):
        pass
    own = torch.device("cuda", 1)
    assert (meeting["set_to"], meeting["device_id"], meeting["backend"]) == (own, own, "nccl")
    assert ("store" in meeting) is (machines == 1)


def test_processes_on_a_cpu_name_no_gpu(
    monkeypatch: pytest.MonkeyPatch, meeting: dict[str, Any]
) -> None:
    places(monkeypatch, machines=1)
    with pytest.raises(MetError), joined(on_a_cpu().devices):
        pass
    assert meeting["device_id"] is None
    assert "set_to" not in meeting
