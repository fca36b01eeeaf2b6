"""What every test relies on, whatever ran before and wherever it runs: English, usual signals."""

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest
from hypothesis import settings

from srwizard.base import i18n
from tests.cpu_time import pytest_runtest_call, pytest_runtest_setup
from tests.forked import Popen, started
from tests.hardware.nvml.world import nvml_library, nvml_world
from tests.selection import is_quick, pytest_collection_modifyitems, pytest_ignore_collect

__all__ = [
    "nvml_library",
    "nvml_world",
    "pytest_collection_modifyitems",
    "pytest_ignore_collect",
    "pytest_runtest_call",
    "pytest_runtest_setup",
]

CHECKOUT = Path(__file__).parents[1]

# As users have it, whatever the machine says: what Python compiles is kept for the next process.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# What a shell in the background or nohup has this process ignore, those that it starts would ignore
# as well; a handler goes no further than this process.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda _number, _frame: None)

# How long an example takes says how busy the machine is, and nothing of what is tested.
settings.register_profile("srwizard", deadline=None)
settings.register_profile("between two edits", deadline=None, max_examples=10)


def pytest_configure(config: pytest.Config) -> None:
    """Try fewer examples where tests are left out for the sake of time."""
    settings.load_profile("between two edits" if is_quick(config) else "srwizard")


def pytest_collection_finish() -> None:
    """Leave what stays to the end out of every search for garbage: thousands of tests, torch."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def state_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep what is noted of runs and sessions out of the user's own state directory."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="session", autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Fail where tests wrote into the checkout and not into a directory of their own."""
    before = _visible(CHECKOUT)
    yield
    assert _visible(CHECKOUT) <= before


def _visible(directory: Path) -> set[str]:
    """Return the names in a directory but for those that git does not look at."""
    ignored = (CHECKOUT / ".gitignore").read_text().split()
    names = {path.name for path in directory.iterdir() if not path.name.startswith(".")}
    return {name for name in names if not any(fnmatch(name, one.rstrip("/")) for one in ignored)}


@pytest.fixture(scope="session", autouse=True)
def forked() -> Iterator[None]:
    """Let Python processes be forked from one that has torch loaded."""
    subprocess.Popen = Popen  # type: ignore[misc]
    yield
    subprocess.Popen = started  # type: ignore[misc]


@pytest.fixture(autouse=True)
def afresh(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start the processes of a test that is about how they start, or about what they hold."""
    if request.node.get_closest_marker("afresh") is not None:
        monkeypatch.setattr(subprocess, "Popen", started)


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    """Start and leave every test in English."""
    i18n.set_language("en")
    yield
    i18n.set_language("en")
