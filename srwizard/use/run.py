"""`load_run`: a trained run as an object that super-resolves arrays."""

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from srwizard.base.choices import method_named
from srwizard.base.errors import DoesNotFitError, UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.i18n import translate_count as _n
from srwizard.base.typed_paths import at_home
from srwizard.data.baselines.skip import Skip
from srwizard.data.block_means import block_shares, expanded
from srwizard.data.coordinates import Grid
from srwizard.data.fields import FloatField
from srwizard.data.gaps import NearestFill
from srwizard.data.guides import as_blocks, scaled
from srwizard.data.longitudes import goes_on_at_its_beginning
from srwizard.data.normalization_methods import NORMALIZATIONS
from srwizard.runs.failure_kinds import recognise
from srwizard.runs.records import Records, measured
from srwizard.runs.run_state import RunState, state_title
from srwizard.settings import run_config
from srwizard.settings.run_config import RunConfig
from srwizard.settings.tiles import OVERLAP
from srwizard.train.conservation import Blocks, blocks_for, conserved
from srwizard.train.correction import moved
from srwizard.train.inference import apply_network
from srwizard.train.sampling import draws_samples, members_of, noise_of
from srwizard.train.seam import seam_across
from srwizard.train.setup import amp_dtype
from srwizard.use.bundle import is_bundle, load_bundle
from srwizard.use.grids import difference, refusal, refuse_flipped
from srwizard.use.plain_array import plain_array
from srwizard.use.plausible import check_guides, check_values
from srwizard.use.preprocessing import (
    Preprocessing,
    read_preprocessing,
    unknown_grid_notices,
)
from srwizard.use.weights import Checkpoint, Name, load_network


class Run:
    """A trained run; made by `load_run`.

    Attributes:
        directory: the run directory.
        config: the frozen run config.
        checkpoint: which weights are used.
        network: `[B, C + S, h, w] -> [B, C, H, W]`, normalized; S are static fields and guides.
        device: where it computes.
        amp: whether the network computes in 16 bits.
        notices: what one should know: another checkpoint is used, the run is not complete.
    """

    def __init__(
        self,
        directory: Path,
        config: RunConfig,
        network: nn.Module,
        checkpoint: Checkpoint,
        preprocessing: Preprocessing,
        device: torch.device,
        notices: tuple[str, ...] = (),
        *,
        amp: bool = False,
    ) -> None:
        self.directory = directory
        self.config = config
        self.network = network.to(device)
        self.checkpoint = checkpoint
        self.device = device
        self.amp = amp
        self.notices = notices
        self.preprocessing = preprocessing
        self._by_periodicity: dict[bool, tuple[Skip | None, list[NearestFill]]] = {}
        self._static = torch.from_numpy(preprocessing.static).to(device)

    @property
    def variables(self) -> tuple[str, ...]:
        """The channels of input and output, in order."""
        return tuple(self.config.data.variables)

    @property
    def scale(self) -> int:
        """HR/LR in both directions."""
        return self.config.data.scale

    @property
    def lr_grid(self) -> Grid:
        """Shape and, as far as known, coordinates of the low-resolution grid of the training."""
        return self.preprocessing.facts.grids["lr"]

    @property
    def hr_grid(self) -> Grid:
        """Shape and, as far as known, coordinates of the high-resolution grid of the training."""
        return self.preprocessing.facts.grids["hr"]

    @property
    def draws_samples(self) -> bool:
        """Whether this is a diffusion model, whose output is one of many."""
        return draws_samples(self.network)

    @property
    def ensemble_members(self) -> int:
        """How many members are drawn unless told otherwise; 1 for a model that is no diffusion."""
        return members_of(self.network, "test")

    @property
    def guides(self) -> tuple[str, ...]:
        """The HR fields that are needed of every step beside LR, in order."""
        return tuple(self.config.data.varying_guides)

    @property
    def guide_scales(self) -> dict[str, list[float]]:
        """Mean and spread of each of the `guides` in the training split."""
        return {name: self.config.data.guide_scales[name] for name in self.guides}

    @property
    def water(self) -> npt.NDArray[np.bool_]:
        """`[H, W]`, where some variable had a value in the training."""
        found: npt.NDArray[np.bool_] = np.any(
            self.preprocessing.statistics["hr"].observed > 0, axis=0
        )
        return found

    def predict(
        self,
        lr: npt.NDArray[np.floating[Any]],
        *,
        guides: npt.NDArray[np.floating[Any]] | None = None,
        members: int | None = None,
    ) -> FloatField:
        """Super-resolve one step or several.

        Args:
            lr: `[C, h, w]` or `[N, C, h, w]` in physical units, the channels being `variables`;
                NaN on land and wherever there is no value.
            guides: `[G, H, W]` or `[N, G, H, W]`, those of `guides`; None where there are none.
            members: of a diffusion model, how many samples the mean is taken of; None: as many
                as its evaluation takes.

        Returns:
            `[C, H, W]` or `[N, C, H, W]` in physical units, NaN on land.

        Raises:
            UsageError: an array of another shape, or `members` of a model that has none.
            DatasetError: another grid than the run can be used on, or values that cannot be.
        """
        return self._of_each_step(lr, guides, _mean, members)

    def sample(
        self,
        lr: npt.NDArray[np.floating[Any]],
        *,
        guides: npt.NDArray[np.floating[Any]] | None = None,
        members: int | None = None,
    ) -> FloatField:
        """Return what `predict` takes the mean of: `[M, C, H, W]`, or `[N, M, C, H, W]`.

        The members of a step depend on the run's seed and on the place of the step in `lr`.
        """
        return self._of_each_step(lr, guides, _all, members)

    def metrics(self) -> dict[str, Any]:
        """Return what training measured: `epochs`, a list, and `test`, None where there is none.

        They are the events of metrics.jsonl; see the run directory in the documentation.
        """
        found = measured(self.directory)
        return {"epochs": found.epochs, "test": found.test}

    def check_grid(self, grid: Grid, where: str) -> bool:
        """Return whether `grid` is that of the training, as far as it is known.

        Args:
            grid: of the low-resolution input.
            where: the input, for the message.

        Raises:
            DatasetError: it is another one, and the run cannot be used there; or it is upside down
                or mirrored, on whatever grid.
        """
        refuse_flipped(where, grid, self.lr_grid)
        found = difference(grid, self.lr_grid)
        if found is None:
            return True
        normalization = method_named(NORMALIZATIONS, self.config.training.normalization)
        if normalization.per_point:
            why = _(
                "The run normalizes every grid point by itself ({name}).", name=normalization.name
            )
            raise refusal(where, found, why=why)
        skip = self.preprocessing.skip
        if skip is not None and skip.fixed_to_the_grid:
            why = _("The run starts from the climatology of its grid.")
            raise refusal(where, found, why=why)
        static = [*self.config.data.static_variables, *self.config.data.guides]
        if static:
            why = _("The run takes static fields of its grid as input: {names}.",
                    names=", ".join(static))  # fmt: skip
            raise refusal(where, found, why=why)
        return False

    def goes_round(self, grid: Grid, *, at_home: bool) -> bool:
        """Return whether the last column of an input is the western neighbour of its first.

        Args:
            grid: of the input.
            at_home: whether that is the grid of the training, as far as both are known.
        """
        if at_home and (grid.longitude is None or self.lr_grid.longitude is not None):
            return self.config.data.periodic
        return grid.longitude is not None and goes_on_at_its_beginning(grid.longitude)

    def members_of_step(
        self,
        lr: npt.NDArray[np.floating[Any]],
        index: int,
        count: int,
        *,
        at_home: bool,
        periodic: bool,
        guides: FloatField | None = None,
    ) -> FloatField:
        """Return `count` members `[M, C, H, W]` of one step.

        Args:
            lr: `[C, h, w]` in physical units.
            index: number of the step, which the noise of a diffusion model follows from.
            count: see above; 1 for a model that is no diffusion.
            at_home: whether `lr` is on the grid of the training; its land is then known.
            periodic: whether it goes round the globe, from `goes_round`.
            guides: `[G, H, W]` of the step, those of `guides`.

        Raises:
            UsageError: there are other guides than the run takes.
            DatasetError: a guide has gaps in the water.
        """
        lr = lr.astype(np.float32)
        land = self._without_value(lr, at_home=at_home)
        water = torch.from_numpy(~self._land(lr, at_home=at_home)).to(self.device)[None]
        normalized = self._with_guides(self._normalized(lr, periodic=periodic), guides)
        patch = tile_side(self.config, (lr.shape[1], lr.shape[2]))
        base, spread = self._base(lr, periodic=periodic)
        blocks = self._blocks(lr, base, spread, at_home=at_home)
        seam = seam_across(lr.shape[2]) if periodic else 0
        drawn = []
        for member in range(count):
            noise = noise_of(self.config.training.seed, "test", [index], member)
            sr = self._applied(normalized, noise, patch, water, seam)
            drawn.append(conserved(sr.cpu(), blocks))
        with_gain = moved(drawn, self.checkpoint.gain, self.variables, blocks)
        members: FloatField = torch.cat(with_gain).numpy() * spread + base
        members[:, land] = np.nan
        return members

    def member_count(self, wanted: int | None) -> int:
        """Return how many members to draw.

        Raises:
            UsageError: less than one, or this is no diffusion model.
        """
        if wanted is None:
            return self.ensemble_members
        if not isinstance(wanted, int | np.integer):
            raise UsageError(_("members: {value} is not a whole number", value=repr(wanted)))
        if not self.draws_samples:
            raise UsageError(
                _("{model} gives one result for each field: there are no ensemble members.",
                  model=self.config.model.name),
                _("Leave --members out; it is for diffusion models."),
            )  # fmt: skip
        if wanted < 1:
            raise UsageError(_("{members} members: there must be at least 1", members=wanted))
        return wanted

    def _of_each_step(
        self,
        lr: npt.NDArray[np.floating[Any]],
        guides: npt.NDArray[np.floating[Any]] | None,
        of_members: Callable[[FloatField], FloatField],
        wanted: int | None,
    ) -> FloatField:
        count = self.member_count(wanted)
        lr = plain_array(lr, "lr")
        guides = None if guides is None else plain_array(guides, "guides")
        steps = lr[None] if lr.ndim == 3 else lr
        if steps.ndim != 4 or steps.shape[1] != len(self.variables) or 0 in steps.shape:
            raise UsageError(
                _n(
                    "an array of shape {shape} is not [C, h, w] or [N, C, h, w] with {channels} "
                    "channel: {names}",
                    "an array of shape {shape} is not [C, h, w] or [N, C, h, w] with {channels} "
                    "channels: {names}",
                    len(self.variables),
                    shape=list(lr.shape),
                    channels=len(self.variables),
                    names=", ".join(self.variables),
                ),
            )
        grid = Grid((steps.shape[2], steps.shape[3]), None, None)
        at_home = self.check_grid(grid, _("the array"))
        periodic = self.goes_round(grid, at_home=at_home)
        for index, step in enumerate(steps):
            known = self.preprocessing.statistics["hr"]
            check_values(self.variables, known, step, _("the array"), str(index))
        beside = guides[None] if guides is not None and lr.ndim == 3 else guides
        if beside is not None and len(beside) != len(steps):
            raise UsageError(
                _(
                    "steps of guides: {guides}, but of lr: {steps}",
                    guides=len(beside),
                    steps=len(steps),
                )
            )
        if beside is not None and beside.ndim == 4:
            for index, fields in enumerate(beside):
                check_guides(self.guide_scales, self.water, fields, _("the array"), str(index))
        results = [
            of_members(
                self.members_of_step(
                    step, index, count, at_home=at_home, periodic=periodic,
                    guides=None if beside is None else beside[index].astype(np.float32),
                )
            )
            for index, step in enumerate(steps)
        ]  # fmt: skip
        return results[0] if lr.ndim == 3 else np.stack(results)

    def _parts_on(self, *, periodic: bool) -> tuple[Skip | None, list[NearestFill]]:
        """Return the skip, and what fills the gaps of each variable, kept from step to step."""
        if periodic not in self._by_periodicity:
            skip = self.preprocessing.skip
            self._by_periodicity[periodic] = (
                None if skip is None else skip.on(periodic=periodic),
                [NearestFill(periodic=periodic) for _name in self.variables],
            )
        return self._by_periodicity[periodic]

    def _normalized(self, lr: FloatField, *, periodic: bool) -> Tensor:
        """Return the network's input `[1, C + S, h, w]`, made as training makes it."""
        found = self.preprocessing.statistics["lr"]
        skip, fills = self._parts_on(periodic=periodic)
        if skip is None:
            values = (lr - found.mean) / found.std
        else:
            values = skip.normalized(lr, found.mean, found.std)
        filled = [fill(part) for fill, part in zip(fills, values, strict=True)]
        channels = torch.from_numpy(np.stack(filled)).to(self.device)
        if not len(self._static):
            return channels[None]  # on any grid
        return torch.cat([channels, self._static])[None]

    def _with_guides(self, seen: Tensor, guides: FloatField | None) -> Tensor:
        """Return the input with the blocks of the guides that are needed of every step."""
        height, width = self.config.data.hr_shape
        wanted = (len(self.guides), height, width)
        if (guides.shape if guides is not None else (0, height, width)) != wanted:
            raise UsageError(
                _("the run takes {names} at high resolution as guides: {wanted} of every step, "
                  "not {found}",
                  names=", ".join(self.guides) or _("nothing"), wanted=list(wanted),
                  found=_("none") if guides is None else list(guides.shape)),
                _("srwizard predict: --guide FILE; load_run: predict(lr, guides=...)."),
            )  # fmt: skip
        if guides is None:
            return seen
        parts = []
        for name, field in zip(self.guides, guides, strict=True):
            parts.append(scaled(field, self.config.data.guide_scales[name]))
        blocks = torch.from_numpy(as_blocks(np.stack(parts), self.scale)).to(seen)
        return torch.cat([seen, blocks[None]], dim=1)

    def _base(self, lr: FloatField, *, periodic: bool) -> tuple[FloatField, FloatField]:
        """Return what the network's output is added to, and the spread it is multiplied with."""
        skip, _fills = self._parts_on(periodic=periodic)
        if skip is None:
            hr = self.preprocessing.statistics["hr"]
            return hr.mean, hr.std
        return skip(lr), skip.spread

    def block_shares(self, lr: FloatField, *, at_home: bool) -> FloatField:
        """Return how much each HR point counts in the mean of its block, `[C, H, W]`.

        On another grid than that of the training every point of a block counts alike.

        Args:
            lr: `[C, h, w]`.
            at_home: whether it is on the grid of the training.
        """
        if at_home:
            return self.preprocessing.block_shares
        return block_shares(expanded(np.isfinite(lr), self.scale) > 0, self.scale)

    def _blocks(
        self, lr: FloatField, base: FloatField, spread: FloatField, *, at_home: bool
    ) -> Blocks | None:
        """Return what conserving block means needs; None where the run does not."""
        if not self.config.conserves:
            return None
        share = self.block_shares(lr, at_home=at_home)
        return blocks_for(lr, base, spread, share)

    @torch.inference_mode()
    def _applied(
        self,
        lr: Tensor,
        noise: list[torch.Generator],
        patch: int | None,
        water: Tensor,
        seam: int,
    ) -> Tensor:
        autocast = torch.autocast(self.device.type, dtype=amp_dtype(self.device), enabled=self.amp)
        try:
            with autocast:
                return apply_network(
                    self.network,
                    lr,
                    noise,
                    scale=self.scale,
                    patch=patch,
                    seam=seam,
                    mask=water,
                )
        except (RuntimeError, MemoryError) as error:
            if not recognise(f"{type(error).__name__}: {error}").ran_out_of_memory:
                raise
            raise DoesNotFitError(
                _("a field of {shape} does not fit in the memory of {device}",
                  shape=list(lr.shape[-2:]), device=self.device),
                _("Use another device (--device cpu), or end the other programs on this one."),
            ) from error  # fmt: skip

    def _without_value(self, lr: FloatField, *, at_home: bool) -> npt.NDArray[np.bool_]:
        """Return where SR `[C, H, W]` has no value: on land; everywhere if LR has none at all."""
        land = self._land(lr, at_home=at_home)
        land[~np.isfinite(lr).any(axis=(1, 2))] = True
        return land

    def _land(self, lr: FloatField, *, at_home: bool) -> npt.NDArray[np.bool_]:
        """Return the points `[C, H, W]` without a value at any time.

        On the grid of the training: where HR never had one. On another one: in the cells where LR
        has none.
        """
        if at_home:
            return np.array(self.preprocessing.statistics["hr"].observed == 0)
        return (~np.isfinite(lr)).repeat(self.scale, axis=1).repeat(self.scale, axis=2)


def load_run(
    run_dir: str | os.PathLike[str],
    *,
    checkpoint: Name | None = None,
    device: str | None = None,
    amp: bool = False,
) -> Run:
    """Load a trained run, or a bundle of `srwizard export`.

    A run that is training still can be loaded, too: checkpoints are written whole, so the newest
    one is there; what is loaded does not change any more.

    Args:
        run_dir: the run directory, or the bundle.
        checkpoint: "best" or "last"; None: the best, or the last where there is no best yet.
        device: "cpu", "cuda" or "cuda:N"; None: the first GPU that torch can use, else the CPU.
        amp: compute in bfloat16 (float16 on a GPU without): faster on GPUs, but rounded, and no
            longer what `srwizard evaluate` scores.

    Raises:
        UsageError: it is no run directory, of another version, was edited, or has no checkpoint;
            it is a bundle that is damaged; or there is no such device.
        DatasetError: static fields that are input channels are gone or no longer the same.
    """
    directory = at_home(Path(run_dir)).absolute()
    if checkpoint not in (None, *get_args(Name)):
        raise UsageError(
            _("{name} is not a checkpoint", name=repr(checkpoint)), _("Choose best or last.")
        )
    place = chosen_device(device)
    if is_bundle(directory):
        config, network, found, preprocessing = load_bundle(directory)
        if checkpoint not in (None, found.name):
            raise UsageError(
                _("The bundle {path} holds {name}.pt alone.", path=directory, name=found.name),
                _("Leave the checkpoint out."),
            )
        return Run(directory, config, network, found, preprocessing, place, amp=amp)
    config = run_config.load(directory)
    network, found, notices = load_network(directory, config, checkpoint)
    state = Records(directory).status().get("state")
    if state not in (None, RunState.COMPLETED):
        notices.append(
            _("The training is not complete ({state}); {name}.pt of epoch {epoch} of {epochs} is "
              "used.", state=state_title(state), name=found.name, epoch=found.epoch,
              epochs=config.training.epochs)
        )  # fmt: skip
    notices += unknown_grid_notices(directory, config)
    gain = {} if draws_samples(network) else found.gain
    preprocessing = read_preprocessing(directory, config, gain)
    return Run(directory, config, network, found, preprocessing, place, tuple(notices), amp=amp)


def chosen_device(name: str | None) -> torch.device:
    """Return the device of that name; None: the first GPU that torch can use, else the CPU.

    Raises:
        UsageError: there is none.
    """
    if name is None or name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda"):
        raise UsageError(
            _("{name} is not a device", name=name),
            _("Choose cpu, cuda, or a GPU by number: cuda:1"),
        )
    if device.type == "cuda" and not (
        torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count()
    ):
        raise UsageError(
            _("there is no GPU {name} that torch can use", name=name),
            _("List the devices: srwizard gpus. Or use --device cpu."),
        )
    return device


def tile_side(config: RunConfig, shape: tuple[int, int]) -> int | None:
    """Return the side of the tiles, in HR points, for an LR field of `shape`; None: no tiles.

    A run that was trained on patches works by the tiles that it was scored in. Else a field goes
    through whole as long as it has no more points than a batch of training had, or of scoring; a
    larger one is cut into tiles which, with their overlap, are about as large as one field.
    """
    if config.memory.tile is not None:
        return config.memory.tile
    height, width = config.data.lr_shape
    fields = config.training.batch_size if config.memory.patch_size is None else 1
    if math.prod(shape) <= fields * height * width:
        return None
    return max(math.isqrt(height * width) - 2 * OVERLAP, OVERLAP) * config.data.scale


def _mean(members: FloatField) -> FloatField:
    mean: FloatField = members.mean(axis=0)
    return mean


def _all(members: FloatField) -> FloatField:
    return members
