"""Sound tables of export, and for each check an edit that it alone, or with the named others, must notice."""

import pandas as pd

LIMITS = {"max_latency_ratio": 20.0}


def make_tables():
    """A float format within 1e-3 of Keras, and a quantized one that loses 0.01 of the score."""
    names = ["onnx", "litert_int8"]
    parity = {
        "format": names,
        "max_abs_difference_scores": [2e-5, 0.2],
        "max_abs_difference_boxes": [1e-5, 0.1],
        "unpaired": [0.0, 0.3],
        "compared": [50, 40],
        "score": [0.55, 0.54],
        "reference_score": 0.55,
        "tolerance": [1e-3, 0.05],
        "within": True,
        "latency_ms": [2.0, 6.0],
    }
    return {"formats": pd.DataFrame({"format": names}), "parity": pd.DataFrame(parity)}


BREAKS = {
    "format_made": [("add", "formats", {"format": "saved_model"})],
    "format_once": [("double", "parity", 0)],
    "score_compared": [("put", "parity", 0, "score", None)],
    "scores_in_range": [("put", "parity", 0, "score", 1.5)],
    "outputs_compared": [
        ("put", "parity", 0, "max_abs_difference_scores", None),
        ("put", "parity", 0, "within", False),
    ],
    "differences_not_negative": [("put", "parity", 0, "max_abs_difference_scores", -1e-4)],
    "within_tolerance": [("put", "parity", 1, "score", 0.4), ("put", "parity", 1, "within", False)],
    "within_as_said": [("put", "parity", 0, "compared", 0)],
    "latency_measured": [("put", "parity", 1, "latency_ms", 0.0)],
    "latency_ratio": [("put", "parity", 1, "latency_ms", 50.0)],
}
COMPANIONS = {}
