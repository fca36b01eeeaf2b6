"""Sessions on disk: whatever the bytes are, a valid session or a refusal that names the file."""

import json
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from srwizard.base.errors import UsageError
from srwizard.wizard import session

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
KEYS = ("schema_version", "id", "created", "state", "answers", "history", "editing", "digests")


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
        assert found.state in session.STATES
    assert path.read_bytes() == before


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_any_bytes(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "any.json"
    path.write_bytes(content)
    loaded_or_refused(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from([*KEYS, "fingerprint"]), JSON))
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
    made.record("next", "data", "output")
    made.state = "output"
    made.save()
    assert made.path is not None
    found = session.load(made.path)
    assert (found.id, found.state, found.answers.decided(), found.history) == (
        made.id, made.state, {"training": {"epochs": 7}}, made.history,
    )  # fmt: skip


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
