"""The errors by row, by step and by wavenumber, over real data and several processes."""

import json
from pathlib import Path

import numpy as np
import pytest

from srwizard.data.baselines import settle
from srwizard.data.baselines.choice import Choice
from srwizard.data.layout import scan
from srwizard.report import records as report
from srwizard.runs.records import read_events
from srwizard.settings.run_config import RunMethod
from srwizard.train.breakdown import Breakdown
from srwizard.train.distributed import Place
from srwizard.train.final_scores import save_examples, score_test, shown_methods
from srwizard.train.scoring import score
from srwizard.train.simple_methods import load_learnt
from tests.configs import frozen
from tests.datasets import write_dataset
from tests.train.runs import freeze, made_ready


def test_the_parts_make_up_the_whole(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data", variables=("temp", "uo"), steps=(4, 2, 5))
    freeze(root, tmp_path / "run")
    training = made_ready(tmp_path / "run")
    found = Breakdown.empty(shown_methods(training), 16, 5)
    scores = score(training, "test", breakdown=found)
    path = tmp_path / "run" / "plots" / "breakdown.npz"
    found.save(path, ["temp", "uo"], list("abcde"), ["bicubic"] * 2, {})
    with np.load(tmp_path / "run" / "plots" / "breakdown.npz") as saved:
        arrays = dict(saved)
    assert arrays["names"].tolist() == list("abcde")
    for channel, name in enumerate(("temp", "uo")):
        for method, key in enumerate(("model", "bicubic")):
            rmse = scores.variables[name][key]["rmse"]
            for part, points in (("rows", "row_points"), ("steps", "step_points")):
                mean = arrays[part][method, channel].sum() / arrays[points][channel].sum()
                assert np.sqrt(mean) == pytest.approx(rmse, rel=1e-6)
    assert arrays["spectra"].shape == (3, 2, 8)
    assert (arrays["spectra"] > 0).all()
    again = score(training, "test")
    assert again.variables == scores.variables


def test_the_best_simple_method_stands_beside_the_model(tmp_path: Path) -> None:
    """Of each variable its own: of one a part of the climatology, of the other bicubic."""
    root = write_dataset(tmp_path / "data", variables=("temp", "uo"), steps=(8, 2, 5))
    part = Choice("climatology+linear", 0.5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settle, "best", lambda scores: part)
        run = freeze(root, tmp_path / "part", skip="auto")
    assert run.model.skip is not None
    plain = RunMethod(method="bicubic", weight=0.0)
    kept = run.model.skip["uo"].model_copy(update={**plain.model_dump(), "best": plain})
    chosen = run.model.skip | {"uo": kept}
    model = run.model.model_copy(update={"skip": chosen})
    run = frozen(run.model_copy(update={"model": model}))
    training = made_ready(tmp_path / "part")
    path = tmp_path / "breakdown.npz"
    scores = score_test(training, path, scan(root))
    with np.load(path) as saved:
        found = report.Breakdown.read(dict(saved))
    names = ["model", "bicubic", "climatology(0.5)+linear"]
    assert found.shown(0) == list(enumerate(names))
    assert found.shown(1) == list(enumerate(names[:2]))
    for channel, name in enumerate(("temp", "uo")):
        for place, key in found.shown(channel):
            total, points = found.rows[place, channel].sum(), found.row_points[channel].sum()
            rmse = scores.variables[name][key]["rmse"]
            assert np.sqrt(total / points) == pytest.approx(rmse, rel=1e-6)
    # A static field is a coordinate by its whole name, not by how it begins.
    statics = root / "static_variables" / "hr"
    np.save(statics / "02_latent_heat.npy", np.load(statics / "01_lat.npy") + 500)
    save_examples(training, scan(root), tmp_path / "samples.npz")
    with np.load(tmp_path / "samples.npz") as saved:
        fields = dict(saved)
    np.testing.assert_array_equal(fields["lat"], np.load(statics / "01_lat.npy"))
    assert fields["best_names"].tolist() == [names[2], "bicubic"]
    np.testing.assert_array_equal(fields["best"][:, 1], fields["bicubic"][:, 1])
    learnt = load_learnt(run, tmp_path / "part", scan(root))
    assert learnt is not None
    expected = learnt["temp"].chosen()(fields["lr"][0, 0])
    sea = np.isfinite(fields["hr"][0, 0])
    np.testing.assert_allclose(fields["best"][0, 0][sea], expected[sea], atol=1e-5)


def test_a_row_and_a_step_are_where_they_are() -> None:
    import torch

    truth = torch.zeros(2, 1, 4, 6)
    sr, mask = truth.clone(), torch.ones_like(truth, dtype=torch.bool)
    sr[1, 0, 2] = 3.0
    mask[1, 0, 2, :2] = False
    found = Breakdown.empty([["bicubic"]], 4, 5)
    found.add_model([3, 1], sr, truth, mask)
    found.add_method("linear", [3, 1], truth + 2, truth, mask)
    found.add_method("bicubic", [3, 1], truth + 1, truth, mask)
    assert found.rows[0, 0].tolist() == [0, 0, 36, 0]
    assert found.row_points[0].tolist() == [12, 12, 10, 12]
    assert found.steps[0, 0].tolist() == [0, 36, 0, 0, 0]
    assert found.step_points[0].tolist() == [0, 22, 0, 24, 0]
    assert found.steps[1, 0].tolist() == [0, 22, 0, 24, 0]


def test_the_peak_is_of_this_machine() -> None:
    import torch

    from srwizard.train.peak import peak_bytes

    peak = peak_bytes(Place(0, 1, torch.device("cpu")))
    assert peak is not None
    assert 50 * 2**20 < peak < 100 * 2**30


@pytest.mark.slow
def test_processes_add_up_to_the_same(tmp_path: Path) -> None:
    from srwizard.train import launch

    root = write_dataset(tmp_path / "data", steps=(4, 2, 5))
    found = {}
    for processes in (1, 2):
        run_dir = tmp_path / str(processes)
        freeze(root, run_dir, processes=processes, epochs=1, batch_size=4 // processes)
        launch.launch(run_dir)
        with np.load(run_dir / "plots" / "breakdown.npz") as saved:
            found[processes] = dict(saved)
        (epoch, *_rest) = read_events(run_dir / "metrics.jsonl")
        assert epoch["peak_memory_bytes"] > 50 * 2**20 * processes, json.dumps(epoch)
    for name in ("row_points", "step_points", "names", "variables"):
        np.testing.assert_array_equal(found[1][name], found[2][name])
    for name in ("rows", "steps", "spectra"):
        np.testing.assert_allclose(found[1][name], found[2][name], rtol=0.02)
