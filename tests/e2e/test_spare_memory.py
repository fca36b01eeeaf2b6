"""Memory that is left over after the dry run: what it can buy, and memory.when_roomy."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.conftest import Open, Run
from tests.e2e.terminal import CTRL_C, DOWN, ENTER, F2
from tests.hardware.nvml.world import World, card

pytestmark = pytest.mark.broad
LONG = ("--set", "training.epochs=100000", "--set", "training.time_budget=null")
CHECKPOINTING = (
    "--set", "memory.gradient_checkpointing=true",
    "--set", "model.params={num_features: 16, num_blocks: 8}",
)  # fmt: skip
ONLY_MEASURED = ("--stop-after", "dry_run")
STAND_IN = Path(__file__).parent / "stand_in"


def dry_run(tmp_path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((tmp_path / "run" / "dry_run.json").read_text())
    return found


def checkpointing(tmp_path: Path, name: str = "run.yaml") -> bool:
    run = yaml.safe_load((tmp_path / "run" / name).read_text())
    return bool(run["memory"]["gradient_checkpointing"])


@pytest.mark.slow
def test_an_answers_file_is_told_and_nothing_is_changed(
    srwizard: Run, answers: Path, tmp_path: Path
) -> None:
    done = srwizard("--answers", answers, *CHECKPOINTING, *LONG, *ONLY_MEASURED)
    assert done.returncode == 0, done.stderr
    assert "What the room can buy" in done.stdout
    assert checkpointing(tmp_path)
    found = dry_run(tmp_path)
    assert found["verdict"] == "fits"
    first = found["room"][0]
    assert first["changes"] == {"memory.gradient_checkpointing": False}
    assert first["fits"] and first["predicted_bytes"] > 0 and first["time_change"] < 0
    assert first["title"].startswith("Activation checkpointing: yes → no")
    assert found["faster"]["changes"] == first["changes"]


@pytest.mark.slow
def test_a_short_training_is_not_held_up(srwizard: Run, answers: Path, tmp_path: Path) -> None:
    done = srwizard("--answers", answers, *ONLY_MEASURED)
    assert done.returncode == 0, done.stderr
    assert "room" not in dry_run(tmp_path)


@pytest.mark.slow
def test_what_is_faster_is_taken_and_measured_again_where_that_is_wanted(
    srwizard: Run, answers: Path, tmp_path: Path
) -> None:
    done = srwizard(
        "--answers", answers, *CHECKPOINTING, *ONLY_MEASURED, "--set", "memory.when_roomy=faster"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Verdict") == 2
    assert checkpointing(tmp_path, "run.r1.yaml")
    assert not checkpointing(tmp_path)
    run = yaml.safe_load((tmp_path / "run" / "run.yaml").read_text())
    assert dry_run(tmp_path)["digest"] == run["digest"]


@pytest.mark.slow
def test_what_turns_out_too_large_is_put_back(
    srwizard: Run, answers: Path, environment: dict[str, str], nvml_world: World, tmp_path: Path
) -> None:
    """A measurement counts for more than the prediction; an answers file never fails of it."""
    nvml_world.has(card(0))
    environment |= nvml_world.environment
    environment |= {"PYTHONPATH": str(STAND_IN), "STAND_IN_LARGEST_BATCH": "16"}
    peaks = {"2 false": 9000, "4 false": 23500}
    environment["STAND_IN_PEAKS"] = json.dumps(peaks)
    done = srwizard(
        "--answers", answers, *ONLY_MEASURED, "--set", "devices.gpus=[0]",
        "--set", "memory.when_roomy=faster", "--set", "memory.gradient_checkpointing=false",
        "--set", "training.batch_size=2", "--set", "training.grad_accumulation=2",
        "--set", "memory.when_tight=apply",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "the earlier ones are back" in done.stdout
    run = yaml.safe_load((tmp_path / "run" / "run.yaml").read_text())
    assert run["revision"] == 3
    assert run["training"]["batch_size"] == 2
    assert dry_run(tmp_path)["verdict"] == "fits"


@pytest.mark.slow
def test_a_person_chooses_in_chinese(
    terminal: Open, environment: dict[str, str], dataset: Path, tmp_path: Path
) -> None:
    environment["LANG"] = "zh_CN.UTF-8"
    screen = terminal(columns=110, rows=50)
    screen.wait_for("? 数据集目录")
    screen.send(str(dataset) + ENTER)
    for prompt in ("运行目录", "模型", "SwinIR 的参数"):
        screen.wait_for(f"? {prompt}")
        screen.send(ENTER)
    screen.wait_for("? 训练轮数")
    screen.send("3000" + F2)
    screen.wait_for("? 确认执行？")
    screen.send(ENTER)
    screen.wait_for("? 余量用来做什么？", patience=300)
    assert "内存尚有余量。" in screen.text
    for shown in ("不改动：按现有设置启动", "更快：梯度检查点", "每轮耗时 -"):
        assert shown in screen.visible, shown
    screen.send(CTRL_C)
    assert screen.wait_for_end() == 130
    resumed = terminal("resume", columns=110, rows=50)
    resumed.wait_for("? 余量用来做什么？", patience=300)
    assert "内存充足" in resumed.text
    resumed.send(DOWN + ENTER)
    resumed.wait_for("✅ 已修改：")
    resumed.wait_for("? 确认执行？")
    resumed.kill()
