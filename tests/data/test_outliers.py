"""Every value is looked at: one that cannot be is found, wherever it is; a real extreme is not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srwizard.base.errors import DatasetError
from srwizard.data import stored_layout
from srwizard.data.baselines import known
from srwizard.data.dataset import Dataset
from srwizard.data.layout import scan
from srwizard.data.outliers import MOST_POINTS, Outliers, look, masked
from srwizard.data.split_names import SPLITS
from tests.datasets import block_mean, write_dataset

Floats = npt.NDArray[np.float32]


@pytest.fixture(autouse=True)
def _nothing_known() -> None:
    known.forget()


def change(root: Path, part: str, step: int, put: Callable[[Floats], Any]) -> Path:
    """Change one step of a part, and return its file."""
    file = sorted((root / part / "temp").iterdir())[step]
    values = np.load(file)
    put(values)
    np.save(file, values)
    return file


def at(value: float, row: Any = 9, column: Any = 4) -> Callable[[Floats], Any]:
    def put(values: Floats) -> None:
        values[row, column] = value

    return put


@pytest.mark.parametrize("part", ["train/hr", "train/lr", "valid/hr", "test/lr"])
@pytest.mark.parametrize("value", [1e20, -1e16, 1e6, -9999, 300, np.inf, -np.inf])
def test_one_value_that_cannot_be_is_refused_with_file_step_and_point(
    tmp_path: Path, part: str, value: float
) -> None:
    root = write_dataset(tmp_path / "ocean")
    file = change(root, part, 2, at(value, 5, 4))
    with pytest.raises(DatasetError) as refusal:
        Dataset(root).looked_at("temp", 2)
    assert refusal.value.exit_code == 3
    assert f"{file}: step {file.stem} holds {value:g} at row 5, column 4" in refusal.value.message
    assert "data.outliers=mask" in refusal.value.hint


@pytest.mark.parametrize("layout", ["h5", "nc"])
def test_so_is_one_in_a_file_for_each_split(tmp_path: Path, layout: Any) -> None:
    root = write_dataset(tmp_path / "ocean", layout=layout)
    with h5py.File(root / f"train.{layout}", "a") as opened:
        opened["hr/temp"][3, 5, 4] = 1e20
    with pytest.raises(DatasetError, match=r"step 000003 holds 1e\+20 at row 5, column 4"):
        Dataset(root).looked_at("temp", 2)


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        pytest.param(9, slice(None), id="a row"),
        pytest.param(slice(None), 7, id="a column"),
        pytest.param(slice(8, 13), slice(3, 9), id="a block"),
        pytest.param(slice(0, 2), slice(20, 24), id="a corner"),
    ],
)
def test_several_at_once_are_found_to_the_last(tmp_path: Path, rows: Any, columns: Any) -> None:
    root = write_dataset(tmp_path / "ocean", land=False)
    change(root, "train/hr", 3, at(1e5, rows, columns))
    found = look(scan(root), "temp")
    expected = np.zeros((16, 24), dtype=bool)
    expected[rows, columns] = True
    assert found.points["train/hr/temp"]["step_0003"] == np.argwhere(expected).tolist()


def test_one_in_every_step_is_found_though_it_belongs_to_no_usual_spread(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "ocean")
    for step in range(8):
        change(root, "train/hr", step, at(1e6, 8 + step % 2, 3 * step))
    assert look(scan(root), "temp").count == 8


def test_beside_land_and_in_the_only_step(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "ocean", steps=(1, 1, 1))

    def island(values: Floats) -> None:
        values[:, 12:] = np.nan
        values[10, 20] = 5000

    change(root, "train/hr", 0, island)
    assert look(scan(root), "temp").count == 1


# What is real is left alone


def series(root: Path, fields: npt.NDArray[Any]) -> None:
    """Put fields `[14, 16, 24]` into the place of those of a dataset; LR is its block means."""
    files = {
        level: [f for split in SPLITS for f in sorted((root / split / level / "temp").iterdir())]
        for level in ("hr", "lr")
    }
    fields = fields.astype(np.float32)
    for level, values in (("hr", fields), ("lr", block_mean(fields, 2))):
        for file, field in zip(files[level], values, strict=True):
            np.save(file, field)


def front(rng: np.random.Generator) -> npt.NDArray[Any]:
    """A step of 30 in fields that are else as good as constant, and moves by a point a step."""
    fields = rng.normal(0, 0.01, (14, 16, 24))
    for step in range(14):
        fields[step, :, step + 5 :] += 30
    return fields


def blooms(rng: np.random.Generator) -> npt.NDArray[Any]:
    """Log-normal, as chlorophyll is: the largest values are a hundred times the usual ones."""
    return np.exp(rng.normal(-2, 1.5, (14, 16, 24)))


def ice(rng: np.random.Generator) -> npt.NDArray[Any]:
    """Zero nearly everywhere and always, then a field of ice."""
    fields = np.zeros((14, 16, 24))
    fields[9, 3:6, 4:9] = 1
    return fields


def season(rng: np.random.Generator) -> npt.NDArray[Any]:
    """The spread in space is small beside that in time."""
    return rng.normal(0, 0.01, (14, 16, 24)) + 10 * np.sin(np.arange(14))[:, None, None]


def stuck(rng: np.random.Generator) -> npt.NDArray[Any]:
    """A river mouth: far from its surroundings in space, but always."""
    fields = rng.normal(30, 0.05, (14, 16, 24))
    fields[:, 7, 7] = 2
    return fields


def flash(rng: np.random.Generator) -> npt.NDArray[Any]:
    """One step is unlike those around it, but smooth."""
    fields = rng.normal(0, 0.01, (14, 16, 24))
    fields[4] += 20
    return fields


@pytest.mark.parametrize("make", [front, blooms, ice, season, stuck, flash])
def test_a_real_extreme_is_not_an_outlier(
    tmp_path: Path, make: Callable[[np.random.Generator], npt.NDArray[Any]]
) -> None:
    root = write_dataset(tmp_path / "ocean")
    series(root, make(np.random.default_rng(0)))
    assert look(scan(root), "temp") == Outliers()


@settings(max_examples=25, deadline=None)
@given(
    scale=st.floats(1e-6, 1e6),
    offset=st.floats(-1e3, 1e3),
    spreads=st.sampled_from([-1000.0, -150.0, 150.0, 1e5]),
    point=st.tuples(st.integers(0, 7), st.integers(0, 15), st.integers(0, 23)),
)
def test_neither_unit_nor_place_matters(
    tmp_path_factory: pytest.TempPathFactory,
    scale: float,
    offset: float,
    spreads: float,
    point: tuple[int, int, int],
) -> None:
    root = write_dataset(tmp_path_factory.mktemp("any") / "ocean")
    rng = np.random.default_rng(1)
    fields = (rng.normal(0, 1, (14, 16, 24)) + offset) * scale
    series(root, fields)
    assert look(scan(root), "temp").count == 0
    step, row, column = point
    change(root, "train/hr", step, at((spreads + offset) * scale, row, column))
    found = look(scan(root), "temp")
    assert found.points == {"train/hr/temp": {f"step_{step:04d}": [[row, column]]}}


# Masked


def test_masked_values_are_there_for_nobody(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "ocean")
    sound = scan(root).fields["train", "hr", "temp"].read(3)
    change(root, "train/hr", 3, at(1000))
    change(root, "train/hr", 3, at(np.inf, 9, 5))
    dataset = Dataset(root, "mask")
    found = dataset.looked_at("temp", 2)
    assert found.count == 2
    field = dataset.contents.fields["train", "hr", "temp"]
    expected = sound.copy()
    expected[9, 4:6] = np.nan
    np.testing.assert_array_equal(field.read(3), expected)
    window = slice(8, 12), slice(4, 8)
    np.testing.assert_array_equal(field.read(3, window), expected[window])
    np.testing.assert_array_equal(field.read(2), scan(root).fields["train", "hr", "temp"].read(2))
    assert dataset.settled("temp", 2, "PGN", None).compared.fitted.hr.highest < 100
    assert dataset.summary.usable


def test_another_process_is_told_what_is_masked(tmp_path: Path) -> None:
    contents = scan(write_dataset(tmp_path / "ocean"))
    hidden = masked(contents, {"train/hr/temp": {"step_0003": [[9, 4]]}})
    assert stored_layout.from_json(stored_layout.as_json(hidden)).fields == hidden.fields
    assert stored_layout.from_json(stored_layout.as_json(contents)).fields == contents.fields


def test_where_too_much_is_wrong_masking_is_refused(tmp_path: Path) -> None:
    found = Outliers(points={"train/hr/temp": {"0": [[0, 0]] * (MOST_POINTS + 1)}})
    with pytest.raises(DatasetError, match="impossible values"):
        found.refuse_too_many(tmp_path)
