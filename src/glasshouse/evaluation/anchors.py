"""The anchors of a head, and how the boxes that it learned from are met by them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from glasshouse.evaluation.figures import Chart, Line, line_chart

BOX_RADIUS, ANCHOR_RADIUS = 2.0, 5.0


def anchor_rows(priors: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """One row an anchor, in the head's order: anchor (from 1), width_px and height_px in prepared pixels,
    stride_px, share (of the training boxes that it meets best) and mean_iou (with these, laid on one corner).

    Args:
        priors: what the head took from the training boxes (`geometry.anchors.describe_anchors`); None, and no
            rows, for a head without anchors.
    """
    if priors is None:
        return []
    columns = zip(
        priors["anchors_wh_px"], priors["strides_px"], priors["shares"], priors["mean_iou"], strict=True
    )
    return [
        {
            "anchor": number,
            "width_px": width,
            "height_px": height,
            "stride_px": stride,
            "share": share,
            "mean_iou": iou,
        }
        for number, ((width, height), stride, share, iou) in enumerate(columns, 1)
    ]


def anchor_chart(priors: Mapping[str, Any]) -> Chart:
    """Widths and heights of training boxes, and the anchors of each stride among them."""
    boxes, shown = priors["boxes"], priors["sample_wh_px"]
    of_boxes = Line(
        f"{len(shown)} of {boxes} training boxes" if len(shown) < boxes else f"{boxes} training boxes",
        tuple((float(width), float(height)) for width, height in shown),
    )
    strides = dict.fromkeys(priors["strides_px"])
    series = [(BOX_RADIUS, of_boxes)] + [
        (ANCHOR_RADIUS, Line(f"anchors at stride {stride}", _of_stride(priors, stride))) for stride in strides
    ]
    title = f"Training boxes and anchors: IoU {priors['average_iou']:.3f} on average"
    return line_chart([], title, "width, prepared px", "height, prepared px", dots=series)


def _of_stride(priors: Mapping[str, Any], stride: int) -> tuple[tuple[float, float], ...]:
    pairs = zip(priors["anchors_wh_px"], priors["strides_px"], strict=True)
    return tuple((float(width), float(height)) for (width, height), own in pairs if own == stride)
