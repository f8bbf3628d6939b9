"""What was wrong with the labels when they were gathered, and what is wrong with the names of the classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from glasshouse.quality.checking.checks import Check, Table, columns
from glasshouse.quality.checking.expect import between, empty, matching, one_of, true, unique
from glasshouse.quality.spelling import find_typos
from glasshouse.tables.gather import count_lost

ACTIONS = ("set_aside", "repaired")
EXAMPLES = 3  # files named for a class whose name looks misspelt

FAULTS = Table(
    "faults",
    (
        *columns("text", "file_name", "kind", "action", "reason"),
        *columns("text", "place", "picture", nullable=True),
    ),
    min_rows=0,
    optional=True,
    remedy="Every faulty label needs its file, its kind and its reason: the reader is at fault.",
)


def derive_labels(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Frames: `classes`, `class_names`, `label_faults`, `label_counts`, `label_choice`, `objects_share`."""
    images, objects, categories = tables["images"], tables["objects"], tables["categories"]
    shown = _show_classes(images, objects, categories)
    classes = categories[["category_id", "name"]].copy()
    counts = shown.groupby("category_id").size()
    classes["pictures"] = classes["category_id"].map(counts).fillna(0).astype("int64")
    return {
        "classes": classes,
        "class_names": _class_names(classes, shown, images),
        "label_faults": _faults(tables["faults"]),
        "label_counts": _count_labels(images, objects, tables["faults"]),
        "label_choice": _label_choice(images),
        "objects_share": _bare_share(images, objects),
        "crowdedness": _crowdedness(images, objects),
    }


def _show_classes(images: pd.DataFrame, objects: pd.DataFrame, categories: pd.DataFrame) -> pd.DataFrame:
    """Which picture shows which class, as its label or as an object: image_id, category_id, once.

    Crowds do not count: nothing is learnt from them, and nothing is scored by them.
    """
    labels = images[["image_id", "label"]].merge(categories, left_on="label", right_on="name")
    things = objects[~objects["is_crowd"].astype(bool)]
    both = pd.concat([labels[["image_id", "category_id"]], things[["image_id", "category_id"]]])
    return both.drop_duplicates()


def _class_names(classes: pd.DataFrame, shown: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """One row a class; where its name looks misspelt, what was meant, and some of the files with it."""
    names = classes.drop_duplicates("name").set_index("name")
    pictures = {str(name): int(count) for name, count in names["pictures"].items()}
    typos = find_typos(pictures)
    files = images.drop_duplicates("image_id").set_index("image_id")["file_name"]
    rows = []
    for name, count in pictures.items():
        meant, difference = typos.get(name, (None, None))
        own = shown.loc[shown["category_id"] == names.at[name, "category_id"], "image_id"]
        examples = own.map(files).dropna().head(EXAMPLES) if meant else ()
        rows.append(
            {"name": name, "pictures": count, "meant": meant, "pictures_of_meant": pictures.get(meant or "")}
            | {"difference": difference, "files": ", ".join(examples) if meant else None}
        )
    kinds = {"name": "str", "pictures": "int64", "meant": "str", "pictures_of_meant": "Int64"}
    frame = pd.DataFrame(rows, columns=[*kinds, "difference", "files"])
    return frame.astype({**kinds, "difference": "str", "files": "str"})


def _faults(faults: pd.DataFrame) -> pd.DataFrame:
    """The faults, with the reason in one of two columns by what was done."""
    reason = faults["reason"]
    return faults.assign(
        set_aside_because=reason.where(faults["action"] == "set_aside"),
        repaired_because=reason.where(faults["action"] == "repaired"),
    )


def _count_labels(images: pd.DataFrame, objects: pd.DataFrame, faults: pd.DataFrame) -> pd.DataFrame:
    """One row: labels that stayed, were set aside (with their picture too) and repaired; the lost share."""
    kept = len(objects) + int(images["label"].notna().sum())
    lost = count_lost(faults)
    repaired = int((faults["action"] == "repaired").sum())
    share = lost / max(kept + lost, 1)
    return pd.DataFrame({"kept": [kept], "set_aside": [lost], "repaired": [repaired], "lost_share": [share]})


def _label_choice(images: pd.DataFrame) -> pd.DataFrame:
    """One row: how many different labels whole pictures carry, null where none carries one, and the first."""
    labels = images["label"].dropna()
    count = float(labels.nunique()) if len(labels) else float("nan")
    return pd.DataFrame({"labels": [count], "pictures": [len(labels)], "label": [labels.min()]})


def _bare_share(images: pd.DataFrame, objects: pd.DataFrame) -> pd.DataFrame:
    bare = ~images["image_id"].isin(objects["image_id"])
    share = bare.mean() if len(objects) else 0.0
    return pd.DataFrame(
        {"pictures": [len(images)], "without_object": [int(bare.sum())], "share": [float(share)]}
    )


def _crowdedness(images: pd.DataFrame, objects: pd.DataFrame) -> pd.DataFrame:
    counts = images["image_id"].map(objects.groupby("image_id").size()).fillna(0).astype("int64")
    return images[["image_id", "file_name"]].assign(objects=counts)


def label_checks(thresholds: Any) -> tuple[Check, ...]:
    """The checks of labels and classes, with the limits of `quality.download`."""
    return (
        *_class_checks(thresholds),
        *_name_checks(),
        *_fault_checks(thresholds),
        *_object_checks(thresholds),
    )


def _class_checks(thresholds: Any) -> tuple[Check, ...]:
    picture = ("image_id", "file_name")
    return (
        Check(
            "label_known",
            "pictures",
            true("known_label"),
            "The label is not among the classes: correct its spelling or add the class.",
            rows=(*picture, "label"),
        ),
        Check(
            "picture_labelled",
            "pictures",
            true("supervised"),
            "No picture has objects and this one has no label: there is nothing to learn from it. "
            "Label or remove it.",
            rows=picture,
        ),
        Check(
            "labels_differ",
            "label_choice",
            between("labels", low=2),
            "All pictures carry this one label, so there is nothing to tell apart: add pictures of another.",
            rows=("label", "pictures"),
        ),
        Check(
            "class_has_pictures",
            "classes",
            between("pictures", low=1),
            "No picture shows this class, other than as a crowd or as difficult: add some, or take it out.",
            rows=("category_id", "name"),
        ),
        Check(
            "class_has_enough_pictures",
            "classes",
            between("pictures", low=thresholds.min_class_pictures),
            "Few pictures show this class; its score will say little. Add some.",
            "warning",
            rows=("category_id", "name"),
        ),
    )


def _name_checks() -> tuple[Check, ...]:
    return (
        Check(
            "category_name_filled",
            "categories",
            matching("name", r"\S"),
            "Give the class a name.",
            rows=("category_id",),
        ),
        Check(
            "category_name_unique",
            "categories",
            unique("name"),
            "Two classes share one name: merge or rename them.",
            rows=("category_id",),
        ),
        Check(
            "label_typo",
            "class_names",
            empty("meant"),
            "The two names are most likely one class: correct the label in these files. If they are two, "
            "name them further apart, or set quality.download.severity: {label_typo: warning}.",
            rows=("name", "meant", "pictures", "pictures_of_meant", "difference", "files"),
        ),
    )


def _fault_checks(thresholds: Any) -> tuple[Check, ...]:
    place = ("file_name", "place", "kind", "picture")
    return (
        Check(
            "fault_action_known",
            "faults",
            one_of("action", ACTIONS),
            f"What was done with a faulty label is one of {', '.join(ACTIONS)}: the reader is at fault.",
            rows=place,
        ),
        Check(
            "no_label_set_aside",
            "label_faults",
            empty("set_aside_because"),
            "These labels were left out and the rest goes on: correct or delete them.",
            "warning",
            rows=place,
        ),
        Check(
            "no_label_repaired",
            "label_faults",
            empty("repaired_because"),
            "These labels were mended: look whether that is what was meant.",
            "warning",
            rows=place,
        ),
        Check(
            "most_labels_sound",
            "label_counts",
            between("lost_share", high=thresholds.max_faulty_labels),
            "Too many labels had to be left out: correct them (no_label_set_aside lists them), or raise "
            "quality.download.max_faulty_labels.",
            rows=("kept", "set_aside", "repaired"),
        ),
    )


def _object_checks(thresholds: Any) -> tuple[Check, ...]:
    return (
        Check(
            "most_pictures_have_objects",
            "objects_share",
            between("share", high=thresholds.max_bare_share),
            "Many pictures have no object: are their annotations missing? If they are meant to be bare, "
            "raise quality.download.max_bare_share.",
            "warning",
            rows=("pictures", "without_object"),
        ),
        Check(
            "objects_countable",
            "crowdedness",
            between("objects", high=thresholds.max_objects),
            "So many objects in one picture are hardly all found (evaluate.max_detections): is the picture "
            "labelled twice? If not, raise quality.download.max_objects.",
            "warning",
            rows=("image_id", "file_name"),
        ),
    )
