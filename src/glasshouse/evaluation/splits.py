"""What the evaluate stage hands on: a split's predictions beside its truth, and the tables of its guard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from glasshouse.evaluation.predict import Predict, compile_predict, predict_classes, predict_objects
from glasshouse.evaluation.results import SplitTables
from glasshouse.inputs.prepared import Prepared
from glasshouse.models.inference import build_inference
from glasshouse.models.network import Network
from glasshouse.tables.raw import Raw
from glasshouse.tables.schema import BOX_COLUMNS


def predict_splits(
    predict: Predict,
    network: Network,
    splits: Mapping[str, Prepared],
    raw: Raw,
    params: Any,
) -> dict[str, SplitTables]:
    """Run the network over whole splits.

    Args:
        predict: of `compile_network` on the network.
        network: trained.
        splits: by name.
        raw: truth, in pixels of the original pictures.
        params: all parameters; `model.task` and `evaluate.batch_size` are read.
    """
    task, batch_size = params.model.task, params.evaluate.batch_size

    def run(prepared: Prepared) -> pd.DataFrame:
        if task != "classify":
            return predict_objects(predict, prepared, batch_size)
        rows = predict_classes(predict, prepared, batch_size).tolist()
        return pd.DataFrame({"image_id": prepared.images["image_id"].to_numpy(), "probabilities": rows})

    return {
        name: SplitTables.of(
            part.images["image_id"].to_numpy(),
            raw.images,
            raw.objects,
            raw.categories,
            run(part),
            count_lost(network, part, batch_size),
        )
        for name, part in splits.items()
    }


def compile_network(network: Network, evaluate: Any) -> Predict:
    """Decoded and suppressed predictions of a network, by the block `evaluate` of the parameters."""
    return compile_predict(build_inference(network, evaluate))


def count_lost(network: Network, prepared: Prepared, batch_size: int) -> int | None:
    """Objects of a split that the head's targets have no place for; None where the head has for all.

    Counted `batch_size` pictures at a time: targets of a whole split may not fit into memory.
    """
    count = getattr(network.head, "count_lost", None)
    if count is None:
        return None
    boxes, labels = prepared.labels()
    batches = (slice(start, start + batch_size) for start in range(0, len(labels), batch_size))
    lost = (count({"boxes": boxes[batch], "labels": labels[batch]}) for batch in batches)
    return int(sum(np.asarray(each).sum() for each in lost))


def gather_tables(
    tables: Mapping[str, SplitTables], splits: Mapping[str, Prepared]
) -> dict[str, pd.DataFrame]:
    """The guard's tables, all splits together with a column `split`.

    Prepared_images, prepared_objects, predictions.
    """
    boxes = ["image_id", "category_id", "score", *BOX_COLUMNS]
    gathered = {
        "prepared_images": {name: part.images for name, part in splits.items()},
        "prepared_objects": {name: part.objects for name, part in splits.items()},
        "predictions": {
            name: part.predictions.reindex(columns=boxes)
            for name, part in tables.items()
            if "score" in part.predictions
        },
    }
    return {
        table: pd.concat([part.assign(split=name) for name, part in parts.items()], ignore_index=True)
        if parts
        else _no_boxes(boxes)
        for table, parts in gathered.items()
    }


def _no_boxes(columns: list[str]) -> pd.DataFrame:
    """The predictions of a classifier: no boxes."""
    frame = pd.DataFrame({name: pd.Series(dtype="float64") for name in columns})
    return frame.astype({"image_id": "int64", "category_id": "int64"}).assign(split=pd.Series(dtype="str"))
