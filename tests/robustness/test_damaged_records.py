"""Damaged files of a run: a message and a documented exit code, never a traceback."""

import itertools
import json
import shutil
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from srwizard.base.files import read_json
from srwizard.data.layout import scan
from srwizard.report import figures, plots, sections
from srwizard.report.proof import proof_tables
from srwizard.report.records import read_run
from srwizard.runs import failures, status
from srwizard.runs.records import Records, measured
from srwizard.runs.sound_records import is_event
from srwizard.train.final_scores import score_test
from tests.datasets import write_dataset
from tests.loaded import PIXEL
from tests.robustness.damage import SCALARS, changed, damaged, damaged_json, deep
from tests.robustness.in_process import run_here
from tests.train.runs import freeze, set_up_only, trained

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


@pytest.mark.parametrize(
    ("state", "value"),
    [
        *(("running", value) for value in SCALARS),
        *zip(itertools.cycle(["completed", "failed", "stopped"]), SCALARS, strict=False),
    ],
    ids=str,
)  # fmt: skip
def test_figures_of_any_kind(
    run: Path, state: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever stands where a figure should: what is shown is made of those that are figures."""
    monkeypatch.setattr(status, "locate", lambda _identity, _run_dir: "here")
    scores = {"rmse": 1.0, "bicubic_rmse": 2.0, "skill": 0.5}
    whole = {"test": {"temp": scores}, "validation": {"epoch": 1, "variables": {"temp": scores}},
             "failure": {"kind": "killed", "error": "x"}}  # fmt: skip
    figures = {key: whole.get(key, 1) for key in (*status.FIGURES, "host", "time")}
    several = [
        {**figures, "state": state, key: value} for key in figures
    ] + [{"state": state, **dict.fromkeys(figures, value)}]  # fmt: skip
    several += [
        {"state": state, "test": {"temp": {**scores, key: value}},
         "validation": {"epoch": value, "variables": {"temp": {**scores, key: value}}},
         "failure": {"kind": value, key: value}}
        for key in (*scores, "best", "best_rmse", "error")
    ]  # fmt: skip
    try:
        for content in several:
            (run / "status.json").write_text(json.dumps(content))
            found = status.status_of(run)
            assert found is not None
            said = [status.state_text(found), *status.figure_parts(found)]
            said += [*status.score_lines(found), *status.advice(found)]
            assert said[0]
    finally:
        (run / "status.json").unlink()


@pytest.mark.parametrize("value", SCALARS, ids=str)
def test_a_failure_of_any_kind(tmp_path: Path, value: object) -> None:
    for key in (*FAILURE, "measured_bytes", "capacity_bytes", "device", "machines", "host"):
        (tmp_path / "failure.json").write_text(json.dumps({**FAILURE, "device": "cpu", key: value}))
        found = failures.recorded_failure(tmp_path)
        assert found is None or failures.explain(found, tmp_path)


@QUICK
@given(data=st.data())
def test_metrics(run: Path, data: st.DataObject) -> None:
    content = (run / "metrics.jsonl").read_bytes()
    events = [json.loads(line) for line in content.splitlines()]
    lines = changed(events).map(lambda found: "\n".join(map(json.dumps, found)).encode())
    broken = data.draw(damaged(content) | lines)
    (run / "metrics.jsonl").write_bytes(broken)
    try:
        measured(run)
        Records(run).drop_from(2)
        (run / "metrics.jsonl").write_bytes(broken)
        assert run_here("status", run).code == 0
        ended = run_here("compare", run)
        assert ended.code == 0, ended.said
    finally:
        (run / "metrics.jsonl").write_bytes(content)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["metrics.jsonl", "dry_run.json", "failure.json"])
@settings(QUICK, max_examples=4)
@given(data=st.data())
def test_the_report_of_damaged_records(run: Path, name: str, data: st.DataObject) -> None:
    if name == "metrics.jsonl":
        events = [json.loads(line) for line in (run / name).read_text().splitlines()]
        broken = "\n".join(map(json.dumps, data.draw(changed(events)))).encode()
    else:
        broken = data.draw(damaged_json(DRY_RUN if name == "dry_run.json" else FAILURE))
    kept = (run / name).read_bytes() if (run / name).exists() else None
    (run / name).write_bytes(broken)
    # What is drawn comes from the others.
    drawn = plots.png if name != "failure.json" else lambda _figure: PIXEL
    try:
        with mock.patch.object(figures, "png", drawn):
            ended = run_here("report", run)
        assert ended.code in (0, 2), ended.said
    finally:
        (run / name).unlink()
        if kept is not None:
            (run / name).write_bytes(kept)


@pytest.fixture(scope="module")
def tested(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, with all that is told of its test split."""
    found = tmp_path_factory.mktemp("tested") / "run"
    shutil.copytree(run, found)
    training = set_up_only(run)
    told = score_test(training, found / "plots" / "breakdown.npz", scan(run.parent / "data"))
    event = {"event": "test", "variables": told.variables, "vectors": told.vectors}
    Records(found).append(event)
    return found


@settings(QUICK, max_examples=200)
@given(data=st.data())
def test_what_the_report_tells_of_damaged_scores(tested: Path, data: st.DataObject) -> None:
    content = (tested / "metrics.jsonl").read_bytes()
    *others, event = content.splitlines()
    broken = json.dumps(data.draw(changed(json.loads(event)))).encode()
    (tested / "metrics.jsonl").write_bytes(b"\n".join([*others, broken]))
    try:
        found = read_run(tested)
        assert isinstance(proof_tables(found), list)
        assert sections.advice(found) + sections.left_out(found) is not None
        leading = sections.scored(found.metrics)
        assert leading is not None and sections.cards(leading, {})
    finally:
        (tested / "metrics.jsonl").write_bytes(content)


@pytest.mark.parametrize("name", [
    "effective_resolution", "gradient", "consistency", "regions", "coast", "map",
])  # fmt: skip
def test_an_event_with_a_diagnostic_that_is_null_is_not_sound(tested: Path, name: str) -> None:
    event = json.loads((tested / "metrics.jsonl").read_text().splitlines()[-1])
    assert is_event(event)
    for scores in event["variables"].values():
        assert scores.pop(name)
    assert is_event(event)
    for scores in event["variables"].values():
        scores[name] = None
    assert not is_event(event)


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
