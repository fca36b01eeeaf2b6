"""Every figure of `evaluate --json` on the test split, recomputed from its definition.

Intervals are left to tests/runs/test_intervals.py and test_every_interval.py.
"""

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from srwizard.data.layout import scan
from srwizard.train.breakdown import Breakdown
from srwizard.train.diagnostics.all import RANGE_OVER_SPREAD, diagnostics_of, told_of
from srwizard.train.diagnostics.diagnostic import Diagnostic, Scored
from srwizard.train.final_scores import shown_methods
from srwizard.train.sampling import members_of
from srwizard.train.scoring import by_simple_method, score
from srwizard.train.setup import Training
from srwizard.train.simple_methods import BEST
from tests.datasets import land_mask, write_dataset
from tests.train.diagnostics import definitions
from tests.train.diagnostics.definitions import Array, Told
from tests.train.runs import freeze, set_up_only

SHAPE, SCALE, STEPS = (24, 32), 2, 6
NAMES = ["ssh", "uo", "vo"]
LAT, LON = 20 - 0.9 * np.arange(SHAPE[0]), 110 + 0.9 * np.arange(SHAPE[1])
EARTH = definitions.Earth(LAT, LON)
METHODS = ("model", "best", "bicubic")
DAYS = ["20200130", "20200131", "20200201", "20200202", "20200203", "20200204"]


@dataclass
class Kept(Diagnostic):
    """Keeps what is scored, of every step."""

    fields: dict[str, list[torch.Tensor]] = field(default_factory=dict)

    def add(self, at: Scored) -> None:
        parts = {**at.fields, "hr": at.truth.masked_fill(~at.mask, torch.nan), "lr": at.lr}
        for name, values in parts.items():
            self.fields.setdefault(name, []).append(values)
        if at.members is not None:
            self.fields.setdefault("members", []).append(at.members.transpose(0, 1))

    def of(self, name: str, channel: int) -> Array:
        return torch.cat(self.fields[name])[..., channel, :, :].double().numpy()


@dataclass
class Case:
    """A split that was scored: what was told of it, and the fields."""

    training: Training
    told: dict[str, dict[str, Any]]
    kept: Kept
    ensemble: bool

    def fields(self, channel: int) -> dict[str, Array]:
        return {method: self.kept.of(method, channel) for method in METHODS}

    def by_name(self, channel: int, best: str) -> dict[str, Array]:
        """Return the fields of the model and of every simple method, by its own name."""
        lr = torch.cat(self.kept.fields["lr"])
        named = {
            name: by_simple_method(self.training, name, lr)[:, channel].double().numpy()
            for name in self.training.simple
            if name != BEST
        }
        compared = self.fields(channel)
        return {**named, best: compared["best"], "model": compared["model"]}

    def members(self, channel: int) -> Array | None:
        return np.moveaxis(self.kept.of("members", channel), 1, 0) if self.ensemble else None


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Currents and sea level around the tropics, with land, shelf, and gaps that change."""
    root = write_dataset(
        tmp_path_factory.mktemp("every") / "data",
        steps=(5, 2, STEPS), hr_shape=SHAPE, scale=SCALE, variables=NAMES,
    )  # fmt: skip
    gaps = np.random.default_rng(5)
    for level in ("hr", "lr"):
        for name in NAMES:
            files = sorted((root / "test" / level / name).iterdir())
            for file, day in zip(files, DAYS, strict=True):
                values = np.load(file)
                if level == "hr":
                    values[gaps.random(SHAPE) < 0.04] = np.nan
                np.save(file.with_name(f"{day}.npy"), values)
                file.unlink()
    statics = root / "static_variables" / "hr"
    for file in statics.iterdir():
        file.unlink()
    depth = np.where(land_mask(SHAPE), np.nan, 20.0 * np.arange(SHAPE[1]))
    for name, values in (("00_lon", LON), ("01_lat", LAT), ("02_deptho", depth)):
        np.save(statics / f"{name}.npy", values)
    return root


@pytest.fixture(scope="module", params=["EDSR", "DDPM"])
def case(root: Path, tmp_path_factory: pytest.TempPathFactory, request: Any) -> Case:
    """The figures of a network with one answer, and of one with an ensemble, both untrained."""
    run_dir = tmp_path_factory.mktemp(request.param) / "run"
    freeze(root, run_dir, model=request.param, skip="auto", vectors=[["uo", "vo"]])
    training = set_up_only(run_dir)
    pairs, members = training.splits["test"], members_of(training.bare, "test")
    found = diagnostics_of(training.run, scan(root), pairs, members, training.span.numpy())
    kept = Kept()
    breakdown = Breakdown.empty(shown_methods(training), SHAPE[0], STEPS)
    scores = score(training, "test", breakdown=breakdown, diagnostics=[*found, kept])
    told: dict[str, dict[str, Any]] = {name: {} for name in (*NAMES, "uo,vo")}
    for part in (scores.variables, told_of(found)):
        for name, figures in part.items():
            told[name] |= figures
    return Case(training, told, kept, members > 1)


def expected(case: Case, channel: int) -> Told:
    """Return all that there is to tell of a variable."""
    name, fields = NAMES[channel], case.fields(channel)
    hr, lr, members = (
        case.kept.of("hr", channel),
        case.kept.of("lr", channel),
        case.members(channel),
    )
    train = case.training.splits["train"]
    record = np.stack([train._hr[channel].read(index) for index in range(len(train))])
    low, span = float(np.nanmin(record)), float(np.nanmax(record) - np.nanmin(record))
    best = str(case.told[name]["best"])
    told: Told = {"best": best}
    by_name = case.by_name(channel, best)
    told |= {method: definitions.scores(sr, hr, low, span) for method, sr in by_name.items()}
    told["skill"] = 1 - told["model"]["rmse"] / told[best]["rmse"]
    told["skill_bicubic"] = 1 - told["model"]["rmse"] / told["bicubic"]["rmse"]
    told["effective_resolution"] = {
        method: definitions.effective_resolution(values, hr, EARTH.cell_km)
        for method, values in fields.items()
    }
    parts = {m: definitions.gradient(values, hr, EARTH) for m, values in fields.items()}
    told["gradient"] = {m: part["own"] for m, part in parts.items()} | {
        "per": "km", "truth": parts["model"]["truth"],
    }  # fmt: skip
    water = np.isfinite(record).any(axis=0)
    told["consistency"] = {
        m: definitions.consistency(np.where(water, values, np.nan), lr)
        for m, values in {**fields, "truth": hr}.items()
    }
    told |= where_and_when(fields, hr, members)
    if name == "ssh":
        told["geostrophic_speed"] = {
            m: {"rmse": definitions.geostrophic_speed(values, hr, EARTH)}
            for m, values in fields.items()
        }
    if members is not None:
        told["model"] |= definitions.ensemble(members, hr)
        for method in by_name.keys() - {"model"}:
            told[method]["crps"] = told[method]["mae"]
        told["calibration"] = definitions.calibration(members, hr, span / RANGE_OVER_SPREAD)
    return told


def where_and_when(fields: dict[str, Array], hr: Array, members: Array | None) -> Told:
    sea = np.isfinite(hr).any(axis=0)
    depth = 20.0 * np.arange(SHAPE[1])[None]

    def at(where: Any) -> Told:
        return definitions.chosen(fields, hr, members, where)

    bands = [(low, low + 2.0) for low in np.arange(-2, 22, 2.0)]
    months = [(1, slice(0, 2)), (2, slice(2, STEPS))]
    maps = {m: definitions.on_the_map(v, hr, fields["best"], EARTH) for m, v in fields.items()}
    told: Told = {
        "coast": [limits | at(there) for limits, there in definitions.by_distance(sea, EARTH)],
        "regions": {
            name: at(there)
            for name, there in definitions.regions(sea, depth, 2 * SCALE).items()
        },
        "latitude": [
            {"from": low, "to": high} | at(((low <= LAT) & (high > LAT))[:, None])
            for low, high in bands
        ],
        "month": [],
        "map": {m: part["own"] for m, part in maps.items()}
        | {key: maps["model"][key] for key in ("points", "better")},
    }  # fmt: skip
    for month, steps in months:
        own = {m: values[steps] for m, values in fields.items()}
        found = definitions.chosen(own, hr[steps], None, np.ones(SHAPE, bool))
        told["month"].append({"month": month, "steps": len(hr[steps]), **found})
    return told


def leaves(told: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every figure with its place."""
    if isinstance(told, Mapping):
        for key, value in told.items():
            if key != "interval":
                yield from leaves(value, f"{path}.{key}")
    elif isinstance(told, list | tuple | np.ndarray):
        for place, value in enumerate(told):
            yield from leaves(value, f"{path}[{place}]")
    else:
        yield path, told


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_of_a_variable(case: Case, name: str) -> None:
    told = case.told[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # means of nothing, on land
        wanted = dict(leaves(expected(case, NAMES.index(name))))
    found = dict(leaves(told))
    assert found.keys() == wanted.keys()
    for place, value in wanted.items():
        if isinstance(value, str) or value is None:
            assert found[place] == value, place
        else:
            assert found[place] == pytest.approx(value, rel=2e-4, abs=2e-6), place


def test_every_figure_of_a_vector(case: Case) -> None:
    fields = [case.fields(NAMES.index(name)) for name in ("uo", "vo")]
    hr = case.kept.of("hr", 1), case.kept.of("hr", 2)
    wanted: Told = {
        method: definitions.vector((fields[0][method], fields[1][method]), hr, EARTH)
        for method in METHODS
    }
    found = dict(leaves(case.told["uo,vo"]))
    for place, value in leaves({"vector": wanted | {"per": "m"}}):
        told = found.pop(place)
        assert told == (value if isinstance(value, str) else pytest.approx(value, rel=1e-3)), place
    assert not found
