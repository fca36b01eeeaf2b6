"""Scoring a split: whole fields, physical units, beside bicubic interpolation."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from srwizard import files
from srwizard.data.fields import FloatField
from srwizard.data.layout import Contents
from srwizard.data.samples import Key
from srwizard.train.distributed import add_over_ranks
from srwizard.train.losses import sample_losses
from srwizard.train.metrics import SUMS, masked_sums, scores_table
from srwizard.train.order import scoring_batches
from srwizard.train.setup import Training
from srwizard.train.tiling import super_resolve_tiled


@dataclass(frozen=True)
class Score:
    """The loss of a split and the metrics of each variable."""

    loss: float
    variables: dict[str, dict[str, Any]]

    def error(self, span: Tensor) -> float:
        """Return the RMSE over the training range, averaged over the variables.

        A variable without a value in this split does not count; NaN if there is none with one.
        """
        parts = [
            found["model"]["rmse"] / (float(width) or 1.0)
            for found, width in zip(self.variables.values(), span, strict=True)
        ]
        known = [part for part in parts if not math.isnan(part)]
        return sum(known) / len(known) if known else math.nan


@torch.no_grad()
def score(
    training: Training,
    split: str,
    *,
    batch_limit: int | None = None,
) -> Score:
    """Score a split over all ranks; every sample counts once.

    Args:
        training: network, data and statistics.
        split: "train", "valid" or "test".
        batch_limit: stop after so many batches of each rank (a dry run).
    """
    place = training.place
    batches = scoring_batches(
        len(training.splits[split]),
        batch_size=scoring_batch_size(training),
        world=place.world,
        rank=place.rank,
    )
    channels = len(training.run.data.variables)
    loss = torch.zeros(2, dtype=torch.float64)
    model = torch.zeros(channels, len(SUMS), dtype=torch.float64)
    bicubic = torch.zeros_like(model)
    known = training.baseline.get(split)
    training.bare.eval()
    for batch in training.batches(split, [tuple(keys) for keys in batches[:batch_limit]]):
        sr = super_resolve(training, batch["lr"])
        losses = sample_losses(sr, batch["hr"], batch["mask"], training.run.training.loss)
        loss += torch.stack(
            [losses.double().sum().cpu(), torch.tensor(float(len(losses))).double()]
        )
        truth = to_physical(training, batch["hr"])
        model += _sums(training, to_physical(training, sr), truth, batch["mask"])
        if known is None:
            baseline = upsample(batch["bicubic_input"], training.run.data.scale)
            bicubic += _sums(training, baseline, truth, batch["mask"])
    loss, model = add_over_ranks(place, loss), add_over_ranks(place, model)
    if known is None:
        known = add_over_ranks(place, bicubic)
        if batch_limit is None:
            training.baseline[split] = known
    return Score(
        loss=float(loss[0] / loss[1].clamp(min=1)),
        variables=scores_table(training.run.data.variables, model, known, training.span.cpu()),
    )


def scoring_batch_size(training: Training) -> int:
    """Return how many whole fields are scored at once: with patches, one by one."""
    return 1 if training.run.memory.patch_size else training.run.training.batch_size


def super_resolve(training: Training, lr: Tensor) -> Tensor:
    """Return normalized SR `[B, C, H, W]` of normalized `lr` `[B, C, h, w]`, in float32."""
    scale, patch = training.run.data.scale, training.run.memory.patch_size
    with training.autocast():
        if patch is None:
            return training.bare(lr).float()  # type: ignore[no-any-return]
        return super_resolve_tiled(training.bare, lr, scale, patch // scale)


def to_physical(training: Training, values: Tensor) -> Tensor:
    """Turn normalized `[B, C, H, W]` into physical units."""
    return values * training.hr_std + training.hr_mean


def upsample(lr: Tensor, scale: int) -> Tensor:
    """Interpolate `[B, C, h, w]` bicubically to `[B, C, H, W]`: the baseline."""
    return F.interpolate(lr, scale_factor=scale, mode="bicubic", align_corners=False)


def _sums(training: Training, sr: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    return masked_sums(sr, truth, mask, training.low, training.span).cpu()


@torch.no_grad()
def save_examples(training: Training, contents: Contents, path: Path, count: int = 2) -> None:
    """Write `count` test steps, spread over the split, for the report: LR, bicubic, SR, HR.

    Arrays are `[K, C, ...]` in physical units, NaN where HR (LR) has no value.
    """
    pairs = training.splits["test"]
    chosen = sorted({round(place * (len(pairs) - 1) / max(count - 1, 1)) for place in range(count)})
    training.bare.eval()
    arrays: dict[str, list[FloatField]] = {name: [] for name in ("lr", "bicubic", "sr", "hr")}
    for batch in training.batches("test", [(Key(index),) for index in chosen]):
        land = ~batch["mask"]
        lr = batch["bicubic_input"]
        fields = {
            "bicubic": upsample(lr, training.run.data.scale),
            "sr": to_physical(training, super_resolve(training, batch["lr"])),
            "hr": to_physical(training, batch["hr"]),
        }
        for name, values in fields.items():
            arrays[name].append(values.masked_fill(land, torch.nan)[0].cpu().numpy())
    for index in chosen:
        found = [contents.fields["test", "lr", name] for name in training.run.data.variables]
        arrays["lr"].append(np.stack([part.read(index) for part in found]))
    stored: dict[str, Any] = {name: np.stack(values) for name, values in arrays.items()}
    stored |= _coordinates(contents)
    stored["names"] = np.array([pairs.steps[index] for index in chosen])
    stored["variables"] = np.array(training.run.data.variables)
    path.parent.mkdir(exist_ok=True)
    files.write_with(path, lambda stream: np.savez_compressed(stream, **stored))


def _coordinates(contents: Contents) -> dict[str, Any]:
    """Return lon and lat of the HR grid from the static variables, where they are there."""
    found = {}
    for path in contents.statics.get("hr", ()):
        name = path.stem.split("_", 1)[-1].lower()
        for wanted in ("lon", "lat"):
            if name.startswith(wanted):
                found[wanted] = np.load(path, allow_pickle=False)
    return found
