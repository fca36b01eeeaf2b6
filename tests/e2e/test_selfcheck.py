"""`srwizard selfcheck`: how it refuses, and how it is stopped."""

import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.e2e.conftest import Run
from tests.e2e.terminal import PROGRAM


@pytest.mark.broad
def test_mistakes_on_the_command_line(srwizard: Run, tmp_path: Path) -> None:
    unknown = srwizard("selfcheck", "--model", "EDSSR")
    assert unknown.returncode == 2
    assert "EDSR" in unknown.stderr
    both = srwizard("selfcheck", "--model", "EDSR", "--long")
    assert both.returncode == 2
    device = srwizard("selfcheck", "--device", "tpu")
    assert device.returncode == 2
    assert "cuda:1" in device.stderr
    gpu = srwizard("selfcheck", "--device", "cuda:77")
    assert gpu.returncode == 2
    assert "srwizard gpus" in gpu.stderr
    (tmp_path / "mine" / "data-standard").mkdir(parents=True)
    taken = srwizard("selfcheck", "-o", "mine", "--device", "cpu")
    assert taken.returncode == 2
    assert "-o DIR" in taken.stderr
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["data-standard"]


def test_nowhere_to_write(srwizard: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = srwizard("selfcheck", "--device", "cpu", "-o", "file")
    assert done.returncode == 2
    assert "cannot write" in done.stderr
    assert "Traceback" not in done.stderr


def test_in_chinese(srwizard: Run) -> None:
    shown = srwizard("--lang", "zh", "selfcheck", "--help")
    assert shown.returncode == 0
    assert "已知" in shown.stdout


@pytest.mark.slow
@pytest.mark.parametrize("deaf", [False, True], ids=["ctrl-c", "sigterm-in-the-background"])
def test_a_request_to_stop_ends_it_and_leaves_nothing_in_the_temporary_directory(
    environment: dict[str, str], tmp_path: Path, deaf: bool
) -> None:
    """A shell starts what it runs in the background with SIGINT ignored."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    start = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh"] if deaf else []
    child = subprocess.Popen(
        [*start, PROGRAM, "selfcheck", "--device", "cpu"],
        env=environment | {"TMPDIR": str(scratch)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout is not None
    assert any(line.startswith("Training in") for line in child.stdout)
    time.sleep(1)
    child.send_signal(signal.SIGTERM if deaf else signal.SIGINT)
    _out, said = child.communicate(timeout=120)
    assert child.returncode == 130, said
    assert "interrupted" in said
    assert "Traceback" not in said
    assert not list(scratch.glob("srwizard-*"))
