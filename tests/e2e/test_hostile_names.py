"""Names of somebody else's files and variables, through every command: shown, never obeyed."""

import contextlib
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from srwizard.base.i18n import translate
from srwizard.base.visible import Lines, in_one_line, in_shell
from tests.datasets import write_dataset
from tests.e2e.conftest import ANSWERS, Open, Run
from tests.e2e.terminal import CTRL_B

CONTROLS = "\n\r\t\x1b\x9b\u202e\u2066\u200b\u200d\ufeff\u00ad\u061c\U000e0041"
HOSTILE = "te\nFAKE: saved\r\t\x1b[2J\x9b31m\u202e\u200bmp"
"""A line of its own, over what is there, and out of sight."""
NAMES = st.text(st.one_of(st.sampled_from(CONTROLS), st.characters(exclude_characters="\0")))


def assert_harmless(text: str, where: object) -> None:
    """Fail where a name has begun a line, or something in it was not shown."""
    assert "\nFAKE" not in text, (where, text)
    assert not set(text) & (set(CONTROLS) - {"\n", "\t"}), (where, text)
    assert "\tx" not in text and "\r" not in text, (where, text)


@given(NAMES)
def test_a_name_in_a_message_is_one_line_and_visible(name: str) -> None:
    for value in (name, Path(name), ValueError(name)):
        said = translate("{path} is not a directory", path=value)
        assert not set(said) & set(CONTROLS)
        assert said.endswith(" is not a directory")
    assert not set(in_one_line(name)) & set(CONTROLS)
    assert translate("error: {message}", message=Lines("one\ntwo")) == "error: one\ntwo"


@given(NAMES.filter(bool))
def test_a_command_to_type_is_visible_and_means_the_same(name: str) -> None:
    name = name.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")
    typed = in_shell("printf", "%s", name)
    assert not set(typed) & set(CONTROLS)
    done = subprocess.run(["bash", "-c", typed], capture_output=True, check=True)
    assert done.stdout.decode("utf-8", "surrogateescape") == name


def write_raw(path: Path) -> Path:
    """Write a raw file in which everything that has a name has a hostile one."""
    path.parent.mkdir(parents=True)
    values = np.random.default_rng(0).random((12, 8, 12), np.float32)
    axes = {
        "time": np.arange(12),
        "lat": ("lat", np.linspace(10, 17, 8), {"units": "degrees_north"}),
        "lon": ("lon", np.linspace(10, 21, 12), {"units": "degrees_east"}),
    }
    attributes = {"long_name": HOSTILE, "units": HOSTILE}
    xr.Dataset({HOSTILE: (("time", "lat", "lon"), values, attributes)}, coords=axes).to_netcdf(
        path, engine="h5netcdf"
    )
    return path


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_command_shows_hostile_names_as_text(
    language: str, srwizard: Run, tmp_path: Path
) -> None:
    root = write_dataset(tmp_path / f"data {HOSTILE}", variables=(HOSTILE,))
    run_dir = tmp_path / f"run {HOSTILE}"
    answers = tmp_path / f"answers {HOSTILE}.yaml"
    answers.write_text(ANSWERS.format(root=json.dumps(str(root)), run=json.dumps(str(run_dir))))
    mistaken = tmp_path / f"wrong {HOSTILE}.yaml"
    mistaken.write_text(json.dumps({HOSTILE: 1, "model": {"name": HOSTILE}}))
    raw = write_raw(tmp_path / f"raw {HOSTILE}" / f"{HOSTILE}.nc")
    bundle, out = tmp_path / f"bundle {HOSTILE}", tmp_path / f"out {HOSTILE}.nc"
    page = tmp_path / f"page {HOSTILE}.html"
    commands: list[tuple[tuple[object, ...], tuple[int, ...]]] = [
        (("inspect", root), (0,)),
        (("inspect", f"{root}no"), (2, 3)),
        (("inspect", raw), (0,)),
        (("inspect", raw.parent), (0,)),
        (("prepare", raw, "--variable", HOSTILE, "--scale", "2", "-o", f"{root}2"), (0,)),
        (("prepare", raw, "--variable", HOSTILE, "--scale", "2", "-o", f"{root}2"), (2,)),
        (("prepare", raw, "--variable", "none", "--scale", "2", "-o", f"{root}3"), (2, 3)),
        (("baselines", root), (0,)),
        (("recommend", root), (0,)),
        (("--answers", mistaken), (2,)),
        (("--answers", f"{answers}no"), (2,)),
        (("--answers", answers, "--set", f"{HOSTILE}=1"), (2,)),
        (("--answers", answers, "--set", f"data.variables=[{json.dumps(HOSTILE + 'no')}]"),
         (2, 3)),
        (("--answers", answers, "--stop-after", "dry_run"), (0,)),
        (("estimate", run_dir), (0,)),
        (("status", run_dir), (0,)),
        (("train", run_dir), (0,)),
        (("train", run_dir), (0, 2)),
        (("status", run_dir), (0,)),
        (("status",), (0,)),
        (("logs", run_dir), (0,)),
        (("evaluate", run_dir, "--split", "valid"), (0,)),
        (("report", run_dir), (0,)),
        (("compare", run_dir, run_dir, "--html", page), (0,)),
        (("predict", run_dir, root, "-o", out), (0,)),
        (("predict", run_dir, raw, "-o", out), (2, 3)),
        (("export", run_dir, "-o", bundle), (0,)),
        (("export", run_dir, "-o", bundle), (2,)),
        (("resume", HOSTILE), (2,)),
        (("stop", run_dir), (0, 2)),
        (("answers", "--from", run_dir), (0,)),
        ((HOSTILE,), (2,)),
        (("inspect", root, f"--{HOSTILE}"), (2,)),
        (("models", HOSTILE), (2,)),
    ]  # fmt: skip
    for arguments, codes in commands:
        done = srwizard(*arguments, "--lang", language)
        said = done.stdout + done.stderr
        assert done.returncode in codes, (arguments, said)
        if arguments[0] != "answers":
            assert_harmless(said, arguments)
    for written in (run_dir / "train.log", run_dir / "report.html", page):
        assert_harmless(written.read_text(), written.name)
    assert "FAKE" in (run_dir / "report.html").read_text() and "FAKE" in page.read_text()
    told = json.loads(srwizard("status", run_dir, "--json").stdout)
    assert HOSTILE in told[0]["run_dir"]
    told = json.loads(srwizard("inspect", root, "--json").stdout)
    assert told["variables"][0]["name"] == HOSTILE


@pytest.mark.slow
def test_the_wizard_shows_hostile_names_as_text(
    srwizard: Run, terminal: Open, tmp_path: Path
) -> None:
    """From the review back to the first question."""
    root = write_dataset(tmp_path / f"data {HOSTILE}", variables=(HOSTILE, f"{HOSTILE}2"))
    answers = tmp_path / "answers.yaml"
    run_dir = tmp_path / f"run {HOSTILE}"
    given = ANSWERS.format(root=json.dumps(str(root)), run=json.dumps(str(run_dir)))
    answers.write_text(given.replace("confirm: true", ""))
    assert srwizard("--answers", answers).returncode == 6
    screen = terminal("resume", rows=50, columns=200)
    screen.wait_for("? ")
    shown = [screen.visible]
    for asked in range(12):
        screen.send(CTRL_B)
        with contextlib.suppress(AssertionError):  # it may stay at the first question
            screen.wait_for("←", count=asked + 1, patience=2)
        shown.append(screen.visible)
    text = "\n".join([*shown, screen.text])
    assert "? Variables to train on" in text
    assert not [line for line in text.splitlines() if line.strip().startswith("FAKE")]
    assert not set(text) & (set(CONTROLS) - {"\n"})
    screen.kill()
