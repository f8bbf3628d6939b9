"""Made-up sets of objects and detections, and pycocotools as the judge."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from glasshouse.metrics.overlap import Detections, Objects

Scene = tuple[Objects, Detections, np.ndarray, np.ndarray]


def judge_by_pycocotools(
    objects: Objects, detections: Detections, picture_ids: Any, category_ids: Any
) -> Any:
    """An accumulated COCOeval of the arrays."""
    coco = pytest.importorskip("pycocotools.coco")
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    frame = {
        "images": [{"id": int(number)} for number in picture_ids],
        "categories": [{"id": int(number)} for number in category_ids],
    }

    def rows(found: Any, extra: list[dict[str, Any]]) -> list[dict[str, Any]]:
        boxes = found.boxes_xywh_px.tolist()
        keys = zip(found.image_ids.tolist(), found.category_ids.tolist(), boxes, extra, strict=True)
        return [
            {
                "id": row,
                "image_id": image,
                "category_id": category,
                "bbox": box,
                "area": box[2] * box[3],
                **more,
            }
            for row, (image, category, box, more) in enumerate(keys, start=1)
        ]

    with contextlib.redirect_stdout(io.StringIO()):
        truth, results = coco.COCO(), coco.COCO()
        truth.dataset = frame | {
            "annotations": rows(objects, [{"iscrowd": int(crowd)} for crowd in objects.is_crowd])
        }
        results.dataset = frame | {
            "annotations": rows(
                detections, [{"score": score, "iscrowd": 0} for score in detections.scores.tolist()]
            )
        }
        truth.createIndex()
        results.createIndex()
        judge = cocoeval.COCOeval(truth, results, "bbox")
        judge.evaluate()
        judge.accumulate()
    return judge


def draw_scene(seed: int, pictures: int = 12, classes: int = 3, detections: int = 120) -> Scene:
    """Real-valued boxes, distinct scores; detections are moved objects, wrong classes, and noise."""
    generator = np.random.default_rng(seed)
    objects = pictures * 3
    boxes = np.concatenate(
        [generator.uniform(0, 150, (objects, 2)), generator.uniform(4, 130, (objects, 2))], axis=1
    )
    truth = Objects(
        generator.integers(1, pictures + 1, objects),
        generator.integers(1, classes + 1, objects),
        boxes,
        generator.random(objects) < 0.1,
    )
    source = generator.integers(0, objects, detections)
    moved = boxes[source] * generator.uniform(0.85, 1.18, (detections, 4))
    category = np.where(
        generator.random(detections) < 0.8,
        truth.category_ids[source],
        generator.integers(1, classes + 1, detections),
    )
    scores = generator.permutation(np.linspace(0.01, 0.99, detections))
    found = Detections(truth.image_ids[source], category, scores, moved)
    return truth, found, np.arange(1, pictures + 1), np.arange(1, classes + 1)


@pytest.fixture
def judge() -> Callable[..., Any]:
    return judge_by_pycocotools


@pytest.fixture
def scene() -> Callable[..., Scene]:
    return draw_scene
