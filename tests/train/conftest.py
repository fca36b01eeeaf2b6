"""Real processes are many here, and the cores few."""

import os

import pytest
import torch

# One thread for each test process, and in the processes that it starts, threads that wait
# without spinning: else they keep the cores from each other.
torch.set_num_threads(1)
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"


@pytest.fixture
def no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the drawing of figures, which takes longer than these trainings."""
    monkeypatch.setattr("srwizard.report.write_report", lambda run_dir: run_dir)
