"""Run configs without the wizard."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from srwizard.data.dataset import Dataset
from srwizard.data.weighting import weighting_of
from srwizard.models.catalog import card, resolve_parameters
from srwizard.settings.run_config import (
    RunConfig,
    RunData,
    RunDevices,
    RunGPU,
    RunMemory,
    RunModel,
    RunOutput,
    RunSlurm,
    RunTraining,
    load,
    seal,
    software_versions,
    write,
)
from srwizard.settings.tiles import tile_size


def data_of(
    root: Path,
    static_variables: Sequence[str] = (),
    guides: Sequence[str] = (),
    *,
    area_weights: bool = False,
) -> RunData:
    """Return the data section for all variables of the dataset in `root`."""
    dataset = Dataset(root)
    summary = dataset.summary
    first = summary.variables[0]
    names = [variable.name for variable in summary.variables if variable.name not in guides]
    weighting = weighting_of(dataset.contents)
    return RunData(
        root=str(root),
        layout=summary.layout,
        variables=names,
        static_variables=list(static_variables),
        guides=list(guides),
        scale=first.hr_shape[0] // first.lr_shape[0],
        hr_shape=list(first.hr_shape),
        lr_shape=list(first.lr_shape),
        steps=summary.steps,
        fingerprint=dataset.fingerprint(
            names, static_variables, guides, area_weights=area_weights or weighting == "area"
        ),
        block_means=weighting,
    )


def cpu_run(
    data: RunData,
    run_dir: Path,
    model: str,
    params: dict[str, Any],
    *,
    processes: int = 1,
    nodes: int = 1,
    slurm: RunSlurm | None = None,
    patch_size: int | None = None,
    use_amp: bool = False,
    shard: bool = False,
    gradient_checkpointing: bool = False,
    **training: Any,
) -> RunConfig:
    """Return an unsealed run on the CPU.

    Args:
        data: its data section.
        run_dir: the run directory.
        model: name of a card.
        params: of the network, where they differ from the card.
        processes: of each machine.
        nodes: machines.
        slurm: what a job is to ask for.
        patch_size: side of the HR windows.
        use_amp: whether to compute in bfloat16.
        shard: whether weights are sharded over the processes.
        gradient_checkpointing: whether blocks are computed again on the way back.
        training: answers of the training section, where they differ from two epochs in batches
            of two.
    """
    chosen = card(model)
    # A test that asks for endless epochs gets them, however fast the machine.
    settings = {"epochs": 2, "batch_size": 2, "num_workers": 0, "patience": None} | training
    return RunConfig(
        created="",
        language="en",
        data=data,
        output=RunOutput(dir=str(run_dir)),
        model=RunModel(
            name=model,
            params=resolve_parameters(chosen, params),
            in_channels=len(data.variables) + len(data.static_variables),
            out_channels=len(data.variables),
            global_skip=chosen.family == "standard",
        ),
        training=RunTraining(**settings),
        devices=RunDevices(
            launcher="slurm" if slurm is not None else "nodes" if nodes > 1 else "here",
            slurm=slurm,
            gpus=[],
            processes=processes,
            nodes=nodes,
            backend="gloo",
        ),
        memory=RunMemory(
            use_amp=use_amp,
            gradient_checkpointing=gradient_checkpointing,
            patch_size=patch_size,
            shard=shard,
            tile_size=tile_size(
                chosen,
                (data.lr_shape[0], data.lr_shape[1]),
                scale=data.scale,
                periodic=data.periodic,
                patch_size=patch_size,
                batch_size=settings["batch_size"],
                use_amp=use_amp,
            ),
        ),
        software=software_versions(),
    )


def frozen(run: RunConfig) -> RunConfig:
    """Seal a run and write it into its run directory, which is made."""
    run_dir = Path(run.output.dir)
    run_dir.mkdir(parents=True, exist_ok=True)
    write(seal(run), run_dir)
    return load(run_dir)


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
        "training": RunTraining(lr=2e-5, weight_decay=1e-12, num_workers=0),
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
