"""Runs side by side: what differs, what came of each, and which is best."""

import json
import math
import os
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from srwizard.base.errors import UsageError
from srwizard.report import comparing, comparison
from srwizard.settings import run_config
from srwizard.settings.run_config import RunMemory, RunMethod, RunModel, RunSkip, RunTraining
from tests.configs import MADE_UP_DATA, made_up_config
from tests.e2e.terminal import PROGRAM, Terminal


def made_up(run_dir: Path, *, rmse: dict[str, float | None] | None = None, **changes: Any) -> Path:
    """Make a run directory of two epochs, with scores of the test split if there are any."""
    run_dir.mkdir(parents=True)
    run_config.write(run_config.seal(made_up_config(**changes)), run_dir)
    events: list[dict[str, Any]] = [
        {"event": "epoch", "epoch": epoch, "seconds": seconds, "train_loss": 0.1}
        for epoch, seconds in ((1, 5.0), (2, 3.0), (2, 4.0))  # the second was trained twice
    ]
    if rmse is not None:
        scores = {
            name: {
                "model": {"rmse": value, "psnr": 20 * math.log10(10 / (value or 1))},
                "bicubic": {"rmse": 1.0, "psnr": 30.0},
            }
            for name, value in rmse.items()
        }
        events.append({"event": "test", "variables": scores})
    (run_dir / "metrics.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    status = {"state": "completed" if rmse else "stopped", "epoch": 2, "epochs": 2,
              "peak_memory_bytes": 2**30}  # fmt: skip
    (run_dir / "status.json").write_text(json.dumps(status))
    return run_dir


def training(**changes: Any) -> RunTraining:
    return RunTraining(**({"num_workers": 0} | changes))


@pytest.fixture
def seeds(tmp_path: Path) -> Path:
    for seed, rmse in ((2, 0.5), (10, 0.3), (3, 0.4)):
        made_up(tmp_path / f"seed-{seed}", rmse={"temp": rmse, "salt": 1 - rmse},
                training=training(seed=seed))  # fmt: skip
    return tmp_path


def test_runs_that_differ_in_their_seed(seeds: Path) -> None:
    found = comparing.compare([seeds])
    assert [result.name for result in found.results] == ["seed-2", "seed-3", "seed-10"]
    assert found.differing == ["training.seed"]
    assert [result.settings["training.seed"] for result in found.results] == [2, 3, 10]
    assert [result.seconds for result in found.results] == [9.0] * 3
    best = [(result.name, variable) for result in found.results for variable in found.variables
            if found.is_best(result, variable, "rmse")]  # fmt: skip
    assert best == [("seed-2", "salt"), ("seed-10", "temp")]
    assert found.results[2].scores["temp"]["skill"] == pytest.approx(0.7)
    assert any("3 seeds 0.4 ± 0.1" in notice for notice in found.notices)


def test_of_other_models_only_common_parameters_are_named(tmp_path: Path) -> None:
    common = {"in_channels": 2, "out_channels": 2, "global_skip": True}
    edsr = RunModel(name="EDSR", params={"num_blocks": 1, "width": 8}, **common)
    fno = RunModel(name="FNO2d", params={"modes": 4, "width": 16}, **common)
    runs = [made_up(tmp_path / "one", model=edsr), made_up(tmp_path / "two", model=fno)]
    assert comparing.compare(runs).differing == ["model.name", "model.params.width"]


def test_what_follows_from_the_variables_is_no_setting(tmp_path: Path) -> None:
    """Runs of one and of two variables differ in these, not in channels, steps and weights."""
    runs = []
    one: dict[str, Any] = {"temp": "linear"}
    two: dict[str, Any] = {"temp": "bicubic", "salt": "linear"}
    for name, methods in (("one", one), ("two", two)):
        skip = {
            variable: RunSkip(
                method=method,
                weight=len(methods) / 2,
                best=RunMethod(method=method, weight=0.0),
                valid_rmse={method: 0.5},
            )
            for variable, method in methods.items()
        }
        count = len(methods)
        data = MADE_UP_DATA.model_copy(
            update={"variables": list(methods), "steps": {"train": count, "valid": 1, "test": 1}}
        )
        model = RunModel(name="EDSR", params={}, in_channels=count, out_channels=count, skip=skip)
        runs.append(made_up(tmp_path / name, model=model, data=data))
    found = comparing.compare(runs)
    assert found.differing == ["data.variables", "model.skip.temp.method"]
    assert comparison.setting_title("model.skip.temp.method").endswith("(temp)")


def test_what_has_no_scores_yet_and_what_could_not_be_measured(tmp_path: Path) -> None:
    runs = [
        made_up(tmp_path / "a", rmse={"temp": None}),
        made_up(tmp_path / "b", rmse={"temp": 0.5}),
        made_up(tmp_path / "c"),
    ]
    found = comparing.compare(runs)
    assert found.notices == []
    assert not any(found.is_best(result, "temp", "rmse") for result in found.results)
    shown = found.as_json()["runs"]
    assert shown[0]["variables"]["temp"]["rmse"] is None
    assert (shown[2]["state"], shown[2]["variables"]) == ("stopped", {})


def test_other_test_data_is_spoken_of(tmp_path: Path) -> None:
    other = MADE_UP_DATA.model_copy(update={"fingerprint": {"test/hr/temp": "ab"}})
    runs = [made_up(tmp_path / "a"), made_up(tmp_path / "b", data=other)]
    (notice,) = comparing.compare(runs).notices
    assert "same test data" in notice


def test_runs_with_and_without_guides_were_scored_on_the_same_data(tmp_path: Path) -> None:
    """What guides them is no part of what they are scored against."""
    plain = {"test/hr/temp": "all:1", "test/lr/temp": "all:2"}
    runs = []
    for name, guides, digests in (
        ("without", [], plain),
        ("with", ["ssh"], plain | {"test/hr/ssh": "all:3"}),
        ("with another", ["wind"], plain | {"test/hr/wind": "all:4"}),
    ):
        scales = {guide: [0.0, 1.0] for guide in guides}
        changes = {"fingerprint": digests, "guides": guides, "guide_scales": scales}
        data = MADE_UP_DATA.model_copy(update=changes)
        runs.append(made_up(tmp_path / name, rmse={"temp": 0.5}, data=data))
    assert comparing.compare(runs).notices == []


def test_a_variable_that_both_have_is_compared(tmp_path: Path) -> None:
    """What only one of them was trained for says nothing of it."""
    both = MADE_UP_DATA.model_copy(update={
        "variables": ["temp", "salt"],
        "fingerprint": {"test/hr/temp": "all:1", "test/hr/salt": "all:2"},
    })  # fmt: skip
    alone = both.model_copy(
        update={"variables": ["temp"], "fingerprint": {"test/hr/temp": "all:1"}}
    )
    runs = [
        made_up(tmp_path / "both", rmse={"temp": 0.5, "salt": 0.1}, data=both),
        made_up(tmp_path / "alone", rmse={"temp": 0.4}, data=alone),
    ]
    found = comparing.compare(runs)
    assert "not scored on the same test data" not in " ".join(found.notices)
    assert [found.is_best(result, "temp", "rmse") for result in found.results] == [False, True]


def test_a_run_without_a_skip_is_told_from_those_with_one(tmp_path: Path) -> None:
    """It is scored beside bicubic interpolation alone: its skill is against a lower bar."""
    best = RunMethod(method="linear", weight=0.0)
    skip = {"temp": RunSkip(**best.model_dump(), best=best, valid_rmse={"linear": 0.8})}
    model = made_up_config().model
    runs = [
        made_up(tmp_path / name, rmse={"temp": rmse}, model=model.model_copy(update={"skip": its}))
        for name, rmse, its in (("with", 0.4, skip), ("without", 0.5, None))
    ]
    path = runs[0] / "metrics.jsonl"
    events = [json.loads(line) for line in path.read_text().splitlines()]
    events[-1]["variables"]["temp"] |= {"linear": {"rmse": 0.8, "psnr": 31.0}, "best": "linear"}
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    found = comparing.compare(runs)
    assert "model.skip.temp.method" in found.differing
    assert any("not the same in all runs (linear filter, bicubic)" in one for one in found.notices)


def test_a_run_that_cannot_be_read_does_not_hide_the_others(seeds: Path) -> None:
    (seeds / "seed-3" / "run.yaml").write_text("changed: by hand")
    found = comparing.compare([seeds])
    assert [result.name for result in found.results] == ["seed-2", "seed-10"]
    assert [one for one in found.notices if "Left out" in one and "seed-3" in one]
    with pytest.raises(UsageError):
        comparing.compare([seeds / "seed-3", seeds / "seed-2"])
    for name in ("seed-2", "seed-10"):
        (seeds / name / "run.yaml").write_text("changed: by hand")
    with pytest.raises(UsageError):
        comparing.compare([seeds])


def test_psnrs_over_other_ranges_are_not_ranked(tmp_path: Path) -> None:
    """The range is that of the training split, which may differ where the test split does not."""
    runs = [made_up(tmp_path / name, rmse={"temp": 0.5}) for name in ("a", "b")]
    path = runs[1] / "metrics.jsonl"
    path.write_text(path.read_text().replace(str(20 * math.log10(20)), "31.0"))
    told = comparing.compare(runs).as_json()["runs"]
    assert all("psnr" not in run["best"]["temp"] for run in told)


def test_of_other_test_data_skill_alone_is_compared(tmp_path: Path) -> None:
    other = MADE_UP_DATA.model_copy(update={"fingerprint": {"test/hr/temp": "ab"}})
    runs = [
        made_up(tmp_path / "a", rmse={"temp": 0.5}),
        made_up(tmp_path / "b", rmse={"temp": 0.4}, data=other),
    ]
    told = comparing.compare(runs).as_json()["runs"]
    assert [run["best"]["temp"] for run in told] == [[], ["skill"]]


@pytest.mark.parametrize(
    ("digests", "words"),
    [
        (("all:1", "all:1"), None),
        (("all:1", "all:2"), "not scored on the same test data"),
        (("1", "1"), None),
        (("1", "all:1"), "is not known whether"),
        (("1", "all:1", "2"), "not scored on the same test data"),
    ],
)
def test_digests_of_older_runs_are_compared_with_their_like_alone(
    tmp_path: Path, digests: tuple[str, ...], words: str | None
) -> None:
    runs = [
        made_up(
            tmp_path / str(place),
            data=MADE_UP_DATA.model_copy(update={"fingerprint": {"test/hr/temp": digest}}),
        )
        for place, digest in enumerate(digests)
    ]
    notices = comparing.compare(runs).notices
    assert [words in notice for notice in notices if words] == ([True] if words else [])
    assert len(notices) == bool(words)


def test_equal_names_are_told_apart(tmp_path: Path) -> None:
    runs = [made_up(tmp_path / name / "run") for name in ("x", "y")]
    assert [result.name for result in comparing.compare(runs).results] == ["x/run", "y/run"]


def test_what_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a run directory"):
        comparing.compare([tmp_path])


class Cells(HTMLParser):
    """The cells of a table's body, and the classes of each."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self._classes: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "img", "link")  # it needs nothing else
        self._classes = (dict(attrs).get("class") or "") if tag == "td" else None

    def handle_endtag(self, tag: str) -> None:
        self._classes = None

    def handle_data(self, data: str) -> None:
        if self._classes is not None:
            self.found.append((data, self._classes))


def test_the_command_and_its_page(seeds: Path) -> None:
    page = seeds / "table.html"
    shown = subprocess.run(
        [PROGRAM, "compare", *sorted(map(str, seeds.glob("seed-*"))), "--html", str(page)],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    line = next(line for line in shown.splitlines() if line.split()[:1] == ["seed-10"])
    assert "0.3 *" in line and "+70.0 % *" in line and "9.0 s" in line and "1.0 GB" in line
    assert str(page) in shown
    cells = Cells()
    cells.feed(page.read_text())
    best = [text for text, classes in cells.found if "best" in classes.split()]
    assert best == ["0.3", "30.46", "+70.0 %", "0.5", "26.02", "+50.0 %"]
    assert "marked with *" in shown
    assert "is highlighted" in page.read_text()


def test_in_chinese(tmp_path: Path) -> None:
    """Heads, settings, states, notices and the page: no English word but names and metrics."""
    runs = [
        made_up(tmp_path / "seed-1", rmse={"temp": 0.5}, training=training(seed=1)),
        made_up(tmp_path / "seed-2", rmse={"temp": 0.4}, training=training(seed=2)),
        made_up(tmp_path / "seed-3", training=training(seed=3)),
    ]
    for run, errors in zip(runs, ([2.0, 3.0], [1.0, 2.0]), strict=False):
        (run / "plots").mkdir()
        np.savez(
            run / "plots" / "breakdown.npz", variables=["temp"], names=["1", "2"],
            steps=np.array([[errors]]), step_points=np.ones((1, 2)),
        )  # fmt: skip
    shown = subprocess.run(
        [PROGRAM, "--lang", "zh", "compare", str(tmp_path), "--html", "page.html"],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    ).stdout  # fmt: skip
    page = re.sub(r"<style>.*?</style>|<[^>]*>|&\w+;", " ", (tmp_path / "page.html").read_text(),
                  flags=re.DOTALL)  # fmt: skip
    allowed = {"RMSE", "PSNR", "GB", "temp", "seed", "srwizard", "html", "page"}
    for text in (shown, page):
        assert set(re.findall(r"[A-Za-z]{2,}", text)) <= allowed
        for words in (
            "随机种子", "训练轮数", "状态", "已完成", "技巧评分", "内存峰值", "9.0 秒", "2/2",
            "2 个随机种子的 RMSE 为 0.45 ± 0.071", "独立的时间步太少",
        ):  # fmt: skip
            assert words in text, words
    assert "以 * 标出" in shown
    assert "突出显示" in page


def test_at_80_columns_people_can_read_it(seeds: Path, tmp_path: Path) -> None:
    """Few runs are columns; of many, each is a block. No Python stands in it."""
    kinds = {
        "plain": {"num_heads": [6, 6, 6, 6], "depths": [6, 6, 6, 6]},
        "deep": {"num_heads": [6, 6], "depths": [2, 2]},
    }
    common = {"in_channels": 2, "out_channels": 2, "global_skip": True}
    runs = [
        made_up(tmp_path / "models" / name, rmse={"temp": 0.5, "salt": 0.25},
                model=RunModel(name="SwinIR", params=params, **common),
                memory=RunMemory(use_amp=name == "deep", gradient_checkpointing=False))
        for name, params in kinds.items()
    ]  # fmt: skip
    shown = _on_a_screen(80, *runs)
    (heads,) = [line for line in shown if line.split() == ["Run", "plain", "deep"]]
    rows = [line.strip().split("  ")[0] for line in shown[shown.index(heads) + 2 :] if line.strip()]
    assert rows[:3] == ["num_heads", "depths", "Mixed precision"]
    assert rows.index("State") < rows.index("temp RMSE") < rows.index("Time")
    text = "\n".join(shown)
    assert "6, 6, 6, 6" in text and "2, 2" in text and "yes" in text
    assert not set("[]{}'()") & set(text[text.index("Run") : text.index("Scores of")])
    many = "\n".join(_on_a_screen(40, *runs, *sorted(seeds.glob("seed-*"))))
    assert many.index("plain\n") < many.index("deep\n") < many.index("seed-10\n")
    assert max(map(len, many.split("\n"))) < 40


def _on_a_screen(columns: int, *run_dirs: Path) -> list[str]:
    screen = Terminal(
        ["compare", *map(str, run_dirs)], cwd=run_dirs[0].parent,
        environment={**os.environ, "TERM": "xterm", "LANG": "C.UTF-8"}, rows=80, columns=columns,
    )  # fmt: skip
    assert screen.wait_for_end() == 0
    return [line.rstrip() for line in screen.text.split("\n")]


def test_a_run_whose_errors_cannot_be_laid_beside_the_best_is_named(tmp_path: Path) -> None:
    runs = [made_up(tmp_path / name, rmse={"temp": rmse}) for name, rmse in (("a", 1), ("b", 0.5))]
    (notice,) = comparing.compare(runs).notices
    assert notice.startswith("a: whether the RMSE differs from the best one")


def test_a_run_that_is_named_twice_is_one(tmp_path: Path) -> None:
    run = made_up(tmp_path / "a", rmse={"temp": 1.0})
    (tmp_path / "link").symlink_to(run)
    found = comparing.compare([run, run / ".." / "a", tmp_path / "link"])
    assert len(found.results) == 1
