"""A job script of a directory whose name somebody else has chosen."""

import subprocess
from pathlib import Path

import pytest

from srwizard.base.errors import UsageError
from srwizard.slurm.job import array_script_text, script_text
from tests.configs import made_up_config

HOSTILE = "/runs/te\t\x1b[2J\u202e\u200bmp 'x' $(touch owned)"
CONTROLS = set("\t\x1b\u202e\u200b")


def test_its_comments_and_its_shell_show_all_of_a_name() -> None:
    """What Slurm itself reads, the name of the log, is as it is."""
    run = made_up_config()
    for text in (
        script_text(run, Path(HOSTILE)),
        array_script_text([(run, Path(HOSTILE) / "a"), (run, Path(HOSTILE) / "b")], Path(HOSTILE)),
    ):
        lines = [line for line in text.splitlines() if not line.startswith("#SBATCH --output=")]
        assert not CONTROLS & set("".join(lines))
        assert any(line.startswith("# ") and r"\x1b[2J" in line for line in lines)


def test_the_shell_reads_the_same_name(tmp_path: Path) -> None:
    text = script_text(made_up_config(), Path(HOSTILE))
    (line,) = [line for line in text.splitlines() if line.startswith("run_dir=")]
    done = subprocess.run(
        ["bash", "-c", f'{line}\nprintf %s "$run_dir"'],
        capture_output=True, cwd=tmp_path, check=True,
    )  # fmt: skip
    assert done.stdout.decode() == HOSTILE
    assert not list(tmp_path.iterdir())


def test_a_line_break_is_refused() -> None:
    with pytest.raises(UsageError, match=r"Slurm cannot write a log into /runs/a\\nb"):
        script_text(made_up_config(), Path("/runs/a\nb"))
