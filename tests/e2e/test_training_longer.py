"""An ended run that is trained for more epochs: a new revision beside the old one."""

import json
from pathlib import Path

import pytest
from rich.text import Text

from srwizard.settings import run_config
from tests.datasets import write_dataset
from tests.e2e.conftest import Run
from tests.train.runs import epochs, freeze, same_weights, trained, weights


def said(text: str) -> str:
    return " ".join(Text.from_ansi(text).plain.split())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "data", steps=(8, 2, 2))


def rates(run_dir: Path) -> list[float]:
    return [event["lr"] for event in epochs(run_dir)]


@pytest.mark.slow
@pytest.mark.parametrize("scheduler", ["none", "StepLR"])
def test_more_epochs_give_what_as_many_from_the_start_give(
    srwizard: Run, root: Path, tmp_path: Path, scheduler: str
) -> None:
    how = {"scheduler": scheduler, "step_size": 2, "ema_decay": 0.9, "skip": "bicubic"}
    freeze(root, tmp_path / "long", epochs=4, **how)
    freeze(root, tmp_path / "run", epochs=2, **how)
    for arguments in (["long"], ["run"], ["run", "--epochs", "4"]):
        done = srwizard("train", tmp_path / arguments[0], *arguments[1:])
        assert done.returncode == 0, done.stderr
    assert "Revision 2: 4 epochs." in done.stdout
    assert "continues as in a run frozen with 4 epochs" in said(done.stdout)
    for name in ("last", "best"):
        assert same_weights(weights(tmp_path / "long", name), weights(tmp_path / "run", name))
    assert rates(tmp_path / "long") == rates(tmp_path / "run")
    assert "epochs: 2" in (tmp_path / "run" / "run.r1.yaml").read_text()
    assert run_config.load(tmp_path / "run").revision == 2
    status = json.loads(srwizard("status", "--json", tmp_path / "run").stdout)[0]
    assert (status["state"], status["epochs"]) == ("completed", 4)
    again = srwizard("train", tmp_path / "run", "--epochs", 4)
    assert again.returncode == 0, again.stderr
    assert run_config.load(tmp_path / "run").revision == 2


@pytest.mark.slow
def test_a_schedule_over_all_epochs_says_that_the_result_is_another(
    srwizard: Run, root: Path, tmp_path: Path
) -> None:
    for name in ("continued", "restarted"):
        freeze(root, tmp_path / name, epochs=2, scheduler="cosine", lr=0.01)
        assert srwizard("train", tmp_path / name).returncode == 0
        done = srwizard("train", tmp_path / name, "--epochs", 4, "--schedule", name)
        assert done.returncode == 0, done.stderr
        expected = {
            "continued": "The result is not that of a run frozen with 4 epochs",
            "restarted": "The learning rate begins again at epoch 3",
        }[name]
        assert expected in said(done.stdout)
    freeze(root, tmp_path / "long", epochs=4, scheduler="cosine", lr=0.01)
    assert srwizard("train", tmp_path / "long").returncode == 0
    assert rates(tmp_path / "continued")[2:] == rates(tmp_path / "long")[2:]
    first, again = rates(tmp_path / "restarted")[:2], rates(tmp_path / "restarted")[2:]
    assert again == first


@pytest.mark.slow
def test_a_run_that_has_stopped_early_begins_its_schedule_again(
    srwizard: Run, root: Path, tmp_path: Path
) -> None:
    freeze(root, tmp_path / "run", epochs=9, patience=1, lr=10, scheduler="plateau")
    assert srwizard("train", tmp_path / "run").returncode == 0
    ended = len(epochs(tmp_path / "run"))
    assert ended < 9
    refused = srwizard("train", tmp_path / "run", "--epochs", 12)
    assert refused.returncode == 2
    assert "--schedule restarted" in said(refused.stderr)
    assert run_config.load(tmp_path / "run").revision == 1
    done = srwizard("train", tmp_path / "run", "--epochs", 12, "--schedule", "restarted")
    assert done.returncode == 0, done.stderr
    assert len(epochs(tmp_path / "run")) > ended
    assert run_config.load(tmp_path / "run").training.schedule_from == ended


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--epochs", 1), "has 2 epochs already"),
        (("--epochs", 0), "1 to 1000000"),
        (("--epochs", 10**9), "1 to 1000000"),
        (("--schedule", "restarted"), "needs --epochs"),
    ],
)
def test_epochs_that_cannot_be_are_refused(
    srwizard: Run, root: Path, tmp_path: Path, options: tuple[object, ...], words: str
) -> None:
    freeze(root, tmp_path / "run", epochs=2)
    refused = srwizard("train", tmp_path / "run", *options)
    assert refused.returncode == 2
    assert words in said(refused.stderr)
    assert not (tmp_path / "run" / "run.r1.yaml").exists()


@pytest.mark.slow
def test_patience_that_ran_out_at_the_last_epoch(srwizard: Run, root: Path, tmp_path: Path) -> None:
    """More epochs would not be trained at all: that is said, not found out."""
    # Without a step of any size no validation after the first is better.
    freeze(root, tmp_path / "run", epochs=3, patience=2, lr=1e-30)
    trained(tmp_path / "run")
    assert len(epochs(tmp_path / "run")) == 3
    done = srwizard("train", tmp_path / "run", "--epochs", 5)
    assert done.returncode == 2
    assert "more epochs would end at once" in said(done.stderr)
    assert run_config.load(tmp_path / "run").revision == 1
    begun = srwizard("train", tmp_path / "run", "--epochs", 5, "--schedule", "restarted")
    assert begun.returncode == 0, begun.stderr
    assert len(epochs(tmp_path / "run")) == 5
    again = srwizard("train", tmp_path / "run", "--epochs", 7)
    assert again.returncode == 2
    assert "more epochs would end at once" in said(again.stderr)
