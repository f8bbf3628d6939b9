"""Line charts as plain geometry: what the page's template draws as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Point = tuple[float, float]
Side = Literal["start", "end"]

WIDTH, HEIGHT = 480, 300
RIGHT, TOP, BOTTOM = 12, 10, 40  # margins; the left one is as wide as the words in it
LABEL, GAP = 18, 6  # the left margin besides the ticks' words: the axis' label, and room before the axis
LETTER = 8  # no letter of a number is wider in any of the page's fonts, on average


@dataclass(frozen=True, slots=True)
class Line:
    """A named series in the units of the data; points without a value are left out beforehand."""

    name: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything in the units of the drawing (480 x 300, y down).

    Args:
        title, x_label, y_label, note: words; the note, which may be empty, is what one must know to read it.
        seen: what the drawing shows, for who cannot see it: each series' ends and its highest point.
        left: where the y axis stands.
        lines: (name, the d attribute of an SVG path).
        x_ticks, y_ticks: (place, words).
        rulers: (x, words, side) of vertical lines; the words start right of it, or end left of it.
        dots: (name, radius, places) of points that stand alone.
    """

    title: str
    x_label: str
    y_label: str
    seen: str
    left: float
    lines: tuple[tuple[str, str], ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    rulers: tuple[tuple[float, str, Side], ...]
    dots: tuple[tuple[str, float, tuple[Point, ...]], ...] = ()
    note: str = ""


def line_chart(
    lines: Sequence[Line],
    title: str,
    x_label: str,
    y_label: str,
    *,
    unit_square: bool = False,
    whole_x: bool = False,
    rulers: Sequence[tuple[float, str]] = (),
    dots: Sequence[tuple[float, Line]] = (),
    note: str = "",
) -> Chart:
    """Lay out lines over common axes: 0..1 on both with `unit_square`, else as the points need.

    Args:
        lines: at least one with a point, or `dots` have one.
        whole_x: x counts something, so that no tick stands between two numbers.
        rulers: (x in data units, words) of vertical lines.
        dots: series of points that stand alone, each with the radius of its dots in units of the drawing.
    """
    points = [point for line in [*lines, *(line for _, line in dots)] for point in line.points]
    if not points:
        raise ValueError(f"The lines of chart {title!r} hold no point.")
    x_low, x_high = (0.0, 1.0) if unit_square else _range([x for x, _ in points])
    y_low, y_high = (0.0, 1.0) if unit_square else _range([y for _, y in points])

    y_words = {tick: f"{tick:g}" for tick in ticks(y_low, y_high)}
    left = LABEL + LETTER * max(map(len, y_words.values())) + GAP

    def x_place(x: float) -> float:
        return round(left + (x - x_low) / (x_high - x_low) * (WIDTH - left - RIGHT), 1)

    def y_place(y: float) -> float:
        return round(HEIGHT - BOTTOM - (y - y_low) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM), 1)

    return Chart(
        title=title,
        x_label=x_label,
        y_label=y_label,
        seen=_say(x_label, y_label, lines, [line for _, line in dots]),
        left=left,
        lines=tuple((line.name, _path([(x_place(x), y_place(y)) for x, y in line.points])) for line in lines),
        x_ticks=tuple((x_place(tick), f"{tick:g}") for tick in ticks(x_low, x_high, whole=whole_x)),
        y_ticks=tuple((y_place(tick), words) for tick, words in y_words.items()),
        rulers=tuple((x_place(x), words, _side(x_place(x), words)) for x, words in rulers),
        dots=tuple(
            (line.name, radius, tuple((x_place(x), y_place(y)) for x, y in line.points))
            for radius, line in dots
        ),
        note=note,
    )


def ticks(low: float, high: float, most: int = 6, *, whole: bool = False) -> list[float]:
    """At most `most` + 1 round values within [low, high], a step of 1, 2 or 5 times a power of ten apart, of
    at least 1 if `whole`."""
    rough = max((high - low) / most, 1.0 if whole else 0.0)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(place * step, 10) for place in range(first, last + 1)]


def _range(values: list[float]) -> tuple[float, float]:
    """From the least to the most, a little wider, and never empty."""
    low, high = min(values), max(values)
    pad = 0.04 * (high - low) or 0.5
    return low - pad if low < 0 or low - pad > 0 else 0.0, high + pad


def _say(x_label: str, y_label: str, lines: Sequence[Line], dots: Sequence[Line]) -> str:
    """The series in words, in the units of the data."""
    said = [f"{line.name} {_say_course(line.points)}" for line in lines if line.points]
    said += [f"{line.name} {len(line.points)} dots" for line in dots]
    return f"{y_label} over {x_label}: {'; '.join(said)}"


def _say_course(points: Sequence[Point]) -> str:
    (x_first, first), (x_last, last) = points[0], points[-1]
    if len(points) == 1:
        return f"{first:.3g} at {x_first:.3g}"
    x_top, top = max(points, key=lambda point: point[1])
    highest = "" if top in (first, last) else f", highest {top:.3g} at {x_top:.3g}"
    return f"from {first:.3g} at {x_first:.3g} to {last:.3g} at {x_last:.3g}{highest}"


def _side(x: float, words: str) -> Side:
    """Words stand right of a ruler, where they begin what it marks, unless the drawing ends there."""
    return "start" if x + GAP + LETTER * len(words) <= WIDTH else "end"


def _path(points: list[Point]) -> str:
    """SVG path through the points; a single point becomes a short dash."""
    if not points:
        return ""
    if len(points) == 1:
        ((x, y),) = points
        return f"M{x - 2:g} {y:g}H{x + 2:g}"
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in points)
