"""What is answered about a Slurm job is refused before anything is submitted."""

import os
import stat
from pathlib import Path

import pytest

from srwizard.slurm import checks, client
from srwizard.slurm.client import Partition, SlurmError, seconds_of

OCEAN = Partition("ocean", True, True, "2:00:00", nodes=2, cpus=8, memory=64_000)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90 * 60),
        ("90:30", 90 * 60 + 30),
        ("12:00:00", 12 * 3600),
        ("2-12", 60 * 3600),
        ("1-00:30", 24 * 3600 + 1800),
        ("1-01:01:01", 25 * 3600 + 61),
        ("infinite", None),
        ("2 hours", None),
        ("-5", None),
    ],
)
def test_time_limits_as_slurm_reads_them(text: str, seconds: int | None) -> None:
    assert seconds_of(text) == seconds


def test_a_time_limit_must_leave_time_to_save_and_be_granted() -> None:
    assert checks.time_problem("2:00:00", OCEAN) is None
    assert "12:00:00" in (checks.time_problem("2 hours", OCEAN) or "")
    assert "5 minutes" in (checks.time_problem("4", OCEAN) or "")
    assert "2:00:00" in (checks.time_problem("3:00:00", OCEAN) or "")
    assert checks.time_problem("30-0") is None


def test_memory() -> None:
    for good in ("64000", "62G", "512m", "0"):
        assert checks.memory_problem(good, OCEAN) is None, good
    for bad in ("64 GB", "much", "-1G", ""):
        assert "64G" in (checks.memory_problem(bad, OCEAN) or ""), bad
    assert "64000 MB" in (checks.memory_problem("65G", OCEAN) or "")


def test_further_options() -> None:
    for good in ("--constraint=a100", "--exclusive", "--mail-type=END", "--gres=tmpdisk:10"):
        assert checks.directive_problem(good) is None, good
    for bad in ("constraint=a100", "-C a100", "--constraint a100", "--exclude=n1\n#SBATCH -w n2"):
        assert "--constraint=a100" in (checks.directive_problem(bad) or ""), bad
    # What srwizard sets itself, also shortened as sbatch would take it.
    for own in ("--output=x", "--signal=TERM@60", "--no-requeue", "--outp=x", "--wrap=ls"):
        assert "itself" in (checks.directive_problem(own) or ""), own
    assert "devices.slurm_partition" in (checks.directive_problem("--part=short") or "")
    assert "devices.gpus_per_node" in (checks.directive_problem("--gres=gpu:4") or "")


def test_gpus_of_a_node() -> None:
    def gpus(gres: str) -> int:
        return Partition("x", False, True, "infinite", 1, 1, 1, gres).gpus

    assert gpus("gpu:a100:4(S:0-1),gpu:t4:2,tmpdisk:100") == 6
    assert gpus("gpu:8") == 8
    assert gpus("") == 0


def test_without_slurm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not client.available()
    assert checks.partition_problem("ocean") is None  # nobody can say
    with pytest.raises(SlurmError, match="no Slurm here"):
        client.partitions()
    with pytest.raises(SlurmError, match="no Slurm here"):
        client.submit(tmp_path / "job.sbatch")
    assert client.ended("1", "srwizard-run") is None


def program(directory: Path, name: str, script: str) -> None:
    path = directory / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_a_slurm_that_does_not_answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program(tmp_path, "sbatch", "exit 0")
    program(tmp_path, "sinfo", "exec sleep 60")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(
        client._call, "__kwdefaults__", client._call.__kwdefaults__ | {"seconds": 0.2}
    )
    with pytest.raises(SlurmError, match="does not answer"):
        client.partitions()
    assert checks.partition_problem("ocean") is None


def test_the_script_goes_before_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program(tmp_path, "sbatch", 'env | grep ^SBATCH_ > seen; echo "7;east"')
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for name in ("SBATCH_TIMELIMIT", "SBATCH_PARTITION", "SBATCH_ACCOUNT"):
        monkeypatch.setenv(name, "x")
    script = tmp_path / "job.sbatch"
    script.write_text("#!/bin/bash\n#SBATCH --time=5\n#SBATCH --partition=ocean\n")
    assert client.submit(script) == "7"
    assert (tmp_path / "seen").read_text() == "SBATCH_ACCOUNT=x\n"


@pytest.mark.parametrize("said", ["12;cluster", "Welcome to OCEAN\n12\nHave a nice day"])
def test_the_number_of_a_job_is_found_among_what_a_site_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: str
) -> None:
    (tmp_path / "job.sbatch").write_text("#!/bin/sh\n")
    program(tmp_path, "sbatch", f"printf '{said}\n'")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert client.submit(tmp_path / "job.sbatch") == "12"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("exit 0", "sbatch did not say the number of the job"),
        ("echo Thank you for using OCEAN", "Thank you for using OCEAN"),
        ("echo 'sbatch: error: Socket timed out on send/recv' >&2; exit 1", "Socket timed out"),
    ],
)
def test_a_job_that_may_be_in_the_queue_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, words: str
) -> None:
    (tmp_path / "job.sbatch").write_text("#!/bin/sh\n")
    program(tmp_path, "sbatch", script)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(SlurmError, match=words) as refused:
        client.submit(tmp_path / "job.sbatch")
    assert "look there before you submit again" in refused.value.hint


@pytest.mark.parametrize(
    "said",
    [
        "fatal: Could not establish a configuration source",
        "error: Unable to contact slurm controller (connect failure)",
    ],
)
def test_slurm_that_is_installed_but_not_reached(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: str
) -> None:
    (tmp_path / "job.sbatch").write_text("#!/bin/sh\n")
    program(tmp_path, "sbatch", f"echo 'sbatch: {said}' >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(SlurmError, match="does not reach Slurm") as refused:
        client.submit(tmp_path / "job.sbatch")
    assert said in refused.value.message
    assert "Submit from a login node" in refused.value.hint
