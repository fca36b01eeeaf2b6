"""Training samples: normalized LR and HR with the mask of the points that have a value."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from srwizard.data.fields import Field, FloatField
from srwizard.data.gaps import NearestFill
from srwizard.data.layout import Contents
from srwizard.data.normalization import Statistics


class Sample(TypedDict):
    """One sample, or a batch of them with a leading dimension.

    `lr` `[C, h, w]` and `hr` `[C, H, W]` are normalized, gaps filled with the nearest value in
    LR and with 0 in HR; `mask` `[C, H, W]` is True where HR has a value; `bicubic_input`
    `[C, h, w]` is LR in physical units, gaps filled, for the baseline.
    """

    lr: Tensor
    hr: Tensor
    mask: Tensor
    bicubic_input: Tensor
    index: int
    weight: float


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
    """

    def __init__(
        self,
        contents: Contents,
        split: str,
        variables: list[str],
        scale: int,
        statistics: dict[str, Statistics],
        patch_size: int | None = None,
    ) -> None:
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
        hr_mean, hr_std = self._crop("hr", rows, columns, self._scale)
        lr_mean, lr_std = self._crop("lr", rows, columns, 1)
        return Sample(
            lr=torch.from_numpy(self._fill((lr - lr_mean) / lr_std)),
            hr=torch.from_numpy(np.where(mask, (hr - hr_mean) / hr_std, np.float32(0))),
            mask=torch.from_numpy(mask),
            bicubic_input=torch.from_numpy(self._fill(lr)),
            index=key.index,
            weight=key.weight,
        )

    def _read(
        self, fields: Sequence[Field], index: int, rows: slice, columns: slice, factor: int
    ) -> FloatField:
        window = (_scaled(rows, factor), _scaled(columns, factor))
        return np.stack([found.read(index, window) for found in fields])

    def _crop(
        self, level: str, rows: slice, columns: slice, factor: int
    ) -> tuple[FloatField, FloatField]:
        return self._statistics[level].crop(_scaled(rows, factor), _scaled(columns, factor))

    def _fill(self, channels: FloatField) -> FloatField:
        filled = [fill(channel) for fill, channel in zip(self._fills, channels, strict=True)]
        return np.stack(filled).astype(np.float32)

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
