"""Groups of near copies against comparing all pairs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasshouse.tables.near_copies import group_near_copies


def spell(hashes: list[int]) -> list[str]:
    return [f"{value:016x}" for value in hashes]


def group(hashes: list[int], bits: int, digests: list[str] | None = None) -> list[int]:
    digests = digests or [f"{row:064x}" for row in range(len(hashes))]
    return group_near_copies(digests, spell(hashes), bits).tolist()


def group_slowly(hashes: list[int], bits: int, digests: list[str]) -> list[int]:
    count = len(hashes)
    groups = list(range(count))
    for _ in range(count):
        for a in range(count):
            for b in range(count):
                near = hashes[a] and hashes[b] and (hashes[a] ^ hashes[b]).bit_count() <= bits
                if digests[a] == digests[b] or near:
                    groups[a] = groups[b] = min(groups[a], groups[b])
    return groups


@st.composite
def draw_clustered(draw: st.DrawFn) -> tuple[list[int], list[str]]:
    """Hashes that are a few flipped bits away from a few centres, blank ones, and repeated digests."""
    centres = [0, *draw(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=3))]
    flips = st.lists(st.integers(0, 63), max_size=9)
    hashes = []
    for centre, bits in draw(st.lists(st.tuples(st.sampled_from(centres), flips), max_size=10)):
        for bit in bits:
            centre ^= 1 << bit
        hashes.append(centre)
    digests = [draw(st.sampled_from("abcdefgh")) + str(row // 2) for row in range(len(hashes))]
    return hashes, digests


@given(draw_clustered(), st.one_of(st.integers(0, 12), st.sampled_from([31, 63, 64])))
def test_groups_equal_those_of_all_pairs(clustered: tuple[list[int], list[str]], bits: int) -> None:
    hashes, digests = clustered
    assert group(hashes, bits, digests) == group_slowly(hashes, bits, digests)


@given(draw_clustered(), st.integers(0, 12), st.randoms(use_true_random=False))
def test_order_does_not_matter_and_more_bits_only_join(
    clustered: tuple[list[int], list[str]], bits: int, random: object
) -> None:
    hashes, digests = clustered
    order = list(range(len(hashes)))
    random.shuffle(order)  # type: ignore[attr-defined]
    plain = group(hashes, bits, digests)
    shuffled = group([hashes[row] for row in order], bits, [digests[row] for row in order])
    wider = group(hashes, bits + 1, digests)
    for a in range(len(hashes)):
        for b in range(a):
            together = plain[a] == plain[b]
            assert together == (shuffled[order.index(a)] == shuffled[order.index(b)])
            assert not together or wider[a] == wider[b]


def test_a_chain_is_one_group_and_its_number_is_the_smallest_row() -> None:
    far = 0xF0F0F0F0F0F0F0F0
    chain = [0b1111111, 0b1111, 0b11]  # 3 and 2 bits apart, the ends 5
    assert group([far, *chain], 3) == [0, 1, 1, 1]
    assert group([far, *chain], 2) == [0, 1, 2, 2]


def test_exactly_the_limit_is_near_and_one_more_is_not() -> None:
    assert group([1, 1 ^ (0b111111 << 20)], 6) == [0, 0]
    assert group([1, 1 ^ (0b1111111 << 20)], 6) == [0, 1]


def test_blank_pictures_do_not_chain_but_equal_files_do() -> None:
    assert group([0, 0, 1, 0], 6, ["a", "b", "c", "a"]) == [0, 1, 2, 0]


def test_nothing_and_one() -> None:
    assert group([], 6) == [] and group([5], 6) == [0]


def test_twenty_thousand_random_and_twenty_thousand_alike_take_no_square_of_time() -> None:
    rng = np.random.default_rng(0)
    scattered = rng.integers(1, 2**63, 20_000).tolist()
    alike = [2**63 + 2 ** int(a) + 2 ** int(b) for a, b in rng.integers(0, 60, (20_000, 2))]
    groups = np.array(group(scattered + alike, 6))
    assert (groups[20_000:] == 20_000).all() and len(set(groups[:20_000].tolist())) > 19_990


@pytest.mark.parametrize("bits", [-1, 65])
def test_bits_out_of_range(bits: int) -> None:
    with pytest.raises(ValueError, match=r"0\.\.64"):
        group([1], bits)


def test_lengths_that_differ() -> None:
    with pytest.raises(ValueError, match="equally long"):
        group_near_copies(["a"], spell([1, 2]), 6)
