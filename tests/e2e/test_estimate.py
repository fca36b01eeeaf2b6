"""`srwizard estimate`: of a frozen run or an answers file, for devices that need not be here."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from srwizard.settings import run_config
from tests.e2e.conftest import Run
from tests.train.runs import freeze

pytestmark = pytest.mark.broad


@pytest.fixture
def run_dir(tmp_path: Path, dataset: Path) -> Path:
    freeze(dataset, tmp_path / "frozen")
    return tmp_path / "frozen"


def as_json(srwizard: Run, *arguments: object) -> dict[str, Any]:
    done = srwizard("estimate", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_frozen_run_for_a_gpu_that_is_not_here(srwizard: Run, run_dir: Path) -> None:
    found = as_json(srwizard, run_dir, "--gpu", "RTX 3090", "--batch-sizes", "1,2")
    assert found["device"] == "cuda"
    assert (found["gpu"], found["capacity_bytes"]) == ("RTX 3090", 24 * 2**30)
    assert (found["verdict"], found["fit"]) == ("fits", None)
    assert found["batches"]["2"] == found["peak_bytes"]  # that is the batch of the run
    assert found["batches"]["1"] <= found["batches"]["2"]
    assert found["share"] == found["peak_bytes"] / found["capacity_bytes"]
    assert set(found["phases"]) == {"step", "validation", "checkpoint"}


def test_an_answers_file_without_freezing_it(srwizard: Run, answers: Path, tmp_path: Path) -> None:
    found = as_json(
        srwizard, "--answers", answers, "--set", "training.batch_size=3",
        "--gpu", "24GiB", "--fit", "batch_size",
    )  # fmt: skip
    assert (found["model"], found["batch_size"]) == ("EDSR", 3)
    # Nothing can be measured on a GPU that is not here; of eight samples no more can be taken.
    assert (found["fit"]["value"], found["fit"]["confirmed"]) == (8, False)
    assert found["fit"]["tried"] == []
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "state" / "srwizard" / "sessions").exists()


def test_as_people_read_it(srwizard: Run, run_dir: Path) -> None:
    done = srwizard("estimate", run_dir, "--gpu", "24GiB", "--batch-sizes", "1,4")
    assert done.returncode == 0, done.stderr
    for shown in ("Predicted peak", "of 24.0 GB", "fits", "In a training step", "By batch size"):
        assert shown in done.stdout, shown


@pytest.mark.slow
def test_the_largest_batch_is_confirmed_by_dry_runs(
    srwizard: Run, run_dir: Path, tmp_path: Path
) -> None:
    before = sorted(path.name for path in run_dir.iterdir())
    found = as_json(srwizard, run_dir, "--fit", "batch_size")["fit"]
    assert (found["value"], found["limit"], found["confirmed"]) == (8, 8, True)
    assert 1 <= len(found["tried"]) <= 3
    assert found["tried"][-1]["verdict"] == "fits"
    assert found["tried"][-1]["measured_bytes"] > 0
    assert sorted(path.name for path in run_dir.iterdir()) == before


def test_names_near_an_unknown_gpu(srwizard: Run, run_dir: Path) -> None:
    refused = srwizard("estimate", run_dir, "--gpu", "RTX 3091")
    assert refused.returncode == 2
    assert "RTX 3090" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_run_config_of_another_version(srwizard: Run, run_dir: Path) -> None:
    path = run_dir / run_config.FILE_NAME
    values = yaml.safe_load(path.read_text())
    path.chmod(0o644)
    path.write_text(yaml.safe_dump(values | {"schema_version": 99}))
    refused = srwizard("estimate", run_dir)
    assert refused.returncode == 2
    assert "schema version 99" in refused.stderr


def test_a_model_that_cannot_be_built_on_this_data(srwizard: Run, answers: Path) -> None:
    refused = srwizard(
        "estimate", "--answers", answers, "--set", "model.name=SwinIR",
        "--set", "model.params={embed_dim: 7, depths: [2], num_heads: [2]}",
    )  # fmt: skip
    assert refused.returncode == 2
    assert "7" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["a", "--answers", "b"],
        ["a", "--set", "training.batch_size=2"],
        ["a", "--batch-sizes", "two"],
        ["a", "--batch-sizes", "0"],
        ["a", "--fit", "epochs"],
        ["nowhere"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_estimated(srwizard: Run, arguments: list[str]) -> None:
    refused = srwizard("estimate", *arguments)
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: ")
