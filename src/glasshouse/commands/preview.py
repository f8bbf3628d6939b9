"""`glasshouse preview`: the training pictures as the network will really see them, with their boxes."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from glasshouse.journal.digests import Digests
from glasshouse.journal.pipeline import PARAMS, find_stale, read_lock, read_pipeline, read_yaml

if TYPE_CHECKING:
    from PIL import Image

PREPARED = Path("data/prepared")
COLUMNS = 6
FILE = "preview.jpg"


def show(options: Namespace) -> int:
    """Write a contact sheet of the first batches of the coming training, augmented as params.yaml says.

    Raises:
        ValueError: the pictures are not prepared yet, or not at the size that params.yaml says; `--out` is a
            folder, or lies in a file.
    """
    from glasshouse.evaluation.gallery import contact_sheet, jpeg_bytes
    from glasshouse.params import read_params
    from glasshouse.tables.folders import name_in_errors

    params = read_params()
    if options.out.is_dir():
        raise ValueError(f"--out {options.out} is a folder: name a file, such as {options.out / FILE}.")
    if options.out.parent.is_file():
        raise ValueError(f"--out {options.out}: {options.out.parent} is a file, and must be a folder.")
    train = open_train(params)
    if reason := find_change(Path()):
        print(
            f"warning: {PREPARED} is not what would be written today (preprocess: {reason}): run "
            "`dvc repro preprocess`.",
            file=sys.stderr,
        )
    names = [str(name) for name in train.categories["name"]]
    images = [draw(*seen, names) for seen in see(params, train, options.pictures, options.composed)]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with name_in_errors(options.out):
        options.out.write_bytes(jpeg_bytes(contact_sheet(images, COLUMNS)))
    print(f"{options.out} written: {len(images)} pictures of the training split")
    return 0


def open_train(params: Any) -> Any:
    """The prepared training split.

    Raises:
        ValueError: it is missing, or in part; its pictures have another size than params.yaml says.
    """
    from glasshouse.inputs.prepared import open_prepared

    try:
        train = open_prepared(PREPARED, "train")
    except FileNotFoundError as error:
        raise ValueError(f"There are no prepared pictures ({error}): run `dvc repro preprocess`.") from error
    found, wanted = train.pixels.shape[1:3], (params.preprocess.height_px, params.preprocess.width_px)
    if found != wanted:
        raise ValueError(
            f"{PREPARED} holds pictures of {found[0]} x {found[1]} px, preprocess in params.yaml says "
            f"{wanted[0]} x {wanted[1]} (height x width): run `dvc repro preprocess`."
        )
    return train


def find_change(root: Path) -> str | None:
    """Why the prepared pictures are not what `dvc repro` would write today; None where they are, or where
    none was locked."""
    lock = read_lock(root)
    if "preprocess" not in lock:
        return None
    values, digests = read_yaml(root / PARAMS), Digests(root)
    stale = find_stale(read_pipeline(root, values), lock, values, digests)
    digests.save()
    return stale.get("preprocess")


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
