"""Runs as jobs of a real Slurm, whose daemons are started for these tests."""

import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from srwizard.settings import run_config
from srwizard.settings.run_config import RunConfig, RunSlurm
from srwizard.slurm.client import seconds_of
from tests.datasets import write_dataset
from tests.installed import run_installed
from tests.slurm import cluster
from tests.slurm.cluster import Cluster
from tests.train.runs import PATIENCE_SECONDS, epochs, freeze, same_weights, weights

LONG = 100_000
CUT = 60
"""Epochs that take long enough to be cut off in, also on a fast machine."""
ANSWERS = """\
data: {{root: {root}}}
output: {{dir: {run}}}
model: {{name: EDSR, params: {{num_features: 8, num_blocks: 1}}}}
devices: {{launcher: slurm, slurm_partition: shut, slurm_time: 1:30:00}}
memory: {{use_amp: false}}
confirm: true
"""
Run = Callable[..., "subprocess.CompletedProcess[str]"]

_reason = cluster.missing()
pytestmark = pytest.mark.skipif(_reason is not None, reason=f"no Slurm for the tests: {_reason}")


@pytest.fixture(scope="module")
def slurm() -> Iterator[Cluster]:
    with cluster.running() as found:
        yield found


@pytest.fixture
def srwizard(tmp_path: Path, slurm: Cluster) -> Run:
    """Run the installed command where this Slurm is found; Slurm hands the environment on."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path / "home"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "LANG": "C.UTF-8",
        "OMP_WAIT_POLICY": "PASSIVE",
        **slurm.environment,
    }

    def run(*arguments: object, **changes: Any) -> "subprocess.CompletedProcess[str]":
        given = environment | changes.pop("environment", {})
        return run_installed(arguments, given, cwd=tmp_path, **changes)

    return run


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "data")


def take_as_measured(run: RunConfig, run_dir: Path) -> None:
    """Leave a dry run of this very run on this machine, so that its job need not begin with one."""
    found = {"digest": run.digest, "hosts": [socket.gethostname()], "verdict": "fits"}
    (run_dir / "dry_run.json").write_text(json.dumps(found))


def submitted(srwizard: Run, run_dir: Path, **changes: Any) -> str:
    """Submit a run and return the number of its job."""
    done = srwizard("submit", run_dir, **changes)
    assert done.returncode == 0, done.stderr
    job = str(json.loads((run_dir / "job.json").read_text())["job"])
    assert f"Slurm job {job}" in done.stdout
    return job


def run_status(srwizard: Run, run_dir: Path) -> dict[str, Any]:
    shown = srwizard("status", "--json", run_dir)
    assert shown.returncode == 0, shown.stderr
    found: dict[str, Any] = json.loads(shown.stdout)[0]
    return found


def log_of(run_dir: Path) -> str:
    return "".join(path.read_text() for path in sorted(run_dir.glob("slurm-*.log")))


def wait_for(condition: Callable[[], bool], run_dir: Path) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < until, log_of(run_dir)
        time.sleep(0.1)


def state_in_slurm(slurm: Cluster, job: str) -> str:
    return slurm.call("scontrol", "-o", "show", "job", job).partition("JobState=")[2].split()[0]


def wait_for_end(slurm: Cluster, job: str, run_dir: Path) -> str:
    """Wait until a job is over, and return Slurm's word for how."""
    unfinished = ("PENDING", "RUNNING", "COMPLETING", "CONFIGURING")
    wait_for(lambda: state_in_slurm(slurm, job) not in unfinished, run_dir)
    return state_in_slurm(slurm, job)


def begin_soon(slurm: Cluster, job: str) -> None:
    """Slurm lets two minutes pass until a job that was queued again may begin.

    Its nodes refuse a credential from the second in which the job's last one was withdrawn
    ("Job credential revoked"), hence not at once.
    """
    slurm.call("scontrol", "update", f"JobId={job}", "StartTime=now+3")


@pytest.mark.slow
def test_a_job_trains_to_the_end(
    srwizard: Run, slurm: Cluster, dataset: Path, tmp_path: Path
) -> None:
    run_dir = tmp_path / 'my run 海温\'s "first"'
    asked = RunSlurm(partition="short", time="5:00", memory="1G", cpus=2,
                     directives=["--comment=two words", "--nice=0"])  # fmt: skip
    freeze(dataset, run_dir, slurm=asked)
    # The script alone: nothing is submitted.
    printed = srwizard("submit", run_dir, "--print")
    assert printed.returncode == 0, printed.stderr
    assert printed.stdout == (run_dir / "job.sbatch").read_text()
    assert not (run_dir / "job.json").exists()
    # By hand, from anywhere: it is followed all the same.
    job = slurm.call("sbatch", "--parsable", str(run_dir / "job.sbatch")).strip()
    told = slurm.call("scontrol", "-o", "show", "job", job)
    for wanted in ("Partition=short", "TimeLimit=00:05:00", "MinMemoryNode=1G", "CPUs/Task=2",
                   "Comment=two words", "Requeue=1"):  # fmt: skip
        assert wanted in told
    assert wait_for_end(slurm, job, run_dir) == "COMPLETED", log_of(run_dir)
    found = run_status(srwizard, run_dir)
    assert (found["state"], found["report"]) == ("completed", True)
    assert (found["job"]["id"], found["job"]["exit_code"]) == (job, 0)
    assert [event["epoch"] for event in epochs(run_dir)] == [1, 2]
    assert "Dry run" in log_of(run_dir)  # the memory was measured there, first
    assert json.loads((run_dir / "dry_run.json").read_text())["verdict"] == "fits"
    assert "completed" in srwizard("logs", run_dir).stdout
    again = srwizard("submit", run_dir)
    assert again.returncode == 2
    assert "already finished training" in again.stderr


@pytest.mark.slow
def test_what_does_not_fit_ends_the_job_at_once(
    srwizard: Run, slurm: Cluster, tmp_path: Path
) -> None:
    root = write_dataset(tmp_path / "data", steps=(16, 2, 2), hr_shape=(256, 512), scale=4)
    run_dir = tmp_path / "run"
    # A batch of 16 needs more than this, smaller ones do not.
    freeze(root, run_dir, batch_size=16, params={"num_features": 16}, slurm=RunSlurm(memory="700M"))
    job = submitted(srwizard, run_dir)
    assert wait_for_end(slurm, job, run_dir) == "FAILED"
    found = run_status(srwizard, run_dir)
    assert found["job"]["exit_code"] == 4, log_of(run_dir)
    assert (found["state"], found["failure"]["kind"]) == ("failed", "does_not_fit")
    assert "What can be changed" in log_of(run_dir)
    written = json.loads((run_dir / "dry_run.json").read_text())
    assert written["verdict"] == "does not fit"
    assert written["remedies"]
    assert not epochs(run_dir)
    shown = srwizard("logs", run_dir)
    assert "does not fit" in shown.stdout
    assert "does not fit" in srwizard("status", run_dir).stdout


@pytest.mark.slow
def test_cut_off_twice_it_ends_with_the_same_weights(
    srwizard: Run, slurm: Cluster, dataset: Path, tmp_path: Path
) -> None:
    whole, run_dir = tmp_path / "whole", tmp_path / "cut"
    for path in (whole, run_dir):
        run = freeze(dataset, path, epochs=CUT, eval_freq=5, scheduler="cosine", ema_decay=0.9)
        take_as_measured(run, path)
    job = submitted(srwizard, run_dir)
    for _time in range(2):
        done = len(epochs(run_dir))
        wait_for(lambda done=done: len(epochs(run_dir)) > done, run_dir)
        slurm.call("scancel", "--signal=USR1", job)
        wait_for(lambda: state_in_slurm(slurm, job) == "PENDING", run_dir)
        assert run_status(srwizard, run_dir)["state"] == "queued"
        begin_soon(slurm, job)
    assert srwizard("train", whole).returncode == 0
    assert wait_for_end(slurm, job, run_dir) == "COMPLETED", log_of(run_dir)
    assert log_of(run_dir).count("is queued again") == 2
    assert [event["epoch"] for event in epochs(run_dir)] == list(range(1, CUT + 1))
    for name in ("last", "best"):
        assert same_weights(weights(whole, name), weights(run_dir, name))


@pytest.mark.slow
def test_the_time_limit_and_stop(
    srwizard: Run, slurm: Cluster, dataset: Path, tmp_path: Path
) -> None:
    run_dir = tmp_path / "run"
    take_as_measured(freeze(dataset, run_dir, epochs=LONG), run_dir)
    job = submitted(srwizard, run_dir)
    wait_for(lambda: len(epochs(run_dir)) > 0, run_dir)
    found = run_status(srwizard, run_dir)
    assert (found["state"], found["alive"]) == ("running", True)
    assert found["job"]["nodes"] in cluster.NODES
    twice = srwizard("submit", run_dir)
    assert twice.returncode == 2
    assert "already running or queued" in twice.stderr
    # Two minutes are left: Slurm sends the signal that the script has asked for.
    told = slurm.call("squeue", "-h", "-j", job, "-o", "%M").strip()
    minutes = int(seconds_of(told if ":" in told else f"0:{told}") or 0) // 60
    slurm.call("scontrol", "update", f"JobId={job}", f"TimeLimit={minutes + 2}")
    wait_for(lambda: state_in_slurm(slurm, job) == "PENDING", run_dir)
    found = run_status(srwizard, run_dir)
    assert (found["state"], found["job"]["id"], found["checkpoint"]) == ("queued", job, True)
    assert "waiting in the queue" in srwizard("status", run_dir).stdout
    # Stopped while it waits ...
    stopped = srwizard("stop", run_dir)
    assert stopped.returncode == 0, stopped.stderr
    assert "removed from the queue" in stopped.stdout
    assert f"srwizard submit {run_dir}" in stopped.stdout
    assert state_in_slurm(slurm, job) == "CANCELLED"
    assert run_status(srwizard, run_dir)["state"] == "stopped"
    # ... and while it runs: it does not come back.
    before = len(epochs(run_dir))
    job = submitted(srwizard, run_dir)
    wait_for(lambda: len(epochs(run_dir)) > before, run_dir)
    stopped = srwizard("stop", run_dir)
    assert stopped.returncode == 0, stopped.stderr
    assert "last.pt" in stopped.stdout
    assert wait_for_end(slurm, job, run_dir) == "FAILED"  # 130, as a shell says it
    assert "not queued again" in log_of(run_dir)
    assert run_status(srwizard, run_dir)["state"] == "stopped"
    nothing = srwizard("stop", run_dir)
    assert nothing.returncode == 2
    assert "nothing is running" in nothing.stderr


def test_stopped_before_its_turn(
    srwizard: Run, slurm: Cluster, dataset: Path, tmp_path: Path
) -> None:
    """From the answers into the queue, and out of it again."""
    run_dir, answers = tmp_path / "run", tmp_path / "answers.yaml"
    answers.write_text(ANSWERS.format(root=dataset, run=run_dir))
    begun = srwizard("--answers", answers)
    assert begun.returncode == 0, begun.stderr
    job = json.loads((run_dir / "job.json").read_text())["job"]
    assert f"Slurm job {job}" in begun.stdout
    assert "TimeLimit=01:30:00" in slurm.call("scontrol", "-o", "show", "job", job)
    found = run_status(srwizard, run_dir)
    assert (found["state"], found["job"]["reason"]) == ("queued", "PartitionDown")
    assert "PartitionDown" in srwizard("status", run_dir).stdout
    waiting = srwizard("logs", run_dir)
    assert waiting.returncode == 2
    assert "waiting in the queue" in waiting.stderr
    assert srwizard("stop", run_dir).returncode == 0
    assert state_in_slurm(slurm, job) == "CANCELLED"
    assert run_status(srwizard, run_dir)["state"] == "frozen"


def test_what_cannot_be_submitted(
    srwizard: Run, slurm: Cluster, dataset: Path, tmp_path: Path
) -> None:
    def refused(**asked: Any) -> str:
        run_dir = tmp_path / f"run{len(list(tmp_path.iterdir()))}"
        freeze(dataset, run_dir, slurm=RunSlurm(**asked))
        done = srwizard("submit", run_dir)
        assert done.returncode == 2, done.stdout
        assert "Traceback" not in done.stderr
        assert not (run_dir / "job.json").exists()
        return done.stderr

    unknown = refused(partition="sea")
    assert "there is no partition sea" in unknown and "ocean, short, shut" in unknown
    # What Slurm itself says is shown.
    too_long = refused(partition="short", time="1:00:00")
    assert "Slurm refuses the job" in too_long and "Requested time limit is invalid" in too_long
    assert "Memory specification can not be satisfied" in refused(memory="900G")
    assert "srwizard sets" in refused(directives=["--output=elsewhere"])
    run_dir = tmp_path / "100 %"
    freeze(dataset, run_dir)
    assert "without %" in srwizard("submit", run_dir).stderr
    assert slurm.call("squeue", "-h", "-t", "PD,R", "-n", "srwizard-100").strip() == ""
    # Without Slurm, the script can still be written.
    run_dir = tmp_path / "no_slurm"
    freeze(dataset, run_dir)
    nowhere = {"PATH": str(tmp_path)}
    done = srwizard("submit", run_dir, environment=nowhere)
    assert done.returncode == 2
    assert "there is no Slurm here" in done.stderr
    assert srwizard("submit", run_dir, "--print", environment=nowhere).returncode == 0
    assert (run_dir / "job.sbatch").is_file()


@pytest.mark.slow
def test_a_sweep_over_seeds_and_its_table(
    srwizard: Run, slurm: Cluster, dataset: Path, tmp_path: Path
) -> None:
    run_dir = tmp_path / "run"
    freeze(dataset, run_dir, epochs=1)
    sweep = ("submit", run_dir, "--sweep", "training.seed=1,2")
    printed = srwizard(*sweep, "--print")
    assert printed.returncode == 0, printed.stderr
    assert "#SBATCH --array=0-1" in printed.stdout
    run_dirs = [run_dir / "sweep" / f"seed-{seed}" for seed in (1, 2)]
    for path, seed in zip(run_dirs, (1, 2), strict=True):
        run = run_config.load(path)
        assert run.training.seed == seed
        take_as_measured(run, path)
    done = srwizard(*sweep)
    assert done.returncode == 0, done.stderr
    ids = [json.loads((path / "job.json").read_text())["job"] for path in run_dirs]
    array = ids[0].partition("_")[0]
    assert ids == [f"{array}_{place}" for place in range(2)]
    for job in ids:
        assert wait_for_end(slurm, job, run_dir / "sweep") == "COMPLETED", log_of(run_dir / "sweep")
    assert [run_status(srwizard, path)["state"] for path in run_dirs] == ["completed"] * 2
    page = tmp_path / "table.html"
    compared = srwizard("compare", run_dir / "sweep", "--html", page, "--json")
    assert compared.returncode == 0, compared.stderr
    found = json.loads(compared.stdout)
    assert found["differing"] == ["training.seed"]
    assert [run["settings"]["training.seed"] for run in found["runs"]] == [1, 2]
    rmse = [run["variables"]["temp"]["rmse"] for run in found["runs"]]
    best = ["rmse" in run["best"]["temp"] for run in found["runs"]]
    assert best.index(True) == rmse.index(min(rmse))
    assert f"{min(rmse):.4g}" in page.read_text()


@pytest.mark.slow
def test_a_job_on_two_nodes(srwizard: Run, slurm: Cluster, dataset: Path, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    freeze(dataset, run_dir, epochs=1, nodes=2, slurm=RunSlurm())
    job = submitted(srwizard, run_dir)
    assert wait_for_end(slurm, job, run_dir) == "COMPLETED", log_of(run_dir)
    assert "NodeList=n[1-2]" in slurm.call("scontrol", "-o", "show", "job", job)
    assert "Another machine leads" in log_of(run_dir)
    # Eight samples in global batches of two by two: the world has two ranks.
    assert epochs(run_dir)[-1]["step"] == 2
    assert run_status(srwizard, run_dir)["state"] == "completed"
