"""What a dry run reads on a GPU, through a made-up one."""

import shutil
from typing import Any

import pytest
import torch

from srwizard.memory import measure, meter
from srwizard.memory.allocator import CUDA_CONTEXT
from srwizard.memory.available import least_capacity
from srwizard.memory.meter import Meter
from srwizard.train.distributed import Place
from tests.configs import made_up_config

MIB = 2**20
GIB = 2**30
Numbers = dict[str, int]


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Numbers:
    """A GPU of 10 GiB of which this process has 500 MiB; change what it says as you like."""
    said = {"reserved": 500 * MIB, "allocated": 300 * MIB, "free": 8 * GIB, "nvml": 900 * MIB}
    for name, key in {
        "memory_reserved": "reserved",
        "max_memory_reserved": "reserved",
        "max_memory_allocated": "allocated",
    }.items():
        monkeypatch.setattr(torch.cuda, name, lambda key=key: said[key])
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (said["free"], 10 * GIB))
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: said.update(waited=1))
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: None)
    monkeypatch.setattr(torch.cuda, "host_memory_stats", dict, raising=False)
    monkeypatch.setattr(meter, "nvml_bytes", lambda: said["nvml"] or None)
    return said


def on_gpu(free_before: int = 9 * GIB) -> Meter:
    return Meter(Place(0, 1, torch.device("cuda", 0)), free_before)


def test_what_nvml_told_last_counts_on(gpu: Numbers) -> None:
    found = on_gpu()
    assert found.peak() == 500 * MIB + 400 * MIB
    gpu["nvml"] = 0
    assert found.outside_allocator() == 400 * MIB
    figures = found.gpu_figures()
    assert (figures["outside_is_measured"], figures["outside_is_estimated"]) == (True, False)


def test_in_a_container_it_is_what_is_missing_of_the_free_memory(gpu: Numbers) -> None:
    """NVML knows the process by the number that it has on the host."""
    gpu["nvml"] = 0
    figures = on_gpu().gpu_figures()
    assert figures["outside_bytes"] == GIB - 500 * MIB
    assert (figures["outside_is_measured"], figures["outside_is_estimated"]) == (False, True)


def test_where_others_have_left_an_allowance_stands_for_it(gpu: Numbers) -> None:
    gpu["nvml"], gpu["free"] = 0, 10 * GIB
    figures = on_gpu().gpu_figures()
    assert figures["outside_bytes"] == CUDA_CONTEXT
    assert (figures["outside_is_measured"], figures["outside_is_estimated"]) == (False, False)


def test_the_most_that_was_allocated_is_that_of_all_phases(gpu: Numbers) -> None:
    found = on_gpu()
    for allocated in (300 * MIB, 100 * MIB):
        found.forget()
        gpu["allocated"] = allocated
        found.peak()
    assert found.gpu_figures()["least_bytes"] == 300 * MIB + 400 * MIB


def test_the_clock_waits_for_the_gpu(gpu: Numbers) -> None:
    on_gpu().clock()
    assert gpu.pop("waited")
    Meter(Place(0, 1, torch.device("cpu")), 0).clock()
    assert "waited" not in gpu


def test_shared_memory_and_page_locked_memory_are_counted(
    gpu: Numbers, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = [GIB, GIB + 64 * MIB]
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(used=used[0], free=MIB))
    locked = {"reserved_bytes.peak": 32 * MIB}
    monkeypatch.setattr(torch.cuda, "host_memory_stats", lambda: locked, raising=False)
    found = on_gpu()
    used.pop(0)
    found.peak()
    figures = found.gpu_figures()
    assert figures["shared_memory_bytes"] == 64 * MIB
    assert figures["shared_memory_capacity_bytes"] == 65 * MIB
    assert figures["page_locked_bytes"] == 32 * MIB
    assert figures["host_peak_bytes"] > 32 * MIB


def rank(**changes: Any) -> dict[str, Any]:
    """The figures of a rank that fits everywhere, some of them changed."""
    return {
        "rank": 0, "host": "one", "peak_bytes": 5 * GIB, "capacity_bytes": 10 * GIB,
        "least_bytes": 4 * GIB, "baseline_rss_bytes": GIB, "host_peak_bytes": 3 * GIB,
        "host_capacity_bytes": 16 * GIB, "shared_memory_bytes": MIB,
        "shared_memory_capacity_bytes": 64 * MIB, "step_seconds": 1.0,
    } | changes  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "fits"),
        ({"peak_bytes": 9 * GIB}, "tight"),
        ({"peak_bytes": 9.9 * GIB}, "tight"),
        ({"peak_bytes": 9.9 * GIB, "least_bytes": 9.8 * GIB}, "does not fit"),
        ({"host_capacity_bytes": 2 * GIB}, "does not fit"),
        ({"shared_memory_bytes": 63 * MIB}, "does not fit"),
    ],
)
def test_the_gpu_the_main_memory_and_the_shared_memory_are_judged(
    changes: dict[str, Any], verdict: str
) -> None:
    devices = made_up_config().devices.model_copy(update={"gpus_per_node": 1})
    run = made_up_config().model_copy(update={"devices": devices})
    result = measure._judged(run, [rank(**changes)])
    assert result.verdict == verdict
    assert result.host_peak_bytes == 2 * GIB


def test_gpus_of_another_machine_have_a_memory_that_is_not_known() -> None:
    devices = made_up_config().devices.model_copy(update={"gpus_per_node": 1})
    assert least_capacity(made_up_config().model_copy(update={"devices": devices})) is None
    on_the_cpu = devices.model_copy(update={"gpus_per_node": 0, "gpus": []})
    assert least_capacity(made_up_config().model_copy(update={"devices": on_the_cpu})) is not None
