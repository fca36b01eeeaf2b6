"""What `make test-fast` leaves out besides the slow tests: most cases of a test of all networks.

A test that is repeated for every network is run between two edits for one network of each kind; the
other cases are marked `broad`, here, wherever the name of a network is among a test's parameters;
and so are whole files for which another one stands.
"""

import pytest

from srwizard.models.catalog import cards

ONE_OF_EACH_KIND = ("EDSR", "SwinIR", "FNO2d", "DDPM")
"""Convolutions, attention in windows, Fourier layers, diffusion."""

STOOD_FOR = {
    "data/test_prepare_selection.py": "data/test_prepare.py",
    "e2e/test_sessions.py": "e2e/test_terminal.py",
    "hardware/nvml/test_visible.py": "hardware/nvml/test_nvml.py",
    "memory/test_dry_run.py": "memory/test_predict.py",
    "memory/test_sharded.py": "memory/test_predict.py",
    "prompts/test_questions.py": "prompts/test_menu.py",
    "report/test_maps.py": "report/test_page.py",
    "train/test_optimization.py": "train/test_loop.py",
    "train/test_sampling.py": "models/test_diffusion.py",
}
"""Files that look closer at what another one has looked at already; all of them are `broad`."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what is about a network, or in a file, that another one stands for.

    Long tests are left out unless they are asked for by their mark.
    """
    if "long" not in config.option.markexpr:
        left_out = [item for item in items if item.get_closest_marker("long") is not None]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    others = set(cards()) - set(ONE_OF_EACH_KIND)
    for item in items:
        if item.nodeid.partition("::")[0].removeprefix("tests/") in STOOD_FOR:
            item.add_marker("broad")
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        if any(isinstance(value, str) and value in others for value in parameters.values()):
            item.add_marker("broad")
