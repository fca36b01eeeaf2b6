"""Devices: limits are respected, and a driver that fails is a notice and no exception."""

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from srwizard.hardware import cgroups
from srwizard.hardware.devices import cpu, fast_bfloat16

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
    monkeypatch.setattr(cgroups, "ROOT", root)
    monkeypatch.setattr(cgroups, "PROCESS", process)
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


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"job/step/cpu.max": "max 100000", "job/cpu.max": "50000 100000"}, 1),
        ({"job/step/cpu.max": "150000 100000"}, 2),
        ({"job/step/cpu.max": "max 100000"}, 8),
        ({"job/step/cpu.max": "nonsense"}, 8),
        ({"cpu/job/cpu.cfs_quota_us": "400000", "cpu/job/cpu.cfs_period_us": "100000"}, 4),
        ({"cpu/job/cpu.cfs_quota_us": "-1", "cpu/job/cpu.cfs_period_us": "100000"}, 8),
    ],
)
@pytest.mark.usefixtures("make_group")
def test_of_the_cores_those_count_whose_time_is_granted(
    monkeypatch: pytest.MonkeyPatch, files: dict[str, str], cores: int
) -> None:
    cgroups.PROCESS.write_text("4:cpu,cpuacct:/job\n0::/job/step\n")
    for name, content in files.items():
        file = cgroups.ROOT / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{content}\n")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)))
    assert cpu().cores == cores


def version_1(group: str, limit: int, used: int, cache: int = 0, kills: int = 0) -> None:
    directory = cgroups.ROOT / "memory" / group
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "memory.limit_in_bytes").write_text(f"{limit}\n")
    (directory / "memory.usage_in_bytes").write_text(f"{used}\n")
    (directory / "memory.stat").write_text(
        f"cache {cache}\ntotal_inactive_file {cache}\ntotal_active_file 0\n"
    )
    (directory / "memory.oom_control").write_text(
        f"oom_kill_disable 0\nunder_oom 0\noom_kill {kills}\n"
    )


@pytest.mark.usefixtures("make_group")
def test_limits_of_version_1_are_respected() -> None:
    cgroups.PROCESS.write_text("9:cpu,memory:/job/step\n0::/\n")
    version_1("job/step", 2**63 - 4096, GIB)  # none
    version_1("job", 8 * GIB, used=7 * GIB, cache=3 * GIB)
    assert cpu().total_bytes == 8 * GIB
    assert cpu().available_bytes == 4 * GIB


@pytest.mark.usefixtures("make_group")
def test_in_a_container_the_path_may_be_that_of_the_host() -> None:
    cgroups.PROCESS.write_text("9:memory:/docker/4711\n")
    version_1(".", 8 * GIB, used=GIB)
    assert cpu().available_bytes == 7 * GIB


def test_version_2_beside_version_1(make_group: MakeGroup) -> None:
    make_group("unified/job/step", 8 * GIB, used=3 * GIB)
    assert cpu().available_bytes == 5 * GIB


def test_kills_are_counted_in_the_own_group(make_group: MakeGroup, tmp_path: Path) -> None:
    make_group("job/step", "max")
    assert cgroups.out_of_memory_kills() == cgroups._kills_on_this_machine()
    (tmp_path / "cgroup" / "job" / "memory.events").write_text("oom 9\noom_kill 9\n")
    (tmp_path / "cgroup" / "job/step" / "memory.events").write_text("oom 3\noom_kill 2\n")
    assert cgroups.out_of_memory_kills() == 2
    cgroups.PROCESS.write_text("9:memory:/job\n")
    version_1("job", GIB, GIB, kills=5)
    assert cgroups.out_of_memory_kills() == 5


@pytest.mark.parametrize("process", [None, "", "9:memory:/job\n"])
def test_without_cgroups_the_whole_machine_counts(
    make_group: MakeGroup, process: str | None
) -> None:
    make_group("job/step", GIB)
    if process is None:
        cgroups.PROCESS.unlink()
    else:
        cgroups.PROCESS.write_text(process)
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
