"""A variable that never changes, as ice where there is none, is trained and scored like others."""

import json
from pathlib import Path

import numpy as np

from tests.datasets import write_dataset
from tests.train.runs import freeze, output, running, worker_command


def test_it_is_trained_to_the_end(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data", steps=(8, 4, 12), variables=("temp", "ice"))
    for path in root.glob("*/*/ice/*.npy"):
        np.save(path, np.zeros_like(np.load(path)))
    freeze(root, tmp_path / "run", epochs=1)
    with running(worker_command(tmp_path / "run"), tmp_path / "run") as worker:
        assert worker.wait(60) == 0, output(tmp_path / "run")

    def refused(constant: str) -> None:
        raise AssertionError(constant)

    lines = (tmp_path / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    test = json.loads(lines[-1], parse_constant=refused)
    assert test["event"] == "test"
    assert test["variables"]["ice"]["interval"]["scores"]["bicubic"]["psnr"] == [None, None]
