"""`glasshouse scale`: depth, width and resolution of a network by one number, phi."""

from __future__ import annotations

from argparse import Namespace

from glasshouse.models.scaling import (
    FAMILY,
    Scaled,
    multiply_work,
    round_filters,
    round_repeats,
    round_resolution,
    scale,
)

MULTIPLIERS = Scaled(depth=1.0, width=1.0, resolution_px=FAMILY[0].published.resolution_px)


def show(options: Namespace) -> int:
    """The base scaled, and the EfficientNets by the same rule beside what was published."""
    base = Scaled(options.depth, options.width, options.resolution)
    rates = {"alpha": options.alpha, "beta": options.beta, "gamma": options.gamma}
    scaled = scale(options.phi, base, **rates)
    side = scaled.resolution_px
    lines = [
        ("depth", base.depth, scaled.depth, _round(base.depth, f"{round_repeats(scaled.depth)} layers")),
        ("width", base.width, scaled.width, _round(base.width, f"{round_filters(scaled.width)} filters")),
        ("resolution px", base.resolution_px, side, f"{round_resolution(side)} as a multiple of 32"),
        ("multiply-adds", 1.0, multiply_work(options.phi, **rates), "times, about 2^phi"),
    ]
    for name, before, after, rounded in lines:
        print(f"{name:14} {before:9g} -> {after:9.3f}   {rounded}")
    print("\nEfficientNet    phi   depth width    px by the rule   depth width    px as published")
    for member in FAMILY:
        rule, known = scale(member.phi, MULTIPLIERS), member.published
        print(f"{member.name:13} {member.phi:5.1f}   {_say(rule)}               {_say(known)}")
    return 0


def _round(base: float, rounded: str) -> str:
    return "a multiplier" if base == 1 else f"{rounded}, as EfficientNet rounds"


def _say(scaled: Scaled) -> str:
    return f"{scaled.depth:5.2f} {scaled.width:5.2f} {scaled.resolution_px:5.0f}"
