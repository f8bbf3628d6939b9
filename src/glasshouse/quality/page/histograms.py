"""Distributions of the present data set beside those of the accepted one, as shapes to draw."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from glasshouse.quality.sketches import Sketch, read_sketch

BARS = 24
MOST_CLASSES = 12
WIDTH, HEIGHT = 240, 72  # of a drawing, in its own units
WORDS = {
    "width_px": "width, px",
    "height_px": "height, px",
    "ratio": "width / height",
    "mean_level": "brightness, 0..255",
    "spread_level": "contrast (spread of the levels)",
    "sharpness": "sharpness",
    "boxes_per_picture": "boxes a picture",
    "box_side": "box side / picture side",
    "mix_of_labels": "labels of pictures",
    "mix_of_objects": "objects by class",
}


@dataclass(frozen=True, slots=True)
class Chart:
    """One distribution on the page.

    Attributes:
        bars: filled shape of the present set, an SVG path in WIDTH x HEIGHT; "" for a mix of classes.
        outline: line of the accepted set; "" without one.
        ends: smallest and largest number of both sets, as text; one where they are the same.
        seen: where the middle of both sets lies, for who cannot see the drawing; "" for a mix.
        mix: (class, share now, share then or None), the most frequent classes, for a mix.
        drift: the row of `drift`, None without an accepted set.
        has_moved: whether a check has found so.
    """

    words: str
    bars: str
    outline: str
    ends: list[str]
    seen: str
    mix: list[tuple[str, float, float | None]]
    drift: Mapping[str, Any] | None
    has_moved: bool


def gather_charts(document: Mapping[str, Any], moved: Collection[str]) -> list[Chart]:
    """A chart for every distribution of profile.json; `moved` are those that a check names."""
    profile, reference = document["profile"], document["reference"] or {"sketches": {}, "mixes": {}}
    rows = {row["feature"]: row for row in document["drift"]}
    charts = [
        _chart(
            name, read_sketch(part), _sketch(reference["sketches"].get(name)), rows.get(name), name in moved
        )
        for name, part in profile["sketches"].items()
    ]
    for name, part in profile["mixes"].items():
        mix = _mix(part["counts"], reference["mixes"].get(name, {}).get("counts"))
        key = f"mix_of_{name}"
        charts.append(Chart(WORDS.get(key, key), "", "", [], "", mix, rows.get(key), key in moved))
    return charts


def _sketch(document: Mapping[str, Any] | None) -> Sketch | None:
    return None if document is None else read_sketch(document)


def _chart(
    name: str, present: Sketch, reference: Sketch | None, row: Mapping[str, Any] | None, has_moved: bool
) -> Chart:
    both = [sketch for sketch in (present, reference) if sketch]
    edges = cut_axis(both)
    heights = [np.diff(sketch.share_up_to(edges)) for sketch in both]
    top = max(float(part.max()) for part in heights) or 1.0
    shapes = [draw_steps((part / top).tolist()) for part in heights]
    outline = shapes[1] if reference else ""
    ends = [
        say_number(end(float(part.values[place]) for part in both)) for end, place in ((min, 0), (max, -1))
    ]
    ends = list(dict.fromkeys(ends))
    seen = "; ".join(
        f"{which}: half at most {say_number(part.quantile(0.5))}"
        for which, part in zip(("this data version", "accepted version"), both, strict=False)
    )
    return Chart(WORDS.get(name, name), shapes[0], outline, ends, seen, [], row, has_moved)


def cut_axis(sketches: Sequence[Sketch]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Edges of the bars: one for each whole number where these are few, else BARS of equal width."""
    low = min(float(sketch.values[0]) for sketch in sketches)
    high = max(float(sketch.values[-1]) for sketch in sketches)
    whole = all((sketch.values % 1 == 0).all() for sketch in sketches)
    if low == high:  # one value: a bar with room on both sides
        room = 1.0 if whole else abs(low) / 10 or 1.0
        low, high = low - room, high + room
    if whole and high - low < BARS:
        return np.arange(low - 0.5, high + 1.0)
    # The first number lies on the first edge, and shares are counted up to and including an edge.
    return np.linspace(low - (high - low) * 1e-6, high, BARS + 1)


def draw_steps(shares: Sequence[float]) -> str:
    """SVG path of a histogram of heights 0..1, closed along the axis."""
    step = WIDTH / len(shares)
    tops = [f"V{HEIGHT * (1 - share):.1f}H{(place + 1) * step:.1f}" for place, share in enumerate(shares)]
    return f"M0 {HEIGHT}{''.join(tops)}V{HEIGHT}Z"


def say_number(value: float) -> str:
    """At least four digits, and no powers of ten for what people count in."""
    return f"{value:.0f}" if 1e4 <= abs(value) < 1e9 else f"{value:.4g}"


def _mix(counts: Mapping[str, int], then: Mapping[str, int] | None) -> list[tuple[str, float, float | None]]:
    """Classes by their share in either set, the largest first."""
    now, old = _shares(counts), _shares(then or {})
    names = sorted({*now, *old}, key=lambda name: (-max(now.get(name, 0.0), old.get(name, 0.0)), name))
    return [
        (name, now.get(name, 0.0), old.get(name, 0.0) if then is not None else None)
        for name in names[:MOST_CLASSES]
    ]


def _shares(counts: Mapping[str, int]) -> dict[str, float]:
    total = sum(counts.values())
    return {name: count / total for name, count in counts.items()}
