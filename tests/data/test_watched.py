"""A dataset that changes while it is used ends what uses it; one that was only touched does not."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from srwizard.base.errors import DatasetError
from srwizard.data.dataset import Dataset
from srwizard.data.fields import OtherShapeError
from srwizard.data.fingerprint import is_content
from srwizard.data.layout import Contents, Layout, scan
from srwizard.data.watched import watched
from tests.datasets import write_dataset

KEY = ("train", "hr", "temp")
STEP = 3


class Used:
    """A dataset that was verified, and how often its content has been compared since."""

    def __init__(self, root: Path) -> None:
        dataset = Dataset(root)
        self.root, self.compared = root, 0
        self.digests, _stamps = dataset.content(["temp"], [], area_weights=False)
        self.contents: Contents = watched(dataset.contents, dataset.seen, self._is_as_frozen)

    def _is_as_frozen(self, part: str, files: list[Path]) -> bool:
        self.compared += 1
        return is_content(files, self.digests[part])

    @property
    def file(self) -> Path:
        return self.contents.fields[KEY].path(STEP)

    def read(self) -> None:
        self.contents.fields[KEY].read(STEP, (slice(0, 2), slice(0, 2)))


@pytest.fixture
def used(tmp_path: Path) -> Used:
    return Used(write_dataset(tmp_path / "ocean"))


def with_value(value: float) -> Callable[[Path], None]:
    """Return what fills in one point, far from the window that is read."""

    def change(file: Path) -> None:
        values = np.load(file)
        values[15, 23] = value
        np.save(file, values)

    return change


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0], ids=str)
@pytest.mark.parametrize("replaced", [True, False], ids=["replaced", "in place"])
def test_a_value_that_became_another_is_told_with_file_and_step(
    used: Used, tmp_path: Path, value: float, replaced: bool
) -> None:
    used.read()
    target = used.file if not replaced else Path(shutil.copy(used.file, tmp_path / "new.npy"))
    with_value(value)(target)
    target.replace(used.file)
    with pytest.raises(DatasetError) as refusal:
        used.read()
    assert str(used.file) in refusal.value.message
    assert "step step_0003" in refusal.value.message


def test_a_replacement_of_the_same_size_and_time_is_told(used: Used, tmp_path: Path) -> None:
    before = used.file.stat()
    new = Path(shutil.copy(used.file, tmp_path / "new.npy"))
    with_value(np.nan)(new)
    os.utime(new, ns=(before.st_atime_ns, before.st_mtime_ns))
    new.replace(used.file)
    with pytest.raises(DatasetError, match="has changed while it was in use"):
        used.read()


@pytest.mark.parametrize("size", [0, 100, 200])
def test_a_truncated_file_is_told(used: Used, size: int) -> None:
    os.truncate(used.file, size)
    with pytest.raises(DatasetError, match=r"step step_0003 cannot be read from .*step_0003\.npy"):
        used.read()


def test_a_file_that_is_gone_is_told(used: Used) -> None:
    used.file.unlink()
    with pytest.raises(DatasetError, match=r"step step_0003 cannot be read from .*step_0003\.npy"):
        used.read()


def test_another_shape_is_told(used: Used) -> None:
    np.save(used.file, np.zeros((8, 8), np.float32))
    with pytest.raises(OtherShapeError, match=r"step_0003\.npy has shape \[8, 8\] instead of"):
        used.read()


def test_another_shape_in_a_file_of_all_steps_is_told_each_time(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "ocean", layout="h5")
    field = scan(root).fields["train", "hr", "temp"]
    write_dataset(tmp_path / "other", layout="h5", hr_shape=(16, 20))
    (tmp_path / "other/train.h5").replace(root / "train.h5")
    for _again in range(2):
        with pytest.raises(OtherShapeError):
            field.read(0)


@pytest.mark.parametrize("layout", ["npy", "h5", "nc"])
def test_what_was_only_touched_is_compared_once_and_used(tmp_path: Path, layout: Layout) -> None:
    used = Used(write_dataset(tmp_path / "ocean", layout=layout))
    used.read()
    assert used.compared == 0
    for path in used.root.rglob("*"):
        path.touch()
    for split in ("train", "valid"):
        for index in range(3):
            used.contents.fields[split, "hr", "temp"].read(index)
    assert used.compared == 2


@pytest.mark.parametrize("layout", ["h5", "nc"])
@pytest.mark.parametrize("opened", [True, False], ids=["open", "not yet open"])
def test_a_file_for_each_split_is_told(tmp_path: Path, layout: Layout, opened: bool) -> None:
    used = Used(write_dataset(tmp_path / "ocean", layout=layout))
    if opened:
        used.read()
    new = Path(shutil.copy(used.file, tmp_path / "new"))
    with h5py.File(new, "a") as stored:
        stored["hr/temp"][7, 15, 23] = np.nan
    new.replace(used.file)
    with pytest.raises(DatasetError, match=f"train.{layout} has changed .*step 000003"):
        used.read()
    used.file.unlink()
    with pytest.raises(DatasetError, match=f"step 000003 cannot be read from .*train.{layout}"):
        used.read()


def test_a_file_that_is_linked_to_is_told(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "ocean", layout="h5")
    stored = (root / "train.h5").rename(tmp_path / "values.h5")
    with h5py.File(root / "train.h5", "w") as opened:
        for level in ("hr", "lr"):
            opened[f"{level}/temp"] = h5py.ExternalLink("../values.h5", f"{level}/temp")
    used = Used(root)
    used.read()
    new = Path(shutil.copy(stored, tmp_path / "new"))
    with h5py.File(new, "a") as opened:
        opened["lr/temp"][7, 7, 11] = np.nan
    new.replace(stored)
    with pytest.raises(DatasetError, match=r"train\.h5 has changed"):
        used.read()
