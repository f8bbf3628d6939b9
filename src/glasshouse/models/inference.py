"""The network as people use it: pixels in, decoded predictions out."""

from __future__ import annotations

from typing import Any

from glasshouse.models.lazy import keras
from glasshouse.models.network import Network
from glasshouse.params import Evaluate

CANDIDATES = 3  # looked at for each detection that may be kept, at least for a hundred of these
SOFT_SIGMA = 0.5  # Bodla et al., "Soft-NMS", arXiv:1704.04503, section 6


def build_inference(network: Network, evaluate: Evaluate) -> Any:
    """A model of `pixels` (B, H, W, 3) float32, 0..255, sharing the network's weights.

    Returns:
        A Keras model. For a detector: boxes (B, K, 4) xyxy px of the input, scores (B, K), labels (B, K)
        int32 class index, valid (B,) int32; padding is 0, 0 and -1. For a classifier: probabilities (B, C).
    """
    from glasshouse.models.layers.decode import Decode
    from glasshouse.models.layers.nms import NonMaxSuppression

    pixels = keras.Input(network.full.input_shape[1:], name="pixels", dtype="float32")
    scan = getattr(network.head, "scan", None)
    if scan is None:
        decoded = Decode(network.head, name="decode")(network.full(pixels))
    else:
        decoded = scan(network.full, pixels)
    if "boxes" in decoded:
        suppress = NonMaxSuppression(
            score_threshold=evaluate.score_threshold,
            iou_threshold=evaluate.nms_iou,
            soft_sigma=SOFT_SIGMA if evaluate.nms == "soft" else 0.0,
            max_detections=evaluate.max_detections,
            pre_nms_top_k=CANDIDATES * max(evaluate.max_detections, 100),
            name="suppress",
        )
        decoded = suppress(decoded["boxes"], decoded["scores"])
    return keras.Model(pixels, decoded, name="inference")
