"""Where an error is, and whether an ensemble knows it: known fields, and properscoring's idea."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from srwizard.data.baselines.choice import MODEL
from srwizard.data.grid import Grid
from srwizard.train.diagnostics.calibration import Calibration
from srwizard.train.diagnostics.diagnostic import METHODS, Scored
from srwizard.train.diagnostics.places import Places
from srwizard.train.diagnostics.series import Series
from srwizard.train.metrics import sample_sums
from srwizard.train.simple_methods import BEST
from tests.train.diagnostics import definitions

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
    found = Places(["t"], SEA, None, None, 4, 1, 4)
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
    found = Places(["t"], SEA, Grid(lon, lat), depth, 4, 1, 4)
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
        found = Places(["t"], SEA, grid, None, 3, 1, 4, periodic=True)
        found.add(scored(None, model, truth, island()))
        told = found.numbers()["t"]
        assert [row["points"] / (4 * H) for row in told["coast"]] == widths
        columns = np.array([5, 6, 7, W - 3, W - 2, W - 1])
        assert told["regions"]["coast"][MODEL]["rmse"] == pytest.approx(
            np.sqrt(np.mean(columns**2.0))
        )


SEA = island()[0].numpy()


def curved() -> Grid:
    y, x = np.meshgrid(np.linspace(0, 1, H), np.linspace(0, 1, W), indexing="ij")
    return Grid(20 + 9 * x, 30 + 6 * y + 3 * x)


def test_errors_by_latitude_of_points_and_not_of_rows() -> None:
    truth, own = torch.zeros(4, 1, H, W), curved()
    model = torch.from_numpy(own.lat).float().expand_as(truth)
    found = Places(["t"], SEA, own, None, 4, 1, 4)
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
    found = Places(["t"], np.ones((1, 61, 4), bool), Grid(lon, lat), None, 4, 1, 1)
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
    found = Places(["t"], SEA, curved(), None, 4, 1, 4)
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
    found = Places(["t"], SEA, None, None, 4, 1, 4)
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
    found = Places(["t"], SEA, None, None, 4, MEMBERS, 4)
    found.add(scored(members, members.mean(0), truth, island()))
    told = found.numbers()["t"]["regions"]["open_sea"][MODEL]
    there = slice(9, W)
    assert told["spread"] == pytest.approx(float(members.var(0)[..., there].mean().sqrt()))
    assert told["ratio"] == pytest.approx(1, abs=0.1)


def test_without_land_there_is_no_coast() -> None:
    truth = torch.zeros(1, 1, H, W)
    found = Places(["t"], np.ones_like(SEA), None, None, 4, 1, 4)
    found.add(scored(None, truth, truth, torch.ones_like(truth, dtype=torch.bool)))
    assert set(found.numbers()["t"]) == {"map"}


def test_without_sea_there_is_nothing() -> None:
    truth = torch.zeros(1, 1, H, W)
    found = Places(["t"], SEA, curved(), None, 4, 1, 4)
    found.add(scored(None, truth, truth, torch.zeros_like(truth, dtype=torch.bool)))
    assert found.numbers() == {}


@pytest.mark.broad
def test_every_group_and_month_has_the_interval_of_drawn_fields() -> None:
    """Against whole fields drawn in blocks of steps, with the errors of some points."""
    steps, draws_made = 40, 2000
    random = np.random.default_rng(8)
    rows = np.linspace(0.5, 2, H)[:, None]  # larger errors northwards
    truth = random.standard_normal((steps, H, W))
    model = truth + rows * random.gamma(4, 0.25, (steps, 1, 1)) * random.standard_normal((H, W))
    truth[:, :, :5] = np.nan
    lat, lon = np.meshgrid(np.linspace(0.05, 1.95, H), np.linspace(10, 12.9, W), indexing="ij")
    places = Places(["t"], SEA, Grid(lon, lat), None, 4, 1, steps)
    names = [f"2001-{1 + step % 2:02d}-{1 + step // 2:02d}" for step in range(steps)]
    series = Series.of(["t"], names, np.ones(1), (H, W))
    hr, sr = (torch.from_numpy(part)[:, None] for part in (truth, model))
    mask, zero, one = hr.isfinite(), torch.zeros(1), torch.ones(1)
    plain = scored(None, sr, hr, mask)
    sums = {name: sample_sums(part, hr, mask, zero, one) for name, part in plain.fields.items()}
    at = replace(plain, sums=sums)
    for diagnostic in (places, series):
        diagnostic.add(at)
    told, months = places.numbers()["t"], series.numbers()["t"]["month"]
    sea = SEA[0]
    everywhere = slice(None)
    columns = np.arange(W)
    cases = [
        (told["latitude"][2], sea & (lat >= 0.4) & (lat < 0.6), everywhere),
        (told["coast"][1], sea & (columns >= 7) & (columns < 9), everywhere),
        (told["regions"]["open_sea"], sea & (columns >= 9), everywhere),
        (months[1], sea, slice(1, None, 2)),
    ]
    for entry, there, when in cases:
        own = truth[when], model[when]
        count = len(own[0])
        assert entry["interval"]["steps"] == count
        block = entry["interval"]["block"]
        assert 1 <= block <= 3
        found = []
        for _draw in range(draws_made):
            starts = random.integers(0, count, -(-count // block))
            chosen = ((starts[:, None] + np.arange(block)) % count).ravel()[:count]
            fields = {"model": own[1][chosen], "best": own[0][chosen] + 0.5}
            drawn = definitions.chosen(fields, own[0][chosen], None, there)
            found.append((drawn["model"]["rmse"], drawn["best"]["rmse"]))
        ours, theirs = np.array(found).T
        blocks = count / block
        wider = stats.t.ppf(0.975, blocks - 1) / stats.norm.ppf(0.975)
        wider *= np.sqrt(blocks / (blocks - 1))
        for values, ends in (
            (ours, entry["interval"]["rmse"][MODEL]),
            (ours - theirs, entry["interval"]["difference"]),
        ):
            first, middle, last = np.quantile(values, (0.025, 0.5, 0.975))
            expected = middle + wider * (first - middle), middle + wider * (last - middle)
            assert ends == pytest.approx(expected, abs=0.2 * (last - first))


def test_a_month_of_one_block_has_no_interval() -> None:
    names = ["2001-01-01", "2001-01-02", *(f"2001-02-{day:02d}" for day in range(1, 11))]
    series = Series.of(["t"], names, np.ones(1), (H, W))
    truth = draws(9, 12, 1, H, W)
    model, mask = truth + draws(10, 12, 1, H, W), torch.ones(12, 1, H, W, dtype=torch.bool)
    plain = scored(None, model, truth, mask)
    sums = {
        name: sample_sums(part, truth, mask, torch.zeros(1), torch.ones(1))
        for name, part in plain.fields.items()
    }
    series.add(replace(plain, sums=sums))
    january, february = series.numbers()["t"]["month"]
    assert (january["steps"], january["interval"]["rmse"]) == (2, None)
    assert january["interval"]["distinguishable"] is None
    whole = series.numbers()["t"]["interval"]["block"]
    assert january["interval"]["block"] == february["interval"]["block"] == whole
    low, high = february["interval"]["rmse"][MODEL]
    assert low < february[MODEL]["rmse"] < high


def test_of_a_variable_without_a_value_there_is_no_calibration() -> None:
    found = Calibration(["t", "ice"], np.array([1.0, 1.0]), 2)
    found.ranks[0] += 1
    found.bins[0, 3] = torch.tensor([2.0, 1.0, 1.0])
    assert set(found.numbers()) == {"t"}
