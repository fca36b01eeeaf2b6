"""What does not belong together is named for what it is, whatever the fields, sizes and units."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from srwizard.data.fields import WHOLE, FloatField, Window
from srwizard.data.inspect import PAIRED_STEPS
from srwizard.data.layout import Contents
from srwizard.data.pairing import pairing_problems
from srwizard.data.sampling import spread
from tests.datasets import block_mean

Series = npt.NDArray[Any]
STEPS = 12


@dataclass(frozen=True)
class InMemory:
    """A field of a dataset that lies in no file."""

    values: Series

    @property
    def steps(self) -> tuple[str, ...]:
        return tuple(map(str, range(len(self.values))))

    @property
    def shape(self) -> tuple[int, int]:
        return self.values.shape[1], self.values.shape[2]

    def path(self, index: int) -> Path:
        return Path(f"{index}.npy")

    def read(self, index: int, window: Window = WHOLE) -> FloatField:
        found: FloatField = self.values[index][window].copy()
        return found


@dataclass(frozen=True)
class Case:
    """Fields of HR `[N, H, W]`, and the scale of LR."""

    hr: Series = field(repr=False)
    scale: int

    def named(self, change: Callable[[Series], Series]) -> list[str]:
        """Return what is said of LR where it is what `change` makes of HR's block means."""
        lr = change(block_mean(self.hr.astype(np.float32), self.scale)).astype(np.float32)
        fields: Any = {
            ("train", "lr", "temp"): InMemory(lr),
            ("train", "hr", "temp"): InMemory(self.hr.astype(np.float32)),
        }
        contents = Contents(Path(), "npy", fields)
        steps = spread(STEPS, PAIRED_STEPS)
        return [each.message for each in pairing_problems(contents, "temp", self.scale, steps)]


def eddies(rng: np.random.Generator, shape: tuple[int, int]) -> Series:
    """Return waves of random direction that drift `[N, H, W]`, of variance about 1."""
    rows, columns = np.indices(shape) / np.reshape(shape, (2, 1, 1))
    time = np.arange(STEPS)[:, None, None]
    fields = np.zeros((STEPS, *shape))
    for _wave in range(12):
        along, across = rng.uniform(-3, 3, 2)
        phase, speed = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 0.8) * rng.choice([-1, 1])
        place = 2 * np.pi * (along * columns + across * rows)
        fields += np.sin(place + phase + speed * time) / 2.4
    return fields


@st.composite
def cases(draw: st.DrawFn, *, square: bool = False) -> Case:
    """Draw fields of any size, scale, unit and land."""
    scale = draw(st.integers(2, 5))
    height = draw(st.integers(10, 24))
    width = height if square else draw(st.integers(10, 24))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    hr = eddies(rng, (height * scale, width * scale))
    hr = draw(st.floats(1e-3, 1e3)) * (hr + draw(st.floats(-5, 5)))
    if draw(st.booleans()):  # a coast
        hr[:, : draw(st.integers(1, height // 4)) * scale, : width * scale // 2] = np.nan
    return Case(hr, scale)


many = settings(max_examples=40, deadline=None)


@many
@given(cases())
def test_block_means_belong_to_their_fields(case: Case) -> None:
    assert case.named(lambda lr: lr) == []


@many
@given(cases())
def test_upside_down(case: Case) -> None:
    (said,) = case.named(lambda lr: lr[:, ::-1])
    assert "upside down" in said


@many
@given(cases())
def test_mirrored(case: Case) -> None:
    (said,) = case.named(lambda lr: lr[:, :, ::-1])
    assert "mirrored" in said


@many
@given(cases(square=True))
def test_transposed(case: Case) -> None:
    (said,) = case.named(lambda lr: lr.swapaxes(1, 2))
    assert "transposed: rows and columns" in said


@many
@given(cases(), st.sampled_from([(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1)]))
def test_shifted_by_a_cell(case: Case, shift: tuple[int, int]) -> None:
    said = case.named(lambda lr: np.roll(lr, shift, (1, 2)))
    assert f"shifted by a cell: {shift[0]:+d} rows and {shift[1]:+d} columns" in said[0]


@many
@given(cases(), st.sampled_from([1e-3, 1e-2, 0.1, 0.4, 2.5, 10, 1e2, 1e3]))
def test_scaled(case: Case, factor: float) -> None:
    (said,) = case.named(lambda lr: factor * lr)
    assert "different unit" in said or f"LR is about {factor:.4g} times HR" in said


@many
@given(cases(), st.sampled_from([(1, "previous"), (-1, "next")]))
def test_another_step(case: Case, lag: tuple[int, str]) -> None:
    said = case.named(lambda lr: np.roll(lr, lag[0], 0))
    assert f"each belongs to the HR of the {lag[1]}" in said[0]


@many
@given(cases(), st.integers(0, 2**32 - 1))
def test_noise(case: Case, seed: int) -> None:
    rng = np.random.default_rng(seed)
    (said,) = case.named(lambda lr: rng.normal(np.nanmean(lr), np.nanstd(lr), lr.shape))
    assert "hardly resembles HR" in said


@many
@given(cases(), st.integers(3, 6))
def test_another_mask(case: Case, side: int) -> None:
    def lacking(lr: Series) -> Series:
        lr = lr.copy()
        lr[:, -side:, -side:] = np.nan
        return lr

    (said,) = case.named(lacking)
    assert "different mask" in said


def with_a_hole(lr: Series) -> Series:
    lr = lr.copy()
    middle = slice(lr.shape[1] // 2 - 1, lr.shape[1] // 2 + 3)
    lr[:, middle, middle] = np.nan
    return lr


Fault = tuple[str, Callable[[Series], Series]]
"""What is said of LR, and what has been done to it."""

SHIFTS = [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1)]
FAULTS: dict[str, list[Fault]] = {
    "shifted": [
        (f"{by[0]:+d} rows and {by[1]:+d} columns", lambda lr, by=by: np.roll(lr, by, (1, 2)))
        for by in SHIFTS
    ],
    "turned": [
        ("upside down", lambda lr: lr[:, ::-1]),
        ("mirrored", lambda lr: lr[:, :, ::-1]),
        ("180 degrees", lambda lr: lr[:, ::-1, ::-1]),
        ("transposed: rows and columns", lambda lr: lr.swapaxes(1, 2)),
    ],
    "scaled": [
        ("different unit", lambda lr: 100 * lr),
        ("is about 0.4 times HR", lambda lr: np.float32(0.4) * lr),
        ("opposite sign", lambda lr: -lr),
    ],
    "of another step": [
        ("HR of the previous step", lambda lr: np.roll(lr, 1, 0)),
        ("HR of the next step", lambda lr: np.roll(lr, -1, 0)),
        ("steps are in the opposite order", lambda lr: lr[::-1]),
    ],
    "with another mask": [("different mask", with_a_hole)],
}
"""In the order in which they are made; they are undone in the opposite one."""


UNNAMED = ["hardly resembles", "hardly changes", "falls where HR rises", "in the same unit?",
           "different mask"]  # fmt: skip
"""What is said, and is true, where something is wrong and it is not certain what."""


@st.composite
def two_faults(draw: st.DrawFn) -> list[Fault]:
    kinds = draw(st.lists(st.sampled_from([*FAULTS]), min_size=2, max_size=2, unique=True))
    return [draw(st.sampled_from(FAULTS[kind])) for kind in FAULTS if kind in kinds]


def both(made: list[Fault], lr: Series) -> Series:
    for _words, change in made:
        lr = change(lr)
    return lr


def none_is_wrong(said: list[str], made: list[Fault], *others: str) -> bool:
    expected = [words for words, _change in made] + list(others)
    if any("rows and" in words and "columns" in words for words in expected):
        expected.append("different mask")  # of what left at one edge and came in at the other
    return all(any(words in each for words in expected) for each in said)


@settings(max_examples=200, deadline=None)
@given(cases(square=True), two_faults())
def test_of_two_faults_at_once_both_are_named(case: Case, made: list[Fault]) -> None:
    said = case.named(lambda lr: both(made, lr))
    for words, _change in made:
        assert any(words in each for each in said), said
    assert none_is_wrong(said, made), said


@settings(max_examples=200, deadline=None)
@given(cases(square=True), two_faults(), st.floats(0.02, 0.7), st.integers(0, 2**32 - 1))
def test_what_noise_hides_is_not_called_by_another_name(
    case: Case, made: list[Fault], noise: float, seed: int
) -> None:
    def noisy(lr: Series) -> Series:
        added = np.random.default_rng(seed).normal(0, noise * np.nanstd(lr), lr.shape)
        return both(made, lr + added)

    said = case.named(noisy)
    assert none_is_wrong(said, made, *UNNAMED), said
