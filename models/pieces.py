"""Where functions that compute part by part cut their tensors.

A part that stays in the cache of a processor is read and written there; a whole field at high
resolution goes through the main memory with every operator.
"""

from collections.abc import Iterator

from torch import Tensor

PIECE_BYTES = {"cpu": 2**20 - 2**12}
"""Of the largest tensor of a piece, by device. They fit the cache of a processor's core, and are
smaller than what trainings get from the system anew each time (`train/processes.py`)."""
PIECE_BYTES_ELSEWHERE = 256 * 2**20
"""A GPU wants work for all its units, and few kernels to launch."""


def cut(length: int, count: int) -> Iterator[slice]:
    """Cut `length` into `count` pieces of one size, the last one smaller."""
    size = -(-length // max(count, 1))
    return (slice(start, min(start + size, length)) for start in range(0, length, max(size, 1)))


def at_a_time(length: int, bytes_of_one: int, device: str) -> Iterator[slice]:
    """Cut `length` elements, each of which has so many bytes in the largest tensor of a piece."""
    most = max(1, PIECE_BYTES.get(device, PIECE_BYTES_ELSEWHERE) // bytes_of_one)
    return cut(length, -(-length // most))


def grid_rows(x: Tensor, channels: int) -> Iterator[tuple[int, slice]]:
    """Cut fields [B, C, H, W] into rows of one sample: pairs of its number and the rows.

    Args:
        x: the fields.
        channels: of the largest tensor that there is for a piece.
    """
    batch, _, height, width = x.shape
    most = max(1, PIECE_BYTES.get(x.device.type, PIECE_BYTES_ELSEWHERE) // (4 * channels * width))
    in_sample = -(-height // most)
    size = -(-height // in_sample)
    in_sample = -(-height // size)
    for number in cut(batch * in_sample, batch * in_sample):
        sample, place = divmod(number.start, in_sample)
        yield sample, slice(place * size, min((place + 1) * size, height))
