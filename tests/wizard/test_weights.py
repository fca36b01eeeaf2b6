"""Weights to begin from: those of a run with guides, and those of a diffusion model."""

from pathlib import Path
from typing import Any

import pytest

from srwizard.base.errors import UsageError
from srwizard.models import weights_file
from srwizard.models.importing import import_weights
from srwizard.settings.answers import Answers
from srwizard.settings.yaml_file import Document
from srwizard.states import model
from srwizard.wizard.network_parameters import weights_problems
from srwizard.wizard.without_asking import conversation_of
from tests.datasets import write_dataset
from tests.small_networks import SMALL
from tests.train.runs import freeze, trained


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("weights") / "data", variables=("temp", "sst"))


@pytest.fixture(scope="module")
def guided(root: Path) -> Path:
    """A run of temp, guided by longitude, which is static, and by sst."""
    run_dir = root.parent / "guided"
    freeze(root, run_dir, guides=["lon", "sst"], epochs=1)
    trained(run_dir)
    return run_dir


def begun(root: Path, weights: Path, **data: Any) -> Any:
    given = {
        "data": {"root": str(root), "scale": 2, "variables": ["temp"], **data},
        "model": {"name": "EDSR", "params": SMALL["EDSR"], "weights": str(weights)},
    }
    return conversation_of(Answers.model_validate(given), Document("answers.yaml", given))


def test_the_same_guides_are_needed(root: Path, guided: Path) -> None:
    for guides in (["lon", "sst"], ["sst", "lon"]):
        assert weights_problems(begun(root, guided, guides=guides)) == []
    for guides in ([], ["sst"], ["lon"]):
        (problem,) = weights_problems(begun(root, guided, guides=guides))
        assert problem == "the weights see the guides lon, sst; set data.guides to them"
    with pytest.raises(UsageError, match="a run with guides, which cannot be imported"):
        import_weights(
            guided / "checkpoints" / "last.pt", "EDSR",
            in_channels=1, out_channels=1, scale=2, params=SMALL["EDSR"],
        )  # fmt: skip


def test_data_that_are_changed_later_are_held_against_the_weights(root: Path, guided: Path) -> None:
    assert model.stale(begun(root, guided, guides=["lon", "sst"])) is None
    changed = begun(root, guided, guides=["lon", "sst"], static_variables=["lat"])
    assert "input channels 1, not 2" in (model.stale(changed) or "")
    gone = begun(root, root / "none.pt", guides=["lon", "sst"])
    assert "none.pt" in (model.stale(gone) or "")


def test_a_run_brings_how_it_samples(root: Path, tmp_path: Path) -> None:
    sampling = {"sampler": "ddim", "sampling_steps": 3, "ensemble_members": 2}
    freeze(root, tmp_path / "run", model="DDPM", params=sampling, epochs=1)
    trained(tmp_path / "run")
    assert sampling.items() <= weights_file.describe(tmp_path / "run").params.items()
    (tmp_path / "run" / "run.yaml").unlink()
    weights_file._described.cache_clear()
    assert "sampler" not in weights_file.describe(tmp_path / "run").params
