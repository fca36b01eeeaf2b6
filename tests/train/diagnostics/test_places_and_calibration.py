"""Where an error is, and whether an ensemble knows it: known fields, and properscoring's idea."""

import numpy as np
import pytest
import torch
from torch import Tensor

from srwizard.data.baselines.choice import MODEL
from srwizard.data.grid import Grid
from srwizard.train.diagnostics.calibration import Calibration
from srwizard.train.diagnostics.diagnostic import METHODS, Scored
from srwizard.train.diagnostics.places import Places
from srwizard.train.simple_methods import BEST

H, W = 20, 30
MEMBERS = 9


def draws(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def scored(members: Tensor | None, model: Tensor, truth: Tensor, mask: Tensor) -> Scored:
    fields = {MODEL: model, BEST: truth + 0.5, "bicubic": truth - 1}
    return Scored(range(len(truth)), fields, truth, mask, truth[..., ::2, ::2], {}, members)


def ensemble(stretched: float, steps: int = 30) -> Calibration:
    """Truth and members are draws of one distribution, whose spread differs from point to point."""
    scale = torch.linspace(0.2, 2, W)
    truth = draws(0, steps, 1, H, W) * scale
    members = draws(1, MEMBERS, steps, 1, H, W) * scale * stretched
    found = Calibration(["t"], np.array([1.0]), MEMBERS)
    mask = torch.ones_like(truth, dtype=torch.bool)
    for part in (slice(0, 10), slice(10, steps)):
        own = members[:, part]
        found.add(scored(own, own.mean(0), truth[part], mask[part]))
    return found


def test_an_honest_ensemble() -> None:
    told = ensemble(1.0).numbers()["t"]["calibration"]
    assert told["members"] == MEMBERS
    assert told["rank_histogram"] == pytest.approx([1 / (MEMBERS + 1)] * (MEMBERS + 1), abs=0.01)
    assert told["ratio"] == pytest.approx(1, abs=0.02)
    assert sum(told["points"]) == 30 * H * W
    assert told["spread"] == sorted(told["spread"])


def test_an_ensemble_that_is_too_sure_or_not_sure_enough() -> None:
    sure, unsure = (ensemble(by).numbers()["t"]["calibration"] for by in (0.5, 2.0))
    ends = [told["rank_histogram"][0] + told["rank_histogram"][-1] for told in (sure, unsure)]
    assert ends[0] > 0.4
    assert ends[1] < 0.06
    assert sure["ratio"] == pytest.approx(0.5 / ((MEMBERS + 0.25) / (MEMBERS + 1)) ** 0.5, abs=0.05)
    assert unsure["ratio"] > 1.5


def test_ranks_by_hand_under_a_mask() -> None:
    truth = torch.tensor([[[[0.5, 9.0, -1.0]]]])
    members = torch.tensor([0.0, 1.0, 2.0]).reshape(3, 1, 1, 1, 1).expand(3, 1, 1, 1, 3)
    mask = torch.tensor([[[[True, False, True]]]])
    found = Calibration(["t"], np.array([1.0]), 3)
    found.add(scored(members, members.mean(0), truth, mask))
    assert found.numbers()["t"]["calibration"]["rank_histogram"] == [0.5, 0.5, 0, 0]
    assert Calibration(["t"], np.array([1.0]), 1).numbers() == {}


def island() -> Tensor:
    mask = torch.ones(4, 1, H, W, dtype=torch.bool)
    mask[..., :5] = False
    return mask


def test_errors_by_distance_from_the_coast_by_hand() -> None:
    """Land lies west of column 5; the error is the number of the column."""
    truth = torch.zeros(4, 1, H, W)
    model = torch.arange(W).float().expand_as(truth)
    found = Places(["t"], (H, W), None, None, 4, 1)
    found.add(scored(None, model, truth, island()))
    told = found.numbers()["t"]
    columns = np.arange(5, W, dtype=float)
    for row in told["coast"]:
        high = row["to"] or np.inf
        there = (columns - 4 > row["from"]) & (columns - 4 <= high)
        assert row["unit"] == "cells"
        assert row["points"] == there.sum() * H * 4
        assert row[MODEL]["rmse"] == pytest.approx(np.sqrt((columns[there] ** 2).mean()))
        assert row[BEST]["rmse"] == pytest.approx(0.5)
    assert [row["from"] for row in told["coast"]] == [0, 2, 4, 8, 16]
    assert told["regions"]["coast"]["points"] == 4 * H * 4
    assert set(told["regions"]) == {"coast", "open_sea"}


def test_kilometres_and_shelves_where_they_are_known() -> None:
    lat, lon = np.meshgrid(np.linspace(0, 1.9, H), np.linspace(10, 12.9, W), indexing="ij")
    depth = np.full((H, W), 4000.0)
    depth[:, :20] = 50
    truth = torch.zeros(4, 1, H, W)
    found = Places(["t"], (H, W), Grid(lon, lat), depth, 4, 1)
    found.add(scored(None, truth + 1, truth, island()))
    told = found.numbers()["t"]
    # A cell is 0.1 degrees, 11.1 km: two within 25 km, two more within 50.
    assert [row["points"] / (4 * H) for row in told["coast"]] == [2, 2, 4, 9, 8]
    assert [row["unit"] for row in told["coast"]] == ["km"] * 5
    points = {name: row["points"] / (4 * H) for name, row in told["regions"].items()}
    assert points == {"coast": 4, "shelf": 11, "open_sea": 10}


def test_the_coast_of_a_globe_lies_beyond_its_seam_too() -> None:
    """Land lies in the first five columns: the last ones are near to it."""
    truth = torch.zeros(4, 1, H, W)
    model = torch.arange(W).float().expand_as(truth)
    lat, lon = np.meshgrid(np.linspace(-1, 1, H), np.arange(W) * 360 / W, indexing="ij")
    # 1330 km between two columns: only without coordinates are there bins for them.
    for grid, widths in ((None, [4, 4, 8, 9]), (Grid(lon, lat), [25])):
        found = Places(["t"], (H, W), grid, None, 3, 1, periodic=True)
        found.add(scored(None, model, truth, island()))
        told = found.numbers()["t"]
        assert [row["points"] / (4 * H) for row in told["coast"]] == widths
        columns = np.array([5, 6, 7, W - 3, W - 2, W - 1])
        assert told["regions"]["coast"][MODEL]["rmse"] == pytest.approx(
            np.sqrt(np.mean(columns**2.0))
        )


def curved() -> Grid:
    y, x = np.meshgrid(np.linspace(0, 1, H), np.linspace(0, 1, W), indexing="ij")
    return Grid(20 + 9 * x, 30 + 6 * y + 3 * x)


def test_errors_by_latitude_of_points_and_not_of_rows() -> None:
    truth, own = torch.zeros(4, 1, H, W), curved()
    model = torch.from_numpy(own.lat).float().expand_as(truth)
    found = Places(["t"], (H, W), own, None, 4, 1)
    found.add(scored(None, model, truth, island()))
    bands = found.numbers()["t"]["latitude"]
    assert [band["from"] for band in bands] == [30.5 + 0.5 * place for place in range(18)]
    sea = island()[0, 0].numpy()
    for band in bands:
        assert band["to"] == band["from"] + 0.5
        there = sea & (own.lat >= band["from"]) & (own.lat < band["to"])
        assert band["points"] == 4 * there.sum()
        assert band[MODEL]["rmse"] == pytest.approx(np.sqrt(np.mean(own.lat[there] ** 2)))
        assert band[BEST]["rmse"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("south", "north", "expected"),
    [(-90, 90, (10, -90, 90)), (-2, 2, (0.5, -2, 2.5)), (30, 30.3, (0.02, 30, 30.32))],
)
def test_bands_of_latitude(south: float, north: float, expected: tuple[float, ...]) -> None:
    """They begin at round numbers, are no more than 19, and the pole is in the last one."""
    lat, lon = np.meshgrid(np.linspace(south, north, 61), np.arange(4.0), indexing="ij")
    truth = torch.zeros(1, 1, 61, 4)
    found = Places(["t"], (61, 4), Grid(lon, lat), None, 4, 1)
    found.add(scored(None, truth, truth, torch.ones_like(truth, dtype=torch.bool)))
    bands = found.numbers()["t"]["latitude"]
    width, first, last = expected
    assert bands[0]["to"] - bands[0]["from"] == pytest.approx(width)
    assert (bands[0]["from"], bands[-1]["to"]) == (first, last)
    assert sum(band["points"] for band in bands) == 61 * 4
    assert len(bands) <= 19


def test_maps_in_figures() -> None:
    truth = draws(3, 4, 1, H, W)
    model = truth + draws(4, 4, 1, H, W)
    model[:, :, 7, 9] += 5
    found = Places(["t"], (H, W), curved(), None, 4, 1)
    found.add(scored(None, model, truth, island()))
    told = found.numbers()["t"]["map"]
    error = (model - truth)[:, 0, :, 5:].double().numpy()
    rmse = np.sqrt((error**2).mean(axis=0))
    assert told["points"] == H * (W - 5)
    assert told["better"] == pytest.approx(np.mean(rmse < 0.5))
    assert told[MODEL]["mean_error_rms"] == pytest.approx(
        np.sqrt(np.mean(error.mean(axis=0) ** 2)), rel=1e-6
    )
    assert told[MODEL]["rmse_p95"] == pytest.approx(np.percentile(rmse, 95), rel=1e-6)
    assert told[MODEL]["worst"] == {
        "row": 7,
        "column": 9,
        "lat": curved().lat[7, 9],
        "lon": curved().lon[7, 9],
        "rmse": pytest.approx(rmse.max(), rel=1e-6),
    }
    assert told[BEST]["rmse_p95"] == pytest.approx(0.5)


def test_maps_of_mean_error_and_rmse() -> None:
    truth = draws(3, 4, 1, H, W)
    model = truth + draws(4, 4, 1, H, W)
    found = Places(["t"], (H, W), None, None, 4, 1)
    found.add(scored(None, model[:1], truth[:1], island()[:1]))
    found.add(scored(None, model[1:], truth[1:], island()[1:]))
    maps = found.arrays()
    error = (model - truth)[:, 0].numpy()
    shape = (len(METHODS), 1, H, W)
    assert maps["places_mean_error"].shape == maps["places_rmse"].shape == shape
    assert maps["places_mean_error"][0, 0, :, 5:] == pytest.approx(error.mean(0)[:, 5:], abs=1e-6)
    rms = np.sqrt((error**2).mean(0))
    assert maps["places_rmse"][0, 0, :, 5:] == pytest.approx(rms[:, 5:], abs=1e-6)
    assert np.isnan(maps["places_rmse"][..., :5]).all()


def test_the_spread_of_each_region() -> None:
    truth = draws(5, 4, 1, H, W)
    members = draws(6, MEMBERS, 4, 1, H, W)
    found = Places(["t"], (H, W), None, None, 4, MEMBERS)
    found.add(scored(members, members.mean(0), truth, island()))
    told = found.numbers()["t"]["regions"]["open_sea"][MODEL]
    there = slice(9, W)
    assert told["spread"] == pytest.approx(float(members.var(0)[..., there].mean().sqrt()))
    assert told["ratio"] == pytest.approx(1, abs=0.1)


def test_without_land_there_is_no_coast() -> None:
    truth = torch.zeros(1, 1, H, W)
    found = Places(["t"], (H, W), None, None, 4, 1)
    found.add(scored(None, truth, truth, torch.ones_like(truth, dtype=torch.bool)))
    assert set(found.numbers()["t"]) == {"map"}


def test_without_sea_there_is_nothing() -> None:
    truth = torch.zeros(1, 1, H, W)
    found = Places(["t"], (H, W), curved(), None, 4, 1)
    found.add(scored(None, truth, truth, torch.zeros_like(truth, dtype=torch.bool)))
    assert found.numbers() == {}
