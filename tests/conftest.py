"""What every test relies on: messages in English, whatever ran before and wherever it runs."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from srwizard import i18n
from tests.nvml.world import nvml_library, nvml_world

__all__ = ["nvml_library", "nvml_world"]

# How long an example takes says how busy the machine is, and nothing of what is tested.
settings.register_profile("srwizard", deadline=None)
settings.load_profile("srwizard")


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    """Start and leave every test in English."""
    i18n.set_language("en")
    yield
    i18n.set_language("en")
