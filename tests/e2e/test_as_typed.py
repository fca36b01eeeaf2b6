"""Paths and numbers as people type and paste them, and lists as they search them, in Chinese."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Open, Run
from tests.e2e.terminal import CTRL_U, DOWN, ENTER, ESCAPE, Terminal
from tests.e2e.test_after_a_failure import Fail, failed

__all__ = ["failed"]

PASTE = "\x1b[200~{}\x1b[201~"


@pytest.fixture
def chinese(terminal: Open) -> Terminal:
    """The wizard at its first question."""
    screen = terminal("--lang", "zh", columns=140)
    screen.wait_for("? 数据集目录或原始文件")
    return screen


def answered(tmp_path: Path) -> dict[str, Any]:
    (path,) = (tmp_path / "state" / "srwizard" / "sessions").glob("*.json")
    found: dict[str, Any] = json.loads(path.read_text())["answers"]
    return found


def at_run_directory(screen: Terminal, dataset: Path) -> None:
    screen.send(str(dataset) + ENTER)
    screen.wait_for("? 运行目录 runs/data")


@pytest.mark.parametrize("form", ["{}", "'{}' ", '"{}"', "“{}”", "file://{}", "  {}  "])
def test_a_dataset_directory_as_it_is_pasted(
    chinese: Terminal, dataset: Path, tmp_path: Path, form: str
) -> None:
    chinese.send(PASTE.format(form.format(dataset)) + ENTER)
    chinese.wait_for("? 运行目录 runs/data")
    assert answered(tmp_path)["data"]["root"] == str(dataset)


@pytest.mark.parametrize(
    ("keys", "run"),
    [
        ("/{0}/here", "/{0}/here"),
        (PASTE.format("/{0}/a b/run") + " ", "/{0}/a b/run"),
        (PASTE.format("file:///{0}/a%20b/run"), "/{0}/a b/run"),
        ("file:///{0}/x", "/{0}/x"),
        (PASTE.format("'/{0}/quoted'"), "/{0}/quoted"),
        ("～/运行", "/{0}/home/运行"),
        ("-2", "/{0}/runs/data-2"),
    ],
)
def test_a_path_replaces_the_default_and_anything_else_adds_to_it(
    chinese: Terminal, dataset: Path, tmp_path: Path, keys: str, run: str
) -> None:
    at_run_directory(chinese, dataset)
    here = str(tmp_path).lstrip("/")
    chinese.send(keys.format(here))
    chinese.send(ENTER)
    chinese.wait_for("? 模型")
    assert answered(tmp_path)["output"]["dir"] == run.format(here)


@pytest.mark.parametrize("near", ["data/train", "data/train/hr", "."])
def test_the_dataset_above_or_below_a_directory_is_offered(
    chinese: Terminal, dataset: Path, tmp_path: Path, near: str
) -> None:
    chinese.send(str(tmp_path / near) + ENTER)
    chinese.wait_for("这不是数据集目录，但附近有一个")
    chinese.wait_for(f"» 是：{dataset}")
    chinese.send(ENTER)
    chinese.wait_for("? 运行目录 runs/data")
    assert answered(tmp_path)["data"]["root"] == str(dataset)


def test_an_answers_file_that_names_a_split_is_told_the_dataset(
    srwizard: Run, dataset: Path, answers: Path
) -> None:
    refused = srwizard("--answers", answers, "--set", f"data.root={dataset}/train", "--lang", "zh")
    assert refused.returncode == 3
    assert f"是否指 {dataset}？" in refused.stderr


def test_numbers_as_a_chinese_keyboard_writes_them(
    chinese: Terminal, dataset: Path, tmp_path: Path
) -> None:
    at_run_directory(chinese, dataset)
    chinese.send(ENTER)
    chinese.wait_for("? 模型")
    chinese.send(ENTER)
    chinese.wait_for("SwinIR 的参数")
    chinese.send(DOWN + ENTER)
    for name, typed in (("depths", "2、2"), ("num_heads", "６，６"), ("embed_dim", "６０")):
        chinese.wait_for(f"? {name}")
        chinese.send(CTRL_U + typed + ENTER)
    chinese.wait_for("? window_size")
    params = answered(tmp_path)["model"]["params"]
    assert params == {"embed_dim": 60, "depths": [2, 2], "num_heads": [6, 6]}


def test_numbers_in_an_answers_file_as_people_type_them(
    srwizard: Run, answers: Path, tmp_path: Path
) -> None:
    typed = ["--set", "training.lr=０．００２", "--set", "training.epochs=３"]
    done = srwizard("--answers", answers, *typed, "--stop-after", "frozen")
    assert done.returncode == 0, done.stderr
    frozen = (tmp_path / "run" / "run.yaml").read_text()
    assert "lr: 0.002" in frozen
    assert "epochs: 3" in frozen
    comma = srwizard("--answers", answers, "--set", "training.lr=0,001", "--lang", "zh")
    assert comma.returncode == 2
    assert "请输入 0.001（小数点用点号）" in comma.stderr


def test_models_are_found_by_group_and_description_and_in_chinese(
    chinese: Terminal, dataset: Path
) -> None:
    at_run_directory(chinese, dataset)
    chinese.send(ENTER)
    chinese.wait_for("? 模型")
    chinese.wait_for("» SwinIR")
    chinese.send("扩散")  # the heading of a group
    chinese.wait_for("» DDPM")
    assert "EDSR" not in chinese.visible
    chinese.send(ESCAPE)
    chinese.wait_for("EDSR", count=1)
    chinese.send("没有这样的模型")
    chinese.wait_for("没有与“没有这样的模型”匹配的选项")
    chinese.send("\x7f" * 7)
    chinese.wait_for("回车")
    chinese.send("残差")  # of a description
    chinese.wait_for("筛选：残差")
    assert "EDSR" in chinese.visible
    assert "FNO2d" not in chinese.visible


def test_back_from_several_changes_leads_to_the_question_before(failed: Fail) -> None:
    screen = failed("loss_not_finite")
    screen.send("several")
    screen.wait_for("» Several of these")
    screen.send(ENTER)
    screen.wait_for("? Which of them?")
    screen.send(ESCAPE)
    screen.wait_for("? What should be changed?", count=2)
    screen.wait_for("» Several of these")
    screen.send(ENTER)
    screen.wait_for("? Which of them?", count=2)
    screen.send("2" + ENTER)
    screen.wait_for("Largest norm of the gradient 1.0")
    screen.kill()
