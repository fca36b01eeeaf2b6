"""Pairs that do not belong together are named for what they are; other LR products are not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from srwizard.data.inspect import DatasetSummary, inspect
from srwizard.data.layout import scan
from tests.datasets import block_mean, land_mask, write_dataset

Fields = npt.NDArray[Any]
STEPS = (10, 3, 3)


def ocean(shape: tuple[int, int], seed: int = 0) -> Fields:
    """Return eddies that drift `[16, H, W]` on a meridional gradient."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices(shape) / np.reshape(shape, (2, 1, 1))
    fields = np.full((sum(STEPS), *shape), 15.0) + 4 * rows
    time = np.arange(sum(STEPS))[:, None, None]
    for wave in range(1, 6):
        size, phase, speed = rng.normal() + 2, rng.uniform(0, 6), rng.uniform(0.2, 0.5)
        fields += size / wave * np.sin(6 * wave * columns + 4 * rows * wave + phase + speed * time)
    return fields


def with_lr(
    root: Path,
    change: Callable[[Fields], Fields],
    shape: tuple[int, int] = (32, 48),
    *,
    masked: bool = True,
) -> DatasetSummary:
    """Return what inspection says where LR is what `change` makes of HR's block means."""
    write_dataset(root, steps=STEPS, hr_shape=shape)
    hr = ocean(shape).astype(np.float32)
    if masked:
        hr[:, land_mask(shape)] = np.nan
    lr = change(block_mean(hr, 2)).astype(np.float32)
    for level, fields in (("hr", hr), ("lr", lr)):
        step = 0
        for split in ("train", "valid", "test"):
            for file in sorted((root / split / level / "temp").iterdir()):
                np.save(file, fields[step])
                step += 1
    return inspect(scan(root))


def named(summary: DatasetSummary) -> str:
    assert len(summary.problems) == 1, summary.problems
    return summary.problems[0].message


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda lr: lr[:, ::-1], "upside down"),
        (lambda lr: lr[:, :, ::-1], "mirrored"),
        (lambda lr: lr[:, ::-1, ::-1], "180 degrees"),
        (lambda lr: lr + 273.15, "LR is in K and HR in degC"),
        (lambda lr: 1.8 * lr + 32, "degF"),
        (lambda lr: 100 * lr, "different unit"),
        (lambda lr: -lr, "opposite sign"),
    ],
)
def test_what_cannot_be_meant_is_fatal(
    tmp_path: Path, change: Callable[[Fields], Fields], words: str, masked: bool
) -> None:
    summary = with_lr(tmp_path / "a", change, masked=masked)
    assert words in named(summary)
    assert not summary.usable


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda lr: lr.swapaxes(1, 2), "transposed"),
        (lambda lr: np.rot90(lr, axes=(1, 2)), "90 degrees"),
        (lambda lr: np.rot90(lr, -1, axes=(1, 2)), "90 degrees"),
        (lambda lr: np.rot90(lr, 2, axes=(1, 2)).swapaxes(1, 2), "other diagonal"),
    ],
)
def test_on_a_square_grid_rows_may_have_become_columns(
    tmp_path: Path, change: Callable[[Fields], Fields], words: str
) -> None:
    summary = with_lr(tmp_path / "a", change, (32, 32))
    assert words in named(summary)
    assert not summary.usable


def test_on_another_grid_the_shapes_tell(tmp_path: Path) -> None:
    summary = with_lr(tmp_path / "a", lambda lr: lr.swapaxes(1, 2))
    assert "transposed" in named(summary)
    assert not summary.usable


def rolled(down: int, right: int) -> Callable[[Fields], Fields]:
    return lambda lr: np.roll(lr, (down, right), (1, 2))


def unlike(lr: Fields) -> Fields:
    return ocean((32, 48), seed=5)[:, ::2, ::2] + np.where(np.isnan(lr), np.nan, 0)


def lacking(lr: Fields) -> Fields:
    lr = lr.copy()
    lr[:, 12:, 16:] = np.nan
    return lr


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (rolled(1, 0), "shifted by a cell: +1 rows and +0 columns"),
        (rolled(0, -1), "shifted by a cell: +0 rows and -1 columns"),
        (rolled(-1, 1), "shifted by a cell: -1 rows and +1 columns"),
        (lambda lr: 2.5 * lr, "2.5 times HR"),
        (lambda lr: lr + 40, "+40 on average"),
        (lambda lr: np.roll(lr, 1, 0), "the HR of the previous step"),
        (lambda lr: np.roll(lr, -1, 0), "the HR of the next step"),
        (lambda lr: np.concatenate([lr[9::-1], lr[10:]]), "in the opposite order"),
        (lambda lr: lr[[3, 8, 1, 6, 0, 9, 4, 2, 7, 5, *range(10, 16)]], "in the same order?"),
        (lambda lr: np.random.default_rng(0).normal(15, 2, lr.shape), "hardly resembles HR"),
        (lacking, "different mask"),
    ],
)
def test_what_may_be_meant_is_a_warning(
    tmp_path: Path, change: Callable[[Fields], Fields], words: str
) -> None:
    summary = with_lr(tmp_path / "a", change)
    assert any(words in problem.message for problem in summary.problems), summary.problems
    assert summary.usable


def beside(lr: Fields, down: int, right: int) -> Fields:
    height, width = lr.shape[1:]
    padded = np.pad(lr, ((0, 0), (1, 1), (1, 1)), mode="edge")
    return padded[:, 1 - down : 1 - down + height, 1 - right : 1 - right + width]


def product(lr: Fields) -> Fields:
    """Another product: a bias, a weaker signal, noise, a smoother field, another coast."""
    rng = np.random.default_rng(3)
    smooth = (lr + beside(lr, 0, 1) + beside(lr, 0, -1)) / 3
    return 0.9 * smooth + 2.2 + rng.normal(0, 0.4, lr.shape)


@pytest.mark.parametrize(
    "change",
    [
        lambda lr: lr,
        lambda lr: lr * (1 + 1e-4),
        lambda lr: lr + 3,
        lambda lr: np.where(np.isnan(lr), 15, lr),
        lambda lr: lr + np.random.default_rng(0).normal(0, 1, lr.shape),
        lambda lr: (lr + beside(lr, 1, 0) + beside(lr, 0, 1)) / 3,
        product,
    ],
)
@pytest.mark.parametrize("masked", [True, False])
def test_a_product_of_its_own_is_no_problem(
    tmp_path: Path, change: Callable[[Fields], Fields], masked: bool
) -> None:
    assert with_lr(tmp_path / "a", change, masked=masked).problems == ()


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_constant_fields_have_no_order(tmp_path: Path, value: float) -> None:
    summary = with_lr(tmp_path / "a", lambda lr: np.full_like(lr, value), masked=False)
    assert summary.usable


def test_few_steps_are_read_however_long_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from srwizard.data import pairing

    with_lr(tmp_path / "a", lambda lr: lr[:, ::-1])
    read: list[int] = []
    original = pairing._read
    monkeypatch.setattr(pairing, "_read", lambda f, at: [read.extend(at), original(f, at)][1])
    inspect(scan(tmp_path / "a"))
    assert len(read) <= 8
