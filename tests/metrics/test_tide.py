from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glasshouse.metrics.bootstrap import mean_known
from glasshouse.metrics.detection import AT_50, average_precision
from glasshouse.metrics.matching import match_detections
from glasshouse.metrics.overlap import Detections, Objects
from glasshouse.metrics.tide import (
    IGNORED,
    KINDS,
    MISSED,
    RIGHT,
    average_precision_of,
    find_errors,
    gains,
)

BOX = [0.0, 0.0, 10.0, 10.0]
HALF = [0.0, 0.0, 10.0, 4.0]  # IoU with BOX 40 / 100 = 0.4: near, not found
FAR = [50.0, 50.0, 10.0, 10.0]
OTHER = [100.0, 100.0, 10.0, 10.0]


def lay(
    true: list[tuple[int, list[float]]], found: list[tuple[float, int, list[float]]], crowd: Any = ()
) -> tuple[Objects, Detections]:
    """All in picture 1; (class, box) and (score, class, box)."""
    objects = Objects(
        np.ones(len(true), dtype=np.int64),
        np.array([one for one, _ in true], dtype=np.int64),
        np.array([box for _, box in true], dtype=np.float64).reshape(-1, 4),
        np.isin(np.arange(len(true)), crowd),
    )
    detections = Detections(
        np.ones(len(found), dtype=np.int64),
        np.array([one for _, one, _ in found], dtype=np.int64),
        np.array([score for score, _, _ in found], dtype=np.float64),
        np.array([box for _, _, box in found], dtype=np.float64).reshape(-1, 4),
    )
    return objects, detections


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        ([(0.9, 1, BOX)], "right"),
        ([(0.9, 2, BOX)], "classification"),
        ([(0.9, 1, HALF)], "localisation"),
        ([(0.9, 2, HALF)], "both"),
        ([(0.9, 1, FAR)], "background"),
        ([(0.8, 1, BOX), (0.9, 1, BOX)], "duplicate"),
    ],
)
def test_each_kind_by_hand(found: list[tuple[float, int, list[float]]], kind: str) -> None:
    errors = find_errors(*lay([(1, BOX)], found))
    assert errors.kind[0] == (RIGHT if kind == "right" else KINDS.index(kind))
    assert bool(errors.missed[0]) == (kind in ("both", "background"))
    assert sum(errors.counts().values()) == (kind != "right") + bool(errors.missed[0])
    assert errors.meant_for[0] == (0 if kind in ("right", "classification", "localisation") else -1)


def test_kinds_are_tried_in_order() -> None:
    # Near an own-class object (0.4) and on another's (1.0): a matter of place, as the paper's tool has it.
    errors = find_errors(*lay([(1, BOX), (2, HALF)], [(0.9, 1, HALF)]))
    assert KINDS[errors.kind[0]] == "localisation"
    assert errors.meant_for[0] == 0


@pytest.mark.parametrize(
    ("height", "kind"), [(0.9, "background"), (1.0, "localisation"), (4.9, "localisation")]
)
def test_a_box_is_meant_for_what_it_overlaps_by_a_tenth(height: float, kind: str) -> None:
    errors = find_errors(*lay([(1, BOX)], [(0.9, 1, [0.0, 0.0, 10.0, height])]))  # IoU height / 10
    assert KINDS[errors.kind[0]] == kind


def test_a_second_box_is_a_duplicate_whatever_else_is_near() -> None:
    # On the object that was found (1.0) and near another of its class (0.4), which stays missed.
    errors = find_errors(*lay([(1, BOX), (1, HALF)], [(0.9, 1, BOX), (0.8, 1, BOX)]))
    assert KINDS[errors.kind[1]] == "duplicate"
    assert errors.missed.tolist() == [False, True]


def test_a_mistake_is_about_the_object_that_it_overlaps_most() -> None:
    wide = [0.0, 0.0, 10.0, 14.0]  # IoU with BOX 100 / 140, with HALF 40 / 140
    for true in ([(1, BOX), (1, wide)], [(1, wide), (1, BOX)]):
        errors = find_errors(*lay(true, [(0.9, 2, BOX)]))
        assert errors.meant_for.tolist() == [true.index((1, BOX))]
        assert errors.missed.tolist() == [box is wide for _, box in true]


def test_of_two_objects_overlapped_alike_the_last_is_taken() -> None:
    # As in COCO's matching: had the surest box taken the first object, the other box would find nothing.
    true = [(1, BOX), (1, [2.0, 0.0, 10.0, 10.0])]
    errors = find_errors(*lay(true, [(0.9, 1, [1.0, 0.0, 10.0, 10.0]), (0.8, 1, [-3.0, 0.0, 10.0, 10.0])]))
    assert errors.meant_for.tolist() == [1, 0] and set(errors.kind.tolist()) == {RIGHT}


def test_only_a_hundred_boxes_of_a_class_are_looked_at() -> None:
    # 100 boxes over nothing come first, so that the right one is too late, as it is for the AP; of another
    # class it is not. The object then counts as missed.
    lost = [(0.9, 1, OTHER)] * 100
    for category, missed in ((1, True), (2, False)):
        errors = find_errors(*lay([(category, BOX)], [*lost, (0.5, category, BOX)]))
        assert errors.kind[-1] == (IGNORED if missed else RIGHT)
        assert errors.missed.tolist() == [missed]
        assert errors.counts()["background"] == 100
    assert find_errors(*lay([(1, BOX)], [*lost[1:], (0.5, 1, BOX)])).kind[-1] == RIGHT


@pytest.mark.parametrize(("category", "box"), [(2, [2.0, 2.0, 4.0, 4.0]), (1, [8.0, 0.0, 10.0, 10.0])])
def test_a_crowd_excuses_its_own_class_and_what_lies_half_on_it(category: int, box: list[float]) -> None:
    errors = find_errors(*lay([(1, BOX)], [(0.9, category, box)], crowd=[0]))
    assert KINDS[errors.kind[0]] == "background"


def test_crowds_excuse_and_are_not_missed() -> None:
    errors = find_errors(*lay([(1, BOX)], [(0.9, 1, [2.0, 2.0, 4.0, 4.0])], crowd=[0]))
    assert errors.kind[0] == IGNORED
    assert not errors.missed.any()


def test_gains_by_hand() -> None:
    # Two objects of class 1. Found: the first at 0.9; the second mistaken for class 2 at 0.8.
    # AP of class 1 = 51/101 (recall 0.5 at precision 1); class 2 has no object and does not count.
    objects, detections = lay([(1, BOX), (1, FAR)], [(0.9, 1, BOX), (0.8, 2, FAR)])
    errors = find_errors(objects, detections)
    gained = gains(objects, detections, errors)
    assert gained["classification"] == pytest.approx(1 - 51 / 101)
    assert gained["background"] == gained["duplicate"] == gained["localisation"] == gained["both"] == 0
    assert gained[MISSED] == 0  # the second was meant


def test_missed_gain_by_hand() -> None:
    objects, detections = lay([(1, BOX), (1, FAR)], [(0.9, 1, BOX)])
    errors = find_errors(objects, detections)
    assert errors.missed.tolist() == [False, True]
    assert gains(objects, detections, errors)[MISSED] == pytest.approx(1 - 51 / 101)


def test_a_class_that_is_missed_whole_stays_in_the_mean() -> None:
    # Class 1: one of two found. Class 2: missed, its one box lies elsewhere. (51/101 + 0) / 2 to (1 + 0) / 2,
    # which is what tidecv 1.0.1 says too; without class 2 the mean would rise to 1.
    objects, detections = lay([(1, BOX), (1, FAR), (2, OTHER)], [(0.9, 1, BOX), (0.8, 2, [200.0, 200, 9, 9])])
    assert gains(objects, detections, find_errors(objects, detections))[MISSED] == pytest.approx(25 / 101)
    alone = detections.above(0.85)  # whether it has a box or not
    assert gains(objects, alone, find_errors(objects, alone))[MISSED] == pytest.approx(25 / 101)


def test_a_class_without_objects_stays_out_of_the_mean() -> None:
    objects, detections = lay([(1, BOX), (1, FAR)], [(0.9, 1, BOX), (0.8, 2, OTHER)])
    assert gains(objects, detections, find_errors(objects, detections))[MISSED] == pytest.approx(50 / 101)


def test_only_the_surest_mistake_mends_an_object() -> None:
    # Both boxes are mislocated about one object: mended, one is right and the other gone: AP 1, not 1 of 2.
    objects, detections = lay([(1, BOX)], [(0.9, 1, HALF), (0.8, 1, HALF)])
    errors = find_errors(objects, detections)
    assert errors.counts()["localisation"] == 2
    assert gains(objects, detections, errors)["localisation"] == pytest.approx(1.0)


def test_an_object_is_mended_by_one_mistake_of_either_kind() -> None:
    # 0.9 is mislocated, 0.8 misclassified, both about the one object: mending classes alone gives nothing.
    objects, detections = lay([(1, BOX)], [(0.9, 1, HALF), (0.8, 2, BOX)])
    gained = gains(objects, detections, find_errors(objects, detections))
    assert gained["localisation"] == pytest.approx(1.0)
    assert gained["classification"] == 0


def test_a_mistake_about_an_object_that_was_found_goes_when_mended() -> None:
    # The second object stays missing, so mending the wrong class of a box on the first gains nothing.
    objects, detections = lay([(1, BOX), (1, FAR)], [(0.9, 1, BOX), (0.8, 2, BOX)])
    errors = find_errors(objects, detections)
    assert errors.counts()["classification"] == 1
    assert not errors.mends.any()
    assert gains(objects, detections, errors)["classification"] == 0


@pytest.mark.parametrize("seed", range(20))
def test_unmended_it_is_coco_ap(scene: Any, seed: int) -> None:
    """The base of every gain is mAP at IoU 0.5 as `average_precision` has it."""
    objects, detections, pictures, classes = scene(seed)
    errors = find_errors(objects, detections)
    matches = match_detections(objects, detections, pictures, classes)
    wanted = mean_known(average_precision(matches)[:, AT_50])
    right = errors.kind == RIGHT
    kept = errors.kind != IGNORED
    scores = [
        average_precision_of(
            detections.scores[kept & (detections.category_ids == one)],
            right[kept & (detections.category_ids == one)],
            int((~objects.is_crowd & (objects.category_ids == one)).sum()),
        )
        for one in classes.tolist()
    ]
    assert mean_known(np.array(scores)) == pytest.approx(wanted, abs=1e-12)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10_000))
def test_every_detection_has_one_kind_and_mending_never_hurts(scene: Any, seed: int) -> None:
    objects, detections, *_ = scene(seed)
    errors = find_errors(objects, detections)
    assert set(errors.kind.tolist()) <= {RIGHT, IGNORED, *range(len(KINDS))}
    counts = errors.counts()
    right, ignored = (errors.kind == RIGHT).sum(), (errors.kind == IGNORED).sum()
    assert sum(counts[name] for name in KINDS) + right + ignored == len(errors.kind)
    about = errors.meant_for[np.isin(errors.kind, [RIGHT])]
    assert len(set(about.tolist())) == len(about)  # no object is found twice
    for name, gain in gains(objects, detections, errors).items():
        assert gain >= -1e-12, name


def test_nothing_found_and_nothing_there() -> None:
    objects, detections = lay([(1, BOX)], [])
    errors = find_errors(objects, detections)
    assert errors.counts() == dict.fromkeys(KINDS, 0) | {MISSED: 1}
    assert gains(objects, detections, errors) == dict.fromkeys((*KINDS, MISSED), 0.0)
    empty, nothing = lay([], [])
    assert np.isnan(gains(empty, nothing, find_errors(empty, nothing))[MISSED])
