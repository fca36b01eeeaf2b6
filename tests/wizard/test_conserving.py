"""Before a run that conserves is frozen: is LR what it would conserve?"""

import json
import math
from pathlib import Path

import numpy as np

from srwizard.data.dataset import Dataset
from srwizard.data.weighting import BY_AREA
from srwizard.wizard.conserving import doubts_on_conserving
from tests.datasets import write_dataset
from tests.train.runs import freeze


def test_lr_made_otherwise_is_told_with_figures(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data", variables=("salt", "temp"))
    run = freeze(root, tmp_path / "run", conserve="additive")
    assert doubts_on_conserving(run, Dataset(root)) == []
    for file in (root / "train" / "lr" / "temp").iterdir():
        values = np.load(file)
        np.save(file, values + np.float32(0.25))
    (doubt,) = doubts_on_conserving(run, Dataset(root))
    assert "block means of temp" in doubt
    assert "differ from it by 0.25 (RMS" in doubt
    assert doubts_on_conserving(freeze(root, tmp_path / "other"), Dataset(root)) == []


def test_a_split_of_land_alone_raises_no_doubt(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data")
    run = freeze(root, tmp_path / "run", conserve="additive")
    for file in (root / "train").rglob("*.npy"):
        np.save(file, np.full_like(np.load(file), math.nan))
    assert doubts_on_conserving(run, Dataset(root)) == []


def test_means_by_area_are_frozen_with_their_latitude(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data")
    (root / "manifest.json").write_text(json.dumps({"method": BY_AREA}))
    run = freeze(root, tmp_path / "run", conserve="additive")
    assert run.data.block_means == "area"
    assert run.reads_latitude
    assert any("01_lat" in part for part in run.data.fingerprint)
