"""Predictions and bundles of a run that takes HR fields as guides."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from srwizard import load_run
from srwizard.base.errors import DatasetError
from srwizard.data.samples import Key
from srwizard.use.export import export
from tests.train.runs import freeze, made_ready, trained
from tests.use.records import lr_fields
from tests.use.test_export import DOCS, code_of


@pytest.fixture
def run_dir(tmp_path: Path, dataset: Path) -> Path:
    """A run with a guide that its network has learnt to see."""
    shape = np.load(next((dataset / "test" / "hr").glob("*/*.npy"))).shape
    depth = np.random.default_rng(0).normal(3000, 500, shape)
    np.save(dataset / "static_variables" / "hr" / "02_depth.npy", depth)
    freeze(
        dataset,
        tmp_path / "run",
        guides=["depth"],
        skip="linear",
        normalization="GN",
        epochs=4,
        lr=0.01,
    )
    trained(tmp_path / "run")
    return tmp_path / "run"


def fields(dataset: Path, names: tuple[str, ...]) -> np.ndarray:
    return np.stack([lr_fields(dataset, name)[0] for name in names])


def test_predictions_are_what_is_scored(run_dir: Path, dataset: Path) -> None:
    training = made_ready(run_dir)
    (batch,) = training.batches("test", [(Key(0),)])
    with torch.no_grad():
        scored = training.bare.eval()(batch["lr"]) * training.spread + batch["base"]
    run = load_run(run_dir, checkpoint="last")
    found = run.predict(fields(dataset, run.variables))
    water = batch["mask"][0].numpy()
    np.testing.assert_allclose(found[water], scored[0].numpy()[water], atol=1e-4)
    run.preprocessing.static[...] = 0
    assert not np.allclose(run.predict(fields(dataset, run.variables))[water], found[water])


def test_it_cannot_be_used_on_another_grid(run_dir: Path) -> None:
    run = load_run(run_dir)
    with pytest.raises(DatasetError, match="another grid") as refused:
        run.predict(np.zeros((len(run.variables), 5, 6), dtype=np.float32))
    assert "static fields of its grid as input: depth" in refused.value.hint


def test_a_guide_that_has_changed_or_is_gone_is_named(run_dir: Path, dataset: Path) -> None:
    file = dataset / "static_variables" / "hr" / "02_depth.npy"
    np.save(file, np.load(file) + 1)
    with pytest.raises(DatasetError, match=r"static/hr/02_depth has changed"):
        load_run(run_dir)
    file.unlink()
    with pytest.raises(DatasetError, match="no static field depth for hr"):
        load_run(run_dir)


def test_a_bundle_carries_it(run_dir: Path, dataset: Path, tmp_path: Path) -> None:
    run, bundle = load_run(run_dir), tmp_path / "bundle"
    export(run, bundle)
    lr = fields(dataset, run.variables)
    np.save(tmp_path / "lr.npy", lr)
    (dataset / "static_variables" / "hr" / "02_depth.npy").unlink()
    text = DOCS.read_text(encoding="utf-8")
    program = code_of(text, "load_file") + "import numpy as np\nlr = np.load('../lr.npy')\n"
    program += code_of(text, "baselines.npz") + "np.save('../sr.npy', sr)\n"
    subprocess.run([sys.executable, "-c", program], cwd=bundle, check=True)
    np.testing.assert_allclose(np.load(tmp_path / "sr.npy"), run.predict(lr), rtol=0, atol=1e-4)
    assert json.loads((bundle / "config.json").read_text())["guides"] == ["depth"]
    assert "depth" in (bundle / "README.md").read_text()
