"""Where a run stands, by what is in its directory."""

import json
from pathlib import Path

import pytest

from srwizard.runs.status import advice, status_of
from srwizard.train.launch import launch
from tests.datasets import write_dataset
from tests.train.runs import freeze


@pytest.mark.broad
def test_a_run_that_has_lost_its_status_is_told_by_what_is_there(tmp_path: Path) -> None:
    """As where the disk was full when it was to be written."""
    run_dir = tmp_path / "run"
    freeze(write_dataset(tmp_path / "data"), run_dir, epochs=1)
    assert state_of(run_dir) == "frozen"
    launch(run_dir)
    for content in ("", "{}", None):
        if content is None:
            (run_dir / "status.json").unlink()
        else:
            (run_dir / "status.json").write_text(content)
        assert state_of(run_dir) == "completed"
    # All but the last event of metrics.jsonl, which is that of the test split.
    records = (run_dir / "metrics.jsonl").read_text().splitlines(keepends=True)
    (run_dir / "metrics.jsonl").write_text("".join(records[:-1]))
    found = status_of(run_dir)
    assert found is not None
    assert found["state"] == "interrupted"
    assert list(advice(found)) == [f"Continue with: srwizard train {run_dir}"]


@pytest.mark.broad
def test_what_was_recorded_counts_where_a_run_was_cut_off(tmp_path: Path) -> None:
    """The status is written every two seconds: it may be of some steps before."""
    run_dir = tmp_path / "run"
    freeze(write_dataset(tmp_path / "data"), run_dir, epochs=2)
    launch(run_dir)
    stopped = json.loads((run_dir / "status.json").read_text()) | {"state": "stopped", "epochs": 9}
    for epoch, loss, expected in ((1, 0.5, 2), (2, 0.5, 2), (3, 0.25, 3)):
        stopped |= {"epoch": epoch, "loss": loss, "validation": None}
        (run_dir / "status.json").write_text(json.dumps(stopped))
        found = status_of(run_dir)
        assert found is not None
        assert found["epoch"] == expected
        assert (found["loss"] == loss) is (epoch == 3)
        assert (found["validation"] is None) is (epoch == 3)


def state_of(run_dir: Path) -> str:
    found = status_of(run_dir)
    assert found is not None
    return str(found["state"])
