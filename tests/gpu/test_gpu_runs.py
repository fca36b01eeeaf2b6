"""From answers to a report; stopped, gone on with, on another device and in other types."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from srwizard.hardware.devices import find_devices
from srwizard.models.diffusion import normal_noise
from srwizard.runs.failures import recorded_failure
from srwizard.runs.records import Records
from srwizard.settings import run_config
from srwizard.settings.run_config import RunConfig, RunGPU, seal, write
from srwizard.train.checkpoint import LAST
from srwizard.train.distributed import Place
from srwizard.train.loop import Callbacks, train
from srwizard.train.resuming import resume
from srwizard.train.saving import finish_saving, save
from srwizard.train.scoring import score
from srwizard.train.setup import Training
from tests.datasets import write_dataset
from tests.e2e.conftest import Run
from tests.gpu.comparing import some_on_the_cpu
from tests.small_networks import SMALL
from tests.train.runs import freeze, set_up_only, weights

pytestmark = pytest.mark.afresh

ANSWERS = """\
data: {{root: {root}}}
output: {{dir: {run}}}
model: {{name: {model}, params: {params}}}
training: {{epochs: 2, batch_size: 4}}
devices: {{gpus: {gpus}}}
memory: {{use_amp: {use_amp}, gradient_checkpointing: false}}
confirm: true
"""
FOUR = ("EDSR", "SwinIR", "FNO2d", "DDPM")
KINDS = {"32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}


@pytest.mark.gpu
def test_nvml_and_torch_name_the_same_card() -> None:
    """Processes get the uuid that NVML tells; CUDA has to know the card by it."""
    seen = {gpu.uuid: gpu for gpu in find_devices().gpus}
    properties = torch.cuda.get_device_properties(0)
    gpu = seen[f"GPU-{properties.uuid}"]
    assert gpu.name == properties.name
    assert gpu.total_bytes == pytest.approx(properties.total_memory, rel=0.05)
    assert gpu.capability == torch.cuda.get_device_capability(0)


@pytest.mark.gpu
def test_noise_of_a_seed_is_the_same_on_the_card() -> None:
    def drawn(device: str) -> Tensor:
        noise = [torch.Generator().manual_seed(seed) for seed in (1, 2)]
        return normal_noise((2, 3, 64, 96), noise, torch.device(device)).cpu()

    assert torch.equal(drawn("cuda"), drawn("cpu"))


@pytest.mark.gpu
def test_a_checkpoint_is_that_of_the_moment_it_was_asked_for(tmp_path: Path) -> None:
    """The next step changes the weights while they are being copied."""
    freeze(write_dataset(tmp_path / "data"), tmp_path / "run", epochs=1)
    training = set_up_only(tmp_path / "run", Place(0, 1, torch.device("cuda", 0)))
    before = {name: part.cpu() for name, part in training.bare.state_dict().items()}
    save(training, tmp_path / "run", LAST)
    with torch.no_grad():
        for part in training.bare.parameters():
            part.fill_(7.0)
    finish_saving(training)
    kept = weights(tmp_path / "run")
    assert all(torch.equal(kept[name], part) for name, part in before.items())


@pytest.mark.slow
@pytest.mark.parametrize(("name", "device"), some_on_the_cpu(FOUR, "FNO2d"), indirect=["device"])
def test_from_answers_to_a_report(
    srwizard: Run, tmp_path: Path, name: str, device: torch.device
) -> None:
    root = write_dataset(tmp_path / "data", hr_shape=(32, 48))
    run, answers = tmp_path / "run", tmp_path / "answers.yaml"
    answers.write_text(
        ANSWERS.format(
            root=root, run=run, model=name, params=json.dumps(SMALL[name]),
            gpus="[0]" if device.type == "cuda" else "[]",
            use_amp=str(device.type == "cuda").lower(),
        )
    )  # fmt: skip
    done = srwizard("--answers", answers)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (run / "report.html").is_file()
    measured = json.loads((run / "dry_run.json").read_text())
    assert measured["verdict"] == "fits"
    if device.type == "cuda":
        assert measured["device"].startswith("GPU 0: ")
        assert measured["ranks"][0]["allocated_bytes"] <= measured["peak_bytes"]
    assert recorded_failure(run) is None


def on(device: torch.device, run: RunConfig, *, kind: str) -> RunConfig:
    """Return a frozen run moved to a device and a type, in its own directory."""
    gpus = [RunGPU(index=0, uuid="0", name="the first")] if device.type == "cuda" else []
    devices = run.devices.model_copy(update={"gpus": gpus, "backend": "nccl" if gpus else "gloo"})
    memory = run.memory.model_copy(update={"use_amp": kind != "32"})
    directory = Path(run.output.dir)
    (directory / "run.yaml").unlink()
    write(seal(run.model_copy(update={"devices": devices, "memory": memory})), directory)
    return run_config.load(directory)


def made(run: RunConfig, device: torch.device, kind: str) -> Training:
    """Set a run up in this process, in the type asked for, whatever the card would choose."""
    on(device, run, kind=kind)
    training = set_up_only(Path(run.output.dir), Place(0, 1, device))
    chosen = KINDS[kind]
    if chosen is not None:
        training.amp_dtype = chosen
        training.scaler = torch.amp.GradScaler(
            device.type, init_scale=2.0**8, enabled=chosen == torch.float16
        )
    return training


def trained_to(training: Training, run_dir: Path, steps: int) -> None:
    """Train until so many steps have been taken, or to the end."""
    asked = Callbacks(stop_requested=lambda: training.progress.steps >= steps)
    train(training, run_dir, Records(run_dir), asked)


def test_stopped_and_gone_on_with_is_the_same(tmp_path: Path, device: torch.device) -> None:
    """To the bit on the CPU; on a card, some of whose sums have no order, to rounding."""
    root = write_dataset(tmp_path / "data")
    runs = {
        name: freeze(root, tmp_path / name, epochs=2, ema_decay=0.9) for name in ("whole", "parts")
    }
    trained_to(made(runs["whole"], device, "32"), tmp_path / "whole", 10**6)
    trained_to(made(runs["parts"], device, "32"), tmp_path / "parts", 3)
    again = made(runs["parts"], device, "32")
    assert resume(again, tmp_path / "parts") is not None
    assert again.progress.steps == 3
    trained_to(again, tmp_path / "parts", 10**6)
    tolerance = {"rtol": 0.0, "atol": 0.0} if device.type == "cpu" else {"rtol": 1e-4, "atol": 1e-6}
    torch.testing.assert_close(
        weights(tmp_path / "parts"), weights(tmp_path / "whole"), **tolerance
    )


@pytest.mark.parametrize("before", KINDS)
@pytest.mark.parametrize("after", KINDS)
def test_gone_on_with_in_another_type_and_on_another_device(
    tmp_path: Path, device: torch.device, before: str, after: str
) -> None:
    """From the CPU to the device and back: every type that begins where another one ended."""
    run = freeze(write_dataset(tmp_path / "data"), tmp_path / "run", epochs=4)
    cpu = torch.device("cpu")
    for steps, (where, kind) in zip(
        (2, 4, 6), ((cpu, before), (device, after), (cpu, before)), strict=True
    ):
        training = made(run, where, kind)
        loaded = resume(training, tmp_path / "run")
        assert (loaded is not None) is (steps > 2)
        trained_to(training, tmp_path / "run", steps)
        assert training.progress.steps == steps
        save(training, tmp_path / "run", LAST)
        finish_saving(training)
    assert all(part.isfinite().all() for part in weights(tmp_path / "run").values())


def test_the_checkpoint_of_a_device_predicts_on_the_other(
    tmp_path: Path, device: torch.device
) -> None:
    """What a card has trained is scored on the CPU as on the card."""
    run = freeze(write_dataset(tmp_path / "data"), tmp_path / "run", epochs=1)
    trained_to(made(run, device, "32"), tmp_path / "run", 10**6)
    scores: list[Any] = []
    for where in (device, torch.device("cpu")):
        training = made(run, where, "32")
        assert resume(training, tmp_path / "run") is not None
        scores.append(score(training, "valid"))
    assert scores[0].loss == pytest.approx(scores[1].loss, rel=1e-4)
