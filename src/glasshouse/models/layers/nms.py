"""Per-class non-maximum suppression, hard or soft, that every export format can carry.

Written in plain `keras.ops` (TensorFlow and JAX backends) with built-in operators only, so that it converts
to LiteRT without Flex operators and to ONNX without custom ones.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from glasshouse.models.layers.soft_nms import soften


def suppress(
    boxes_xyxy_px: Any,
    scores: Any,
    score_threshold: float = 0.001,
    iou_threshold: float = 0.6,
    max_detections: int = 100,
    pre_nms_top_k: int = 300,
    soft_sigma: float = 0.0,
) -> dict[str, Any]:
    """Greedy non-maximum suppression within each class.

    Candidates are (anchor, class) pairs, so one box may be kept for several classes. The `pre_nms_top_k` best
    of a picture are visited by falling score, ties by rising `anchor * C + class`; each is kept unless a kept
    one of its class overlaps it by more than `iou_threshold`. The result is that of the sequential algorithm,
    exactly. With a `soft_sigma` above 0 nothing is dropped for its overlap: see `soften`.

    Args:
        boxes_xyxy_px: (B, A, 4) or (A, 4) float, x_min, y_min, x_max, y_max; A must be static.
        scores: (B, A, C) or (A, C) float in 0..1; C must be static. NaN counts as below the threshold.
        score_threshold: candidates with a lower score are dropped.
        iou_threshold: intersection over union in 0..1; only a larger one suppresses. Unused where soft.
        max_detections: K, rows of the result.
        pre_nms_top_k: how many candidates of a picture are looked at, all classes together.
        soft_sigma: 0 for hard suppression, else the width of soft suppression's penalty; 0.5 in its paper.

    Returns:
        `boxes` (B, K, 4) float32, `scores` (B, K) float32 falling, `labels` (B, K) int32, `valid` (B,) int32:
        the number of real rows, which come first; the others hold 0, 0 and -1. Without the batch axis where
        the arguments have none.
    """
    if len(boxes_xyxy_px.shape) == 2:
        batch = suppress(
            ops.expand_dims(boxes_xyxy_px, 0),
            ops.expand_dims(scores, 0),
            score_threshold,
            iou_threshold,
            max_detections,
            pre_nms_top_k,
            soft_sigma,
        )
        return {name: ops.squeeze(value, axis=0) for name, value in batch.items()}
    boxes, top_scores, labels = select_candidates(boxes_xyxy_px, scores, score_threshold, pre_nms_top_k)
    if soft_sigma:
        softened = soften(boxes, top_scores, labels, sigma=soft_sigma, rounds=max_detections)
        keep = ops.cast(softened >= score_threshold, "float32")
        return collect_kept(boxes, softened, labels, keep, max_detections)
    suppresses = find_rivals(boxes, labels, iou_threshold)
    keep = keep_greedily(suppresses, ops.cast(top_scores >= 0, "float32"))
    return collect_kept(boxes, top_scores, labels, keep, max_detections)


def select_candidates(
    boxes_xyxy_px: Any, scores: Any, score_threshold: float, top_k: int
) -> tuple[Any, Any, Any]:
    """The best (anchor, class) pairs: boxes (B, K, 4), scores (B, K) falling with -1 for none, labels (B, K)
    int32."""
    anchors, classes = (int(size) for size in scores.shape[1:])
    boxes, scores = ops.cast(boxes_xyxy_px, "float32"), ops.cast(scores, "float32")
    scores = ops.where(scores >= score_threshold, scores, -1.0)
    top_scores, pairs = ops.top_k(
        ops.reshape(scores, (-1, anchors * classes)), k=min(top_k, anchors * classes)
    )
    pairs = ops.cast(pairs, "int32")
    return gather_rows(boxes, pairs // classes), top_scores, pairs % classes


def gather_rows(values: Any, rows: Any) -> Any:
    """`values[b, rows[b, k]]`: (B, N, ...) and int32 (B, K) -> (B, K, ...), as one flat gather, which every
    format has."""
    count, rest = int(values.shape[1]), tuple(values.shape[2:])
    first = ops.expand_dims(ops.arange(ops.shape(values)[0], dtype="int32") * count, 1)
    return ops.take(ops.reshape(values, (-1, *rest)), first + rows, axis=0)


def find_rivals(boxes_xyxy_px: Any, labels: Any, iou_threshold: float) -> Any:
    """(B, K, K) float 0/1: would candidate [:, j] suppress the weaker candidate [:, i] (j < i, one class,
    overlapping)."""
    x_min, y_min, x_max, y_max = (boxes_xyxy_px[..., side] for side in range(4))
    width = ops.minimum(x_max[:, :, None], x_max[:, None, :]) - ops.maximum(
        x_min[:, :, None], x_min[:, None, :]
    )
    height = ops.minimum(y_max[:, :, None], y_max[:, None, :]) - ops.maximum(
        y_min[:, :, None], y_min[:, None, :]
    )
    intersection = ops.maximum(width, 0.0) * ops.maximum(height, 0.0)
    area = ops.maximum(x_max - x_min, 0.0) * ops.maximum(y_max - y_min, 0.0)
    union = area[:, :, None] + area[:, None, :] - intersection
    order = ops.arange(int(labels.shape[1]), dtype="int32")
    rivals = ops.logical_and(labels[:, :, None] == labels[:, None, :], order[:, None] < order[None, :])
    # Multiplied out, so that boxes without area suppress nothing and no division by zero arises.
    return ops.cast(ops.logical_and(rivals, intersection > iou_threshold * union), "float32")


def keep_greedily(suppresses: Any, candidates: Any) -> Any:
    """The greedy choice as the fixed point of keep_i = candidate_i and no j < i with keep_j and
    suppresses_ji.

    Each round settles at least one more candidate in the order of the scores, so the fixed point exists, is
    unique and equals the sequential choice after at most K rounds; real pictures need as many as their
    longest chain of overlaps, about three to eight.

    Args:
        suppresses: (B, K, K) 0/1, [b, j, i] = 1 only where j < i.
        candidates: (B, K) 0/1.

    Returns:
        (B, K) 0/1.
    """

    def settle(keep: Any, _: Any) -> tuple[Any, Any]:
        suppressors = ops.squeeze(
            ops.matmul(ops.expand_dims(keep, 1), suppresses), axis=1
        )  # counts: exact in float32
        return candidates * ops.cast(suppressors < 0.5, "float32"), keep

    def unsettled(keep: Any, previous: Any) -> Any:
        return ops.any(keep != previous)

    keep, _ = ops.while_loop(unsettled, settle, settle(candidates, candidates))
    return keep


def collect_kept(
    boxes_xyxy_px: Any, scores: Any, labels: Any, keep: Any, max_detections: int
) -> dict[str, Any]:
    """Moves the kept rows to the front, in their order, and pads to `max_detections`."""
    count = min(max_detections, int(scores.shape[1]))
    kept_scores, rows = ops.top_k(ops.where(keep > 0.5, scores, -1.0), k=count)
    rows = ops.cast(rows, "int32")
    real = kept_scores >= 0
    kept_boxes = ops.where(real[:, :, None], gather_rows(boxes_xyxy_px, rows), 0.0)
    kept_labels = ops.where(real, gather_rows(labels, rows), -1)
    padding = max_detections - count
    return {
        "boxes": ops.pad(kept_boxes, ((0, 0), (0, padding), (0, 0))),
        "scores": ops.pad(ops.where(real, kept_scores, 0.0), ((0, 0), (0, padding))),
        "labels": ops.pad(kept_labels, ((0, 0), (0, padding)), constant_values=-1),
        "valid": ops.sum(ops.cast(real, "int32"), axis=1),
    }


@keras.saving.register_keras_serializable(package="glasshouse")
class NonMaxSuppression(keras.layers.Layer):
    """`suppress` as a layer: `layer(boxes_xyxy_px, scores)` with (B, A, 4) and (B, A, C), in float32 under
    any precision policy."""

    def __init__(
        self,
        score_threshold: float = 0.001,
        iou_threshold: float = 0.6,
        max_detections: int = 100,
        pre_nms_top_k: int = 300,
        soft_sigma: float = 0.0,
        **kwargs: Any,
    ) -> None:
        """Raises ValueError where a threshold lies outside 0..1, a count is below 1 or sigma below 0."""
        super().__init__(**{"trainable": False, "autocast": False, **kwargs})
        for name, share in (("score_threshold", score_threshold), ("iou_threshold", iou_threshold)):
            if not 0.0 <= share <= 1.0:
                raise ValueError(
                    f"The {name} parameter of NonMaxSuppression must lie in 0..1. Got {share!r} instead."
                )
        for name, count in (("max_detections", max_detections), ("pre_nms_top_k", pre_nms_top_k)):
            if count < 1:
                raise ValueError(
                    f"The {name} parameter of NonMaxSuppression must be at least 1. Got {count!r} instead."
                )
        if not soft_sigma >= 0.0:
            raise ValueError(
                f"The soft_sigma parameter of NonMaxSuppression must be at least 0. Got {soft_sigma} instead."
            )
        self.score_threshold = score_threshold
        self.iou_threshold = iou_threshold
        self.max_detections = max_detections
        self.pre_nms_top_k = pre_nms_top_k
        self.soft_sigma = soft_sigma

    def call(self, boxes_xyxy_px: Any, scores: Any) -> dict[str, Any]:
        """Suppresses; see `suppress` for shapes."""
        return suppress(
            boxes_xyxy_px,
            scores,
            self.score_threshold,
            self.iou_threshold,
            self.max_detections,
            self.pre_nms_top_k,
            self.soft_sigma,
        )

    def compute_output_spec(self, boxes_xyxy_px: Any, scores: Any) -> dict[str, keras.KerasTensor]:
        """Shapes and dtypes of the result, without computing it."""
        batch, rows = boxes_xyxy_px.shape[0], self.max_detections
        return {
            "boxes": keras.KerasTensor((batch, rows, 4), "float32"),
            "scores": keras.KerasTensor((batch, rows), "float32"),
            "labels": keras.KerasTensor((batch, rows), "int32"),
            "valid": keras.KerasTensor((batch,), "int32"),
        }

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs to rebuild the layer."""
        return {
            **super().get_config(),
            "score_threshold": self.score_threshold,
            "iou_threshold": self.iou_threshold,
            "max_detections": self.max_detections,
            "pre_nms_top_k": self.pre_nms_top_k,
            "soft_sigma": self.soft_sigma,
        }
