"""What a run has come to: the same sentences wherever a run ends."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml
from rich.console import Console
from rich.text import Text

from srwizard.base import i18n
from srwizard.commands.evaluate import evaluate
from srwizard.commands.train import train
from srwizard.runs.outcome import _fewer_members, outcome
from srwizard.runs.records import METRICS_FILE
from srwizard.states import done
from srwizard.train import evaluation, launch
from srwizard.wizard.conversation import Conversation
from tests.datasets import write_dataset
from tests.train.runs import freeze


def scores(rmse: float, **further: float) -> dict[str, float]:
    return {"rmse": rmse, "mae": 1.0, "bias": 0.0, "psnr": 30.0, "ssim": 0.9, **further}


TEST: dict[str, Any] = {
    "event": "test",
    "gain": {"temp": 0.61},
    "variables": {
        "temp": {
            "model": scores(0.9, crps=0.5, spread=0.4),
            "bicubic": scores(0.8, crps=0.6),
            "best": "bicubic",
            "skill": -0.125,
            "interval": {
                "level": 0.95,
                "steps": 40,
                "block": 2,
                "rmse": {"model": [0.8, 1.0], "bicubic": [0.7, 0.9]},
                "difference": [0.05, 0.15],
                "skill": [-0.2, -0.1],
                "distinguishable": True,
            },
            "consistency": {
                "model": {"rmse": 0.01, "largest": 0.1},
                "bicubic": {"rmse": 0.01, "largest": 0.1},
                "truth": {"rmse": 0.02, "largest": 0.1},
            },
        }
    },
}
SENTENCES = (
    "12.5 % above that of the best simple method, bicubic",
    "CRPS 0.5 (bicubic 0.6), spread 0.4",
    "block means of SR differ from LR by 0.01",
    "correction is multiplied by 0.61",
    "the model is not better than the best simple method, bicubic",
)


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    freeze(write_dataset(tmp_path / "data"), tmp_path / "run", skip="auto")
    (tmp_path / "run" / METRICS_FILE).write_text(json.dumps(TEST) + "\n")
    return tmp_path / "run"


@pytest.mark.parametrize("where", ["train", "evaluate", "wizard"])
def test_every_end_of_a_run_says_how_sure_it_is_and_why(
    run_dir: Path,
    where: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(launch, "launch", lambda *_given: None)
    monkeypatch.setattr(evaluation, "evaluate", lambda *_given: TEST | {"split": "test"})
    if where == "train":
        assert train.callback is not None
        train.callback(run_dir, None, None, False, False, False, None, None, None, 0)
    elif where == "evaluate":
        (run_dir / "checkpoints").mkdir(exist_ok=True)
        assert evaluate.callback is not None
        evaluate.callback(run_dir, "test", "best", False)
    else:
        monkeypatch.setattr(done, "run_directory", lambda _conversation: run_dir)
        screen = Console(width=200)
        conversation = SimpleNamespace(prompts=SimpleNamespace(columns=100), show=screen.print)
        assert done.run(cast(Conversation, conversation)) == "next"
    said = capsys.readouterr().out
    for sentence in SENTENCES:
        assert said.count(sentence) == 1, sentence


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_variable_without_a_value_in_the_split_has_no_scores(
    run_dir: Path, language: str
) -> None:
    """It is said so, instead of figures that are none and causes of what is not known."""
    nothing = dict.fromkeys(scores(0.0, crps=0.0, spread=0.0))
    salt = {
        "model": nothing, "bicubic": nothing, "best": "bicubic", "skill": None,
        "interval": {"rmse": None, "skill": None, "steps": 0, "block": 0},
        "consistency": {name: {"rmse": None, "largest": 0.0} for name in ("model", "truth")},
    }  # fmt: skip
    screen = Console(width=120, record=True)
    i18n.set_language(language)
    told = outcome({"variables": {"salt": salt, **TEST["variables"]}}, run_dir, 120, skill=True)
    screen.print(told.table)
    shown = screen.export_text()
    (row,) = [line for line in shown.splitlines() if "salt" in line and "bicubic" not in line][:1]
    assert row.count("–") == 6
    assert "-12.5 %" in shown
    said = [line for line in (*told.sentences, *told.warnings) if "salt" in line]
    assert said == [
        "salt: there is no value in this split, and so there are no scores."
        if language == "en"
        else "salt：该子集中没有任何有效值，因此没有评分。"
    ]
    assert "nan" not in shown + " ".join([*told.sentences, *told.warnings])


def test_a_run_without_scores_has_come_to_nothing(run_dir: Path) -> None:
    (run_dir / METRICS_FILE).unlink()
    shown: list[Text] = []
    conversation = SimpleNamespace(prompts=SimpleNamespace(columns=100), show=shown.append)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(done, "run_directory", lambda _conversation: run_dir)
        done.run(cast(Conversation, conversation))
    assert str(run_dir / "report.html") in str(shown[-1])


def test_smaller_ensembles_than_those_of_the_test_split_are_told(run_dir: Path) -> None:
    config = yaml.safe_load((run_dir / "run.yaml").read_text())
    usual = config["model"]["params"].get("ensemble_members")
    assert usual is None
    told = list(_fewer_members(1, {"model": {"params": {"ensemble_members": 4}}}))
    assert told == ["Scored is 1 member of each field; srwizard predict and the test split take "
                    "the mean of 4."]  # fmt: skip
    assert not list(_fewer_members(4, {"model": {"params": {"ensemble_members": 4}}}))
    assert not list(_fewer_members(1, config))


def test_weights_from_before_training_are_called_that(run_dir: Path) -> None:
    of_epoch = {epoch: outcome(TEST | {"epoch": epoch}, run_dir, 80).sentences for epoch in (0, 3)}
    assert of_epoch[0][0].startswith("Scored are the weights before training")
    assert of_epoch[0][1:] == of_epoch[3]
