"""The report's pictures as SVG: scores before and now with their intervals, and the curves of the training.

In shapes and the viewer's own sans serif, readable on white and on black; equal bytes for equal figures.
Nothing is told by colour alone: the model before has hollow marks, and lines differ by their dashes.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from glasshouse.evaluation.figures import BOTTOM, HEIGHT, RIGHT, TOP, WIDTH, Line, line_chart, ticks
from glasshouse.evaluation.gallery import shorten

INK = "#6f7c75"  # of all words: a contrast of 4.3 on white and on GitHub's black alike, and no grey has more
EDGE, NOW, BEFORE = "#c9d1cb", "#2a9d63", "#8b968f"
COLOURS = (NOW, "#c0562f", "#3a7bd5", "#a05bb5", "#b8860b", "#0f8b8d")
DASHES = ("none", "9 3", "2 2", "9 3 2 3", "5 3", "16 4")
ROW_PX, NAMES_PX, PLOT_PX, MARGIN_PX = 34, 150, 420, 34
MOST_LETTERS = 20  # of a name, in its margin: a Chinese one is as wide as two Latin ones
KEY_PX = 22  # of a legend, before its words

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
    """A row a score: a hollow grey mark for the model before, a green one for this, whiskers for their
    intervals."""
    height = ROW_PX * len(pairs) + 2 * MARGIN_PX
    width = NAMES_PX + PLOT_PX + 20
    parts = [*_draw_axis(height), _text(NAMES_PX, 16, f"○ {before}", "start")]
    parts.append(_text(NAMES_PX + PLOT_PX / 2, 16, f"● {now}", "start"))
    for number, pair in enumerate(pairs):
        y = MARGIN_PX + ROW_PX * (number + 0.5)
        parts.append(_text(NAMES_PX - 10, y + 4, shorten(pair.name, _fits), "end"))
        parts += _draw_mark(y - 6, pair.before, pair.before_ends, False)
        parts += _draw_mark(y + 6, pair.now, pair.now_ends, True)
    return _wrap(parts, width, height, f"Scores of {before} (hollow) and of {now}, with 95 % intervals")


def draw_curves(title: str, curves: Sequence[tuple[str, Sequence[tuple[float, float]]]]) -> str:
    """Lines over the epochs; curves without a point are left out."""
    lines = [Line(name, tuple(points)) for name, points in curves if points]
    chart = line_chart(lines, title, "epoch", title, whole_x=True)
    floor = HEIGHT - BOTTOM
    parts = [_text(WIDTH - RIGHT, TOP + 4, title, "end"), _text(WIDTH - RIGHT, HEIGHT - 6, "epoch", "end")]
    for y, words in chart.y_ticks:
        parts.append(_line(chart.left, y, WIDTH - RIGHT, y, EDGE, 0.8))
        parts.append(_text(chart.left - 6, y + 4, words, "end"))
    parts += [_text(x, floor + 17, words, "middle") for x, words in chart.x_ticks]
    for number, (name, path) in enumerate(chart.lines):
        colour, dashes = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
        left, y = chart.left + 120 * number, HEIGHT - 10
        pen = f'fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"'
        parts += [
            f'<path d="{path}" {pen}/>',
            f'<line x1="{left}" y1="{y}" x2="{left + KEY_PX}" y2="{y}" {pen}/>',
        ]
        parts.append(_text(left + KEY_PX + 4, HEIGHT - 6, name, "start"))
    return _wrap(parts, WIDTH, HEIGHT, chart.seen)


def _fits(words: str) -> bool:
    return sum(2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in words) <= MOST_LETTERS


def _draw_axis(height: float) -> list[str]:
    parts = []
    for tick in ticks(0.0, 1.0, 5):
        x = NAMES_PX + tick * PLOT_PX
        parts.append(_line(x, MARGIN_PX, x, height - MARGIN_PX, EDGE, 0.8))
        parts.append(_text(x, height - 18, f"{tick:g}", "middle"))
    return [*parts, _text(NAMES_PX + PLOT_PX / 2, height - 4, "score, with its 95 % interval", "middle")]


def _draw_mark(y: float, value: float | None, ends: Ends, is_now: bool) -> list[str]:
    if value is None:
        return []
    low, high = ends
    parts = []
    if low is not None and high is not None:
        colour = NOW if is_now else BEFORE
        parts.append(_line(NAMES_PX + low * PLOT_PX, y, NAMES_PX + high * PLOT_PX, y, colour, 2))
    paint = f'fill="{NOW}"' if is_now else f'fill="none" stroke="{BEFORE}" stroke-width="2"'
    return [*parts, f'<circle cx="{NAMES_PX + value * PLOT_PX:.1f}" cy="{y:.1f}" r="4" {paint}/>']


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float) -> str:
    place = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {place} stroke="{colour}" stroke-width="{width:g}"/>'


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{INK}" text-anchor="{anchor}">{escape(words)}</text>'


def _wrap(parts: Sequence[str], width: float, height: float, title: str) -> str:
    size = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}"'
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-family="sans-serif" font-size="12">'
    )
    return "\n".join([head, f"<title>{escape(title)}</title>", *parts, "</svg>"]) + "\n"
