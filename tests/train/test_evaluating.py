"""An evaluation that fails says how to evaluate again, not how to train."""

import re
from pathlib import Path

import pytest

from srwizard.base.errors import TrainingFailedError
from srwizard.runs.failures import Ended
from srwizard.train import evaluation, processes
from tests.datasets import write_dataset
from tests.train.runs import freeze, trained


@pytest.mark.parametrize("signal", [9, 11])
def test_the_command_that_is_to_be_run_again_is_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signal: int
) -> None:
    run_dir = tmp_path / "run"
    freeze(write_dataset(tmp_path / "data"), run_dir, epochs=1)
    trained(run_dir)
    ended = Ended(-signal, signal=signal)
    monkeypatch.setattr(processes, "start", lambda *_arguments, **_options: ended)
    with pytest.raises(TrainingFailedError) as raised:
        evaluation.evaluate(run_dir, "valid", "last")
    said = str(raised.value)
    assert f"srwizard evaluate {run_dir} --split valid --checkpoint last" in said
    assert not re.search(r"srwizard (--lang \w+ )?train", said)
