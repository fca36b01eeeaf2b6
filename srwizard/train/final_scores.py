"""What is told of the test split once training has ended: scores, figures, example fields."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import torch
from torch import Tensor

from srwizard.base import files
from srwizard.data.baselines.choice import BICUBIC
from srwizard.data.fields import FloatField
from srwizard.data.layout import Contents
from srwizard.data.samples import Key
from srwizard.data.statics import static_files
from srwizard.train.breakdown import Breakdown
from srwizard.train.diagnostics.all import diagnostics_of, told_of
from srwizard.train.diagnostics.diagnostic import Diagnostic
from srwizard.train.sampling import members_of
from srwizard.train.scoring import Score, applied, best_of, members_drawn, score, to_physical
from srwizard.train.setup import Training
from srwizard.train.simple_methods import BEST


class Filled(TypedDict):
    """What is filled while a test split is scored."""

    breakdown: Breakdown
    diagnostics: list[Diagnostic]


def to_be_filled(training: Training, contents: Contents) -> Filled:
    """Return all that is told of a test split, empty, to be given to `score`."""
    pairs, members = training.splits["test"], members_of(training.bare, "test")
    span = training.span.cpu().numpy()
    return {
        "breakdown": Breakdown.empty(
            shown_methods(training), training.run.data.hr_shape[0], len(pairs)
        ),
        "diagnostics": diagnostics_of(training.run, contents, pairs, members, span),
    }


def score_test(training: Training, breakdown_file: Path, contents: Contents) -> Score:
    """Score the test split, with all that is told of one, and write the arrays for the report."""
    variables, pairs = training.run.data.variables, training.splits["test"]
    filled = to_be_filled(training, contents)
    breakdown, diagnostics = filled["breakdown"], filled["diagnostics"]
    found = score(training, "test", **filled)
    for name, told in told_of(diagnostics).items():
        place = found.variables if name in found.variables else found.vectors
        place[name] = place.get(name, {}) | told
    if training.place.is_first:
        arrays = {name: values for one in diagnostics for name, values in one.arrays().items()}
        best = list(best_of(training.run).values())
        breakdown.save(breakdown_file, variables, pairs.steps, best, arrays)
    return found


@torch.no_grad()
def save_examples(training: Training, contents: Contents, path: Path, count: int = 2) -> None:
    """Write `count` test steps, spread over the split, for the report: LR, bicubic, SR, HR.

    Where another simple method is better, that is there too, as `best`.

    One rank does this; where the weights are sharded, with a training that is `whole`.

    Arrays are `[K, C, ...]` in physical units, NaN where HR (LR) has no value. Of a diffusion
    model SR is the mean of the ensemble; `member` is one of it and `spread` its standard deviation.
    """
    pairs = training.splits["test"]
    chosen = sorted({round(place * (len(pairs) - 1) / max(count - 1, 1)) for place in range(count)})
    training.bare.eval()
    beside = {
        shown: [training.simple[name][channel] for channel, name in enumerate(names)]
        for shown, names in zip((BICUBIC, BEST), shown_methods(training), strict=False)
    }
    arrays: dict[str, list[FloatField]] = {}
    keys: list[tuple[Key, ...]] = [(Key(index),) for index in chosen]
    for index, batch in zip(chosen, training.batches("test", keys), strict=True):
        land = ~batch["mask"]
        fields = {
            **{shown: applied(methods, batch["lr_physical"]) for shown, methods in beside.items()},
            "hr": to_physical(training, batch["hr"], batch["base"]),
            **_drawn(training, batch, index),
        }
        for name, values in fields.items():
            shown = values.masked_fill(land, torch.nan)[0].cpu().numpy()
            arrays.setdefault(name, []).append(shown)
    found = [contents.fields["test", "lr", name] for name in training.run.data.variables]
    arrays["lr"] = [np.stack([part.read(index) for part in found]) for index in chosen]
    stored: dict[str, Any] = {name: np.stack(values) for name, values in arrays.items()}
    stored |= _coordinates(contents)
    stored["names"] = np.array([pairs.steps[index] for index in chosen])
    stored["variables"] = np.array(training.run.data.variables)
    stored["best_names"] = np.array(list(best_of(training.run).values()))
    path.parent.mkdir(exist_ok=True)
    files.write_with(path, lambda stream: np.savez_compressed(stream, **stored))


def _drawn(training: Training, batch: Mapping[str, Tensor], index: int) -> dict[str, Tensor]:
    """Return SR of one test step `[1, C, H, W]`, with a member and the spread of an ensemble."""
    drawn = members_drawn(training, batch, "test", [index])
    members = torch.stack([to_physical(training, one, batch["base"]) for one in drawn])
    if len(members) == 1:
        return {"sr": members[0]}
    return {"sr": members.mean(dim=0), "member": members[0], "spread": members.std(dim=0)}


def _coordinates(contents: Contents) -> dict[str, Any]:
    """Return lon and lat of the HR grid from the static variables, where they are there."""
    there = static_files(contents, "hr")
    return {
        name: np.load(there[name], allow_pickle=False) for name in ("lon", "lat") if name in there
    }


def shown_methods(training: Training) -> list[list[str]]:
    """Return the keys in `training.simple` of what stands beside the model, by variable.

    That is bicubic interpolation and, unless it is the best for all of them, the best method.
    """
    best = [name if name in training.simple else BEST for name in best_of(training.run).values()]
    bicubic: list[str] = [BICUBIC] * len(best)
    return [bicubic] if best == bicubic else [bicubic, best]
