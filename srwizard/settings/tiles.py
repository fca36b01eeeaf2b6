"""In which tiles a run on patches scores whole fields: few, but taking no memory of their own."""

import math

from srwizard.models.card import ModelCard

OVERLAP = 8
"""LR points by which a tile is widened on each side that has a neighbour."""
MULTIPLE = 8
"""Of which tiles have so many LR points a side, so that windows of attention and what is halved lie
in a tile as they lie in the whole field."""
POINTS_OF_A_STEP = 2
"""So many times the points of a step may go through the network at once where nothing is kept for a
way back: it then holds about half as much for each."""
PARTS_OF_A_FIELD = 6
"""A tile may be a sixth of a field, however small the step: the scores of a whole field hold tens
of fields of its size at once, and the network no more for such a tile."""


def tile_size(
    chosen: ModelCard,
    lr_shape: tuple[int, int],
    *,
    scale: int,
    periodic: bool,
    patch_size: int | None,
    batch_size: int,
    use_amp: bool,
) -> int | None:
    """Return the side of the tiles in HR points, without overlap; 0 where whole fields go through.

    Where a point's result depends on the whole field, as much of it is shown as in training: None.

    Args:
        chosen: the card of the network.
        lr_shape: `[h, w]` of the fields.
        scale: HR/LR.
        periodic: whether the grid goes round the globe; columns are then added at the seam.
        patch_size: side of the windows of training, in HR points; None: whole fields.
        batch_size: windows of a step.
        use_amp: whether training computes in 16 bits.
    """
    if patch_size is None or not chosen.local:
        return None
    height, width = lr_shape
    if periodic:
        width += 2 * min(OVERLAP, width)
    patch = patch_size // scale
    # Scores are always computed in float32.
    points = POINTS_OF_A_STEP * batch_size * patch**2 // (2 if use_amp else 1)
    if height * width <= points:
        return 0
    points = max(points, height * width // PARTS_OF_A_FIELD)
    side = math.isqrt(points) - 2 * OVERLAP
    return max(side // MULTIPLE * MULTIPLE, patch) * scale
