"""The verified dataset, as the processes of a run are told of it."""

from pathlib import Path

import numpy as np
import pytest

from srwizard.base.errors import DatasetError
from srwizard.settings.run_config import RunConfig
from srwizard.train.dataset import contents_for, handed_on, verified
from tests.configs import cpu_run, data_of, frozen
from tests.datasets import write_dataset


@pytest.fixture
def run(tmp_path: Path) -> RunConfig:
    data = data_of(write_dataset(tmp_path / "data"))
    return frozen(cpu_run(data, tmp_path / "run", "EDSR", {}))


def change(run: RunConfig) -> None:
    step = min((Path(run.data.root) / "valid/hr/temp").iterdir())
    np.save(step, np.load(step) + 1)


def test_what_was_verified_is_not_verified_again(
    run: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = verified(run)
    with handed_on(run, dataset) as told:
        (file,) = map(Path, told.values())
        for name, value in told.items():
            monkeypatch.setenv(name, value)
        change(run)
        handed = {key: found.inner for key, found in contents_for(run).fields.items()}
        assert handed == dataset.contents.fields
    assert not file.exists()
    with pytest.raises(DatasetError, match="valid/hr/temp has changed"):
        contents_for(run)


def test_what_belongs_to_another_run_is_not_believed(
    run: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = run.model_copy(update={"digest": "sha256:another"})
    with handed_on(other, verified(run)) as told:
        for name, value in told.items():
            monkeypatch.setenv(name, value)
        change(run)
        with pytest.raises(DatasetError, match="valid/hr/temp has changed"):
            contents_for(run)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"run": 1, "dataset": null}'])
def test_what_is_damaged_is_not_believed(
    run: RunConfig, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    with handed_on(run, verified(run)) as told:
        for name, value in told.items():
            Path(value).write_text(content)
            monkeypatch.setenv(name, value)
        assert contents_for(run).fields


def test_where_nothing_can_be_written_they_verify_for_themselves(
    run: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with handed_on(run, verified(run)) as told:
        assert told == {}


def test_a_dataset_of_another_directory_is_not_taken_for_that_of_the_run(
    run: RunConfig, tmp_path: Path
) -> None:
    elsewhere = verified(run.model_copy(update={"data": data_of(write_dataset(tmp_path / "b"))}))
    change(run)
    with pytest.raises(DatasetError, match="valid/hr/temp has changed"):
        verified(run, elsewhere)
