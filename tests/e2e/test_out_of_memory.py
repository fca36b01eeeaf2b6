"""Memory that really runs out, under a limit: before the launch, and in training itself."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.datasets import write_dataset
from tests.installed import run_installed
from tests.memory.limits import MIB, limited, limited_group, needs_a_group

__all__ = ["needs_a_group"]

GROUP_MIB, ADDRESS_SPACE_MIB = 720, 1400
"""What the batch of 24 does not fit into, and smaller ones do. Libraries that are mapped take
address space, but no memory of a group."""
ANSWERS = """\
data: {{root: {root}}}
output: {{dir: {run}}}
model: {{name: EDSR, params: {{num_features: 16, num_blocks: 1}}}}
training: {{epochs: 1, batch_size: {batch}, num_workers: 0}}
memory: {{use_amp: false, gradient_checkpointing: false}}
confirm: true
"""


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """Fields of which a batch of 24 takes some 450 MB in training."""
    return write_dataset(tmp_path / "data", steps=(24, 2, 2), hr_shape=(256, 512), scale=4)


def command(
    environment: dict[str, str], enter: Callable[[], None] | None, *arguments: object
) -> "subprocess.CompletedProcess[str]":
    return run_installed(arguments, environment, timeout=None, preexec_fn=enter)


def written(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


@pytest.mark.slow
def test_what_does_not_fit_is_made_to_fit_under_the_same_limit(
    environment: dict[str, str], large: Path, tmp_path: Path
) -> None:
    answers, run = tmp_path / "answers.yaml", tmp_path / "run"
    answers.write_text(ANSWERS.format(root=large, run=run, batch=24))
    with limited_group(GROUP_MIB * MIB) as group:
        limit = GROUP_MIB if group is not None else ADDRESS_SPACE_MIB
    with limited(limit * MIB) as enter:
        refused = command(environment, enter, "--answers", answers)
        assert refused.returncode == 4, refused.stderr
        assert f"Suggested changes are listed in {run / 'dry_run.json'}." in refused.stderr
        found = written(run / "dry_run.json")
        assert (found["verdict"], found["peak_bytes"]) == ("does not fit", None)
        assert 0 < found["capacity_bytes"] <= limit * MIB
        remedies = {item["key"]: item for item in found["remedies"]}
        assert remedies["batch_size_accumulated"]["gains"]
        assert found["recommended"]["fits"]
        assert found["recommended"]["predicted_bytes"] < 0.85 * found["capacity_bytes"]
        assert not (run / "checkpoints").exists()

        done = command(
            environment, enter, "--answers", answers, "--set", "memory.when_tight=apply",
            "--set", f"output.dir={tmp_path / 'second'}",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    frozen = yaml.safe_load((tmp_path / "second" / "run.yaml").read_text())
    assert frozen["revision"] > 1
    assert frozen["training"]["batch_size"] * frozen["training"]["grad_accumulation"] == 24
    measured = written(tmp_path / "second" / "dry_run.json")
    assert measured["verdict"] == "fits"
    assert measured["above_baseline_bytes"] < measured["peak_bytes"] < measured["capacity_bytes"]
    assert (tmp_path / "second" / "report.html").is_file()


@pytest.mark.slow
@pytest.mark.usefixtures("needs_a_group")
def test_a_training_that_the_kernel_kills_is_explained_and_goes_on_later(
    environment: dict[str, str], large: Path, tmp_path: Path
) -> None:
    """It fitted when it was measured; then less memory was there."""
    answers, run = tmp_path / "answers.yaml", tmp_path / "run"
    answers.write_text(ANSWERS.format(root=large, run=run, batch=8))
    measured = command(environment, None, "--answers", answers, "--stop-after", "dry_run")
    assert measured.returncode == 0, measured.stderr
    before = written(run / "dry_run.json")
    with limited_group(400 * MIB) as enter:
        assert enter is not None
        killed = command(environment, enter, "train", run)
    assert killed.returncode == 5, killed.stderr
    assert "The kernel's out-of-memory killer ended the process" in killed.stderr
    assert "measured by the dry run" in killed.stderr
    failure = written(run / "failure.json")
    assert failure["kind"] == "out_of_memory_killer"
    assert failure["phase"] == "training"
    assert failure["step"] == 0
    assert failure["measured_bytes"] == before["peak_bytes"]
    assert failure["predicted_bytes"] == before["predicted_bytes"] > 0
    assert failure["capacity_bytes"] == before["capacity_bytes"]
    assert not list(run.glob(".where.*"))
    again = command(environment, None, "train", run)
    assert again.returncode == 0, again.stderr
    assert not (run / "failure.json").exists()
