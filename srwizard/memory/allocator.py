"""PyTorch's caching allocator for CUDA, replayed on a sequence of sizes. Needs no torch.

Source: c10/cuda/CUDACachingAllocator.cpp, `round_size`, `get_allocation_size`, `get_free_block`,
`should_split`, `try_allocate_expandable_block`. Memory is taken from the driver in segments, cut
into blocks, and never given back as long as there is enough. With `expandable_segments:True`, which
trainings have, there is one segment for small and one for large blocks, and both grow at their end.
"""

import bisect
from collections.abc import Iterable
from dataclasses import dataclass

MIB = 2**20
ROUNDING = 512
SMALL_SIZE = MIB
"""Up to here a block comes from the small pool."""
SMALL_SEGMENT = 2 * MIB
LARGE_SEGMENT = 20 * MIB
SEGMENT_OF_ITS_OWN = 10 * MIB
"""From here a block gets a segment of its own size, rounded up to `SEGMENT_ROUNDING`."""
SEGMENT_ROUNDING = 2 * MIB
CUDA_CONTEXT = 600 * MIB
"""An allowance: the driver's context with the code of torch's kernels, beside the allocator: 300 to
500 MiB up to Turing, 500 to 700 from Ampere on; see `outside_bytes` of any dry run."""


@dataclass(eq=False)
class Block:
    """A part of a segment, with its neighbours there."""

    address: int
    size: int
    small: bool
    before: "Block | None" = None
    after: "Block | None" = None
    free: bool = False


class CachingAllocator:
    """Hands out blocks as PyTorch would.

    Args:
        expandable: whether segments grow.

    Attributes:
        reserved_bytes: taken from the driver; never falls.
        allocated_bytes: in blocks that are in use.
    """

    def __init__(self, *, expandable: bool = False) -> None:
        self.reserved_bytes = 0
        self.allocated_bytes = 0
        self._free: dict[bool, list[tuple[int, int, Block]]] = {True: [], False: []}
        self._used: dict[int, Block] = {}
        self._expandable = expandable
        self._last: dict[bool, Block | None] = {True: None, False: None}

    def replay(self, events: Iterable[tuple[int, int]]) -> None:
        """Follow events (storage, size): `size` bytes come, or go where it is negative."""
        for storage, size in events:
            if size > 0:
                self.allocate(storage, size)
            elif size < 0:
                self.release(storage)

    def allocate(self, storage: int, size: int) -> None:
        """Find a block for `size` bytes, to be known as `storage`."""
        wanted = -(-size // ROUNDING) * ROUNDING
        small = wanted <= SMALL_SIZE
        new = self._longer_segment if self._expandable else self._new_segment
        block = self._best_fit(wanted, small) or new(wanted, small)
        self._split(block, wanted)
        self._used[storage] = block
        self.allocated_bytes += block.size

    def release(self, storage: int) -> None:
        """Give a block back, joined to the free ones beside it."""
        block = self._used.pop(storage)
        self.allocated_bytes -= block.size
        before, after = block.before, block.after
        if before is not None and before.free:
            self._take(before)
            block.address, block.size = before.address, before.size + block.size
            self._link(before.before, block)
        if after is not None and after.free:
            self._take(after)
            block.size += after.size
            self._link(block, after.after)
            if self._last[block.small] is after:
                self._last[block.small] = block
        self._offer(block)

    def _best_fit(self, wanted: int, small: bool) -> Block | None:
        """Take the smallest free block that is large enough, the first one of several."""
        pool = self._free[small]
        place = bisect.bisect_left(pool, (wanted, -1))
        if place == len(pool):
            return None
        if pool[place][2] is self._last[small] and place + 1 < len(pool):
            place += 1  # what can grow counts as larger than all others
        block = pool.pop(place)[2]
        block.free = False
        return block

    def _new_segment(self, wanted: int, small: bool) -> Block:
        if small:
            size = SMALL_SEGMENT
        elif wanted < SEGMENT_OF_ITS_OWN:
            size = LARGE_SEGMENT
        else:
            size = -(-wanted // SEGMENT_ROUNDING) * SEGMENT_ROUNDING
        block = Block(self.reserved_bytes, size, small)
        self.reserved_bytes += size
        return block

    def _longer_segment(self, wanted: int, small: bool) -> Block:
        """Let the segment grow by as many pages as a block at its end needs."""
        page, last = (SMALL_SEGMENT if small else LARGE_SEGMENT), self._last[small]
        block = Block(0 if last is None else last.address + last.size, 0, small)
        if last is not None and last.free:
            self._take(last)
            block = last
        else:
            self._link(last, block)
        grown = -(-(wanted - block.size) // page) * page
        block.size += grown
        self.reserved_bytes += grown
        self._last[small] = block
        return block

    def _split(self, block: Block, wanted: int) -> None:
        """Cut off what is left, unless it is too little to be of use."""
        left = block.size - wanted
        if left < ROUNDING if block.small or self._expandable else left <= SMALL_SIZE:
            return
        rest = Block(block.address + wanted, left, block.small)
        block.size = wanted
        if self._last[block.small] is block:
            self._last[block.small] = rest
        self._link(rest, block.after)
        self._link(block, rest)
        self._offer(rest)

    def _offer(self, block: Block) -> None:
        block.free = True
        bisect.insort(self._free[block.small], (block.size, block.address, block))

    def _take(self, block: Block) -> None:
        pool = self._free[block.small]
        del pool[bisect.bisect_left(pool, (block.size, block.address))]
        block.free = False

    @staticmethod
    def _link(before: Block | None, after: Block | None) -> None:
        if before is not None:
            before.after = after
        if after is not None:
            after.before = before
