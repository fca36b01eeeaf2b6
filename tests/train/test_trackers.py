"""TensorBoard for real; Weights & Biases through a stand-in that notes how it is called."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from srwizard.base.errors import UsageError
from srwizard.settings.run_config import RunConfig
from srwizard.train import trackers
from srwizard.train.launch import launch
from tests.datasets import write_dataset
from tests.train.runs import epochs, freeze

STAND_IN = '''
"""Notes what it is called with, as wandb would be."""
import json, os
from pathlib import Path

def Settings(**settings):
    return settings

class Run:
    def __init__(self, path):
        self.path = path
    def log(self, values):
        with self.path.open("a") as stream:
            stream.write(json.dumps(values) + "\\n")
    def finish(self):
        self.log({"finished": True})

def init(*, dir, config, **options):
    path = Path(dir) / "wandb.jsonl"
    path.open("a").write(json.dumps(options | {"epochs": config["training"]["epochs"]}) + "\\n")
    return Run(path)
'''


@pytest.mark.broad
def test_tensorboard_holds_every_figure_of_every_epoch(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run_dir = tmp_path / "run"
    freeze(write_dataset(tmp_path / "data"), run_dir, trackers=["tensorboard", "tensorboard"])
    launch(run_dir)
    found = EventAccumulator(str(run_dir / "tensorboard"))
    found.Reload()
    recorded = epochs(run_dir)
    losses = found.Scalars("train/loss")
    assert [point.step for point in losses] == [1, 2]
    assert [point.value for point in losses] == pytest.approx(
        [event["train_loss"] for event in recorded]
    )
    of_temp = [event["valid"]["variables"]["temp"] for event in recorded]
    for name, method in (("valid/temp/rmse", "model"), ("valid/temp/bicubic/rmse", "bicubic")):
        shown = [point.value for point in found.Scalars(name)]
        assert shown == pytest.approx([scores[method]["rmse"] for scores in of_temp])
    assert found.Scalars("test/temp/psnr")
    assert found.Scalars("valid/temp/skill")


@pytest.mark.broad
def test_wandb_is_offline_and_told_every_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "wandb.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "modules"))
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    run_dir = tmp_path / "run"
    freeze(write_dataset(tmp_path / "data"), run_dir, trackers=["wandb"])
    launch(run_dir)
    begun, *events = [json.loads(line) for line in (run_dir / "wandb.jsonl").open()]
    assert (begun["mode"], begun["epochs"], begun["resume"]) == ("offline", 2, "allow")
    assert [event.get("epoch") for event in events[:2]] == [1, 2]
    assert "test/temp/rmse" in events[2]
    assert events[-1] == {"finished": True}


def complaints(run: RunConfig, run_dir: Path) -> list[str]:
    """Open the trackers of a run and tell them two events; return what was complained of."""
    found: list[str] = []
    event: dict[str, Any] = {"event": "epoch", "epoch": 1, "train_loss": 1.0, "valid": None}
    with trackers.opened(run, run_dir, 1, found.append) as opened:
        for _time in range(2):
            for tracker in opened:
                tracker(event)
    return found


def test_training_goes_on_without_a_tracker_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "modules").mkdir()
    module = tmp_path / "modules" / "wandb.py"
    monkeypatch.syspath_prepend(str(module.parent))
    run_dir = tmp_path / "run"
    run = freeze(write_dataset(tmp_path / "data"), run_dir, trackers=["wandb"])
    fails = "def log(self, values):\n        if 'epoch' in values: raise OSError('full')"
    module.write_text(STAND_IN.replace("def log(self, values):", fails))
    assert complaints(run, run_dir) == ["wandb failed and is left out from now on: full"]
    monkeypatch.delitem(sys.modules, "wandb")
    module.write_text("raise ImportError('an old protobuf, say')")
    assert len(complaints(run, run_dir)) == 1


def test_a_missing_package_is_said_before_anything_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    freeze(write_dataset(tmp_path / "data"), tmp_path / "run", trackers=["wandb"])
    monkeypatch.setattr(trackers, "find_spec", lambda _name: None)
    with pytest.raises(UsageError, match=r"pip install 'srwizard\[wandb\]'") as refused:
        launch(tmp_path / "run")
    assert refused.value.exit_code == 2
    assert not (tmp_path / "run" / "status.json").exists()


@pytest.mark.broad
def test_neither_is_imported_unasked() -> None:
    assert find_spec("tensorboard") is not None
    code = (
        "import sys, srwizard.train.worker;"
        "sys.exit(bool({'tensorboard', 'wandb'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
