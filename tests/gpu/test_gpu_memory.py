"""Memory on a device: what is predicted and measured, and what is said where it does not do."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from srwizard.hardware.devices import find_devices
from srwizard.memory.measure import dry_run
from srwizard.memory.predict import predict
from srwizard.settings.run_config import RunConfig, RunGPU, load, seal, write
from tests.datasets import write_dataset
from tests.e2e.conftest import Run
from tests.gpu.comparing import some_on_the_cpu
from tests.train.runs import freeze

pytestmark = [pytest.mark.slow, pytest.mark.afresh]

MIB = 2**20
HR_SHAPE = (256, 512)
SIX: dict[str, dict[str, Any]] = {
    "EDSR": {"params": {"num_features": 64, "num_blocks": 6}},
    "EDSR amp": {"params": {"num_features": 64, "num_blocks": 6}, "use_amp": True},
    "SwinIR checkpointed": {
        "model": "SwinIR",
        "params": {"embed_dim": 60, "depths": [2, 2], "num_heads": [6, 6]},
        "gradient_checkpointing": True,
    },
    "FNO2d": {"model": "FNO2d", "params": {"width": 32, "num_layers": 3}},
    "DDPM amp": {"model": "DDPM", "params": {"inner_channel": 16}, "use_amp": True},
    "EDSR patches, averaged": {"patch_size": 128, "batch_size": 8, "ema_decay": 0.9},
}
MOST_APART = 0.10
LEFT = 3 * 2**30
FOR_ALL_CARDS = {"num_features": 256, "num_blocks": 16}
"""Three GiB a sample of these fields: 96 of them are more than any card has."""


def on_the_card(run: RunConfig) -> RunConfig:
    """Return a frozen run on the first card, in its own directory."""
    (gpu, *_others) = find_devices().gpus
    chosen = [RunGPU(index=gpu.index, uuid=gpu.uuid, name=gpu.name)]
    devices = run.devices.model_copy(update={"gpus": chosen, "backend": "nccl"})
    directory = Path(run.output.dir)
    (directory / "run.yaml").unlink()
    write(seal(run.model_copy(update={"devices": devices})), directory)
    return load(directory)


@pytest.mark.parametrize(
    ("name", "device"), some_on_the_cpu(SIX, "EDSR patches, averaged"), indirect=["device"]
)
def test_predicted_allocated_reserved_and_what_nvml_says(
    tmp_path: Path, device: torch.device, name: str, record_property: Any
) -> None:
    root = write_dataset(tmp_path / "data", steps=(8, 2, 2), hr_shape=HR_SHAPE, scale=4)
    run = freeze(root, tmp_path / "run", **SIX[name])
    if device.type == "cuda":
        run = on_the_card(run)
    found = dry_run(tmp_path / "run")
    assert found.peak_bytes is not None
    figures = found.ranks[0]
    if device.type == "cuda":
        predicted, measured = predict(run).peak_bytes, found.peak_bytes
        told = (figures["allocated_bytes"], figures["reserved_bytes"], figures["nvml_bytes"])
    else:
        baseline = int(figures["baseline_rss_bytes"])
        predicted = predict(run, baseline_bytes=baseline).peak_bytes - baseline
        measured, told = found.above_baseline_bytes or 0, (None, None, None)
    row = [predicted, *told, measured]
    sizes = ["-" if size is None else f"{size / MIB:.0f} MiB" for size in row]
    line = " | ".join([name, *sizes])
    print(f"\n| model | predicted | allocated | reserved | NVML | measured |\n| {line} |")
    record_property("memory", line)
    assert predicted == pytest.approx(measured, rel=MOST_APART if device.type == "cuda" else 0.3)


@contextlib.contextmanager
def another_holder(left: int) -> Iterator[None]:
    """Let somebody else hold all of the card's memory but so much."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.gpu.holder", str(left)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield
        process.kill()


ANSWERS = """\
data: {{root: {root}}}
output: {{dir: {run}}}
model: {{name: EDSR, params: {params}}}
training: {{epochs: 1, batch_size: {batch}}}
devices: {{gpus: [0]}}
memory: {{use_amp: false, gradient_checkpointing: false}}
confirm: true
"""


@pytest.mark.gpu
@pytest.mark.parametrize("held", [False, True])
def test_what_does_not_fit_on_the_card_is_made_to_fit(
    srwizard: Run, tmp_path: Path, held: bool
) -> None:
    """Alone on it with more than any card has, or beside somebody who leaves three GiB."""
    batch, params = (16, {"num_features": 128, "num_blocks": 8}) if held else (96, FOR_ALL_CARDS)
    root = write_dataset(tmp_path / "data", steps=(batch, 2, 2), hr_shape=(512, 1024), scale=4)
    answers, run = tmp_path / "answers.yaml", tmp_path / "run"
    answers.write_text(ANSWERS.format(root=root, run=run, params=json.dumps(params), batch=batch))
    with another_holder(LEFT) if held else contextlib.nullcontext():
        refused = srwizard("--answers", answers)
        assert refused.returncode == 4, refused.stdout + refused.stderr
        found = json.loads((run / "dry_run.json").read_text())
        assert (found["verdict"], found["peak_bytes"]) == ("does not fit", None)
        assert "memory" in found["reason"]
        assert found["recommended"]["fits"]
        if held:
            assert found["capacity_bytes"] <= LEFT
        done = srwizard(
            "--answers", answers, "--set", "memory.when_tight=apply",
            "--set", f"output.dir={tmp_path / 'second'}",
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((tmp_path / "second" / "dry_run.json").read_text())["verdict"] == "fits"
