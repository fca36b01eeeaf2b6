"""Where functions that compute part by part cut their tensors.

A part that stays in the cache of a processor is read and written there; a whole field at high
resolution goes through the main memory with every operator.
"""

from collections.abc import Iterator

from torch import Tensor

ROWS_BYTES = {"cpu": 2 * 2**20}
"""Of some rows of a field, by device: they fit the cache of a processor's core."""
ROWS_BYTES_ELSEWHERE = 64 * 2**20
"""A GPU wants work for all its units."""


def cut(length: int, count: int) -> Iterator[slice]:
    """Cut `length` into `count` pieces of one size, the last one smaller."""
    size = -(-length // max(count, 1))
    return (slice(start, min(start + size, length)) for start in range(0, length, max(size, 1)))


def grid_rows(x: Tensor, channels: int) -> Iterator[tuple[int, slice]]:
    """Cut fields [B, C, H, W] into rows of one sample: pairs of its number and the rows.

    Args:
        x: the fields.
        channels: of the largest tensor that there is for a piece.
    """
    batch, _, height, width = x.shape
    whole = channels * height * width * x.element_size()
    limit = ROWS_BYTES.get(x.device.type, ROWS_BYTES_ELSEWHERE)
    in_sample = list(cut(height, min(height, -(-whole // limit))))
    total = batch * len(in_sample)
    for number in cut(total, total):
        sample, place = divmod(number.start, len(in_sample))
        yield sample, in_sample[place]
