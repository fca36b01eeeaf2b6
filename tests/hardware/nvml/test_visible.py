"""Parts of GPUs (MIG), and GPUs that the user's environment hides."""

from collections.abc import Callable

import pytest
import torch

from srwizard.hardware import nvml, torch_build
from srwizard.hardware.devices import find_devices, visible_numbers
from srwizard.hardware.nvml import GPU, PartitionedGPU, Seen
from tests.hardware.nvml.conftest import Look, numbers
from tests.hardware.nvml.world import (
    FUNCTION_NOT_FOUND,
    GPU_IS_LOST,
    NO_PERMISSION,
    NOT_SUPPORTED,
    Failure,
    Part,
    World,
    card,
    uuid,
)  # fmt: skip

MIB = 2**20
PARTS = [Part("MIG-a"), Part("MIG-b")]


# Partitioned GPUs


def test_parts_stand_below_their_gpu(nvml_world: World, table: Callable[..., str]) -> None:
    nvml_world.has(card(0), card(1, name="NVIDIA A100", parts=PARTS), card(2, parts=[]))
    text = table()
    shown = [
        "GPU 0: RTX 4090 (23.6GB, 23.3GB free)",
        "GPU 1: A100 is partitioned (MIG); its parts can be chosen: 200, 201",
        "GPU 200: A100-SXM4-40GB MIG 1g.5gb (4.8GB, 4.7GB free)",
        "GPU 201: A100-SXM4-40GB MIG 1g.5gb (4.8GB, 4.7GB free)",
        "GPU 2: RTX 4090 is partitioned (MIG) and has no part that can be chosen",
    ]
    places = [text.index(line) for line in shown]
    assert places == sorted(places)


def test_a_part_that_fails_is_a_notice(nvml_world: World, look: Look) -> None:
    failing = [
        Failure("nvmlDeviceGetMemoryInfo", NO_PERMISSION, "MIG-a"),
        Failure("nvmlDeviceGetMemoryInfo", NO_PERMISSION, uuid(0)),
    ]
    nvml_world.has(card(0, parts=PARTS), failing=failing)
    found = look(CUDA_VISIBLE_DEVICES="0")
    assert numbers(found) == [101]
    assert [fault["index"] for fault in found["faults"]] == [100]


@pytest.mark.parametrize("code", [NOT_SUPPORTED, FUNCTION_NOT_FOUND])
def test_gpus_and_drivers_without_mig(nvml_world: World, look: Look, code: int) -> None:
    nvml_world.has(card(0), failing=[Failure("nvmlDeviceGetMigMode", code)])
    assert numbers(look()) == [0]


# CUDA_VISIBLE_DEVICES

FOUR = Seen(
    gpus=(
        GPU(0, uuid(0), "n", MIB, MIB), GPU(1, uuid(1), "n", MIB, MIB),
        GPU(300, "MIG-a", "n", MIB, MIB, parent=2), GPU(301, "MIG-b", "n", MIB, MIB, parent=2),
        GPU(3, "GPU-fffe", "n", MIB, MIB),
    ),
    partitioned=(PartitionedGPU(2, "GPU-ffff", "n", (300, 301)),),
    driver="550.54.14",
)  # fmt: skip


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("0,1,2,3", [0, 1, 300, 301, 3]),
        ("1", [1]),
        (" 3 , 0", [0, 3]),
        (uuid(1), [1]),
        ("GPU-fffe,0", [0, 3]),
        ("MIG-b", [301]),
        ("2", [300, 301]),
        # As in CUDA: ambiguous or unknown ends the list, twice is nothing at all.
        ("0,GPU-fff,1", [0]),
        ("1,9,0", [1]),
        ("1,-1,0", [1]),
        ("1,300", [1]),
        ("0,0", []),
        ("", []),
        ("none", []),
        ("-1", []),
        ("9", []),
        (" ", []),
        ("0 1", [0]),
        (f"{uuid(0)}, {uuid(0)}", []),
        (f"{uuid(1)},0", [0, 1]),
        ("GPU-", []),
        ("MIG-", []),
        ("MIG-a,MIG-b", [300, 301]),
        # A number is read as far as it is one.
        ("+1", [1]),
        ("1.0", [1]),
        ("-0", [0]),
        ("3gpu,0x1", [0, 3]),
        ("01,000000000000003", [1, 3]),
        ("0,-3,1", [0]),
        ("0,,1", [0]),
        (",0", []),
        ("٣", []),
        ("9" * 5000, []),
        ("0:1", [0]),
        (" \t1\n", [1]),
    ],
)
def test_only_visible_gpus_are_offered(
    monkeypatch: pytest.MonkeyPatch, value: str, shown: list[int]
) -> None:
    monkeypatch.setattr(nvml, "look", lambda: FOUR)
    monkeypatch.setattr(torch_build, "installed", lambda: None)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    found = find_devices()
    parts = tuple(number for number in shown if number >= 300)
    assert sorted(gpu.index for gpu in found.gpus) == sorted(shown)
    assert [whole.parts for whole in found.partitioned] == ([parts] if parts else [])
    hidden = {0, 1, 2, 3, 300, 301} - set(shown) - ({2} if parts else set())
    assert set(found.hidden) == hidden
    if not shown:
        assert found.notices == (f"CUDA_VISIBLE_DEVICES={value} hides all GPUs.",)
    else:
        assert bool(found.notices) is bool(hidden)


@pytest.mark.parametrize(
    "value",
    ["0", "1,0", "1, 3", " 3 , 0", "0,0", "0,1,0", "", " ", "-1", "0,-1,1", "1,-1", "-0", "+1",
     "1.0", "0 1", "0,,1", ",", "none", "1gpu0,3x", "01", "0x1"],
)  # fmt: skip
def test_numbers_are_those_that_torch_reads(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """What the wizard offers is what a process of torch sees under the same value."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    whole = Seen(gpus=tuple(GPU(number, uuid(number), "n", MIB, MIB) for number in range(4)))
    assert visible_numbers(value, whole) == set(torch.cuda._parse_visible_devices())


def test_what_is_hidden_is_said(nvml_world: World, table: Callable[..., str]) -> None:
    nvml_world.has(card(0), card(1))
    text = table(CUDA_VISIBLE_DEVICES="1")
    assert "GPU 0" not in text
    assert "GPU 1" in text
    assert "CUDA_VISIBLE_DEVICES=1: only what it names is offered" in text


def test_a_lost_gpu_that_is_hidden_is_not_mentioned(nvml_world: World, look: Look) -> None:
    failing = [Failure("nvmlDeviceGetMemoryInfo", GPU_IS_LOST, uuid(0))]
    nvml_world.has(card(0), card(1), failing=failing)
    assert look(CUDA_VISIBLE_DEVICES="1")["faults"] == []
    assert len(look(CUDA_VISIBLE_DEVICES="0,1")["faults"]) == 1
    assert numbers(look(CUDA_VISIBLE_DEVICES="0,1")) == [1]
