"""A command looks at a dataset once, in the process that launches; the ranks are told."""

import os
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from srwizard.train.dataset import HANDED_ON
from tests.datasets import write_dataset
from tests.e2e.conftest import ANSWERS
from tests.installed import run_installed

COUNTING = Path(__file__).parent / "counting"
WORKER, REHEARSAL, SCORER = (
    "srwizard.train.worker",
    "srwizard.memory.rehearsal",
    "srwizard.train.scorer",
)
PARTS = 7
"""Of one variable: three splits at two levels; and a static field."""


@dataclass
class Place:
    """A dataset with an answers file, and what is noted of those who look at it."""

    home: Path
    environment: dict[str, str]

    @property
    def root(self) -> Path:
        return self.home / "data"

    @property
    def run_dir(self) -> Path:
        return self.home / "run"

    @property
    def notes(self) -> Path:
        return self.home / "notes"

    def counted(self, *arguments: object) -> "Counted":
        """Run a command to its good end, and return what it has looked at."""
        self.notes.unlink(missing_ok=True)
        done = run_installed(arguments, self.environment, cwd=self.home)
        assert done.returncode == 0, done.stdout + done.stderr
        return self.noted()

    def noted(self) -> "Counted":
        lines = [line.split(" ", 1) for line in self.notes.read_text().splitlines()]
        of_parts = {
            kind: Counter(of for what, of in lines if what == kind)
            for kind in ("digest", "content", "stamp")
        }
        return Counted(
            Counter(of for what, of in lines if what == "process"),
            sum(what == "scan" for what, _of in lines),
            *of_parts.values(),
        )


@dataclass
class Counted:
    """What the processes of a command did: which there were, scans, and by part what was read."""

    processes: "Counter[str]"
    scans: int
    digests: "Counter[str]"
    contents: "Counter[str]"
    stamps: "Counter[str]"

    @property
    def looked_once(self) -> bool:
        """Whether each part was looked at, and in any one way no more than once."""
        ways = self.digests, self.contents, self.stamps
        parts = set().union(*ways)
        once = all(count == 1 for way in ways for count in way.values())
        return self.scans == 1 and len(parts) == PARTS and once


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """One home for all: what an earlier test has trained is there for the later ones."""
    home = tmp_path_factory.mktemp("once")
    root = write_dataset(home / "data")
    np.save(root / "static_variables" / "lr" / "02_depth.npy", np.ones((8, 12)))
    answers = ANSWERS.format(root=root, run=home / "run").replace("epochs: 2", "epochs: 1")
    answers = answers.replace(f"root: {root}", f"root: {root}, static_variables: [depth]")
    (home / "answers.yaml").write_text(answers)
    return Place(
        home,
        {
            "PATH": os.environ["PATH"],
            "HOME": str(home / "home"),
            "XDG_STATE_HOME": str(home / "state"),
            "XDG_CACHE_HOME": str(tmp_path_factory.getbasetemp() / "cache"),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(COUNTING),
            "LOOKED_AT": str(home / "notes"),
            "LISTED": str(root / "train" / "hr" / "temp"),
        },
    )


@pytest.fixture
def trained(place: Place) -> Iterator[Place]:
    """The same place, with a run that has been trained."""
    if not (place.run_dir / "report.html").exists():
        place.counted("--answers", "answers.yaml")
    yield place


@pytest.mark.slow
def test_from_data_to_done(place: Place) -> None:
    found = place.counted("--answers", "answers.yaml")
    assert found.processes[REHEARSAL] == found.processes[WORKER] == 1
    assert found.looked_once, found


@pytest.mark.slow
def test_from_data_to_done_with_two_ranks(place: Place) -> None:
    found = place.counted(
        "--answers", "answers.yaml", "--set", "devices.processes=2", "--set", "output.dir=two"
    )
    assert found.processes[REHEARSAL] == found.processes[WORKER] == 2
    assert found.looked_once, found


@pytest.mark.slow
@pytest.mark.parametrize("first", [[], ["--dry-run-first"]])
def test_train(place: Place, first: list[str]) -> None:
    run_dir = f"frozen{len(first)}"
    place.counted(
        "--answers", "answers.yaml", "--set", f"output.dir={run_dir}", "--stop-after", "frozen"
    )
    found = place.counted("train", run_dir, *first)
    assert found.processes[WORKER] == 1
    assert found.processes[REHEARSAL] == len(first)
    assert found.looked_once, found


@pytest.mark.slow
def test_evaluate(trained: Place) -> None:
    found = trained.counted("evaluate", trained.run_dir)
    assert found.processes[SCORER] == 1
    assert found.looked_once, found


@pytest.mark.slow
def test_predict(trained: Place) -> None:
    """Its input is scanned; of what the run was trained on, it reads the static field alone."""
    found = trained.counted("predict", trained.run_dir, trained.root, "-o", "out.nc")
    assert found.scans == 1
    assert {Path(path).name for path in found.stamps} == {"02_depth.npy"}
    assert not found.digests
    assert not found.contents


def test_inspect(place: Place) -> None:
    found = place.counted("inspect", place.root)
    assert (found.scans, len(found.digests), len(found.stamps)) == (1, 0, 0)


@pytest.mark.broad
def test_freezing_a_sweep(place: Place) -> None:
    place.counted(
        "--answers", "answers.yaml", "--set", "output.dir=swept", "--stop-after", "frozen"
    )
    script = place.home / "sweep.py"
    script.write_text(
        "from pathlib import Path\n"
        "from srwizard.wizard.sweep import freeze_all\n"
        "assert len(freeze_all(Path('swept').absolute(), ['training.seed=1,2,3'])) == 3\n"
    )
    place.notes.unlink()
    subprocess.run([sys.executable, str(script)], env=place.environment, cwd=place.home, check=True)
    found = place.noted()
    assert found.looked_once, found


@pytest.mark.slow
def test_estimating_by_dry_runs(place: Place) -> None:
    found = place.counted("estimate", "--answers", "answers.yaml", "--fit", "batch_size")
    assert found.processes[REHEARSAL] >= 1
    assert found.looked_once, found


@pytest.mark.slow
def test_a_worker_that_is_started_by_hand_verifies(trained: Place) -> None:
    printed = run_installed(
        ("train", trained.run_dir, "--print-command"), trained.environment, cwd=trained.home
    ).stdout
    assert HANDED_ON not in printed

    def start() -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            shlex.split(printed),
            env=trained.environment,
            cwd=trained.home,
            capture_output=True,
            text=True,
            check=False,
        )

    trained.notes.unlink()
    assert start().returncode == 0
    assert trained.noted().looked_once, trained.noted()
    step = min((trained.root / "valid" / "hr" / "temp").iterdir())
    original = step.read_bytes()
    np.save(step, np.load(step) + np.float32(1))
    refused = start()
    step.write_bytes(original)
    assert refused.returncode == 5
    assert "data.fingerprint.valid/hr/temp has changed" in refused.stderr
