"""What a picture is recognised by, and what its levels look like: computed once from its bytes and pixels.

The perceptual hash is pHash: C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions"
(2010), section 3.2.1, without its 7x7 mean filter: the antialiased reduction to 32x32 takes its place. The
luma picture is reduced to 32x32, transformed by an orthonormal DCT-II, and the 64 coefficients of rows 1..8
and columns 1..8 (row and column 0, with the mean, are left out) each give one bit: above their median or not.
Bit 63 is the coefficient (1, 1), row by row from there. Coefficients are rounded to 1/1000 level first, so
that the last bits of a floating-point sum never decide and a picture without structure hashes to 0.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

HASH_SIDE_PX = 32
HASH_BAND = slice(1, 9)
STATISTICS_SIDE_PX = 512
# A hash of all zeros: nothing to tell the picture by (one level all over, or the like).
FLAT_PHASH = "0" * 16


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Identity and level statistics of one picture.

    Attributes:
        sha256: of the encoded file, 64 hex digits.
        phash: perceptual hash of the upright pixels, 16 hex digits.
        phash_flipped: perceptual hash of the same pixels mirrored left to right.
        mean_level: mean of the luma, 0..255.
        spread_level: standard deviation of the luma, 0..127.5.
        sharpness: variance of the Laplacian of the luma (4 neighbours), level squared; 0 below 3 x 3 pixels.
    """

    sha256: str
    phash: str
    phash_flipped: str
    mean_level: float
    spread_level: float
    sharpness: float


def take_fingerprint(data: bytes, pixels_rgb: NDArray[np.uint8]) -> Fingerprint:
    """Fingerprint of a picture from its encoded bytes and its upright pixels, uint8 (height, width, 3).

    Statistics of a picture whose longer side is above 512 px are those of its reduction to 512 px, so that
    sharpness compares across cameras and time and memory stay bounded.
    """
    luma = Image.fromarray(pixels_rgb).convert("L")
    bounded = bound_side(luma, STATISTICS_SIDE_PX)
    levels = np.asarray(bounded, np.float32)
    return Fingerprint(
        sha256=hashlib.sha256(data).hexdigest(),
        phash=hash_perceptually(bounded),
        phash_flipped=hash_perceptually(bounded.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
        mean_level=float(levels.mean(dtype=np.float64)),
        spread_level=float(levels.std(dtype=np.float64)),
        sharpness=measure_sharpness(levels),
    )


def bound_side(image: Image.Image, side_px: int) -> Image.Image:
    """The picture, reduced to a longer side of side_px where it is above."""
    longer = max(image.size)
    if longer <= side_px:
        return image
    width, height = (max(1, round(side * side_px / longer)) for side in image.size)
    return image.resize((width, height), Image.Resampling.BOX)


def measure_sharpness(levels: NDArray[np.float32]) -> float:
    """Variance of the Laplacian (4 neighbours) inside the edges; Pech-Pacheco et al., ICPR 2000."""
    if min(levels.shape) < 3:
        return 0.0
    centre = levels[1:-1, 1:-1]
    laplacian = levels[:-2, 1:-1] + levels[2:, 1:-1] + levels[1:-1, :-2] + levels[1:-1, 2:] - 4 * centre
    return float(laplacian.var(dtype=np.float64))


def hash_perceptually(luma: Image.Image) -> str:
    """Perceptual hash of a picture of mode L, 16 hex digits; the definition stands at the module's top."""
    small = luma.resize((HASH_SIDE_PX, HASH_SIDE_PX), Image.Resampling.LANCZOS)
    coefficients = np.round(DCT @ np.asarray(small, np.float64) @ DCT.T, 3)
    bits = coefficients > np.median(coefficients)
    return np.packbits(bits.ravel()).tobytes().hex()


def build_dct(size: int, band: slice) -> NDArray[np.float64]:
    """Rows of `band` of the orthonormal DCT-II matrix of a size: (rows, size); band must not hold row 0."""
    frequency, sample = np.arange(size)[band, None], np.arange(size)[None, :]
    matrix: NDArray[np.float64] = np.cos(np.pi * frequency * (2 * sample + 1) / (2 * size)) * np.sqrt(
        2 / size
    )
    return matrix


DCT = build_dct(HASH_SIDE_PX, HASH_BAND)  # (8, 32)


def parse_phashes(phashes: ArrayLike) -> NDArray[np.uint64]:
    """Hashes of 16 hex digits as uint64 of the same shape."""
    digits = np.asarray(phashes, dtype=object)
    return np.array([int(value, 16) for value in digits.ravel()], np.uint64).reshape(digits.shape)


def count_differing_bits(hashes: NDArray[np.uint64], others: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Hamming distance 0..64 of hashes; the shapes broadcast."""
    return np.bitwise_count(np.bitwise_xor(hashes, others))
