"""How the threads of commands that compute in their own process wait for each other."""

import re
from pathlib import Path

import pytest

from tests.installed import run_installed

SHOWN = {"OMP_DISPLAY_ENV": "VERBOSE"}
"""libgomp says by what it goes, once it is loaded."""


@pytest.mark.afresh
@pytest.mark.parametrize(
    ("given", "spins"),
    [({}, "1000"), ({"GOMP_SPINCOUNT": "77"}, "77"), ({"OMP_WAIT_POLICY": "PASSIVE"}, "0")],
    ids=["by default", "as the user has set it", "not at all"],
)
def test_threads_that_wait_spin_for_a_moment_only(
    tmp_path: Path,
    environment: dict[str, str],
    dataset: Path,
    edsr: Path,
    given: dict[str, str],
    spins: str,
) -> None:
    arguments = ["predict", edsr, dataset, "-o", "out.nc"]
    done = run_installed(arguments, environment | SHOWN | given, cwd=tmp_path, timeout=300)
    assert done.returncode == 0, done.stderr
    found = dict(re.findall(r"(\w+) = '(\w+)'", done.stderr))
    if "GOMP_SPINCOUNT" not in found:
        pytest.skip("this torch has no libgomp")
    assert found["GOMP_SPINCOUNT"] == spins
    assert found["OMP_NUM_THREADS"] == environment["OMP_NUM_THREADS"]
