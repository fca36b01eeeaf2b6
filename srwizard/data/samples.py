"""Training samples: normalized LR and HR with the mask of the points that have a value."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NotRequired, TypedDict

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from srwizard.base.errors import DatasetError
from srwizard.base.i18n import translate as _
from srwizard.data.augment import drawn, turned
from srwizard.data.baselines.skip import Skip
from srwizard.data.batch_room import room
from srwizard.data.block_means import block_shares, missing_mean, point_weights
from srwizard.data.fields import WHOLE, Field, FloatField, Window, cut, read_window
from srwizard.data.gaps import NearestFill
from srwizard.data.guides import as_blocks, guide_fields, scaled
from srwizard.data.layout import Contents
from srwizard.data.masked import zero_outside
from srwizard.data.normalization import Statistics
from srwizard.data.patches import drawn_patch, water_corners
from srwizard.data.statics import input_channels, relative_areas
from srwizard.data.weighting import Weighting


class Others(TypedDict):
    """What a sample holds besides HR and its mask."""

    lr: Tensor
    index: int
    weight: float
    base: NotRequired[Tensor]
    lr_physical: NotRequired[Tensor]
    area: NotRequired[Tensor]
    missing: NotRequired[Tensor]
    share: NotRequired[Tensor]
    spread: NotRequired[Tensor]


class Sample(Others):
    """One sample, or a batch of them with a leading dimension.

    `lr` `[C + S + G * scale ** 2, h, w]` is normalized, gaps filled with the nearest value; then
    come the static fields, and the blocks of the guides (see `guides`). `hr` `[C, H, W]` is what
    the network is to give: (HR - base) / spread, 0 in gaps; `mask` `[C, H, W]` is True where HR has
    a value; for scoring, only where predictions have one, too: where the training split has had
    values, in steps of which LR has any. For scoring there are besides `base` `[C, H, W]`, what the
    network starts from, and `lr_physical` `[C, h, w]`, NaN in gaps, both in physical units; `area`
    `[1, H, W]` is there only if the loss is weighted by area; `missing` `[C, h, w]`, `share` and
    `spread` `[C, H, W]` only if block means are conserved: see `train.conservation.Blocks`.
    """

    hr: Tensor
    mask: Tensor


@dataclass(frozen=True)
class Key:
    """Which sample, with what weight in its batch, and where a random patch is cut."""

    index: int
    weight: float = 1.0
    patch_seed: int = 0


class FieldPairs(Dataset[Sample]):
    """The pairs of one split.

    Args:
        contents: the dataset.
        split: "train", "valid" or "test".
        variables: the channels, in order.
        scale: HR/LR.
        statistics: of the training split, for both levels; with a skip, from `shrunk`.
        patch_size: side of a random HR window, or None for whole fields.
        skip: what the network starts from; None: the mean of HR, and its spread, as normalized.
        for_scoring: whether samples hold what scoring needs.
        augment: whether samples are mirrored at random.
        vectors: the channels of eastward and northward components, for `augment`.
        handedness: of the grid, if samples are turned by 90 degrees too; else 0.
        static_variables: LR static fields that become further input channels.
        guides: HR static fields that become further input channels, as blocks.
        guide_scales: variables whose HR does so, too, with mean and spread of each.
        area_weights: whether samples hold the areas of the grid points.
        conserve: whether samples hold what conserving block means needs.
        block_means: how HR points count in the block means that LR is made of.
        periodic: whether the grid goes round the globe.
        patches_go_round: whether patches of such a grid may cross its seam.
    """

    def __init__(
        self,
        contents: Contents,
        split: str,
        variables: list[str],
        scale: int,
        statistics: dict[str, Statistics],
        patch_size: int | None = None,
        *,
        skip: Skip | None = None,
        for_scoring: bool = True,
        augment: bool = False,
        vectors: Sequence[tuple[int, int]] = (),
        handedness: int = 0,
        static_variables: Sequence[str] = (),
        guides: Sequence[str] = (),
        guide_scales: Mapping[str, Sequence[float]] = MappingProxyType({}),
        area_weights: bool = False,
        conserve: bool = False,
        block_means: Weighting = "equal",
        periodic: bool = False,
        patches_go_round: bool = False,
    ) -> None:
        self._contents = contents
        self._static_variables = static_variables
        self._guide_names = guides
        self._guide_scales = guide_scales
        self._split = split
        self._area_weights = area_weights
        self._conserve = conserve
        self._block_means = block_means
        self._hr = [contents.fields[split, "hr", name] for name in variables]
        self._lr = [contents.fields[split, "lr", name] for name in variables]
        self._scale = scale
        self._statistics = statistics
        self._patch = patch_size
        self._skip = skip
        self._for_scoring = for_scoring
        self._augment = augment
        self._vectors = vectors
        self._handedness = handedness
        self._patches_go_round = patches_go_round
        # Without a skip it is patches that are filled.
        goes_round = periodic and (patch_size is None or skip is not None)
        self._fills = [NearestFill(periodic=goes_round) for _name in variables]
        self.steps = self._hr[0].steps

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, key: Key) -> Sample:
        hr, mask = self._room(1)
        return Sample(hr=hr[0], mask=mask[0], **self._others(key, hr[0].numpy(), mask[0].numpy()))

    def __getitems__(self, keys: Sequence[Key]) -> dict[str, Any]:
        """Return a batch, see `Sample`; PyTorch's loaders ask for all of it at once.

        HR and its mask, by far the most of it, are made where they are handed over: made by
        themselves and put together, they would be written twice.
        """
        hr, mask = self._room(len(keys))
        others = [
            self._others(key, *places)
            for key, *places in zip(keys, hr.numpy(), mask.numpy(), strict=True)
        ]
        return {"hr": hr, "mask": mask, **default_collate(others)}

    def _room(self, samples: int) -> tuple[Tensor, Tensor]:
        """Return what HR and masks are written to, `[N, C, H, W]`."""
        shape = self._hr[0].shape if self._patch is None else (self._patch, self._patch)
        size = (samples, len(self._hr), *shape)
        return room(size, torch.float32), room(size, torch.bool)

    def _others(self, key: Key, hr: FloatField, mask: npt.NDArray[np.bool_]) -> Others:
        """Write HR and mask `[C, H, W]` of a sample; return what else is in it."""
        rows, columns = self._window(key)
        window = _scaled(rows, self._scale), _scaled(columns, self._scale)
        # Turned, they are written once more; else they are made where they stay.
        target = self._read(self._hr, key.index, window)
        there = np.isfinite(target, out=None if self._augment else mask)
        lr, normalized, base = self._inputs(key.index, rows, columns)
        if self._for_scoring:
            there &= cut(self._statistics["hr"].observed, *window) > 0
            there &= np.isfinite(lr).any(axis=(1, 2), keepdims=True)
        target -= base
        target = np.divide(target, self._spread(window), out=target if self._augment else hr)
        zero_outside(target, there)
        if self._static_variables:
            normalized = np.concatenate([normalized, cut(self._static, rows, columns)])
        area = cut(self._areas, *window) if self._area_weights else None
        blocks = self._blocks(lr, base, window) if self._conserve else None
        guides = self._guides_of(key.index, window)
        if self._augment:
            symmetry = drawn(key.patch_seed, key.index, turns=bool(self._handedness))
            directed = self._vectors, self._handedness
            normalized = turned(normalized, symmetry, *directed)
            hr[:] = turned(target, symmetry, *directed)
            mask[:] = turned(there, symmetry)
            area = None if area is None else turned(area, symmetry)
            guides = None if guides is None else turned(guides, symmetry)
            if blocks is not None:
                # Shares and spreads go with their channels, and have no sign.
                missing, share, spread = (turned(part, symmetry, *directed) for part in blocks)
                blocks = [missing, np.abs(share), np.abs(spread)]
        if guides is not None:
            normalized = np.concatenate([normalized, as_blocks(guides, self._scale)])
        others = Others(lr=torch.from_numpy(normalized), index=key.index, weight=key.weight)
        if self._for_scoring:
            base = np.array(np.broadcast_to(base, target.shape))
            others["base"] = torch.from_numpy(base)
            others["lr_physical"] = torch.from_numpy(np.ascontiguousarray(lr))
        if area is not None:
            others["area"] = torch.from_numpy(area)
        if blocks is not None:
            others["missing"], others["share"], others["spread"] = map(torch.from_numpy, blocks)
        return others

    def _inputs(
        self, index: int, rows: slice, columns: slice
    ) -> tuple[FloatField, FloatField, FloatField]:
        """Return LR, the normalized LR without gaps, and the base, all of an LR window.

        A skip needs the surroundings of the window, and so does the nearest value of a gap.
        """
        statistics = self._statistics["lr"]
        if self._skip is None:
            lr = self._read(self._lr, index, (rows, columns))
            mean, std = statistics.crop(rows, columns)
            window = _scaled(rows, self._scale), _scaled(columns, self._scale)
            return lr, self._fill((lr - mean) / std), self._statistics["hr"].crop(*window)[0]
        whole = self._read(self._lr, index, WHOLE)
        normalized = self._fill(self._skip.normalized(whole, statistics.mean, statistics.std))
        base = self._skip(whole, rows, columns)
        seen = np.ascontiguousarray(cut(normalized, rows, columns))
        return cut(whole, rows, columns), seen, base

    def _blocks(self, lr: FloatField, base: FloatField, window: Window) -> list[FloatField]:
        """Return what conserving block means needs, see `train.conservation.Blocks`."""
        share = np.ascontiguousarray(cut(self.shares, *window))
        spread = np.array(np.broadcast_to(self._spread(window), share.shape))
        return [missing_mean(lr, base, share), share, spread]

    @property
    def sea(self) -> npt.NDArray[np.bool_]:
        """Where the training split has ever had a value, `[C, H, W]`: only there is scored."""
        return self._statistics["hr"].observed > 0

    @functools.cached_property
    def shares(self) -> FloatField:
        """How much each HR point counts in the mean of its block, `[C, H, W]`.

        Counted are points that the training split has values at, as they are in predictions.
        """
        weights = point_weights(self._contents, self._hr[0].shape, self._block_means)
        return block_shares(self.sea, self._scale, weights)

    def _spread(self, window: Window) -> FloatField:
        if self._skip is None:
            return self._statistics["hr"].crop(*window)[1]
        return self._skip.crop(*window)

    @functools.cached_property
    def _static(self) -> FloatField:
        """Static input channels `[S, h, w]`, read on first use in each process."""
        return input_channels(self._contents, self._static_variables, self._lr[0].shape)

    def _guides_of(self, index: int, window: Window) -> FloatField | None:
        """Return all guides of a step `[G, h, w]`, static ones first; None: there are none."""
        parts = [cut(self._guides, *window)] if self._guide_names else []
        for name, scale in self._guide_scales.items():
            found = _sound(self._contents.fields[self._split, "hr", name], index, window)
            parts.append(scaled(found, scale)[None])
        return np.concatenate(parts) if parts else None

    @functools.cached_property
    def _guides(self) -> FloatField:
        """Static guides `[G, H, W]`, read on first use in each process."""
        water = np.any(self._statistics["hr"].observed > 0, axis=0)
        return guide_fields(self._contents, self._guide_names, water)

    @functools.cached_property
    def _areas(self) -> FloatField:
        """Relative areas `[1, H, W]` of the HR grid points."""
        return relative_areas(self._contents, self._hr[0].shape)

    def _read(self, fields: Sequence[Field], index: int, window: Window) -> FloatField:
        if len(fields) == 1:  # what stack() would copy once more
            return _sound(fields[0], index, window)[None]
        return np.stack([_sound(found, index, window) for found in fields])

    def _fill(self, channels: FloatField) -> FloatField:
        filled = [fill(channel) for fill, channel in zip(self._fills, channels, strict=True)]
        return filled[0][None] if len(filled) == 1 else np.stack(filled)

    def _window(self, key: Key) -> tuple[slice, slice]:
        """Return the LR window: the whole field, or a random one in which there is water."""
        if self._patch is None:
            return WHOLE
        return drawn_patch(self._corners, self._patch // self._scale, [key.patch_seed, key.index])

    @functools.cached_property
    def _corners(self) -> npt.NDArray[np.intp]:
        assert self._patch is not None
        water: npt.NDArray[np.bool_] = np.any(self._statistics["lr"].observed, axis=0)
        side = self._patch // self._scale
        return water_corners(water, side, goes_round=self._patches_go_round)


def _sound(field: Field, index: int, window: Window) -> FloatField:
    """Return a window of a step, as it was when every value was looked at.

    Raises:
        DatasetError: the file has changed since: it holds infinite values now.
    """
    values = read_window(field, index, window)
    # Both pass over NaN.
    lowest, highest = np.fmin.reduce(values, axis=None), np.fmax.reduce(values, axis=None)
    if np.isinf(lowest) or np.isinf(highest):
        raise DatasetError(
            _("{path} holds infinite values now, which it did not when the run was frozen",
              path=field.path(index))
        )  # fmt: skip
    return values


def _scaled(part: slice, factor: int) -> slice:
    """Return an LR range in HR points, for `factor` the scale."""
    if part == slice(None):
        return part
    return slice(part.start * factor, part.stop * factor)
