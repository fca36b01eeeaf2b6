"""Machines that are not the user's own: containers, foreign homes, locales, closed streams."""

import json
import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.datasets import write_dataset
from tests.e2e.conftest import ANSWERS
from tests.e2e.terminal import PROGRAM
from tests.forking import NAMELESS, become_nameless
from tests.train.runs import freeze

NAMESPACE = ("unshare", "--user", f"--map-user={NAMELESS}", f"--map-group={NAMELESS}")
WITHOUT_PROC = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh")
Done = subprocess.CompletedProcess[str]


def possible(*command: str) -> bool:
    """Return whether this machine lets a test stand in another one's place."""
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0


def srwizard(
    *arguments: object,
    place: Path,
    by: tuple[str, ...] = (),
    first: Callable[[], None] | None = None,
    umask: int = -1,
    **environment: str,
) -> Done:
    """Run the command with nothing but this environment, by way of `by`, after `first`."""
    return subprocess.run(
        [*by, PROGRAM, *map(str, arguments)],
        env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TMPDIR": str(place)} | environment,
        cwd=place, capture_output=True, text=True, check=False, timeout=300,
        preexec_fn=first, umask=umask,
    )  # fmt: skip


def in_a_shell(script: str) -> tuple[str, ...]:
    """Return what runs a command as `$@` of a shell script."""
    return ("sh", "-c", script, "sh")


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    path = tmp_path / "answers.yaml"
    root = write_dataset(tmp_path / "data")
    path.write_text(ANSWERS.format(root=root, run=tmp_path / "run"))
    return path


@pytest.mark.slow
@pytest.mark.skipif(not possible(*NAMESPACE), reason="no user namespaces here")
def test_a_user_whom_no_database_knows(answers: Path, tmp_path: Path) -> None:
    done = srwizard("--answers", answers, place=tmp_path, first=become_nameless)
    assert done.returncode == 0, done.stderr
    kept = tmp_path / f"srwizard-{NAMELESS}"
    assert str(kept) in done.stderr
    assert "XDG_STATE_HOME" in done.stderr
    assert stat.S_IMODE(kept.stat().st_mode) == 0o700
    shown = srwizard("status", place=tmp_path, first=become_nameless)
    assert shown.returncode == 0, shown.stderr
    assert "completed" in shown.stdout


def test_a_home_that_cannot_be_written(answers: Path, tmp_path: Path) -> None:
    home = {"HOME": "/proc/nobody"}
    done = srwizard("--answers", answers, "--stop-after", "frozen", place=tmp_path, **home)
    assert done.returncode == 0, done.stderr
    assert f"sessions are kept in {tmp_path}/srwizard-{os.getuid()}" in done.stderr
    assert "as last saved" not in done.stderr
    session = done.stdout.split()[-1]
    again = srwizard("resume", session, place=tmp_path, **home)
    assert "no such session" not in again.stderr
    assert "terminal" in again.stderr


def test_a_state_directory_that_was_named_is_not_replaced(answers: Path, tmp_path: Path) -> None:
    done = srwizard("--answers", answers, place=tmp_path, XDG_STATE_HOME="/proc/nobody")
    assert done.returncode == 2
    assert "/proc/nobody/srwizard/sessions" in done.stderr
    assert "XDG_STATE_HOME" in done.stderr
    assert "as last saved" not in done.stderr
    assert not (tmp_path / "run").exists()


def test_somebody_elses_directory_is_not_used(answers: Path, tmp_path: Path) -> None:
    (tmp_path / f"srwizard-{os.getuid()}").symlink_to(tmp_path / "data")
    done = srwizard("--answers", answers, place=tmp_path, HOME="/proc/nobody")
    assert done.returncode == 2
    assert "XDG_STATE_HOME" in done.stderr


@pytest.mark.slow
def test_no_directory_for_temporary_files(answers: Path, tmp_path: Path) -> None:
    done = srwizard(
        "--answers", answers, place=tmp_path, HOME=str(tmp_path), TMPDIR=str(tmp_path / "none")
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("status",),
        ("inspect", "data"),
        ("report", "run"),
        ("train", "run"),
        ("predict", "run", "data", "-o", "x.nc"),
    ],
)
def test_a_working_directory_that_was_deleted(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    by = in_a_shell(f'cd "{gone}" && rmdir "{gone}" && exec "$@"')
    done = srwizard(*arguments, place=tmp_path, by=by, HOME=str(tmp_path))
    assert done.returncode == 2
    assert "the working directory has been deleted" in done.stderr


@pytest.mark.slow
def test_a_reader_that_goes_ends_no_training(answers: Path, tmp_path: Path) -> None:
    freeze(tmp_path / "data", tmp_path / "frozen", epochs=3)
    by = in_a_shell('"$@" | true')
    done = srwizard("train", tmp_path / "frozen", place=tmp_path, by=by, HOME=str(tmp_path))
    assert done.stderr == ""
    status = json.loads((tmp_path / "frozen" / "status.json").read_text())
    assert status["state"] == "completed"
    # What goes on for somebody to read ends with them.
    follow = in_a_shell('timeout 60 "$@" | head -1')
    done = srwizard("logs", tmp_path / "frozen", place=tmp_path, by=follow, HOME=str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("arguments", [(), ("resume",)])
def test_without_standard_input_there_is_nobody_to_ask(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    by = in_a_shell('exec "$@" <&-')
    done = srwizard(*arguments, place=tmp_path, by=by, HOME=str(tmp_path))
    assert done.returncode == 2
    assert "itself failed" not in done.stderr


@pytest.mark.parametrize("columns", ["0", "1", "abc"])
def test_columns_that_no_terminal_has_count_as_none(tmp_path: Path, columns: str) -> None:
    home = str(tmp_path)
    expected = srwizard("models", place=tmp_path, HOME=home).stdout
    assert srwizard("models", place=tmp_path, HOME=home, COLUMNS=columns).stdout == expected


@pytest.mark.slow
def test_the_umask_counts(answers: Path, tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path / "home")}
    for mask, run in ((0o077, tmp_path / "private"), (0o022, tmp_path / "public")):
        done = srwizard(
            "--answers", answers, "--set", f"output.dir={run}", place=tmp_path, umask=mask, **home
        )
        assert done.returncode == 0, done.stderr
        for path in run.rglob("*"):
            allowed = stat.S_IMODE(path.stat().st_mode) & 0o077
            assert not allowed & mask, path
            if mask == 0o022 and path.name != ".lock":
                assert allowed & 0o044 == 0o044, path
    assert not [path for path in (tmp_path / "home").rglob("*.json") if path.stat().st_mode & 0o022]


@pytest.mark.skipif(not possible(*WITHOUT_PROC), reason="no mounts here")
def test_without_proc(answers: Path, tmp_path: Path) -> None:
    freeze(tmp_path / "data", tmp_path / "frozen")
    for arguments in (("models",), ("status", tmp_path / "frozen"), ("stop", tmp_path / "frozen"),
                      ("gpus",), ("--answers", answers)):  # fmt: skip
        done = srwizard(*arguments, place=tmp_path, by=WITHOUT_PROC, HOME=str(tmp_path))
        assert done.returncode in (0, 2), (arguments, done.stderr)
        assert "itself failed" not in done.stderr
    assert "In a container, mount it." in done.stderr


@pytest.mark.parametrize("encoding", [{}, {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}])
def test_chinese_in_a_locale_that_has_none(tmp_path: Path, encoding: dict[str, str]) -> None:
    done = srwizard(
        "--lang",
        "zh",
        "status",
        "x",
        place=tmp_path,
        HOME=str(tmp_path),
        LC_ALL="POSIX",
        **encoding,
    )
    assert done.returncode == 2
    assert "不是运行目录" in done.stderr


@pytest.mark.parametrize(
    "arguments", [("--version",), ("--help",), ("models",), ("gpus", "--json")]
)
def test_streams_that_are_full_closed_or_not_read(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    for shell, code in (
        ('exec "$@" >/dev/full', 2),
        ('exec "$@" >/dev/full 2>/dev/full', 2),
        ('exec "$@" >&-', 0),
        ('exec "$@" >&- 2>&- <&-', 0),
        ('{ "$@"; echo $? >code; } | true; exit $(cat code)', 0),
    ):
        done = srwizard(*arguments, place=tmp_path, by=in_a_shell(shell), HOME=str(tmp_path))
        assert done.returncode == code, (shell, done.stderr)
        assert "Traceback" not in done.stderr
        assert "Exception" not in done.stderr
