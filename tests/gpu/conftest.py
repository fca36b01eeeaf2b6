"""What the tests of `make test-gpu` share: the device, and the environment of commands.

A test that asks for `device` runs on the CPU in the ordinary suite, so that it is known to run, and
on a card with `make test-gpu`.
"""

import pytest
import torch

from tests.e2e.conftest import environment, srwizard

__all__ = ["environment", "srwizard"]


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> torch.device:
    """The CPU, and the first card that can be seen."""
    return torch.device(request.param, 0) if request.param == "cuda" else torch.device("cpu")
