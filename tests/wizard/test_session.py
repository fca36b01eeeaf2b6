"""Sessions on disk: whatever the bytes are, a valid session or a refusal that names the file."""

import json
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from srwizard.base.errors import UsageError
from srwizard.base.locks import held
from srwizard.prompts.defaults import DefaultPrompts
from srwizard.runs.records import Records
from srwizard.wizard import machine, session
from srwizard.wizard.conversation import Conversation
from srwizard.wizard.reason import DETACHED, SHORT, Reason
from srwizard.wizard.transition_table import NAMES
from tests.datasets import write_dataset
from tests.train.runs import freeze

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
KEYS = (
    "schema_version",
    "id",
    "created",
    "state",
    "answers",
    "history",
    "editing",
    "digests",
    "reason",
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def loaded_or_refused(path: Path) -> None:
    before = path.read_bytes()
    try:
        found = session.load(path)
    except UsageError as error:
        assert str(path) in error.message
    else:
        assert isinstance(found, session.Session)
        assert found.state in NAMES
    assert path.read_bytes() == before


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_any_bytes(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "any.json"
    path.write_bytes(content)
    loaded_or_refused(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from([*KEYS, "fingerprint", "stamps"]), JSON))
@pytest.mark.broad
def test_any_values_under_the_right_keys(tmp_path: Path, changes: dict[str, object]) -> None:
    good = session.new_session()
    good.save()
    assert good.path is not None
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(json.loads(good.path.read_text()) | changes))
    loaded_or_refused(path)


def test_what_was_saved_is_loaded() -> None:
    made = session.new_session()
    made.answers.set("training.epochs", 7)
    made.enter("output", "next")
    made.save()
    assert made.path is not None
    found = session.load(made.path)
    assert (found.id, found.state, found.answers.decided(), found.history) == (
        made.id, made.state, {"training": {"epochs": 7}}, made.history,
    )  # fmt: skip


def test_why_a_state_was_entered_is_saved_with_it() -> None:
    made = session.new_session()
    reason = Reason("loss_not_finite", "the loss is nan", {"step": 3, "verdict": "fits"})
    made.enter("diagnose", "failed", reason)
    made.save()
    assert made.path is not None
    assert session.load(made.path).reason == reason
    made.enter("adjust", "next", reason)
    made.enter("review", "changed")
    made.save()
    assert session.load(made.path).reason is None


@pytest.mark.parametrize("state", ["diagnose", "adjust"])
def test_a_state_that_is_entered_for_a_reason_is_refused_without_one(state: str) -> None:
    made = session.new_session()
    made.enter(state, "failed")
    made.save()
    assert made.path is not None
    with pytest.raises(UsageError, match="is damaged"):
        session.load(made.path)


DRY_RUN = {"verdict": "tight", "peak_bytes": 900, "capacity_bytes": 1000}
FIGURES = {"verdict": "tight", "measured_bytes": 900, "capacity_bytes": 1000}
FAILURE = {"kind": "disk_full", "error": "E", "rank": 0, "step": 3, "epoch": 2,
           "phase": "training", "traceback": "T"}  # fmt: skip


def of_version_0_1_0(tmp_path: Path, source: str, trigger: str, state: str) -> Path:
    """Return a session as that version saved it, after one transition more."""
    saved = json.loads(Path(__file__).with_name("session-0.1.0.json").read_text())
    saved["answers"]["output"]["dir"] = str(tmp_path)
    saved["history"].append({"time": "now", "from": source, "trigger": trigger, "to": state})
    path = tmp_path / "old.json"
    path.write_text(json.dumps(saved | {"state": state}))
    found = DRY_RUN | {"digest": saved["digests"][-1]}
    (tmp_path / "dry_run.json").write_text(json.dumps(found))
    return path


def test_a_session_of_version_0_1_0_is_loaded(tmp_path: Path) -> None:
    found = session.load(Path(__file__).with_name("session-0.1.0.json"))
    assert (found.state, found.reason) == ("dry_run", None)
    assert found.answers.get("training.batch_size") == 4


@pytest.mark.parametrize(
    ("source", "trigger", "state", "reason"),
    [
        ("dry_run", "fits", "launch", None),
        ("launch", "detached", "launch", Reason(DETACHED)),
        ("dry_run", "short", "adjust", Reason(SHORT, figures=FIGURES)),
        (
            "launch", "failed", "diagnose",
            Reason("disk_full", "E",
                   {"verdict": "tight", "step": 3, "epoch": 2, "phase": "training"}),
        ),
        (
            "diagnose", "next", "adjust",
            Reason("disk_full", "E",
                   {"verdict": "tight", "step": 3, "epoch": 2, "phase": "training"}),
        ),
    ],
)  # fmt: skip
def test_what_version_0_1_0_looked_up_is_found_when_its_session_is_loaded(
    tmp_path: Path, source: str, trigger: str, state: str, reason: Reason | None
) -> None:
    path = of_version_0_1_0(tmp_path, source, trigger, state)
    (tmp_path / "failure.json").write_text(json.dumps(FAILURE))
    found = session.load(path)
    assert found.reason == reason
    # Saved again, it no longer depends on the files.
    found.save()
    (tmp_path / "failure.json").unlink()
    (tmp_path / "dry_run.json").unlink()
    assert session.load(path).reason == reason


def test_a_failure_of_version_0_1_0_of_which_the_record_is_lost(tmp_path: Path) -> None:
    path = of_version_0_1_0(tmp_path, "launch", "failed", "diagnose")
    (tmp_path / "failure.json").write_text("{")
    reason = session.load(path).reason
    assert reason is not None
    assert (reason.kind, reason.error) == ("unknown", "-")


@contextmanager
def full_disk() -> Iterator[None]:
    """Let no file grow beyond a few bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_leaves_the_session_as_last_saved() -> None:
    made = session.new_session()
    made.answers.set("training.epochs", 7)
    made.save()
    assert made.path is not None
    before = made.path.read_bytes()
    made.answers.set("training.epochs", 8)
    with full_disk(), pytest.raises(UsageError, match="cannot save the session") as raised:
        made.save()
    assert raised.value.exit_code == 2
    assert made.path.read_bytes() == before
    assert [path.name for path in made.path.parent.iterdir()] == [made.path.name]


def test_a_session_that_another_process_has_is_left_as_that_saved_it() -> None:
    """Read a moment before that process saved the next answer."""
    found = session.new_session()
    found.state = "output"
    found.save()
    assert found.path is not None
    earlier = session.load(found.path)
    with held(found.lock_path, "the session"):
        found.state = "review"
        found.save()
        nobody = DefaultPrompts(cast(Any, None))
        with pytest.raises(UsageError, match="in use by"):
            machine.resume(Conversation(earlier, nobody))
        assert session.load(found.path).state == "review"


def test_a_link_to_nowhere_among_the_sessions_is_passed_over() -> None:
    found = session.new_session()
    found.state = "model"
    found.save()
    assert found.path is not None
    (found.path.parent / "x.json").symlink_to("nowhere")
    assert [one.id for one in session.unfinished()] == [found.id]


def test_where_training_has_begun_it_is_told_how_the_run_stands(tmp_path: Path) -> None:
    one = session.new_session()
    one.answers.set("output.dir", str(tmp_path / "run"))
    one.state = "launch"
    assert session.stage_text(one) == "training in progress"  # the run directory is gone
    freeze(write_dataset(tmp_path / "data"), tmp_path / "run")
    Records(tmp_path / "run").set_status("stopped")
    assert session.stage_text(one) == "training: stopped"
    one.state = "training"
    assert session.stage_text(one) == "training"


def test_one_whose_run_was_completed_without_the_wizard_is_finished(tmp_path: Path) -> None:
    run = freeze(write_dataset(tmp_path / "data"), tmp_path / "run")
    one = session.new_session()
    one.answers.set("output.dir", str(tmp_path / "run"))
    one.state, one.digests = "dry_run", [run.digest]
    one.save()
    assert [each.id for each in session.unfinished()] == [one.id]
    Records(tmp_path / "run").set_status("completed")
    assert session.unfinished() == []
    one.digests = ["sha256:of another"]
    one.save()
    assert [each.id for each in session.unfinished()] == [one.id]
