"""Predicted against measured peak memory on the CPU: `python -m bench.memory [--quick]`.

All models of the catalogue, or `--models M ...`; all variants, or `--variants V ...`. Fields, or
batches of patches, are the smallest at which a run takes 300 MiB.

The reference is the dry run: real training steps in processes of their own. Both figures count
from the resident set of a process that has only imported torch, over all ranks.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from srwizard.memory.measure import DryRun, dry_run
from srwizard.memory.predict import Prediction, predict
from srwizard.memory.resident import MIB
from srwizard.models.catalog import card, cards
from srwizard.settings.run_config import RunConfig, RunData
from tests.configs import cpu_run, data_of, frozen

SCALE = 4
HR_SHAPE = (256, 512)
HR_SHAPES = ((128, 256), (192, 384), HR_SHAPE, (384, 768), (512, 1024))
PATCH_BATCHES = (8, 16, 32)
STEPS = {"train": 16, "valid": 8, "test": 1}
VARIABLES = ("temp", "salt")
SMALLEST_PEAK = 300 * MIB
"""Below it, constant terms rule and a percentage says little."""
SURELY_ENOUGH = 320 * MIB
"""Predicted, so that what is measured is no less than the smallest."""

UNET = {
    "inner_channel": 16,
    "norm_groups": 8,
    "channel_mults": [1, 2, 2],
    "attn_res": [],
    "res_blocks": 1,
    "sampling_steps": 5,
}
NETWORKS: dict[str, dict[str, Any]] = {
    "EDSR": {"num_features": 64, "num_blocks": 6},
    "RCAN": {"num_features": 64, "num_groups": 2, "num_blocks": 4},
    "UNet2d": {"features": 24, "levels": 4},
    "FNO2d": {"num_layers": 3},
    "MWT2d": {"k": 3, "c": 4, "modes": 12, "num_layers": 3},
    "Galerkin_Transformer": {"width": 48, "num_layers": 3, "decoder_width": 24},
    "SwinIR": {"depths": [2, 2], "num_heads": [6, 6]},
    "HAT": {"depths": [2, 2], "num_heads": [6, 6]},
    "M2NO2d": {"num_layers": 3},
    "SRNO": {"num_features": 32, "num_blocks": 4, "width": 32, "num_heads": 4},
    "HiNOTE": {"num_features": 32, "num_blocks": 4, "width": 32},
    "DDPM": UNET,
    "SR3": UNET,
    "ResShift": UNET,
    "ReMD": UNET | {"k": 4, "c": 1},
    "FlowMatching": UNET,
}
"""Sizes at which a batch of 2 takes some hundred MiB; other models are run at their tiny size."""
SECOND_SIZES: dict[str, tuple[str, dict[str, Any]]] = {
    "M2NO2d, 36 channels": ("M2NO2d", {"k": 3, "c": 4, "num_layers": 3}),
}
"""Model and size by the name of a row: channels that do not fill whole blocks."""
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "amp": {"use_amp": True},
    "checkpointing": {"gradient_checkpointing": True},
    "amp + checkpointing": {"use_amp": True, "gradient_checkpointing": True},
    "patch 128": {"patch_size": 128},
    "batch 1": {"batch_size": 1},
    "batch 8": {"batch_size": 8},
    "accumulation 2": {"grad_accumulation": 2},
    "2 processes": {"processes": 2},
}
QUICK = ("plain", "amp")


@dataclass(frozen=True)
class Row:
    """One run: bytes above the baseline, over all ranks."""

    model: str
    variant: str
    on: str
    predicted: int
    measured: int
    tensors: int
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def error(self) -> float:
        """Predicted over measured, less one."""
        return self.predicted / self.measured - 1


def main(arguments: Sequence[str] = ()) -> None:
    """Print a row for each run, then the median and the worst error."""
    parser = argparse.ArgumentParser(prog="python -m bench.memory", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="plain and amp only")
    parser.add_argument("--models", nargs="+", metavar="MODEL", help="these only")
    parser.add_argument(
        "--variants", nargs="+", metavar="VARIANT", choices=list(VARIANTS), help="these only"
    )
    options = parser.parse_args(arguments)
    print(
        "| model | variant | on | predicted MiB | measured MiB | error | tensors alone | seconds |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    rows = []
    variants = options.variants or (QUICK if options.quick else tuple(VARIANTS))
    for row in measure_all(options.models or (*cards(), *SECOND_SIZES), variants):
        rows.append(row)
        print(
            f"| {row.model} | {row.variant} | {row.on} | {row.predicted / MIB:.0f} | "
            f"{row.measured / MIB:.0f} | {100 * row.error:+.1f} % | "
            f"{100 * (row.tensors / row.measured - 1):+.0f} % | "
            f"{row.seconds['predict']:.1f} / {row.seconds['measure']:.1f} |",
            flush=True,
        )
    counted = [abs(row.error) for row in rows if row.measured >= SMALLEST_PEAK]
    print(
        f"\n{len(counted)} runs of at least {SMALLEST_PEAK // MIB} MiB: "
        f"median error {100 * median(counted):.1f} %, worst {100 * max(counted):.1f} %"
    )


def measure_all(models: Sequence[str], variants: Sequence[str]) -> Iterator[Row]:
    """Predict and measure networks in variants."""
    with tempfile.TemporaryDirectory(prefix="srwizard-bench-") as name:
        for model in models:
            for place, variant in enumerate(variants):
                changes, hr_shape = large_enough(model, VARIANTS[variant])
                root = Path(name) / "x".join(map(str, hr_shape))
                if not root.exists():
                    write_dataset(root, hr_shape)
                run_dir = Path(name) / f"{model}-{place}"
                run = make_run(root, run_dir, model, changes)
                yield compare(model, variant, run)


def large_enough(model: str, changes: dict[str, Any]) -> tuple[dict[str, Any], tuple[int, int]]:
    """Return the changes of a variant and the smallest HR shape at which its peak is large enough.

    Patches are of one size; there the batch grows instead.
    """
    if changes.get("patch_size"):
        tries = [(changes | {"batch_size": size}, HR_SHAPE) for size in PATCH_BATCHES]
    else:
        tries = [(changes, shape) for shape in HR_SHAPES]
    for tried, hr_shape in tries:
        run = unsealed_run(card_name(model), parameters(model), tried, hr_shape=hr_shape)
        if above_baseline(predict(run)) >= SURELY_ENOUGH:
            break
    return tried, hr_shape


def parameters(model: str) -> dict[str, Any]:
    """Return the size of a network that is compared."""
    if model in SECOND_SIZES:
        return SECOND_SIZES[model][1]
    return NETWORKS.get(model, dict(card(model).sizes["tiny"]))


def card_name(model: str) -> str:
    """Return the name of the card of a row."""
    return SECOND_SIZES[model][0] if model in SECOND_SIZES else model


def above_baseline(prediction: Prediction) -> int:
    """Return the predicted bytes above that of processes which have only imported torch."""
    one = prediction.rank_bytes - prediction.fixed_bytes["baseline"]
    return one * prediction.processes


def compare(model: str, variant: str, run: RunConfig) -> Row:
    """Predict one run, then measure it."""
    prediction: Prediction = predict(run)
    started = time.perf_counter()
    found: DryRun = dry_run(Path(run.output.dir))
    seconds = {"predict": prediction.seconds, "measure": time.perf_counter() - started}
    above = sum(rank["peak_bytes"] - rank["baseline_rss_bytes"] for rank in found.ranks)
    height, width = run.data.hr_shape
    return Row(
        model,
        variant,
        f"{run.training.batch_size} x {height} x {width}",
        above_baseline(prediction),
        above,
        prediction.tensor_bytes * prediction.processes,
        seconds,
    )


def write_dataset(root: Path, hr_shape: tuple[int, int] = HR_SHAPE) -> None:
    """Write noise with a corner of land; memory does not depend on the values."""
    values = np.random.default_rng(0)
    for split, count in STEPS.items():
        for level, factor in (("hr", 1), ("lr", SCALE)):
            height, width = hr_shape[0] // factor, hr_shape[1] // factor
            for variable in VARIABLES:
                directory = root / split / level / variable
                directory.mkdir(parents=True)
                for step in range(count):
                    field_ = values.standard_normal((height, width), dtype=np.float32)
                    field_[: height // 4, : width // 4] = np.nan
                    np.save(directory / f"{step:03d}.npy", field_)


def make_run(root: Path, run_dir: Path, model: str, changes: dict[str, Any]) -> RunConfig:
    """Freeze a run into `run_dir`, which is made: batch 2, float32, one process but for changes."""
    name = card_name(model)
    return frozen(cpu_run(data_of(root), run_dir, name, parameters(model), **changes))


def unsealed_run(
    model: str,
    params: dict[str, Any],
    changes: dict[str, Any] | None = None,
    *,
    hr_shape: tuple[int, int] = HR_SHAPE,
) -> RunConfig:
    """Return a run on a dataset that need not be there."""
    data = RunData(
        root="",
        layout="npy",
        variables=list(VARIABLES),
        scale=SCALE,
        hr_shape=list(hr_shape),
        lr_shape=[side // SCALE for side in hr_shape],
        steps=STEPS,
        fingerprint={},
    )
    return cpu_run(data, Path(), model, params, **(changes or {}))


if __name__ == "__main__":
    main(sys.argv[1:])
