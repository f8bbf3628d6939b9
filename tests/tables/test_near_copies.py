"""Groups of near copies against comparing all pairs."""

from __future__ import annotations

import io
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from glasshouse.pictures.fingerprint import Fingerprint, take_fingerprint
from glasshouse.tables.near_copies import Prints, cut_blocks, extract_bits, group_near_copies

SHARED = Path(__file__).parents[2] / "../shared/data"


def spell(hashes: list[int]) -> list[str]:
    return [f"{value:016x}" for value in hashes]


def group(
    hashes: list[int], bits: int, digests: list[str] | None = None, flipped: list[int] | None = None
) -> list[int]:
    digests = digests or [f"{row:064x}" for row in range(len(hashes))]
    return group_near_copies(
        digests, spell(hashes), bits, None if flipped is None else spell(flipped)
    ).tolist()


def group_slowly(
    hashes: list[int], bits: int, digests: list[str], flipped: list[int] | None = None
) -> list[int]:
    count = len(hashes)
    groups = list(range(count))
    sides = [{own for own in both if own} for both in zip(hashes, flipped or hashes, strict=True)]
    for _ in range(count):
        for a in range(count):
            for b in range(count):
                near = any((one ^ other).bit_count() <= bits for one in sides[a] for other in sides[b])
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


@settings(deadline=None)
@given(draw_clustered(), st.one_of(st.integers(0, 12), st.sampled_from([31, 63, 64])))
def test_groups_equal_those_of_all_pairs(clustered: tuple[list[int], list[str]], bits: int) -> None:
    hashes, digests = clustered
    assert group(hashes, bits, digests) == group_slowly(hashes, bits, digests)


@settings(deadline=None)
@given(draw_clustered(), st.integers(0, 12), st.sampled_from([0, 2**64 - 1, 0xAAAAAAAAAAAAAAAA]), st.data())
def test_groups_with_mirrored_hashes_equal_those_of_all_pairs(
    clustered: tuple[list[int], list[str]], bits: int, mirror: int, data: st.DataObject
) -> None:
    hashes, digests = clustered
    flipped = [value and value ^ mirror ^ (1 << data.draw(st.integers(0, 63))) for value in hashes]
    turned = [data.draw(st.booleans()) for _ in hashes]
    pairs = [(g, h) if turn else (h, g) for h, g, turn in zip(hashes, flipped, turned, strict=True)]
    one, other = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    assert group(one, bits, digests, other) == group_slowly(one, bits, digests, other)


def draw_thumbnails(count: int, data: st.DataObject) -> np.ndarray:
    """Thumbnails of few kinds, so that some agree, some mirrored, with a little noise."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    kinds = rng.integers(0, 256, (2, 8, 8, 3))
    chosen = kinds[rng.integers(0, 2, count)]
    turn = rng.random(count) < 0.5
    chosen[turn] = chosen[turn][:, :, ::-1]
    noise = rng.choice([0, 3, 30], (count, 1, 1, 1)) * rng.normal(size=chosen.shape)
    return np.clip(chosen + noise, 0, 255).astype(np.uint8)


@settings(max_examples=60, deadline=None)
@given(draw_clustered(), st.integers(0, 12), st.data())
def test_groups_with_thumbnails_equal_those_of_all_pairs(
    clustered: tuple[list[int], list[str]], bits: int, data: st.DataObject
) -> None:
    hashes, digests = clustered
    flipped = [value and value ^ 0xAAAAAAAAAAAAAAAA for value in hashes]
    thumbnails = draw_thumbnails(len(hashes), data)
    first = [digests.index(digest) for digest in digests]  # equal files are equal in everything
    hashes, flipped = [hashes[row] for row in first], [flipped[row] for row in first]
    thumbnails = thumbnails[first] if first else thumbnails
    turned = np.array([data.draw(st.booleans()) for _ in digests], bool)[first]
    pairs = [(g, h) if turn else (h, g) for h, g, turn in zip(hashes, flipped, turned, strict=True)]
    hashes, flipped = [pair[0] for pair in pairs], [pair[1] for pair in pairs]

    def are_near(a: int, b: int) -> bool:
        for one, left in ((hashes[a], thumbnails[a]), (flipped[a], thumbnails[a][:, ::-1])):
            for other, right in ((hashes[b], thumbnails[b]), (flipped[b], thumbnails[b][:, ::-1])):
                alike = np.corrcoef(left.ravel(), right.ravel())[0, 1] >= 0.98
                if one and other and (one ^ other).bit_count() <= bits and alike:
                    return True
        return digests[a] == digests[b]

    count = len(hashes)
    expected = list(range(count))
    for _ in range(count):
        for a, b in combinations(range(count), 2):
            if are_near(a, b):
                expected[a] = expected[b] = min(expected[a], expected[b])
    found = group_near_copies(
        digests, spell(hashes), bits, spell(flipped), [thumbnail.tobytes() for thumbnail in thumbnails]
    )
    assert found.tolist() == expected


def test_the_same_shape_in_other_colours_is_another_picture_and_a_brighter_copy_is_not() -> None:
    red, blue = np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8, 3), np.uint8)
    red[2:6, 2:6, 0] = blue[2:6, 2:6, 2] = 200
    brighter = (red * 1.2 + 5).astype(np.uint8)
    nearly_blank = np.full((2, 8, 8, 3), 100, np.uint8)
    nearly_blank[0, 0], nearly_blank[1, 7] = 101, 99  # differ less than coding does
    thumbnails = [picture.tobytes() for picture in (red, blue, brighter, *nearly_blank)]
    groups = group_near_copies(list("abcde"), spell([1, 1, 1, 2**60, 2**60]), 0, None, thumbnails)
    assert groups.tolist() == [0, 1, 0, 3, 3]


def test_of_thumbnails_with_little_contrast_two_levels_are_coding_and_three_are_not() -> None:
    """Half a level up, half down: root mean square 2 or 3. One is flat, so that nothing correlates."""
    flat, uneven = np.full((8, 8, 3), 100, np.uint8), np.full((8, 8, 3), 100, np.uint8)
    for levels, expected in ((2, [0, 0]), (3, [0, 1])):
        uneven[:4], uneven[4:] = 100 - levels, 100 + levels
        thumbnails = [flat.tobytes(), uneven.tobytes()]
        assert group_near_copies(["a", "b"], spell([1, 1]), 0, None, thumbnails).tolist() == expected


def test_the_thumbnail_of_a_mirrored_copy_is_compared_mirrored() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    a, b = 0x0123456789ABCDEF, 0xFEDCBA9876543211  # the second has the hashes of the first, exchanged
    for other, expected in ((picture[:, ::-1], [0, 0]), (picture[::-1], [0, 1]), (picture, [0, 1])):
        thumbnails = [picture.tobytes(), other.tobytes()]
        assert group_near_copies(["a", "b"], spell([a, b]), 6, spell([b, a]), thumbnails).tolist() == expected


def test_hundreds_of_equal_hashes_with_other_thumbnails_stay_apart() -> None:
    rng = np.random.default_rng(0)
    thumbnails = [row.tobytes() for row in rng.integers(0, 256, (400, 192), np.uint8)]
    digests = [str(row) for row in range(400)]
    groups = group_near_copies(digests, spell([5] * 400), 6, spell([9] * 400), thumbnails)
    assert groups.tolist() == list(range(400))


def test_a_mirrored_copy_is_found_through_the_mirrored_hashes_alone() -> None:
    a, b = 0x0123456789ABCDEF, 0xFEDCBA9876543211
    assert group([a, b], 6) == [0, 1]
    assert group([a, b], 6, None, [b ^ 0b111, a ^ 0b1]) == [0, 0]
    assert group([a, b], 2, None, [b ^ 0b111, a ^ 0b1000000001]) == [0, 0]
    assert group([a, b], 1, None, [b ^ 0b111, a ^ 0b1000000001]) == [0, 1]


@pytest.mark.parametrize("bits", [0, 1, 6, 12, 31, 63, 64])
@pytest.mark.parametrize("count", [2, 10_000, 2_000_000])
def test_blocks_cover_every_bit_once(count: int, bits: int) -> None:
    blocks = cut_blocks(count, bits)
    assert len(blocks) > bits
    assert [bit for start, stop in blocks for bit in range(start, stop)] == list(range(64))


@settings(deadline=None)
@given(st.integers(0, 2**64 - 1), st.sampled_from([0, 3, 6, 8]), st.data())
def test_the_bits_of_some_blocks_tell_those_blocks_apart_and_nothing_else(
    value: int, bits: int, data: st.DataObject
) -> None:
    blocks = cut_blocks(1000, bits)
    chosen = data.draw(st.sampled_from(list(combinations(blocks, len(blocks) - bits))))
    inside = {bit for start, stop in chosen for bit in range(start, stop)}
    for bit in range(64):
        one, other = extract_bits(np.array([value, value ^ (1 << bit)], np.uint64), chosen)
        assert (one != other) == (bit in inside)


@settings(deadline=None)
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


def test_of_two_pictures_a_blank_one_is_near_to_nothing() -> None:
    thumbnails = [bytes(192)] * 4
    prints = Prints.parse(spell([0, 0, 0b1111, 0b11]), spell([0, 0, 0b1111, 0b11]), thumbnails)
    assert prints.find_near(0, np.array([1, 2, 3]), 6).tolist() == [False, False, False]
    assert prints.find_near(2, np.array([0, 1, 3]), 6).tolist() == [False, False, True]


def test_nothing_and_one() -> None:
    assert group_near_copies([], [], 6, [], []).tolist() == []
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
    with pytest.raises(ValueError, match="equally long"):
        group_near_copies(["a", "b"], spell([1, 2]), 6, spell([1]))
    with pytest.raises(ValueError, match="equally long"):
        group_near_copies(["a", "b"], spell([1, 2]), 6, None, [bytes(192)])


def plant(count: int, copies: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Random hashes, then `copies` of the first ones with six bits changed, every other one mirrored."""
    rng = np.random.default_rng(seed)
    mirror = np.uint64(0xAAAAAAAAAAAAAAAA)
    hashes = rng.integers(0, 2**64, count + copies, np.uint64)
    changed = rng.permuted(np.tile(np.arange(64, dtype=np.uint64), (copies, 1)), axis=1)[:, :6]
    hashes[count:] = hashes[:copies] ^ (np.uint64(1) << changed).sum(1, dtype=np.uint64)
    hashes[count::2] ^= mirror
    return hashes, hashes ^ mirror


def test_every_planted_copy_among_thirty_thousand_is_found_and_hardly_anything_else() -> None:
    hashes, flipped = plant(30_000, 3_000, 1)
    groups = np.array(group(hashes.tolist(), 6, None, flipped.tolist()))
    assert (groups[30_000:] == groups[:3_000]).all()
    # P(two random hashes within 6 bits) = sum(C(64, k), k <= 6) / 2 ** 64 = 4.5e-12; 3.3e4 ** 2 / 2 pairs
    # with two mirrorings each (the other two say the same): 0.005 are expected
    assert (groups[:30_000] != np.arange(30_000)).sum() <= 1


# --- real photographs: what is a copy is found, and what is not is left apart


def print_of(image: Image.Image) -> Fingerprint:
    return take_fingerprint(b"", np.asarray(image.convert("RGB")))


def find_groups(prints: list[Fingerprint]) -> list[list[int]]:
    groups = group_near_copies(
        [str(row) for row in range(len(prints))],
        [print_.phash for print_ in prints],
        6,
        [print_.phash_flipped for print_ in prints],
        [print_.thumbnail for print_ in prints],
    )
    return [np.flatnonzero(groups == root).tolist() for root in np.flatnonzero(np.bincount(groups) > 1)]


def change(image: Image.Image, kind: str) -> Image.Image:
    if "flipped" in kind:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if "halved" in kind:
        image = image.resize((image.width // 2, image.height // 2), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=60)
    return Image.open(buffer) if "encoded" in kind else image


CHANGES = ["encoded", "halved", "flipped", "halved encoded", "flipped halved encoded"]


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared photographs are not here")
def test_of_the_blood_smears_just_one_pair_is_alike() -> None:
    paths = sorted((SHARED / "bccd_voc/BCCD/JPEGImages").glob("*.jpg"))
    (pair,) = find_groups([print_of(Image.open(path)) for path in paths])
    assert [paths[row].stem for row in pair] == ["BloodImage_00037", "BloodImage_00038"]


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared photographs are not here")
def test_changed_copies_of_photographs_are_found_and_the_others_left_apart() -> None:
    paths = sorted((SHARED / "tf_flowers_1000").glob("*/*.jpg"))[::8]
    paths += sorted((SHARED / "bccd_voc/BCCD/JPEGImages").glob("*.jpg"))[::20]
    images = [Image.open(path).convert("RGB") for path in paths]
    copies = [change(image, CHANGES[row % len(CHANGES)]) for row, image in enumerate(images)]
    groups = find_groups([print_of(image) for image in [*images, *copies]])
    assert groups == [[row, row + len(images)] for row in range(len(images))]


def draw_shape(kind: int, rng: np.random.Generator) -> Image.Image:
    """A disc, square or triangle in the middle, in colours of its own, with noise."""
    image = Image.new("RGB", (64, 64), tuple(rng.integers(0, 256, 3).tolist()))
    colour = tuple(rng.integers(0, 256, 3).tolist())
    draw = ImageDraw.Draw(image)
    if kind == 2:
        draw.polygon([(16, 48), (48, 48), (32, 16)], fill=colour)
    else:
        [draw.ellipse, draw.rectangle][kind]((16, 16, 48, 48), fill=colour)
    noise = rng.normal(0, 10, (64, 64, 3))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


def test_drawn_shapes_that_the_hash_alone_takes_for_copies_stay_apart() -> None:
    rng = np.random.default_rng(0)
    prints = [print_of(draw_shape(number % 3, rng)) for number in range(240)]
    hashes = [print_.phash for print_ in prints]
    by_hash = group_near_copies([str(row) for row in range(240)], hashes, 6)
    assert np.bincount(by_hash).max() > 10
    # colours drawn at random are nearly the same now and then
    assert sum(map(len, find_groups(prints))) <= 4
