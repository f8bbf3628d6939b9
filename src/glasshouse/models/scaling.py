"""Compound scaling: a network deeper, wider and on larger pictures by one number.

Source: Tan & Le, "EfficientNet: Rethinking Model Scaling", arXiv:1905.11946, section 3.3: depth alpha^phi,
width beta^phi, resolution gamma^phi, with alpha * beta^2 * gamma^2 about 2, so that every unit of phi doubles
the multiply-adds: these grow with depth, and with the square of width and of resolution.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

ALPHA, BETA, GAMMA = 1.2, 1.1, 1.15  # found by the authors for EfficientNet-B0 (section 4, step 1)
DIVISOR = 8  # filters are multiples of it


@dataclass(frozen=True)
class Scaled:
    """A network's depth, width and resolution; as multipliers, or in layers, filters and px."""

    depth: float
    width: float
    resolution_px: float


@dataclass(frozen=True)
class Member:
    """One of the EfficientNets: the multipliers and px as published, and the `phi` that it stands for."""

    name: str
    phi: float
    published: Scaled


# The authors' released configuration. B1 to B3 are the rule with depth and width rounded to one decimal and
# the resolution to a multiple of 20. From B4 on all three are larger than the rule says for phi = 3, 4, 5, 6:
# depths are the rule's for 3.2 to 6.2, widths for 3.5 to 7.3, resolutions for 3.8 to 7.0.
FAMILY = (
    Member("B0", 0.0, Scaled(1.0, 1.0, 224)),
    Member("B1", 0.5, Scaled(1.1, 1.0, 240)),
    Member("B2", 1.0, Scaled(1.2, 1.1, 260)),
    Member("B3", 2.0, Scaled(1.4, 1.2, 300)),
    Member("B4", 3.0, Scaled(1.8, 1.4, 380)),
    Member("B5", 4.0, Scaled(2.2, 1.6, 456)),
    Member("B6", 5.0, Scaled(2.6, 1.8, 528)),
    Member("B7", 6.0, Scaled(3.1, 2.0, 600)),
)


def scale(
    phi: float, base: Scaled, *, alpha: float = ALPHA, beta: float = BETA, gamma: float = GAMMA
) -> Scaled:
    """Depth, width and resolution of `base` for the compound coefficient `phi`, not rounded.

    Raises:
        ValueError: a number is not positive, or not finite; phi takes the network beyond all numbers.
    """
    for name, value in {"alpha": alpha, "beta": beta, "gamma": gamma, **vars(base)}.items():
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be a finite number above 0. Got {value} instead.")
    if not math.isfinite(phi):
        raise ValueError(f"phi must be a finite number. Got {phi} instead.")
    try:
        scaled = Scaled(base.depth * alpha**phi, base.width * beta**phi, base.resolution_px * gamma**phi)
        largest = max(*vars(scaled).values(), multiply_work(phi, alpha=alpha, beta=beta, gamma=gamma))
    except OverflowError:  # of a power; a product becomes infinite instead
        largest = math.inf
    if not math.isfinite(largest):
        raise ValueError(f"phi must keep the network's size within what numbers can hold. Got {phi} instead.")
    return scaled


def multiply_work(phi: float, *, alpha: float = ALPHA, beta: float = BETA, gamma: float = GAMMA) -> float:
    """How many times the multiply-adds: (alpha * beta^2 * gamma^2)^phi, about 2^phi."""
    return float((alpha * beta**2 * gamma**2) ** phi)


def round_filters(filters: float, divisor: int = DIVISOR) -> int:
    """The nearest multiple of `divisor`, at least one of it, and never below 90 % of `filters`."""
    nearest = max(divisor, int(filters + divisor / 2) // divisor * divisor)
    return nearest if nearest >= 0.9 * filters else nearest + divisor


def round_repeats(repeats: float) -> int:
    """Whole layers, rounded up."""
    return math.ceil(repeats)


def round_resolution(resolution_px: float, multiple: int = 32) -> int:
    """The nearest multiple that a network of stride 32 takes, at least one."""
    return max(multiple, round(resolution_px / multiple) * multiple)
