"""The dataset of a self-check: usable, the same each time, whole or not there."""

import resource
from pathlib import Path

import numpy as np
import pytest

from srwizard.base.errors import UsageError
from srwizard.data.dataset import Dataset
from srwizard.data.inspect import require_usable
from srwizard.selfcheck.dataset import VARIABLE, write_dataset
from srwizard.selfcheck.fields import GaussianFields

FIELDS = GaussianFields(size=8, scale=2, longest=1)
STEPS = {"train": 4, "valid": 2, "test": 2}


def test_it_is_a_dataset_of_block_means(tmp_path: Path) -> None:
    root = tmp_path / "data"
    write_dataset(root, FIELDS, STEPS)
    dataset = Dataset(root)
    require_usable(dataset.summary)
    assert dataset.summary.steps == STEPS
    for step in range(4):
        hr, lr = (dataset.contents.fields["train", k, VARIABLE].read(step) for k in ("hr", "lr"))
        np.testing.assert_allclose(hr.reshape(4, 2, 4, 2).mean((1, 3)), lr, rtol=1e-6)


def test_fields_are_independent_and_do_not_depend_on_how_many_there_are(tmp_path: Path) -> None:
    write_dataset(tmp_path / "few", FIELDS, STEPS)
    write_dataset(tmp_path / "many", FIELDS, STEPS | {"test": 3})
    few, many = (Dataset(tmp_path / name).contents for name in ("few", "many"))
    field = ("test", "hr", VARIABLE)
    assert np.array_equal(few.fields[field].read(1), many.fields[field].read(1))
    drawn = {
        contents.read(0).tobytes()
        for contents in (few.fields[split, "hr", VARIABLE] for split in STEPS)
    }
    assert len(drawn) == 3


def test_what_is_there_is_taken_and_another_dataset_refused(tmp_path: Path) -> None:
    root = tmp_path / "data"
    write_dataset(root, FIELDS, STEPS)
    write_dataset(root, FIELDS, STEPS)
    with pytest.raises(UsageError, match="not the dataset of this self-check"):
        write_dataset(root, GaussianFields(size=16, scale=2), STEPS)
    (tmp_path / "mine").mkdir()
    with pytest.raises(UsageError):
        write_dataset(tmp_path / "mine", FIELDS, STEPS)


def test_without_space_nothing_half_written_is_left(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, hard))
    try:
        with pytest.raises(UsageError, match="cannot write"):
            write_dataset(tmp_path / "out" / "data", FIELDS, STEPS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list((tmp_path / "out").iterdir()) == []
