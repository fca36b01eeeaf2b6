"""What an answers file may decide where memory is short: memory.when_tight."""

import json
from pathlib import Path

import pytest
import yaml

from tests.datasets import write_dataset
from tests.e2e.conftest import Run
from tests.hardware.nvml.world import World, card

STAND_IN = Path(__file__).parent / "stand_in"
GPU = ("--set", "devices.gpus=[0]", "--set", "training.batch_size=16",
       "--set", "memory.use_amp=true", "--set", "memory.gradient_checkpointing=true")  # fmt: skip


@pytest.fixture
def gpu(environment: dict[str, str], nvml_world: World) -> dict[str, str]:
    """A GPU with 23859 MiB free, whose dry runs report what each test says."""
    nvml_world.has(card(0))
    environment |= nvml_world.environment
    environment |= {"PYTHONPATH": str(STAND_IN), "STAND_IN_LARGEST_BATCH": "16"}
    return environment


def peaks(environment: dict[str, str], **by_batch: int) -> None:
    found = {f"{name.removeprefix('batch_')} true": peak for name, peak in by_batch.items()}
    environment["STAND_IN_PEAKS"] = json.dumps(found)


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["ask", "stop", "accept"])
def test_what_does_not_fit_is_never_launched(
    srwizard: Run, answers: Path, gpu: dict[str, str], tmp_path: Path, policy: str
) -> None:
    peaks(gpu, batch_16=30000)
    refused = srwizard("--answers", answers, *GPU, "--set", f"memory.when_tight={policy}")
    assert refused.returncode == 4, refused.stderr
    assert "does not fit" in refused.stderr
    assert "memory.when_tight" in refused.stderr
    assert "What can be changed" in refused.stdout
    found = json.loads((tmp_path / "run" / "dry_run.json").read_text())
    assert found["verdict"] == "does not fit"
    titles = [remedy["title"] for remedy in found["remedies"]]
    assert "Batch size 16 → 8, gradient accumulation 2" in titles
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


@pytest.mark.slow
def test_what_is_tight_is_launched_where_that_is_accepted(
    srwizard: Run, answers: Path, gpu: dict[str, str], tmp_path: Path
) -> None:
    peaks(gpu, batch_16=21500)
    done = srwizard("--answers", answers, *GPU, "--set", "memory.when_tight=accept")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "run" / "dry_run.json").read_text())["verdict"] == "tight"
    assert (tmp_path / "run" / "report.html").is_file()


@pytest.mark.slow
def test_remedies_are_applied_and_measured_again_where_that_is_wanted(
    srwizard: Run, answers: Path, gpu: dict[str, str], tmp_path: Path
) -> None:
    # Large enough for the batch to matter beside what every process holds on a GPU.
    root = write_dataset(tmp_path / "larger", hr_shape=(192, 288))
    larger = (
        "--set",
        f"data.root={root}",
        "--set",
        "model.params={num_features: 16, num_blocks: 1}",
    )
    peaks(gpu, batch_16=20500, batch_8=9000, batch_4=8000)
    done = srwizard("--answers", answers, *GPU, *larger, "--set", "memory.when_tight=apply")
    assert done.returncode == 0, done.stderr
    run = yaml.safe_load((tmp_path / "run" / "run.yaml").read_text())
    assert run["revision"] == 2
    assert run["training"]["batch_size"] < 16
    assert (tmp_path / "run" / "run.r1.yaml").is_file()
