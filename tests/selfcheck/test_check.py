"""A small self-check, through the installed command's own processes."""

import dataclasses
import json
import math
from pathlib import Path

import pytest

from srwizard.models.catalog import card, cards
from srwizard.selfcheck.check import Place, answers, check
from srwizard.selfcheck.commands import CommandFailedError, srwizard
from srwizard.selfcheck.dataset import write_dataset
from srwizard.selfcheck.device import Device
from srwizard.selfcheck.fields import GaussianFields
from srwizard.selfcheck.optimum import Optimum, optimum_of
from srwizard.selfcheck.recipes import STANDARD_TRAINING, Limits, recipe_of
from srwizard.settings.answers import parse_answers
from srwizard.settings.model import model_parameters
from srwizard.settings.yaml_file import Document, dump

MOST: dict[str, float] = {}
"""Models whose limit is wider; docs/selfcheck.md says why."""
FIELDS = GaussianFields(size=32, scale=4)
SMALL = dataclasses.replace(
    recipe_of(card("EDSR")),
    steps={"train": 160, "valid": 16, "test": 32},
    params={"num_features": 16, "num_blocks": 2},
    limits=Limits(rmse=1.04),
    training=dict(STANDARD_TRAINING) | {"patience": 2},
)


@pytest.fixture(scope="module")
def optimum() -> Optimum:
    return optimum_of(FIELDS)


@pytest.mark.slow
def test_a_small_network_comes_near_the_optimum(optimum: Optimum, tmp_path: Path) -> None:
    outcome = check(card("EDSR"), SMALL, optimum, Place(tmp_path, Device("cpu")))
    assert outcome.passed, outcome
    found = outcome.judged
    assert 1 <= found.checks[0].value < min(outcome.simple.values()) / found.best
    # It was ended by early stopping, and what predict writes is what training has scored.
    assert outcome.epochs < SMALL.training["epochs"]
    events = (outcome.run_dir / "metrics.jsonl").read_text().splitlines()
    scored = json.loads(events[-1])["variables"]["field"]["model"]["rmse"]
    assert found.rmse == pytest.approx(scored, rel=1e-4)
    # The same once more finds the run trained.
    written = (outcome.run_dir / "checkpoints" / "last.pt").stat().st_mtime_ns
    again = check(card("EDSR"), SMALL, optimum, Place(tmp_path, Device("cpu")))
    assert again.judged == found
    assert (outcome.run_dir / "checkpoints" / "last.pt").stat().st_mtime_ns == written


@pytest.mark.slow
def test_a_run_that_was_begun_is_gone_on_with(optimum: Optimum, tmp_path: Path) -> None:
    recipe = dataclasses.replace(SMALL, training={"epochs": 1, "batch_size": 16})
    root, run_dir = tmp_path / "data-standard", tmp_path / "EDSR-cpu"
    write_dataset(root, FIELDS, recipe.steps)
    file = tmp_path / "answers.yaml"
    file.write_text(dump(answers(card("EDSR"), recipe, root, run_dir, Device("cpu"))))
    arguments = ("--answers", str(file), "--stop-after", "frozen")
    srwizard(*arguments, environment={}, directory=tmp_path, to_stderr=True)
    frozen = (run_dir / "run.yaml").read_bytes()
    outcome = check(card("EDSR"), recipe, optimum, Place(tmp_path, Device("cpu")))
    assert outcome.epochs == 1
    assert (run_dir / "run.yaml").read_bytes() == frozen
    assert (run_dir / "dry_run.json").is_file()


@pytest.mark.slow
def test_members_of_a_diffusion_model_are_drawn_and_checked(tmp_path: Path) -> None:
    """Trained so shortly it cannot pass; what is wrong with it is told in figures."""
    recipe = dataclasses.replace(
        recipe_of(card("DDPM")),
        steps={"train": 16, "valid": 2, "test": 2},
        params={"inner_channel": 8, "norm_groups": 4, "channel_mults": [1], "res_blocks": 1,
                "sampling_steps": 2, "ensemble_members": 2},
        training={"epochs": 1, "batch_size": 8, "eval_freq": 1},
        members=4,
    )  # fmt: skip
    fields = GaussianFields(size=16, scale=2, longest=1)
    outcome = check(card("DDPM"), recipe, optimum_of(fields), Place(tmp_path, Device("cpu")))
    found = {one.name: one for one in outcome.judged.checks}
    assert set(found) == {"rmse", "spread", "power"}
    assert all(math.isfinite(one.value) for one in found.values())
    assert found["spread"].value > 0
    assert not outcome.passed


def test_what_a_command_complains_of_is_told_with_its_code(
    optimum: Optimum, tmp_path: Path
) -> None:
    recipe = dataclasses.replace(SMALL, params={"num_features": -1})
    with pytest.raises(CommandFailedError, match="num_features") as caught:
        check(card("EDSR"), recipe, optimum, Place(tmp_path, Device("cpu")))
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", cards())
def test_every_model_has_a_recipe_that_can_be_frozen(name: str) -> None:
    recipe = recipe_of(card(name))
    said = answers(card(name), recipe, Path("data"), Path("run"), Device("cpu"))
    params = model_parameters(parse_answers(Document("", said)).model)
    assert not card(name).check(params, GaussianFields().scale, (GaussianFields().low_size,) * 2)
    assert recipe.minutes is not None
    is_diffusion = card(name).family == "diffusion"
    assert (recipe.members is not None) == is_diffusion == (recipe.limits.spread is not None)
    assert recipe.limits.rmse <= (1.05 if is_diffusion else MOST.get(name, 1.02))
