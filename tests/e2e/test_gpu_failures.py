"""GPUs that are there, and cannot be used or fail: what is said, and the exit code."""

import json
from pathlib import Path

import pytest

from tests.e2e.conftest import Run
from tests.e2e.test_memory_policy import STAND_IN
from tests.hardware.nvml.world import GPU_IS_LOST, Card, Failure, Held, World, card, uuid

GPU = ("--set", "devices.gpus=[0]")


@pytest.fixture
def machine(environment: dict[str, str], nvml_world: World) -> dict[str, str]:
    """A machine with a driver and one GPU."""
    nvml_world.has(card(0))
    environment |= nvml_world.environment
    return environment


@pytest.mark.slow
@pytest.mark.afresh
def test_a_torch_without_cuda_beside_a_driver(
    srwizard: Run, answers: Path, machine: dict[str, str], tmp_path: Path
) -> None:
    """The torch of this test suite is one, on most machines, though it passes for another here."""
    done = srwizard("--answers", answers, *GPU)
    assert done.returncode == 5, done.stdout + done.stderr
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    assert "torch cannot use the GPUs." in said
    assert "this torch was built without CUDA" in said
    assert "choose the CPU: devices.gpus: []" in said
    assert not (tmp_path / "run" / "checkpoints").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("error", "said", "advice"),
    [
        (
            "The NVIDIA driver on your system is too old (found version 11040).",
            "torch cannot use the GPUs.",
            "install a torch build for the driver's CUDA version",
        ),
        (
            "CUDA error: no kernel image is available for execution on the device",
            "This build of torch has no kernels for this GPU.",
            "install a torch build that supports the GPU",
        ),
        (
            "CUDA error: CUDA-capable device(s) is/are busy or unavailable",
            "The GPU accepts no other program.",
            "see who uses it: srwizard gpus",
        ),
    ],
)
def test_a_gpu_that_cannot_be_used(
    srwizard: Run, answers: Path, machine: dict[str, str], error: str, said: str, advice: str
) -> None:
    """A driver or a card too old, exclusive mode: found by the dry run, before any training."""
    machine |= {"PYTHONPATH": str(STAND_IN), "STAND_IN_SAYS": error}
    done = srwizard("--answers", answers, *GPU)
    assert done.returncode == 5, done.stdout + done.stderr
    shown = (done.stdout + done.stderr).replace("\n", " ")
    assert "Traceback" not in shown
    for words in ("The dry run failed.", said, advice):
        assert words in shown


LOST = Failure("nvmlDeviceGetMemoryInfo", GPU_IS_LOST, uuid(0))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("error", "found", "failing", "told"),
    [
        (
            "CUDA error: unknown error",
            card(0),
            [LOST],
            "GPU 0 (NVIDIA GeForce RTX 4090) cannot be used: the GPU is lost",
        ),
        (
            "CUDA error: uncorrectable ECC error encountered",
            card(0, errors=1),
            [],
            "GPU 0: uncorrectable errors of its memory since it was last reset: 1",
        ),
        (
            "CUDA out of memory. Tried to allocate 1.21 GiB.",
            card(0, processes=[Held(4194305, 20000)]),
            [],
            "GPU 0: busy: ? (process 4194305) holds 19.5 GB",
        ),
    ],
    ids=["lost", "memory errors", "two users"],
)
def test_a_gpu_that_fails_while_it_trains(
    srwizard: Run, answers: Path, machine: dict[str, str], nvml_library: Path, tmp_path: Path,
    error: str, found: Card, failing: list[Failure], told: str,
) -> None:  # fmt: skip
    """The checkpoint of the first epoch stays, and what NVML says by then is told."""
    after = World(nvml_library, tmp_path / "after.txt")
    after.has(found, failing=failing)
    machine |= {
        "PYTHONPATH": str(STAND_IN), "STAND_IN_SAYS": error, "STAND_IN_FAILS_AFTER": "3",
        "STAND_IN_LARGEST_BATCH": "0", "STAND_IN_PEAKS": json.dumps({"4 false": 1000}),
        "STAND_IN_WORLD_AFTER": str(after.path),
    }  # fmt: skip
    done = srwizard("--answers", answers, *GPU)
    shown = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 5, shown
    assert "Traceback" not in shown
    failure = json.loads((tmp_path / "run" / "failure.json").read_text())
    kind = "cuda_out_of_memory" if "out of memory" in error else "device_failed"
    assert (failure["kind"], failure["step"], failure["epoch"]) == (kind, 3, 2)
    assert error in failure["error"]
    assert told in shown
    assert failure["gpus"][0].startswith(told)
    assert (tmp_path / "run" / "checkpoints" / "last.pt").is_file()
