"""The report's pictures as SVG: scores before and now with their intervals, and the curves of the training.

In shapes and the viewer's own sans serif, readable on white and on black; equal bytes for equal figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from glasshouse.evaluation.figures import BOTTOM, HEIGHT, RIGHT, TOP, WIDTH, Line, line_chart, ticks

INK, QUIET, EDGE, NOW, BEFORE = "#6e7b74", "#8b968f", "#c9d1cb", "#2a9d63", "#8b968f"
COLOURS = (NOW, "#c0562f", "#3a7bd5", "#a05bb5", "#b8860b", "#0f8b8d")
ROW_PX, NAMES_PX, PLOT_PX, MARGIN_PX = 34, 150, 420, 34

Ends = tuple[float | None, float | None]


@dataclass(frozen=True, slots=True)
class Pair:
    """A score of two models, 0..1: value and interval's ends of each, None for what is not known."""

    name: str
    before: float | None
    now: float | None
    before_ends: Ends = (None, None)
    now_ends: Ends = (None, None)


def draw_pairs(pairs: Sequence[Pair], before: str, now: str) -> str:
    """A row a score: a grey mark for the model before, a green one for this, whiskers for their intervals."""
    height = ROW_PX * len(pairs) + 2 * MARGIN_PX
    width = NAMES_PX + PLOT_PX + 20
    parts = [*_draw_axis(height), _text(NAMES_PX, 16, f"● {before}", BEFORE, "start")]
    parts.append(_text(NAMES_PX + PLOT_PX / 2, 16, f"● {now}", NOW, "start"))
    for number, pair in enumerate(pairs):
        y = MARGIN_PX + ROW_PX * (number + 0.5)
        parts.append(_text(NAMES_PX - 10, y + 4, pair.name, INK, "end"))
        parts += _draw_mark(y - 6, pair.before, pair.before_ends, BEFORE)
        parts += _draw_mark(y + 6, pair.now, pair.now_ends, NOW)
    return _wrap(parts, width, height, "Scores before and now")


def draw_curves(title: str, curves: Sequence[tuple[str, Sequence[tuple[float, float]]]]) -> str:
    """Lines over the epochs; curves without a point are left out."""
    lines = [Line(name, tuple(points)) for name, points in curves if points]
    chart = line_chart(lines, title, "epoch", title, whole_x=True)
    floor = HEIGHT - BOTTOM
    parts = [_text(WIDTH - RIGHT, TOP + 4, title, INK, "end")]
    for y, words in chart.y_ticks:
        parts.append(_line(chart.left, y, WIDTH - RIGHT, y, EDGE, 0.8))
        parts.append(_text(chart.left - 6, y + 4, words, QUIET, "end"))
    parts += [_text(x, floor + 17, words, QUIET, "middle") for x, words in chart.x_ticks]
    for number, (name, path) in enumerate(chart.lines):
        colour = COLOURS[number % len(COLOURS)]
        parts.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(_text(chart.left + 110 * number, HEIGHT - 6, f"● {name}", colour, "start"))
    return _wrap(parts, WIDTH, HEIGHT, title)


def _draw_axis(height: float) -> list[str]:
    parts = []
    for tick in ticks(0.0, 1.0, 5):
        x = NAMES_PX + tick * PLOT_PX
        parts.append(_line(x, MARGIN_PX, x, height - MARGIN_PX, EDGE, 0.8))
        parts.append(_text(x, height - 14, f"{tick:g}", QUIET, "middle"))
    return parts


def _draw_mark(y: float, value: float | None, ends: Ends, colour: str) -> list[str]:
    if value is None:
        return []
    low, high = ends
    parts = []
    if low is not None and high is not None:
        parts.append(_line(NAMES_PX + low * PLOT_PX, y, NAMES_PX + high * PLOT_PX, y, colour, 2))
    parts.append(f'<circle cx="{NAMES_PX + value * PLOT_PX:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>')
    return parts


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float) -> str:
    place = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {place} stroke="{colour}" stroke-width="{width:g}"/>'


def _text(x: float, y: float, words: str, colour: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}">{escape(words)}</text>'


def _wrap(parts: Sequence[str], width: float, height: float, title: str) -> str:
    size = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}"'
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-family="sans-serif" font-size="12">'
    )
    return "\n".join([head, f"<title>{escape(title)}</title>", *parts, "</svg>"]) + "\n"
