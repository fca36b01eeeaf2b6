"""Scoring a split: whole fields, physical units, beside the simple methods."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from srwizard.data.baselines.choice import BICUBIC, MODEL
from srwizard.data.baselines.methods import Baseline
from srwizard.settings.run_config import RunConfig
from srwizard.train import averaging
from srwizard.train.breakdown import Breakdown
from srwizard.train.conservation import blocks_of, conserved
from srwizard.train.correction import factor_of, moved
from srwizard.train.diagnostics.diagnostic import Diagnostic, Scored, add_up
from srwizard.train.distributed import add_over_ranks, any_rank
from srwizard.train.ensembles import SUMS as ENSEMBLE_SUMS
from srwizard.train.ensembles import add_ensemble_scores, ensemble_sums
from srwizard.train.inference import apply_network
from srwizard.train.losses import sample_losses
from srwizard.train.metrics import sample_sums, scores_table, sums_length, with_truth_of
from srwizard.train.order import scoring_batches
from srwizard.train.sampling import draws_samples, members_of, noise_of
from srwizard.train.seam import seam_of
from srwizard.train.setup import Training
from srwizard.train.simple_methods import BEST


@dataclass(frozen=True)
class Score:
    """The loss of a split and the metrics of each variable, of so many members' mean."""

    loss: float
    variables: dict[str, dict[str, Any]]
    members: int = 1
    vectors: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Of the test split: what is told of pairs of variables that are components of a vector."""

    def error(self, span: Tensor) -> float:
        """Return the error that checkpoints are compared by, averaged over the variables.

        That is the RMSE over the training range, of an ensemble the fair CRPS. A variable without a
        value in this split does not count; NaN if there is none with one.
        """
        parts = [
            found["model"].get("crps", found["model"]["rmse"]) / (float(width) or 1.0)
            for found, width in zip(self.variables.values(), span, strict=True)
        ]
        known = [part for part in parts if not math.isnan(part)]
        return sum(known) / len(known) if known else math.nan


class StoppedError(Exception):
    """Scoring was asked to stop; raised on every rank alike."""


@torch.no_grad()
def score(
    training: Training,
    split: str,
    *,
    batch_limit: int | None = None,
    sampling_steps: int | None = None,
    breakdown: Breakdown | None = None,
    diagnostics: Sequence[Diagnostic] = (),
    stop_requested: Callable[[], bool] | None = None,
) -> Score:
    """Score a split over all ranks; every sample counts once.

    Of a diffusion model the mean of an ensemble is scored: see `sampling.members_of`.

    Args:
        training: network, data and statistics.
        split: "train", "valid" or "test".
        batch_limit: stop after so many batches of each rank (a dry run, which has no other limit).
        sampling_steps: of a diffusion model, if not its own (a dry run).
        breakdown: filled with where and when the errors are.
        diagnostics: filled too, only together with `breakdown`.
        stop_requested: whether this rank was asked to stop: looked at before each batch, on all
            ranks or on none.

    Raises:
        StoppedError: a rank was asked to stop.
    """
    batches = scored_batches(training, split, batch_limit, stop_requested)
    with training.whole() as own:
        return _score(own, split, batches, sampling_steps, breakdown, diagnostics)


def scored_batches(
    training: Training,
    split: str,
    batch_limit: int | None = None,
    stop_requested: Callable[[], bool] | None = None,
) -> Iterator[tuple[list[int], dict[str, Any]]]:
    """Yield the batches of this rank's share of a split, each with the indices of its samples.

    Arguments and error as `score`.
    """
    place = training.place
    shares = [
        scoring_batches(
            len(training.splits[split]),
            batch_size=scoring_batch_size(training),
            world=place.world,
            rank=rank,
        )[:batch_limit]
        for rank in (place.rank, 0)
    ]
    chosen, most = [tuple(keys) for keys in shares[0]], len(shares[1])
    batches = training.batches(split, chosen)
    for number in range(most):
        # All look as often as the first rank, which has the most: nobody gets ahead of the others
        # by more than a batch, and waits for them longer than collectives may take.
        if stop_requested is not None and any_rank(place, stop_requested()):
            raise StoppedError
        if number < len(chosen):
            yield [key.index for key in chosen[number]], next(batches)


def _score(
    training: Training,
    split: str,
    batches: Iterable[tuple[list[int], dict[str, Any]]],
    sampling_steps: int | None,
    breakdown: Breakdown | None,
    diagnostics: Sequence[Diagnostic],
) -> Score:
    place = training.place
    channels = len(training.run.data.variables)
    loss = torch.zeros(2, dtype=torch.float64)
    height, width = training.run.data.hr_shape
    model = torch.zeros(channels, sums_length((height, width)), dtype=torch.float64)
    simple = {name: torch.zeros_like(model) for name in training.simple}
    ensemble = torch.zeros(channels, len(ENSEMBLE_SUMS), dtype=torch.float64)
    count = members_of(training.bare, split)
    known = training.baseline.get(split) if breakdown is None else None
    training.bare.eval()
    for indices, batch in batches:
        members = members_drawn(training, batch, split, indices, sampling_steps)
        sr = members[0] if count == 1 else torch.stack(members).mean(dim=0)
        losses = sample_losses(
            sr, batch["hr"], batch["mask"], training.run.training.loss, batch.get("area")
        )
        loss += torch.stack(
            [losses.double().sum().cpu(), torch.tensor(float(len(losses))).double()]
        )
        truth = to_physical(training, batch["hr"], batch["base"])
        physical = to_physical(training, sr, batch["base"])
        sums = {MODEL: _sums(training, physical, truth, batch["mask"], known is None)}
        model += sums[MODEL].sum(dim=0)
        if breakdown is not None:
            breakdown.add_model(indices, physical, truth, batch["mask"])
        drawn = ensemble_sums_of(training, members, batch, truth) if count > 1 else None
        if drawn is not None:
            ensemble += drawn.sum(dim=0)
        if known is None:
            fields = {MODEL: physical}
            for name in simple:
                fields[name] = by_simple_method(training, name, batch["lr_physical"])
                sums[name] = _sums(training, fields[name], truth, batch["mask"])
                simple[name] += sums[name].sum(dim=0)
                if breakdown is not None:
                    breakdown.add_method(name, indices, fields[name], truth, batch["mask"])
            if diagnostics:
                at = Scored(
                    indices, _compared(training.run, fields), truth, batch["mask"],
                    batch["lr_physical"], _compared(training.run, sums),
                    _ensemble(training, members, batch["base"]), drawn,
                )  # fmt: skip
                for diagnostic in diagnostics:
                    diagnostic.add(at)
    loss, model = add_over_ranks(place, loss), add_over_ranks(place, model)
    ensemble = add_over_ranks(place, ensemble)
    if known is None:
        known = {name: add_over_ranks(place, sums) for name, sums in simple.items()}
        training.baseline[split] = known
    else:
        model = with_truth_of(model, known[BICUBIC])
    if breakdown is not None:
        breakdown.complete(place, model, known)
    for diagnostic in diagnostics:
        add_up(place, diagnostic)
    table = scores_table(
        training.run.data.variables, model, known, best_of(training.run), training.span.cpu()
    )
    return Score(
        loss=float(loss[0] / loss[1].clamp(min=1)),
        variables=add_ensemble_scores(table, ensemble) if count > 1 else table,
        members=count,
    )


def scoring_batch_size(training: Training) -> int:
    """Return how many whole fields are scored at once: with patches, one by one."""
    return training.run.scoring_batch


def members_drawn(
    training: Training,
    batch: Mapping[str, Tensor],
    split: str,
    indices: Sequence[int],
    sampling_steps: int | None = None,
) -> list[Tensor]:
    """Return what is scored of a batch: members, each `[B, C, H, W]`, normalized, with the gain.

    One alone of a model that draws none. See `super_resolve`; `indices` are the samples of the
    split.
    """
    seed = training.run.training.seed
    members = [
        super_resolve(training, batch, noise_of(seed, split, indices, member), sampling_steps)
        for member in range(members_of(training.bare, split))
    ]
    return moved(members, training.gain, training.run.data.variables, blocks_of(batch))


def super_resolve(
    training: Training,
    batch: Mapping[str, Tensor],
    noise: list[torch.Generator] | None = None,
    sampling_steps: int | None = None,
) -> Tensor:
    """Return normalized SR `[B, C, H, W]` of a batch, as predictions have it: in float32.

    Computed with the moving average of the weights, if there is one, and, of a model with one
    answer, times the gain.

    Args:
        training: network and run config.
        batch: of samples for scoring.
        noise: of a diffusion model, one generator for each sample; None: torch's own.
        sampling_steps: of a diffusion model, if not its own.
    """
    scale, patch = training.run.data.scale, training.run.memory.tile
    averaged = averaging.in_place_of_weights(training.averaged, training.bare)
    with averaged:
        sr = apply_network(
            training.bare,
            batch["lr"],
            noise,
            scale=scale,
            patch=patch,
            steps=sampling_steps,
            seam=seam_of(training.run),
            mask=_water(training, batch["lr"]),
        )
    if training.gain and not draws_samples(training.bare):
        sr = sr * factor_of(training.gain, training.run.data.variables).to(sr.device)
    return conserved(sr, blocks_of(batch))


def _water(training: Training, lr: Tensor) -> Tensor | None:
    """Return where predictions have values `[B, C, H, W]`, for a model that looks at it."""
    return None if training.water is None else training.water.expand(len(lr), -1, -1, -1)


def to_physical(training: Training, values: Tensor, base: Tensor) -> Tensor:
    """Turn what the network gives `[B, C, H, W]`, and its base, into physical units."""
    return base + values * training.spread


def by_simple_method(training: Training, name: str, lr: Tensor) -> Tensor:
    """Return what a simple method makes of `lr` `[B, C, h, w]` in physical units, NaN in gaps."""
    return applied(training.simple[name], lr)


def applied(methods: Sequence[Baseline], lr: Tensor) -> Tensor:
    """Return what methods, one for each variable, make of `lr` `[B, C, h, w]`."""
    fields = [
        np.stack([method(channel) for method, channel in zip(methods, sample, strict=True)])
        for sample in lr.cpu().numpy()
    ]
    return torch.from_numpy(np.stack(fields)).to(lr.device)


def best_of(run: RunConfig) -> dict[str, str]:
    """Return the name of the best simple method of each variable, by the validation split."""
    skip = run.model.skip or {}
    return {
        name: skip[name].best.choice.name if name in skip else BICUBIC
        for name in run.data.variables
    }


def _sums(training: Training, sr: Tensor, truth: Tensor, mask: Tensor, new: bool = True) -> Tensor:
    """Return the sums of SR and, where it is `new`, of the truth, of each sample."""
    return sample_sums(sr, truth, mask, training.low, training.span, truth=new).cpu()


def ensemble_sums_of(
    training: Training, members: list[Tensor], batch: Mapping[str, Tensor], truth: Tensor
) -> Tensor:
    """Return the sums `[B, C, 3]` of normalized `members`, see `ensembles.ensemble_sums`."""
    # One sample at a time: sorting all of a batch would take as much again.
    sums = []
    for i in range(len(truth)):
        base = batch["base"][i : i + 1]
        drawn = [to_physical(training, member[i : i + 1], base)[0] for member in members]
        sums.append(ensemble_sums(torch.stack(drawn), truth[i], batch["mask"][i]).cpu())
    return torch.stack(sums)


def _ensemble(training: Training, members: list[Tensor], base: Tensor) -> Tensor | None:
    """Return the members of an ensemble in physical units `[M, B, C, H, W]`; None of one alone."""
    if len(members) == 1:
        return None
    return torch.stack([to_physical(training, one, base) for one in members])


def _compared(run: RunConfig, fields: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return what `[B, C, ...]` the model, each variable's best simple method, and bicubic have."""
    best = [name if name in fields else BEST for name in best_of(run).values()]
    chosen = torch.stack([fields[name][:, channel] for channel, name in enumerate(best)], dim=1)
    return {MODEL: fields[MODEL], BEST: chosen, "bicubic": fields["bicubic"]}
