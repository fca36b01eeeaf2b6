"""Run configs without the wizard."""

from pathlib import Path
from typing import Any

from srwizard.data.fingerprint import fingerprint
from srwizard.data.inspect import inspect
from srwizard.data.layout import scan
from srwizard.settings.answers import TrainingAnswers
from srwizard.settings.run_config import (
    RunConfig,
    RunData,
    RunDevices,
    RunGPU,
    RunMemory,
    RunModel,
    RunOutput,
)


def data_of(root: Path) -> RunData:
    """Return the data section for all variables of the dataset in `root`."""
    summary = inspect(scan(root))
    first = summary.variables[0]
    names = [variable.name for variable in summary.variables]
    return RunData(
        root=str(root),
        layout=summary.layout,
        variables=names,
        scale=first.hr_shape[0] // first.lr_shape[0],
        hr_shape=list(first.hr_shape),
        lr_shape=list(first.lr_shape),
        steps=summary.steps,
        fingerprint=fingerprint(scan(root), names),
    )


MADE_UP_DATA = RunData(
    root="/data/ocean",
    layout="npy",
    variables=["temp", "salt"],
    scale=4,
    hr_shape=[128, 256],
    lr_shape=[32, 64],
    steps={"train": 700, "valid": 150, "test": 150},
    fingerprint={"train/hr/temp": "0f" * 16, "train/lr/temp": "12e4" + "5" * 28},
)


def made_up_config(**changes: Any) -> RunConfig:
    """Return an unsealed run config with a value in every section, some of them changed."""
    sections: dict[str, Any] = {
        "created": "",
        "language": "en",
        "data": MADE_UP_DATA,
        "output": RunOutput(dir="runs/first"),
        "model": RunModel(
            name="SwinIR",
            params={"embed_dim": 60, "depths": [6, 6], "init_scale": 1e-05, "upsampler": "1e-5"},
            in_channels=2,
            out_channels=2,
            global_skip=True,
        ),
        "training": TrainingAnswers(lr=2e-5, weight_decay=1e-12, num_workers=0),
        "devices": RunDevices(
            gpus=[RunGPU(index=0, uuid="GPU-1", name="NVIDIA H100")],
            processes=1,
            nodes=1,
            backend="nccl",
        ),
        "memory": RunMemory(use_amp=True, gradient_checkpointing=False, patch_size=None),
        "software": {"python": "3.11.7", "torch": "2.13.0"},
    }
    return RunConfig(**(sections | changes))
