"""The report in Chinese is Chinese: every sentence, row and unit, and what is drawn in figures."""

import json
import re
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from made_up_run import (
    CONFIG,
    DRY_RUN,
    EVENTS,
    TEST_EVENT,
    breakdown_arrays,
    sample_arrays,
    scores,
)
from matplotlib.figure import Figure
from matplotlib.text import Text

from srwizard.base import i18n
from srwizard.base.retell import retell
from srwizard.data.prepare.leakage import Likeness, leakage_notes
from srwizard.report.page import write_report

BuildRun = Callable[..., Path]

WORD = re.compile(r"[A-Za-z][A-Za-z_+-]+")
NEUTRAL = {"RMSE", "MAE", "PSNR", "SSIM", "CRPS", "SR", "HR", "LR", "dB", "km", "°N", "°C"}
"""Metrics, units, and the names of fields."""
NAMES = {"temp", "uo", "edsr", "srwizard", "torch", "Hann"}
VALUES = {"cpu", "GB", "best", "channels", "blocks", "betas", "evaluate"}
"""What users have written, or will write, in these letters."""
TOLD = {
    "interval": {
        "level": 0.95, "steps": 4, "block": 2, "rmse": None, "difference": None, "skill": None,
        "distinguishable": None,
    },
    "effective_resolution": {name: {"cells": 4.0, "km": None} for name in ("model", "best")},
    "gradient": {"per": "cell", "model": {"rmse": 0.1, "p95": 0.2, "p99": 0.3}},
    "consistency": {"model": {"rmse": 1e-6}},
    "regions": {name: {"model": {"rmse": 0.1}} for name in ("coast", "shelf", "open_sea")},
    "coast": [
        {"from": 0.0, "to": 2.0, "unit": "cells", "model": {"rmse": 0.2}, "best": {"rmse": 0.3}},
        {"from": 2.0, "to": None, "unit": "cells", "model": {"rmse": 0.1}, "best": {"rmse": 0.1}},
    ],
    "calibration": {
        "members": 3, "ratio": 0.9, "rank_histogram": [0.2, 0.3, 0.3, 0.2],
        "spread": [0.1, 0.2], "rmse": [0.1, 0.3], "points": [10, 20],
    },
}  # fmt: skip
RANGE_TEST = {"lr": [1e-5, 1e-4], "loss": [1.0, 0.5], "smoothed": [1.0, 0.6], "proposed": 5e-5}


@pytest.fixture
def run_dir(build_run: BuildRun, tmp_path: Path) -> Path:
    """A run with everything that a report can show, its dataset prepared in English."""
    data = tmp_path / "1"
    data.mkdir()
    splits = {
        name: {
            "steps": 4, "first": "2001-01-01", "last": "2001-12-31",
            "statistics": {"temp": {"mean": 1.0, "std": 2.0, "observed_share": 0.5}},
        }
        for name in ("train", "valid", "test")
    }  # fmt: skip
    notes = leakage_notes([Likeness("temp", "train", "valid", 0.9, 1, False)], 0)
    manifest = {"method": "block mean", "calendar": "noleap", "splits": splits, "notes": notes}
    (data / "manifest.json").write_text(json.dumps(manifest))
    test = {**TEST_EVENT, "variables": {
        name: {**scores(0.1, 0.2), "linear": scores(0.15, 0.2)["model"], "best": "linear", **TOLD}
        for name in ("temp", "uo")
    }}  # fmt: skip
    samples = sample_arrays()
    samples |= {"member": samples["sr"] + 0.1, "spread": np.abs(samples["hr"] - 15)}
    run = build_run(
        config={**CONFIG, "data": {**CONFIG["data"], "root": str(data)}},
        events=[*EVENTS[:-1], test],
        dry_run={**DRY_RUN, "lr_range": RANGE_TEST},
        samples=samples | {"best": samples["bicubic"], "best_names": np.array(["linear"] * 2)},
    )
    waves = np.arange(1, 17) ** -3.0
    diagnostics = {
        "scales_fields": np.ones((3, 2, 16)),
        "scales_errors": np.stack([np.stack([waves * share] * 2) for share in (0.1, 0.2, 0.3)]),
        "scales_truth": np.stack([waves, waves]),
        "places_mean_error": np.full((3, 2, 32, 32), 0.1),
        "places_rmse": np.full((3, 2, 32, 32), 0.2),
    }
    np.savez(run / "plots" / "breakdown.npz", **breakdown_arrays(), **diagnostics)
    return run


def english_in(text: str, allowed: set[str]) -> set[str]:
    return {word for word in WORD.findall(text) if word not in allowed}


@pytest.mark.slow
def test_what_is_drawn(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    save = Figure.savefig

    def look(figure: Figure, *arguments: object, **options: object) -> None:
        save(figure, *arguments, **options)  # type: ignore[arg-type]
        drawn.extend(text.get_text() for text in figure.findobj(Text))  # type: ignore[attr-defined]

    monkeypatch.setattr(Figure, "savefig", look)
    i18n.set_language("zh")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a letter that no font has is a warning, and a box
        write_report(run_dir)
    assert len(list((run_dir / "plots").glob("*.png"))) == 25
    letters = " ".join(re.sub(r"\$\\mathdefault\{.*?\}\$", "", text) for text in drawn)
    assert english_in(letters, NEUTRAL | NAMES) == set()
    for label in ("轮次", "月份", "行号", "学习率", "双三次插值", "集合平均", "离岸距离 [格距]"):
        assert label in drawn


@pytest.mark.slow
def test_what_is_written(run_dir: Path) -> None:
    i18n.set_language("zh")
    page = write_report(run_dir).read_text(encoding="utf-8")
    body = re.sub(r"<(style|pre)\b.*?</\1>|base64,[^\"]*", "", page, flags=re.DOTALL)
    alternatives = " ".join(re.findall(r'alt="(.*?)"', body))
    text = re.sub(
        r"<[^>]*>|&\w+;|/\S+|\de-\d|0123abcd|metrics.jsonl|--gap|data\.prepare\.gap|data\.vectors|\blon\b|\blat\b",
        " ",
        body[body.index("<h1>") :],
    )
    assert english_in(f"{text} {alternatives}", NEUTRAL | NAMES | VALUES) == set()
    assert "时间上的信息泄漏" in text  # a note that prepare wrote in English
    assert "每年 365 天" in text


def test_notes_are_told_in_the_language_of_the_reader() -> None:
    i18n.set_language("zh")
    found = [Likeness("so", "valid", "test", 0.87, 3, True)]
    chinese = leakage_notes(found, 2)[0]
    own = "What the program did not write stays: 100 %."
    i18n.set_language("en")
    english = leakage_notes(found, 2)[0]
    assert retell(chinese) == english
    assert retell(english) == english
    assert retell(own) == own
    i18n.set_language("zh")
    assert retell(english) == chinese
    assert retell(f"{english} {own}") == f"{chinese} {own}"


def test_an_axis_counts_rows_only_where_there_is_no_latitude(
    build_run: BuildRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels: list[str] = []
    save = Figure.savefig

    def look(figure: Figure, *arguments: object, **options: object) -> None:
        labels.extend(axes.get_xlabel() for axes in figure.axes)
        save(figure, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Figure, "savefig", look)
    i18n.set_language("zh")
    place = {"lon": np.linspace(170.0, 190, 32), "lat": np.linspace(30.0, 50, 32)}
    run = build_run(samples=sample_arrays() | place)
    np.savez(run / "plots" / "breakdown.npz", **breakdown_arrays())
    write_report(run)
    assert "纬度 [°N]" in labels
    assert "行号" not in labels
