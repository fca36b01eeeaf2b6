"""The fingerprint: the same for the same data wherever it lies, another once anything differs."""

import os
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from srwizard.base.errors import DatasetError
from srwizard.data.dataset import Dataset
from srwizard.data.file_digests import BLOCK_BYTES, NPY_BLOCKS
from srwizard.data.fingerprint import fingerprint
from srwizard.data.layout import LEVELS, scan
from srwizard.data.split_names import SPLITS
from srwizard.settings.run_config import RunConfig
from srwizard.train.dataset import verified
from tests.configs import data_of, made_up_config
from tests.datasets import write_dataset

STEP = "step_0003.npy"


def of(root: Path) -> dict[str, str]:
    contents = scan(root)
    return fingerprint(contents, contents.variables())


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    assert before.keys() == after.keys()
    return {part for part in before if before[part] != after[part]}


@pytest.mark.parametrize("layout", ["npy", "h5", "nc"])
def test_a_copy_elsewhere_has_the_same_fingerprint(tmp_path: Path, layout: Any) -> None:
    root = write_dataset(tmp_path / "ocean", layout=layout)
    copied = Path(shutil.copytree(root, tmp_path / "elsewhere" / "renamed"))
    for path in copied.rglob("*"):
        os.utime(path, (0, 0))
    assert of(copied) == of(root)


def test_every_part_has_a_digest_of_its_own(tmp_path: Path) -> None:
    found = of(write_dataset(tmp_path / "ocean", variables=("temp", "salt")))
    parts = {f"{s}/{level}/{name}" for s in SPLITS for level in LEVELS for name in ("temp", "salt")}
    assert found.keys() == parts
    assert len(set(found.values())) == len(parts)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("level", LEVELS)
def test_a_changed_value_changes_its_part_alone(tmp_path: Path, split: str, level: str) -> None:
    root = write_dataset(tmp_path / "ocean")
    before = of(root)
    file = max((root / split / level / "temp").iterdir())
    values = np.load(file)
    values[-1, -1] += 1
    np.save(file, values)
    assert changed(before, of(root)) == {f"{split}/{level}/temp"}


@pytest.mark.parametrize("block", range(NPY_BLOCKS))
def test_large_files_are_sampled_in_several_places(tmp_path: Path, block: int) -> None:
    root = write_dataset(tmp_path / "ocean", steps=(1, 1, 1), hr_shape=(128, 256))
    before = of(root)
    file = root / "train/hr/temp/step_0000.npy"
    content = bytearray(file.read_bytes())
    content[(len(content) - BLOCK_BYTES) * block // (NPY_BLOCKS - 1) + BLOCK_BYTES // 2] ^= 1
    file.write_bytes(content)
    assert changed(before, of(root)) == {"train/hr/temp"}


@pytest.mark.parametrize("layout", ["h5", "nc"])
def test_a_changed_value_in_one_file_changes_that_split(tmp_path: Path, layout: Any) -> None:
    root = write_dataset(tmp_path / "ocean", layout=layout)
    before = of(root)
    with h5py.File(root / f"valid.{layout}", "a") as opened:
        opened["hr/temp"][...] += 1
    assert changed(before, of(root)) == {"valid"}


def test_a_step_added_removed_or_renamed_changes_the_fingerprint(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "ocean")
    directory = root / "train/hr/temp"
    found = [of(root)]
    shutil.copy(directory / STEP, directory / "step_9999.npy")
    found.append(of(root))
    (directory / STEP).unlink()
    found.append(of(root))
    (directory / "step_9999.npy").rename(directory / "step_9998.npy")
    found.append(of(root))
    assert len({digests["train/hr/temp"] for digests in found}) == 4
    assert all(changed(found[0], digests) == {"train/hr/temp"} for digests in found[1:])
    (directory / "step_9998.npy").rename(directory / STEP)
    assert of(root) == found[0]


def test_two_steps_exchanged_change_the_fingerprint(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "ocean")
    before = of(root)
    first, second = (root / f"test/lr/temp/step_{index:04d}.npy" for index in (11, 12))
    contents = first.read_bytes(), second.read_bytes()
    second.write_bytes(contents[0])
    first.write_bytes(contents[1])
    assert changed(before, of(root)) == {"test/lr/temp"}


def test_variables_that_are_not_trained_on_do_not_count(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "ocean", variables=("temp", "salt"))
    before = fingerprint(scan(root), ["temp"])
    shutil.rmtree(root / "train/hr/salt")
    assert fingerprint(scan(root), ["temp"]) == before


def test_file_names_need_not_be_utf_8(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "ocean")
    for level in LEVELS:
        file = root / "train" / level / "temp" / STEP
        file.rename(file.with_name(os.fsdecode(b"m\xe4rz.npy")))
    assert of(root).keys() == of(write_dataset(tmp_path / "plain")).keys()


# Frozen, with all its content


def frozen(root: Path) -> RunConfig:
    """Return a run config that knows every byte of a dataset, as freezing makes it."""
    digests, stamped = Dataset(root).content(["temp"], [], area_weights=False)
    data = data_of(root).model_copy(update={"fingerprint": digests})
    return made_up_config(data=data).model_copy(update={"stamps": stamped})


def in_the_middle(path: Path) -> None:
    """Change a byte that the fingerprint does not sample, and put the times back."""
    size, before = path.stat().st_size, path.stat()
    place = (size - BLOCK_BYTES) // (NPY_BLOCKS - 1) // 2 + BLOCK_BYTES
    with path.open("r+b") as stream:
        stream.seek(place)
        byte = stream.read(1)[0] ^ 1
        stream.seek(place)
        stream.write(bytes([byte]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_change_of_a_single_byte_is_refused_though_size_and_time_are_as_before(
    tmp_path: Path,
) -> None:
    root = write_dataset(tmp_path / "ocean", steps=(2, 1, 1), hr_shape=(128, 256))
    run, before = frozen(root), of(root)
    in_the_middle(root / "train/hr/temp/step_0001.npy")
    assert of(root) == before, "the fingerprint alone tells it: the test shows nothing"
    with pytest.raises(DatasetError, match=r"fingerprint\.train/hr/temp has changed"):
        verified(run)


@pytest.mark.parametrize("layout", ["npy", "h5", "nc"])
def test_what_was_only_copied_or_touched_is_accepted(tmp_path: Path, layout: Any) -> None:
    root = write_dataset(tmp_path / "ocean", layout=layout)
    run = frozen(root)
    copied = shutil.copytree(root, tmp_path / "copy")
    shutil.rmtree(root)
    shutil.move(copied, root)
    for path in root.rglob("*"):
        os.utime(path, (0, 0))
    assert verified(run).contents.root == root


def test_nothing_is_read_where_the_files_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_dataset(tmp_path / "ocean")
    run = frozen(root)

    def refuse(*_arguments: object) -> str:
        raise AssertionError("read")

    monkeypatch.setattr("srwizard.data.fingerprint.content_digest", refuse)
    monkeypatch.setattr("srwizard.data.fingerprint.sampled_digest", refuse)
    verified(run)
    (root / "train/hr/temp" / STEP).touch()
    with pytest.raises(AssertionError, match="read"):
        verified(run)


@pytest.mark.parametrize("how", ["external link", "linked group", "virtual", "virtual of virtual"])
def test_files_that_are_linked_to_belong_to_the_dataset(tmp_path: Path, how: str) -> None:
    root = write_dataset(tmp_path / "ocean", layout="h5")
    (tmp_path / "store").mkdir()
    stored = tmp_path / "store" / "values.h5"
    (root / "train.h5").rename(stored)
    behind = stored
    if how == "virtual of virtual":
        behind = tmp_path / "store" / "view.h5"
        view(behind, "values.h5", stored)
    with h5py.File(root / "train.h5", "w") as opened:
        for level in LEVELS:
            if how == "linked group":
                opened[level] = h5py.ExternalLink("../store/values.h5", level)
            elif how == "external link":
                opened[f"{level}/temp"] = h5py.ExternalLink("../store/values.h5", f"{level}/temp")
    if how.startswith("virtual"):
        view(root / "train.h5", f"../store/{behind.name}", stored)
    run = frozen(root)
    stored.touch()
    verified(run)
    with h5py.File(stored, "a") as opened:
        opened["hr/temp"][2, 12, 4] += 1
    with pytest.raises(DatasetError, match=r"fingerprint\.train has changed"):
        verified(run)
    if how.startswith("virtual"):
        stored.unlink()
        with pytest.raises(DatasetError, match=r"values\.h5"):
            verified(run)


def view(file: Path, name: str, like: Path) -> None:
    """Write a file whose fields are virtual views of those in another one."""
    with h5py.File(like) as values, h5py.File(file, "w") as opened:
        for level in LEVELS:
            shape, dtype = values[f"{level}/temp"].shape, values[f"{level}/temp"].dtype
            layout = h5py.VirtualLayout(shape, dtype)
            layout[:] = h5py.VirtualSource(name, f"{level}/temp", shape)
            opened.create_virtual_dataset(f"{level}/temp", layout)


def test_runs_of_version_010_hold_no_more_than_fingerprints(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "ocean")
    run = made_up_config(data=data_of(root))
    assert not run.stamps
    verified(run)
    file = root / "test/hr/temp/step_0012.npy"
    np.save(file, np.load(file) + 1)
    with pytest.raises(DatasetError, match=r"test/hr/temp has changed"):
        verified(run)


# When a run begins


@pytest.mark.parametrize("layout", ["npy", "h5", "nc"])
def test_the_dataset_that_was_frozen_is_accepted(tmp_path: Path, layout: Any) -> None:
    root = write_dataset(tmp_path / "ocean", layout=layout)
    contents = verified(made_up_config(data=data_of(root))).contents
    assert contents.root == root
    assert ("train", "hr", "temp") in contents.fields


def test_a_dataset_that_changed_is_refused_by_its_parts(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "ocean")
    config = made_up_config(data=data_of(root))
    for path in ("train/hr/temp", "test/lr/temp"):
        file = min((root / path).iterdir())
        np.save(file, np.load(file) + 1)
    with pytest.raises(DatasetError) as refusal:
        verified(config)
    assert refusal.value.message.splitlines() == [
        f"the dataset {root} has changed since it was checked:",
        "  data.fingerprint.test/lr/temp has changed",
        "  data.fingerprint.train/hr/temp has changed",
    ]


@pytest.mark.parametrize(
    ("layout", "path", "words"),
    [
        ("npy", ".", "is no longer there"),
        ("npy", "valid", "no longer has valid/hr/temp"),
        ("npy", "test/lr/temp", "no longer has test/lr/temp"),
        ("h5", "valid.h5", "valid.h5"),
        ("nc", "test.nc", "test.nc"),
    ],
)
def test_a_dataset_that_lost_a_part_is_refused_by_it(
    tmp_path: Path, layout: Any, path: str, words: str
) -> None:
    root = write_dataset(tmp_path / "ocean", layout=layout)
    config = made_up_config(data=data_of(root))
    (root / path).rename(tmp_path / "away")
    with pytest.raises(DatasetError) as refusal:
        verified(config)
    assert str(root) in refusal.value.message
    assert words in refusal.value.message


def test_a_truncated_step_is_refused(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "ocean")
    config = made_up_config(data=data_of(root))
    os.truncate(root / "valid/hr/temp/step_0008.npy", 200)
    with pytest.raises(DatasetError, match=r"data\.fingerprint\.valid/hr/temp has changed"):
        verified(config)
