"""Score against latency as a picture for a talk: the Pareto front, intervals, labels that do not overlap."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from glasshouse.comparison.leaderboard import Row, find_front
from glasshouse.comparison.words import COST, read_points

SIZE_INCHES = (10.0, 5.625)  # 16:9
DOTS_PER_INCH = 160
INK, QUIET, EDGE, FRONT, BEATEN = "#18211c", "#5d6a62", "#dde3dd", "#1c7a4b", "#8b968f"
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # matplotlib brings it along: the same letters on every machine
    "font.size": 12,
    "text.parse_math": False,  # a $ in the name of a folder or weights file is one
    "svg.hashsalt": "glasshouse",  # ids that are the same every time
    "svg.fonttype": "path",
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
}
MOST_TICKS = 10
STEPS = (8.0, 16.0, 26.0, 38.0, 52.0, 70.0, 90.0)  # distances of a label from its point, in points

Box = tuple[float, float, float, float]  # left, bottom, right, top


@dataclass(frozen=True, slots=True)
class Label:
    """Where a label stands: its offset from its point, in points."""

    x: float
    y: float


def draw_picture(rows: Sequence[Row], title: str, subtitle: str, score: str) -> dict[str, bytes]:
    """`pareto.svg` and `pareto.png`; none where no row has both figures. Equal rows give equal bytes."""
    points = read_points(rows)
    if not points:
        return {}
    import matplotlib

    matplotlib.use("Agg", force=False)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=SIZE_INCHES, dpi=DOTS_PER_INCH, facecolor="white", layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        _draw_axes(axes, title, subtitle, score)
        front = find_front(points)
        _draw_points(axes, rows, points, front)
        _draw_labels(figure, axes, points, front, _list_segments(rows, points, front))
        return {
            f"pareto.{kind}": _save(figure, kind, metadata)
            for kind, metadata in (
                ("svg", {"Date": None, "Creator": "Glasshouse"}),
                ("png", {"Software": None}),
            )
        }


def place_labels(
    points: Sequence[tuple[float, float]],
    sizes: Sequence[tuple[float, float]],
    frame: Box,
    lines: Sequence[Box] = (),
) -> list[Label]:
    """Offsets of the lower left corners of labels from their points, so that no label lies on another one or
    on a point, as far as there is room; all in the same unit.

    Args:
        points: places of the points.
        sizes: width and height of each label.
        frame: within which labels must stay.
        lines: thin boxes around lines; a label lies on one only where there is no other room.
    """
    radius = 6.0
    taken: list[Box] = [(x - radius, y - radius, x + radius, y + radius) for x, y in points]
    labels = []
    for (x, y), (width, height) in zip(points, sizes, strict=True):
        offsets = [
            offset
            for step in STEPS
            for offset in (
                (step, -height / 2),
                (-width / 2, step),
                (-width / 2, -step - height),
                (-step - width, -height / 2),
                (step * 0.7, step * 0.7),
                (step * 0.7, -step * 0.7 - height),
                (-step * 0.7 - width, step * 0.7),
                (-step * 0.7 - width, -step * 0.7 - height),
            )
        ]
        boxes = [(x + dx, y + dy, x + dx + width, y + dy + height) for dx, dy in offsets]
        costs = [
            sum(_overlap(box, other) for other in taken)
            + sum(_overlap(box, line) for line in lines)
            + 10 * _outside(box, frame)
            for box in boxes
        ]
        chosen = costs.index(min(costs))
        taken.append(boxes[chosen])
        labels.append(Label(*offsets[chosen]))
    return labels


def choose_ticks(low: float, high: float) -> list[float]:
    """At most 10 round values within [low, high] for a logarithmic axis; at least 3 for high / low >= 2.8."""
    powers = [10.0**power for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]
    ticks: list[float] = []
    for steps in ((1,), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 7), tuple(tenth / 10 for tenth in range(10, 100))):
        found = [round(step * power, 10) for power in powers for step in steps if low <= step * power <= high]
        if len(found) > MOST_TICKS:
            break
        ticks = found
    return ticks


def _draw_axes(axes: Any, title: str, subtitle: str, score: str) -> None:
    axes.set_xscale("log")
    axes.set_title(title, loc="left", fontsize=15, fontweight="bold", color=INK, pad=26)
    axes.annotate(
        subtitle, (0, 1), xytext=(0, 10), xycoords="axes fraction", textcoords="offset points", color=QUIET
    )
    axes.set_xlabel("milliseconds a picture on the CPU, batch 1 (logarithmic)")
    axes.set_ylabel(f"test {score}, 95 % interval")
    axes.grid(True, color=EDGE, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _draw_points(axes: Any, rows: Sequence[Row], points: dict[str, Any], front: list[str]) -> None:
    corners = [points[name] for name in front]
    axes.step(
        [x for x, _ in corners], [y for _, y in corners], where="post", color=FRONT, linewidth=2, zorder=2
    )
    for row in rows:
        if row.label not in points or row.sample is None:
            continue
        (x, y), colour = points[row.label], FRONT if row.label in front else BEATEN
        ends = [[max(y - row.sample.low, 0)], [max(row.sample.high - y, 0)]]
        axes.errorbar(
            [x],
            [y],
            yerr=ends,
            fmt="o",
            markersize=9,
            color=colour,
            ecolor=colour,
            elinewidth=1.2,
            alpha=1,
            zorder=3,
        )
    costs = [row.values[COST] or 1.0 for row in rows if row.label in points]
    ends_ms = min(costs) / 1.5, max(costs) * 1.9
    axes.set_xlim(*ends_ms)
    axes.set_xticks(choose_ticks(*ends_ms), [f"{tick:g}" for tick in choose_ticks(*ends_ms)])
    axes.set_xticks([], minor=True)
    axes.margins(y=0.12)


def _list_segments(rows: Sequence[Row], points: dict[str, Any], front: list[str]) -> list[Box]:
    """The lines of the picture in its data's units: intervals, and the steps of the front."""
    intervals = [
        (points[row.label][0], row.sample.low, points[row.label][0], row.sample.high)
        for row in rows
        if row.label in points and row.sample is not None
    ]
    corners = [points[name] for name in front]
    steps = [
        segment
        for (x, y), (next_x, next_y) in pairwise(corners)
        for segment in ((x, y, next_x, y), (next_x, y, next_x, next_y))
    ]
    return [*intervals, *steps]


def _draw_labels(
    figure: Any, axes: Any, points: dict[str, Any], front: list[str], segments: Sequence[Box]
) -> None:
    names = [*front, *(name for name in points if name not in front)]
    figure.canvas.draw()
    scale = 72 / figure.dpi  # points a pixel
    texts = [
        axes.annotate(
            name,
            points[name],
            xytext=(0, 0),
            textcoords="offset points",
            color=FRONT if name in front else QUIET,
            fontweight="bold" if name in front else "normal",
            fontsize=11,
            zorder=4,
        )
        for name in names
    ]
    extents = [text.get_window_extent(figure.canvas.get_renderer()) for text in texts]
    sizes = [(extent.width * scale, extent.height * scale) for extent in extents]

    def locate(x: float, y: float) -> tuple[float, float]:
        place_x, place_y = axes.transData.transform((x, y))
        return float(place_x) * scale, float(place_y) * scale

    places = [locate(*points[name]) for name in names]
    ends = [(locate(left, low), locate(right, high)) for left, low, right, high in segments]
    lines = [(x0 - 1.0, y0 - 1.0, x1 + 1.0, y1 + 1.0) for (x0, y0), (x1, y1) in ends]
    frame = axes.get_window_extent()
    box = (frame.x0 * scale, frame.y0 * scale, frame.x1 * scale, frame.y1 * scale)
    for text, label in zip(texts, place_labels(places, sizes, box, lines), strict=True):
        text.set_position((label.x, label.y))
        text.set_path_effects(_halo())


def _halo() -> list[Any]:
    """White around letters: an interval's line may pass behind them."""
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=3, foreground="white")]


def _save(figure: Any, kind: str, metadata: dict[str, Any]) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format=kind, metadata=metadata)
    return stream.getvalue()


def _overlap(first: Box, second: Box) -> float:
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    return max(width, 0.0) * max(height, 0.0)


def _outside(box: Box, frame: Box) -> float:
    area = (box[2] - box[0]) * (box[3] - box[1])
    return area - _overlap(box, frame)
