"""Damaged files of a run: a message and a documented exit code, never a traceback."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from srwizard.base.files import read_json
from srwizard.runs import failures
from srwizard.runs.records import Records, measured
from tests.datasets import write_dataset
from tests.robustness.damage import changed, damaged, damaged_json, deep
from tests.robustness.in_process import run_here
from tests.train.runs import freeze, trained

QUICK = settings(max_examples=12, suppress_health_check=list(HealthCheck))
FAILURE = {"kind": "disk_full", "error": "x", "rank": 0, "time": "2026", "step": 3, "epoch": 1,
           "phase": "training"}  # fmt: skip
JOB = {"job": "12", "name": "n", "uid": 0, "since": "2026-01-01T00:00:00+00:00", "log": "a.out"}
DRY_RUN = {"digest": "x", "peak_bytes": 5, "capacity_bytes": 10, "verdict": "fits"}
STATUS = {"state": "completed", "epoch": 1, "epochs": 2, "progress": 1.0, "loss": 1.0}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained run directory that nobody changes."""
    root = write_dataset(tmp_path_factory.mktemp("damaged") / "data")
    freeze(root, root.parent / "run")
    trained(root.parent / "run")
    return root.parent / "run"


@pytest.mark.parametrize(
    ("name", "document"),
    [("status.json", STATUS), ("job.json", JOB), ("dry_run.json", DRY_RUN),
     ("failure.json", FAILURE)],
)  # fmt: skip
@QUICK
@given(data=st.data())
def test_json(run: Path, name: str, document: dict[str, object], data: st.DataObject) -> None:
    (run / name).write_bytes(data.draw(damaged_json(document)))
    try:
        for command in ("status", "stop", "logs"):
            ended = run_here(command, run)
            assert ended.code in (0, 2), (command, ended.said)
    finally:
        (run / name).unlink()


@QUICK
@given(data=st.data())
def test_metrics(run: Path, data: st.DataObject) -> None:
    content = (run / "metrics.jsonl").read_bytes()
    events = [json.loads(line) for line in content.splitlines()]
    lines = changed(events).map(lambda found: "\n".join(map(json.dumps, found)).encode())
    (run / "metrics.jsonl").write_bytes(data.draw(damaged(content) | lines))
    try:
        measured(run)
        assert run_here("status", run).code == 0
    finally:
        (run / "metrics.jsonl").write_bytes(content)


@pytest.mark.parametrize(
    "text", [deep(100_000), '{"a": ' * 100_000, "9" * 5000, "\x00", '"\\ud800']
)
def test_what_json_parsers_stumble_over_is_no_record(tmp_path: Path, text: str) -> None:
    for name in ("status.json", "failure.rank0.json"):
        (tmp_path / name).write_text(text)
    assert read_json(tmp_path / "status.json") is None
    assert Records(tmp_path).status() == {}
    assert failures.causes(tmp_path) == []


def test_numbers_without_an_end_are_not_finite(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"bytes": ' + "9" * 400 + "}")
    assert read_json(tmp_path / "a.json") == {"bytes": float("inf")}
