"""Gradient checkpointing of one block: keep its input, compute its inside again on the way back.

Chen et al. (2016), Training Deep Nets with Sublinear Memory Cost, arXiv:1604.06174.
"""

from collections.abc import Callable

from torch import Tensor
from torch.utils.checkpoint import checkpoint


def run_block(
    block: Callable[..., Tensor],
    *inputs: Tensor | None,
    checkpointed: bool,
    draws_random_numbers: bool = False,
) -> Tensor:
    """Return `block(*inputs)`, its activations dropped until the backward pass if asked.

    A block that draws random numbers, as dropout does, gets the same ones again.
    """
    output: Tensor
    if checkpointed:
        output = checkpoint(
            block, *inputs, use_reentrant=False, preserve_rng_state=draws_random_numbers
        )
    else:
        output = block(*inputs)
    return output
