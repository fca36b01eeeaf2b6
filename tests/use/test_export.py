"""`srwizard export`: a bundle that others can load, and ONNX that computes the same."""

import contextlib
import json
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest
import torch
from scipy.ndimage import distance_transform_edt

from srwizard import load_run
from srwizard.base.errors import SrwizardError, UsageError
from srwizard.data.fields import FloatField
from srwizard.data.layout import scan
from srwizard.data.weighting import BY_AREA
from srwizard.use import onnx_graph
from srwizard.use.export import export
from srwizard.use.predictor import Predictor
from tests.datasets import write_dataset
from tests.train.runs import freeze, trained
from tests.train.test_seam import global_dataset
from tests.use.conftest import Command
from tests.use.records import lr_fields

DOCS = Path(__file__).parents[2] / "docs" / "using-a-model.md"


def code_of(text: str, word: str) -> str:
    """Return the Python block in which `word` stands."""
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    found = next(str(block) for block in blocks if word in block)
    return "".join(line for line in found.splitlines(keepends=True) if line.strip())


@pytest.mark.broad
def test_a_bundle_is_loaded_as_the_documentation_says(
    srwizard: Command, tmp_path: Path, dataset: Path, edsr: Path
) -> None:
    done = srwizard("export", edsr, "-o", "bundle")
    assert done.returncode == 0, done.stderr
    bundle = tmp_path / "bundle"
    assert done.stdout.splitlines() == [
        str(bundle / name)
        for name in ("README.md", "config.json", "model.safetensors", "statistics.npz")
    ]
    text = DOCS.read_text(encoding="utf-8")
    loading = code_of(text, "load_file")
    assert len(loading.splitlines()) == 5
    assert loading == code_of((bundle / "README.md").read_text(), "load_file")
    channels = [lr_fields(dataset, name)[0] for name in ("salt", "temp")]
    np.save(tmp_path / "lr.npy", np.stack(channels))
    filled = (
        "import numpy as np\nfrom srwizard.data.gaps import NearestFill\n"
        "lr = np.load('../lr.npy')\n"
    )
    # The normalized field is what has its gaps filled.
    use = code_of(text, "statistics.npz").replace(
        '(lr - s["lr_mean"]) / s["lr_std"]',
        '[NearestFill()(part) for part in (lr - s["lr_mean"]) / s["lr_std"]]',
    )
    program = loading + filled + use + "np.save('../sr.npy', sr)\n"
    subprocess.run([sys.executable, "-c", program], cwd=bundle, check=True)
    found = np.load(tmp_path / "sr.npy")
    expected = load_run(edsr).predict(np.stack(channels))
    assert np.allclose(found, expected, equal_nan=True, atol=1e-4)
    told = as_its_readme_says(bundle, np.stack(channels))
    assert np.allclose(told, expected, equal_nan=True, atol=1e-4)
    config = json.loads((bundle / "config.json").read_text())
    assert config["run_digest"] == load_run(edsr).config.digest
    assert config["variables"] == ["salt", "temp"]


@pytest.mark.broad
def test_a_bundle_that_starts_from_a_simple_method_is_used_as_documented(
    tmp_path: Path, dataset: Path
) -> None:
    run_dir, bundle = tmp_path / "run", tmp_path / "bundle"
    freeze(dataset, run_dir, skip="auto", epochs=2, lr=0.003)
    trained(run_dir)
    run = load_run(run_dir)
    assert "baselines.npz" in {Path(line).name for line in export(run, bundle)}
    lr = np.stack([lr_fields(dataset, name)[0] for name in run.variables])
    np.save(tmp_path / "lr.npy", lr)
    text = DOCS.read_text(encoding="utf-8")
    use = code_of(text, "baselines.npz")
    program = code_of(text, "load_file") + "import numpy as np\nlr = np.load('../lr.npy')\n" + use
    program += "np.save('../sr.npy', sr)\n"
    subprocess.run([sys.executable, "-c", program], cwd=bundle, check=True)
    found = np.load(tmp_path / "sr.npy")
    np.testing.assert_allclose(found, run.predict(lr), rtol=0, atol=1e-4)
    np.testing.assert_allclose(as_its_readme_says(bundle, lr), found, rtol=0, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("skip", ["auto", None])
def test_the_program_of_a_bundle_sees_across_the_seam(tmp_path: Path, skip: str | None) -> None:
    changes = {"model": "EDSR", "skip": skip, "periodic": True}
    root = global_dataset(tmp_path / "data")
    run, bundle = a_run_that_says_something(root, tmp_path / "run", changes)
    export(run, bundle)
    lr = np.stack([np.load(path) for path in sorted((root / "test" / "lr" / "temp").glob("*"))[:1]])
    lr[:, 2:6, -3:] = np.nan
    wanted = run.predict(lr)
    found = as_its_readme_says(bundle, lr)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-4 * np.nanstd(wanted))


@pytest.mark.broad
def test_a_bundle_that_conserves_is_used_as_documented(tmp_path: Path, dataset: Path) -> None:
    run_dir, bundle = tmp_path / "run", tmp_path / "bundle"
    freeze(dataset, run_dir, skip="auto", conserve="additive", use_amp=True, epochs=2, lr=0.003)
    trained(run_dir)
    run = load_run(run_dir)
    with pytest.raises(UsageError, match=r"conserves block means \(model\.conserve\) cannot"):
        export(run, bundle, onnx=True)
    export(run, bundle)
    lr = np.stack([lr_fields(dataset, name)[0] for name in run.variables])
    found = conserved_by(bundle, lr)
    np.testing.assert_allclose(found, run.predict(lr), rtol=0, atol=1e-5)
    np.testing.assert_allclose(as_its_readme_says(bundle, lr), found, rtol=0, atol=1e-5)


def as_its_readme_says(bundle: Path, lr: FloatField) -> FloatField:
    """Return what the program in the README of a bundle makes of LR."""
    blocks = re.findall(r"```python\n(.*?)```", (bundle / "README.md").read_text(), re.DOTALL)
    script = bundle.parent / "as_told.py"
    script.write_text("\n".join(blocks), encoding="utf-8")
    with contextlib.chdir(bundle):
        found: FloatField = runpy.run_path(str(script), init_globals={"lr": lr})["sr"]
    return found


def conserved_by(bundle: Path, lr: FloatField) -> FloatField:
    """Return what the documented program makes of LR with a bundle alone."""
    np.save(bundle.parent / "lr.npy", lr)
    text = DOCS.read_text(encoding="utf-8")
    program = code_of(text, "load_file") + "import numpy as np\nlr = np.load('../lr.npy')\n"
    program += code_of(text, "baselines.npz") + code_of(text, "block_shares")
    program += "np.save('../sr.npy', sr)\n"
    subprocess.run([sys.executable, "-c", program], cwd=bundle, check=True)
    found: FloatField = np.load(bundle.parent / "sr.npy")
    return found


def mean_by_hand(block: FloatField, weights: npt.NDArray[np.float64]) -> float:
    """Return the weighted mean of the points of a block that have a value; NaN: none has."""
    points = [(w, v) for w, v in zip(weights.ravel(), block.ravel(), strict=True) if v == v]
    total = sum(w for w, _value in points)
    return float(sum(w * v for w, v in points) / total) if points else float("nan")


@pytest.mark.slow
@pytest.mark.parametrize("normalization", ["PGN", "GN"])
def test_a_bundle_conserves_with_gaps_and_cosine_weights(
    tmp_path: Path, normalization: str
) -> None:
    """Far north, with land and ice that comes and goes, LR as `prepare --area-weights` makes it."""
    root = write_dataset(tmp_path / "data", variables=("salt", "temp"))
    latitude = np.linspace(60, 88, 16)
    cosine = np.repeat(np.cos(np.deg2rad(latitude))[:, None], 24, axis=1)
    np.save(root / "static_variables" / "hr" / "01_lat.npy", latitude)
    (root / "manifest.json").write_text(json.dumps({"method": BY_AREA}))
    ice = np.random.default_rng(2)
    for (_split, level, _name), field in scan(root).fields.items():
        for index in range(len(field.steps)) if level == "hr" else ():
            path = Path(field.path(index))
            values = field.read(index).copy()
            values[ice.random(values.shape) < 0.05] = np.nan
            low = np.full((8, 12), np.nan, np.float32)
            for row, column in np.ndindex(8, 12):
                at = slice(2 * row, 2 * row + 2), slice(2 * column, 2 * column + 2)
                low[row, column] = mean_by_hand(values[at], cosine[at])
            np.save(path, values)
            np.save(str(path).replace("/hr/", "/lr/"), low)
    run_dir, bundle = tmp_path / "run", tmp_path / "bundle"
    freeze(root, run_dir, skip="auto", conserve="additive", normalization=normalization,
           epochs=2, lr=0.01)  # fmt: skip
    trained(run_dir)
    export(load_run(run_dir), bundle)
    lr = np.stack([lr_fields(root, name)[0] for name in ("salt", "temp")])
    lr[:, 1:3, 8:10] = np.nan  # a gap in the input
    found = conserved_by(bundle, lr)
    assert np.isfinite(found[:, 2:6, 16:20]).all()
    compared = 0
    for channel, row, column in np.ndindex(*lr.shape):
        at = slice(2 * row, 2 * row + 2), slice(2 * column, 2 * column + 2)
        mean = mean_by_hand(found[channel][at], cosine[at])
        if np.isfinite(lr[channel, row, column]) and np.isfinite(mean):
            assert mean == pytest.approx(lr[channel, row, column], abs=1e-5)
            compared += 1
    assert compared > 100
    np.testing.assert_allclose(found, load_run(run_dir).predict(lr), rtol=0, atol=1e-5)


def test_what_is_in_the_way_stays(srwizard: Command, tmp_path: Path, edsr: Path) -> None:
    run, target = load_run(edsr), tmp_path / "bundle"
    export(run, target)
    with pytest.raises(UsageError, match="exists already"):
        export(run, target)
    export(run, target, overwrite=True)
    (target / "thesis.tex").write_text("mine")
    with pytest.raises(UsageError, match=r"thesis\.tex, which is not part of a bundle"):
        export(run, target, overwrite=True)
    assert (target / "thesis.tex").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle"]


def test_a_bundle_that_a_killed_export_had_moved_aside_is_put_back(
    tmp_path: Path, edsr: Path
) -> None:
    run, target = load_run(edsr), tmp_path / "bundle"
    export(run, target)
    written = {path.name: path.read_bytes() for path in target.iterdir()}
    target.rename(tmp_path / ".bundle.replaced")  # killed between giving the two their names
    (tmp_path / ".bundle.preparing").mkdir()
    (tmp_path / ".bundle.preparing" / "model.safetensors").write_bytes(b"half")
    with pytest.raises(UsageError, match="exists already"):
        export(run, target)
    assert {path.name: path.read_bytes() for path in target.iterdir()} == written
    export(run, target, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_model_without_a_graph_of_any_size_is_refused(
    srwizard: Command, tmp_path: Path, diffusion: Path
) -> None:
    done = srwizard("export", diffusion, "-o", "bundle", "--onnx")
    assert done.returncode == 2
    assert "DDPM cannot be written as ONNX" in done.stderr
    assert not (tmp_path / "bundle").exists()


ONNX_RUNS: dict[str, dict[str, Any]] = {
    "climatology": {"skip": "climatology+linear", "static_variables": ("lon", "lat")},
    "a method for each variable": {"skip": "auto", "model": "RCAN"},
    "on any grid": {"skip": "linear", "normalization": "GN", "model": "UNet2d"},
    "guides": {"skip": "linear", "guides": ("lat", "lon"), "model": "EDSR"},
    "no skip": {},
}


def nearest(field: FloatField) -> npt.NDArray[np.int64]:
    rows, columns = distance_transform_edt(
        np.isnan(field), return_distances=False, return_indices=True
    )
    found: npt.NDArray[np.int64] = rows.astype(np.int64) * field.shape[1] + columns
    return found


@pytest.mark.slow
@pytest.mark.parametrize("case", ONNX_RUNS)
def test_onnx_predicts_what_the_run_predicts(tmp_path: Path, dataset: Path, case: str) -> None:
    run, bundle = a_run_that_says_something(dataset, tmp_path / "run", ONNX_RUNS[case])
    export(run, bundle, onnx=True)
    lr = np.stack([lr_fields(dataset, name)[0] for name in run.variables])
    np.save(tmp_path / "lr.npy", lr)
    use = code_of(DOCS.read_text(encoding="utf-8"), "model.onnx")
    program = f"import numpy as np\nlr = np.load('../lr.npy')\n{use}np.save('../sr.npy', sr[0])\n"
    subprocess.run([sys.executable, "-c", program], cwd=bundle, check=True)
    np.testing.assert_allclose(np.load(tmp_path / "sr.npy"), run.predict(lr), rtol=0, atol=1e-4)


@pytest.mark.slow
def test_onnx_takes_gaps_and_batches_and_any_grid(tmp_path: Path, dataset: Path) -> None:
    run, bundle = a_run_that_says_something(dataset, tmp_path / "run", ONNX_RUNS["on any grid"])
    export(run, bundle, onnx=True)
    session = onnxruntime.InferenceSession(str(bundle / "model.onnx"))
    assert [one.shape for one in session.get_inputs()] == [["batch", 2, "h", "w"]] * 2
    assert session.get_outputs()[0].shape == ["batch", 2, "H", "W"]
    rng = np.random.default_rng(0)
    for shape in ((2, 2, 21, 9), (3, 2, 5, 6)):
        lr = rng.normal(15, 3, shape).astype(np.float32)
        lr[0, 0, 1:3, 2] = np.nan
        lr[1, 1] = np.nan  # there is nothing to fill it with
        gaps = np.stack([[nearest(part) for part in step] for step in lr])
        (found,) = session.run(None, {"lr": lr, "nearest": gaps})
        expected = run.predict(lr)
        gap = np.isnan(expected)
        np.testing.assert_allclose(found[~gap], expected[~gap], rtol=0, atol=1e-4)
        assert np.isnan(found[1, 1]).all()


def a_run_that_says_something(root: Path, run_dir: Path, changes: dict[str, Any]) -> Any:
    """Return a run whose network corrects much, and where its bundle goes."""
    freeze(root, run_dir, epochs=1, **changes)
    trained(run_dir)
    run = load_run(run_dir)
    torch.manual_seed(0)
    for part in run.network.parameters():  # else the output layer is near zero
        torch.nn.init.normal_(part, std=0.1)
    return run, run_dir.parent / "bundle"


@pytest.mark.slow
def test_a_graph_that_computes_something_else_is_not_handed_over(
    tmp_path: Path, dataset: Path
) -> None:
    run, _bundle = a_run_that_says_something(dataset, tmp_path / "run", {"skip": "linear"})
    predictor = Predictor(run.network, run.preprocessing)
    onnx_graph.write_onnx(predictor, tmp_path / "model.onnx")
    for part in run.network.parameters():
        torch.nn.init.normal_(part, std=0.1)
    with pytest.raises(SrwizardError, match="give different results"):
        onnx_graph._compare(predictor, tmp_path / "model.onnx")
