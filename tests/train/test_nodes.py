"""The command of a training, and several machines that take part in one."""

import shlex
import socket
import subprocess
from pathlib import Path

import pytest

from srwizard.base.errors import EXIT_USAGE, UsageError
from srwizard.settings import run_config
from srwizard.train import launch
from srwizard.train.distributed import joined
from srwizard.train.nodes import Nodes, nodes_of
from srwizard.train.process_environment import settings
from srwizard.train.processes import as_typed
from tests.datasets import write_dataset
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


def options(port: int) -> list[str]:
    return ["--nnodes", "2", "--rdzv-endpoint", f"localhost:{port}"]


@pytest.fixture
def port() -> int:
    with socket.socket() as listening:
        listening.bind(("localhost", 0))
        found: int = listening.getsockname()[1]
        return found


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    freeze(write_dataset(tmp_path / "data", steps=(7, 3, 3)), tmp_path / "run", epochs=2)
    return tmp_path / "run"


@pytest.mark.broad
@pytest.mark.afresh
def test_the_printed_command_trains(run_dir: Path) -> None:
    printed = subprocess.run(
        [*train_command(run_dir), "--print-command"], capture_output=True, text=True, check=True
    ).stdout
    assert "OMP_NUM_THREADS=" in printed
    assert epochs(run_dir) == []  # printed, not done
    subprocess.run(["sh", "-c", printed], check=True, capture_output=True, cwd="/")
    assert len(epochs(run_dir)) == 2


def test_the_command_for_several_processes_and_machines(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data")
    freeze(root, tmp_path / "run", processes=3)
    run = run_config.load(tmp_path / "run")
    words = shlex.split(as_typed(run, "srwizard.train.worker", "x"))
    assert {
        "torch.distributed.run",
        "--rdzv-conf=store_type=file",
        "--local-addr=127.0.0.1",
        "--nproc-per-node=3",
    } <= set(words)
    words = shlex.split(as_typed(run, "srwizard.train.worker", "x", nodes=Nodes(2, "one:29500")))
    assert {"--nnodes=2", "--rdzv-endpoint=one:29500", "--nproc-per-node=3"} <= set(words)
    assert "--standalone" not in words


ELSEWHERE = {"RANK": "3", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "MASTER_ADDR": "nowhere"}
"""A place that another launcher, or a batch system, has given to srwizard itself."""


@pytest.mark.broad
@pytest.mark.parametrize("count", [1, 2])
def test_the_place_of_srwizard_among_others_is_not_that_of_its_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    run_dir = tmp_path / "run"
    freeze(write_dataset(tmp_path / "data"), run_dir, processes=count, epochs=1)
    for name, value in ELSEWHERE.items():
        monkeypatch.setenv(name, value)
    launch.launch(run_dir)
    assert (run_dir / "checkpoints" / "last.pt").is_file()
    assert len(epochs(run_dir)) == 1


def test_a_worker_that_was_typed_by_hand_trains_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = freeze(write_dataset(tmp_path / "data"), tmp_path / "run")
    for name, value in ELSEWHERE.items():
        monkeypatch.setenv(name, value)
    with joined(run.devices) as place:
        assert (place.rank, place.world) == (0, 1)
    assert {"--unset=RANK", "--unset=MASTER_ADDR"} <= set(shlex.split(as_typed(run, "m", "x")))
    assert settings(run)["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"


@pytest.mark.parametrize(
    ("count", "endpoint"), [(2, None), (1, "one:29500"), (2, "one"), (2, ":1"), (2, "one:99999")]
)
def test_options_that_do_not_make_sense(run_dir: Path, count: int, endpoint: str | None) -> None:
    with pytest.raises(UsageError, match="rdzv-endpoint"):
        nodes_of(run_config.load(run_dir), count, endpoint)


def test_a_frozen_number_of_machines_is_kept(tmp_path: Path) -> None:
    run = freeze(write_dataset(tmp_path / "data"), tmp_path / "run", nodes=2)
    assert nodes_of(run, None, "one:29500") == Nodes(2, "one:29500")
    with pytest.raises(UsageError, match="frozen for 2 machines"):
        nodes_of(run, 3, "one:29500")


def test_bad_options_are_usage_errors(run_dir: Path) -> None:
    ended = subprocess.run(
        [*train_command(run_dir), "--nnodes", "2"], capture_output=True, text=True
    )
    assert ended.returncode == EXIT_USAGE
    assert "belong together" in ended.stderr


@pytest.mark.slow
def test_two_machines_train_one_run(run_dir: Path, port: int) -> None:
    """Two launchers on this machine, as two machines with a shared file system would be."""
    other = run_dir.with_name("other")
    other.mkdir()
    command = [*train_command(run_dir), *options(port)]
    with running(command, run_dir) as one, running(command, other) as two:
        assert one.wait(120) == 0, output(run_dir)
        assert two.wait(120) == 0, output(other)
    printed = [output(run_dir), output(other)]
    assert sum("Another machine leads" in text for text in printed) == 1
    assert sum("Report:" in text for text in printed) == 1
    assert [event["epoch"] for event in epochs(run_dir)] == [1, 2]
    # Seven samples in global batches of two by two: the world has two ranks.
    assert epochs(run_dir)[-1]["step"] == 4


@pytest.mark.slow
def test_a_machine_that_dies_ends_the_other(tmp_path: Path, run_dir: Path, port: int) -> None:
    freeze(tmp_path / "data", run_dir, epochs=100_000)
    other = run_dir.with_name("other")
    other.mkdir()
    command = [*train_command(run_dir), *options(port)]
    with running(command, run_dir) as one, running(command, other) as two:
        wait_for_epoch(run_dir, 1, one)
        leads = "Another machine leads" not in output(run_dir)
        staying, dying = (one, two) if leads else (two, one)
        for worker in workers_of(dying):
            worker.kill()
        dying.wait(60)
        assert staying.wait(90) == 5
    assert failure(run_dir)["kind"] in ("peer_lost", "killed")
