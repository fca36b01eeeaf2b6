"""A training that would take longer than it may: training.time_budget."""

from pathlib import Path

import pytest

from tests.e2e.conftest import Open, Run
from tests.e2e.terminal import CTRL_C, ENTER, F2

pytestmark = pytest.mark.broad
LONG = ("--set", "training.epochs=100000")


def test_with_an_answers_file_it_stops_and_says_what_would_shorten_it(
    srwizard: Run, answers: Path, tmp_path: Path
) -> None:
    stopped = srwizard("--answers", answers, *LONG, "--set", "training.time_budget=1 min")
    assert stopped.returncode == 6, stopped.stderr
    assert "which is more than 1 min (training.time_budget)" in stopped.stderr
    assert "srwizard resume" in stopped.stderr
    for shown in ("Epochs 100000 → ", "The recommended recipe", "about "):
        assert shown in stopped.stdout, shown
    assert not (tmp_path / "run" / "metrics.jsonl").exists()
    # How long it may take is no part of the run.
    assert "time_budget" not in (tmp_path / "run" / "run.yaml").read_text()


@pytest.mark.parametrize("budget", ["soon", "3 weeks", "8"])
def test_what_is_not_a_duration_is_refused(srwizard: Run, answers: Path, budget: str) -> None:
    refused = srwizard("--answers", answers, "--set", f"training.time_budget='{budget}'")
    assert refused.returncode == 2
    assert "write it as 90 min, 8 h or 2 d" in refused.stderr


@pytest.mark.slow
def test_a_person_chooses_in_chinese(
    terminal: Open, environment: dict[str, str], dataset: Path, tmp_path: Path
) -> None:
    """Days are not launched without a word: what would shorten them comes with its time."""
    environment["LANG"] = "zh_CN.UTF-8"
    screen = terminal(columns=110, rows=50)
    screen.wait_for("? 数据集目录")
    screen.send(str(dataset) + ENTER)
    for prompt in ("运行目录", "模型", "SwinIR 的参数"):
        screen.wait_for(f"? {prompt}")
        screen.send(ENTER)
    screen.wait_for("? 训练轮数")
    screen.send("1000000" + F2)
    screen.wait_for("? 确认执行？")
    screen.send(ENTER)
    screen.wait_for("? 要修改什么？", patience=300)
    asked = screen.text[: screen.text.index("? 要修改什么？")]
    for shown in ("训练预计需要约", "超过上限 24 h", "本机没有可用的 GPU", "修改建议："):
        assert shown in asked, shown
    for shown in ("采用推荐方案", "训练轮数 1000000→", "更轻的模型：SwinIR，规模 tiny", "约 "):
        assert shown in screen.visible, shown
    assert "仍然启动（约" in screen.visible
    screen.send(CTRL_C)
    assert screen.wait_for_end() == 130
    resumed = terminal("resume", columns=110, rows=50)
    resumed.wait_for("? 要修改什么？", patience=300)
    assert "训练预计需要约" in resumed.text
    resumed.send("训练轮数" + ENTER)
    resumed.wait_for("✅ 已修改：")
    resumed.wait_for("训练轮数 1000000→")
    resumed.wait_for("? 确认执行？")
    resumed.kill()
