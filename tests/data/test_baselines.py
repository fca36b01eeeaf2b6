"""The simple methods: what they compute, what they learn, and which one is chosen."""

import json
import math
import os
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from srwizard.data.baselines import learnt as learnt_file
from srwizard.data.baselines.choice import METHODS, STANDARD, Choice
from srwizard.data.baselines.filters import TAPS, bicubic_kernel, enlarge
from srwizard.data.baselines.fit import SHARES, fit
from srwizard.data.baselines.learnt import Learnt
from srwizard.data.baselines.moments import Moments
from srwizard.data.baselines.scores import best, rmse
from srwizard.data.baselines.settle import Settled, settle, statistics_of
from srwizard.data.gaps import NearestFill
from srwizard.data.layout import scan
from srwizard.data.normalization import statistics
from tests.datasets import block_mean, write_dataset
from tests.installed import run_installed

Floats = npt.NDArray[np.float32]
random = np.random.default_rng(0)


def pairs(root: Path, hr: Floats, scale: int, steps: dict[str, int]) -> Path:
    """Write a record of HR fields, and their block means, split in order of time."""
    lr = block_mean(hr, scale)
    begin = 0
    for split, count in steps.items():
        for level, fields in (("hr", hr), ("lr", lr)):
            folder = root / split / level / "temp"
            folder.mkdir(parents=True)
            for step in range(begin, begin + count):
                np.save(folder / f"{step:04d}.npy", fields[step].astype(np.float32))
        begin += count
    return root


def command(*arguments: object) -> "subprocess.CompletedProcess[str]":
    return run_installed(arguments, os.environ | {"LANG": "C.UTF-8", "LANGUAGE": ""})


def settled(root: Path, scale: int = 2, **options: object) -> Settled:
    return settle(scan(root), "temp", scale, **{"normalization": "PGN", **options})  # type: ignore[arg-type]


def drifting() -> Floats:
    """Return eddies that move over a mean that rises: of a short record no climatology is left."""
    random = np.random.default_rng(1)
    count, size = 80, 64
    k = np.hypot(*np.meshgrid(*[np.fft.fftfreq(size) * size] * 2))
    power = np.where(k >= 2, np.maximum(k, 1) ** -3.5, 0)
    spectrum = np.fft.fft2(random.standard_normal((size, size))) * np.sqrt(power)
    ky, kx = np.meshgrid(*[np.fft.fftfreq(size)] * 2, indexing="ij")
    moving = np.stack(
        [
            np.fft.ifft2(spectrum * np.exp(-2j * np.pi * (kx * 0.08 * t + ky * 0.05 * t))).real
            for t in range(count)
        ]
    )
    fields = moving * 0.07 / moving.std() + np.linspace(0, 0.15, count)[:, None, None]
    fields[:, :6, :8] = np.nan
    return fields.astype(np.float32)


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_bicubic_is_that_of_torch(scale: int) -> None:
    field = random.normal(size=(9, 13)).astype(np.float32)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(field)[None, None].double(), scale_factor=scale, mode="bicubic"
    )
    np.testing.assert_allclose(
        enlarge(bicubic_kernel(scale), field), expected[0, 0], rtol=0, atol=2e-6
    )


@given(constant=st.floats(-1e4, 1e4))
def test_a_field_that_is_warmer_is_enlarged_to_one_that_is_warmer(constant: float) -> None:
    kernel = random.normal(size=(4, TAPS)).astype(np.float32) * 0.1
    kernel[:, TAPS // 2] += 1 - kernel.sum(axis=1)
    field = random.normal(size=(6, 7)).astype(np.float32)
    warmer = enlarge(kernel, (field + np.float32(constant)).astype(np.float32))
    np.testing.assert_allclose(
        warmer - np.float32(constant), enlarge(kernel, field), atol=1e-5 + 1e-6 * abs(constant)
    )


@pytest.mark.parametrize("choice", [*STANDARD, Choice("climatology+linear", 0.5)])
def test_a_window_has_the_values_of_the_whole_field(tmp_path: Path, choice: Choice) -> None:
    contents = scan(write_dataset(tmp_path / "data"))
    method = fit(contents, "temp", 2).baseline(choice)
    lr = contents.fields["test", "lr", "temp"].read(0)
    whole = method(lr)
    assert np.isfinite(whole).all()
    for rows, columns in ((slice(0, 4), slice(5, 12)), (slice(3, 8), slice(0, 3))):
        part = method(lr, rows, columns)
        expected = whole[2 * rows.start : 2 * rows.stop, 2 * columns.start : 2 * columns.stop]
        np.testing.assert_allclose(part, expected, rtol=0, atol=1e-6)


def test_the_linear_filter_finds_the_one_that_made_the_data(tmp_path: Path) -> None:
    """HR that is bicubic interpolation of LR, and a little of the field's curvature."""
    lr = random.normal(size=(12, 8, 10)).astype(np.float32)
    kernel = bicubic_kernel(2).copy()
    kernel[:, TAPS // 2] += 0.4
    kernel[:, TAPS // 2 - 1] -= 0.2
    kernel[:, TAPS // 2 + 1] -= 0.2
    hr = np.stack([enlarge(kernel, field) for field in lr])
    for split, steps in (("train", slice(0, 8)), ("valid", slice(8, 10)), ("test", slice(10, 12))):
        for level, fields in (("hr", hr), ("lr", lr)):
            folder = tmp_path / split / level / "temp"
            folder.mkdir(parents=True)
            for number, field in enumerate(fields[steps]):
                np.save(folder / f"{number}.npy", field)
    contents = scan(tmp_path)
    fitted = fit(contents, "temp", 2)
    bicubic, _climatology, linear, _both = (fitted.baseline(choice) for choice in STANDARD)
    errors = rmse(contents, "test", "temp", [bicubic, linear])
    assert errors[1] < 0.02 * errors[0]


def test_the_statistics_are_those_of_the_pass_that_takes_nothing_else(tmp_path: Path) -> None:
    contents = scan(write_dataset(tmp_path / "data"))
    for method in ("PGN", "GN"):
        found = statistics_of([settled(tmp_path / "data", normalization=method)], method)
        for level, expected in statistics(contents, ["temp"], method).items():
            for name, array in vars(expected).items():
                np.testing.assert_array_equal(getattr(found[level], name), array)


def test_on_a_record_that_drifts_no_climatology_is_taken(tmp_path: Path) -> None:
    steps = {"train": 56, "valid": 12, "test": 12}
    found = settled(pairs(tmp_path / "data", drifting(), 4, steps), 4)
    assert found.learnt.choice == found.best == Choice("linear", 0.0)
    assert found.scores[STANDARD[1]] > found.scores[STANDARD[0]]


def test_where_the_sea_repeats_itself_the_climatology_is_taken(tmp_path: Path) -> None:
    pattern = random.normal(size=(16, 24))
    hr = (pattern + 0.01 * random.normal(size=(14, 16, 24))).astype(np.float32)
    found = settled(pairs(tmp_path / "data", hr, 2, {"train": 8, "valid": 3, "test": 3}))
    assert found.best.weight == 1.0
    assert found.scores[found.best] < 0.1 * found.scores[STANDARD[0]]


def test_a_part_of_the_climatology_has_to_be_worth_it() -> None:
    scores = dict.fromkeys(STANDARD, 1.0) | {STANDARD[2]: 0.9}
    assert best(scores | {Choice("climatology", SHARES[0]): 0.89}) == STANDARD[2]
    assert best(scores | {Choice("climatology", SHARES[0]): 0.8}).weight == SHARES[0]
    assert best(dict.fromkeys(STANDARD, math.nan)) == STANDARD[0]


@pytest.mark.parametrize("steps", [1, 2])
def test_of_one_or_two_steps_there_is_bicubic_alone(tmp_path: Path, steps: int) -> None:
    root = write_dataset(tmp_path / "data", steps=(steps, 2, 2))
    found = settled(root)
    assert found.learnt.choice == STANDARD[0]
    assert [choice.method for choice, score in found.scores.items() if math.isnan(score)] == list(
        METHODS[1:]
    )
    printed = command("baselines", root)
    assert printed.returncode == 0
    assert "too few" in printed.stdout


def test_a_variable_that_never_changes(tmp_path: Path) -> None:
    hr = np.full((14, 16, 24), 3, np.float32)
    found = settled(pairs(tmp_path / "data", hr, 2, {"train": 8, "valid": 3, "test": 3}))
    assert found.scores[found.best] == 0
    assert (found.learnt.spread > 0).all()
    assert np.isfinite(found.learnt.chosen()(np.full((8, 12), 3, np.float32))).all()


def test_a_point_that_is_observed_in_the_test_split_alone(tmp_path: Path) -> None:
    hr = (random.normal(size=(16, 24)) + random.normal(size=(14, 16, 24)) / 9).astype(np.float32)
    hr[:11, :2, :2] = np.nan
    root = pairs(tmp_path / "data", hr, 2, {"train": 8, "valid": 3, "test": 3})
    found = settled(root)
    made = found.learnt.chosen()(np.load(root / "test" / "lr" / "temp" / "0012.npy"))
    assert np.isfinite(made).all()
    assert np.abs(made[:2, :2]).max() < 10


def test_what_was_learnt_is_kept_and_read_back(tmp_path: Path) -> None:
    found = settled(write_dataset(tmp_path / "data")).learnt
    path = tmp_path / learnt_file.FILE_NAME
    learnt_file.save(path, {"temp": found}, "key")
    again = learnt_file.load(path, "key")
    assert again is not None
    for name, value in vars(found).items():
        np.testing.assert_array_equal(getattr(again["temp"], name), value)
    assert learnt_file.load(path, "another key") is None
    path.write_bytes(path.read_bytes()[:100])
    assert learnt_file.load(path, "key") is None


@pytest.mark.parametrize("layout", ["npy", "h5", "nc"])
def test_the_command_prints_what_a_network_has_to_beat(tmp_path: Path, layout: str) -> None:
    root = write_dataset(tmp_path / "data", layout=layout, variables=["temp", "salt"])  # type: ignore[arg-type]
    printed = command("baselines", root, "--json")
    assert printed.returncode == 0, printed.stderr
    found = json.loads(printed.stdout)
    assert list(found) == ["salt", "temp"]
    for scores in found.values():
        assert set(scores["rmse"]) >= set(METHODS)
        assert scores["rmse"][scores["best"]]["valid"] == min(
            one["valid"] for one in scores["rmse"].values()
        )
    shown = command("--lang", "zh", "baselines", root)
    assert "线性滤波" in shown.stdout and "最佳" in shown.stdout


def test_the_command_refuses_what_is_no_dataset(tmp_path: Path) -> None:
    refused = command("baselines", tmp_path)
    assert refused.returncode == 3
    assert "Traceback" not in refused.stderr


def test_learnt_methods_are_those_that_were_fitted(tmp_path: Path) -> None:
    contents = scan(write_dataset(tmp_path / "data"))
    found: Learnt = settled(tmp_path / "data").learnt
    fitted = fit(contents, "temp", 2)
    lr = contents.fields["test", "lr", "temp"].read(0)
    for choice in STANDARD:
        np.testing.assert_array_equal(
            found.standard()[choice.method](lr), fitted.baseline(choice)(lr)
        )


def filtered(steps: int, width: int, noise: float) -> Floats:
    """Return fields of noise, smoothed, of which few steps tell little."""
    smooth = random.normal(size=(steps, width, width)).astype(np.float32)
    for _time in range(2):
        smooth = (smooth + np.roll(smooth, 1, 1) + np.roll(smooth, 1, 2)) / 3
    return np.asarray(smooth + noise * random.normal(size=smooth.shape), np.float32)


def test_the_learning_curve_tells_few_fields_from_many(tmp_path: Path) -> None:
    few = pairs(tmp_path / "few", filtered(28, 8, 0.5), 2, {"train": 8, "valid": 10, "test": 10})
    many = pairs(tmp_path / "many", filtered(84, 32, 0), 2, {"train": 64, "valid": 10, "test": 10})
    (_quarter, half, whole), (_q, half_of_many, whole_of_many) = (
        settled(root).evidence.learning_curve for root in (few, many)
    )
    assert [half[0], whole[0]] == [4, 8]
    assert whole[1] < 0.98 * half[1]
    assert whole_of_many[1] > 0.98 * half_of_many[1]
    found = settled(few)
    assert whole[1] == found.scores[Choice("linear", 0.0)]


def test_a_part_of_the_pass_is_the_fit_of_that_part(tmp_path: Path) -> None:
    contents = scan(write_dataset(tmp_path / "data", steps=(13, 3, 3)))
    found = fit(contents, "temp", 2)
    assert [steps for steps, _kernel in found.partial] == [4, 7]
    low, high = (contents.fields["train", level, "temp"] for level in ("lr", "hr"))
    moments, fill = Moments.of(low.shape, 2), NearestFill()
    for index in range(0, 13, 2):
        lr = low.read(index)
        moments.add(fill(lr), high.read(index), np.isfinite(lr))
    expected = moments.kernel(0.0, found.lr_mean, found.hr_mean)
    np.testing.assert_allclose(found.partial[1][1], expected, rtol=0, atol=1e-5)


def test_the_evidence_of_a_record_that_drifts(tmp_path: Path) -> None:
    steps = {"train": 56, "valid": 12, "test": 12}
    found = settled(pairs(tmp_path / "data", drifting(), 4, steps), 4).evidence
    assert found.levels["valid"][1] > found.levels["train"][1]
    assert found.levels["test"][0] > found.levels["valid"][0]
    assert found.steps == 56
    assert 0.9 < found.observed < 1


def test_too_few_steps_have_no_learning_curve(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data", steps=(7, 2, 2))
    assert settled(root).evidence.learning_curve == []
    (scores,) = json.loads(command("baselines", root, "--json").stdout).values()
    assert scores["learning_curve"] == []


def test_the_command_prints_the_learning_curve(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data")
    (scores,) = json.loads(command("baselines", root, "--json").stdout).values()
    assert [point["steps"] for point in scores["learning_curve"]] == [2, 4, 8]
    assert scores["learning_curve"][-1]["rmse"] == scores["rmse"]["linear"]["valid"]
    assert "with 2, " in command("baselines", root).stdout
