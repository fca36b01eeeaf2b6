"""Datasets that are on no disk."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from srwizard.data.fields import WHOLE, FloatField, Window
from srwizard.data.layout import Contents
from srwizard.data.split_names import SPLITS
from tests.datasets import Floats, block_mean


@dataclass(frozen=True)
class MemoryField:
    """A series `[N, H, W]` in memory."""

    values: Floats

    @property
    def steps(self) -> tuple[str, ...]:
        return tuple(f"{index:04d}" for index in range(len(self.values)))

    @property
    def shape(self) -> tuple[int, int]:
        return self.values.shape[1], self.values.shape[2]

    def read(self, index: int, window: Window = WHOLE) -> FloatField:
        return self.values[index][window].copy()

    def path(self, index: int) -> Path:
        return Path(f"{index:04d}")


def contents_of(hr: Mapping[str, Floats], scale: int = 2) -> Contents:
    """Return a dataset with the same series in every split, LR being the mean over blocks."""
    fields = {}
    for split in SPLITS:
        for name, values in hr.items():
            fields[split, "hr", name] = MemoryField(values)
            fields[split, "lr", name] = MemoryField(block_mean(values, scale))
    return Contents(Path("memory"), "npy", fields)
