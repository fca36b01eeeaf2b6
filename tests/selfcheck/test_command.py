"""What `srwizard selfcheck` says of a model, and the code that it exits with."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from srwizard.base.errors import TrainingFailedError
from srwizard.commands.cli import cli
from srwizard.models.card import ModelCard
from srwizard.models.catalog import cards
from srwizard.selfcheck import check as checking
from srwizard.selfcheck.check import Outcome
from srwizard.selfcheck.commands import CommandFailedError
from srwizard.selfcheck.fields import GaussianFields
from srwizard.selfcheck.verdict import Check, Judged

Stand = Callable[[dict[str, float]], None]


@pytest.fixture
def reaching(monkeypatch: pytest.MonkeyPatch) -> Stand:
    """Let models reach given ratios to the optimum, without being trained."""

    def stand_in(ratios: dict[str, float]) -> None:
        def check(model: ModelCard, *_rest: Any) -> Outcome:
            ratio = ratios.get(model.name, 1.0)
            if ratio < 0:
                raise CommandFailedError("no memory", 4)
            judged = Judged(0.2 * ratio, 0.2, [Check("rmse", ratio, None, 1.02)])
            return Outcome(model.name, 0.2, judged, {"bicubic": 0.25}, 9, 61.0, Path("run"))

        monkeypatch.setattr(checking, "check", check)
        fields = GaussianFields(size=8, scale=2, longest=1)
        monkeypatch.setattr(checking, "FIELDS", {"standard": fields, "diffusion": fields})

    return stand_in


def run(*arguments: str) -> None:
    cli.main(["selfcheck", "--device", "cpu", *arguments], standalone_mode=False)


def test_a_model_within_its_limit(reaching: Stand, capsys: pytest.CaptureFixture[str]) -> None:
    reaching({"EDSR": 1.004})
    run()
    said = capsys.readouterr().out
    assert "1.004 (at most 1.02): within the limit" in said
    assert "0.2008" in said
    assert "1.250" in said  # bicubic
    assert "9 epochs, 1 min 01 s in all" in said


def test_a_model_that_is_not_exits_with_5(
    reaching: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    reaching({"RCAN": 1.021})
    with pytest.raises(TrainingFailedError, match="RCAN") as caught:
        run("--model", "RCAN", "--json")
    assert caught.value.exit_code == 5
    printed = capsys.readouterr()
    told = json.loads(printed.out)  # and nothing else is there
    assert told["passed"] is False
    assert told["models"][0]["checks"] == [
        {"name": "rmse", "ratio": 1.021, "at_least": None, "at_most": 1.02, "passed": False}
    ]
    assert "NOT within the limit" in printed.err


def test_long_says_how_long_first_and_goes_on_after_a_failure(
    reaching: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    reaching({"SwinIR": -1})
    with pytest.raises(TrainingFailedError, match="SwinIR"):
        run("--long", "--json")
    printed = capsys.readouterr()
    told = json.loads(printed.out)
    assert told["failed"] == {"SwinIR": "no memory"}
    assert [one["model"] for one in told["models"]] == [
        name for name in cards() if name != "SwinIR"
    ]
    assert "two CPU cores" in printed.err.partition("Method")[0]


def test_a_single_model_that_fails_keeps_its_code(reaching: Stand) -> None:
    reaching({"EDSR": -1})
    with pytest.raises(CommandFailedError) as caught:
        run()
    assert caught.value.exit_code == 4
