"""`srwizard gpus` on machines with made-up GPUs, through the real binding of NVML."""

import getpass
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.hardware.nvml.conftest import Look, command, numbers
from tests.hardware.nvml.world import (
    DRIVER_NOT_LOADED,
    FUNCTION_NOT_FOUND,
    GPU_IS_LOST,
    IN_USE,
    NO_PERMISSION,
    NOT_SUPPORTED,
    VERSION_MISMATCH,
    Failure,
    Held,
    Part,
    World,
    card,
    uuid,
)  # fmt: skip

pytestmark = pytest.mark.broad

MIB = 2**20
NOBODY = 4194305
"""Above the largest process number of Linux."""


@pytest.fixture
def worker() -> Iterator[int]:
    """Somebody's process, that ends with the test."""
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process.pid
        process.kill()


# Machines without a GPU that can be used


@pytest.mark.parametrize(
    ("failing", "words"),
    [
        (Failure("nvmlInit", DRIVER_NOT_LOADED), "driver is installed but not loaded"),
        (Failure("nvmlInit", NO_PERMISSION), "you have no permission"),
        (Failure("nvmlInit", VERSION_MISMATCH), "differ in version; restart the machine"),
        (Failure("nvmlInit", IN_USE), "a stand-in's error"),
        (Failure("nvmlDeviceGetCount", GPU_IS_LOST), "the GPU is lost"),
    ],
)
def test_why_no_gpu_can_be_used_is_said(
    nvml_world: World, look: Look, failing: Failure, words: str
) -> None:
    nvml_world.has(card(0), failing=[failing])
    found = look()
    assert found["gpus"] == []
    assert [(fault["index"], fault["code"]) for fault in found["faults"]] == [(None, failing.code)]
    (notice,) = found["notices"]
    assert notice.startswith("No GPU can be used: ")
    assert words in notice


@pytest.mark.afresh
def test_a_machine_without_the_library(tmp_path: Path) -> None:
    (tmp_path / "libnvidia-ml.so.1").write_text("no library")
    environment = {"LD_LIBRARY_PATH": str(tmp_path), "CUDA_VISIBLE_DEVICES": "0"}
    found = json.loads(command("gpus", "--json", environment=environment))
    assert found["gpus"] == []
    assert found["driver"] is None
    assert found["notices"] == [
        "No GPU can be used: no NVIDIA driver is installed (libnvidia-ml.so.1 is not found)"
    ]


def test_a_driver_without_gpus(look: Look) -> None:
    found = look()
    assert found["gpus"] == found["faults"] == []
    assert found["notices"] == ["The NVIDIA driver is there, but no GPU is."]


# GPUs


def test_eight_gpus_are_one_line_each(nvml_world: World, table: Callable[..., str]) -> None:
    nvml_world.has(*map(card, range(8)))
    text = table()
    for number in range(8):
        assert f"│ GPU {number}: RTX 4090 (23.6GB, 23.3GB free) " in text
    assert "busy" not in text


def test_in_chinese(nvml_world: World, table: Callable[..., str]) -> None:
    nvml_world.has(card(0))
    assert "│ GPU 0: RTX 4090 (23.6GB, 空闲 23.3GB) " in table("--lang", "zh")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("NVIDIA H100 80GB HBM3", "H100 80GB HBM3"),
        ("Tesla V100-SXM2-32GB", "Tesla V100-SXM2-32GB"),
        ("NVIDIA GeForce RTX 4090", "RTX 4090"),
    ],
)
def test_the_maker_is_not_named(
    nvml_world: World, table: Callable[..., str], name: str, shown: str
) -> None:
    nvml_world.has(card(0, name=name, total=24564, free=24564))
    assert f"GPU 0: {shown} (24.0GB, 24.0GB free)" in table()


def test_the_shape_of_the_json(nvml_world: World, look: Look) -> None:
    nvml_world.has(card(0), card(1, parts=[Part("MIG-a")]))
    found = look()
    found.pop("cpu")
    assert found == {
        "gpus": [
            {
                "index": 0,
                "uuid": uuid(0),
                "name": "NVIDIA GeForce RTX 4090",
                "total_bytes": 24166 * MIB,
                "free_bytes": 23859 * MIB,
                "utilisation": 0,
                "processes": [],
                "parent": None,
                "capability": [8, 9],
                "compute_mode": "default",
                "memory_errors": None,
                "busy": False,
            },
            {
                "index": 200,
                "uuid": "MIG-a",
                "name": "NVIDIA A100-SXM4-40GB MIG 1g.5gb",
                "total_bytes": 4864 * MIB,
                "free_bytes": 4861 * MIB,
                "utilisation": None,
                "processes": [],
                "parent": 1,
                "capability": None,
                "compute_mode": None,
                "memory_errors": None,
                "busy": False,
            },
        ],
        "partitioned": [
            {
                "index": 1,
                "uuid": uuid(1),
                "name": "NVIDIA GeForce RTX 4090",
                "parts": [200],
                "parent": None,
            }
        ],
        "faults": [],
        "unusable": [],
        "hidden": [],
        "visible": None,
        "driver": "550.54.14",
        "cuda": "12.4",
        "notices": [],
    }


@pytest.mark.parametrize(
    ("call", "code", "words"),
    [
        ("nvmlDeviceGetMemoryInfo", GPU_IS_LOST, "the GPU is lost, it no longer answers"),
        ("nvmlDeviceGetHandleByIndex", NO_PERMISSION, "you have no permission"),
        ("nvmlDeviceGetUUID", 16, "the GPU must be reset"),
    ],
)
def test_a_gpu_that_fails_half_way_leaves_the_others(
    nvml_world: World, look: Look, call: str, code: int, words: str
) -> None:
    nvml_world.has(card(0), card(1), card(2), failing=[Failure(call, code, uuid(1))])
    found = look()
    assert numbers(found) == [0, 2]
    (notice,) = found["notices"]
    assert notice.startswith("GPU 1 cannot be used: ")
    assert words in notice
    assert (found["faults"][0]["index"], found["faults"][0]["code"]) == (1, code)


def test_whoever_holds_memory_is_named(
    nvml_world: World, look: Look, table: Callable[..., str], worker: int
) -> None:
    held = [Held(worker, 2048), Held(NOBODY, 512, mps=True), Held(NOBODY + 1, None)]
    nvml_world.has(card(0, free=4096, utilisation=97, processes=held))
    user = getpass.getuser()
    (gpu,) = look()["gpus"]
    assert gpu["busy"]
    assert sorted(gpu["processes"], key=lambda process: int(process["pid"])) == [
        {"pid": worker, "user": user, "memory_bytes": 2048 * MIB},
        {"pid": NOBODY, "user": "?", "memory_bytes": 512 * MIB},
        {"pid": NOBODY + 1, "user": "?", "memory_bytes": None},
    ]
    text = table()
    assert f"busy: {user} (process {worker}) holds 2.0 GB" in text
    assert f"busy: ? (process {NOBODY}) holds 512 MB" in text
    assert f"busy: ? (process {NOBODY + 1}), memory unknown" in text


@pytest.mark.parametrize(
    ("version", "code", "seen"),
    [("_v3", FUNCTION_NOT_FOUND, True), ("_v3", NO_PERMISSION, False), ("_v2", 13, True)],
)
def test_older_drivers_and_forbidden_processes(
    nvml_world: World, look: Look, worker: int, version: str, code: int, seen: bool
) -> None:
    failing = [
        Failure(f"nvmlDeviceGet{kind}ComputeRunningProcesses{version}", code)
        for kind in ("", "MPS")
    ]
    nvml_world.has(card(0, processes=[Held(worker, 100)]), failing=failing)
    (gpu,) = look()["gpus"]
    assert (gpu["processes"] is not None) is seen
    assert gpu["busy"] is seen


def test_busy_without_any_process_told(nvml_world: World, table: Callable[..., str]) -> None:
    failing = [
        Failure(f"nvmlDeviceGet{kind}ComputeRunningProcesses_v3", NOT_SUPPORTED)
        for kind in ("", "MPS")
    ]
    nvml_world.has(
        card(0, free=4096),
        card(1, utilisation=None),
        card(2, utilisation=None, free=4096),
        card(3, utilisation=9),
        card(4, utilisation=10),
        failing=failing,
    )
    text = table()
    assert text.count("busy") == 3
    assert "busy: 19.6GB in use, utilization 0 % (the driver does not say by whom)" in text
    assert "busy: 19.6GB in use (the driver does not say by whom)" in text
    assert "busy: 0.3GB in use, utilization 10 % (the driver does not say by whom)" in text
