"""What every head is put to: the recall of its codec on real boxes, and eight pictures to learn by heart."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from glasshouse.geometry.boxes import compute_iou_matrix

BCCD = Path(__file__).parents[4] / "shared/data/bccd_voc/BCCD"
BCCD_CLASSES = ("Platelets", "RBC", "WBC")
Labels = dict[
    str, np.ndarray
]  # boxes (B, N, 4) xyxy px float32, labels (B, N) int32 with -1 = padding, label (B,)
RawOf = Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]


def pad_labels(boxes: list[np.ndarray], labels: list[np.ndarray]) -> Labels:
    """A batch of labels as the training stream gives it, from one array a picture."""
    slots = max(1, max(map(len, labels), default=1))
    padded = np.zeros((len(boxes), slots, 4), np.float32)
    names = np.full((len(boxes), slots), -1, np.int32)
    for row, (box, name) in enumerate(zip(boxes, labels, strict=True)):
        padded[row, : len(name)], names[row, : len(name)] = np.reshape(box, (-1, 4)), name
    return {"boxes": padded, "labels": names, "label": np.full(len(boxes), -1, np.int32)}


@cache
def read_bccd() -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Boxes as shares of the picture and classes, one array a picture, of all pictures with an object."""
    boxes, labels = [], []
    for path in sorted((BCCD / "Annotations").glob("*.xml")):
        root = ElementTree.parse(path).getroot()
        side = np.array([float(root.findtext(f"size/{axis}", "0")) for axis in ("width", "height")] * 2)
        things = [
            ([float(thing.findtext(f"bndbox/{key}", "0")) for key in ("xmin", "ymin", "xmax", "ymax")],
             BCCD_CLASSES.index(thing.findtext("name", "")))
            for thing in root.iter("object")
        ]  # fmt: skip
        sound = [(box, name) for box, name in things if box[2] > box[0] and box[3] > box[1]]
        boxes.append(np.reshape([box for box, _ in sound], (-1, 4)) / side)
        labels.append(np.array([name for _, name in sound], np.int32))
    return boxes, labels


def bccd_labels(side_px: int) -> Labels:
    """All of BCCD as one batch, stretched to a square of `side_px`; skips where the data is missing."""
    if not BCCD.is_dir():
        pytest.skip("shared/data/bccd_voc is not here: the ceilings of the codecs are not measured")
    boxes, labels = read_bccd()
    return pad_labels([box * side_px for box in boxes], labels)


def match_one_to_one(overlap: np.ndarray, iou: float) -> int:
    """How many objects (rows) get a box (column) of their own that overlaps them by at least `iou`."""
    found, overlap = 0, overlap.copy()
    while overlap.size and overlap.max() >= iou:
        row, column = np.unravel_index(int(overlap.argmax()), overlap.shape)
        overlap[row, :], overlap[:, column] = -1.0, -1.0
        found += 1
    return found


def measure_recall(
    head: Any, labels: Labels, raw_of: RawOf, *, iou: float = 0.5, score: float = 0.5, chunk: int = 32
) -> float:
    """Share of the objects that are still there after decode(encode(labels)), class right, one box each.

    Args:
        head: built, so that it knows its levels.
        labels: a batch of truth.
        raw_of: targets of `head.encode` -> the raw outputs that say exactly these targets.
        iou: overlap from which a decoded box counts as the object's.
        score: decoded boxes under it are silence.
        chunk: pictures at once.
    """
    found = total = 0
    for start in range(0, len(labels["labels"]), chunk):
        part = {name: value[start : start + chunk] for name, value in labels.items()}
        targets = {name: np.asarray(value) for name, value in head.encode(part).items()}
        decoded = {name: np.asarray(value) for name, value in head.decode(raw_of(targets)).items()}
        for boxes, scores, truth, names in zip(
            decoded["boxes"], decoded["scores"], part["boxes"], part["labels"], strict=True
        ):
            total += int((names >= 0).sum())
            for name in set(names[names >= 0].tolist()):
                overlap = compute_iou_matrix(truth[names == name], boxes[scores[:, name] >= score])
                found += match_one_to_one(overlap, iou)
    return found / total


@dataclass(frozen=True)
class Drawn:
    """Drawn flower beds with their truth."""

    pixels: np.ndarray  # (B, side, side, 3) float32, 0..255
    labels: Labels
    classes: int


@cache
def draw_eight(side_px: int, crowded: bool) -> Drawn:
    """Eight blooms: with several objects each (`crowded`), or with one, the largest, that is the class."""
    from glasshouse.pictures.decode import decode_picture
    from glasshouse.sources.blooms.source import Blooms

    source = Blooms(60, side_px, seed=3, workers=1)
    pixels, boxes, names = [], [], []
    for example in source:
        if (len(example.objects) > 1) == crowded and example.objects and len(pixels) < 8:
            pixels.append(decode_picture(example.picture).pixels_rgb.astype(np.float32))
            boxes.append(np.array([thing.box_xyxy_px for thing in example.objects]))
            names.append(np.array([source.categories.index(thing.label) for thing in example.objects]))
    assert len(pixels) == 8
    return Drawn(np.stack(pixels), pad_labels(boxes, names), len(source.categories))


def learn_by_heart(
    head: Any,
    drawn: Drawn,
    folder: Path,
    *,
    neck: Any = None,
    steps: int = 250,
    rate: float = 2e-3,
    batch: int | None = None,
    **more: Any,
) -> Any:
    """A network with the small backbone and a head of these Params, trained on the eight pictures."""
    import keras

    from glasshouse.models.backbones import csp_compact
    from glasshouse.models.necks import none
    from glasshouse.models.network import build_network, freeze
    from glasshouse.training.checkpoints import Checkpoint
    from glasshouse.training.fit import fit
    from glasshouse.training.learner import Learner
    from glasshouse.training.optimizer import build_optimizer

    keras.utils.set_random_seed(1)
    model: Any = SimpleNamespace(
        task=type(head).task,
        backbone=csp_compact.Params(name="csp_compact", weights="builtin"),
        neck=neck or none.Params(name="none"),
        head=head,
    )
    side = drawn.pixels.shape[1]
    network = build_network(model, height_px=side, width_px=side, classes=drawn.classes, **more)
    targets = {name: np.asarray(value) for name, value in network.head.encode(drawn.labels).items()}
    freeze(network, "all")
    optimizer = build_optimizer(learning_rate=rate, warmup_steps=steps // 10, total_steps=steps)
    fit(
        Learner(network.full, network),
        optimizer,
        lambda first, last: (take_batch(drawn.pixels, targets, batch, step) for step in range(first, last)),
        steps=steps,
        epochs=1,
        checkpoint=Checkpoint(folder / "checkpoint.npz", "by heart"),
    )
    return network


def take_batch(
    pixels: np.ndarray, targets: dict[str, np.ndarray], batch: int | None, step: int
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """All of it, or `batch` pictures drawn by the number of the step."""
    if batch is None:
        return pixels, targets
    rows = np.random.default_rng(step).choice(len(pixels), batch, replace=False)
    return pixels[rows], {name: value[rows] for name, value in targets.items()}


def score_by_heart(network: Any, drawn: Drawn) -> float:
    """mAP at IoU 0.5 of the network on the pictures that it was trained on."""
    from glasshouse.metrics.bootstrap import mean_known
    from glasshouse.metrics.detection import AT_50, average_precision
    from glasshouse.metrics.matching import match_detections
    from glasshouse.metrics.overlap import Detections, Objects
    from glasshouse.models.inference import build_inference

    settings: Any = SimpleNamespace(score_threshold=0.001, nms="hard", nms_iou=0.6, max_detections=100)
    out = {name: np.asarray(v) for name, v in build_inference(network, settings)(drawn.pixels).items()}
    picture, row = np.nonzero(out["labels"] >= 0)
    real = np.nonzero(drawn.labels["labels"] >= 0)
    found = Detections(
        picture, out["labels"][picture, row].astype(np.int64),
        out["scores"][picture, row].astype(np.float64), to_xywh(out["boxes"][picture, row]),
    )  # fmt: skip
    truth = Objects(
        real[0], drawn.labels["labels"][real].astype(np.int64), to_xywh(drawn.labels["boxes"][real]),
        np.zeros(len(real[0]), bool),
    )  # fmt: skip
    matches = match_detections(truth, found, np.arange(len(drawn.pixels)), np.arange(drawn.classes))
    return float(mean_known(average_precision(matches)[:, AT_50]))


def to_xywh(boxes_xyxy_px: np.ndarray) -> np.ndarray:
    boxes = boxes_xyxy_px.astype(np.float64)
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)


@pytest.fixture(scope="session")
def codec() -> Any:
    """`codec.recall(head, labels, raw_of)`, `codec.bccd(side_px)` (skips without the data), `codec.pad`."""
    return SimpleNamespace(recall=measure_recall, bccd=bccd_labels, pad=pad_labels)


@pytest.fixture(scope="session")
def by_heart() -> Any:
    """`by_heart.draw(side_px, crowded)`, `.train(head_params, drawn, folder, ...)`, `.score(network, drawn)`.

    `train` passes what is more to `build_network` (`priors=`); `score` is mAP at IoU 0.5.
    """
    return SimpleNamespace(draw=draw_eight, train=learn_by_heart, score=score_by_heart, Drawn=Drawn)
