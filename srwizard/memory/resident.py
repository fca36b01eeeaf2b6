"""What a process on a CPU keeps resident beside tensors and what kernels hold.

The constants were read off dry runs of all models on two cores with torch 2.13, glibc and the
settings that trainings have; docs/memory.md tells how far they are off.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from srwizard.models.card import FREED_BLOCK

if TYPE_CHECKING:
    from srwizard.memory.tracker import Event

MIB = 2**20
BASELINE = 257 * MIB
"""Resident set of a training process once Python, NumPy and torch (2.13, CPU build) are imported.
The command measures it instead."""
LAZY_IMPORTS = 8 * MIB
"""What torch imports as it first trains, without torch._dynamo: see `srwizard.models.eager`."""
COMPILER_IMPORTS = 75 * MIB
"""The same with torch._dynamo, and sympy, which that takes: 800 modules."""
LIBRARY_PAGES = 23 * MIB
"""Pages of libtorch that are read in when their kernels first run, and the code that oneDNN
generates for convolutions."""
PRODUCT_PAGES = 10 * MIB
"""The same for products of matrices, where there are any."""
PRODUCT_CODE = MIB
"""Code that oneDNN generates for a product in 16 bits, and keeps: one for each shape."""
KEPT_OF_LARGE = 0.9
"""Of freed blocks that the heap has held at most, so much stays where it holds large ones, too;
of small ones alone all of them. The medians of many runs."""
LOADER_PROCESS = 11 * MIB
"""What a loader process has for itself: the pages that it writes to after it was forked."""


def of_process(
    baseline: int,
    *,
    compiler: bool,
    loaders: int,
    products: int,
    generated: int,
    events: Iterable["Event"],
    lasting: int,
    freed_block: int,
    statistics: int,
) -> dict[str, int]:
    """Return the bytes by what they are.

    Args:
        baseline: the resident set of a process that has only imported torch.
        compiler: whether torch._dynamo is imported: by FSDP, and by the first optimizer of a
            program that does not keep it out.
        loaders: the number of loader processes.
        products: how many different products of matrices there are.
        generated: those that oneDNN generates code for.
        events: of tensors in all phases.
        lasting: the number of those before the end of a training step.
        freed_block: larger tensors come from the system and go back to it at once, smaller ones
            from the heap of glibc.
        statistics: bytes that the dataset's statistics hold.
    """
    return {
        "baseline": baseline,
        "lazy_imports": COMPILER_IMPORTS if compiler else LAZY_IMPORTS,
        "library_pages": LIBRARY_PAGES + (PRODUCT_PAGES if products else 0),
        "product_code": PRODUCT_CODE * generated,
        "heap_holes": heap_holes(events, lasting, freed_block),
        "loader_processes": LOADER_PROCESS * loaders,
        "statistics": statistics,
    }


def heap_holes(events: Iterable["Event"], lasting: int, freed_block: int) -> int:
    """Return what the heap keeps of small tensors that came and went.

    Between blocks that last, what was freed stays; over a training it is about as much as there
    is, at most, of small tensors beside those that outlast a step.
    """
    small = most = at_rest = 0
    for number, event in enumerate(events, start=1):
        if abs(event.size) < freed_block:
            small += event.size
            most = max(most, small)
        if number == lasting:
            at_rest = small
    kept = KEPT_OF_LARGE if freed_block > FREED_BLOCK else 1.0
    return int(kept * max(0, most - at_rest))
