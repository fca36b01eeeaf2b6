"""The replay of the CUDA caching allocator, on sequences worked out by hand."""

import pytest

from srwizard.memory.allocator import MIB, CachingAllocator


def reserved(*events: tuple[int, int]) -> int:
    allocator = CachingAllocator()
    allocator.replay(events)
    return allocator.reserved_bytes


@pytest.mark.parametrize(
    ("size", "segment"),
    [
        (1, 2 * MIB),
        (MIB, 2 * MIB),
        (MIB + 1, 20 * MIB),
        (10 * MIB - 512, 20 * MIB),
        (10 * MIB, 10 * MIB),
        (11 * MIB, 12 * MIB),
        (33 * MIB + 1, 34 * MIB),
    ],
)
def test_first_block_takes_a_segment(size: int, segment: int) -> None:
    assert reserved((1, size)) == segment


def grown(*events: tuple[int, int]) -> int:
    allocator = CachingAllocator(expandable=True)
    allocator.replay(events)
    return allocator.reserved_bytes


@pytest.mark.parametrize(
    ("size", "taken"),
    [(1, 2 * MIB), (MIB + 1, 20 * MIB), (11 * MIB, 20 * MIB), (33 * MIB, 40 * MIB)],
)
def test_a_segment_that_grows_does_so_by_pages(size: int, taken: int) -> None:
    assert grown((1, size)) == taken


def test_a_segment_grows_by_what_is_missing_at_its_end() -> None:
    """Where segments do not grow, a larger block needs one of its own beside the free one."""
    larger_each_time = [(1, 30 * MIB), (1, -1), (2, 50 * MIB), (2, -1), (3, 70 * MIB)]
    assert grown(*larger_each_time) == 80 * MIB
    assert reserved(*larger_each_time) == 150 * MIB


def test_a_hole_is_filled_before_the_end_is() -> None:
    hole = [(1, 30 * MIB), (2, 10 * MIB), (1, -1)]
    assert grown(*hole) == 40 * MIB
    assert grown(*hole, (3, 20 * MIB), (4, 10 * MIB)) == 40 * MIB
    assert grown(*hole, (3, 40 * MIB)) == 80 * MIB  # it does not fit into the hole


def test_what_can_grow_is_used_last() -> None:
    allocator = CachingAllocator(expandable=True)
    # A hole of 25 MiB, and 15 MiB free at the end.
    allocator.replay([(1, 25 * MIB), (2, 20 * MIB), (1, -1)])
    allocator.allocate(3, 10 * MIB)
    allocator.allocate(4, 35 * MIB)
    assert allocator.reserved_bytes == 80 * MIB
    assert allocator.allocated_bytes == 65 * MIB


def test_blocks_are_rounded_to_512_bytes() -> None:
    allocator = CachingAllocator()
    allocator.replay([(1, 1), (2, 513)])
    assert allocator.allocated_bytes == 512 + 1024
    assert allocator.reserved_bytes == 2 * MIB


def test_small_blocks_share_a_segment() -> None:
    assert reserved(*((number, MIB // 2) for number in range(4))) == 2 * MIB
    assert reserved(*((number, MIB // 2) for number in range(5))) == 4 * MIB


def test_middle_blocks_share_a_segment_of_20_mib() -> None:
    assert reserved((1, 8 * MIB), (2, 8 * MIB)) == 20 * MIB
    assert reserved((1, 8 * MIB), (2, 8 * MIB), (3, 8 * MIB)) == 40 * MIB


def test_freed_memory_is_kept_and_used_again() -> None:
    assert reserved((1, 30 * MIB), (1, -30 * MIB), (2, 30 * MIB)) == 30 * MIB
    assert reserved((1, 30 * MIB), (1, -30 * MIB), (2, 31 * MIB)) == 30 * MIB + 32 * MIB


def test_neighbours_are_joined_again() -> None:
    cut = [(1, 40 * MIB), (1, -40 * MIB), (2, 10 * MIB), (3, 10 * MIB), (4, 10 * MIB)]
    assert reserved(*cut) == 40 * MIB
    back = [(2, -1), (4, -1), (3, -1)]
    assert reserved(*cut, *back, (5, 40 * MIB)) == 40 * MIB


def test_fragments_cannot_serve_a_large_block() -> None:
    cut = [(1, 40 * MIB), (1, -40 * MIB), (2, 10 * MIB), (3, 10 * MIB), (2, -1)]
    # 10 MiB free before the block in use and 20 MiB behind it: not 30 in one piece.
    assert reserved(*cut, (4, 30 * MIB)) == 70 * MIB


def test_a_rest_of_up_to_1_mib_of_a_large_block_is_not_cut_off() -> None:
    allocator = CachingAllocator()
    allocator.replay([(1, 40 * MIB), (1, -1), (2, 39 * MIB)])
    assert allocator.allocated_bytes == 40 * MIB


def test_the_smallest_block_that_fits_is_taken() -> None:
    events = [(1, 60 * MIB), (2, 30 * MIB), (1, -1), (2, -1), (3, 29 * MIB), (4, 60 * MIB)]
    assert reserved(*events) == 90 * MIB


def test_small_and_large_blocks_do_not_mix() -> None:
    assert reserved((1, 30 * MIB), (1, -1), (2, 1000)) == 32 * MIB
