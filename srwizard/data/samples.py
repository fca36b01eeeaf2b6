"""Training samples: normalized LR and HR with the mask of the points that have a value."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NotRequired, TypedDict

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from srwizard.data.fields import Field, FloatField
from srwizard.data.gaps import NearestFill
from srwizard.data.layout import Contents
from srwizard.data.normalization import Statistics
from srwizard.data.statics import input_channels, relative_areas


class Sample(TypedDict):
    """One sample, or a batch of them with a leading dimension.

    `lr` `[C + S, h, w]` and `hr` `[C, H, W]` are normalized, gaps filled with the nearest value in
    LR and with 0 in HR; the last channels of `lr` are the static fields; `mask` `[C, H, W]` is
    True where HR has a value; `bicubic_input` `[C, h, w]` is LR in physical units, gaps filled,
    for the baseline; `area` `[1, H, W]` is there only if the loss is weighted by area.
    """

    lr: Tensor
    hr: Tensor
    mask: Tensor
    bicubic_input: Tensor
    index: int
    weight: float
    area: NotRequired[Tensor]


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
        statistics: of the training split, for both levels.
        patch_size: side of a random HR window, or None for whole fields.
        static_variables: LR static fields that become further input channels.
        area_weights: whether samples hold the areas of the grid points.
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
        static_variables: Sequence[str] = (),
        area_weights: bool = False,
    ) -> None:
        self._contents = contents
        self._static_variables = static_variables
        self._area_weights = area_weights
        self._hr = [contents.fields[split, "hr", name] for name in variables]
        self._lr = [contents.fields[split, "lr", name] for name in variables]
        self._scale = scale
        self._statistics = statistics
        self._patch = patch_size
        self._fills = [NearestFill() for _ in variables]
        self.steps = self._hr[0].steps

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, key: Key) -> Sample:
        rows, columns = self._window(key)
        hr = self._read(self._hr, key.index, rows, columns, self._scale)
        lr = self._read(self._lr, key.index, rows, columns, 1)
        mask = np.isfinite(hr)
        # In place: at this size it is fresh memory that takes the time, not arithmetic.
        hr_mean, hr_std = self._crop("hr", rows, columns, self._scale)
        hr -= hr_mean
        hr /= hr_std
        np.copyto(hr, 0, where=~mask)
        lr_mean, lr_std = self._crop("lr", rows, columns, 1)
        normalized = self._fill((lr - lr_mean) / lr_std)
        if self._static_variables:
            normalized = np.concatenate([normalized, self._static[:, rows, columns]])
        sample = Sample(
            lr=torch.from_numpy(normalized),
            hr=torch.from_numpy(hr),
            mask=torch.from_numpy(mask),
            bicubic_input=torch.from_numpy(self._fill(lr)),
            index=key.index,
            weight=key.weight,
        )
        if self._area_weights:
            window = (_scaled(rows, self._scale), _scaled(columns, self._scale))
            sample["area"] = torch.from_numpy(self._areas[:, *window])
        return sample

    @functools.cached_property
    def _static(self) -> FloatField:
        """Static input channels `[S, h, w]`, read on first use in each process."""
        return input_channels(self._contents, self._static_variables, self._lr[0].shape)

    @functools.cached_property
    def _areas(self) -> FloatField:
        """Relative areas `[1, H, W]` of the HR grid points."""
        return relative_areas(self._contents, self._hr[0].shape)

    def _read(
        self, fields: Sequence[Field], index: int, rows: slice, columns: slice, factor: int
    ) -> FloatField:
        window = (_scaled(rows, factor), _scaled(columns, factor))
        if len(fields) == 1:  # what stack() would copy once more
            return fields[0].read(index, window)[None]
        return np.stack([found.read(index, window) for found in fields])

    def _crop(
        self, level: str, rows: slice, columns: slice, factor: int
    ) -> tuple[FloatField, FloatField]:
        return self._statistics[level].crop(_scaled(rows, factor), _scaled(columns, factor))

    def _fill(self, channels: FloatField) -> FloatField:
        filled = [fill(channel) for fill, channel in zip(self._fills, channels, strict=True)]
        return filled[0][None] if len(filled) == 1 else np.stack(filled)

    def _window(self, key: Key) -> tuple[slice, slice]:
        """Return the LR window: the whole field, or a random one in which there is water."""
        if self._patch is None:
            return slice(None), slice(None)
        side = self._patch // self._scale
        corners = self._corners
        choice = np.random.default_rng([key.patch_seed, key.index]).integers(len(corners))
        top, left = (int(place) for place in corners[choice])
        return slice(top, top + side), slice(left, left + side)

    @functools.cached_property
    def _corners(self) -> npt.NDArray[np.intp]:
        """Upper left corners `[n, 2]` of all LR windows that are not land throughout."""
        assert self._patch is not None
        side = self._patch // self._scale
        water = self._statistics["lr"].observed.any(axis=0)
        sums = np.pad(water, ((1, 0), (1, 0))).cumsum(0, dtype=np.int64).cumsum(1)
        inside = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side]
        return np.argwhere(inside + sums[:-side, :-side] > 0)


def _scaled(part: slice, factor: int) -> slice:
    """Return an LR range in HR points, for `factor` the scale."""
    if part == slice(None):
        return part
    return slice(part.start * factor, part.stop * factor)
