"""Who can reach a training from outside: nobody, where it runs on one machine."""

import contextlib
from pathlib import Path

import psutil
import pytest

from tests.datasets import write_dataset
from tests.train.runs import freeze, output, running, train_command, wait_for_epoch


@pytest.mark.slow
def test_processes_of_one_machine_listen_on_loopback_only(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    freeze(write_dataset(tmp_path / "data"), run_dir, processes=2, epochs=1000)
    with running(train_command(run_dir), run_dir) as process:
        wait_for_epoch(run_dir, 1, process)
        found = []
        for one in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                found += [
                    connection.laddr.ip
                    for connection in one.net_connections(kind="inet")
                    if connection.status == psutil.CONN_LISTEN
                ]
    assert found, output(run_dir)  # gloo's and the store's
    assert {address.removeprefix("::ffff:") for address in found} <= {"127.0.0.1", "::1"}
