"""Every place that is written to, on a disk that is full, read-only, or gone."""

import errno
import os
import shutil
import subprocess
from functools import partial
from pathlib import Path

import pytest

from tests.datasets import write_dataset
from tests.e2e.conftest import ANSWERS
from tests.e2e.terminal import PROGRAM
from tests.forking import mount_first
from tests.robustness.in_process import run_here
from tests.robustness.raw_record import write_raw
from tests.train.runs import freeze, trained

FULL = 'mount -t tmpfs -o size=4k none "$1"'
READ_ONLY = 'mount -t tmpfs -o ro none "$1"'
RUN_READ_ONLY = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1"'
RUN_FULL = (
    'cp -a "$1" "$1.copy" && mount -t tmpfs -o size=4m none "$1" && cp -a "$1.copy/." "$1" && '
    'dd if=/dev/zero of="$1/filler" bs=1k 2>/dev/null || true'
)
REASONS = {
    FULL: "no space is left", RUN_FULL: "no space is left",
    READ_ONLY: "read-only", RUN_READ_ONLY: "read-only",
}  # fmt: skip
OUTSIDE = {
    "predict": ("predict", "run", "data", "-o", "disk/out.nc"),
    "export": ("export", "run", "-o", "disk/bundle"),
    "prepare": ("prepare", "raw.nc", "--variable", "sst", "--scale", "2", "-o", "disk/made"),
    "compare": ("compare", "run", "--html", "disk/runs.html"),
    "wizard": ("--answers", "answers.yaml", "--set", "output.dir=disk/new"),
}
INSIDE = {
    "report": ("report", "run"),
    "evaluate": ("evaluate", "run", "--split", "valid"),
    "train": ("train", "run", "--epochs", "9"),
}


def mounts_are_possible() -> bool:
    command = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs none /mnt"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not mounts_are_possible(), reason="no mounts here"),
]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("writing") / "original"
    freeze(write_dataset(place / "data"), place / "run", epochs=1)
    trained(place / "run")
    write_raw(place)
    return place


@pytest.fixture
def place(original: Path, tmp_path: Path) -> Path:
    shutil.copytree(original, tmp_path / "place")
    (tmp_path / "place" / "disk").mkdir()
    answers = ANSWERS.format(root=original / "data", run=tmp_path / "place" / "new")
    (tmp_path / "place" / "answers.yaml").write_text(answers)
    return tmp_path / "place"


def run_on(
    mount: str, disk: str, words: tuple[str, ...], place: Path
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [PROGRAM, *words],
        cwd=place, capture_output=True, text=True, check=False, timeout=300,
        env={"PATH": os.environ["PATH"], "HOME": str(place / "home"), "LANG": "C.UTF-8"},
        preexec_fn=partial(mount_first, mount, str(place / disk)),
    )  # fmt: skip


def is_explained(done: "subprocess.CompletedProcess[str]", reason: str) -> None:
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode in (2, 3, 5), said
    assert reason in said.lower() or "would take" in said or "disk is full" in said, said
    assert "itself failed" not in said
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("mount", [FULL, READ_ONLY], ids=["full", "read-only"])
def test_what_is_written_elsewhere(name: str, mount: str, place: Path) -> None:
    is_explained(run_on(mount, "disk", OUTSIDE[name], place), REASONS[mount])


@pytest.mark.parametrize("name", INSIDE)
@pytest.mark.parametrize("mount", [RUN_FULL, RUN_READ_ONLY], ids=["full", "read-only"])
def test_what_is_written_into_the_run(name: str, mount: str, place: Path) -> None:
    before = {path: path.read_bytes() for path in (place / "run").rglob("*") if path.is_file()}
    is_explained(run_on(mount, "run", INSIDE[name], place), REASONS[mount])
    for path, content in before.items():
        assert path.read_bytes() == content


@pytest.mark.parametrize("kilobytes", [16, 32, 64, 128])
def test_a_disk_that_fills_up_from_freezing_to_the_end(place: Path, kilobytes: int) -> None:
    """In one place or another between the run config and the last checkpoint there is no room."""
    mount = FULL.replace("4k", f"{kilobytes}k")
    done = run_on(mount, "disk", OUTSIDE["wizard"], place)
    is_explained(done, REASONS[FULL])


@pytest.mark.parametrize("name", [name for name in OUTSIDE if name != "wizard"] + ["report"])
def test_a_quota_that_is_used_up(name: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Network drives say so only when what was written is to be synced."""

    def used_up(_handle: int) -> None:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    monkeypatch.chdir(place)
    monkeypatch.setenv("XDG_STATE_HOME", str(place / "state"))
    monkeypatch.setattr(os, "fsync", used_up)
    ended = run_here(*{**OUTSIDE, **INSIDE}[name])
    assert ended.code in (2, 3), ended.said
    assert "quota" in ended.said.lower(), ended.said
    assert not [*(place / "disk").rglob("*.*")], ended.said
    assert not [*place.rglob("*.tmp")]


@pytest.mark.parametrize("name", OUTSIDE | INSIDE)
def test_a_directory_that_is_gone(name: str, place: Path) -> None:
    """A file lies where a directory is to be made; a run directory is not there."""
    shutil.rmtree(place / "disk")
    (place / "disk").write_text("in the way")
    if name in INSIDE:
        shutil.rmtree(place / "run")
    done = run_on("true", "disk", {**OUTSIDE, **INSIDE}[name], place)
    assert done.returncode in (2, 3), done.stderr
    assert "itself failed" not in done.stderr
    assert (place / "disk").read_text() == "in the way"
