"""From raw files to a run: in the terminal and from an answers file."""

import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from tests.e2e.conftest import Open, Run
from tests.e2e.terminal import CTRL_U, ENTER, ESCAPE, Terminal

ANSWERS = """\
data: {{prepare: {{sources: [{source}], variables: [sst], scale: 2, output: {out}}}}}
output: {{dir: {run}}}
model: {{name: EDSR, params: {{num_features: 8, num_blocks: 1}}}}
training: {{epochs: 1, batch_size: 4}}
memory: {{use_amp: false, gradient_checkpointing: false}}
confirm: true
"""
SIX_KEYS = {
    # what is asked -> in Chinese; each is left at its default
    "Variables to prepare": "要制备的变量",
    "Scale of the dataset": "数据集的放大倍数",
    "Where to put the dataset": "数据集存放位置",
    "How to continue": "接下来",
    "Go ahead?": "确认执行",
}


def write_raw(path: Path, *, steps: int = 24, shape: tuple[int, int] = (16, 24)) -> Path:
    """Write a record of daily `sst` (and `sss`) with land in one corner, as NetCDF-4."""
    random = np.random.default_rng(0)
    rows, columns = np.indices(shape) / np.reshape(shape, (2, 1, 1))
    times = np.arange(steps)[:, None, None]
    values = 290 + 4 * rows + np.sin(6 * columns + 0.3 * times) + random.normal(0, 0.1, shape)
    values[:, :3, :4] = np.nan
    fields = {
        name: (("time", "lat", "lon"), (values + more).astype(np.float32), {"units": units})
        for name, more, units in (("sst", 0, "K"), ("sss", -255, "1e-3"))
    }
    xr.Dataset(
        fields,
        coords={
            "time": ("time", np.arange(steps), {"units": "days since 2000-01-01"}),
            "lat": ("lat", np.linspace(-30, 30, shape[0]), {"units": "degrees_north"}),
            "lon": ("lon", np.linspace(10, 60, shape[1]), {"units": "degrees_east"}),
        },
    ).to_netcdf(path, engine="h5netcdf")
    return path


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A raw file of two variables, 24 daily steps on 16 x 24."""
    return write_raw(tmp_path / "ocean.nc")


def answers_in(tmp_path: Path, raw: Path, **changes: Any) -> Path:
    path = tmp_path / "answers.yaml"
    places = {"source": raw, "out": tmp_path / "made", "run": tmp_path / "run"}
    path.write_text(ANSWERS.format(**(places | changes)))
    return path


def name_raw(screen: Terminal, text: str) -> None:
    screen.wait_for("? Dataset directory or raw files")
    screen.send(text + ENTER)


def to_output(screen: Terminal) -> None:
    """Take the defaults up to where the dataset is put."""
    for asked in ("Variables to prepare", "Scale of the dataset"):
        screen.wait_for(f"? {asked}")
        screen.send(ENTER)
    screen.wait_for("? Where to put the dataset")


def steps_in(root: Path) -> list[int]:
    return [
        len(list((root / part / "hr" / "sst").iterdir())) for part in ("train", "valid", "test")
    ]


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "zh"])
def test_from_a_netcdf_file_to_a_launched_run_in_six_keystrokes(
    terminal: Open, raw: Path, tmp_path: Path, language: str
) -> None:
    screen = terminal("--lang", language, rows=60, columns=140)
    screen.wait_for("? Dataset directory or raw files" if language == "en" else "? 数据集目录")
    screen.send(raw.name + ENTER)
    keys = 1
    for english, chinese in SIX_KEYS.items():
        screen.wait_for(f"? {english if language == 'en' else chinese}")
        screen.send(ENTER)
        keys += 1
    assert keys == 6
    # Where training takes long and leaves memory over, what that can buy is one question more.
    roomy = "What should the room be used for?" if language == "en" else "余量用来做什么？"
    begins = "Training in" if language == "en" else "中训练"
    while begins not in screen.text:
        screen.wait_for_any(begins, roomy)
        if roomy in screen.visible:
            screen.send(ENTER)
            screen.wait_for(begins)
    made = tmp_path / "ocean-x2"
    assert steps_in(made) == [17, 3, 4]
    for shown in ("[K]", "24", "2000-01-24", "3.1 %"):
        assert shown in screen.text
    deadline = time.monotonic() + 60
    while not (tmp_path / "runs" / "ocean-x2" / "metrics.jsonl").exists():
        assert time.monotonic() < deadline
        time.sleep(0.2)
    screen.kill()


@pytest.mark.broad
def test_back_leads_from_the_run_directory_to_the_raw_files(
    terminal: Open, raw: Path, tmp_path: Path
) -> None:
    screen = terminal(rows=60, columns=140)
    name_raw(screen, f"'{raw}'")
    to_output(screen)
    screen.send(CTRL_U + "here" + ENTER)
    screen.wait_for("? How to continue")
    screen.send("one question" + ENTER)
    screen.wait_for("? Run directory runs/here")
    screen.send(ESCAPE)
    screen.wait_for(f"? Where to put the dataset {tmp_path}/here")
    before = (tmp_path / "here" / "manifest.json").stat().st_mtime_ns
    screen.send(ENTER)
    screen.wait_for("made of the same files in the same way")
    screen.wait_for("? How to continue", count=2)
    assert (tmp_path / "here" / "manifest.json").stat().st_mtime_ns == before
    for asked in ("Where to put", "Scale of", "Variables to", "Dataset directory"):
        screen.send(ESCAPE)
        screen.wait_for(f"? {asked}", count=2)
    screen.wait_for(f"? Dataset directory or raw files {raw}")
    screen.kill()


@pytest.mark.broad
def test_killed_while_preparing_and_resumed(terminal: Open, tmp_path: Path) -> None:
    raw = write_raw(tmp_path / "long.nc", steps=600, shape=(64, 64))
    screen = terminal(rows=60, columns=140)
    name_raw(screen, raw.name)
    to_output(screen)
    screen.send(CTRL_U + "made" + ENTER)
    staging = tmp_path / ".made.preparing"
    deadline = time.monotonic() + 60
    while not list(staging.glob("train/hr/sst/*.npy")):
        assert time.monotonic() < deadline, screen.text
        time.sleep(0.01)
    screen.kill()
    assert not (tmp_path / "made").exists()
    resumed = terminal("resume", rows=60, columns=140)
    to_output(resumed)
    resumed.wait_for(f"? Where to put the dataset {tmp_path}/made")
    resumed.send(ENTER)
    resumed.wait_for("? How to continue")
    assert steps_in(tmp_path / "made") == [420, 90, 90]
    assert not staging.exists()
    resumed.kill()


def test_resumed_after_preparing_it_asks_what_comes_next(
    terminal: Open, raw: Path, tmp_path: Path
) -> None:
    screen = terminal(rows=60, columns=140)
    name_raw(screen, raw.name)
    to_output(screen)
    screen.send(CTRL_U + "made" + ENTER)
    screen.wait_for("? How to continue")
    screen.kill()
    before = (tmp_path / "made" / "manifest.json").stat().st_mtime_ns
    resumed = terminal("resume", rows=60, columns=140)
    resumed.wait_for("? How to continue")
    assert "? Variables to prepare" not in resumed.text
    assert "? Scale of the dataset" not in resumed.text
    assert (tmp_path / "made" / "manifest.json").stat().st_mtime_ns == before
    resumed.kill()


@pytest.mark.broad
def test_the_dataset_of_an_answers_file_is_made_once(
    srwizard: Run, raw: Path, tmp_path: Path
) -> None:
    answers = answers_in(tmp_path, raw)
    done = srwizard("--answers", answers, "--stop-after", "frozen")
    assert done.returncode == 0, done.stderr
    manifest = tmp_path / "made" / "manifest.json"
    before = manifest.stat().st_mtime_ns
    again = srwizard(
        "--answers", answers, "--stop-after", "frozen", "--set", f"output.dir={tmp_path / 'two'}"
    )
    assert again.returncode == 0, again.stderr
    assert "used as it is" in again.stdout
    assert manifest.stat().st_mtime_ns == before
    # Made in another way, or of other files, it is in the way.
    for change in ("data.prepare.scale=4", "data.prepare.lr_method=bicubic"):
        elsewhere = ("--set", f"output.dir={tmp_path / 'three'}")
        refused = srwizard("--answers", answers, "--set", change, *elsewhere)
        assert refused.returncode == 2, change
        assert f"{tmp_path / 'made'} holds a dataset that was made of other" in refused.stderr
    write_raw(raw, steps=30)
    refused = srwizard("--answers", answers, *elsewhere)
    assert refused.returncode == 2
    assert json.loads(manifest.read_text())["splits"]["train"]["steps"] == 17


def test_a_taken_run_directory_is_told_before_the_dataset_is_made(
    srwizard: Run, raw: Path, tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.yaml").write_text("of another run")
    refused = srwizard("--answers", answers_in(tmp_path, raw))
    assert refused.returncode == 2
    assert "output.dir: " in refused.stderr
    assert f"{tmp_path / 'run'} already holds a run" in refused.stderr
    assert not (tmp_path / "made").exists()


def test_an_answers_file_takes_lr_from_a_product_of_its_own(
    srwizard: Run, raw: Path, tmp_path: Path
) -> None:
    coarse = write_raw(tmp_path / "coarse.nc", steps=20, shape=(8, 12))
    answers = answers_in(tmp_path, raw)
    changes = [f"data.prepare.lr_source=[{coarse}]", "data.prepare.lr_regrid=bilinear"]
    options = [word for change in changes for word in ("--set", change)]
    done = srwizard("--answers", answers, *options, "--stop-after", "frozen")
    assert done.returncode == 0, done.stderr
    made = json.loads((tmp_path / "made" / "manifest.json").read_text())["lr_product"]
    assert (made["matched"], made["hr_without_partner"], made["regridding"]) == (20, 4, "bilinear")


def test_raw_data_in_the_place_of_a_dataset_is_pointed_to_prepare(
    srwizard: Run, raw: Path, tmp_path: Path
) -> None:
    (tmp_path / "answers.yaml").write_text(f"data: {{root: {raw}}}\n")
    refused = srwizard("--answers", tmp_path / "answers.yaml")
    assert refused.returncode == 3
    assert f"data: {{prepare: {{sources: [{raw}]}}}}" in refused.stderr


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ("data.prepare.scale=5", 2, "a scale of 5 leaves LR fields of 3 x 4 cells"),
        ("data.prepare.variables=[chl]", 2, "there is no variable chl; there are: s"),
        ("data.prepare.sources=[/nowhere.nc]", 2, "There is no /nowhere.nc"),
        ("data.prepare.sources=[cut.nc]", 2, "cut.nc"),
        ("data.prepare.sources=[ocean.nc, other.nc]", 2, "other.nc has no variable sst"),
        ("data.prepare.sources=[]", 2, "data.prepare names no sources"),
        ("data.prepare.outputt=x", 2, "unknown key; did you mean output?"),
        ("data.prepare.output=full", 2, "full is not empty"),
        ("data.prepare.split=1/2", 2, "is not three numbers"),
        ("data.root=elsewhere", 2, "data.root is elsewhere, but data.prepare.output is"),
    ],
)
def test_what_cannot_be_prepared_is_refused_with_its_reason(
    srwizard: Run, raw: Path, tmp_path: Path, change: str, code: int, words: str
) -> None:
    (tmp_path / "cut.nc").write_bytes(raw.read_bytes()[:3000])
    other = xr.open_dataset(raw, engine="h5netcdf").load()
    other.rename(sst="chl")[["chl"]].to_netcdf(tmp_path / "other.nc", engine="h5netcdf")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").touch()
    refused = srwizard("--answers", answers_in(tmp_path, raw), "--set", change)
    assert refused.returncode == code
    assert words in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (tmp_path / "made").exists()
    assert not list(tmp_path.glob(".*.preparing"))


def test_bad_files_are_asked_for_again(terminal: Open, raw: Path, tmp_path: Path) -> None:
    (tmp_path / "text.nc").write_text("no field")
    screen = terminal(rows=60, columns=140)
    name_raw(screen, "nothing_*.nc")
    screen.wait_for("No file matches")
    screen.send(CTRL_U + "text.nc" + ENTER)
    screen.wait_for("is not a NetCDF file")
    screen.wait_for("? Dataset directory or raw files", count=2)
    screen.send(CTRL_U + "*.nc" + ENTER)  # the broken one among them
    screen.wait_for("is not a NetCDF file", count=2)
    screen.wait_for("? Dataset directory or raw files", count=3)
    (tmp_path / "text.nc").unlink()
    screen.send(CTRL_U + str(tmp_path) + ENTER)
    screen.wait_for("? Variables to prepare")
    screen.send(ENTER)
    screen.wait_for("? Scale of the dataset 2")
    screen.send("7" + ENTER)
    screen.wait_for("a scale of 7 leaves LR fields of 2 x 3 cells")
    screen.kill()


@pytest.mark.broad
def test_inspect_of_files_that_overlap_says_that_times_come_first(
    srwizard: Run, tmp_path: Path
) -> None:
    both = [write_raw(tmp_path / name) for name in ("one.nc", "two.nc")]
    shown = " ".join(srwizard("inspect", *both).stdout.split())
    assert "24 times occur more than once" in shown
    assert "Once the times are mended, make a dataset from it: srwizard prepare" in shown
    assert srwizard("prepare", *both, "--variable", "sst", "--scale", "2", "-o", "x").returncode


def test_inspect_shows_raw_files_and_names_prepare(
    srwizard: Run, raw: Path, tmp_path: Path
) -> None:
    shown = srwizard("inspect", raw)
    assert shown.returncode == 0, shown.stderr
    for words in ("sst", "[K]", "24 steps from 2000-01-01 to 2000-01-24", "every day", "3.1 %"):
        assert words in shown.stdout
    command = shown.stdout.partition("srwizard prepare ")[2].split()
    assert srwizard("prepare", *command).returncode == 0
    assert steps_in(tmp_path / "ocean-x2") == [17, 3, 4]
    found = json.loads(srwizard("inspect", raw, "--json").stdout)
    assert {one["name"] for one in found["variables"]} == {"sst", "sss"}
    shutil.copy(raw, tmp_path / "._ocean.nc")
    (tmp_path / "year" / "01").mkdir(parents=True)
    shutil.copy(raw, tmp_path / "year" / "01" / "a.nc")
    assert "year/01/a.nc" in "".join(srwizard("inspect", tmp_path / "year").stdout.split())


@pytest.mark.slow
def test_other_raw_files_from_the_review_lead_back_to_it(
    terminal: Open, raw: Path, tmp_path: Path
) -> None:
    other = write_raw(tmp_path / "other.nc", steps=30)
    screen = terminal(rows=60, columns=140)
    name_raw(screen, raw.name)
    to_output(screen)
    screen.send(ENTER)
    screen.wait_for("? How to continue")
    screen.send(ENTER)
    screen.wait_for("? Go ahead?")
    screen.send("Edit: data" + ENTER)
    screen.wait_for("? Dataset directory or raw files", count=2)
    screen.send(CTRL_U + other.name + ENTER)
    screen.wait_for("? Variables to prepare", count=2)
    # Half way: the review does not go on with the dataset of the files before.
    screen.send(ESCAPE)
    screen.wait_for("no dataset has been made of the raw files yet")
    screen.wait_for("? Variables to prepare", count=3)
    screen.send(ENTER)
    screen.wait_for("? Scale of the dataset", count=2)
    screen.send(ENTER)
    screen.wait_for("? Where to put the dataset other-x2")
    screen.send(ENTER)
    screen.wait_for("? Go ahead?", count=2)
    assert f"Data directory: {tmp_path}/other-x2" in screen.visible
    assert "Training split 21, Validation split 5, Test split 4" in screen.visible
    screen.kill()
