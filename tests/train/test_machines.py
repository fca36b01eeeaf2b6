"""Two machines that train one run: network namespaces, so that they share disks but no network."""

import contextlib
import json
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.datasets import write_dataset
from tests.train.machines import Machine, can_be_made, log_files, two_machines
from tests.train.runs import (
    epochs,
    failure,
    freeze,
    output,
    running,
    train_command,
    wait_for_epoch,
    workers_of,
)

PORT = 29511
Two = tuple[Machine, Machine]

pytestmark = [
    pytest.mark.skipif(not can_be_made(), reason="network namespaces need root and iproute2"),
    pytest.mark.slow,
]


@pytest.fixture
def machines() -> Iterator[Two]:
    with two_machines() as made:
        yield made


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    freeze(write_dataset(tmp_path / "data", steps=(7, 3, 3)), tmp_path / "run", nodes=2, epochs=2)
    return tmp_path / "run"


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A directory for what the second machine prints."""
    (tmp_path / "other").mkdir()
    return tmp_path / "other"


def options(machines: Two, *more: str) -> list[str]:
    return ["--rdzv-endpoint", f"{machines[0].address}:{PORT}", *more]


def after(code: str, directory: Path) -> list[str]:
    """Return the beginning of a command in whose Python `code` has run before anything else."""
    directory.mkdir()
    (directory / "sitecustomize.py").write_text(code)
    return ["env", f"PYTHONPATH={directory}"]


def test_they_measure_and_train_together(
    machines: Two, run_dir: Path, other: Path, tmp_path: Path
) -> None:
    """Neither name resolves: what leads them to each other is the endpoint alone."""
    command = [*train_command(run_dir), *options(machines, "--dry-run-first")]
    north, south = machines
    late = after(
        "import time\nnow = time.time\ntime.time = lambda: now() - 90\n", tmp_path / "late"
    )
    with (
        running(command, run_dir, north) as one,
        running([*late, *command], other, south) as two,
    ):
        assert one.wait(180) == 0, output(run_dir) + log_files(run_dir)
        assert two.wait(180) == 0, output(other) + log_files(run_dir)
    found = json.loads((run_dir / "dry_run.json").read_text())
    assert set(found["hosts"]) == {"north", "south"}
    assert found["verdict"] == "fits"
    assert found["device"] == "2 x cpu x 1"
    # The ranks do not share memory: that of the fullest machine counts.
    assert found["peak_bytes"] in [rank["peak_bytes"] for rank in found["ranks"]]
    printed = output(run_dir) + output(other)  # whoever came first leads, and says it
    assert printed.count("Peak") == printed.count("Report:") == 1
    assert [event["step"] for event in epochs(run_dir)] == [2, 4]  # 7 samples by 2 x 2
    assert re.search(r"The clock of \w+ is (89|90|91) s away", (run_dir / "train.log").read_text())
    assert not (run_dir / ".nodes").exists()


@contextlib.contextmanager
def both_at_work(
    machines: Two, run_dir: Path, other: Path
) -> Iterator[tuple["subprocess.Popen[str]", "subprocess.Popen[str]"]]:
    """Let both train for very long; one epoch is done."""
    freeze(run_dir.parent / "data", run_dir, nodes=2, epochs=100_000)
    command = [*train_command(run_dir), *options(machines)]
    north, south = machines
    with running(command, run_dir, north) as one, running(command, other, south) as two:
        wait_for_epoch(run_dir, 1, one)
        yield one, two


def test_a_request_to_stop_ends_both_well(machines: Two, run_dir: Path, other: Path) -> None:
    with both_at_work(machines, run_dir, other) as (one, two):
        two.send_signal(signal.SIGTERM)
        for process in (one, two):
            assert process.wait(60) == 130, output(run_dir) + output(other)
    for said in (output(run_dir), output(other)):
        assert "training was stopped; the checkpoint is saved" in said
    assert json.loads((run_dir / "status.json").read_text())["state"] == "stopped"
    assert not (run_dir / "failure.json").exists()


def test_one_that_is_cut_off_is_named(machines: Two, run_dir: Path, other: Path) -> None:
    """Its connections stay open: only the signs of life tell."""
    with both_at_work(machines, run_dir, other) as (one, two):
        machines[1].cut_off()
        for process in workers_of(two):
            process.kill()
        two.kill()
        assert one.wait(150) == 5, output(run_dir)
    # Also where south led: then nobody else is left to write it down.
    assert failure(run_dir)["kind"] == "node_lost"
    assert "south has given no sign of life" in output(run_dir)
    assert json.loads((run_dir / "status.json").read_text())["state"] == "failed"


def test_a_killed_process_on_the_other_machine_is_named(
    machines: Two, run_dir: Path, other: Path
) -> None:
    freeze(run_dir.parent / "data", run_dir, nodes=2, epochs=100_000)
    command = [*train_command(run_dir), *options(machines)]
    north, south = machines
    with running(command, run_dir, north) as one:
        wait_until_it_leads(run_dir)
        with running(command, other, south) as two:
            wait_for_epoch(run_dir, 1, one)
            workers_of(two)[0].kill()
            assert one.wait(150) == 5, output(run_dir)
            two.wait(150)
    assert failure(run_dir)["kind"] == "killed"
    assert "On machine: south" in output(run_dir)


def test_torchrun_goes_on_from_the_last_checkpoint(
    machines: Two, run_dir: Path, other: Path
) -> None:
    freeze(run_dir.parent / "data", run_dir, nodes=2, epochs=30)
    command = [*train_command(run_dir), *options(machines, "--max-restarts", "2")]
    north, south = machines
    with (
        running(command, run_dir, north) as one,
        running(command, other, south) as two,
    ):
        wait_for_epoch(run_dir, 3, one)
        workers_of(two)[0].kill()
        assert one.wait(240) == 0, output(run_dir) + log_files(run_dir)
        assert two.wait(240) == 0, output(other) + log_files(run_dir)
    assert [event["epoch"] for event in epochs(run_dir)] == list(range(1, 31))
    log = (run_dir / "train.log").read_text()
    assert "Restarted by torchrun" in log
    assert "Continuing from checkpoints/last.pt" in log
    assert not (run_dir / "failure.json").exists()


def test_a_directory_that_is_not_shared_is_found_before_training(
    machines: Two, run_dir: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run_dir, copy)
    (copy / "run.yaml").chmod(0o444)
    north, south = machines
    first = [*train_command(run_dir), *options(machines)]
    second = [*train_command(copy), *options(machines)]
    with running(first, run_dir, north) as one, running(second, copy, south) as two:
        assert one.wait(120) == 5, output(run_dir)
        assert two.wait(120) == 5, output(copy)
    assert "must be on a file system that all machines share" in output(run_dir) + output(copy)
    assert epochs(run_dir) == epochs(copy) == []


def test_other_versions_are_found_before_training(
    machines: Two, run_dir: Path, other: Path, tmp_path: Path
) -> None:
    newer = after(
        "import importlib.metadata as metadata\n"
        "known = metadata.version\n"
        "metadata.version = lambda name: '2.99' if name == 'torch' else known(name)\n",
        tmp_path / "newer",
    )
    north, south = machines
    command = [*train_command(run_dir), *options(machines)]
    with running(command, run_dir, north) as one:
        wait_until_it_leads(run_dir)
        with running([*newer, *command], other, south) as two:
            assert one.wait(120) == 5, output(run_dir)
            assert two.wait(120) == 5, output(other)
    assert failure(run_dir)["kind"] == "machines_differ"
    assert "version of torch" in output(run_dir)
    assert "south: 2.99" in output(run_dir)


def test_another_command_is_found_before_training(
    machines: Two, run_dir: Path, other: Path
) -> None:
    north, south = machines
    command = [*train_command(run_dir), *options(machines)]
    with running(command, run_dir, north) as one:
        wait_until_it_leads(run_dir)
        with running([*command, "--dry-run-first"], other, south) as two:
            assert one.wait(120) == 5, output(run_dir)
            assert two.wait(200) != 0
    assert "differ in command" in output(run_dir)


def test_nobody_comes(machines: Two, run_dir: Path) -> None:
    command = [*train_command(run_dir), *options(machines, "--join-timeout", "5")]
    with running(command, run_dir, machines[0]) as one:
        assert one.wait(120) == 5
    assert failure(run_dir)["kind"] == "nobody_joined"
    assert "Not all machines came together in time" in output(run_dir)


def test_an_endpoint_that_cannot_be_reached(machines: Two, run_dir: Path) -> None:
    elsewhere = ["--rdzv-endpoint", f"10.77.0.9:{PORT}", "--join-timeout", "5"]
    with running([*train_command(run_dir), *elsewhere], run_dir, machines[0]) as one:
        assert one.wait(200) == 5
    assert failure(run_dir)["kind"] == "endpoint_unreachable", output(run_dir)


def wait_until_it_leads(run_dir: Path) -> None:
    """Wait until the first machine gives signs of life."""
    until = time.monotonic() + 60
    while not (run_dir / ".nodes").is_dir() or not list((run_dir / ".nodes").glob("*.json")):
        assert time.monotonic() < until, output(run_dir)
        time.sleep(0.05)
