"""Files that another process holds are called locked, by whom, and never damaged."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import h5py
import pytest

from srwizard.base.errors import UsageError
from srwizard.data.hdf5_reading import UnfinishedFileError, open_hdf5
from srwizard.data.inspect import inspect
from srwizard.data.layout import scan
from srwizard.data.prepare.groups import groups_of_hdf5
from srwizard.data.prepare.look import look
from tests.data.test_prepare_missing import made, waves, write

HOLDING = {
    "h5py": "import h5py; held = h5py.File(path, 'r+')",
    "h5py, reading": "import h5py; held = h5py.File(path, 'r')",
    "flock": "import fcntl; held = open(path, 'rb'); fcntl.flock(held, fcntl.LOCK_EX)",
    "flock, shared": "import fcntl; held = open(path, 'rb'); fcntl.flock(held, fcntl.LOCK_SH)",
    "marked as written": "import h5py; held = h5py.File(path, 'r+', libver='latest'); held.flush()",
}


@contextmanager
def held(path: Path, how: str) -> Iterator[int]:
    """Hold a file in another process, whose number is yielded, and kill that at the end."""
    code = f"import sys; path = sys.argv[1]; {HOLDING[how]}; print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.kill()


@pytest.mark.parametrize("how", ["h5py", "flock"])
def test_a_source_that_is_locked_is_called_so(tmp_path: Path, how: str) -> None:
    source = write(waves(), tmp_path / "a.nc")
    with held(source, how) as process:
        with pytest.raises(UsageError, match=rf"is locked by process {process} \(python") as raised:
            look([source])
        with pytest.raises(UsageError, match="is locked by"):
            made(tmp_path, source)
    assert "HDF5_USE_FILE_LOCKING=FALSE" in raised.value.hint
    assert look([source]).usable


@pytest.mark.parametrize("how", ["h5py, reading", "flock, shared"])
def test_one_that_others_read_is_read(tmp_path: Path, how: str) -> None:
    source = write(waves(), tmp_path / "a.nc")
    with held(source, how):
        made(tmp_path, source)


def test_netcdf_3_knows_no_locks(tmp_path: Path) -> None:
    waves().to_netcdf(tmp_path / "a.nc", engine="scipy")
    with held(tmp_path / "a.nc", "flock"):
        made(tmp_path, tmp_path / "a.nc")


@pytest.mark.parametrize("how", ["h5py", "flock"])
@pytest.mark.parametrize("fmt", ["h5", "nc"])
def test_a_dataset_that_is_locked_is_not_damaged(
    tmp_path: Path, how: str, fmt: Literal["h5", "nc"]
) -> None:
    made(tmp_path, write(waves(), tmp_path / "a.nc"), fmt=fmt)
    file = tmp_path / f"root/train.{fmt}"
    with held(file, how) as process:
        problems = inspect(scan(tmp_path / "root")).problems
    assert [each.path for each in problems] == [file]
    assert f"locked by process {process}" in problems[0].message
    assert inspect(scan(tmp_path / "root")).usable


def test_a_writer_that_was_killed_leaves_a_mark_that_is_named(tmp_path: Path) -> None:
    source = tmp_path / "a.nc"
    with h5py.File(source, "w", libver="latest") as file:
        file["sst"] = waves().sst.values
    with held(source, "marked as written"):
        pass
    with pytest.raises(UsageError, match="was killed while it") as raised:
        look([source])
    assert raised.value.hint.endswith("h5clear -s a.nc")


@pytest.mark.parametrize("how", ["h5py", "flock"])
def test_the_lock_of_another_is_respected_by_all_that_open_hdf5(tmp_path: Path, how: str) -> None:
    source = write(waves(), tmp_path / "a.nc")
    for opening in (open_hdf5, groups_of_hdf5):
        with held(source, how) as process:
            with pytest.raises(UnfinishedFileError, match=f"is locked by process {process}") as it:
                opening(source)
            assert "HDF5_USE_FILE_LOCKING=FALSE" in it.value.way_out
        opening(source)


def test_one_that_this_process_reads_without_a_lock_is_opened_once_more(tmp_path: Path) -> None:
    source = write(waves(), tmp_path / "a.nc")
    with h5py.File(source, "r", locking=False), open_hdf5(source) as file:
        assert "sst" in file
