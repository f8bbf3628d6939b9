"""`glasshouse preview`: the training pictures as the network will really see them, with their boxes."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

PREPARED = Path("data/prepared")
COLUMNS = 6


def show(options: Namespace) -> int:
    """Write a contact sheet of the first batches of the coming training, augmented as params.yaml says.

    Raises:
        ValueError: the pictures are not prepared yet.
    """
    from glasshouse.evaluation.gallery import contact_sheet, jpeg_bytes
    from glasshouse.inputs.prepared import open_prepared
    from glasshouse.params import read_params

    params = read_params()
    if not PREPARED.is_dir():
        raise ValueError(f"{PREPARED} is missing: run `dvc repro preprocess`.")
    train = open_prepared(PREPARED, "train")
    names = [str(name) for name in train.categories["name"]]
    images = [draw(*seen, names) for seen in see(params, train, options.pictures, options.composed)]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_bytes(jpeg_bytes(contact_sheet(images, COLUMNS)))
    print(f"{options.out} written: {len(images)} pictures of the training split")
    return 0


def see(params: Any, train: Any, count: int, composed: bool) -> list[tuple[NDArray[np.uint8], Any, Any]]:
    """Pixels (H, W, 3), boxes (N, 4) xyxy px and labels (N,) of the first `count` pictures of the stream.

    Args:
        params: all of params.yaml.
        train: the prepared training split.
        count: how many.
        composed: whether mosaics, mixtures and pasted objects are on, as in all but the last epochs.
    """
    from glasshouse.inputs.stream import TrainingStream, may_compose, pictures_of
    from glasshouse.models.catalog import find_part
    from glasshouse.training.runtime import prepare_runtime, training_seed

    prepare_runtime(training_seed(params))
    pictures = pictures_of(train, params.model.task)
    batch = min(params.fine_tune.batch_size, len(pictures))
    head = find_part("heads", params.model.head.name).Head
    is_composed = may_compose(pictures, head, params.augment) and composed
    stream = TrainingStream(
        pictures,
        batch,
        training_seed(params),
        params.augment,
        (lambda epoch: True) if is_composed else None,
        lambda labels: labels,
        params.preprocess.pad_value,
    )
    seen: list[tuple[Any, Any, Any]] = []
    for pixels, labels in stream(0, -(-count // batch)):
        whole = pictures.label is not None
        classes = labels["label"][:, None] if whole else labels["labels"]
        levels = pixels.numpy().round().astype(np.uint8)
        seen += zip(levels, labels["boxes"].numpy(), classes.numpy(), strict=True)
    return seen[:count]


def draw(
    pixels_rgb: NDArray[np.uint8],
    boxes_xyxy_px: NDArray[np.float32],
    labels: NDArray[np.int32],
    names: list[str],
) -> Image.Image:
    """One picture with its boxes and classes; label -1 is padding, a label without a box is of all of it."""
    from glasshouse.evaluation.cases import Case, Mark
    from glasshouse.evaluation.gallery import draw_case

    marks = []
    for label, (left, top, right, bottom) in zip(labels.tolist(), boxes_xyxy_px.tolist(), strict=False):
        if label >= 0:
            box = (left, top, right - left, bottom - top) if right > left else None
            marks.append(Mark("right", names[label], box))
    return draw_case(pixels_rgb, Case(0, "", 0.0, "", tuple(marks)))
