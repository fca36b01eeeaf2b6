"""What a person meets in the terminal."""

import json
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from srwizard.memory.forecast import FORECASTER
from tests.cpu_time import allowed_seconds
from tests.datasets import write_dataset
from tests.e2e.conftest import Open, Run
from tests.e2e.terminal import (
    CTRL_A,
    CTRL_B,
    CTRL_C,
    CTRL_G,
    CTRL_U,
    DOWN,
    ENTER,
    ESCAPE,
    F2,
    PROGRAM,
    Terminal,
)
from tests.e2e.walk import STATES, Walk


def only_session(tmp_path: Path) -> dict[str, Any]:
    (path,) = (tmp_path / "state" / "srwizard" / "sessions").glob("*.json")
    return json.loads(path.read_text())


@pytest.mark.slow
def test_from_the_first_question_to_the_report(
    terminal: Open, dataset: Path, tmp_path: Path
) -> None:
    screen = terminal()
    walk = Walk(screen, root=dataset)
    walk.to("output")
    for shown in (
        "8 time steps",
        "HR shape [16, 24]",
        "LR shape [8, 12]",
        "scale 2x",
        "land",
        "none",
    ):
        assert shown in screen.text
    walk.to("review", begin="output")
    for shown in (str(dataset), "EDSR", "Epochs: 2", "0.001", "PGN", "CPU: 1 process"):
        assert shown in screen.text
    walk.to("dry_run", begin="review")
    screen.wait_for("Verdict")
    screen.wait_for("Test split")
    assert screen.wait_for_end() == 0
    assert "bicubic" in screen.text
    assert (tmp_path / "runs" / "data" / "report.html").is_file()
    assert only_session(tmp_path)["state"] == "done"


@pytest.mark.slow
@pytest.mark.parametrize("state", STATES)
def test_killed_in_any_state_and_resumed_to_the_same_run_config(
    terminal: Open, srwizard: Run, dataset: Path, tmp_path: Path, state: str
) -> None:
    screen = terminal()
    Walk(screen, root=dataset).to(state)
    screen.kill()
    saved = only_session(tmp_path)
    resumed = terminal("resume")
    walk = Walk(resumed, root=dataset, answered=saved["answers"])
    if state == "launch":
        resumed.wait_for("Test split")
        assert resumed.wait_for_end() == 0
    else:
        walk.to("dry_run", begin=saved["state"])
        resumed.kill()
    frozen = yaml.safe_load((tmp_path / "runs" / "data" / "run.yaml").read_text())
    assert frozen["digest"] == expected_digest(srwizard, dataset, tmp_path)
    assert not list((tmp_path / "runs" / "data").glob("run.r*.yaml"))


def expected_digest(srwizard: Run, dataset: Path, tmp_path: Path) -> str:
    """The digest that the same answers get in one go."""
    path = tmp_path / "same.yaml"
    path.write_text(
        f"data: {{root: {dataset}}}\noutput: {{dir: {tmp_path / 'same'}}}\n"
        "model: {name: EDSR}\ntraining: {epochs: 2}\n"
    )
    assert srwizard("--answers", path, "--stop-after", "frozen").returncode == 0
    return str(yaml.safe_load((tmp_path / "same" / "run.yaml").read_text())["digest"])


@pytest.mark.broad
@pytest.mark.parametrize("key", [ESCAPE, CTRL_B])
def test_back_returns_with_the_earlier_answer_as_default(
    terminal: Open, dataset: Path, tmp_path: Path, key: str
) -> None:
    screen = terminal(columns=200)
    walk = Walk(screen, root=dataset)
    walk.to("training")
    screen.send(CTRL_U + "77" + ENTER)
    screen.wait_for("The other training parameters")
    screen.send(key)
    screen.wait_for("? Epochs", count=2)
    screen.wait_for("? Epochs 77", count=2)
    screen.send(key)
    screen.wait_for("? Parameters of", count=2)
    screen.send(key)
    screen.wait_for("? Model", count=2)
    screen.send(key)
    # Kept whole, so that the session means the same from any directory.
    screen.wait_for(f"? Run directory {tmp_path}/runs/data")
    screen.send(key)
    screen.wait_for(f"? Dataset directory or raw files {dataset}", count=2)
    screen.send(key)  # there is nothing before it
    screen.wait_for("? Dataset directory", count=3)
    screen.wait_for(f"? Dataset directory or raw files {dataset}", count=2)
    screen.send(ENTER)
    screen.wait_for("? Run directory", count=3)
    screen.wait_for(f"? Run directory {tmp_path}/runs/data")
    screen.kill()


def test_back_at_the_very_beginning_asks_again(terminal: Open, dataset: Path) -> None:
    screen = terminal()
    screen.wait_for("? Dataset directory")
    screen.send(ESCAPE)
    screen.wait_for("? Dataset directory", count=2)
    screen.send(str(dataset) + ENTER)
    screen.wait_for("? Run directory")
    screen.kill()


@pytest.mark.broad
def test_enter_too_many_while_it_works_answers_nothing(terminal: Open, dataset: Path) -> None:
    screen = terminal(rows=60)
    Walk(screen, root=dataset).to("dry_run")
    shown = screen.text.count("Dry run: a few")
    screen.send(ENTER * 3)
    screen.wait_for("Verdict")
    assert screen.text.count("Dry run: a few") <= shown
    screen.kill()


def test_a_list_longer_than_the_screen_says_so(terminal: Open, dataset: Path) -> None:
    screen = terminal(rows=12, columns=60)
    Walk(screen, root=dataset).to("model")
    screen.wait_for("» SwinIR")
    screen.wait_for("v\n")  # the arrow of a scroll bar
    screen.kill()


@pytest.mark.broad
def test_one_process_predicts_at_a_time(terminal: Open, dataset: Path) -> None:
    screen = terminal()
    Walk(screen, root=dataset).to("model")
    screen.send(ESCAPE)
    screen.wait_for("? Run directory", count=2)
    screen.send(ENTER)
    screen.wait_for("? Model", count=2)
    assert len(forecasters(screen)) <= 1
    screen.send(DOWN + ENTER)
    screen.wait_for("? Parameters of")
    screen.send(ENTER)
    screen.wait_for("? Epochs")
    assert not forecasters(screen)
    screen.kill()


def forecasters(screen: Terminal) -> list[psutil.Process]:
    """Return the processes of a wizard that predict."""
    children = psutil.Process(screen.pid).children()
    return [
        one
        for one in children
        if one.status() != psutil.STATUS_ZOMBIE and FORECASTER in one.cmdline()
    ]


@pytest.mark.broad
def test_a_section_edited_from_the_review_comes_back_to_it(terminal: Open, dataset: Path) -> None:
    screen = terminal()
    walk = Walk(screen, root=dataset)
    walk.to("review")
    screen.wait_for("Edit: training")
    screen.send(DOWN * 4 + ENTER)
    screen.wait_for("? Epochs", count=2)
    screen.send(CTRL_U + "9" + ENTER)
    screen.wait_for("The other training parameters", count=2)
    screen.send(ENTER)
    screen.wait_for("Go ahead?", count=2)
    assert "Epochs: 9" in screen.text
    screen.kill()


def test_a_proposed_run_directory_follows_the_dataset(
    terminal: Open, dataset: Path, tmp_path: Path
) -> None:
    other = write_dataset(tmp_path / "other")
    screen = terminal(columns=140)
    Walk(screen, root=dataset).to("review")
    assert str(tmp_path / "runs" / "data") in screen.text
    screen.send("data" + ENTER)
    screen.wait_for("? Dataset directory", count=2)
    screen.send(CTRL_U + str(other) + ENTER)
    screen.wait_for("Go ahead?", count=2)
    assert str(tmp_path / "runs" / "other") in screen.text
    screen.kill()


def test_ctrl_c_saves_and_says_how_to_resume(terminal: Open, dataset: Path, tmp_path: Path) -> None:
    screen = terminal()
    walk = Walk(screen, root=dataset)
    walk.to("devices")
    screen.send(CTRL_C)
    assert screen.wait_for_end() == 130
    saved = only_session(tmp_path)
    assert saved["state"] == "devices"
    assert f"srwizard resume {saved['id']}" in screen.text
    resumed = terminal("resume", saved["id"])
    resumed.wait_for("Where to train")
    resumed.kill()


def test_ctrl_z_suspends_and_fg_goes_on(
    environment: dict[str, str], dataset: Path, tmp_path: Path
) -> None:
    """In a shell that controls its jobs."""
    shell = Terminal(
        ["--norc", "--noprofile", "-i"],
        cwd=tmp_path, environment=environment | {"PS1": "$ "}, program="/bin/bash",
    )  # fmt: skip
    shell.send(PROGRAM + ENTER)
    shell.wait_for("Dataset directory")
    shell.send("\x1a")
    shell.wait_for("Stopped")
    shell.send("fg" + ENTER)
    shell.wait_for("? Dataset directory")  # what stood there was taken away
    shell.send(CTRL_U + str(dataset) + ENTER)
    shell.wait_for("Run directory")
    shell.send(CTRL_C)
    shell.wait_for("Continue with: srwizard resume")
    shell.send("exit" + ENTER)
    shell.wait_for_end()


def test_a_wrong_answer_is_refused_where_it_is_typed(terminal: Open, dataset: Path) -> None:
    screen = terminal()
    walk = Walk(screen, root=dataset)
    screen.wait_for("Dataset directory")
    screen.send("/nowhere/at/all" + ENTER)
    screen.wait_for("there is no /nowhere/at/all")
    screen.send(CTRL_U)
    walk.to("training")
    screen.send(CTRL_U + "0" + ENTER)
    screen.wait_for("0 is too small; at least 1")
    screen.send(CTRL_U + "many" + ENTER)
    screen.wait_for("please type a whole number")
    screen.kill()


def test_question_mark_shows_help(terminal: Open, dataset: Path) -> None:
    screen = terminal()
    walk = Walk(screen, root=dataset)
    walk.to("memory")
    screen.send(DOWN + ENTER)
    screen.wait_for("Mixed precision")
    screen.send("?")
    screen.wait_for("memory.use_amp")
    screen.send(ENTER)
    screen.wait_for("Activation checkpointing")
    screen.kill()


@pytest.mark.broad
def test_an_unusable_dataset_is_shown_and_another_one_asked_for(
    terminal: Open, dataset: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    screen = terminal(columns=140)
    screen.wait_for("Dataset directory")
    screen.send(str(tmp_path / "empty") + ENTER)
    screen.wait_for("directory is empty")
    screen.wait_for("? Dataset directory", count=2)
    screen.send(CTRL_U + str(dataset) + ENTER)
    screen.wait_for("Run directory")
    screen.kill()


def test_without_a_terminal_the_answers_file_is_named(srwizard: Run) -> None:
    refused = srwizard()
    assert refused.returncode == 2
    assert "--answers" in refused.stderr


def test_a_dumb_terminal_is_recognised(terminal: Open, environment: dict[str, str]) -> None:
    environment["TERM"] = "dumb"
    screen = terminal()
    assert screen.wait_for_end() == 2
    assert "--answers" in screen.text


@pytest.mark.afresh
def test_the_first_question_comes_before_torch_could_be_imported(
    terminal: Open, tmp_path: Path
) -> None:
    screen = terminal()
    screen.wait_for("Dataset directory")
    spent = psutil.Process(screen.pid).cpu_times()
    assert spent.user + spent.system < allowed_seconds() / 2
    children = Path(f"/proc/{screen.pid}/maps").read_text()
    assert "libtorch" not in children
    screen.kill()


@pytest.mark.slow
def test_the_list_of_models_shows_what_each_needs_on_this_data(
    terminal: Open, dataset: Path
) -> None:
    screen = terminal(rows=24, columns=60)
    Walk(screen, root=dataset).to("model")
    # The figures come while the list stands there, without a key.
    screen.wait_for("M parameters · about", count=3)
    assert "SwinIR (recommended)" in screen.visible
    assert "shifted windows" in screen.visible
    screen.send(DOWN)
    screen.wait_for("Deep Residual")
    screen.send("fno")
    screen.wait_for("containing: fno")
    assert "EDSR" not in screen.visible
    screen.send(ENTER)
    screen.wait_for("? Parameters of FNO2d")
    screen.kill()


@pytest.mark.broad
def test_what_is_typed_takes_the_place_of_a_default_number(terminal: Open, dataset: Path) -> None:
    screen = terminal()
    Walk(screen, root=dataset).to("training")
    screen.send("80" + ENTER)
    screen.wait_for("? Epochs 80")
    screen.wait_for("The other training parameters")
    screen.send(ESCAPE)
    screen.wait_for("? Epochs 80", count=2)
    screen.send("\x1b[D" + "5" + ENTER)
    screen.wait_for("? Epochs 850")
    screen.kill()


@pytest.mark.broad
def test_parameters_of_a_model_one_by_one(terminal: Open, dataset: Path, tmp_path: Path) -> None:
    screen = terminal()
    walk = Walk(screen, root=dataset)
    walk.to("model")
    screen.send(ENTER)
    screen.wait_for("? Parameters of SwinIR")
    screen.send(DOWN + ENTER)
    screen.wait_for("? depths 6 6 6 6")
    screen.send(ESCAPE)
    screen.wait_for("? Parameters of SwinIR", count=2)
    screen.send(DOWN + ENTER)
    for typed, following in (
        ("six" + ENTER, "please type whole numbers"),
        # As many heads are proposed as there are depths.
        (CTRL_U + "2 2" + ENTER, "? num_heads 6 6"),
        (ENTER, "? embed_dim 60"),
        # What cannot work with the heads is refused at once, with what would.
        ("64" + ENTER, "60 or 66"),
        (CTRL_U + "2" + ENTER, "embed_dim must be at least 4"),
        (CTRL_U + "66" + ENTER, "? window_size 8"),
        ("12" + ENTER, "can be 2 to 8"),
        (CTRL_U + "4" + ENTER, "? mlp_ratio"),
    ):
        screen.send(typed)
        screen.wait_for(following)
    assert only_session(tmp_path)["answers"]["model"]["params"]["depths"] == [2, 2]
    for prompt in ("mlp_ratio", "upsampler", "resi_connection"):
        screen.wait_for(f"? {prompt}")
        screen.send(ENTER)
    for prompt in ("Conservation of block means", "What the network starts from"):
        screen.wait_for(f"? {prompt}")
        screen.send(ENTER)
    screen.wait_for("? Epochs")
    screen.kill()


@pytest.mark.broad
def test_the_defaults_and_the_sizes_of_a_model_can_be_chosen(
    terminal: Open, dataset: Path, tmp_path: Path
) -> None:
    screen = terminal(columns=120)
    walk = Walk(screen, root=dataset)
    walk.to("model")
    screen.send(DOWN + ENTER)
    screen.wait_for("? Parameters of EDSR")
    # Nothing is called a default that is not, and there is nothing to go back to yet.
    assert "back to the defaults" not in screen.visible
    screen.wait_for("M parameters · about", count=3)
    screen.send("tiny" + ENTER)
    screen.wait_for("? Epochs")
    screen.send(ESCAPE)
    screen.wait_for("num_features 32; num_blocks 8")
    screen.wait_for("back to the defaults")
    screen.send("back" + ENTER)
    screen.wait_for("? Epochs", count=2)
    screen.send(ESCAPE)
    screen.wait_for("num_features 64; num_blocks 16", count=2)
    assert "size" not in only_session(tmp_path)["answers"]["model"]
    screen.kill()


@pytest.mark.broad
def test_no_variable_is_refused_and_back_leads_to_the_variables(
    terminal: Open, tmp_path: Path
) -> None:
    write_dataset(tmp_path / "two", variables=("salt", "temp"))
    screen = terminal()
    screen.wait_for("? Dataset directory")
    screen.send("two" + ENTER)
    screen.wait_for("? Variables to train on")
    screen.send(CTRL_A + ENTER)
    screen.wait_for("choose at least one variable")
    screen.wait_for("? Variables to train on", count=2)
    screen.send(DOWN + " " + ENTER)
    screen.wait_for("? HR fields as guides")  # salt may be one
    screen.send(ENTER)
    screen.wait_for("? Run directory")
    screen.send(ESCAPE)
    screen.wait_for("? HR fields as guides", count=2)
    screen.send(ESCAPE)
    screen.wait_for("● temp")
    assert "○ salt" in screen.visible
    screen.send(ESCAPE)
    screen.wait_for("? Dataset directory or raw files /")  # kept whole
    screen.kill()


def test_tab_completes_directories(terminal: Open, dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "data.txt").touch()
    screen = terminal()
    screen.wait_for("? Dataset directory")
    screen.send("da\t")
    screen.wait_for("? Dataset directory or raw files data/")
    screen.send(ENTER)
    screen.wait_for("? Run directory runs/data")
    screen.kill()


def asked_about_u(terminal: Open, root: Path) -> Terminal:
    """Name a dataset and all of its variables, of which u may belong to a vector."""
    screen = terminal()
    screen.wait_for("? Dataset directory")
    screen.send(str(root) + ENTER)
    screen.wait_for("? Variables to train on")
    screen.send(ENTER)
    screen.wait_for("u looks like a component of a vector")
    return screen


@pytest.mark.broad
def test_a_component_without_its_vector_is_asked_for(terminal: Open, tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "currents", variables=["u", "w"])
    screen = asked_about_u(terminal, root)
    screen.send(DOWN * 2 + ENTER)
    screen.wait_for("? Run directory")
    assert "u eastward, w northward" in screen.text
    assert only_session(tmp_path)["answers"]["data"]["vectors"] == [["u", "w"]]
    screen.send(CTRL_B)
    screen.wait_for("u looks like a component of a vector", count=2)
    screen.send(CTRL_C)
    assert screen.wait_for_end() == 130


@pytest.mark.broad
def test_each_component_without_its_vector_is_asked_for(terminal: Open, tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "winds", variables=["u", "w", "u10", "n10"])
    screen = asked_about_u(terminal, root)
    screen.send(DOWN * 4 + ENTER)
    screen.wait_for("u10 looks like a component of a vector")
    screen.send(DOWN + ENTER)
    screen.wait_for("? Run directory")
    both = [["u", "w"], ["u10", "n10"]]
    assert only_session(tmp_path)["answers"]["data"]["vectors"] == both
    # Back at the first one: of a vector that is not known no other matters.
    screen.send(CTRL_B)
    screen.wait_for("u10 looks like a component of a vector", count=2)
    screen.send(CTRL_B)
    screen.wait_for("u looks like a component of a vector", count=2)
    screen.send("not sure" + ENTER)
    screen.wait_for("? Run directory", count=2)
    assert only_session(tmp_path)["answers"]["data"]["vectors"] is None
    screen.send(CTRL_C)
    assert screen.wait_for_end() == 130


@pytest.mark.broad
@pytest.mark.parametrize("key", [F2, CTRL_G])
def test_a_key_takes_the_defaults_for_all_the_rest(
    terminal: Open, dataset: Path, tmp_path: Path, key: str
) -> None:
    screen = terminal()
    screen.wait_for("F2: defaults for the rest")
    walk = Walk(screen, root=dataset)
    walk.to("training")
    screen.send("77" + key)
    screen.wait_for("? Go ahead?")
    assert "Epochs: 77" in screen.text
    assert "? Where to train" not in screen.text
    # In the review it is Enter that counts; and a section edited from there is asked for.
    screen.send(DOWN * 4 + ENTER)
    screen.wait_for("? Epochs 77", count=2)
    screen.send(key)
    screen.wait_for("? Go ahead?", count=2)
    screen.kill()


@pytest.mark.broad
def test_after_the_dataset_everything_can_be_left_at_its_default(
    terminal: Open, dataset: Path
) -> None:
    screen = terminal()
    screen.wait_for("? Dataset directory")
    screen.send(str(dataset) + F2)
    screen.wait_for("? Go ahead?")
    assert "Model: SwinIR" in screen.text
    screen.send("model" + ENTER)  # what the models need is predicted now, too
    screen.wait_for("M parameters · about", count=2, patience=60)
    screen.kill()


@pytest.mark.broad
def test_a_parameter_that_cannot_work_is_refused_in_chinese(
    terminal: Open, environment: dict[str, str], dataset: Path
) -> None:
    environment["LANG"] = "zh_CN.UTF-8"
    screen = terminal(columns=120)
    screen.wait_for("F2：其余全部用默认值")
    for prompt, keys in (
        ("数据集目录", str(dataset)),
        ("运行目录", ""),
        ("模型", ""),
        ("SwinIR 的参数", DOWN),
        ("depths 6 6 6 6", ""),
        ("num_heads 6 6 6 6", ""),
        ("embed_dim 60", "64"),
    ):
        screen.wait_for(f"? {prompt}")
        screen.send(keys + ENTER)
    screen.wait_for("可用的值：60 或 66")
    screen.kill()
