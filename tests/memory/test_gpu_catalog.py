"""Memory of GPUs by name or size."""

import subprocess
import sys

import pytest

from srwizard.base.errors import UsageError
from srwizard.memory.gpu_catalog import CAPACITY_GIB, capacity


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("RTX 3090", 24 * 2**30),
        ("rtx3090", 24 * 2**30),
        ("NVIDIA GeForce RTX 3090", 24 * 2**30),
        ("NVIDIA A100-80GB", 80 * 2**30),
        ("24GiB", 24 * 2**30),
        ("24 GB", 24 * 10**9),
        ("0.5gib", 2**29),
        ("512MiB", 2**29),
    ],
)
def test_capacity(text: str, size: int) -> None:
    assert capacity(text) == size


def test_unknown_name_names_those_near_it() -> None:
    with pytest.raises(UsageError) as caught:
        capacity("RTX 3095")
    assert "RTX 3095" in caught.value.message
    assert "RTX 3090" in caught.value.hint
    assert "24GiB" in caught.value.hint


@pytest.mark.parametrize("text", ["", "zzz", "0GiB", "-4GB", "24"])
def test_what_is_neither_name_nor_size(text: str) -> None:
    with pytest.raises(UsageError):
        capacity(text)


def test_names_differ_when_compared() -> None:
    for name, size in CAPACITY_GIB.items():
        assert capacity(name) == size * 2**30


def test_needs_no_torch() -> None:
    code = "import sys, srwizard.memory.gpu_catalog; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
