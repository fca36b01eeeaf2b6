"""What cannot be told of a test split is said in both languages; all other figures are there."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from srwizard.base import i18n
from srwizard.data.layout import scan
from srwizard.report import sections
from srwizard.report.comparing import compare
from srwizard.report.records import read_run
from srwizard.runs.absent import absent
from srwizard.runs.outcome import outcome
from srwizard.runs.records import Records, measured
from srwizard.settings import run_config
from srwizard.train.evaluation import file_of
from srwizard.train.final_scores import save_examples, score_test
from srwizard.train.resuming import load_best
from srwizard.use.inputs import open_input
from srwizard.use.predict import predict
from srwizard.use.run import load_run
from tests.datasets import write_dataset
from tests.train.runs import freeze, trained
from tests.use.conftest import Command

FIGURES = {"model", "bicubic", "interval", "effective_resolution", "gradient", "consistency"}


class Scored(NamedTuple):
    """A run that was trained and scored, its dataset, and what was told of the test split."""

    run_dir: Path
    root: Path
    told: Mapping[str, Any]
    vectors: Mapping[str, Any]


def scored(root: Path, run_dir: Path, **changes: Any) -> Scored:
    freeze(root, run_dir, skip="auto", epochs=1, **changes)
    training = trained(run_dir)
    load_best(training, run_dir)
    contents = scan(root)
    found = score_test(training, run_dir / "plots" / "breakdown.npz", contents)
    save_examples(training, contents, run_dir / "plots" / "samples.npz")
    event = {"event": "test", "members": found.members}
    Records(run_dir).append(event | {"variables": found.variables, "vectors": found.vectors})
    return Scored(run_dir, root, found.variables, found.vectors)


@pytest.fixture(scope="module")
def no_coordinates(tmp_path_factory: pytest.TempPathFactory) -> Scored:
    """Currents and sea level on a grid of which nobody knows where it lies."""
    place = tmp_path_factory.mktemp("nowhere")
    root = write_dataset(place / "data", variables=("ssh", "uo", "vo"))
    shutil.rmtree(root / "static_variables")
    return scored(root, place / "run", vectors=[["uo", "vo"]])


@pytest.fixture(scope="module")
def one_member(tmp_path_factory: pytest.TempPathFactory) -> Scored:
    """A diffusion model that draws one member, and a test split of two steps."""
    place = tmp_path_factory.mktemp("one")
    root = write_dataset(place / "data", steps=(4, 2, 2))
    return scored(root, place / "run", model="DDPM", params={"ensemble_members": 1})


@pytest.fixture(scope="module")
def no_block_means(tmp_path_factory: pytest.TempPathFactory) -> Scored:
    """Salt conserves its block means; so does a velocity that was subsampled, without its pair."""
    place = tmp_path_factory.mktemp("subsampled")
    root = write_dataset(place / "data", variables=("salt", "uo"))
    for file in root.glob("*/lr/uo/*.npy"):
        np.save(file, np.load(str(file).replace("/lr/", "/hr/"))[::2, ::2])
    return scored(root, place / "run", conserve="additive")


@pytest.fixture
def chinese() -> Iterator[None]:
    i18n.set_language("zh")
    yield
    i18n.set_language("en")


def said(found: Scored) -> str:
    """Return what every end of a run says."""
    event = measured(found.run_dir).test
    assert event is not None
    told = outcome(event, found.run_dir, 200)
    return "\n".join([*told.sentences, *told.warnings])


def page(found: Scored) -> str:
    """Return the sentences of the report; to draw all of it takes long."""
    run = read_run(found.run_dir)
    leading = sections.scored(run.metrics)
    assert leading is not None
    return "\n".join([*leading.certainty, *sections.advice(run), *sections.left_out(run)])


def predicted(found: Scored, out: Path, members: int | None = None) -> str:
    """Return what a prediction of the test split warns of."""
    source = open_input([found.root], {name: name for name in found.told}, None)
    done = predict(load_run(found.run_dir), source, out, members=members, overwrite=True)
    return "\n".join(done.warnings)


def reasons(found: Scored) -> dict[str, list[str]]:
    config = run_config.load(found.run_dir).model_dump()
    return {one.reason: one.variables for one in absent(found.told, config)}


def test_a_grid_without_coordinates(no_coordinates: Scored, tmp_path: Path) -> None:
    assert reasons(no_coordinates) == {
        "no_coordinates": ["ssh", "uo", "vo"],
        "no_dates": ["ssh", "uo", "vo"],
    }
    for shown in (said(no_coordinates), page(no_coordinates)):
        assert shown.count("The dataset has no coordinates (HR static fields lon and lat)") == 1
    for told in no_coordinates.told.values():
        assert told.keys() >= FIGURES
        assert "geostrophic_speed" not in told
        resolution = told["effective_resolution"]["model"]
        assert resolution["km"] is None and resolution["cells"] >= 2
        assert told["gradient"]["per"] == told["coast"][0]["unit"].removesuffix("s") == "cell"
    assert no_coordinates.vectors["uo,vo"]["vector"]["per"] == "cell"
    assert no_coordinates.vectors["uo,vo"]["vector"]["model"]["speed_rmse"] > 0
    assert "The output has no coordinates" in predicted(no_coordinates, tmp_path / "out.nc")


def test_one_member_and_two_steps(one_member: Scored, tmp_path: Path) -> None:
    assert reasons(one_member) == {"one_member": ["temp"], "no_dates": ["temp"]}
    told = one_member.told["temp"]
    assert told.keys() >= FIGURES
    assert "calibration" not in told and "crps" not in told["model"]
    assert told["interval"]["rmse"] is None and told["interval"]["steps"] == 2
    for shown in (said(one_member), page(one_member)):
        assert shown.count("without spread, CRPS and calibration") == 1
        assert shown.count("there are no errors by month") == 1
        assert shown.count("the test split has 2 steps, too few for a 95 % interval") == 1
    for members in (None, 1):
        warned = predicted(one_member, tmp_path / "out.nc", members)
        assert "the fields are single samples" in warned and "no spread" in warned
    assert "there is no spread" not in predicted(one_member, tmp_path / "out.nc", 2)


def test_runs_on_two_steps_are_not_told_apart(one_member: Scored, tmp_path: Path) -> None:
    other = scored(one_member.root, tmp_path / "other")
    found = compare([one_member.run_dir, other.run_dir])
    assert found.alike == frozenset()
    assert any("temp: the test split has too few independent" in said for said in found.notices)


def test_block_means_that_lr_is_not_and_a_component_alone(
    no_block_means: Scored, tmp_path: Path
) -> None:
    assert reasons(no_block_means)["component_missing"] == ["uo"]
    departure = no_block_means.told["uo"]["consistency"]["truth"]["rmse"]
    # The mean error of a block alone is what LR is off.
    assert departure < no_block_means.told["uo"]["model"]["rmse"]
    for shown in (said(no_block_means), page(no_block_means)):
        assert shown.count(f"those of HR differ from LR by {departure:.3g} (RMS)") == 1
        assert shown.count("uo: no errors of speed, direction, kinetic energy") == 1
    warned = predicted(no_block_means, tmp_path / "out.nc")
    assert warned.startswith("uo: model.conserve makes block means")
    assert "salt" not in warned
    assert all(told.keys() >= FIGURES for told in no_block_means.told.values())


@pytest.mark.usefixtures("chinese")
def test_all_of_it_in_chinese(
    no_coordinates: Scored, one_member: Scored, no_block_means: Scored, tmp_path: Path
) -> None:
    assert "数据集没有坐标" in said(no_coordinates) and "数据集没有坐标" in page(no_coordinates)
    assert "只抽取一个集合成员" in said(one_member) and "只抽取一个集合成员" in page(one_member)
    assert "只有 2 个时间步" in said(one_member)
    assert "没有逐月误差" in said(one_member) and "没有逐月误差" in page(one_member)
    for shown in (said(no_block_means), page(no_block_means)):
        assert "HR 的块平均与 LR 相差" in shown and "uo：没有流速" in shown
    assert "输出没有坐标" in predicted(no_coordinates, tmp_path / "out.nc")
    assert "请将 model.conserve 设为 none" in predicted(no_block_means, tmp_path / "out.nc")


@pytest.mark.slow
def test_the_installed_command_says_it(one_member: Scored, srwizard: Command) -> None:
    done = srwizard("evaluate", one_member.run_dir)
    assert done.returncode == 0, done.stderr
    assert "without spread, CRPS and calibration" in done.stdout
    done = srwizard("evaluate", one_member.run_dir, "--json")
    assert '"reason": "one_member"' in done.stdout
    assert '"absent"' in file_of(one_member.run_dir, "test", "best").read_text()
    assert srwizard("--lang", "zh", "report", one_member.run_dir).returncode == 0
    assert "只抽取一个集合成员" in (one_member.run_dir / "report.html").read_text(encoding="utf-8")
    out = one_member.run_dir.parent / "out.nc"
    done = srwizard("--lang", "zh", "predict", one_member.run_dir, one_member.root, "-o", out,
                    "--members", 1)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "每个时间步只抽取一个集合成员" in done.stdout
