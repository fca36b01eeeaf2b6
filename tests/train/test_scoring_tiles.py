"""Fields are scored whole, by large tiles or by small ones: the scores are the same."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from srwizard.models.catalog import card
from srwizard.settings.tiles import MULTIPLE, OVERLAP, POINTS_OF_A_STEP, tile_size
from srwizard.train.scoring import score
from srwizard.train.setup import Training
from tests.datasets import write_dataset
from tests.train.runs import freeze, set_up_only


class SeesItsSurroundings(nn.Module):
    """Looks 4 LR points around: as far as tiles that overlap let it."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(nn.Conv2d(2, 2, 3, padding=1) for _ in range(4)))
        self.sizes: list[tuple[int, int]] = []

    def forward(self, lr: Tensor) -> Tensor:
        self.sizes.append((lr.shape[-2], lr.shape[-1]))
        return functional.interpolate(self.layers(lr), scale_factor=2, mode="nearest")


def scores(training: Training, tile: int | None) -> dict[str, float]:
    """Return all scores of the validation split, by tiles of this size; 0: whole fields."""
    memory = training.run.memory.model_copy(update={"tile_size": tile})
    training.run = training.run.model_copy(update={"memory": memory})
    found = score(training, "valid")
    return {"loss": found.loss} | {
        f"{name} {key}": value
        for name, table in found.variables.items()
        for key, value in table["model"].items()
    }


def test_scores_do_not_depend_on_the_tiles(tmp_path: Path) -> None:
    torch.manual_seed(0)
    root = write_dataset(tmp_path / "data", hr_shape=(96, 160), scale=2, variables=("temp", "salt"))
    freeze(root, tmp_path / "run", patch_size=16, batch_size=2)
    training = set_up_only(tmp_path / "run")
    network = training.bare = SeesItsSurroundings()
    whole = scores(training, 0)
    assert set(network.sizes) == {(48, 80)}
    by_tiles = [scores(training, tile) for tile in (64, 40, 16, None)]
    for found in by_tiles:
        assert found == pytest.approx(whole, rel=1e-5)
    assert (8 + OVERLAP, 8 + 2 * OVERLAP) in network.sizes


@pytest.mark.broad
def test_the_first_scores_and_the_later_ones_are_the_same(tmp_path: Path) -> None:
    """What never changes of the truth is summed up once."""
    root = write_dataset(tmp_path / "data", hr_shape=(32, 48), scale=2)
    freeze(root, tmp_path / "run", patch_size=16)
    training = set_up_only(tmp_path / "run")
    first = scores(training, 0)
    assert training.baseline
    assert scores(training, 0) == first


def tile(shape: tuple[int, int], name: str = "EDSR", **others: Any) -> int | None:
    """Return the side of the tiles of a run, in HR points."""
    return tile_size(card(name), shape, **{"periodic": False, "use_amp": False} | others)


@pytest.mark.parametrize(
    ("batch_size", "use_amp", "side"),
    [(4, False, 0), (4, True, 64), (2, False, 64), (16, True, 0), (1, False, 64)],
)
def test_as_large_as_training_allows(batch_size: int, use_amp: bool, side: int) -> None:
    """LR 32 x 64 at scale 4, windows of 16 LR points."""
    shape = (32, 64)
    assert side == tile(shape, scale=4, patch_size=64, batch_size=batch_size, use_amp=use_amp)


@pytest.mark.parametrize("batch_size", [9, 20, 64])
def test_a_tile_with_its_overlap_has_twice_the_points_of_a_step(batch_size: int) -> None:
    shape = (100, 3 * POINTS_OF_A_STEP * batch_size * 16**2 // 100)
    side = tile(shape, scale=2, patch_size=32, batch_size=batch_size)
    assert side is not None
    wide = side // 2 + 2 * OVERLAP
    assert wide**2 <= POINTS_OF_A_STEP * batch_size * 16**2 < (wide + MULTIPLE) ** 2
    assert side // 2 % MULTIPLE == 0


def test_a_tile_of_a_large_field_is_a_sixth_of_it_however_small_the_step() -> None:
    """As its scores take as much memory anyway; of 24 LR points, it was computed 2.8 times."""
    assert tile((170, 360), scale=4, patch_size=64, batch_size=1) == 80 * 4
    assert (80 + 2 * OVERLAP) ** 2 <= 170 * 360 / 6


def test_a_network_that_looks_at_the_whole_field_is_shown_as_much_as_in_training() -> None:
    assert tile((32, 64), "DDPM", scale=4, patch_size=64, batch_size=64) is None


def test_what_is_added_at_a_seam_counts() -> None:
    """LR 32 x 64 has just as many points as go through at once."""
    window = {"scale": 4, "patch_size": 64, "batch_size": 4}
    assert tile((32, 64), **window) == 0
    assert tile((32, 64), **window, periodic=True) == 96
