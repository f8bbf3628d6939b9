"""What a picture is recognised by, and what its levels look like: computed once from its bytes and pixels.

The perceptual hash is pHash: C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions"
(2010), section 3.2.1, without its 7x7 mean filter: the antialiased reduction to 32x32 takes its place. The
luma picture is reduced to 32x32, transformed by an orthonormal DCT-II, and the 64 coefficients of rows 1..8
and columns 1..8 (row and column 0, with the mean, are left out) each give one bit: above their median or not.
Bit 63 is the coefficient (1, 1), row by row from there. Coefficients are rounded to 1/1000 level first, so
that the last bits of a floating-point sum never decide and a picture without structure hashes to 0.

The hash of the mirrored picture is defined without a second reduction: mirroring the 32x32 negates the
coefficients of odd horizontal frequency and leaves the others, so those signs are changed before the median
is taken.

The thumbnail, 8 x 8 RGB, tells pictures apart that the hash takes for the same: it knows colours, and by how
much one place is brighter than another, where the hash knows only what is above the median.

Level statistics are computed from exact integer sums, so no order of summation shows in them.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

HASH_SIDE_PX = 32
HASH_BAND = slice(1, 9)
THUMBNAIL_SIDE_PX = 8
STATISTICS_SIDE_PX = 512
# A hash of all zeros: nothing to tell the picture by (one level all over, or the like).
FLAT_PHASH = "0" * 16


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Identity and level statistics of one picture.

    Attributes:
        sha256: of the encoded file, 64 hex digits.
        phash: perceptual hash of the upright pixels, 16 hex digits.
        phash_flipped: perceptual hash of the same picture mirrored left to right.
        thumbnail: levels of the picture reduced to 8 x 8, 192 bytes: row by row, R G B.
        mean_level: mean of the luma, 0..255.
        spread_level: standard deviation of the luma, 0..127.5.
        sharpness: variance of the Laplacian of the luma (4 neighbours), level squared; 0 below 3 x 3 pixels.
    """

    sha256: str
    phash: str
    phash_flipped: str
    thumbnail: bytes
    mean_level: float
    spread_level: float
    sharpness: float


def take_fingerprint(data: bytes, pixels_rgb: NDArray[np.uint8]) -> Fingerprint:
    """Fingerprint of a picture from its encoded bytes and its upright pixels, uint8 (height, width, 3).

    Statistics of a picture whose longer side is above 512 px are those of its reduction to 512 px, so that
    sharpness compares across cameras and time and memory stay bounded.
    """
    image = Image.fromarray(pixels_rgb)
    thumbnail = image.resize((THUMBNAIL_SIDE_PX, THUMBNAIL_SIDE_PX), Image.Resampling.BOX).tobytes()
    luma = bound_side(image.convert("L"), STATISTICS_SIDE_PX)
    phash, phash_flipped = hash_perceptually(luma)
    mean_level, spread_level = measure_levels(luma)
    sharpness = measure_sharpness(np.asarray(luma, np.float32))
    digest = hashlib.sha256(data).hexdigest()
    return Fingerprint(digest, phash, phash_flipped, thumbnail, mean_level, spread_level, sharpness)


def bound_side(image: Image.Image, side_px: int) -> Image.Image:
    """The picture, reduced to a longer side of side_px where it is above."""
    longer = max(image.size)
    if longer <= side_px:
        return image
    width, height = (max(1, round(side * side_px / longer)) for side in image.size)
    return image.resize((width, height), Image.Resampling.BOX)


def measure_levels(luma: Image.Image) -> tuple[float, float]:
    """(mean, standard deviation) of the levels of a picture of mode L."""
    counts = luma.histogram()
    total = sum(level * count for level, count in enumerate(counts))
    squares = sum(level * level * count for level, count in enumerate(counts))
    return total / sum(counts), math.sqrt(find_variance(sum(counts), total, squares))


def find_variance(count: int, total: int, squares: int) -> float:
    """Variance of integers from their number, their sum and the sum of their squares."""
    return (count * squares - total * total) / (count * count)


def measure_sharpness(levels: NDArray[np.float32]) -> float:
    """Variance of the Laplacian (4 neighbours) inside the edges; Pech-Pacheco et al., ICPR 2000.

    Levels are whole numbers: a Laplacian and its square are below 2 ** 24, their sums below 2 ** 53, so
    float32 and float64 hold them exactly.
    """
    if min(levels.shape) < 3:
        return 0.0
    laplacian = levels[:-2, 1:-1] + levels[2:, 1:-1]
    laplacian += levels[1:-1, :-2]
    laplacian += levels[1:-1, 2:]
    laplacian -= 4 * levels[1:-1, 1:-1]
    total = int(laplacian.sum(dtype=np.float64))
    squares = int(np.square(laplacian).sum(dtype=np.float64))
    return find_variance(laplacian.size, total, squares)


def hash_perceptually(luma: Image.Image) -> tuple[str, str]:
    """Perceptual hashes of a picture of mode L and of its mirror image, 16 hex digits each; the definitions
    stand at the module's top.
    """
    small = np.asarray(luma.resize((HASH_SIDE_PX, HASH_SIDE_PX), Image.Resampling.LANCZOS), np.float64)
    coefficients = np.round(DCT @ small @ DCT.T, 3)
    return spell_bits(coefficients), spell_bits(coefficients * MIRRORING)


def spell_bits(coefficients: NDArray[np.float64]) -> str:
    """One bit a coefficient, above their median or not, as hex digits."""
    return np.packbits(coefficients.ravel() > np.median(coefficients)).tobytes().hex()


def build_dct(size: int, band: slice) -> NDArray[np.float64]:
    """Rows of `band` of the orthonormal DCT-II matrix of a size: (rows, size); band must not hold row 0."""
    frequency, sample = np.arange(size)[band, None], np.arange(size)[None, :]
    matrix: NDArray[np.float64] = np.cos(np.pi * frequency * (2 * sample + 1) / (2 * size)) * np.sqrt(
        2 / size
    )
    return matrix


DCT = build_dct(HASH_SIDE_PX, HASH_BAND)  # (8, 32)
MIRRORING = 1.0 - 2.0 * (np.arange(HASH_SIDE_PX)[HASH_BAND] % 2)  # (8,): -1 at odd horizontal frequencies


def parse_thumbnails(thumbnails: ArrayLike) -> NDArray[np.uint8]:
    """N thumbnails of 192 bytes as uint8 (N, 8, 8, 3)."""
    joined = b"".join(np.asarray(thumbnails, dtype=object).tolist())
    return np.frombuffer(joined, np.uint8).reshape(-1, THUMBNAIL_SIDE_PX, THUMBNAIL_SIDE_PX, 3)


def parse_phashes(phashes: ArrayLike) -> NDArray[np.uint64]:
    """Hashes of 16 hex digits as uint64 of the same shape."""
    digits = np.asarray(phashes, dtype=object)
    return np.array([int(value, 16) for value in digits.ravel()], np.uint64).reshape(digits.shape)


def count_differing_bits(hashes: NDArray[np.uint64], others: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Hamming distance 0..64 of hashes; the shapes broadcast."""
    return np.bitwise_count(np.bitwise_xor(hashes, others))
