"""What `make test-fast` leaves out besides the slow tests: most cases of a test of all networks.

A test that is repeated for every network is run between two edits for one network of each kind; the
other cases are marked `broad`, here, wherever the name of a network is among a test's parameters.
"""

import pytest

from srwizard.models.catalog import cards

ONE_OF_EACH_KIND = ("EDSR", "SwinIR", "FNO2d", "DDPM")
"""Convolutions, attention in windows, Fourier layers, diffusion."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is about a network that another one stands for."""
    others = set(cards()) - set(ONE_OF_EACH_KIND)
    for item in items:
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        if any(isinstance(value, str) and value in others for value in parameters.values()):
            item.add_marker("broad")
