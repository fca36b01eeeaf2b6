"""The conversations that the program is made for, in Chinese, on GPUs that NVML reports.

From a dataset to the launch; memory that is tight, changed until it fits; an error in training,
explained, and gone on from; a session that is resumed. Line by line, as far as lines are fixed.
"""

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


@pytest.fixture(scope="module")
def three_fields(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of fields of HR [680, 1440], LR [170, 360], to be linked as steps of others."""
    root = tmp_path_factory.mktemp("ocean") / "originals"
    return write_dataset(root, steps=(3, 1, 1), hr_shape=(680, 1440), scale=4)


@pytest.fixture(scope="module")
def ocean(three_fields: Path) -> Path:
    """A dataset of 255/55/55 steps."""
    return linked(three_fields, three_fields.with_name("data"), (255, 55, 55))


@pytest.fixture(scope="module")
def short_ocean(three_fields: Path) -> Path:
    """A dataset of few steps, for what is frozen: its simple methods are compared."""
    return linked(three_fields, three_fields.with_name("short"), (64, 2, 2))


def linked(originals: Path, root: Path, steps: tuple[int, int, int]) -> Path:
    """Make a dataset of so many steps in the splits."""
    fields = {
        level: sorted((originals / "train" / level / "temp").glob("*.npy"))
        for level in ("hr", "lr")
    }
    for first, (split, count) in enumerate(zip(("train", "valid", "test"), steps, strict=True)):
        for level, files in fields.items():
            directory = root / split / level / "temp"
            directory.mkdir(parents=True)
            for step in range(count):
                # Steps of one name are other fields in each split: no split is a copy of another.
                linked_to = files[(first + step) % len(files)]
                (directory / f"{step:04d}.npy").hardlink_to(linked_to)
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


def says(screen: Terminal, *lines: str) -> None:
    """Make sure that these lines stand on the screen, in this order, each by itself.

    Frames and indents are left aside, and so are lines in between: figures, paths, earlier keys.
    """
    shown = [line.strip(" │┃") for line in screen.text.split("\n")]
    begin = 0
    for line in lines:
        assert line in shown[begin:], f"not after the lines before it: {line!r}\n{screen.text}"
        begin = shown.index(line, begin) + 1


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
    says(
        screen,
        "数据集",
        f"目录     │ {ocean}",
        "训练集   │ 255 个时间步",
        "验证集   │ 55 个时间步",
        "测试集   │ 55 个时间步",
        "问题     │ 无",
    )
    assert "temp：HR 形状 [680, 1440]，LR 形状 [170, 360]，放大 4x，陆地" in screen.text
    answer(screen, "运行目录")
    screen.wait_for("? 模型")
    screen.wait_for("EDSR")
    says(
        screen,
        "── 标准模型 ──",
        "Swin Transformer：移动窗口内的注意力，适合锋面与涡旋等细节",
        "深层残差卷积：简单、稳健、快速，可靠的基线",
    )
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
    answer(screen, "OOM 防护")
    screen.wait_for("确认执行？")
    summary = screen.text[screen.text.index("【训练参数确认】") :]
    for shown in (
        f"数据目录: {ocean}", "运行目录: ", "模型: SwinIR", "变量: temp", "放大倍数: 4x",
        "训练轮数: 500", "学习率: 0.001", "批大小: 64", "GPU: 2 张 (GPU 0, GPU 1)，DDP 模式",
        "归一化: PGN",
    ):  # fmt: skip
        assert shown in summary, shown
    says(
        screen,
        "【训练参数确认】",
        f"数据目录: {ocean}",
        "变量: temp · 放大倍数: 4x · 时间步: 训练集 255, 验证集 55, 测试集 55",
        "模型: SwinIR",
        "训练轮数: 500 · 学习率: 0.001 · 批大小: 64 x 2 个进程 = 128 · 归一化: PGN",
        "GPU: 2 张 (GPU 0, GPU 1)，DDP 模式",
        "OOM 防护: 混合精度: 是, 梯度检查点: 是, 训练窗口大小: 整场, 权重分片: 否",
        "? 确认执行？ （方向键选择，回车键确认）",
    )
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
    answer(screen, "OOM 防护")
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
    answer(screen, "OOM 防护")
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
    for shown in ("训练出错", "错误信息：", "可能原因：", "修改建议：", "批大小 16→8，梯度累积 2"):
        assert shown in text, shown
    says(
        screen,
        "⚠  训练出错",
        "GPU 显存不足 (CUDA out of memory)。",
        "第 1 步之后，第 2 轮，当时正在：训练",
        "显存：试运行实测 9000 MB, 可用 23859 MB",
        "可能原因：",
        "- 批次、场或模型对此 GPU 来说太大",
        "- 有其他人开始使用同一张 GPU",
        "修改建议：",
        "? 要修改什么？ （方向键选择，回车键确认）",
    )
    # AMP and checkpointing are on: the first remedy is half the batch.
    screen.send(ENTER)
    screen.wait_for("? 确认执行？", count=2)
    says(screen, "✅ 已修改：", "- 批大小 16→8", "- 梯度累积 1→2", "【训练参数确认】")
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
    resumed.wait_for("? 要修改什么？", patience=900)
    # What happened is said again, before anything is asked.
    says(
        resumed,
        "⚠  训练出错",
        "GPU 显存不足 (CUDA out of memory)。",
        "显存：试运行实测 9000 MB, 可用 23859 MB",
        "可能原因：",
        "修改建议：",
        "? 要修改什么？ （方向键选择，回车键确认）",
    )
    resumed.send(ENTER)
    resumed.wait_for("确认执行？")
    says(resumed, "✅ 已修改：", "- 批大小 16→8", "- 梯度累积 1→2", "【训练参数确认】")
    resumed.kill()


@pytest.mark.slow
def test_a_tight_run_is_made_to_fit_before_it_is_launched(
    terminal: Open,
    chinese: dict[str, str],
    nvml_world: World,
    short_ocean: Path,
    tmp_path: Path,
) -> None:
    nvml_world.has(Card("GPU-0", total=24576, free=24576))
    chinese |= {
        "PYTHONPATH": str(STAND_IN),
        "STAND_IN_PEAKS": json.dumps({"64 false": 22100, "16 true": 8500}),
        "STAND_IN_LARGEST_BATCH": "0",
    }
    screen = terminal(columns=120, rows=60)
    answer_up_to_training(screen, short_ocean, "EDSR", DOWN)
    answer(screen, "训练轮数")
    answer(screen, "其他训练参数", DOWN)
    answer(screen, "学习率")
    answer(screen, "批大小", CTRL_U + "64")
    answer(screen, "归一化")
    answer(screen, "在哪里训练")
    answer(screen, "设备")
    answer(screen, "OOM 防护", DOWN)
    answer(screen, "混合精度", DOWN)
    answer(screen, "梯度检查点")
    answer(screen, "训练窗口大小")
    answer(screen, "确认执行？")
    screen.wait_for("要修改什么？", patience=900)
    for shown in (
        "紧张",
        "22100 MB",
        "24576 MB",
        "89.9 %",
        "混合精度：否→是",
        "批大小 64→16，梯度累积 4",
    ):
        assert shown in screen.text, shown
    tight = (
        "⚠  显存紧张：峰值 22100 MB，可用 24576 MB（89.9 %）。",
        "“紧张”的意思是：试运行时放得下，但训练过程中显存占用会有波动，之后仍可能耗尽。",
        "修改建议：",
        "? 要修改什么？ （方向键选择，回车键确认）",
    )
    says(screen, "试运行", "结论 │ 紧张", *tight)
    screen.send("?")
    screen.wait_for("“紧张”的意思是", count=2)
    screen.send("?")
    screen.kill()
    screen = terminal("resume", columns=120, rows=60)
    screen.wait_for("? 要修改什么？", patience=900)
    says(screen, *tight)
    # The first is the least that is predicted to fit; the second leaves more room.
    assert "预测放得下" in screen.text
    assert "留有余量：混合精度" in screen.text.replace(": ", "：")
    screen.send(DOWN + ENTER)
    answer(screen, "确认执行？")
    screen.wait_for("✅ 显存充足")
    says(
        screen,
        "✅ 已修改：",
        "- 批大小 64→16",
        "- 梯度累积 1→4",
        "- 混合精度 否→是",
        "【训练参数确认】",
        "试运行",
        "结论 │ 充足",
        "✅ 显存充足：峰值 8500 MB，可用 24576 MB（34.6 %）。",
    )
    screen.wait_for("CUDA out of memory")
    assert yaml.safe_load((tmp_path / "runs" / "short" / "run.yaml").read_text())["revision"] == 2
    screen.kill()
