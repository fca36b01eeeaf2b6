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
        ("NVIDIA A100-SXM4-80GB", 80 * 2**30),
        ("NVIDIA A100-PCIE-40GB", 40 * 2**30),
        ("NVIDIA A100 80GB PCIe", 80 * 2**30),
        ("NVIDIA H100 80GB HBM3", 80 * 2**30),
        ("NVIDIA H100 PCIe", 80 * 2**30),
        ("NVIDIA H100 NVL", 94 * 2**30),
        ("NVIDIA H200", 141 * 2**30),
        ("NVIDIA GH200 480GB", 96 * 2**30),  # of the CPU, that is
        ("NVIDIA A800-SXM4-80GB", 80 * 2**30),
        ("Tesla V100-SXM2-32GB", 32 * 2**30),
        ("Tesla V100-PCIE-16GB", 16 * 2**30),
        ("Tesla P100-PCIE-12GB", 12 * 2**30),
        ("Tesla T4", 16 * 2**30),
        ("NVIDIA RTX A6000", 48 * 2**30),
        ("NVIDIA RTX 6000 Ada Generation", 48 * 2**30),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", 96 * 2**30),
        ("NVIDIA TITAN RTX", 24 * 2**30),
        ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", 5 * 2**30),
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
