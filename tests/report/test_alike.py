"""Runs that differ by no more than chance."""

from pathlib import Path

import numpy as np

from srwizard.report.alike import differing, steps_of

RANDOM = np.random.default_rng(3)
HARD = RANDOM.gamma(2, 1, 50)


def run_with(path: Path, squared: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> Path:
    (path / "plots").mkdir(parents=True)
    count = len(squared)
    np.savez(
        path / "plots" / "breakdown.npz",
        variables=np.array(["salt", "temp"]),
        names=np.array([f"{step:04d}" for step in range(count)]),
        steps=np.stack([np.stack([squared * 0 + 1, squared])] * 2),
        step_points=np.ones((2, count)),
    )
    return path


def test_only_what_is_within_chance_is_alike(tmp_path: Path) -> None:
    runs = {
        "best": run_with(tmp_path / "best", HARD),
        "same": run_with(tmp_path / "same", HARD * RANDOM.normal(1.001, 0.05, 50)),
        "worse": run_with(tmp_path / "worse", 1.1 * HARD),
        "other steps": run_with(tmp_path / "other", HARD[:40]),
        "unscored": tmp_path / "nowhere",
    }
    assert differing(runs, "temp", "best") == {"same": False, "worse": True}
    assert differing(runs, "depth", "best") == {}


def test_of_two_steps_nobody_knows(tmp_path: Path) -> None:
    runs = {name: run_with(tmp_path / name, by * HARD[:2]) for name, by in {"a": 1, "b": 2}.items()}
    assert differing(runs, "temp", "a") == {"b": None}


def test_a_damaged_file_is_no_reason_to_fail(tmp_path: Path) -> None:
    path = run_with(tmp_path / "run", HARD) / "plots" / "breakdown.npz"
    path.write_bytes(path.read_bytes()[:100])
    assert steps_of(tmp_path / "run", "temp") is None
