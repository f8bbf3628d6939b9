"""Whether prepared boxes still lie on their objects: what a box shows before and after, seen in pixels.

The algebra of a resize may agree with itself and yet be wrong: axes swapped, the padding's offset forgotten,
pixels mirrored and boxes not. So what the raw box shows in the raw picture is compared with what the prepared
box shows in the prepared one, both reduced to a few cells. The same is done with the picture as a whole,
which also notices a picture that carries another one's row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from glasshouse.pictures.decode import decode_picture
from glasshouse.quality.boxes import CORNERS
from glasshouse.quality.shards import read_encoded

PICTURES = 80  # looked at, spread evenly over each split
OBJECTS_EACH = 2  # of a picture, the largest: 80 pictures, 160 objects and 240 comparisons at most
CELLS = 8  # a side
CELL_PX = 2.0  # pixels of either picture that a cell is wide at least: below, their filters differ
SMALLEST_PX = 4.0  # prepared side of a box from which there is something to compare

Box = NDArray[np.float64]
Levels = NDArray[np.uint8]

COLUMNS = {
    "image_id": "int64",
    "file_name": "str",
    "split": "str",
    "what": "str",
    "object_id": "Int64",
    "crop_difference": "float64",
}


def compare_crops(
    folder: Path, tables: Mapping[str, pd.DataFrame], shards: Mapping[str, Sequence[NDArray[Any]]]
) -> pd.DataFrame:
    """The table `crops`: one row a compared box, `crop_difference` in grey levels 0..255.

    Which boxes are compared depends on the tables alone.

    Args:
        folder: data/raw.
        tables: `images`, `objects`, `prepared_images`, `prepared_objects`.
        shards: pixels of each split, arrays (n, height, width, 3), which may be mapped from files.
    """
    sample = _sample_pictures(tables["prepared_images"])
    names = tables["images"].set_index("image_id")["file_name"]
    pictures = {int(row["image_id"]): row for row in sample.to_dict("records")}
    rows: list[dict[str, Any]] = []
    for image_id, encoded in read_encoded(folder, pictures):
        picture = pictures[image_id]
        raw = _grey(decode_picture(encoded).pixels_rgb)
        prepared = _grey(_find_row(shards[picture["split"]], picture["row"]))
        rows += [
            {"image_id": image_id, "file_name": names[image_id], "split": picture["split"], "what": what}
            | {"object_id": object_id, "crop_difference": measure_difference(raw, before, prepared, after)}
            for what, object_id, before, after in _pair_boxes(picture, tables, raw.size, prepared.size)
        ]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)


def _sample_pictures(prepared: pd.DataFrame) -> pd.DataFrame:
    """At most PICTURES rows of `prepared_images`, evenly over them in the order of splits and rows."""
    ordered = prepared.sort_values(["split", "row"], ignore_index=True)
    places = np.linspace(0, len(ordered) - 1, min(PICTURES, len(ordered))).round().astype(int)
    return ordered.iloc[places]


def _grey(pixels: NDArray[Any]) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(pixels)).convert("L")


def _find_row(shards: Sequence[NDArray[Any]], row: int) -> NDArray[Any]:
    for shard in shards:
        if row < len(shard):
            found: NDArray[Any] = shard[row]
            return found
        row -= len(shard)
    raise ValueError(f"There is no row {row} behind the last pixel shard: run preprocess again.")


def _pair_boxes(
    picture: Mapping[Any, Any],
    tables: Mapping[str, pd.DataFrame],
    raw_size: tuple[int, int],
    prepared_size: tuple[int, int],
) -> Iterator[tuple[str, int | None, Box, Box]]:
    """(what, object_id, box in the raw, box in the prepared picture) of what is compared of one picture."""
    scale = np.array([picture["scale_x"], picture["scale_y"]] * 2)
    offset = np.array([picture["offset_x_px"], picture["offset_y_px"]] * 2)
    whole = np.array([0.0, 0.0, *raw_size])
    seen = _clip(whole * scale + offset, prepared_size)
    if _is_large(seen):
        yield "whole picture", None, _clip((seen - offset) / scale, raw_size), seen
    own = tables["prepared_objects"]
    own = own[own["image_id"] == picture["image_id"]]
    area = (own["x_max_px"] - own["x_min_px"]) * (own["y_max_px"] - own["y_min_px"])
    largest = own.loc[area.sort_values(ascending=False, kind="stable").index[:OBJECTS_EACH]]
    raw = tables["objects"].set_index("object_id")[list(CORNERS)]
    for object_id, *corners in largest[["object_id", *CORNERS]].itertuples(index=False):
        after, before = np.array(corners), raw.loc[object_id].to_numpy(np.float64)
        if not _is_large(_clip(after, prepared_size)):
            continue
        # Of a box that the crop cuts, what should be left; of any other the raw box as it is.
        left = np.clip(before * scale + offset, np.tile(seen[:2], 2), np.tile(seen[2:], 2))
        yield "object", int(object_id), _clip((left - offset) / scale, raw_size), _clip(after, prepared_size)


def _clip(box: Box, size: tuple[int, int]) -> Box:
    clipped: Box = np.clip(box, 0.0, [*size, *size])
    return clipped


def _is_large(box: Box) -> bool:
    return bool((box[2:] - box[:2] >= SMALLEST_PX).all())


def measure_difference(raw: Image.Image, before: Box, prepared: Image.Image, after: Box) -> float:
    """Mean difference of grey levels between two crops, cell by cell; 255 where one of them is empty.

    Args:
        raw, prepared: grey pictures.
        before, after: the box in each, xyxy in pixels.
    """
    if not ((before[2:] > before[:2]).all() and (after[2:] > after[:2]).all()):
        return 255.0
    sides = np.minimum(before[2:] - before[:2], after[2:] - after[:2])
    width, height = np.clip(sides // CELL_PX, 1, CELLS).astype(int).tolist()
    crops = [
        np.asarray(
            picture.resize((width, height), Image.Resampling.BILINEAR, box=tuple(box.tolist())), np.float64
        )
        for picture, box in ((raw, before), (prepared, after))
    ]
    return float(np.abs(crops[0] - crops[1]).mean())
