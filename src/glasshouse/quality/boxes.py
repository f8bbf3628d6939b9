"""Boxes measured against their pictures, and the checks that every stage with boxes puts to them."""

from __future__ import annotations

import pandas as pd

from glasshouse.quality.checking.checks import Check, Column
from glasshouse.quality.checking.expect import between, filled, greater, unique

CORNERS = ("x_min_px", "y_min_px", "x_max_px", "y_max_px")
BOX = tuple(Column(corner, "number") for corner in CORNERS)
ROUNDING_PX = 0.01  # what single precision may add to a coordinate of a few thousand pixels
WHOLE_PICTURE = 0.99  # share of the picture's area from which a box marks nothing


def measure_boxes(
    objects: pd.DataFrame, pictures: pd.DataFrame, categories: pd.DataFrame | None = None
) -> pd.DataFrame:
    """The objects with their picture and class looked up and their boxes measured.

    Args:
        objects: with image_id, category_id and the four corners in pixels of the picture.
        pictures: one row a picture: image_id, width_px, height_px, and file_name where there is one.
        categories: category_id and name; without them the class is not looked up.

    Returns:
        One row an object, with picture (image_id, null where there is no such picture), category (name or
        null), overhang_px (how far the box sticks out, 0 inside), short_side_px (null where the box has no
        area), cover (share of the picture; null where the box has no area or sticks out).
    """
    columns = ["image_id", "width_px", "height_px", *(["file_name"] if "file_name" in pictures else [])]
    known = pictures[columns].drop_duplicates("image_id")
    boxes = objects.merge(known.assign(picture=known["image_id"]), on="image_id", how="left")
    if categories is not None:
        names = categories.drop_duplicates("category_id").set_index("category_id")["name"]
        boxes["category"] = boxes["category_id"].map(names)
    sides = pd.DataFrame(
        {"x": boxes["x_max_px"] - boxes["x_min_px"], "y": boxes["y_max_px"] - boxes["y_min_px"]}
    )
    positive = (sides > 0).all(axis=1)
    over = [-boxes["x_min_px"], -boxes["y_min_px"]]
    over += [boxes["x_max_px"] - boxes["width_px"], boxes["y_max_px"] - boxes["height_px"]]
    boxes["overhang_px"] = pd.concat(over, axis=1).max(axis=1).clip(lower=0.0)
    boxes["short_side_px"] = sides.min(axis=1).where(positive)
    area = (sides["x"] * sides["y"]).where(positive & (boxes["overhang_px"] <= ROUNDING_PX))
    boxes["cover"] = area / (boxes["width_px"] * boxes["height_px"])
    return boxes


def box_checks(table: str, min_box_px: float, remedy: str, rows: tuple[str, ...] = ()) -> tuple[Check, ...]:
    """The checks of boxes that `measure_boxes` measured; `rows` are columns that name an object."""
    names = rows or ("object_id", "image_id", "file_name")
    box = (*names, *CORNERS)
    return (
        Check(
            "box_has_picture",
            table,
            filled("picture"),
            "The object belongs to a picture that is not there.",
            rows=names,
        ),
        Check(
            "box_has_category",
            table,
            filled("category"),
            "The object belongs to a class that is not among the categories.",
            rows=(*names, "category_id"),
        ),
        Check("box_has_width", table, greater("x_max_px", "x_min_px"), remedy, rows=box),
        Check("box_has_height", table, greater("y_max_px", "y_min_px"), remedy, rows=box),
        Check(
            "box_inside_picture",
            table,
            between("overhang_px", high=ROUNDING_PX),
            f"The box sticks out of its picture. {remedy}",
            rows=(*box, "width_px", "height_px"),
        ),
        Check(
            "box_large_enough",
            table,
            between("short_side_px", low=min_box_px),
            "So small an object can hardly be found: use larger pictures, or leave it out.",
            "warning",
            rows=box,
        ),
        Check(
            "box_smaller_than_picture",
            table,
            between("cover", high=WHOLE_PICTURE, strict=True),
            "The box is the whole picture and marks nothing: draw it round the object.",
            "warning",
            rows=box,
        ),
        Check(
            "box_once",
            table,
            unique("image_id", "category_id", *CORNERS),
            "The same box stands twice for one class: delete one.",
            "warning",
            rows=names,
        ),
    )
