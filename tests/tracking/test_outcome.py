"""What of metrics.json becomes a metric of MLflow, and by which name."""

from __future__ import annotations

import pytest

from glasshouse.tracking.names import make_legal
from glasshouse.tracking.outcome import flatten_scores, name_class_scores


def test_scores_become_flat_names() -> None:
    test = {
        "mAP_50": 0.5,
        "count": 3,
        "undefined": None,
        "whole": True,  # no number
        "method": "coco",
        "protocol": {"max_detections": 100},
        "per_class": {"rose": {"recall": 1}, "r@se": {"recall": 0.5}, "r[se": {"recall": 0.25}, "": {"n": 2}},
        "ci95": {"mAP_50": [0.4, 0.6], "undefined": [None, None], "absent": None},
    }
    assert flatten_scores({"test": test, "valid": {"mAP_50": 0.75}, "train": {"mAP_50": 1.0}}, "here") == {
        "mAP_50": 0.5,
        "count": 3.0,
        "per_class/rose/recall": 1.0,
        "per_class/r_se/recall": 0.5,
        "per_class/r_se/recall_": 0.25,  # another class of the same legal name
        "per_class/_/n": 2.0,
        "mAP_50_low": 0.4,
        "mAP_50_high": 0.6,
        "valid_mAP_50": 0.75,
    }


def test_flat_names_lead_back_to_the_classes() -> None:
    per_class = {
        name: {"recall": value}
        for name, value in {"rose": 1.0, "r@se": None, "r[se": 0.5, "r]se": 0.25, "": 0.0}.items()
    }
    document = {"test": {"per_class": per_class}, "valid": {"per_class": {"tulip": {"recall": 1.0}}}}
    named, flat = name_class_scores(document, "recall"), flatten_scores(document, "here")
    assert named == {
        "per_class/rose/recall": "rose",
        "per_class/r_se/recall": "r[se",
        "per_class/r_se/recall_": "r]se",
        "per_class/_/recall": "",
    }
    assert {name: flat[key] for key, name in named.items()} == {"rose": 1, "r[se": 0.5, "r]se": 0.25, "": 0}
    assert name_class_scores({"test": None}, "recall") == name_class_scores(document, "AP_50_95") == {}


def test_a_score_that_is_not_finite_is_named() -> None:
    with pytest.raises(ValueError, match="here: mAP_50 must be a finite number"):
        flatten_scores({"test": {"mAP_50": float("inf")}}, "here")
    assert flatten_scores({"test": None}, "here") == {}


def test_a_class_may_be_called_by_dots_or_a_whole_sentence() -> None:
    """MLflow refuses the one, and takes 250 characters of the other with all that stands around it."""
    names = {
        ".": "_",
        "..": "__",
        ".hidden.one": "_hidden_one",
        "1.5 cm - red": "1.5 cm - red",
        "x" * 200: "x" * 150,
    }
    document = {"test": {"per_class": {name: {"recall": 0.5} for name in names}}}
    assert list(flatten_scores(document, "here")) == [f"per_class/{legal}/recall" for legal in names.values()]


def test_a_name_is_legal_in_every_store() -> None:
    assert make_legal("a-b.c [größe]/e@f", 20) == "a-b.c _größe__e_f"
    assert make_legal("12345", 3) == "123"
