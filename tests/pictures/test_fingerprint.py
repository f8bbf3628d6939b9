"""Fingerprints against the definition written out slowly, and against values on paper."""

from __future__ import annotations

import hashlib
import io
import math
import statistics
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from glasshouse.pictures.fingerprint import (
    FLAT_PHASH,
    STATISTICS_SIDE_PX,
    build_dct,
    count_differing_bits,
    parse_phashes,
    parse_thumbnails,
    take_fingerprint,
)

hash_values = st.integers(0, 2**64 - 1)


def grow_picture(seed: int, height: int = 120, width: int = 160) -> Image.Image:
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (9, 12, 3), np.uint8))
    return coarse.resize((width, height), Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(1.0))


def hash_of(image: Image.Image) -> int:
    return int(take_fingerprint(b"", np.asarray(image)).phash, 16)


def flipped_hash_of(image: Image.Image) -> int:
    return int(take_fingerprint(b"", np.asarray(image)).phash_flipped, 16)


def distance(image: Image.Image, other: Image.Image) -> int:
    return (hash_of(image) ^ hash_of(other)).bit_count()


def hash_slowly(luma: Image.Image, mirrored: bool = False) -> int:
    small = np.asarray(luma.resize((32, 32), Image.Resampling.LANCZOS), float)[:, :: -1 if mirrored else 1]
    coefficients = []
    for v in range(1, 9):
        for u in range(1, 9):
            total = 0.0
            for y in range(32):
                for x in range(32):
                    wave = math.cos(math.pi * v * (y + 0.5) / 32) * math.cos(math.pi * u * (x + 0.5) / 32)
                    total += small[y, x] * wave
            coefficients.append(total * 2 / 32)
    middle = sorted(coefficients)[31:33]
    bits = ["1" if value > sum(middle) / 2 else "0" for value in coefficients]
    return int("".join(bits), 2)


@pytest.mark.parametrize("seed", range(3))
def test_hash_equals_the_definition_written_out(seed: int) -> None:
    image = grow_picture(seed)
    assert hash_of(image) == hash_slowly(image.convert("L"))
    assert flipped_hash_of(image) == hash_slowly(image.convert("L"), mirrored=True)


@pytest.mark.parametrize("size", [(120, 160), (97, 131), (700, 900), (20, 31)])
@pytest.mark.parametrize("seed", range(5))
def test_the_flipped_hash_is_that_of_the_mirrored_picture_but_for_roundings(
    seed: int, size: tuple[int, int]
) -> None:
    image = grow_picture(seed, *size)
    mirrored = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    assert (flipped_hash_of(image) ^ hash_of(mirrored)).bit_count() <= 2
    assert (flipped_hash_of(mirrored) ^ hash_of(image)).bit_count() <= 2


def test_half_of_the_bits_are_set() -> None:
    assert {hash_of(grow_picture(seed)).bit_count() for seed in range(20)} == {32}


def test_dct_rows_are_orthonormal_and_leave_out_the_mean() -> None:
    matrix = build_dct(32, slice(1, 9))
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(8), atol=1e-12)
    np.testing.assert_allclose(matrix.sum(1), 0, atol=1e-12)


@pytest.mark.parametrize("level", [0, 1, 127, 255])
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (31, 33), (700, 40)])
def test_blank_pictures_have_the_flat_hash(level: int, size: tuple[int, int]) -> None:
    print_ = take_fingerprint(b"x", np.full((*size, 3), level, np.uint8))
    assert print_.phash == print_.phash_flipped == FLAT_PHASH
    assert (print_.mean_level, print_.spread_level, print_.sharpness) == (level, 0, 0)


@pytest.mark.parametrize("seed", range(5))
def test_small_changes_stay_within_six_bits(seed: int) -> None:
    image = grow_picture(seed)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=40)
    assert distance(image, Image.open(buffer)) <= 6
    assert distance(image, image.resize((80, 60), Image.Resampling.BICUBIC)) <= 6
    assert distance(image, image.resize((320, 240), Image.Resampling.BICUBIC)) <= 6
    assert distance(image, Image.fromarray((np.asarray(image) * 0.8).astype(np.uint8))) <= 6


def test_different_and_mirrored_pictures_are_far() -> None:
    images = [grow_picture(seed) for seed in range(12)]
    distances = [distance(a, b) for i, a in enumerate(images) for b in images[:i]]
    assert min(distances) > 12
    assert all(distance(image, image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)) > 12 for image in images)


def test_levels_of_a_chequerboard() -> None:
    # half 0, half 200: mean 100, standard deviation 100; inside, every pixel differs from its 4 neighbours
    # by 200, so the Laplacian is +800 or -800 as often: variance 800 ** 2
    board = (np.indices((10, 10)).sum(0) % 2 * 200).astype(np.uint8)
    print_ = take_fingerprint(b"", np.repeat(board[..., None], 3, -1))
    assert (print_.mean_level, print_.spread_level, print_.sharpness) == (100, 100, 640_000)


def test_levels_of_one_dot() -> None:
    # 5 x 5, one pixel of 90: mean 90 / 25 = 3.6; Laplacian on the inner 3 x 3: -360 once, 90 four times,
    # 0 four times, mean 0, variance (360 ** 2 + 4 * 90 ** 2) / 9 = 18000
    pixels = np.zeros((5, 5, 3), np.uint8)
    pixels[2, 2] = 90
    print_ = take_fingerprint(b"", pixels)
    assert print_.mean_level == pytest.approx(3.6)
    assert print_.sharpness == pytest.approx(18_000)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 40), st.integers(3, 40))
def test_statistics_equal_those_of_exact_fractions(seed: int, height: int, width: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    print_ = take_fingerprint(b"", pixels)
    luma = np.asarray(Image.fromarray(pixels).convert("L")).astype(int)
    laplacian = (
        luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * luma[1:-1, 1:-1]
    ).ravel()
    assert print_.mean_level == float(statistics.mean(map(Fraction, luma.ravel().tolist())))
    assert print_.spread_level == pytest.approx(statistics.pstdev(luma.ravel().tolist()), rel=1e-12)
    assert print_.sharpness == float(statistics.pvariance(map(Fraction, laplacian.tolist())))


def test_blur_lowers_sharpness_and_large_pictures_are_measured_reduced() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    sharp = take_fingerprint(b"", noise)
    soft = take_fingerprint(b"", np.asarray(Image.fromarray(noise).filter(ImageFilter.GaussianBlur(2.0))))
    assert soft.sharpness < sharp.sharpness / 50
    factor = 2 * STATISTICS_SIDE_PX // 64
    large = take_fingerprint(b"", noise.repeat(factor, 0).repeat(factor, 1))
    halved = take_fingerprint(b"", noise.repeat(factor // 2, 0).repeat(factor // 2, 1))
    assert (large.sharpness, large.mean_level, large.phash) == (
        halved.sharpness,
        halved.mean_level,
        halved.phash,
    )


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (2, 2)])
def test_extreme_shapes(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    print_ = take_fingerprint(b"abc", pixels)
    assert len(print_.phash) == 16 and print_.sharpness == 0
    assert print_.sha256 == hashlib.sha256(b"abc").hexdigest()


def test_a_thumbnail_holds_the_means_of_8_by_8_tiles() -> None:
    tiles = np.random.default_rng(1).integers(0, 256, (8, 8, 3), np.uint8)
    print_ = take_fingerprint(b"", tiles.repeat(3, 0).repeat(5, 1))
    assert len(print_.thumbnail) == 192
    np.testing.assert_array_equal(parse_thumbnails([print_.thumbnail, bytes(192)])[0], tiles)
    assert parse_thumbnails([]).shape == (0, 8, 8, 3)


@settings(deadline=None)
@given(st.lists(hash_values, min_size=1, max_size=8), st.lists(hash_values, min_size=1, max_size=8))
def test_distance_counts_bits(left: list[int], right: list[int]) -> None:
    hashes, others = (parse_phashes([f"{value:016x}" for value in side]) for side in (left, right))
    counted = count_differing_bits(hashes[:, None], others[None, :])
    assert counted.tolist() == [[(a ^ b).bit_count() for b in right] for a in left]
