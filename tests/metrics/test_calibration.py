from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glasshouse.metrics.calibration import (
    fit_temperature,
    log_softmax,
    reliability,
    score_logits,
    search_minimum,
)
from glasshouse.metrics.classification import log_loss


def scale_probabilities(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    return np.asarray(np.exp(log_softmax(np.log(probabilities) / temperature)))


def as_binary(scores: np.ndarray) -> np.ndarray:
    """Independent scores as a softmax of (0, logit)."""
    logits = score_logits(scores)
    return np.stack([np.zeros_like(logits), logits], axis=1)


def scale_scores(scores: np.ndarray, temperature: float) -> np.ndarray:
    return np.asarray(np.exp(log_softmax(as_binary(scores) / temperature))[:, 1])


def test_reliability_by_hand() -> None:
    # Two bins: (0, 0.5] holds 0.2 wrong and 0.4 right; (0.5, 1] holds 0.8 right and 1.0 right.
    found = reliability(np.array([0.2, 0.4, 0.8, 1.0]), np.array([False, True, True, True]), bins=2)
    assert found.count.tolist() == [2, 2]
    assert found.confidence.tolist() == pytest.approx([0.3, 0.9])
    assert found.accuracy.tolist() == pytest.approx([0.5, 1.0])
    assert found.error == pytest.approx(0.5 * 0.2 + 0.5 * 0.1)  # 0.15


def test_the_edge_of_a_bin_belongs_to_the_lower_one() -> None:
    edges = np.array([0.0, 0.25, 0.5, 0.75, 1.0])  # 0 has none below it
    assert reliability(edges, np.ones(5, dtype=bool), bins=4).count.tolist() == [2, 1, 1, 1]


def test_an_empty_bin_counts_for_nothing() -> None:
    found = reliability(np.array([0.9]), np.array([True]), bins=2)
    assert np.isnan(found.accuracy[0]) and found.error == pytest.approx(0.1)
    assert np.isnan(reliability(np.zeros(0), np.zeros(0, dtype=bool)).error)


@pytest.mark.parametrize("confidence", [[-0.1], [1.1], [float("nan")]])
def test_no_confidence(confidence: list[float]) -> None:
    with pytest.raises(ValueError, match=r"must lie in 0\.\.1"):
        reliability(np.array(confidence), np.array([True]))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_a_known_temperature_is_found(temperature: float) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (20_000, 5))
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (true.cumsum(axis=1) < rng.random((len(logits), 1))).sum(axis=1)
    assert fit_temperature(logits * temperature, labels) == pytest.approx(temperature, rel=0.05)


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_a_known_temperature_of_scores_is_found(temperature: float) -> None:
    rng = np.random.default_rng(0)
    true = rng.random(20_000)
    correct = rng.random(20_000) < true
    logits = as_binary(scale_scores(true, 1 / temperature))
    assert fit_temperature(logits, correct.astype(np.int64)) == pytest.approx(temperature, rel=0.05)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000))
def test_scaling_keeps_the_order_and_never_worsens_the_loss_it_was_fitted_on(seed: int) -> None:
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.full(3, 0.3), 60)
    probabilities = (probabilities + 1e-6) / (probabilities + 1e-6).sum(axis=1, keepdims=True)
    labels = rng.integers(0, 3, 60)
    temperature = fit_temperature(np.log(probabilities), labels)
    scaled = scale_probabilities(probabilities, temperature)
    assert scaled.sum(axis=1) == pytest.approx(np.ones(60))
    assert (scaled.argmax(axis=1) == probabilities.argmax(axis=1)).all()
    assert log_loss(labels, scaled) <= log_loss(labels, probabilities) + 1e-9


def test_temperature_one_changes_nothing() -> None:
    probabilities = np.random.default_rng(1).dirichlet(np.ones(4), 10)
    assert scale_probabilities(probabilities, 1.0) == pytest.approx(probabilities)
    scores = np.array([0.0, 0.25, 0.5, 1.0])
    assert scale_scores(scores, 1.0) == pytest.approx(scores)
    # sigmoid(logit(0.8) / 2) = 1 / (1 + (0.2 / 0.8) ** 0.5) = 1 / 1.5
    assert scale_scores(np.array([0.8]), 2.0)[0] == pytest.approx(1 / 1.5)


def test_the_search_against_a_parabola() -> None:
    assert search_minimum(lambda x: (x - 0.3) ** 2, -3.0, 3.0) == pytest.approx(0.3, abs=1e-5)
    assert search_minimum(lambda x: x, -3.0, 3.0) == pytest.approx(-3.0, abs=1e-5)


def test_scores_that_are_all_alike_keep_their_temperature() -> None:
    assert fit_temperature(np.full((5, 3), 0.7), np.array([0, 1, 2, 0, 0])) == 1.0


def test_a_temperature_that_would_be_endless_stays_at_the_limit() -> None:
    always, never = np.zeros(3, dtype=np.int64), np.ones(3, dtype=np.int64)
    logits = np.array([[1.0, 0.0]] * 3)
    assert fit_temperature(logits, always) == pytest.approx(1 / 20, rel=1e-4)
    assert fit_temperature(logits, never) == pytest.approx(20, rel=1e-4)


def test_no_rows() -> None:
    with pytest.raises(ValueError, match="at least one row"):
        fit_temperature(np.zeros((0, 3)), np.zeros(0, dtype=np.int64))
