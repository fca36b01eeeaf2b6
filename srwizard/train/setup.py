"""Everything that training works with, made from the frozen run config."""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from srwizard.data import dataset_facts, normalization
from srwizard.data.baselines.learnt import Learnt, skip_of
from srwizard.data.baselines.methods import Baseline
from srwizard.data.baselines.skip import shares, shrunk
from srwizard.data.layout import Contents
from srwizard.data.normalization import Statistics
from srwizard.data.samples import FieldPairs, Key
from srwizard.models import build, set_gradient_checkpointing
from srwizard.models.channels_last import order_weights
from srwizard.models.eager import stay_eager
from srwizard.runs.progress import Progress
from srwizard.settings import run_config
from srwizard.settings.run_config import RunConfig
from srwizard.train import averaging, sharding
from srwizard.train.averaging import Averaged
from srwizard.train.distributed import Place, from_all_ranks
from srwizard.train.feeding import on_device
from srwizard.train.loaders import Batches, loader_of, started
from srwizard.train.objective import Objective
from srwizard.train.optimizers import build_optimizer
from srwizard.train.order import Step
from srwizard.train.sampling import uses_mask
from srwizard.train.schedule import learning_rate
from srwizard.train.seam import seam_of
from srwizard.train.simple_methods import simple_methods


@dataclass(frozen=True)
class Saving:
    """A checkpoint that is being written: of which run, where, and when it is done.

    Where each rank writes its part, `directory` is that; else rank 0 writes a file.
    """

    run_dir: Path
    directory: Path | None
    done: "Future[Any]"


@dataclass
class Training:
    """The parts of a training in one process.

    `objective` is what is minimized (wrapped in DDP if there are several ranks, or sharded over
    them), `bare` the network in it, `skeleton` that network without weights, if it is sharded,
    `averaged` the moving averages of its weights, if there are any; `amp_dtype` the 16-bit type of
    all ranks, which only mixed precision uses; `spread` `[C, H, W]` or
    `[C, 1, 1]` is what the network's output is multiplied with, in physical units, before the base
    of a sample is added; `simple` are the simple methods that it is compared with, by name, one
    for each channel; `low`, `span` `[C]` are the range of the training split.
    """

    run: RunConfig
    place: Place
    splits: dict[str, FieldPairs]
    loaders: dict[str, tuple[Batches, DataLoader[Any]]]
    objective: nn.Module
    bare: nn.Module
    averaged: Averaged | None
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    amp_dtype: torch.dtype
    spread: Tensor
    simple: dict[str, Sequence[Baseline]]
    low: Tensor
    span: Tensor
    progress: Progress = field(default_factory=Progress)
    baseline: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    """Sums of the simple methods for each split: the same in every validation."""
    gain: dict[str, float] = field(default_factory=dict)
    """What the network's output is multiplied with, for each variable; 1 where it is not there."""
    water: Tensor | None = None
    """Where HR has ever had a value `[C, H, W]`, if the network looks at it."""
    skeleton: nn.Module | None = None
    saving: Saving | None = None
    """The checkpoint that is being written while training goes on."""

    @contextlib.contextmanager
    def whole(self, *, averaged: bool = True) -> Iterator["Training"]:
        """Give a training whose network each rank can use by itself, as scoring does.

        Where the weights are sharded, these are whole copies of them, or of their averages, for
        as long as this lasts; every rank has to ask.
        """
        if self.skeleton is None:
            yield self
            return
        own = dict(self.bare.named_parameters())
        weights = (self.averaged if averaged else None) or own
        self.skeleton.train(self.bare.training)
        with sharding.filled(self.skeleton, weights) as network:
            objective = Objective(network, self.run.training, training_seam(self.run))
            yield dataclasses.replace(
                self, objective=objective, bare=network, averaged=None, skeleton=None
            )

    def batches(self, split: str, keys: list[tuple[Key, ...]]) -> Iterator[dict[str, Any]]:
        """Yield batches of a split, on this process's device.

        Its loader processes begin to read at once, before the first batch is asked for.
        """
        plan, loader = self.loaders[split]
        plan.keys = keys
        return on_device(started(loader), self.place.device)

    def autocast(self) -> torch.autocast:
        """Return the context in which the network computes."""
        return torch.autocast(
            self.place.device.type,
            dtype=self.amp_dtype,
            enabled=self.run.memory.use_amp,
        )


def amp_dtype(device: torch.device) -> torch.dtype:
    """Return bfloat16, or float16 on a GPU that has no bfloat16."""
    if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.float16
    return torch.bfloat16


def common_amp_dtype(place: Place) -> torch.dtype:
    """Return the 16-bit type of all ranks: float16 if one of them has no bfloat16.

    With types of their own, the gradients of some would be scaled and those of others not.
    """
    if place.device.type != "cuda":
        return amp_dtype(place.device)
    kinds = from_all_ranks(place, amp_dtype(place.device))
    return torch.float16 if torch.float16 in kinds else torch.bfloat16


def set_up(
    run: RunConfig,
    contents: Contents,
    statistics: dict[str, Statistics],
    place: Place,
    *,
    learnt: Mapping[str, Learnt] | None = None,
    whole_fields: bool = False,
) -> Training:
    """Make network, optimizer and loaders.

    Args:
        run: the frozen run config.
        contents: its dataset.
        statistics: of the training split.
        place: this process's rank and device.
        learnt: the simple methods of a run that has a skip.
        whole_fields: read the training split by whole fields too, to score it.
    """
    stay_eager()
    patch_size = None if whole_fields else run.memory.patch_size
    torch.manual_seed(run.training.seed)
    sharded = run.memory.shard and place.world > 1
    bare = build_network(run)
    set_gradient_checkpointing(bare, run.memory.gradient_checkpointing)
    skeleton = sharding.without_weights(bare) if sharded else None
    objective: nn.Module = Objective(bare, run.training, training_seam(run))
    if sharded:  # each block goes to the device by itself: all of it need not fit there
        objective = sharding.shard(objective, place)
    else:
        if place.device.type == "cuda":
            order_weights(bare)
        objective = _wrapped(objective.to(place.device), place)
    if place.rank > 0:  # equal weights, but noise and dropout of their own
        torch.manual_seed(run.training.seed + place.rank)
    skip = None
    if learnt is not None:
        skip = skip_of([learnt[name] for name in run.data.variables])
        statistics = statistics | {"lr": shrunk(statistics["lr"], shares(skip.methods))}
    splits = {
        split: FieldPairs(
            contents,
            split,
            run.data.variables,
            run.data.scale,
            statistics,
            patch_size if split == "train" else None,
            skip=skip,
            for_scoring=whole_fields or split != "train",
            augment=bool(run.training.augment) and split == "train" and not whole_fields,
            vectors=[
                (run.data.variables.index(east), run.data.variables.index(north))
                for east, north in run.data.vectors or ()
            ],
            handedness=run.data.handedness if _is_square(run, patch_size) else 0,
            static_variables=run.data.static_variables,
            guides=run.data.static_guides,
            guide_scales={name: run.data.guide_scales[name] for name in run.data.varying_guides},
            area_weights=run.training.area_weights,
            conserve=run.conserves,
            block_means=run.data.block_means,
            periodic=run.data.periodic,
            patches_go_round=run.data.patches_go_round,
        )
        for split in ("train", "valid", "test")
    }
    narrow = common_amp_dtype(place) if run.memory.use_amp else torch.bfloat16
    hr = statistics["hr"]
    spread = hr.std if skip is None else skip.spread
    low, high = (torch.from_numpy(part).to(place.device) for part in (hr.minimum, hr.maximum))
    return Training(
        run=run,
        place=place,
        splits=splits,
        loaders={split: loader_of(pairs, run, place, split) for split, pairs in splits.items()},
        objective=objective,
        bare=bare,
        skeleton=skeleton,
        averaged=None if run.training.ema_decay is None else averaging.start(bare),
        optimizer=build_optimizer(bare, run.training),
        scaler=torch.amp.GradScaler(
            place.device.type,
            enabled=run.memory.use_amp and narrow == torch.float16,
        ),
        amp_dtype=narrow,
        spread=torch.from_numpy(spread).to(place.device),
        simple=simple_methods(run, learnt),
        low=low,
        span=high - low,
        water=torch.from_numpy(hr.observed > 0).to(place.device) if uses_mask(bare) else None,
    )


def _is_square(run: RunConfig, patch_size: int | None) -> bool:
    return patch_size is not None or run.data.hr_shape[0] == run.data.hr_shape[1]


def training_seam(run: RunConfig) -> int:
    """Return by how many LR columns training samples are widened: only whole fields go round."""
    return seam_of(run) if run.memory.patch_size is None else 0


def build_network(run: RunConfig) -> nn.Module:
    """Build the network of a run, untrained, on the CPU."""
    return build(
        run.model.name,
        in_channels=run.model.in_channels,
        out_channels=run.model.out_channels,
        scale=run.data.scale,
        guides=len(run.data.guides),
        params=run.model.params,
        global_skip=run.model.global_skip,
        starts_from_zero=run.model.skip is not None,
    )


def set_learning_rate(training: Training) -> None:
    """Set the learning rate of the step that comes next."""
    settings, progress = training.run.training, training.progress
    done = progress.epoch - 1 + progress.samples_in_epoch / len(training.splits["train"])
    before = settings.schedule_from
    schedule = settings.model_copy(update={"epochs": settings.epochs - before})
    lr = learning_rate(schedule, max(done - before, 0), progress.reductions)
    for group in training.optimizer.param_groups:
        group.update(lr=lr, weight_decay=settings.weight_decay)


def load_statistics(run: RunConfig, run_dir: Path, contents: Contents) -> dict[str, Statistics]:
    """Return the statistics of the training split, computed once for each run directory.

    Mostly the wizard has left them there, as the fit of the simple methods has found them.
    """
    key = run_config.statistics_key(run)
    stored = normalization.load(run_dir / normalization.FILE_NAME, key)
    if stored is not None:
        return stored
    computed = normalization.statistics(contents, run.data.variables, run.training.normalization)
    normalization.save(run_dir / normalization.FILE_NAME, computed, key)
    return computed


def keep_dataset_facts(run: RunConfig, run_dir: Path, contents: Contents) -> None:
    """Write beside a run what its dataset says besides its fields, for those who use the run."""
    key, path = run_config.statistics_key(run), run_dir / dataset_facts.FILE_NAME
    if dataset_facts.load(path, key, run.data.shapes) is None:
        facts = dataset_facts.facts_of(contents, run.data.described, run.data.shapes)
        dataset_facts.save(path, facts, key)


def micro_batches_of(steps: list[Step]) -> list[tuple[Key, ...]]:
    """Return the micro-batches of all steps, one after the other, as the loader reads them."""
    return [batch for step in steps for batch in step.micro_batches]


def _wrapped(objective: nn.Module, place: Place) -> nn.Module:
    if place.world == 1:
        return objective
    if place.device.type != "cuda":
        return DistributedDataParallel(objective)
    return DistributedDataParallel(
        objective,
        device_ids=[place.device.index],
        gradient_as_bucket_view=True,  # no second copy of all gradients
        broadcast_buffers=False,  # they are constants, equal on all ranks
        # No static_graph: it saves the search for parameters without gradient, which there is not,
        # since all have one in every step. With no_sync it fails in the first backward pass, or
        # exchanges no gradients after it (pytorch/pytorch#143580, #187732).
    )
