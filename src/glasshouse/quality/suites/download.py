"""Raw pictures and labels: readable, sound, and labelled by what is in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from glasshouse.quality.boxes import BOX, box_checks, measure_boxes
from glasshouse.quality.checking.checks import Check, Table, columns
from glasshouse.quality.checking.expect import (
    between,
    empty,
    equal,
    filled,
    matching,
    one_of,
    row_count,
    unique,
)
from glasshouse.quality.labels import FAULTS, derive_labels, label_checks
from glasshouse.quality.moved import CATEGORY_CHANGES, DRIFT, drift_checks

EIGHT_BIT_MODES = (
    "1",
    "L",
    "LA",
    "La",
    "P",
    "PA",
    "RGB",
    "RGBA",
    "RGBa",
    "RGBX",
    "CMYK",
    "YCbCr",
    "LAB",
    "HSV",
)
TABLES = (
    Table(
        "images",
        (
            *columns("integer", "image_id", "width_px", "height_px"),
            *columns("text", "file_name", "sha256", "phash", "mode"),
            *columns("text", "label", nullable=True),
        ),
        remedy=(
            "Only the label may be missing: run download again; if it stays, the reader of this source "
            "is at fault."
        ),
    ),
    Table(
        "objects",
        (*columns("integer", "object_id", "image_id", "category_id"), *BOX, *columns("flag", "is_crowd")),
        min_rows=0,
        remedy="An object needs its ids and four finite coordinates: correct its annotation.",
    ),
    Table("categories", (*columns("integer", "category_id"), *columns("text", "name"))),
    Table(
        "statistics",
        (*columns("integer", "image_id"), *columns("number", "mean_level", "spread_level", "sharpness")),
    ),
    Table(
        "quarantine",
        (*columns("text", "file_name", "reason"), *columns("integer", "bytes")),
        min_rows=0,
        remedy="Every file set aside needs its name, its reason and its size.",
    ),
    FAULTS,
    Table("copies", columns("integer", "image_id", "group"), min_rows=0, optional=True),
    DRIFT,
    CATEGORY_CHANGES,
)
_PICTURE = ("image_id", "file_name")


def derive(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Pictures with their levels, shapes and labels; boxes measured; files set aside; what each class has."""
    images, objects, categories = tables["images"], tables["objects"], tables["categories"]
    return {
        "pictures": _pictures(images, objects, categories, tables["statistics"]),
        "boxes": measure_boxes(objects, images, categories),
        "files": _files(images, tables["quarantine"]),
        "near_copies": _near_copies(images, tables["copies"]),
        "numbering": _numbering(tables),
        **derive_labels(tables),
    }


def _pictures(
    images: pd.DataFrame, objects: pd.DataFrame, categories: pd.DataFrame, statistics: pd.DataFrame
) -> pd.DataFrame:
    pictures = images.merge(statistics, on="image_id", how="left")
    pictures["short_side_px"] = pictures[["width_px", "height_px"]].min(axis=1)
    pictures["long_side_px"] = pictures[["width_px", "height_px"]].max(axis=1)
    pictures["ratio"] = pictures["long_side_px"] / pictures["short_side_px"].where(
        pictures["short_side_px"] > 0
    )
    pictures["known_label"] = pictures["label"].isna() | pictures["label"].isin(categories["name"])
    # A picture without objects is legitimate where others have some; a set without any needs labels.
    pictures["supervised"] = pictures["label"].notna() | (len(objects) > 0)
    pictures["labels_of_copies"] = pictures.groupby("sha256")["label"].transform("nunique")
    return pictures


def _files(images: pd.DataFrame, quarantine: pd.DataFrame) -> pd.DataFrame:
    files = pd.concat([images[["file_name"]], quarantine[["file_name", "reason"]]], ignore_index=True)
    share = len(quarantine) / max(len(files), 1)
    files["quarantined_share"] = files["reason"].notna().map({True: share, False: 0.0}).astype("float64")
    return files


def _near_copies(images: pd.DataFrame, copies: pd.DataFrame) -> pd.DataFrame:
    """The pictures with the name of the first of their near copies; null for it, and for exact copies."""
    known = images[["image_id", "file_name", "sha256"]].drop_duplicates("image_id").set_index("image_id")
    pictures = images[["image_id", "file_name", "sha256"]].merge(copies, on="image_id")
    same_file = pictures["sha256"] == pictures["group"].map(known["sha256"])
    pictures["near_copy_of"] = pictures["group"].map(known["file_name"]).mask(same_file)
    return pictures


def _numbering(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One row a numbered table: ids run from 1 to the number of rows, as the COCO tools need them."""
    keys = {"images": "image_id", "objects": "object_id", "categories": "category_id"}
    rows = [
        {"table": name, "column": key, "rows": len(tables[name]), "first": ids.min(), "last": ids.max()}
        for name, key in keys.items()
        if len(ids := tables[name][key])
    ]
    return pd.DataFrame(rows).assign(one=1)


def expectations(thresholds: Any) -> tuple[Check, ...]:
    """The checks of raw pictures and labels, with the limits of `quality.download`."""
    return (
        *_id_checks(),
        *_file_checks(thresholds),
        *_set_aside_checks(thresholds),
        *_picture_checks(thresholds),
        *_level_checks(thresholds),
        *label_checks(thresholds),
        *box_checks("boxes", thresholds.min_box_px, "Correct or delete this box in the annotations."),
        *drift_checks(thresholds),
    )


def _id_checks() -> tuple[Check, ...]:
    again = "Run download again; if it stays, the reader of this source is at fault."
    span = ("table", "column", "first", "last", "rows")
    return (
        Check("image_id_unique", "images", unique("image_id"), again, rows=_PICTURE),
        Check("object_id_unique", "objects", unique("object_id"), again, rows=("object_id", "image_id")),
        Check("category_id_unique", "categories", unique("category_id"), again, rows=("category_id", "name")),
        Check("ids_from_one", "numbering", equal("first", "one"), again, rows=span),
        Check("ids_without_gaps", "numbering", equal("last", "rows"), again, rows=span),
        Check("statistics_unique", "statistics", unique("image_id"), again, rows=("image_id",)),
        Check("statistics_complete", "pictures", filled("mean_level"), again, rows=_PICTURE),
    )


def _file_checks(thresholds: Any) -> tuple[Check, ...]:
    return (
        Check(
            "enough_pictures",
            "images",
            row_count(thresholds.min_pictures),
            "Add pictures, or lower quality.download.min_pictures if so few are meant.",
        ),
        Check(
            "file_name_unique",
            "files",
            unique("file_name"),
            "Two files share one name: rename one, or download twice gave the same file.",
            rows=("file_name", "reason"),
        ),
        Check(
            "sha256_form",
            "images",
            matching("sha256", "^[0-9a-f]{64}$"),
            "The hash must be 64 hexadecimal digits: run download again.",
            rows=_PICTURE,
        ),
        Check(
            "phash_form",
            "images",
            matching("phash", "^[0-9a-f]{16}$"),
            "The perceptual hash must be 16 hexadecimal digits: run download again.",
            rows=_PICTURE,
        ),
    )


def _set_aside_checks(thresholds: Any) -> tuple[Check, ...]:
    quarantined = ("file_name", "reason")
    return (
        Check(
            "exact_copies",
            "images",
            unique("sha256"),
            "These files are the same byte for byte; they stay together in the split, unless it is ordered "
            "or given. Delete all but one.",
            "warning",
            rows=_PICTURE,
        ),
        Check(
            "near_copies",
            "near_copies",
            empty("near_copy_of"),
            "These pictures look the same, perhaps mirrored or resized; they stay together in the split, "
            "unless it is ordered or given. Keep one of each, or change split.near_copy_bits.",
            "warning",
            rows=_PICTURE,
        ),
        Check(
            "copies_labelled_alike",
            "pictures",
            between("labels_of_copies", high=1),
            "The same file carries different labels: decide which is right and delete the other copy.",
            "warning",
            rows=(*_PICTURE, "label", "sha256"),
        ),
        Check(
            "nothing_quarantined",
            "files",
            empty("reason"),
            "These files were set aside and the rest goes on. Repair or delete them.",
            "warning",
            rows=quarantined,
        ),
        Check(
            "quarantined_share",
            "files",
            between("quarantined_share", high=thresholds.max_quarantined),
            "Too many files could not be read: repair them, or raise quality.download.max_quarantined.",
            rows=quarantined,
        ),
    )


def _picture_checks(thresholds: Any) -> tuple[Check, ...]:
    size = (*_PICTURE, "width_px", "height_px")
    return (
        Check(
            "picture_large_enough",
            "pictures",
            between("short_side_px", low=thresholds.min_side_px),
            "Remove the picture, or lower quality.download.min_side_px.",
            rows=size,
        ),
        Check(
            "picture_small_enough",
            "pictures",
            between("long_side_px", high=thresholds.max_side_px),
            "Scale the picture down, or raise quality.download.max_side_px.",
            rows=size,
        ),
        Check(
            "picture_ratio",
            "pictures",
            between("ratio", high=thresholds.max_ratio),
            "So long a picture loses its objects when it is resized: cut it up, or raise "
            "quality.download.max_ratio.",
            rows=size,
        ),
        Check(
            "eight_bit_mode",
            "images",
            one_of("mode", EIGHT_BIT_MODES),
            "More than 8 bits a channel are cut to 8: convert the picture with the levels that you want.",
            "warning",
            rows=_PICTURE,
        ),
    )


def _level_checks(thresholds: Any) -> tuple[Check, ...]:
    return (
        Check(
            "level_range",
            "pictures",
            between("mean_level", low=0, high=255),
            "Grey levels lie in 0..255: run download again.",
            rows=_PICTURE,
        ),
        Check(
            "not_dark",
            "pictures",
            between("mean_level", low=thresholds.min_mean_level),
            "Nearly black: look at the picture and delete it, or lower quality.download.min_mean_level.",
            "warning",
            rows=_PICTURE,
        ),
        Check(
            "not_bright",
            "pictures",
            between("mean_level", high=thresholds.max_mean_level),
            "Nearly white: look at the picture and delete it, or raise quality.download.max_mean_level.",
            "warning",
            rows=_PICTURE,
        ),
        Check(
            "not_blank",
            "pictures",
            between("spread_level", low=thresholds.min_spread_level),
            "Nearly of one colour: look at the picture and delete it, or lower "
            "quality.download.min_spread_level.",
            "warning",
            rows=_PICTURE,
        ),
        Check(
            "not_blurred",
            "pictures",
            between("sharpness", low=thresholds.min_sharpness),
            "Hardly an edge in it: look at the picture and delete it, or lower "
            "quality.download.min_sharpness.",
            "warning",
            rows=_PICTURE,
        ),
    )
