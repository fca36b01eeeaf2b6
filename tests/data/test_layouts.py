"""Inspection: what is there is seen rightly, and whatever is wrong is said of the right file."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from scipy.io import netcdf_file

from srwizard.base.errors import DatasetError
from srwizard.data import sampled_values
from srwizard.data.inspect import (
    describe_problems,
    inspect,
    require_usable,
    scale_of,
    spread,
)
from srwizard.data.layout import LEVELS, scan
from srwizard.data.selected_fields import selection_problem
from srwizard.data.split_names import SPLITS
from tests.datasets import land_mask, write_dataset

Layout = Literal["npy", "h5", "nc"]
Damage = Callable[[Path], None]
LAYOUTS: tuple[Layout, ...] = ("npy", "h5", "nc")
FIRST_LR = "train/lr/temp/step_0000.npy"
HR = "train/hr/temp/step_0002.npy"
LR = "train/lr/temp/step_0002.npy"

every_layout = pytest.mark.parametrize("layout", LAYOUTS)
one_file_layouts = pytest.mark.parametrize("layout", ["h5", "nc"])


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.marker,)


@every_layout
def test_a_sound_dataset_is_seen_as_it_is(tmp_path: Path, layout: Layout) -> None:
    shape, names = (12, 18), ("salt", "temp")
    root = write_dataset(
        tmp_path / "ocean",
        layout=layout,
        steps=(5, 2, 3),
        hr_shape=shape,
        scale=3,
        variables=names,
    )
    summary = inspect(scan(root))
    assert summary.problems == ()
    assert summary.usable
    assert summary.layout == layout
    assert summary.steps == {"train": 5, "valid": 2, "test": 3}
    assert summary.statics == ("00_lon", "01_lat")
    assert [variable.name for variable in summary.variables] == list(names)
    for variable in summary.variables:
        assert variable.hr_shape == shape
        assert variable.lr_shape == (4, 6)
        assert scale_of(variable.hr_shape, variable.lr_shape) == 3
        assert variable.land_share == pytest.approx(land_mask(shape).mean())
    require_usable(summary)


@every_layout
def test_the_value_range_is_that_of_hr_over_all_splits(tmp_path: Path, layout: Layout) -> None:
    root = write_dataset(tmp_path / "ocean", layout=layout)
    plain = root if layout == "npy" else write_dataset(tmp_path / "plain")
    values = np.stack([np.load(file) for file in sorted(plain.glob("*/hr/temp/*.npy"))])
    found = inspect(scan(root)).variable("temp")
    assert found.minimum == np.nanmin(values)
    assert found.maximum == np.nanmax(values)


@every_layout
def test_a_dataset_without_land_has_none(tmp_path: Path, layout: Layout) -> None:
    root = write_dataset(tmp_path / "ocean", layout=layout, land=False)
    assert inspect(scan(root)).variable("temp").land_share == 0


def test_a_cloud_in_one_step_is_not_land(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "ocean", land=False)
    change(root / "train/hr/temp/step_0000.npy", lambda values: values[:8].fill(np.nan))
    assert inspect(scan(root)).variable("temp").land_share == 0


@every_layout
def test_all_layouts_read_the_same_values(tmp_path: Path, layout: Layout) -> None:
    names = ("temp", "salt")
    plain = scan(write_dataset(tmp_path / "plain", variables=names))
    other = scan(write_dataset(tmp_path / "other", layout=layout, variables=names))
    assert other.fields.keys() == plain.fields.keys()
    for key, field in other.fields.items():
        for index in range(len(field.steps)):
            read = field.read(index)
            assert read.dtype == np.float32
            np.testing.assert_array_equal(read, plain.fields[key].read(index))


@every_layout
@given(data=st.data())
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_window_is_the_crop_of_the_whole(
    tmp_path: Path, layout: Layout, data: st.DataObject
) -> None:
    root = tmp_path / layout
    if not root.exists():
        write_dataset(root, layout=layout, steps=(2, 1, 1))
    field = scan(root).fields["train", "hr", "temp"]
    rows, columns = (data.draw(st.slices(size)) for size in field.shape)
    # Windows run forwards: a negative step is nothing that a dataset in a file can be read by.
    rows, columns = (slice(part.start, part.stop, abs(part.step or 1)) for part in (rows, columns))
    np.testing.assert_array_equal(field.read(1, (rows, columns)), field.read(1)[rows, columns])


# What is wrong with a directory


def make_nothing(root: Path) -> None:
    """Leave the dataset out."""


def make_file(root: Path) -> None:
    root.write_text("not a directory")


def make_stranger(root: Path) -> None:
    root.mkdir()
    (root / "thesis.tex").touch()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (make_nothing, "does not exist"),
        (Path.mkdir, "the directory is empty"),
        (make_file, "this is a file, not a directory"),
        (make_stranger, "neither train/, valid/, test/"),
    ],
)
def test_what_is_no_dataset_at_all_is_told_apart(tmp_path: Path, make: Damage, words: str) -> None:
    make(tmp_path / "ocean")
    check_refused(tmp_path / "ocean", ".", words)


def remove(path: str) -> Damage:
    def damage(root: Path) -> None:
        target = root / path
        if target.is_dir():
            shutil.rmtree(target)
        else:
            target.unlink()

    return damage


def replace(path: str, content: npt.NDArray[Any] | bytes) -> Damage:
    def damage(root: Path) -> None:
        if isinstance(content, bytes):
            (root / path).write_bytes(content)
        else:
            np.save(root / path, content)

    return damage


def truncate(path: str, size: int) -> Damage:
    return lambda root: os.truncate(root / path, size)


def change(file: Path, edit: Callable[[npt.NDArray[Any]], object]) -> None:
    values = np.load(file)
    edit(values)
    np.save(file, values)


def each_lr(shape: tuple[int, int]) -> Damage:
    def damage(root: Path) -> None:
        for file in root.glob("*/lr/temp/*.npy"):
            np.save(file, np.ones(shape, np.float32))

    return damage


def oversized(root: Path) -> None:
    """Write a header whose product of sizes wraps around to zero in 64 bits."""
    with (root / HR).open("wb") as stream:
        header = {"descr": "<f4", "fortran_order": False, "shape": (2**32, 2**32)}
        np.lib.format.write_array_header_1_0(stream, header)


@pytest.mark.parametrize(
    ("damage", "path", "words"),
    [
        (remove("valid"), "valid", "split is missing"),
        (remove("train"), "train", "split is missing"),
        (remove("train/hr"), "train/hr", "directory is missing"),
        (remove("test/lr"), "test/lr", "directory is missing"),
        (remove("valid/lr/temp"), "valid/lr/temp", "temp exists in hr but not in lr"),
        (remove(LR), HR, "no partner in lr"),
        (remove(HR), LR, "no partner in hr"),
        (each_lr((6, 9)), FIRST_LR, "HR [16, 24] over LR [6, 9]"),
        (each_lr((8, 8)), FIRST_LR, "HR [16, 24] over LR [8, 8]"),
        (each_lr((16, 24)), FIRST_LR, "integer of at least 2"),
        (truncate(HR, 300), HR, "truncated: 300"),
        (truncate(HR, 40), HR, "not a .npy file"),
        (truncate(HR, 0), HR, "not a .npy file"),
        (replace(HR, b"GIF89a"), HR, "not a .npy"),
        (
            replace(LR, np.ones((1, 8, 12))),
            LR,
            "shape [1, 8, 12] is not [H, W]",
        ),
        (
            replace(LR, np.ones((0, 12))),
            LR,
            "shape [0, 12] is not [H, W]",
        ),
        (
            replace(HR, np.full((16, 24), "warm")),
            HR,
            "holds <U4, not numbers",
        ),
        (
            replace(HR, np.ones((16, 22), np.float32)),
            HR,
            "shape [16, 22] differs from [16, 24]",
        ),
        (oversized, HR, "truncated"),
    ],
)
def test_a_damaged_npy_dataset_is_refused_by_file(
    tmp_path: Path, damage: Damage, path: str, words: str
) -> None:
    root = write_dataset(tmp_path / "ocean")
    damage(root)
    check_refused(root, path, words)


def test_a_step_without_a_value_is_told_and_can_be_trained_on(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "ocean")
    replace(HR, np.full((16, 24), np.nan))(root)
    summary = inspect(scan(root))
    (problem,) = summary.problems
    assert problem.path == root / HR
    assert "has no value at all" in problem.message
    assert "1 of the 8 steps" in problem.message
    assert summary.usable


def test_a_split_without_any_value_is_refused(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "ocean")
    files = sorted((root / "valid/hr/temp").glob("*.npy"))
    for file in files:
        np.save(file, np.full((16, 24), np.nan, np.float32))
    check_refused(root, str(files[0].relative_to(root)), "no step that was looked at has any value")


def test_one_infinite_value_among_good_ones_is_found(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "ocean")
    change(root / HR, lambda values: values.put(-1, -np.inf))
    check_refused(root, HR, "infinite values")
    assert np.isfinite(inspect(scan(root)).variable("temp").minimum)


def test_a_split_of_another_shape_is_refused(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "ocean")
    shutil.rmtree(root / "valid")
    write_dataset(tmp_path / "other", hr_shape=(16, 20))
    shutil.move(tmp_path / "other/valid", root)
    messages = [problem.message for problem in inspect(scan(root)).problems]
    assert messages == [
        "shape [16, 20] in valid differs from [16, 24] in train",
        "shape [8, 10] in valid differs from [8, 12] in train",
    ]


@every_layout
def test_a_variable_that_a_split_lacks_is_a_problem(tmp_path: Path, layout: Layout) -> None:
    root = write_dataset(tmp_path / "ocean", layout=layout, variables=("salt", "temp"))
    place = "valid" if layout == "npy" else f"valid.{layout}"
    for level in LEVELS:
        if layout == "npy":
            shutil.rmtree(root / place / level / "salt")
        else:
            with h5py.File(root / place, "a") as opened:
                del opened[level]["salt"]
    check_refused(root, place, "salt exists in train but not in valid")


def test_a_pickle_is_refused_and_never_loaded(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "ocean")
    marker = tmp_path / "unpickled"
    trap = np.empty((16, 24), dtype=object)
    trap[:] = Trap(marker)
    file = root / HR
    np.save(file, trap, allow_pickle=True)
    check_refused(root, HR, "pickled Python objects")
    assert not marker.exists()
    np.load(file, allow_pickle=True)
    assert marker.exists(), "the trap must be one that works"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("path", [".", "train", "train/hr", "train/hr/temp", HR])
def test_what_must_not_be_read_is_named(tmp_path: Path, path: str) -> None:
    root = write_dataset(tmp_path / "ocean")
    (root / path).chmod(0)
    try:
        problems = inspect(scan(root)).problems
    finally:
        (root / path).chmod(0o755)
    assert problems[0].path.is_relative_to(root / path)
    assert "permission" in problems[0].message.lower()
    assert problems[0].fatal


@given(
    position=st.integers(0, 127),
    content=st.binary(min_size=1, max_size=40),
)
@example(position=10, content=b"{[]: 1}")
@example(position=10, content=b"(((((((")
@example(position=60, content=b"(-1, 16)")
@example(position=8, content=b"=")
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_npy_header_makes_inspection_fail(tmp_path: Path, position: int, content: bytes) -> None:
    root = tmp_path / "ocean"
    if not root.exists():
        write_dataset(root, steps=(2, 1, 1))
    file = root / "train/hr/temp/step_0000.npy"
    sound = file.read_bytes()
    try:
        file.write_bytes(sound[:position] + content + sound[position + len(content) :])
        problems = inspect(scan(root)).problems
    finally:
        file.write_bytes(sound)
    assert all(problem.fatal for problem in problems)


# What is wrong with a file for each split


def h5_edit(split: str, edit: Callable[[h5py.File], object]) -> Callable[[Path, str], None]:
    def damage(root: Path, layout: str) -> None:
        with h5py.File(root / f"{split}.{layout}", "a") as opened:
            edit(opened)

    return damage


def put(name: str, values: npt.NDArray[Any]) -> Callable[[h5py.File], None]:
    def edit(opened: h5py.File) -> None:
        del opened[name]
        opened[name] = values

    return edit


def fill_step(name: str, value: float) -> Callable[[h5py.File], None]:
    def edit(opened: h5py.File) -> None:
        opened[name][1] = value

    return edit


def spoil(name: str) -> Callable[[h5py.File], None]:
    def edit(opened: h5py.File) -> None:
        opened[name][1, -1, -1] = np.inf

    return edit


@one_file_layouts
@pytest.mark.parametrize(
    ("damage", "split", "words"),
    [
        (lambda root, layout: (root / f"test.{layout}").unlink(), "test", "split is missing"),
        (
            lambda root, layout: os.truncate(root / f"train.{layout}", 3000),
            "train",
            "damaged or truncated",
        ),
        (
            lambda root, layout: (root / f"train.{layout}").write_bytes(b"latitude;longitude"),
            "train",
            "not an HDF5 or NetCDF-4 file",
        ),
        (lambda root, layout: netcdf3(root / f"valid.{layout}"), "valid", "NetCDF-3"),
        (h5_edit("valid", lambda opened: opened.pop("lr")), "valid", "has no group lr/"),
        (
            h5_edit("train", put("lr/temp", np.ones((7, 8, 12), np.float32))),
            "train",
            "no partner in lr: step 000007",
        ),
        (
            h5_edit("train", put("hr/temp", np.ones((7, 16, 24), np.float32))),
            "train",
            "no partner in hr: step 000007",
        ),
        (
            h5_edit("test", lambda opened: opened["lr"].pop("temp")),
            "test",
            "temp exists in hr but not in lr",
        ),
        (
            h5_edit("train", put("hr/temp", np.ones((8, 16), np.float32))),
            "train",
            "temp exists in lr but not in hr",
        ),
        (
            h5_edit("train", put("hr/temp", np.ones((8, 0, 24), np.float32))),
            "train",
            "hr/temp: shape [8, 0, 24] is not [N, H, W]",
        ),
        (
            h5_edit("valid", put("hr/temp", np.ones((0, 16, 24), np.float32))),
            "valid",
            "hr/temp: shape [0, 16, 24] is not [N, H, W]",
        ),
        (
            h5_edit("train", put("hr/temp", np.full((8, 16, 24), b"warm"))),
            "train",
            "hr/temp: holds |S4, not numbers",
        ),
        (h5_edit("test", spoil("lr/temp")), "test", "step 000001 holds infinite"),
    ],
)
def test_a_damaged_file_is_refused_by_name(
    tmp_path: Path,
    layout: Layout,
    damage: Callable[[Path, str], None],
    split: str,
    words: str,
) -> None:
    root = write_dataset(tmp_path / "ocean", layout=layout)
    damage(root, layout)
    problems = inspect(scan(root)).problems
    assert {problem.path for problem in problems} == {root / f"{split}.{layout}"}
    assert words in problems[0].message
    assert not inspect(scan(root)).usable


def netcdf3(file: Path) -> None:
    file.unlink()
    with netcdf_file(file, "w") as opened:
        opened.createDimension("x", 4)
        opened.createVariable("temp", "f4", ("x",))[:] = 1


@given(position=st.integers(0, 9000), content=st.binary(min_size=1, max_size=4))
@example(position=8, content=b"\xff")
@settings(
    max_examples=60, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_damage_inside_a_file_makes_inspection_fail(
    tmp_path: Path, position: int, content: bytes
) -> None:
    root = tmp_path / "ocean"
    if not root.exists():
        write_dataset(root, layout="h5", steps=(2, 1, 1))
    file = root / "train.h5"
    sound = file.read_bytes()
    try:
        file.write_bytes(sound[:position] + content + sound[position + len(content) :])
        problems = inspect(scan(root)).problems
    finally:
        file.write_bytes(sound)
    assert all(problem.path.is_relative_to(root) for problem in problems)


@one_file_layouts
def test_files_without_groups_are_refused(tmp_path: Path, layout: Layout) -> None:
    (tmp_path / "ocean").mkdir()
    for split in SPLITS:
        with h5py.File(tmp_path / "ocean" / f"{split}.{layout}", "w") as opened:
            opened["temp"] = np.ones((2, 4, 4))
    problems = inspect(scan(tmp_path / "ocean")).problems
    assert [f"{problem.path.name}: {problem.message}" for problem in problems] == [
        f"{split}.{layout}: has no group {level}/" for split in SPLITS for level in LEVELS
    ]


@one_file_layouts
def test_coordinates_beside_the_variables_are_no_variables(tmp_path: Path, layout: Layout) -> None:
    root = write_dataset(tmp_path / "ocean", layout=layout)
    with h5py.File(root / f"train.{layout}", "a") as opened:
        opened["hr/lat"] = np.linspace(40, 50, 16)
        opened["lr/lon"] = np.ones((8, 12))
    summary = inspect(scan(root))
    assert summary.problems == ()
    assert [variable.name for variable in summary.variables] == ["temp"]


# Choosing among the variables


def test_variables_on_different_grids_cannot_be_trained_together(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "ocean", variables=("temp",))
    other = write_dataset(tmp_path / "other", variables=("ice",), hr_shape=(8, 8))
    for split in SPLITS:
        for level in LEVELS:
            shutil.move(other / split / level / "ice", root / split / level)
    summary = inspect(scan(root))
    assert summary.usable
    assert selection_problem(summary, ["temp"]) is None
    assert selection_problem(summary, ["ice"]) is None
    problem = selection_problem(summary, ["temp", "ice"])
    assert problem is not None
    assert "different grids: temp [16, 24], ice [8, 8]" in problem


@pytest.mark.parametrize("split", SPLITS)
def test_variables_with_different_steps_cannot_be_trained_together(
    tmp_path: Path, split: str
) -> None:
    root = write_dataset(tmp_path / "ocean", variables=("salt", "temp"))
    for level in LEVELS:
        first = min((root / split / level / "salt").iterdir())
        first.rename(first.with_name("step_9999.npy"))
    summary = inspect(scan(root))
    assert summary.usable
    assert selection_problem(summary, ["salt"]) is None
    problem = selection_problem(summary, ["salt", "temp"])
    assert problem is not None
    assert "different steps: salt, temp" in problem


def test_a_selection_names_what_there_is(tmp_path: Path) -> None:
    summary = inspect(scan(write_dataset(tmp_path / "ocean", variables=("salt", "temp"))))
    assert selection_problem(summary, ["temp", "salt"]) is None
    assert selection_problem(summary, ["tmp"]) == (
        "the dataset has no variable tmp; it has salt, temp"
    )
    assert selection_problem(summary, []) == "choose at least one variable"
    with pytest.raises(KeyError):
        summary.variable("tmp")


# How it is told


def test_problems_are_listed_up_to_a_limit_and_counted_beyond(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "ocean", steps=(12, 3, 3))
    shutil.rmtree(root / "train/lr/temp")
    for file in (root / "train/hr/temp").iterdir():
        file.write_bytes(b"")
    lines = list(describe_problems(inspect(scan(root)).problems, limit=3))
    assert len(lines) == 4
    assert lines[0].startswith(str(root / "train/hr/temp/step_0000.npy"))
    assert lines[3] == f"… and {len(inspect(scan(root)).problems) - 3} more"


@pytest.mark.parametrize(
    ("hr", "lr", "scale"),
    [
        ((16, 24), (8, 12), 2),
        ((15, 9), (5, 3), 3),
        ((16, 24), (16, 24), None),
        ((16, 24), (8, 8), None),
        ((17, 24), (8, 12), None),
        ((8, 12), (16, 24), None),
    ],
)
def test_the_scale_is_one_integer_of_at_least_two(
    hr: tuple[int, int], lr: tuple[int, int], scale: int | None
) -> None:
    assert scale_of(hr, lr) == scale


@given(count=st.integers(1, 2000), limit=st.integers(1, 600))
def test_sampled_steps_are_spread_from_first_to_last(count: int, limit: int) -> None:
    indices = spread(count, limit)
    assert len(indices) == min(count, limit)
    assert indices == sorted(set(indices))
    assert indices[0] == 0
    assert indices[-1] == count - 1 or limit == 1


def test_of_a_long_record_only_some_steps_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampled_values, "SAMPLED_STEPS", 4)
    root = write_dataset(tmp_path / "ocean", steps=(10, 1, 1))
    for index in (1, 2):  # of 0 … 9, those sampled are 0, 3, 6 and 9
        np.save(root / f"train/hr/temp/step_{index:04d}.npy", np.full((16, 24), np.inf))
    assert inspect(scan(root)).problems == ()
    np.save(root / "train/hr/temp/step_0009.npy", np.full((16, 24), np.inf))
    assert inspect(scan(root)).problems != ()


def check_refused(root: Path, path: str, words: str) -> None:
    """Make sure that `root` is refused, the cause being said of `path` and of nothing else."""
    summary = inspect(scan(root))
    first, *others = summary.problems
    assert first.path == root / path
    assert words in first.message
    assert first.fatal
    assert all(problem.path.is_relative_to(root / path) for problem in others)
    assert not summary.usable
    with pytest.raises(DatasetError) as refusal:
        require_usable(summary)
    assert str(root / path) in refusal.value.message
    assert words in refusal.value.message


def test_the_odd_file_is_named_even_if_it_is_the_first(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data")
    first = min((root / "train" / "lr" / "temp").glob("*.npy"))
    np.save(first, np.zeros((9, 12), dtype=np.float32))
    named = {problem.path for problem in inspect(scan(root)).problems}
    assert first in named
    assert not [path for path in named if path.parent == first.parent and path != first]


@pytest.mark.parametrize("fill", [-9999.0, 1e20, -32768.0])
def test_a_likely_fill_value_is_a_warning(tmp_path: Path, fill: float) -> None:
    root = write_dataset(tmp_path / "data")
    step = min((root / "train" / "hr" / "temp").glob("*.npy"))
    field = np.load(step)
    field[0] = fill
    np.save(step, field)
    summary = inspect(scan(root))
    (problem,) = summary.problems
    assert problem.path == step
    assert "fill value" in problem.message
    assert summary.usable


@pytest.mark.parametrize("fill", [-999.0, -99.0, 1e20])
def test_one_fill_value_in_all_files_is_one_warning(tmp_path: Path, fill: float) -> None:
    root = write_dataset(tmp_path / "data")
    for file in root.glob("*/?r/temp/*.npy"):
        np.save(file, np.nan_to_num(np.load(file), nan=fill))
    (problem,) = (summary := inspect(scan(root))).problems
    assert f"holds {fill:g}, which looks like a fill value" in problem.message
    assert "in 28 of the 28 fields" in problem.message
    assert summary.variables[0].undeclared == (fill,)


def test_land_stored_as_zero_is_a_warning(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data")
    for file in root.glob("*/?r/temp/*.npy"):
        np.save(file, np.nan_to_num(np.load(file), nan=0))
    (problem,) = (summary := inspect(scan(root))).problems
    assert "of the points are 0 in every step" in problem.message
    assert summary.variables[0].undeclared == (0,)
    assert summary.usable


def test_steps_that_are_not_in_the_order_of_their_numbers_are_told(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data", steps=(12, 2, 2))
    for split in ("train", "valid", "test"):
        for level in ("hr", "lr"):
            files = sorted((root / split / level / "temp").iterdir())
            for number, file in enumerate(files, start=1):
                file.rename(file.with_name(f"day{number}.npy"))
    (problem,) = inspect(scan(root)).problems
    assert not problem.fatal
    assert "day12 comes before day2" in problem.message


def test_integers_may_be_stored_without_a_sign(tmp_path: Path) -> None:
    """By the NetCDF User Guide: bytes of -128 to 127 that stand for 0 to 255."""
    root = write_dataset(tmp_path / "ocean", layout="h5")
    with h5py.File(root / "train.h5", "r+") as file:
        for level in ("hr", "lr"):
            stored = file[level]["temp"]
            whole = np.linspace(90, 210, stored.size).astype(np.uint8).reshape(stored.shape)
            whole[:, 0, 0] = 255
            del file[level]["temp"]
            packed = file[level].create_dataset("temp", data=whole.view(np.int8))
            packed.attrs.update(
                {"_Unsigned": "true", "scale_factor": 0.1, "_FillValue": np.int8(-1)}
            )
    field = scan(root).fields["train", "hr", "temp"]
    assert np.isnan(field.read(0)[0, 0])
    assert np.nanmin(field.read(0)) == pytest.approx(9.0, abs=0.1)
    assert np.nanmax(field.read(len(field.steps) - 1)) == pytest.approx(21.0, abs=0.2)


def test_what_has_other_dimensions_than_a_field_is_named(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "ocean", layout="h5")
    with h5py.File(root / "train.h5", "r+") as file:
        file["hr"].create_dataset("salt", data=np.zeros((4, 1, 8, 8), np.float32))
    found = inspect(scan(root))
    assert found.usable
    assert [problem.message for problem in found.problems] == [
        "hr/salt: left out: its shape [4, 1, 8, 8] is not [N, H, W]"
    ]


def test_many_steps_without_a_partner_are_counted(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "ocean", layout="h5", steps=(20, 2, 2))
    with h5py.File(root / "train.h5", "r+") as file:
        values = file["lr"]["temp"][:9]
        del file["lr"]["temp"]
        file["lr"].create_dataset("temp", data=values)
    (problem,) = scan(root).problems
    assert problem.message == "temp: hr has 20 steps, lr has 9"


@pytest.mark.parametrize("layout", ["npy", "h5"])
def test_a_split_that_is_a_copy_of_another_is_told(tmp_path: Path, layout: Layout) -> None:
    root = write_dataset(tmp_path / "ocean", layout=layout, steps=(6, 6, 6))
    assert inspect(scan(root)).problems == ()
    if layout == "npy":
        shutil.rmtree(root / "test")
        shutil.copytree(root / "train", root / "test")
    else:
        shutil.copy(root / "train.h5", root / "test.h5")
    found = inspect(scan(root))
    assert found.usable
    (problem,) = found.problems
    assert "train and test both have are the same fields" in problem.message
