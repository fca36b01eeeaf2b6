"""Making a field as large as a network needs it."""

from torch import Tensor
from torch.nn import functional


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Pad [B, C, h, w] below and to the right until both sides are multiples of `multiple`.

    By reflection as the authors of SwinIR do; a side too short to be reflected repeats its edge
    instead.
    """
    height, width = x.shape[-2:]
    below, right = -height % multiple, -width % multiple
    if right:
        x = functional.pad(x, (0, right, 0, 0), "reflect" if right < width else "replicate")
    if below:
        x = functional.pad(x, (0, 0, 0, below), "reflect" if below < height else "replicate")
    return x
