"""A value that cannot be is refused before anything is trained, or masked wherever it is read."""

from pathlib import Path

import numpy as np
import pytest

from srwizard.settings import run_config
from tests.e2e.conftest import Run


def put(dataset: Path, value: float) -> Path:
    """Put a value where inspection, which looks at some rows, does not see it."""
    file = dataset / "train" / "hr" / "temp" / "step_0003.npy"
    values = np.load(file)
    values[5, 20] = value
    np.save(file, values)
    return file


@pytest.mark.parametrize("more", [[], ["--set", "model.skip=none"]])
@pytest.mark.parametrize("value", [1e20, np.inf, 5000])
def test_it_is_refused_with_file_step_and_point(
    srwizard: Run, answers: Path, dataset: Path, value: float, more: list[str]
) -> None:
    file = put(dataset, value)
    refused = srwizard("--answers", answers, *more)
    assert refused.returncode == 3, refused.stdout + refused.stderr
    said = " ".join(refused.stderr.split())
    assert file.name in said
    assert f"{value:g} at row 5, column 20" in said
    assert "step step_0003" in said
    assert "Traceback" not in said
    assert not (answers.parent / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("more", [[], ["--set", "model.skip=none"]])
def test_masked_it_is_told_frozen_and_has_no_influence(
    srwizard: Run, answers: Path, dataset: Path, more: list[str]
) -> None:
    put(dataset, 5000)
    done = srwizard("--answers", answers, "--set", "data.outliers=mask", *more)
    assert done.returncode == 0, done.stderr
    assert "Masked in temp as impossible values (data.outliers): 1" in done.stdout
    run = run_config.load(answers.parent / "run")
    assert run.data.outliers == "mask"
    assert run.data.masked == {"train/hr/temp": {"step_0003": [[5, 20]]}}
    with np.load(answers.parent / "run" / "normalization.npz") as statistics:
        assert statistics["hr_maximum"].max() < 100
    assert srwizard("evaluate", answers.parent / "run").returncode == 0
