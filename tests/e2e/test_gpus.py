"""The wizard on machines with GPUs: what it offers, marks, refuses and hands on."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.conftest import Open, Run
from tests.e2e.terminal import CTRL_A, DOWN, ENTER, ESCAPE, Terminal
from tests.e2e.walk import PROMPTS
from tests.hardware.nvml.world import (
    GPU_IS_LOST,
    NO_PERMISSION,
    Card,
    Failure,
    Held,
    Part,
    World,
    card,
    uuid,
)  # fmt: skip

pytestmark = pytest.mark.broad

GPU_LINE = "RTX 4090 (23.6GB, 23.3GB free)"
LOST = Failure("nvmlDeviceGetMemoryInfo", GPU_IS_LOST, uuid(1))
AFTER_DEVICES = f"? {PROMPTS['memory'][0]}"


@pytest.fixture
def machine(environment: dict[str, str], nvml_world: World) -> World:
    """A machine with a driver, on which the command and the terminal of the test run."""
    environment.update(nvml_world.environment)
    return nvml_world


def saved(tmp_path: Path) -> dict[str, Any]:
    (path,) = (tmp_path / "state" / "srwizard" / "sessions").glob("*.json")
    return json.loads(path.read_text())  # type: ignore[no-any-return]


def at_devices(srwizard: Run, terminal: Open, answers: Path) -> Terminal:
    """Open a terminal in which the devices are the next question."""
    stopped = srwizard("--answers", answers)
    assert stopped.returncode == 6, stopped.stderr
    assert "devices.gpus" in stopped.stderr
    assert "devices: {gpus: [0]}" in stopped.stderr
    screen = terminal("resume")
    screen.wait_for("? Where to train")
    screen.send(ENTER)
    screen.wait_for("? Devices")
    return screen


def test_enter_takes_the_first_idle_gpu_and_busy_ones_are_marked(
    machine: World, srwizard: Run, terminal: Open, answers: Path, tmp_path: Path
) -> None:
    with subprocess.Popen(["sleep", "600"]) as worker:
        busy = card(0, free=4096, processes=[Held(worker.pid, 19000)])
        machine.has(busy, *(card(number) for number in range(1, 8)))
        screen = at_devices(srwizard, terminal, answers)
        screen.wait_for("○ CPU: ")
        worker.kill()
    assert "○ GPU 0: RTX 4090 (23.6GB, 4.0GB free), busy" in screen.text
    assert f"(process {worker.pid}) holds 18.6 GB" in screen.text
    assert f"● GPU 1: {GPU_LINE}" in screen.text
    for number in range(2, 8):
        assert f"○ GPU {number}: {GPU_LINE}" in screen.text
    screen.send(ENTER)
    screen.wait_for(AFTER_DEVICES)
    screen.kill()
    chosen = {"launcher": "here", "gpus": [1], "processes": 1}
    assert saved(tmp_path)["answers"]["devices"] == chosen


def test_cpu_and_gpus_together_are_refused_and_each_alone_is_not(
    machine: World, srwizard: Run, terminal: Open, answers: Path, tmp_path: Path
) -> None:
    machine.has(card(0), card(1))
    screen = at_devices(srwizard, terminal, answers)
    screen.send(CTRL_A + ENTER)
    screen.wait_for("the CPU and GPUs cannot be used together")
    screen.wait_for("? Devices", count=2)
    # All are marked still.
    screen.send(CTRL_A + ENTER)
    screen.wait_for("mark at least one device")
    screen.wait_for("? Devices", count=3)
    screen.send(DOWN * 2 + " " + ENTER)
    screen.wait_for("? Processes on the CPU")
    assert saved(tmp_path)["answers"]["devices"]["gpus"] == []
    screen.send(ESCAPE)
    screen.wait_for("? Devices", count=4)
    screen.wait_for("» ● CPU: ")
    screen.send(CTRL_A + " " + ENTER)
    screen.wait_for(AFTER_DEVICES)
    screen.kill()
    chosen = {"launcher": "here", "gpus": [0, 1], "processes": 2}
    assert saved(tmp_path)["answers"]["devices"] == chosen


@pytest.mark.parametrize(
    ("typed", "marked"),
    [
        ("0,2", [0, 2]), ("0，2", [0, 2]), ("0、2", [0, 2]), ("1-3", [1, 2, 3]), ("０ ３", [0, 3]),
        ("7\x7f2", [2]),
    ],
)  # fmt: skip
def test_gpus_are_chosen_by_their_numbers(
    machine: World, srwizard: Run, terminal: Open, answers: Path, tmp_path: Path,
    typed: str, marked: list[int],
) -> None:  # fmt: skip
    machine.has(*(card(number) for number in range(4)))
    screen = at_devices(srwizard, terminal, answers)
    for key in typed:
        screen.send(key)
    screen.send(ENTER)
    screen.wait_for(AFTER_DEVICES)
    screen.kill()
    assert saved(tmp_path)["answers"]["devices"]["gpus"] == marked


def test_a_number_that_no_gpu_has_is_refused_as_it_is_typed(
    machine: World, srwizard: Run, terminal: Open, answers: Path
) -> None:
    machine.has(card(0), card(1))
    screen = at_devices(srwizard, terminal, answers)
    screen.send("0,5" + ENTER)
    screen.wait_for("0,5 (there is no 5)")
    screen.send("\x7f1" + ENTER)
    screen.wait_for(AFTER_DEVICES)
    screen.kill()


def test_the_pointer_stands_on_the_idle_gpu_and_a_busy_one_is_warned_of_twice(
    machine: World, srwizard: Run, terminal: Open, answers: Path, environment: dict[str, str]
) -> None:
    environment["LANG"] = "zh_CN.UTF-8"
    machine.has(card(0, utilisation=90), card(1))
    assert srwizard("--answers", answers).returncode == 6
    screen = terminal("resume")
    screen.wait_for("? 在哪里训练")
    screen.send(ENTER)
    screen.wait_for("» ● GPU 1")
    screen.send("0" + ENTER)
    warning = "GPU 0 正忙"
    screen.wait_for(warning)
    screen.wait_for("? OOM 防护")
    screen.send(ENTER)
    screen.wait_for("? 确认执行")
    assert screen.text.count(warning) == 2
    screen.kill()


def test_a_gpu_lost_before_it_is_confirmed(
    machine: World, srwizard: Run, terminal: Open, answers: Path, tmp_path: Path
) -> None:
    machine.has(card(0, utilisation=50), card(1))
    screen = at_devices(srwizard, terminal, answers)
    screen.wait_for("● GPU 1: ")
    machine.has(card(0, utilisation=50), card(1), failing=[LOST])
    screen.send(ENTER)
    screen.wait_for("GPU 1 cannot be used: the GPU is lost")
    screen.wait_for("? Devices", count=2)
    screen.wait_for("● CPU: ")
    screen.send(ENTER)
    screen.wait_for("? Processes on the CPU")
    screen.kill()
    assert saved(tmp_path)["answers"]["devices"]["gpus"] == []


def test_a_gpu_lost_after_it_was_chosen_is_noticed_on_resume(
    machine: World, srwizard: Run, terminal: Open, answers: Path
) -> None:
    machine.has(card(0), card(1))
    frozen = srwizard("--answers", answers, "--set", "devices.gpus=[1]", "--stop-after", "frozen")
    assert frozen.returncode == 0, frozen.stderr
    machine.has(card(0), card(1), failing=[LOST])
    screen = terminal("resume")
    screen.wait_for("Since the session was saved: GPU 1 cannot be used: the GPU is lost")
    screen.wait_for("? Where to train")
    screen.send(ENTER)
    screen.wait_for("? Devices")
    screen.wait_for("● GPU 0: ")
    screen.kill()


@pytest.mark.parametrize(
    ("cards", "gpus", "chosen"),
    [
        ((card(0), card(1)), "[1]", [(1, uuid(1))]),
        ((card(0), card(1)), "[1, 0]", [(1, uuid(1)), (0, uuid(0))]),
        ((card(0, parts=[Part("MIG-a")]), card(1)), "[100]", [(100, "MIG-a")]),
        ((card(0),), "[]", []),
    ],
)
def test_the_run_config_names_the_uuids(
    machine: World, srwizard: Run, answers: Path, tmp_path: Path,
    cards: tuple[Card, ...], gpus: str, chosen: list[tuple[int, str]],
) -> None:  # fmt: skip
    machine.has(*cards)
    done = srwizard("--answers", answers, "--set", f"devices.gpus={gpus}", "--stop-after", "frozen")
    assert done.returncode == 0, done.stderr
    devices = yaml.safe_load((tmp_path / "run" / "run.yaml").read_text())["devices"]
    assert [(gpu["index"], gpu["uuid"]) for gpu in devices["gpus"]] == chosen
    assert devices["processes"] == max(len(chosen), 1)
    assert devices["backend"] == ("nccl" if chosen else "gloo")


PARTED = card(2, parts=[Part("MIG-a"), Part("MIG-b")])


@pytest.mark.parametrize(
    ("gpus", "words"),
    [
        ("[7]", "there is no GPU 7; there are: 0, 300, 301"),
        ("[0, 0]", "the same GPU is named twice"),
        ("[1]", "GPU 1 cannot be used: the GPU is lost"),
        ("[2]", "is partitioned (MIG); its parts can be chosen: 300, 301"),
        ("[0, 300]", "GPU 300 is a part of a GPU and can only be used alone"),
        ("[3]", "GPU 3 is hidden by CUDA_VISIBLE_DEVICES=0,1,2"),
    ],
)
def test_an_answers_file_is_refused_that_names_what_cannot_be_used(
    machine: World, environment: dict[str, str], srwizard: Run, answers: Path, tmp_path: Path,
    gpus: str, words: str,
) -> None:  # fmt: skip
    environment["CUDA_VISIBLE_DEVICES"] = "0,1,2"
    machine.has(card(0), card(1), PARTED, card(3), failing=[LOST])
    refused = srwizard("--answers", answers, "--set", f"devices.gpus={gpus}")
    assert refused.returncode == 2, refused.stdout + refused.stderr
    assert "devices.gpus" in refused.stderr
    assert words in refused.stderr.replace("\n", " ")
    assert "Traceback" not in refused.stderr
    assert not (tmp_path / "run").exists()


def test_an_answers_file_for_gpus_where_none_can_be_used(
    machine: World, srwizard: Run, answers: Path
) -> None:
    machine.has(card(0), failing=[Failure("nvmlInit", NO_PERMISSION)])
    refused = srwizard("--answers", answers, "--set", "devices.gpus=[0]")
    assert refused.returncode == 2
    assert "devices.gpus: GPU 0 cannot be used: you have no permission" in refused.stderr
    allowed = srwizard("--answers", answers, "--stop-after", "frozen")
    assert allowed.returncode == 0, allowed.stderr
    assert "No GPU can be used: you have no permission" in allowed.stdout
