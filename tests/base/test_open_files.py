"""The limit of open files is raised as far as it may be, and no further."""

import resource
import subprocess
import sys

import pytest

from srwizard.base.open_files import MOST

SCRIPT = """
import resource, sys
from srwizard.base.open_files import allow_more_open_files

resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[2])))
allow_more_open_files()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""
HARD = resource.getrlimit(resource.RLIMIT_NOFILE)[1]


@pytest.mark.parametrize(("soft", "hard", "found"), [(64, 512, 512), (512, 512, 512)])
def test_the_hard_limit_is_gone_up_to(soft: int, hard: int, found: int) -> None:
    assert limits_after(soft, hard) == [found, hard]


@pytest.mark.skipif(0 <= HARD <= MOST, reason="this machine allows no more")
def test_there_is_a_bound() -> None:
    assert limits_after(64, HARD)[0] == MOST


def limits_after(soft: int, hard: int) -> list[int]:
    words = [sys.executable, "-c", SCRIPT, str(soft), str(hard)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return [int(word) for word in done.stdout.split()]
