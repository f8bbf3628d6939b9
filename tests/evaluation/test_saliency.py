from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from glasshouse.evaluation.saliency import Target, draw_masks, map_saliency, measure_agreement

SIZE = (48, 64)
WINDOW = (slice(8, 24), slice(32, 56))  # the part of the picture that the known networks look at


def see_window(pixels: np.ndarray) -> dict[str, np.ndarray]:
    """Probability of class 0: how bright the window is; of class 1: how dark; of class 2: always the same."""
    bright = pixels[:, *WINDOW].mean((1, 2, 3)) / 255
    return {"probabilities": np.stack([bright, 1 - bright, np.full_like(bright, 0.2)], -1)}


def see_box(pixels: np.ndarray) -> dict[str, np.ndarray]:
    box = [WINDOW[1].start, WINDOW[0].start, WINDOW[1].stop, WINDOW[0].stop]
    scores = see_window(pixels)["probabilities"][:, :1]
    count = len(pixels)
    return {"boxes": np.tile([[box]], (count, 1, 1)), "labels": np.full((count, 1), 2), "scores": scores}


@pytest.fixture
def pixels() -> np.ndarray:
    """Grey, the window white: hidden it is darker, as hidden parts take the mean colour."""
    picture = np.full((*SIZE, 3), 60, np.uint8)
    picture[WINDOW] = 255
    return picture


@pytest.mark.parametrize(
    ("predict", "target"),
    [(see_window, Target(0)), (see_box, Target(2, np.array([32.0, 8.0, 56.0, 24.0])))],
    ids=["class", "box"],
)
def test_the_map_lies_on_what_the_network_looks_at(predict: Any, target: Target, pixels: np.ndarray) -> None:
    (saliency,) = map_saliency(predict, pixels, [target])
    y, x = np.unravel_index(saliency.argmax(), SIZE)
    assert WINDOW[0].start <= y < WINDOW[0].stop
    assert WINDOW[1].start <= x < WINDOW[1].stop
    inside = saliency[WINDOW].mean()
    assert inside > 0.6
    saliency[WINDOW] = 0
    assert inside > 6 * saliency.mean()


def test_hidden_parts_take_the_mean_colour(pixels: np.ndarray) -> None:
    """Of one colour a picture shows no hole; of two, nothing beyond them, and on average the mean of both."""
    shown: list[np.ndarray] = []

    def remember(given: np.ndarray) -> dict[str, np.ndarray]:
        shown.append(given)
        return see_window(given)

    plain = np.full((*SIZE, 3), (200, 90, 10), np.uint8)
    map_saliency(remember, plain, [Target(0)], masks=20)
    np.testing.assert_allclose(np.concatenate(shown), np.broadcast_to(plain, (20, *plain.shape)), atol=1e-3)
    shown.clear()
    map_saliency(remember, pixels, [Target(0)], masks=20)
    mean = pixels.mean()
    outside = np.ones(SIZE, bool)
    outside[WINDOW] = False
    assert np.concatenate(shown)[:, outside].min() == pytest.approx(60, abs=1e-3)
    assert np.concatenate(shown)[:, outside].max() == pytest.approx(mean, abs=0.5)


def test_what_counts_against_a_class_and_what_has_no_effect_is_dark(pixels: np.ndarray) -> None:
    """Seen, the bright window speaks against class 1; class 2 hangs on nothing."""
    bright, dark, constant = map_saliency(see_window, pixels, [Target(0), Target(1), Target(2)])
    assert bright[WINDOW].mean() > 20 * dark[WINDOW].mean()
    assert not constant.any()


def test_it_is_the_covariance_that_is_written_down(pixels: np.ndarray) -> None:
    """cov(a, m) = mean(a m) - mean(a) mean(m), over all masks at once, in parts of the largest."""
    seen = np.concatenate([*draw_masks(SIZE, 40, 5)])
    assert seen.shape == (40, *SIZE)
    shown = pixels.mean((0, 1)) + (pixels - pixels.mean((0, 1))) * seen[..., None]
    agreement = see_window(shown)["probabilities"][:, 0]
    covariance = np.maximum((agreement[:, None, None] * seen).mean(0) - agreement.mean() * seen.mean(0), 0)
    (saliency,) = map_saliency(see_window, pixels, [Target(0)], masks=40, seed=5)
    np.testing.assert_allclose(saliency, covariance / covariance.max(), atol=1e-4)


def test_masks_show_half_and_differ_by_seed_alone() -> None:
    seen = np.concatenate([*draw_masks(SIZE, 400, 1)])
    assert seen.min() >= 0
    assert seen.max() <= 1
    np.testing.assert_allclose(seen.mean(0), 0.5, atol=0.12)
    np.testing.assert_array_equal(seen[:20], np.concatenate([*draw_masks(SIZE, 20, 1)]))
    assert not np.array_equal(seen[:20], np.concatenate([*draw_masks(SIZE, 20, 2)]))


def test_agreement_is_the_best_of_the_same_class() -> None:
    """IoU of (0,0,10,10) and (0,0,10,5) is 0.5: 0.8 * 0.5 = 0.4 beats 0.3 * 1; another class is 0."""
    answers = {
        "boxes": np.array([[[0, 0, 10, 5], [0, 0, 10, 10], [0, 0, 10, 10]]]),
        "labels": np.array([[1, 1, 0]]),
        "scores": np.array([[0.8, 0.3, 0.9]]),
    }
    box = np.array([0.0, 0.0, 10.0, 10.0])
    found = measure_agreement(answers, [Target(1, box), Target(0, box), Target(2, box)])
    np.testing.assert_allclose(found, [[0.4, 0.9, 0.0]])


def test_one_mask_shows_nothing(pixels: np.ndarray) -> None:
    with pytest.raises(ValueError, match="at least 2"):
        map_saliency(see_window, pixels, [Target(0)], masks=1)
    assert map_saliency(see_window, pixels, [Target(0)], masks=2).max() == 1
