"""Devices: limits are respected, and a GPU that cannot be used is a notice and no exception."""

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pynvml
import pytest

from srwizard import devices
from srwizard.devices import GPU, GPUProcess, cpu, fast_bfloat16, find_devices

MIB = 2**20
GIB = 2**30
WHOLE_MACHINE = SimpleNamespace(total=64 * GIB, available=48 * GIB)
MakeGroup = Callable[..., None]


@pytest.fixture
def make_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeGroup:
    """Return a writer of cgroups on a made-up machine; this process is in `job/step`."""
    process = tmp_path / "self"
    process.write_text("12:devices:/elsewhere\n0::/job/step\n")
    root = tmp_path / "cgroup"
    root.mkdir()
    monkeypatch.setattr(devices, "CGROUP_ROOT", root)
    monkeypatch.setattr(devices, "PROCESS_CGROUP", process)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: WHOLE_MACHINE)

    def make(group: str, limit: int | str, used: int = 0, cache: int = 0) -> None:
        directory = root / group
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "memory.max").write_text(f"{limit}\n")
        (directory / "memory.current").write_text(f"{used}\n")
        (directory / "memory.stat").write_text(
            f"anon {used - cache}\ninactive_file {cache // 2}\nactive_file {cache // 2}\n"
        )

    return make


# The CPU


def test_without_a_limit_the_whole_machine_counts(make_group: MakeGroup) -> None:
    make_group("job/step", "max", used=GIB)
    assert cpu().total_bytes == WHOLE_MACHINE.total
    assert cpu().available_bytes == WHOLE_MACHINE.available
    assert cpu().cores == len(os.sched_getaffinity(0))


@pytest.mark.parametrize("group", ["job/step", "job", "."])
def test_the_limit_of_every_group_around_is_respected(make_group: MakeGroup, group: str) -> None:
    make_group(group, 8 * GIB, used=3 * GIB)
    assert cpu().total_bytes == 8 * GIB
    assert cpu().available_bytes == 5 * GIB


def test_the_tightest_limit_counts(make_group: MakeGroup) -> None:
    make_group("job", 8 * GIB, used=7 * GIB)
    make_group("job/step", 6 * GIB, used=2 * GIB)
    assert cpu().total_bytes == 6 * GIB
    assert cpu().available_bytes == 1 * GIB


def test_page_cache_can_be_had_back(make_group: MakeGroup) -> None:
    make_group("job/step", 8 * GIB, used=7 * GIB, cache=4 * GIB)
    assert cpu().available_bytes == 5 * GIB


def test_a_limit_beyond_the_machine_adds_no_memory(make_group: MakeGroup) -> None:
    make_group("job/step", 512 * GIB)
    assert cpu().total_bytes == WHOLE_MACHINE.total
    assert cpu().available_bytes == WHOLE_MACHINE.available


def test_more_than_the_limit_in_use_leaves_nothing(make_group: MakeGroup) -> None:
    make_group("job/step", GIB, used=2 * GIB)
    assert cpu().available_bytes == 0


def test_the_group_of_somebody_else_does_not_count(make_group: MakeGroup) -> None:
    make_group("elsewhere", GIB)
    assert cpu().total_bytes == WHOLE_MACHINE.total


@pytest.mark.parametrize("process", [None, "", "9:memory:/job\n"])
def test_without_cgroups_the_whole_machine_counts(
    make_group: MakeGroup, process: str | None
) -> None:
    make_group("job/step", GIB)
    if process is None:
        devices.PROCESS_CGROUP.unlink()
    else:
        devices.PROCESS_CGROUP.write_text(process)
    assert cpu().total_bytes == WHOLE_MACHINE.total


@pytest.mark.parametrize(
    ("flags", "fast"),
    [
        ("flags : fpu avx512f avx512_bf16 amx_tile", True),
        ("flags : fpu amx_bf16", True),
        ("Features : fp asimd bf16", True),
        ("flags : fpu avx2 avx512f", False),
        ("", False),
    ],
)
def test_bfloat16_is_fast_where_the_cpu_says_so(tmp_path: Path, flags: str, fast: bool) -> None:
    (tmp_path / "cpuinfo").write_text(f"{flags}\n")
    assert fast_bfloat16(tmp_path / "cpuinfo") is fast
    assert fast_bfloat16(tmp_path / "none") is False


# GPUs


class Driver:
    """Stands in for NVML on a machine with GPUs; `failing` names calls that fail, and for which."""

    def __init__(self, count: int, failing: dict[str, set[int]]) -> None:
        self.count = count
        self.failing = failing

    def fail_if_asked(self, call: str, index: int = 0) -> None:
        if index in self.failing.get(call, ()):
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)

    def init(self) -> None:
        self.fail_if_asked("Init")

    def get_count(self) -> int:
        self.fail_if_asked("Count")
        return self.count

    def handle(self, index: int) -> int:
        self.fail_if_asked("Handle", index)
        return index

    def memory(self, index: int) -> Any:
        self.fail_if_asked("Memory", index)
        return SimpleNamespace(total=80 * GIB, free=(80 - index) * GIB)

    def utilisation(self, index: int) -> Any:
        self.fail_if_asked("Utilisation", index)
        return SimpleNamespace(gpu=50 * index)

    def processes(self, index: int) -> list[Any]:
        self.fail_if_asked("Processes", index)
        mine = SimpleNamespace(pid=os.getpid(), usedGpuMemory=300 * MIB)
        gone = SimpleNamespace(pid=2**22 + 1, usedGpuMemory=None)
        return [mine, gone] if index == 1 else []


@pytest.fixture
def install_driver(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return an installer of a driver with so many GPUs."""

    def install(count: int, **failing: set[int]) -> None:
        driver = Driver(count, failing)
        for name, call in {
            "nvmlInit": driver.init,
            "nvmlDeviceGetCount": driver.get_count,
            "nvmlDeviceGetHandleByIndex": driver.handle,
            "nvmlDeviceGetMemoryInfo": driver.memory,
            "nvmlDeviceGetUtilizationRates": driver.utilisation,
            "nvmlDeviceGetComputeRunningProcesses": driver.processes,
            "nvmlDeviceGetUUID": lambda index: f"GPU-{index}".encode(),
            "nvmlDeviceGetName": lambda index: "NVIDIA H100",
        }.items():
            monkeypatch.setattr(pynvml, name, call)

    return install


def test_a_machine_without_nvml_has_a_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", missing)
    found = find_devices()
    assert found.gpus == ()
    assert found.cpu.cores >= 1
    assert found.notices == ("No GPU can be used: NVML Shared Library Not Found",)


def test_gpus_are_seen_as_they_are(install_driver: Callable[..., None]) -> None:
    install_driver(2)
    user = psutil.Process().username()
    idle, used = find_devices().gpus
    assert idle == GPU(0, "GPU-0", "NVIDIA H100", 80 * GIB, 80 * GIB, utilisation=0)
    assert used == GPU(
        1,
        "GPU-1",
        "NVIDIA H100",
        80 * GIB,
        79 * GIB,
        utilisation=50,
        processes=(GPUProcess(os.getpid(), user, 300 * MIB), GPUProcess(2**22 + 1, "?", 0)),
    )
    assert not idle.busy
    assert used.busy
    assert find_devices().notices == ()


@pytest.mark.parametrize(
    ("utilisation", "busy"), [(None, False), (0, False), (9, False), (10, True), (100, True)]
)
def test_a_gpu_in_use_is_busy(utilisation: int | None, busy: bool) -> None:
    assert GPU(0, "u", "n", GIB, GIB, utilisation).busy is busy


@pytest.mark.parametrize("call", ["Handle", "Memory"])
def test_a_broken_gpu_is_a_notice_and_the_others_stay(
    install_driver: Callable[..., None], call: str
) -> None:
    install_driver(3, **{call: {1}})
    found = find_devices()
    assert [gpu.index for gpu in found.gpus] == [0, 2]
    assert found.notices == ("GPU 1 cannot be used: Not Supported",)


def test_what_a_card_does_not_report_is_left_open(install_driver: Callable[..., None]) -> None:
    install_driver(2, Utilisation={1}, Processes={1})
    found = find_devices()
    assert found.gpus[1].utilisation is None
    assert found.gpus[1].processes == ()
    assert found.notices == ()


@pytest.mark.parametrize(
    ("count", "failing", "notice"),
    [
        (0, {}, "The NVIDIA driver is there, but no GPU is."),
        (2, {"Count": {0}}, "The GPUs cannot be counted: Not Supported"),
        (2, {"Init": {0}}, "No GPU can be used: Not Supported"),
    ],
)
def test_why_there_is_no_gpu_is_said(
    install_driver: Callable[..., None], count: int, failing: dict[str, set[int]], notice: str
) -> None:
    install_driver(count, **failing)
    assert find_devices().gpus == ()
    assert find_devices().notices == (notice,)
