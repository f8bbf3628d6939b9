"""What a detector's mistakes are, and what mending each kind would gain.

Bolya et al., TIDE: A General Toolbox for Identifying Object Detection Errors, ECCV 2020. Every wrong
detection is of exactly one kind, tried in the order of `KINDS` as the paper's own tool does; an object that
no detection found, and that no detection of kind `localisation` or `classification` was meant for, is missed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from glasshouse.metrics.bootstrap import mean_known
from glasshouse.metrics.detection import RECALL_THRESHOLDS
from glasshouse.metrics.matching import MAX_DETECTIONS
from glasshouse.metrics.overlap import Bools, Detections, Floats, Ints, Objects, near_pairs_by_picture

FOUND, NEAR = 0.5, 0.1  # IoU from which a box has found an object (t_f), and is meant for it (t_b)
KINDS = ("localisation", "classification", "duplicate", "both", "background")
MISSED = "missed"
RIGHT, IGNORED = -1, -2  # kinds of detections that are no mistakes


@dataclass(frozen=True, slots=True)
class Errors:
    """D detections and G objects, in the order in which they were given.

    Args:
        kind: (D,) place in KINDS; RIGHT for one that found an object, IGNORED for one on a crowd or beyond
            MAX_DETECTIONS.
        meant_for: (D,) row of the object that a right, misclassified or mislocated detection is about, else
            -1.
        mends: (D,) the surest misclassified or mislocated detection of each object that nobody found: mended
            it would find the object, and the others about it would be in excess.
        missed: (G,) objects that nobody found, nor meant.
    """

    kind: Ints
    meant_for: Ints
    mends: Bools
    missed: Bools

    def counts(self) -> dict[str, int]:
        """How many mistakes there are of each kind."""
        return {name: int((self.kind == place).sum()) for place, name in enumerate(KINDS)} | {
            MISSED: int(self.missed.sum())
        }


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Detection and object of one picture, with IoU; best first for each detection."""

    detection: Ints
    truth: Ints
    iou: Floats
    same_class: Bools


def find_errors(objects: Objects, detections: Detections) -> Errors:
    """Tell the mistakes of `detections`, from the surest down, as the AP at IoU 0.5 sees them."""
    pairs, on_crowd = _pair(objects, detections)
    kind = np.full(len(detections.scores), KINDS.index("background"), dtype=np.int64)
    meant_for = np.full(len(kind), -1, dtype=np.int64)
    _match(kind, meant_for, detections, objects, pairs)
    kind[_beyond(detections)] = IGNORED
    found = np.zeros(len(objects.is_crowd), dtype=bool)
    found[meant_for[kind == RIGHT]] = True
    _tell(kind, meant_for, pairs, found)
    kind[on_crowd & (kind >= 0)] = IGNORED
    meant = found.copy()
    about = np.isin(kind, [KINDS.index("classification"), KINDS.index("localisation")])
    meant[meant_for[about]] = True
    meant_for[~about & (kind != RIGHT)] = -1
    mends = _mends(detections.scores, meant_for, about, found)
    return Errors(kind, meant_for, mends, ~meant & ~objects.is_crowd)


def gains(objects: Objects, detections: Detections, errors: Errors) -> dict[str, float]:
    """By how much mAP at IoU 0.5 would rise if all mistakes of one kind were mended, the others left.

    Mended means, as in the paper: `classification` and `localisation` get the class or box of their object
    (the surest of both kinds for each object not found yet, the others go); `duplicate`, `both` and
    `background` go;
    `missed` objects leave the truth. Gains do not add up.

    The mean is over the same classes always, those that have objects: one whose objects are all missed keeps
    its AP of 0 when they leave, or mending would raise the mean by dropping the worst class. (The paper's own
    tool does drop it where no detection is of that class.) NaN where nothing has objects.
    """
    base = _mean_ap(objects, detections, errors, None)
    return {name: _mean_ap(objects, detections, errors, name) - base for name in (*KINDS, MISSED)}


def _pair(objects: Objects, detections: Detections) -> tuple[_Pairs, Bools]:
    """Every pair of IoU >= NEAR with an object that counts; and which detections lie on a crowd of theirs."""
    detection, truth, iou = near_pairs_by_picture(objects, detections, least=NEAR)
    crowd = objects.is_crowd[truth]
    same_class = detections.category_ids[detection] == objects.category_ids[truth]
    on_crowd = np.zeros(len(detections.scores), dtype=bool)
    on_crowd[detection[crowd & same_class & (iou >= FOUND)]] = True
    own = ~crowd
    detection, truth, iou, same_class = detection[own], truth[own], iou[own], same_class[own]
    # Of equal IoUs the last object wins, as in COCO's matching.
    best = np.lexsort((-truth, -iou, detection))
    return _Pairs(detection[best], truth[best], iou[best], same_class[best]), on_crowd


def _match(kind: Ints, meant_for: Ints, detections: Detections, objects: Objects, pairs: _Pairs) -> None:
    """Mark as RIGHT what COCO's greedy rule matches, the surest first."""
    able = np.flatnonzero(pairs.same_class & (pairs.iou >= FOUND))
    surest = able[np.argsort(-detections.scores[pairs.detection[able]], kind="stable")]
    taken = np.zeros(len(objects.is_crowd), dtype=bool)
    for detection, truth in zip(pairs.detection[surest].tolist(), pairs.truth[surest].tolist(), strict=True):
        if kind[detection] != RIGHT and not taken[truth]:
            kind[detection], meant_for[detection], taken[truth] = RIGHT, truth, True


def _beyond(detections: Detections) -> Bools:
    """Detections that are not among the surest MAX_DETECTIONS of their class and picture."""
    order = np.lexsort((-detections.scores, detections.category_ids, detections.image_ids))
    keys = np.stack([detections.image_ids, detections.category_ids], axis=1)[order]
    starts = np.append(True, (keys[1:] != keys[:-1]).any(axis=1))[: len(order)]
    index = np.arange(len(order))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = index - np.maximum.accumulate(np.where(starts, index, 0))
    return rank >= MAX_DETECTIONS


def _tell(kind: Ints, meant_for: Ints, pairs: _Pairs, found: Bools) -> None:
    """The kind of every wrong detection, by the best object that each kind would be about."""
    wrong = kind[pairs.detection] >= 0
    high, same = pairs.iou >= FOUND, pairs.same_class
    well_placed = np.zeros(len(kind), dtype=bool)
    well_placed[pairs.detection[high & same]] = True
    conditions = {
        "both": ~high & ~same,
        "duplicate": high & same & found[pairs.truth],
        "classification": high & ~same,
        "localisation": ~high & same & ~well_placed[pairs.detection],
    }
    for name, condition in conditions.items():  # the last one written is the first in KINDS
        rows = np.flatnonzero(condition & wrong)[::-1]  # backwards: the best pair is written last
        kind[pairs.detection[rows]] = KINDS.index(name)
        meant_for[pairs.detection[rows]] = pairs.truth[rows]


def _mean_ap(objects: Objects, detections: Detections, errors: Errors, mended: str | None) -> float:
    """mAP at IoU 0.5 with one kind of mistake mended."""
    category, hit = detections.category_ids.copy(), errors.kind == RIGHT
    kept, counted = errors.kind != IGNORED, ~objects.is_crowd
    if mended == MISSED:
        counted = counted & ~errors.missed
    elif mended is not None:
        of_kind = errors.kind == KINDS.index(mended)
        kept = kept & ~of_kind
        rows = np.flatnonzero(of_kind & errors.mends)
        kept[rows], hit[rows] = True, True
        category[rows] = objects.category_ids[errors.meant_for[rows]]
    scores = [
        average_precision_of(
            detections.scores[rows], hit[rows], int((counted & (objects.category_ids == one)).sum())
        )
        for one in np.unique(objects.category_ids[~objects.is_crowd]).tolist()
        for rows in [kept & (category == one)]
    ]
    return float(mean_known(np.nan_to_num(np.array(scores, dtype=np.float64))))  # NaN: no object left


def _mends(scores: Floats, meant_for: Ints, about: Bools, found: Bools) -> Bools:
    """The surest of the mistakes about each object that nobody found."""
    rows = np.flatnonzero(about)
    rows = rows[~found[meant_for[rows]]]
    rows = rows[np.argsort(-scores[rows], kind="stable")]
    mends = np.zeros(len(scores), dtype=bool)
    mends[rows[np.unique(meant_for[rows], return_index=True)[1]]] = True
    return mends


def average_precision_of(scores: Floats, hit: Bools, truth: int) -> float:
    """COCO's 101-point AP of one class from its detections that count; NaN without objects.

    Args:
        scores: (D,) in any order; equal ones rank in row order.
        hit: (D,) whether each found an object.
        truth: number of objects.
    """
    if not truth:
        return float("nan")
    hits = hit[np.argsort(-scores, kind="stable")]
    found = np.cumsum(hits)
    precision = found / np.arange(1, len(hits) + 1)
    best_beyond = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    return float(best_beyond[np.searchsorted(found / truth, RECALL_THRESHOLDS)].mean())
