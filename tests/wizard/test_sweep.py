"""Sweeps: what a swept answer decides follows it, in each of the runs."""

from pathlib import Path

import pytest

from srwizard.models.catalog import card
from srwizard.settings import run_config
from srwizard.settings.run_config import RunConfig
from srwizard.wizard.sweep import freeze_all
from tests.datasets import write_dataset
from tests.train.runs import freeze


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An EDSR of a few channels, trained for two epochs by answers of its own."""
    place = tmp_path_factory.mktemp("sweep")
    freeze(write_dataset(place / "data"), place / "run")
    return place / "run"


def swept(run_dir: Path, *texts: str) -> list[RunConfig]:
    return [run_config.load(found) for found in freeze_all(run_dir, texts)]


def test_a_size_brings_its_parameters(base: Path) -> None:
    tiny, usual = swept(base, "model.size=tiny,base")
    sizes = card("EDSR").sizes
    assert tiny.model.params["num_blocks"] == sizes["tiny"]["num_blocks"]
    assert tiny.model.params != usual.model.params
    given = swept(base, "model.size=tiny", "model.params.num_blocks=3")[0]
    assert given.model.params == {**tiny.model.params, "num_blocks": 3}


def test_a_recipe_brings_its_values(base: Path) -> None:
    default, recommended = (
        run.training for run in swept(base, "training.recipe=default,recommended")
    )
    assert (default.loss, default.epochs) == ("L1", 500)
    assert recommended.loss == "L2"
    assert recommended.epochs < 500


def test_what_the_network_starts_from(base: Path) -> None:
    bicubic, nothing = swept(base, "model.global_skip=true,false")
    assert bicubic.model.skip is not None
    assert {found.choice.name for found in bicubic.model.skip.values()} == {"bicubic"}
    assert not nothing.model.global_skip and nothing.model.skip is None


@pytest.mark.broad
def test_another_model_has_a_recipe_of_its_own(base: Path) -> None:
    (recommended,) = freeze_all(base, ["training.recipe=recommended"])
    edsr, fno, ddpm = swept(recommended, "model.name=EDSR,FNO2d,DDPM")
    assert edsr.training == run_config.load(recommended).training
    assert fno.training.lr == card("FNO2d").recipe.lr
    assert fno.training.warmup_epochs > edsr.training.warmup_epochs
    assert ddpm.training.lr == card("DDPM").recipe.lr
    assert ddpm.model.conserve != "additive"
    # What is swept itself stays.
    (given,) = swept(recommended, "model.name=FNO2d", "training.lr=0.5")
    assert given.training.lr == 0.5
