"""A dataset that is looked at once, and its contents for another process."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from srwizard.base.errors import DatasetError
from srwizard.data.dataset import Dataset
from srwizard.data.layout import LEVELS, scan
from srwizard.data.stored_layout import as_json, from_json
from tests.datasets import write_dataset


def test_what_was_seen_once_stands_whatever_becomes_of_the_files(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data")
    dataset = Dataset(root)
    summary, before = dataset.summary, dataset.fingerprint(["temp"], [], area_weights=False)
    step = min((root / "train/hr/temp").iterdir())
    np.save(step, np.load(step) + 1)
    assert dataset.summary is summary
    assert dataset.fingerprint(["temp"], [], area_weights=False) == before
    assert Dataset(root).fingerprint(["temp"], [], area_weights=False) != before


def test_only_what_is_asked_for_is_read(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data", variables=("temp", "salt"))
    dataset = Dataset(root)
    first = dataset.fingerprint(["temp"], [], area_weights=False)
    both = dataset.fingerprint(["temp", "salt"], [], area_weights=True)
    assert both.items() > first.items()
    assert {part for part in both.keys() - first.keys() if part.endswith("temp")} == set()
    assert "static/hr/01_lat" in both.keys() - first.keys()


def test_a_part_that_is_not_there_is_named(tmp_path: Path) -> None:
    dataset = Dataset(write_dataset(tmp_path / "data"))
    with pytest.raises(DatasetError, match="no longer has train/hr/salt"):
        dataset.fingerprint(["salt"], [], area_weights=False)


@pytest.mark.parametrize("layout", ["npy", "h5", "nc"])
def test_contents_are_the_same_in_another_process(tmp_path: Path, layout: Any) -> None:
    root = write_dataset(tmp_path / "data", layout=layout, variables=("temp", "salt"))
    contents = scan(root)
    told = from_json(json.loads(json.dumps(as_json(contents))))
    assert told == contents
    for key, field in contents.fields.items():
        np.testing.assert_array_equal(told.fields[key].read(1), field.read(1))


def test_names_that_are_not_utf_8_arrive(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data")
    for level in LEVELS:
        file = root / "train" / level / "temp" / "step_0003.npy"
        file.rename(file.with_name(os.fsdecode(b"m\xe4rz.npy")))
    contents = scan(root)
    (tmp_path / "stored").write_text(json.dumps(as_json(contents)), encoding="utf-8")
    assert from_json(json.loads((tmp_path / "stored").read_text(encoding="utf-8"))) == contents


def test_whether_it_is_as_frozen_is_found_out_once_and_told_as_it_goes(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data")
    digests, stamped = Dataset(root).content(["temp"], [], area_weights=False)
    dataset, told = Dataset(root), list[tuple[int, int]]()

    def changed() -> list[str]:
        return dataset.changed(
            digests, stamped, ["temp"], [], area_weights=False,
            progress=lambda done, total: told.append((done, total)),
        )  # fmt: skip

    assert changed() == []
    assert told == [(done, 28) for done in range(1, 29)]
    assert changed() == []
    assert len(told) == 28
    # Only touched: what may have changed is read, and told again.
    for step in (root / "valid/lr/temp").iterdir():
        step.touch()
    dataset = Dataset(root)
    told.clear()
    assert changed() == []
    assert told[28:] == [(1, 3), (2, 3), (3, 3)]


def test_a_look_at_many_files_says_how_far_it_is(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data")
    told: list[tuple[int, int]] = []
    dataset = Dataset(root)
    dataset.scan(lambda done, total: told.append((done, total)))
    files = len(list(root.glob("*/?r/*/*.npy")))
    assert told == [(done, files) for done in range(1, files + 1)]
    dataset.scan(lambda done, total: told.append((done, total)))
    assert len(told) == files
