"""The conversations that the program is made for, in Chinese, on GPUs that NVML reports."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.datasets import write_dataset
from tests.e2e.conftest import Open
from tests.e2e.terminal import CTRL_U, DOWN, ENTER, UP, Terminal
from tests.hardware.nvml.world import Card, World, card

pytestmark = pytest.mark.broad

STAND_IN = Path(__file__).parent / "stand_in"
SPACE = " "


@pytest.fixture(scope="session")
def ocean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of 255/55/55 steps, HR [680, 1440], LR [170, 360]: three fields, linked."""
    root = tmp_path_factory.mktemp("ocean") / "data"
    originals = write_dataset(
        root.with_name("originals"), steps=(3, 1, 1), hr_shape=(680, 1440), scale=4
    )
    fields = {
        level: sorted((originals / "train" / level / "temp").glob("*.npy"))
        for level in ("hr", "lr")
    }
    for split, steps in (("train", 255), ("valid", 55), ("test", 55)):
        for level, files in fields.items():
            directory = root / split / level / "temp"
            directory.mkdir(parents=True)
            for step in range(steps):
                (directory / f"{step:04d}.npy").hardlink_to(files[step % len(files)])
    assert np.load(directory / "0000.npy", mmap_mode="r").shape == (170, 360)
    return root


@pytest.fixture
def chinese(environment: dict[str, str], nvml_world: World) -> dict[str, str]:
    """A Chinese user's environment on a machine with made-up GPUs."""
    environment |= nvml_world.environment
    environment["LANG"] = "zh_CN.UTF-8"
    return environment


def answer(screen: Terminal, prompt: str, keys: str = "", *, count: int = 1) -> None:
    """Wait for a question, type, and press Enter."""
    screen.wait_for(f"? {prompt}", count=count)
    screen.send(keys + ENTER)


def answer_up_to_training(screen: Terminal, root: Path, model: str, keys: str = "") -> None:
    """Answer data, output and model."""
    answer(screen, "数据集目录", str(root))
    answer(screen, "运行目录")
    answer(screen, "模型", keys)
    answer(screen, f"{model} 的参数")


def test_full_flow(terminal: Open, chinese: dict[str, str], nvml_world: World, ocean: Path) -> None:
    nvml_world.has(*(card(number) for number in range(8)))
    screen = terminal(columns=120)
    answer(screen, "数据集目录", str(ocean))
    screen.wait_for("运行目录")
    for shown in ("255 / 55 / 55", "temp", "[680, 1440]", "[170, 360]", "陆地"):
        assert shown in screen.text
    answer(screen, "运行目录")
    screen.wait_for("? 模型")
    screen.wait_for("EDSR")
    assert "── 标准模型 ──" in screen.text
    assert "SwinIR（推荐）" in screen.text.replace(" ", "")
    screen.send(ENTER)
    answer(screen, "SwinIR 的参数")
    answer(screen, "训练轮数 500")
    answer(screen, "其他训练参数", DOWN)
    answer(screen, "学习率 0.001")
    answer(screen, "批大小", CTRL_U + "64")
    answer(screen, "归一化")
    answer(screen, "在哪里训练")
    screen.wait_for("? 设备")
    for number in range(8):
        assert f"GPU {number}: RTX 4090 (23.6GB, 空闲 23.3GB)" in screen.text
    screen.send(DOWN + SPACE + ENTER)
    answer(screen, "内存选项")
    screen.wait_for("确认执行？")
    summary = screen.text[screen.text.index("【训练参数确认】") :]
    for shown in (
        f"数据目录: {ocean}", "运行目录: ", "模型: SwinIR", "变量: temp", "放大倍数: 4x",
        "训练轮数: 500", "学习率: 0.001", "批大小: 64", "GPU: 2 张 (GPU 0, GPU 1)，DDP 模式",
        "归一化: PGN",
    ):  # fmt: skip
        assert shown in summary, shown
    screen.kill()


def test_single_card_with_everything_else_by_default(
    terminal: Open, chinese: dict[str, str], nvml_world: World, ocean: Path
) -> None:
    nvml_world.has(card(0))
    screen = terminal(columns=120)
    # Besides the path and the number of epochs: one key to reach FNO2d, and Enter.
    answer_up_to_training(screen, ocean, "FNO2d", UP)
    answer(screen, "训练轮数", CTRL_U + "100")
    answer(screen, "其他训练参数")
    answer(screen, "在哪里训练")
    answer(screen, "设备")
    answer(screen, "内存选项")
    screen.wait_for("确认执行？")
    summary = screen.text[screen.text.index("【训练参数确认】") :]
    for shown in ("模型: FNO2d", "训练轮数: 100", "学习率: 0.001", "批大小: 16", "GPU: GPU 0"):
        assert shown in summary, shown
    screen.kill()


def out_of_memory(
    terminal: Open,
    chinese: dict[str, str],
    nvml_world: World,
    dataset: Path,
    epochs: int = 1,
) -> Terminal:
    """Walk into a training that runs out of memory with batch 16, and would not with 8."""
    nvml_world.has(card(0))
    chinese |= {
        "PYTHONPATH": str(STAND_IN),
        "STAND_IN_PEAKS": json.dumps({"16 true": 9000, "8 true": 5000}),
        "STAND_IN_LARGEST_BATCH": "8",
    }
    screen = terminal(columns=120, rows=50)
    answer_up_to_training(screen, dataset, "EDSR", DOWN)
    answer(screen, "训练轮数", f"{CTRL_U}{epochs}")
    answer(screen, "其他训练参数")
    answer(screen, "在哪里训练")
    answer(screen, "设备")
    answer(screen, "内存选项")
    answer(screen, "确认执行？")
    return screen


@pytest.mark.slow
def test_out_of_memory_in_training_becomes_a_new_revision(
    terminal: Open,
    chinese: dict[str, str],
    nvml_world: World,
    dataset: Path,
    tmp_path: Path,
) -> None:
    """It goes on from the checkpoint of the epoch before."""
    chinese["STAND_IN_FAILS_AFTER"] = "1"
    screen = out_of_memory(terminal, chinese, nvml_world, dataset, epochs=2)
    screen.wait_for("CUDA out of memory")
    screen.wait_for("试运行实测 9000 MB")
    screen.wait_for("要修改什么？")
    text = screen.text
    failure = json.loads((tmp_path / "runs" / "data" / "failure.json").read_text())
    assert (failure["phase"], failure["step"], failure["epoch"]) == ("training", 1, 2)
    assert failure["measured_bytes"] == 9000 * 2**20
    assert failure["capacity_bytes"] == 23859 * 2**20
    for shown in ("可能的原因", "1. ", "batch_size 8"):
        assert shown in text, shown
    # AMP and checkpointing are on: the first remedy is half the batch.
    screen.send(ENTER)
    answer(screen, "确认执行？", count=2)
    screen.wait_for("checkpoints/last.pt")
    screen.wait_for("测试集")
    assert screen.wait_for_end() == 0
    run = tmp_path / "runs" / "data"
    now, before = (yaml.safe_load((run / name).read_text()) for name in ("run.yaml", "run.r1.yaml"))
    assert (before["revision"], before["training"]["batch_size"]) == (1, 16)
    assert (now["revision"], now["training"]["batch_size"]) == (2, 8)
    assert now["training"]["grad_accumulation"] == 2


@pytest.mark.slow
def test_killed_while_the_remedies_are_shown(
    terminal: Open,
    chinese: dict[str, str],
    nvml_world: World,
    dataset: Path,
) -> None:
    screen = out_of_memory(terminal, chinese, nvml_world, dataset)
    screen.wait_for("? 要修改什么？", patience=900)
    screen.kill()
    resumed = terminal("resume", columns=120, rows=50)
    answer(resumed, "要修改什么？")
    resumed.wait_for("确认执行？")
    assert "批大小: 8 x 2" in resumed.text
    resumed.kill()


@pytest.mark.slow
def test_a_tight_run_is_made_to_fit_before_it_is_launched(
    terminal: Open,
    chinese: dict[str, str],
    nvml_world: World,
    ocean: Path,
    tmp_path: Path,
) -> None:
    nvml_world.has(Card("GPU-0", total=24576, free=24576))
    chinese |= {
        "PYTHONPATH": str(STAND_IN),
        "STAND_IN_PEAKS": json.dumps({"64 false": 22100, "16 true": 8500}),
        "STAND_IN_LARGEST_BATCH": "0",
    }
    screen = terminal(columns=120, rows=60)
    answer_up_to_training(screen, ocean, "SwinIR")
    answer(screen, "训练轮数")
    answer(screen, "其他训练参数", DOWN)
    answer(screen, "学习率")
    answer(screen, "批大小", CTRL_U + "64")
    answer(screen, "归一化")
    answer(screen, "在哪里训练")
    answer(screen, "设备")
    answer(screen, "内存选项", DOWN)
    answer(screen, "混合精度", DOWN)
    answer(screen, "激活检查点")
    answer(screen, "训练窗口大小")
    answer(screen, "确认执行？")
    screen.wait_for("要修改什么？", patience=900)
    for shown in ("紧张", "22100 MB", "24576 MB", "89.9 %", "use_amp", "batch_size 16"):
        assert shown in screen.text, shown
    # The first is the least that is predicted to fit; the second leaves more room.
    assert "预测放得下" in screen.text
    assert "留有余量: use_amp" in screen.text.replace("：", ": ")
    screen.send(DOWN + ENTER)
    answer(screen, "确认执行？", count=2)
    screen.wait_for("8500 MB")
    for shown in ("充足", "34.6 %"):
        assert shown in screen.text, shown
    screen.wait_for("CUDA out of memory")
    assert yaml.safe_load((tmp_path / "runs" / "data" / "run.yaml").read_text())["revision"] == 2
    screen.kill()
