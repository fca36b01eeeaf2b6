"""GPUs that are there and that torch cannot compute on: refused where they are listed and launched.

The fast half: nothing trains.
"""

import getpass
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.configs import frozen
from tests.e2e.conftest import Run
from tests.hardware.nvml.world import (
    EXCLUSIVE,
    EXCLUSIVE_THREAD,
    GPU_IS_LOST,
    PROHIBITED,
    Card,
    Failure,
    Held,
    Part,
    World,
    card,
    uuid,
)  # fmt: skip
from tests.train.runs import freeze

GPU = ("--set", "devices.gpus=[0]")
SOMEBODY = os.getpid()
NOBODY = 4194305


@dataclass(frozen=True)
class Machine:
    """A machine whose GPU 0 cannot be used.

    Args:
        cards: that it has.
        reason: what is said of the first one.
        torch: the CUDA that torch was built for.
        driver: as `World.has` takes it.
        failing: calls of NVML that fail.
        visible: CUDA_VISIBLE_DEVICES.
    """

    cards: tuple[Card, ...]
    reason: str
    torch: str = "12.8"
    driver: str = "550.54.14|12040"
    failing: tuple[Failure, ...] = ()
    visible: str | None = None


MACHINES = {
    "torch without CUDA": Machine((card(0),), "this torch was built without CUDA", torch=""),
    "old driver": Machine(
        (card(0),),
        "the NVIDIA driver 470.82.01 is too old: it runs CUDA 11.4 at most, and this torch needs "
        "CUDA 12.8; update the driver, or install a torch build for CUDA 11.4",
        driver="470.82.01|11040",
    ),
    "old card": Machine(
        (card(0, name="Tesla P100", capability=(6, 0)), card(1)),
        "it is too old for this torch: it has compute capability 6.0, and CUDA 13.0 needs 7.5",
        torch="13.0",
        driver="580.65|13000",
    ),
    "prohibited": Machine((card(0, mode=PROHIBITED), card(1)), "its compute mode is set to"),
    "exclusive": Machine(
        (card(0, mode=EXCLUSIVE, processes=[Held(SOMEBODY, 500)]), card(1)),
        f"it is in exclusive mode, and {getpass.getuser()} (process {SOMEBODY}) is computing on it",
    ),
    "exclusive for a thread": Machine(
        (card(0, mode=EXCLUSIVE_THREAD, processes=[Held(SOMEBODY, 500)]), card(1)),
        "it is in exclusive mode",
    ),
    "lost": Machine(
        (card(0), card(1)),
        "the GPU is lost, it no longer answers",
        failing=(Failure("nvmlDeviceGetMemoryInfo", GPU_IS_LOST, uuid(0)),),
    ),
    "hidden": Machine((card(0), card(1)), "CUDA_VISIBLE_DEVICES=1", visible="1"),
}
each_machine = pytest.mark.parametrize("kind", list(MACHINES))


@pytest.fixture
def good(environment: dict[str, str], nvml_world: World) -> World:
    """A machine with two GPUs that can be used."""
    environment |= nvml_world.environment
    nvml_world.has(card(0), card(1))
    return nvml_world


def become(kind: str, world: World, environment: dict[str, str]) -> Machine:
    """Let the machine be of a kind from now on."""
    machine = MACHINES[kind]
    world.has(*machine.cards, failing=machine.failing, driver=machine.driver)
    environment["STAND_IN_TORCH_CUDA"] = machine.torch
    if machine.visible is not None:
        environment["CUDA_VISIBLE_DEVICES"] = machine.visible
    return machine


def words(text: str) -> str:
    return " ".join(text.split())


@each_machine
def test_it_is_said_where_gpus_are_listed_and_an_answers_file_is_refused(
    srwizard: Run, answers: Path, environment: dict[str, str], good: World, tmp_path: Path,
    kind: str,
) -> None:  # fmt: skip
    machine = become(kind, good, environment)
    environment["COLUMNS"] = "300"
    listed = srwizard("gpus")
    assert listed.returncode == 0
    assert machine.reason in words(listed.stdout)
    refused = srwizard("--answers", answers, *GPU)
    assert refused.returncode == 2, refused.stdout + refused.stderr
    assert "Traceback" not in refused.stderr
    assert machine.reason in words(refused.stderr)
    assert not (tmp_path / "run").exists()


@each_machine
def test_a_run_that_was_frozen_for_it_is_not_launched(
    srwizard: Run, answers: Path, environment: dict[str, str], good: World, tmp_path: Path,
    kind: str,
) -> None:  # fmt: skip
    run_dir = tmp_path / "run"
    assert srwizard("--answers", answers, *GPU, "--stop-after", "frozen").returncode == 0
    before = sorted(run_dir.iterdir())
    machine = become(kind, good, environment)
    refused = srwizard("train", run_dir)
    assert refused.returncode == 2, refused.stdout + refused.stderr
    assert "Traceback" not in refused.stderr
    assert "GPU 0 (NVIDIA GeForce RTX 4090) cannot be used: " in words(refused.stderr)
    assert machine.reason in words(refused.stderr)
    assert sorted(run_dir.iterdir()) == before


def test_a_card_that_was_taken_out_is_named(
    srwizard: Run, answers: Path, good: World, tmp_path: Path
) -> None:
    frozen_run = srwizard("--answers", answers, *GPU, "--stop-after", "frozen")
    assert frozen_run.returncode == 0, frozen_run.stderr
    good.has(card(1))
    refused = srwizard("train", tmp_path / "run")
    assert refused.returncode == 2
    assert "cannot be used: it is not there any more" in words(refused.stderr)


@pytest.fixture
def mps_server(tmp_path: Path) -> Iterator[int]:
    """A process by the name of the server through which several programs share a GPU."""
    program = tmp_path / "nvidia-cuda-mps-server"
    shutil.copy("/bin/sleep", program)
    with subprocess.Popen([program, "600"]) as process:
        yield process.pid
        process.kill()


def test_an_exclusive_card_that_is_free_or_shared_is_offered(
    srwizard: Run, answers: Path, good: World, mps_server: int
) -> None:
    """Each process of a training has its own card, whatever their number."""
    held = [[], [Held(mps_server, 30)], [Held(NOBODY, 30)]]
    good.has(*(card(n, mode=EXCLUSIVE, processes=held[n]) for n in range(3)))
    gpus = "devices.gpus=[0, 1, 2]"
    done = srwizard("--answers", answers, "--set", gpus, "--stop-after", "frozen")
    assert done.returncode == 0, done.stderr


def test_errors_of_its_memory_are_said_before_a_card_is_used(
    srwizard: Run, answers: Path, good: World
) -> None:
    good.has(replace(card(0), errors=2), card(1))
    done = srwizard("--answers", answers, *GPU, "--stop-after", "frozen")
    assert done.returncode == 0, done.stderr
    assert words(done.stdout).count("uncorrectable errors of its memory since it was last reset: 2")


def test_parts_of_gpus_are_refused_where_several_processes_would_share_them(
    srwizard: Run, good: World, tmp_path: Path, dataset: Path
) -> None:
    """As on a node of a cluster, where a batch system decides what is visible."""
    run = freeze(dataset, tmp_path / "run", nodes=1)
    devices = run.devices.model_copy(update={"gpus_per_node": 2, "processes": 2})
    (tmp_path / "run" / "run.yaml").unlink()
    frozen(run.model_copy(update={"devices": devices}))
    good.has(card(0, parts=[Part("MIG-a"), Part("MIG-b")]))
    refused = srwizard("train", tmp_path / "run")
    assert refused.returncode == 2, refused.stderr
    assert "parts of GPUs (MIG), of which CUDA shows one alone to a process" in words(
        refused.stderr
    )
    good.has(card(0))
    refused = srwizard("train", tmp_path / "run")
    assert refused.returncode == 2, refused.stderr
    assert "needs 2 GPUs on each machine; there are 1" in words(refused.stderr)
