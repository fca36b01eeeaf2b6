"""Training begins from weights of srwizard's own: a run, a checkpoint, a bundle."""

import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from rich.text import Text
from safetensors.torch import load_file

from tests.e2e.conftest import Run
from tests.train.runs import weights

PLACES = ("run", "run/checkpoints/best.pt", "carried/away.pt", "bundle", "bundle/model.safetensors")


def said(text: str) -> str:
    return " ".join(Text.from_ansi(text).plain.split())


@pytest.mark.slow
def test_training_begins_from_a_run_a_checkpoint_or_a_bundle(
    srwizard: Run, answers: Path, tmp_path: Path
) -> None:
    averaged = ("--set", "training.ema_decay=0.9")
    first = srwizard("--answers", answers, *averaged)
    assert first.returncode == 0, first.stderr
    assert srwizard("export", tmp_path / "run", "-o", tmp_path / "bundle").returncode == 0
    (tmp_path / "carried").mkdir()
    shutil.copy(tmp_path / "run" / "checkpoints" / "best.pt", tmp_path / "carried" / "away.pt")
    wanted = load_file(tmp_path / "bundle" / "model.safetensors")
    before = yaml.safe_load((tmp_path / "run" / "run.yaml").read_text())["model"]
    for number, place in enumerate(PLACES):
        run_dir = tmp_path / f"next{number}"
        # With a learning rate this small, an epoch leaves the weights where they were.
        done = srwizard(
            "--answers", answers, "--set", f"output.dir={run_dir}", "--set", "training.epochs=1",
            "--set", f"model.weights={tmp_path / place}", "--set", "training.lr=1e-12",
            "--set", "model.params={}",
            *(() if place in PLACES[:1] else ("--stop-after", "frozen")),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "model.skip" not in done.stdout
        model = yaml.safe_load((run_dir / "run.yaml").read_text())["model"]
        assert model["params"] == before["params"]
        assert model["skip"]["temp"]["method"] == before["skip"]["temp"]["method"]
        assert Path(model["weights"]["path"]).is_file()
    begun = weights(tmp_path / "next0")
    assert begun.keys() == wanted.keys()
    for name, value in wanted.items():
        torch.testing.assert_close(begun[name], value, rtol=0, atol=1e-8)


@pytest.mark.slow
def test_a_run_that_trains_on_is_no_longer_what_was_frozen(
    srwizard: Run, answers: Path, tmp_path: Path
) -> None:
    assert srwizard("--answers", answers).returncode == 0
    frozen = srwizard(
        "--answers", answers, "--stop-after", "frozen",
        "--set", f"model.weights={tmp_path / 'run'}",
        "--set", f"output.dir={tmp_path / 'next'}",
    )  # fmt: skip
    assert frozen.returncode == 0, frozen.stderr
    best = tmp_path / "run" / "checkpoints" / "best.pt"
    best.write_bytes(best.read_bytes() + b"\0")
    refused = srwizard("train", tmp_path / "next")
    assert refused.returncode == 2
    assert "have changed since the run was frozen" in said(refused.stderr)


@pytest.mark.parametrize("kind", ["nothing in it", "not trained yet", "no checkpoint", "a trap"])
def test_what_holds_no_weights_is_refused(
    srwizard: Run, answers: Path, tmp_path: Path, kind: str
) -> None:
    place = tmp_path / "place"
    match kind:
        case "nothing in it":
            place.mkdir()
        case "not trained yet":
            place.mkdir()
            (place / "run.yaml").write_text("schema_version: 1\n")
        case "no checkpoint":
            place = tmp_path / "other.pt"
            torch.save({"weights": {"a": torch.zeros(1)}}, place)
        case _:
            place.mkdir()
            (place / "model.safetensors").write_bytes(b"\0" * 100)
            (place / "config.json").write_text(json.dumps({"network": []}))
    refused = srwizard("--answers", answers, "--set", f"model.weights={place}")
    assert refused.returncode == 2, refused.stdout
    assert str(place) in refused.stderr.replace("\n", "")
    assert "Traceback" not in refused.stderr
    assert not (tmp_path / "run").exists()
