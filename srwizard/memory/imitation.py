"""A training made of fake tensors: the training core's own code, with nothing behind it.

Everything goes through `set_up`, `optimizer_step` and `score`, so that what is predicted is what
is trained. Imitated are only the dataset, whose shapes the run config knows, and the GPU: fake
CPU tensors stand in for its memory.
"""

import contextlib
import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.optim.adam import adam
from torch.utils.data import default_collate

from srwizard.base.choices import method_named
from srwizard.data.baselines.choice import METHODS
from srwizard.data.fields import WHOLE, FloatField, Window
from srwizard.data.layout import LEVELS, Contents
from srwizard.data.normalization import Statistics
from srwizard.data.normalization_methods import NORMALIZATIONS
from srwizard.data.samples import Others
from srwizard.data.split_names import SPLITS
from srwizard.memory.repeats import SAMPLING_STEPS, alike_once
from srwizard.memory.tracker import StorageTracker
from srwizard.models import gpu, pieces
from srwizard.settings.run_config import RunConfig
from srwizard.train import optimizers, scoring
from srwizard.train.diagnostics.diagnostic import Diagnostic, Scored
from srwizard.train.distributed import Place
from srwizard.train.loaders import Batches
from srwizard.train.loop import epoch_steps
from srwizard.train.metrics import sample_sums
from srwizard.train.sampling import draws_samples, members_of
from srwizard.train.saving import tensors_kept
from srwizard.train.scoring import score
from srwizard.train.setup import Training, micro_batches_of, set_learning_rate, set_up
from srwizard.train.sharding import own_part
from srwizard.train.simple_methods import BEST as BEST_METHOD
from srwizard.train.simple_methods import imagined_learnt
from srwizard.train.step import begin_step

MOST_SAMPLES = 2
"""Of a batch that is gone through one by one: they are alike, and each lets go of the one before
while it is made, so that two show the peak."""


CPU = torch.device("cpu")
CUT = pieces.cut
ENSEMBLE_SUMS, SUPER_RESOLVE = scoring.ensemble_sums_of, scoring.super_resolve
"""How a block is really cut."""


FIGURES = {"cpu": (98, 57, 40), "cuda": (0, 17, 40)}
"""Bytes of what is told of a test split (maps, distances, gradients, block means): of a point of
HR, of a variable there, and of that in each field scored at once. Fitted to dry runs on fields of
256 x 512 to 720 x 1440 with one to three variables. On a GPU those of its arrays that are there;
these are counted, not measured."""


@dataclass(frozen=True)
class NoField:
    """A series of arrays of which only number and shape are known."""

    steps: tuple[str, ...]
    shape: tuple[int, int]

    def path(self, index: int) -> Path:
        raise NotImplementedError

    def read(self, index: int, window: Window = WHOLE) -> FloatField:
        raise NotImplementedError


class FakeLoader:
    """Batches of fake tensors in the shapes of a split's, put together as a loader does."""

    def __init__(
        self,
        plan: Batches,
        run: RunConfig,
        patch_size: int | None,
        *,
        for_scoring: bool,
        fake: bool = True,
    ) -> None:
        # What real tensors happen to hold may be no number.
        self._make = partial(torch.empty if fake else torch.zeros, device=CPU)
        self._plan = plan
        self._for_scoring = for_scoring
        self._channels = run.model.out_channels
        self._inputs = run.model.in_channels + len(run.data.guides) * run.data.scale**2
        self._area_weights = run.training.area_weights
        self._conserve = run.conserves
        scale = run.data.scale
        height, width = (patch_size, patch_size) if patch_size else run.data.hr_shape
        self._hr, self._lr = (height, width), (height // scale, width // scale)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for keys in self._plan.keys:
            yield self._batch(len(keys))

    def _batch(self, count: int) -> dict[str, Any]:
        """Return a batch; HR and masks are made in it, all else is there beside it for a while."""
        hr = (count, self._channels, *self._hr)
        rooms = {"hr": self._make(hr), "mask": self._make(hr, dtype=torch.bool)}
        if count <= MOST_SAMPLES:
            return {**rooms, **default_collate([self._others() for _sample in range(count)])}
        one = default_collate([self._others()])
        shapes = {name: (part.shape[1:], part.dtype) for name, part in one.items()}
        del one
        samples = [self._make(count, *shape, dtype=kind) for shape, kind in shapes.values()]
        return rooms | dict(zip(shapes, map(self._like, samples), strict=True))

    def _like(self, part: Tensor) -> Tensor:
        return self._make(part.shape, dtype=part.dtype)

    def _others(self) -> Others:
        hr, lr = (self._channels, *self._hr), (self._channels, *self._lr)
        others = Others(lr=self._make(self._inputs, *self._lr), index=0, weight=1.0)
        if self._for_scoring:
            others["base"] = self._make(hr)
            others["lr_physical"] = self._make(lr)
        if self._area_weights:
            others["area"] = self._make(1, *self._hr)
        if self._conserve:
            others["missing"] = self._make(lr)
            others["share"], others["spread"] = self._make(hr), self._make(hr)
        return others


@contextlib.contextmanager
def cuda_autocast() -> Iterator[None]:
    """Under autocast, softmax and norms in float32, as on CUDA but not on CPU.

    Source: PyTorch's documentation, "CUDA Ops that can autocast to float32". The functions are
    replaced, because a mode would be off where checkpointed blocks are computed again.
    """
    places = (
        (torch, "softmax"), (Tensor, "softmax"), (torch, "layer_norm"), (torch, "group_norm"),
        (F, "layer_norm"), (F, "group_norm"),
    )  # fmt: skip
    with contextlib.ExitStack() as patches:
        for place, name in places:
            function = _in_float32(getattr(place, name))
            patches.enter_context(mock.patch.object(place, name, function))
        yield


def _in_float32(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def in_float32(*args: Any, **named: Any) -> Tensor:
        if torch.is_autocast_enabled("cpu"):
            args = tuple(arg.float() if isinstance(arg, Tensor) else arg for arg in args)
        return function(*args, **named)

    return in_float32


class LargestInputs(nn.Module):
    """A network that computes for inputs larger than those before; for others it makes a result.

    Tiles of a field are many and nearly all of one size, and none but the largest decides the
    peak. The first does not count: the array that tiles are put together in comes after it. Nor do
    those beside which less is held than now: a solver remembers what it saw a step before.

    Args:
        network: it.
        live_bytes: what is held now.
    """

    def __init__(self, network: nn.Module, live_bytes: Callable[[], int]) -> None:
        super().__init__()
        self.network = network
        self._live_bytes = live_bytes
        self._most = 0
        self._sizes: list[torch.Size] | None = None
        self._result: tuple[int, int, torch.dtype] | None = None

    def forward(self, x: Tensor, *others: Tensor) -> Tensor:
        """Map [B, C, h, w] to what `network` does, or to as much memory."""
        size = x.shape[-2:]
        held = self._live_bytes()
        if (
            self._result is not None
            and held <= self._most
            and any(size[0] <= larger[0] and size[1] <= larger[1] for larger in self._sizes or ())
        ):
            channels, scale, dtype = self._result
            return torch.empty(len(x), channels, scale * size[0], scale * size[1], dtype=dtype)
        self._most = max(self._most, held)
        result: Tensor = self.network(x, *others)
        self._sizes = [] if self._sizes is None else [*self._sizes, size]
        self._result = result.shape[1], result.shape[-1] // size[1], result.dtype
        return result


class Imitation:
    """One rank of a run, imitated; every method is a phase whose memory `tracker` sees.

    Args:
        run: the run config.
        tracker: what counts; entered here, after the mode that makes tensors fake.
        fake: False computes with real tensors of arbitrary values, to test against.
        device: of the fake tensors: the CPU, which stands in for a GPU's memory under any torch.
    """

    def __init__(
        self,
        run: RunConfig,
        tracker: StorageTracker,
        *,
        fake: bool = True,
        device: torch.device = CPU,
    ) -> None:
        self.run = run
        self.tracker = tracker
        self._fake = fake
        self._modes = contextlib.ExitStack()
        # What DDP holds beside a process's own is known without the others.
        world = run.devices.world_size if run.sharded else 1
        self._place = Place(0, world, device)

    def __enter__(self) -> "Imitation":
        # A network that cannot be built must not leave the modes on for whatever comes next.
        with contextlib.ExitStack() as modes:
            if self.run.sharded:
                from srwizard.memory.sharded import imagined_ranks

                modes.enter_context(imagined_ranks(self._place))
            if self._fake:
                self.tracker.remember(modes.enter_context(FakeTensorMode()))
            if self._stands_in:
                modes.enter_context(cuda_autocast())
                modes.enter_context(mock.patch.object(gpu, "computes", lambda _x: True))
                modes.enter_context(mock.patch.object(optimizers, "fused", lambda _parts: True))
            if self.run.devices.on_gpus:
                fused = mock.patch.object(F, "scaled_dot_product_attention", _fused_attention)
                modes.enter_context(fused)
            modes.enter_context(self.tracker)
            simple = mock.patch.object(scoring, "by_simple_method", self._by_simple_method)
            modes.enter_context(simple)
            self.statistics = {level: _no_statistics(self.run, level) for level in LEVELS}
            self.training = self._set_up()
            self._buckets = self._ddp_buckets()
            self._modes = modes.pop_all()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._modes.close()

    @property
    def _stands_in(self) -> bool:
        """Whether tensors of the CPU stand in for those of a GPU."""
        return self.run.devices.on_gpus and self._place.device.type == "cpu"

    def _set_up(self) -> Training:
        # `Module.to` fails on fake parameters.
        with mock.patch.object(nn.Module, "to", _moved):
            training = set_up(
                self.run, _contents(self.run, self._place), self.statistics, self._place
            )
        if self.run.model.skip is not None:
            training.simple = dict.fromkeys([*METHODS, BEST_METHOD], ())
        for tensor in (training.spread, training.low, training.span, training.water):
            if tensor is not None:
                self.tracker.register(tensor)
        for split in SPLITS:
            plan, _loader = training.loaders[split]
            patch_size = self.run.memory.patch_size if split == "train" else None
            loader: Any = FakeLoader(
                plan, self.run, patch_size, for_scoring=split != "train", fake=self._fake
            )
            training.loaders[split] = (plan, loader)
        return training

    def _ddp_buckets(self) -> Tensor | None:
        """Return what DDP holds beside the gradients: a copy of all of them, in its buckets.

        They are cut into 25 MiB each, but all of them stay; see "Internal design" in PyTorch's
        notes on DistributedDataParallel.
        """
        if self.run.devices.world_size == 1 or self.run.sharded or self.run.devices.on_gpus:
            return None  # on GPUs gradients are views of the buckets
        trained = [part for part in self.training.bare.parameters() if part.requires_grad]
        return torch.empty(sum(part.numel() for part in trained), dtype=trained[0].dtype)

    def train(self) -> None:
        """Take an optimizer step of the largest size there is, as every one after the first.

        While training goes on, the last checkpoint is written from a copy, in the main memory.
        """
        self.before_a_step()
        copy = self._copy_in_main_memory()
        self.step()
        del copy

    def before_a_step(self) -> None:
        """Make what stays from the first step on.

        That makes the optimizer's state at its end, when the activations are gone; from then on
        both are there. The state is made beforehand, by a step without a backward pass.
        """
        training = self.training
        set_learning_rate(training)
        training.objective.train()
        for part in training.bare.parameters():
            if part.requires_grad:
                part.grad = torch.zeros_like(part)
        # Adam and AdamW make theirs before they compute, which need not be gone through twice.
        with mock.patch("torch.optim.adam.adam", lambda *_parts, **_settings: None):
            training.optimizer.step()

    def step(self) -> None:
        """Take an optimizer step of the largest size there is."""
        training = self.training
        steps = epoch_steps(training)[:1]
        keys = micro_batches_of(steps)
        ahead = list(training.batches("train", keys[-1:])) if self._stands_in else []
        self._batches = training.batches("train", keys)
        with self._alike_once(), mock.patch("torch.optim.adam.adam", adam_of_the_largest):
            for step in steps:
                begin_step(training, step, self._batches)
        del ahead  # the batch that is copied to a GPU while it computes (see `feeding`)

    def _copy_in_main_memory(self) -> Tensor | None:
        if not self.run.sharded or self.run.devices.on_gpus:
            return None
        parts = map(own_part, tensors_kept(self.training).values())
        return torch.empty(sum(part.nbytes for part in parts), dtype=torch.uint8)

    def validate(self) -> None:
        """Score one batch, of as many members and with as many figures as the test split's."""
        with self.training.whole() as training, self._alike_once():
            bare, figures = training.bare, self.figures_of_a_test()
            if draws_samples(bare):
                drawn = partial(_member_by_member, lambda: self.tracker.live_bytes)
                more = members_of(bare, "test") > members_of(bare, "valid")
                with mock.patch.object(scoring, "super_resolve", drawn):
                    score(
                        training,
                        "test" if more else "valid",
                        batch_limit=1,
                        sampling_steps=SAMPLING_STEPS,
                        diagnostics=[Diagnosed()] if more else [],
                    )
            else:
                network = LargestInputs(bare, lambda: self.tracker.live_bytes)
                with alike_once(bare):
                    score(dataclasses.replace(training, bare=network), "valid", batch_limit=1)
        del figures

    def figures_of_a_test(self) -> Tensor:
        """Return what is held beside fields and scores where a test split is scored."""
        height, width = self.run.data.hr_shape
        per_point, per_value, per_scored = FIGURES["cuda" if self.run.devices.on_gpus else "cpu"]
        channels = len(self.run.data.variables)
        of_a_point = per_point + channels * (per_value + per_scored * self.run.scoring_batch)
        device = self._place.device
        return torch.empty(height * width * of_a_point, dtype=torch.uint8, device=device)

    @contextlib.contextmanager
    def _alike_once(self) -> Iterator[None]:
        """Go through what is alike only as often as the peak needs.

        Pieces that a block is cut into, and samples that are scored one by one.
        """

        def some_pieces(length: int, count: int) -> Iterator[slice]:
            first, *second = itertools.islice(CUT(length, count), 2)
            yield first
            if second:
                others = -(-length // first.stop) - 1
                with self.tracker.repeated(others):
                    yield second[0]

        def some_sums(sr: Tensor, hr: Tensor, mask: Tensor, *rest: Tensor, truth: bool) -> Tensor:
            some = slice(MOST_SAMPLES)
            return sample_sums(sr[some], hr[some], mask[some], *rest, truth=truth)

        def some_ensemble_sums(
            training: Training, members: list[Tensor], batch: Mapping[str, Tensor], truth: Tensor
        ) -> Tensor:
            return ENSEMBLE_SUMS(training, members, batch, truth[:MOST_SAMPLES])

        of_device = {"cpu": pieces.PIECE_BYTES_ELSEWHERE} if self._stands_in else {}
        with (
            mock.patch.dict(pieces.PIECE_BYTES, of_device),
            # Of real tensors, what is left out would hold anything.
            mock.patch.object(pieces, "cut", some_pieces if self._fake else CUT),
            mock.patch.object(scoring, "sample_sums", some_sums),
            mock.patch.object(scoring, "ensemble_sums_of", some_ensemble_sums),
        ):
            yield

    def _by_simple_method(self, training: Training, _name: str, lr: Tensor) -> Tensor:
        """Return a field as large as a simple method makes it, outside of torch."""
        height, width = self.run.data.hr_shape
        return torch.zeros(len(lr), training.run.model.out_channels, height, width)

    def save(self) -> None:
        """Save a checkpoint: tensors are written one by one from where they are."""

    def host_bytes(self) -> int:
        """Return what statistics and learnt methods hold beside the tensors that share memory."""
        arrays = [
            array
            for level in LEVELS
            for name, array in vars(self.statistics[level]).items()
            if level == "lr" or name == "observed"
        ]
        learnt = imagined_learnt(self.run) or {}
        arrays += [
            part
            for found in learnt.values()
            for part in vars(found).values()
            if isinstance(part, np.ndarray)
        ]
        return sum(array.nbytes for array in arrays)


class Diagnosed(Diagnostic):
    """A diagnostic that only looks: what all of them are shown of an ensemble is held for it."""

    def add(self, at: Scored) -> None:
        """Look at a batch."""


def _unknown(part: Tensor, device: torch.device) -> Tensor:
    """Return as much on another device; a single number, known though fake, would not go there."""
    return torch.empty(part.shape, dtype=part.dtype, device=device)


ATTENTION = F.scaled_dot_product_attention


def _fused_attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, **rest: Any
) -> Tensor:
    """Return attention as CUDA computes it with a mask, which a torch without CUDA would not do."""
    if attn_mask is None:  # fused on a CPU as well, which keeps as much
        return ATTENTION(query, key, value, **rest)
    mask = attn_mask.expand(*query.shape[:-1], key.shape[-2])
    attention = torch.ops.aten._scaled_dot_product_efficient_attention
    found: Tensor = attention(query, key, value, mask, compute_log_sumexp=True)[0]
    return found


def _moved(module: nn.Module, device: torch.device) -> nn.Module:
    """Move a network of fake tensors, if there is anywhere to move it to."""
    for part in module.modules() if device != CPU else ():
        for name, weight in part._parameters.items():
            if weight is not None:
                moved = nn.Parameter(weight.detach().to(device), weight.requires_grad)
                part._parameters[name] = moved
        for name, buffer in part._buffers.items():
            part._buffers[name] = None if buffer is None else _unknown(buffer, device)
    return module


ADAM: Callable[..., None] = adam
"""What really computes a step of Adam and AdamW."""


def _member_by_member(
    live_bytes: Callable[[], int], training: Training, *arguments: Any, **named: Any
) -> Tensor:
    """Draw a member: the denoiser is called in each step, for inputs of the same size.

    Each anew: the second stands beside the first one's field.
    """
    bare = training.bare
    denoiser = LargestInputs(bare.get_submodule("denoiser"), live_bytes)
    # In its place among the others: weights and their averages are exchanged in order.
    with mock.patch.dict(bare._modules, denoiser=denoiser), alike_once(bare):
        return SUPER_RESOLVE(training, *arguments, **named)


def adam_of_the_largest(*parts: list[Tensor], foreach: bool | None, **settings: Any) -> None:
    """Take a step for the largest parameter alone, unless all are taken at once.

    On a CPU one goes after the other, and each lets go of its temporaries.
    """
    if not (foreach or settings["fused"]) and parts[0]:
        largest = max(range(len(parts[0])), key=lambda place: parts[0][place].numel())
        parts = tuple([part[largest]] if part else part for part in parts)
    ADAM(*parts, foreach=foreach, **settings)


def _contents(run: RunConfig, place: Place) -> Contents:
    """Return a dataset as large as an optimizer step of the first rank, or of all there are."""
    most = run.training.batch_size * run.training.grad_accumulation
    fields = {}
    for split in SPLITS:
        share = -(-run.data.steps[split] // run.devices.world_size)
        steps = tuple(map(str, range(min(share, most) * place.world)))
        for level in LEVELS:
            for name in run.data.variables:
                fields[split, level, name] = NoField(steps, _shape(run, level))
    return Contents(Path(run.data.root), run.data.layout, fields)


def _no_statistics(run: RunConfig, level: str) -> Statistics:
    """Return statistics of the right shapes; NumPy's zeros take no memory until written to."""
    channels, shape = len(run.data.variables), _shape(run, level)
    normalization = method_named(NORMALIZATIONS, run.training.normalization)
    per_point = shape if normalization.per_point else (1, 1)

    def zeros(*size: int) -> FloatField:
        return np.zeros(size, dtype=np.float32)

    return Statistics(
        mean=zeros(channels, *per_point),
        std=zeros(channels, *per_point),
        minimum=zeros(channels),
        maximum=zeros(channels),
        observed=zeros(channels, *shape),
    )


def _shape(run: RunConfig, level: str) -> tuple[int, int]:
    height, width = run.data.hr_shape if level == "hr" else run.data.lr_shape
    return height, width
