"""In which tiles a run on patches scores whole fields: as few as the memory of training allows."""

import math

OVERLAP = 8
"""LR points by which a tile is widened on each side that has a neighbour."""
WHOLE_UP_TO = 2
"""So many times the points of a step whole fields may have: without a way back, a network holds
about half as much for each. Tiles, which gain little from it, have no more points than a step."""


def tile_size(
    lr_shape: tuple[int, int], *, scale: int, patch_size: int, batch_size: int, use_amp: bool
) -> int:
    """Return the side of the tiles in HR points, without overlap; 0 where whole fields go through.

    Args:
        lr_shape: `[h, w]` of what goes through the network, with what is added at a seam.
        scale: HR/LR.
        patch_size: side of the windows of training, in HR points.
        batch_size: windows of a step.
        use_amp: whether training computes in 16 bits.
    """
    patch = patch_size // scale
    # Scores are always computed in float32.
    points = batch_size * patch**2 // (2 if use_amp else 1)
    if math.prod(lr_shape) <= WHOLE_UP_TO * points:
        return 0
    return max(math.isqrt(points) - 2 * OVERLAP, patch) * scale
