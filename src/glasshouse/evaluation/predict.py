"""Runs an inference model over prepared pictures and gives its predictions in original pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from glasshouse.inputs.prepared import Prepared
from glasshouse.tables.schema import BOX_COLUMNS

# (B, H, W, 3) float32, 0..255 -> arrays by name, as the inference model's outputs are called.
Predict = Callable[[NDArray[np.float32]], dict[str, NDArray[Any]]]


def compile_predict(inference: Any) -> Predict:
    """A Keras inference model as a function of arrays.

    Traced once per batch size, ten times quicker a call than `model.predict`.
    """
    import tensorflow as tf

    run = tf.function(lambda pixels: inference(pixels, training=False))

    def predict(pixels: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        return {name: value.numpy() for name, value in run(tf.constant(pixels)).items()}

    return predict


def iter_batches(
    prepared: Prepared, batch_size: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Rows (B,) and pixels (B, H, W, 3) float32 of a split.

    The last batch is filled up with its last picture, rows say how many are real.
    """
    count = len(prepared.images)
    for start in tqdm(range(0, count, batch_size), desc="predict", unit="batch", disable=None):
        rows = np.arange(start, min(start + batch_size, count))
        filled = np.pad(rows, (0, batch_size - len(rows)), mode="edge")
        yield rows, prepared.pixels.gather(filled).astype(np.float32)


def predict_objects(predict: Predict, prepared: Prepared, batch_size: int) -> pd.DataFrame:
    """Detections of a split.

    Image_id, category_id, score, x_min_px, y_min_px, x_max_px, y_max_px in original pixels, by picture and
    falling score.

    Raises:
        ValueError: a box is not a number, naming its picture.
    """
    parts = []
    ids = prepared.images["image_id"].to_numpy()
    for rows, pixels in iter_batches(prepared, batch_size):
        out = {name: value[: len(rows)] for name, value in predict(pixels).items()}
        boxes = prepared.to_original(rows, out["boxes"])
        picture, place = np.nonzero(out["labels"] >= 0)
        found = boxes[picture, place]
        parts.append(
            pd.DataFrame(
                {
                    "image_id": ids[rows[picture]].astype(np.int64),
                    "category_id": out["labels"][picture, place].astype(np.int64) + 1,
                    "score": out["scores"][picture, place].astype(np.float64),
                    **{name: found[:, i] for i, name in enumerate(BOX_COLUMNS)},
                }
            )
        )
    table = pd.concat(parts, ignore_index=True)
    faulty = table[table[BOX_COLUMNS].isna().any(axis=1)]
    if len(faulty):
        raise ValueError(
            f"{len(faulty)} of {len(table)} predicted boxes are no numbers, first of the picture with "
            f"image_id {faulty['image_id'].iloc[0]}: the network's weights or its decoding are at fault."
        )
    # A box that lies in the padding alone has no place in the original picture.
    real = (table["x_max_px"] > table["x_min_px"]) & (table["y_max_px"] > table["y_min_px"])
    return table[real].sort_values(
        ["image_id", "score"], ascending=[True, False], kind="stable", ignore_index=True
    )


def predict_classes(predict: Predict, prepared: Prepared, batch_size: int) -> NDArray[np.float64]:
    """Class probabilities (N, C) of a split, in the order of its rows."""
    parts = [
        predict(pixels)["probabilities"][: len(rows)] for rows, pixels in iter_batches(prepared, batch_size)
    ]
    return np.concatenate(parts).astype(np.float64)
