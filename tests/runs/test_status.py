"""Where a run stands, by what is in its directory."""

from pathlib import Path

from srwizard.runs.status import advice, status_of
from srwizard.train.launch import launch
from tests.datasets import write_dataset
from tests.train.runs import freeze


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


def state_of(run_dir: Path) -> str:
    found = status_of(run_dir)
    assert found is not None
    return str(found["state"])
