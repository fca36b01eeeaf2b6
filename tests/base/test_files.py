"""Files are written whole or not at all."""

import errno
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from srwizard.base import files

FULL_DISK = """
import resource, sys
from pathlib import Path
from srwizard.base import files
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    files.write_bytes(Path(sys.argv[1]), b"x" * int(sys.argv[2]))
except OSError as error:
    sys.exit(error.errno)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with an earlier content, alone in its directory."""
    path = tmp_path / "metrics.json"
    path.write_text("earlier")
    return path


def assert_untouched(path: Path) -> None:
    assert path.read_text() == "earlier"
    assert list(path.parent.iterdir()) == [path]


def test_new_content_replaces_the_old(path: Path) -> None:
    files.write_text(path, "neu: Öresund 海")
    assert path.read_bytes() == "neu: Öresund 海".encode()
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("failure", [ValueError, OSError, KeyboardInterrupt, SystemExit])
def test_whatever_fails_the_earlier_content_stays(path: Path, failure: type[BaseException]) -> None:
    with pytest.raises(failure), files.atomic_writer(path) as stream:
        stream.write(b"half of the new con")
        stream.flush()
        raise failure
    assert_untouched(path)


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_disk_that_fails_late_leaves_the_earlier_content(
    path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    if call == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    else:
        monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="Input/output error"):
        files.write_bytes(path, b"new")
    assert_untouched(path)


@pytest.mark.parametrize("size", [5_000, 5_000_000])
def test_a_full_disk_leaves_the_earlier_content(path: Path, size: int) -> None:
    """Below and above what is buffered: the error comes when closing, or when writing."""
    command = [sys.executable, "-c", FULL_DISK, str(path), str(size)]
    assert subprocess.run(command, check=False).returncode == errno.EFBIG
    assert_untouched(path)


def test_the_reader_sees_the_old_content_until_the_new_is_whole(path: Path) -> None:
    with files.atomic_writer(path) as stream:
        stream.write(b"new")
        stream.flush()
        assert path.read_text() == "earlier"
    assert path.read_text() == "new"


def test_an_open_reader_keeps_what_it_opened(path: Path) -> None:
    with path.open() as opened:
        files.write_text(path, "new")
        assert opened.read() == "earlier"


@pytest.mark.parametrize("mode", [0o644, 0o600, 0o444])
@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_permissions_are_as_asked_but_for_the_umask(path: Path, mode: int, mask: int) -> None:
    before = os.umask(mask)
    try:
        files.write_text(path, "new", mode=mode)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == mode & ~mask


def test_a_read_only_file_can_be_replaced(path: Path) -> None:
    path.chmod(0o444)
    files.write_text(path, "new")
    assert path.read_text() == "new"


def test_json_is_written_for_people_too(path: Path) -> None:
    content = {"name": "海", "values": [1.5, None]}
    files.write_json(path, content)
    assert json.loads(path.read_text(encoding="utf-8")) == content
    assert "海" in path.read_text(encoding="utf-8")


def test_what_is_not_json_leaves_the_earlier_content(path: Path) -> None:
    with pytest.raises(TypeError):
        files.write_json(path, {"path": path})
    assert_untouched(path)


@pytest.mark.parametrize(
    ("save", "expected"),
    [(lambda stream: stream.write(b"saved"), "saved"), (lambda stream: None, "")],
)
def test_a_stream_can_be_handed_to_whoever_saves(
    path: Path, save: Callable[[IO[bytes]], object], expected: str
) -> None:
    files.write_with(path, save)
    assert path.read_text() == expected


def test_a_missing_directory_is_the_callers_to_make(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        files.write_text(tmp_path / "none" / "file", "new")


def test_json_holds_no_number_that_json_does_not_know(path: Path) -> None:
    found = {"ends": (float("nan"), 1.0), "rows": [{"psnr": float("inf")}], "name": "nan"}
    files.write_json(path, found)

    def refused(constant: str) -> None:
        raise AssertionError(constant)

    told = json.loads(path.read_text(encoding="utf-8"), parse_constant=refused)
    assert told == {"ends": [None, 1.0], "rows": [{"psnr": None}], "name": "nan"}


def test_an_error_names_the_file_that_was_to_be_written(tmp_path: Path) -> None:
    """Not the temporary one beside it."""
    with pytest.raises(OSError) as failed:
        files.write_text(tmp_path / "gone" / "report.html", "")
    assert failed.value.filename == str(tmp_path / "gone" / "report.html")
