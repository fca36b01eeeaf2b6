"""The simple methods, settled by a process of its own while something else goes on.

What the two tell each other goes through files without a name: nobody has to wait for anybody, and
nothing is left of them whichever way the processes end.
"""

import contextlib
import json
import mmap
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from srwizard.base.child_process import end_with_parent
from srwizard.data import stored_layout
from srwizard.data.baselines.known import note, note_outliers
from srwizard.data.dataset import Dataset

if TYPE_CHECKING:
    from srwizard.data.baselines.settle import Settled

SETTLER = "srwizard.data.baselines.settler"


@dataclass
class Beside:
    """What a process settles, and what it has said of it so far.

    Args:
        dataset: which is read.
        scales: the variables that are settled, in order, with HR/LR of each.
        normalization: what is missed is measured for this one.
        found: what is settled already, by variable.
        problems: why a variable could not be, by variable.
        steps: how many are read, and how many there are to read.
    """

    dataset: Dataset
    scales: Mapping[str, int]
    normalization: str
    found: "dict[str, Settled]" = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    steps: tuple[int, int] = (0, 0)
    _process: "_Process | None" = None
    _read: int = 0

    @property
    def pending(self) -> set[str]:
        """The variables of which nothing was said yet."""
        return {*self.scales} - {*self.found} - {*self.problems}

    def look(self) -> bool:
        """Take in what the process has said since; return whether there is more to come."""
        if self._process is None:
            return False
        runs = self._process.child.poll() is None
        said = self._process.said.fileno()
        new = os.pread(said, os.fstat(said).st_size - self._read, self._read)
        whole = new[: new.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.splitlines():
            self._take_in(json.loads(line))
        return runs and bool(self.pending)

    def _take_in(self, said: Mapping[str, Any]) -> None:
        if "total" in said:
            self.steps = said["done"], said["total"]
        elif "problem" in said:
            self.problems[said["variable"]] = said["problem"]
        else:
            assert self._process is not None
            # The child writes where the file stands: it must not be moved here.
            with mmap.mmap(self._process.results.fileno(), 0, access=mmap.ACCESS_READ) as results:
                # Of our own child, from a file that nobody else can open.
                identity, outliers, settled = pickle.loads(results[said["begin"] : said["end"]])
            self.found[said["variable"]] = settled
            note(identity, self.normalization, None, settled)
            note_outliers(identity, outliers)

    def stop(self) -> None:
        """End the process, however far it is; what it has said before counts."""
        if self._process is None:
            return
        self._process.child.kill()
        self._process.child.wait()
        self.look()
        self._process.said.close()
        self._process.results.close()
        self._process = None


class _Process(NamedTuple):
    child: "subprocess.Popen[bytes]"
    said: IO[bytes]
    results: IO[bytes]


def begin(dataset: Dataset, scales: Mapping[str, int], normalization: str) -> Beside:
    """Begin to settle the simple methods of some variables; what is known already counts.

    Where no process can be started, nothing is settled until it is needed.

    Args:
        dataset: which is read.
        scales: HR/LR of each variable.
        normalization: as for `settle`.

    Raises:
        DatasetError: the dataset cannot be read any more.
    """
    before = {name: dataset.settled_before(name, scale) for name, scale in scales.items()}
    beside = Beside(dataset, scales, normalization)
    beside.found = {name: found for name, found in before.items() if found is not None}
    if beside.pending:
        with contextlib.suppress(OSError):
            beside._process = _start(beside)
    return beside


def _start(beside: Beside) -> _Process:
    asked = {
        "root": str(beside.dataset.root),
        "outliers": beside.dataset.outliers,
        "contents": stored_layout.as_json(beside.dataset.contents),
        "scales": {name: one for name, one in beside.scales.items() if name in beside.pending},
        "normalization": beside.normalization,
    }
    with contextlib.ExitStack() as stack:
        asks, said, results = (stack.enter_context(tempfile.TemporaryFile()) for _file in range(3))
        asks.write(json.dumps(asked).encode())
        asks.seek(0)
        child = subprocess.Popen(
            ["nice", sys.executable, "-m", SETTLER, str(results.fileno())],
            env={**os.environ, "PYTHONSAFEPATH": "1", "OMP_NUM_THREADS": "1"},
            stdin=asks,
            stdout=said,
            stderr=subprocess.DEVNULL,
            pass_fds=[results.fileno()],
            start_new_session=True,
            preexec_fn=end_with_parent,
        )
        asks.close()
        stack.pop_all()
        return _Process(child, said, results)
