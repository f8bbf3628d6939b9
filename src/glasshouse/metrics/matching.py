"""Which detection found which object: COCO's greedy rule, for all pictures, thresholds and sizes at once.

The result keeps its pictures apart, so that a bootstrap over pictures only weighs them anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from glasshouse.metrics.overlap import (
    Bools,
    Detections,
    Floats,
    Ints,
    Objects,
    areas_px2,
    near_pairs,
    positions,
)

IOU_THRESHOLDS: Floats = np.linspace(0.5, 0.95, 10)
AREA_RANGES_PX2: Mapping[str, tuple[float, float]] = {
    "all": (0.0, 1e10),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e10),
}
MAX_DETECTIONS = 100  # of one class in one picture


@dataclass(frozen=True, slots=True)
class Matches:
    """P pictures, K classes, T IoU thresholds, A area ranges, D detections, G objects.

    Detections stand by class, then falling score, ties by picture; of each picture and class only the best
    MAX_DETECTIONS. `hit` and `ignored` exclude one another; a detection that is neither is a false positive.
    """

    picture_ids: Ints  # (P,) rising
    category_ids: Ints  # (K,) rising
    areas: tuple[str, ...]  # A names
    iou_thresholds: Floats  # (T,)
    picture: Ints  # (D,) 0..P-1
    category: Ints  # (D,) 0..K-1
    rank: Ints  # (D,) 0 = surest of its picture and class
    scores: Floats  # (D,)
    hit: Bools  # (A, T, D) found an object that counts
    ignored: Bools  # (A, T, D) neither right nor wrong: on a crowd, or out of the area range
    truth_counts: Ints  # (A, K, P) objects that count


def match_detections(
    objects: Objects, detections: Detections, picture_ids: Ints, category_ids: Ints
) -> Matches:
    """Match each picture's detections to its objects, class by class, by COCO's rule.

    From the surest detection down, each takes the free object of its class with the highest IoU at or above
    the threshold; objects that do not count (crowds, or outside the area range) are taken only when no other
    is left, and then the detection is ignored. Crowds can be taken again. Of equal IoUs the last object wins.

    Args:
        objects, detections: rows in any order.
        picture_ids: every picture looked at, also those without objects or detections.
        category_ids: every class.

    Raises:
        ValueError: when a row names a picture or class that is not listed.
    """
    picture_ids, category_ids = np.unique(picture_ids), np.unique(category_ids)
    pictures = len(picture_ids)
    truth_picture = positions(objects.image_ids, picture_ids, "image_id of objects")
    truth_category = positions(objects.category_ids, category_ids, "category_id of objects")
    picture = positions(detections.image_ids, picture_ids, "image_id of detections")
    category = positions(detections.category_ids, category_ids, "category_id of detections")

    order, rank = _rank(category * pictures + picture, detections.scores)
    picture, category = picture[order], category[order]
    scores, boxes_xywh_px = detections.scores[order], detections.boxes_xywh_px[order]
    candidates = _candidates(
        category * pictures + picture, boxes_xywh_px, truth_category * pictures + truth_picture, objects
    )
    hit, ignored, counts = [], [], []
    shape = (len(category_ids), pictures)
    truth_outside = _outside(objects.boxes_xywh_px)
    for outside, uncounted in zip(_outside(boxes_xywh_px), truth_outside | objects.is_crowd, strict=True):
        found = _take(candidates, uncounted, objects.is_crowd, len(scores))
        on_uncounted = (found >= 0) & np.append(uncounted, False)[found]
        hit.append((found >= 0) & ~on_uncounted)
        ignored.append(on_uncounted | ((found < 0) & outside))
        counts.append(_count(truth_category[~uncounted], truth_picture[~uncounted], shape))
    by_score = np.lexsort((-scores, category))
    return Matches(
        picture_ids=picture_ids,
        category_ids=category_ids,
        areas=tuple(AREA_RANGES_PX2),
        iou_thresholds=IOU_THRESHOLDS,
        picture=picture[by_score],
        category=category[by_score],
        rank=rank[by_score],
        scores=scores[by_score],
        hit=np.stack(hit)[:, :, by_score],
        ignored=np.stack(ignored)[:, :, by_score],
        truth_counts=np.stack(counts),
    )


def _rank(groups: Ints, scores: Floats) -> tuple[Ints, Ints]:
    """Rows by group, then falling score, at most MAX_DETECTIONS a group; and each one's rank in its group."""
    order = np.lexsort((-scores, groups))
    rank = _place_in_run(groups[order])
    kept = rank < MAX_DETECTIONS
    return order[kept], rank[kept]


def _place_in_run(values: Ints) -> Ints:
    """0, 1, 2, ... within each run of equal neighbours."""
    index = np.arange(len(values))
    is_first = np.append(True, values[1:] != values[:-1])[: len(values)]
    return index - np.maximum.accumulate(np.where(is_first, index, 0))


def _count(category: Ints, picture: Ints, shape: tuple[int, int]) -> Ints:
    """Rows of each (class, picture), shape (K, P)."""
    return np.bincount(category * shape[1] + picture, minlength=shape[0] * shape[1]).reshape(shape)


def _outside(boxes_xywh_px: Floats) -> Bools:
    """(A, N) boxes outside each area range, whose limits belong to it."""
    area_px2 = areas_px2(boxes_xywh_px)
    return np.stack([(area_px2 < low) | (area_px2 > high) for low, high in AREA_RANGES_PX2.values()])


@dataclass(frozen=True, slots=True)
class _Candidates:
    """The pairs that overlap enough to match; wave = place of the detection among its group's such ones."""

    detection: Ints
    object: Ints
    iou: Floats
    wave: Ints


def _candidates(groups: Ints, boxes_xywh_px: Floats, truth_groups: Ints, objects: Objects) -> _Candidates:
    detection, truth, iou = near_pairs(
        groups, truth_groups, boxes_xywh_px, objects.boxes_xywh_px, objects.is_crowd, IOU_THRESHOLDS[0]
    )
    wave = np.zeros(len(groups), dtype=np.int64)
    able = np.unique(detection)  # detections stand by group and falling score already
    wave[able] = _place_in_run(groups[able])
    return _Candidates(detection, truth, iou, wave[detection])


def _take(candidates: _Candidates, uncounted: Bools, is_crowd: Bools, detections: int) -> Ints:
    """The object that each detection takes, (T, D), -1 for none.

    Waves run from the surest detection of every group to the next; within a wave no two detections want the
    same object, as they are of different groups, so a wave is decided in one go for all thresholds.
    """
    wave, last = candidates.wave, uncounted[candidates.object]
    preference = np.lexsort((-candidates.object, -candidates.iou, last, candidates.detection, wave))
    detection, truth = candidates.detection[preference], candidates.object[preference]
    reaches = candidates.iou[preference] >= np.minimum(IOU_THRESHOLDS, 1 - 1e-10)[:, None]  # (T, pairs)
    found = np.full((len(IOU_THRESHOLDS), detections), -1, dtype=np.int64)
    taken = np.zeros((len(IOU_THRESHOLDS), len(uncounted)), dtype=bool)
    for start, stop in _runs(wave[preference]):
        wave_detection, wave_truth = detection[start:stop], truth[start:stop]
        free = reaches[:, start:stop] & ~taken[:, wave_truth]
        pair = np.where(free, np.arange(stop - start), stop - start)
        firsts = np.flatnonzero(np.append(True, wave_detection[1:] != wave_detection[:-1]))
        best = np.minimum.reduceat(pair, firsts, axis=1)  # (T, detections of the wave)
        threshold, slot = np.nonzero(best < stop - start)
        chosen = best[threshold, slot]
        found[threshold, wave_detection[chosen]] = wave_truth[chosen]
        taken[threshold, wave_truth[chosen]] = ~is_crowd[wave_truth[chosen]]
    return found


def _runs(values: Ints) -> Iterator[tuple[int, int]]:
    """(start, stop) of each run of equal neighbours."""
    edges = np.flatnonzero(np.append(True, values[1:] != values[:-1])[: len(values)]).tolist()
    return pairwise([*edges, len(values)])
