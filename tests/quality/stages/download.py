"""Sound tables of download; for each check an edit that it alone, or with its companions, must notice."""

import pandas as pd

NAMES = ["rose", "tulip", "lily"]
LIMITS = {
    "min_pictures": 20,
    "min_side_px": 16,
    "max_side_px": 10000,
    "max_ratio": 10.0,
    "max_quarantined": 0.05,
    "min_mean_level": 5.0,
    "max_mean_level": 250.0,
    "min_spread_level": 3.0,
    "min_sharpness": 5.0,
    "min_box_px": 2.0,
    "max_objects": 3,
    "max_bare_share": 0.5,
    "min_class_pictures": 5,
    "max_faulty_labels": 0.1,
    "max_psi": 0.2,
    "max_ks": 0.15,
}
FAULT = {
    "file_name": "labels.csv",
    "place": "line 7",
    "kind": "box_without_area",
    "action": "set_aside",
    "reason": "the box (1, 2, 1, 9) has no area",
    "picture": "07.png",
}
FAULTS = pd.DataFrame({name: pd.Series(dtype="str") for name in FAULT})
DRIFT = {
    "feature": "mean_level",
    "reference": 96.0,
    "present": 99.0,
    "reference_draws": 100.0,
    "present_draws": 24.0,
    **{"psi": 0.3, "psi_by_chance": 0.5, "psi_beyond": 0.0, "ks": 0.2, "ks_by_chance": 0.4, "ks_beyond": 0.0},
}


def make_tables():
    """24 pictures, 64 x 48; number 11 and those from 19 are bare; all but the last carry a label."""
    ids = range(1, 25)
    images = pd.DataFrame(
        {
            "image_id": ids,
            "file_name": [f"{i:02d}.png" for i in ids],
            "sha256": [f"{i:064x}" for i in ids],
            "phash": [f"{i * 977:016x}" for i in ids],
            "width_px": 64,
            "height_px": 48,
            "mode": "RGB",
            "label": [*[NAMES[i % 3] for i in range(23)], None],
        }
    )
    shown = [i for i in range(1, 19) if i != 11]
    objects = pd.DataFrame(
        {
            "object_id": range(1, len(shown) + 1),
            "image_id": shown,
            "category_id": [1 if i % 2 else 3 for i in shown],
            "x_min_px": [float(i) for i in shown],
            "y_min_px": 4.5,
            "x_max_px": [i + 20.0 for i in shown],
            "y_max_px": 40.25,
            "is_crowd": False,
            "mask": None,
        }
    )
    statistics = pd.DataFrame({"image_id": ids, "mean_level": 120.0, "spread_level": 40.0, "sharpness": 9.0})
    quarantine = pd.DataFrame(
        {"file_name": pd.Series(dtype="str"), "reason": pd.Series(dtype="str"), "bytes": []}
    )
    changes = pd.DataFrame({"name": NAMES, "accepted_id": [1, 2, 3], "category_id": [1, 2, 3]})
    changes["change"] = None
    return {
        "images": images,
        "objects": objects,
        "categories": pd.DataFrame({"category_id": [1, 2, 3], "name": NAMES}),
        "statistics": statistics,
        "quarantine": quarantine.astype({"bytes": "int64"}),
        "faults": FAULTS,
        "copies": pd.DataFrame({"image_id": ids, "group": ids}),
        "drift": pd.DataFrame([DRIFT, {**DRIFT, "feature": "mix_of_labels", "ks": None, "ks_beyond": None}]),
        "category_changes": changes.astype({"accepted_id": "Int64", "category_id": "Int64", "change": "str"}),
    }


SAME_BOX = [
    ("put", "objects", 1, column, value)
    for column, value in {"image_id": 1, "category_id": 1, "x_min_px": 1.0, "x_max_px": 21.0}.items()
]
BAD_FILES = [
    ("add", "quarantine", {"file_name": f"bad{i}.jpg", "reason": "truncated", "bytes": 7}) for i in range(3)
]
CROWD = [
    ("add", "objects", {"object_id": 18 + i, "image_id": 1, "category_id": 1, "is_crowd": False, "mask": None}
     | {"x_min_px": 2.0 + i, "y_min_px": 4.5, "x_max_px": 30.0, "y_max_px": 40.25})
    for i in range(3)
]  # fmt: skip
GHOST = ("add", "categories", {"category_id": 4, "name": "ghost"})

BREAKS = {
    "image_id_unique": [("put", "images", 10, "image_id", 12)],
    "object_id_unique": [("put", "objects", 1, "object_id", 1)],
    "category_id_unique": [("put", "categories", 1, "category_id", 1)],
    "ids_from_one": [("put", "objects", 0, "object_id", 0)],
    "ids_without_gaps": [("put", "objects", 16, "object_id", 18)],
    "statistics_unique": [("double", "statistics", 3)],
    "statistics_complete": [("remove", "statistics", 3)],
    "enough_pictures": [("head", "images", 19)],
    "file_name_unique": [("put", "images", 5, "file_name", "05.png")],
    "sha256_form": [("put", "images", 5, "sha256", "F" * 64)],
    "phash_form": [("put", "images", 5, "phash", "12")],
    "exact_copies": [("put", "images", 6, "sha256", f"{4:064x}")],
    "copies_labelled_alike": [("put", "images", 5, "sha256", f"{4:064x}")],
    "near_copies": [("put", "copies", 6, "group", 3)],
    "nothing_quarantined": BAD_FILES[:1],
    "quarantined_share": BAD_FILES,
    "picture_large_enough": [("put", "images", 23, "height_px", 10)],
    "picture_small_enough": [
        ("put", "images", 23, "width_px", 10001),
        ("put", "images", 23, "height_px", 9000),
    ],
    "picture_ratio": [("put", "images", 23, "width_px", 500)],
    "eight_bit_mode": [("put", "images", 23, "mode", "I;16")],
    "level_range": [("put", "statistics", 23, "mean_level", 300.0)],
    "not_dark": [("put", "statistics", 23, "mean_level", 2.0)],
    "not_bright": [("put", "statistics", 23, "mean_level", 252.0)],
    "not_blank": [("put", "statistics", 23, "spread_level", 1.0)],
    "not_blurred": [("put", "statistics", 23, "sharpness", 4.0)],
    "category_name_filled": [("put", "categories", 1, "name", " "), ("fill", "images", "label", "rose")],
    "category_name_unique": [("put", "categories", 2, "name", "tulip"), ("fill", "images", "label", "tulip")],
    "label_typo": [
        ("add", "categories", {"category_id": 4, "name": "tuilp"}),
        ("put", "images", 23, "label", "tuilp"),
    ],
    "fault_action_known": [("add", "faults", {**FAULT, "action": "ignored"})],
    "no_label_set_aside": [("add", "faults", FAULT)],
    "no_label_repaired": [("add", "faults", {**FAULT, "action": "repaired", "place": None, "picture": None})],
    "most_labels_sound": [("add", "faults", FAULT)] * 5,
    "objects_countable": CROWD,
    "stable_by_psi": [("put", "drift", 1, "psi_beyond", 0.21)],
    "stable_by_ks": [("put", "drift", 0, "ks_beyond", 0.16)],
    "categories_as_accepted": [("put", "category_changes", 2, "change", "renumbered")],
    "label_known": [("put", "images", 23, "label", "thistle")],
    "picture_labelled": [("head", "objects", 0)],
    "labels_differ": [("fill", "images", "label", "rose")],
    "class_has_pictures": [GHOST],
    "class_has_enough_pictures": [GHOST, ("put", "images", 23, "label", "ghost")],
    "most_pictures_have_objects": [("head", "objects", 2)],
    "box_has_picture": [("put", "objects", 2, "image_id", 99)],
    "box_has_category": [("put", "objects", 2, "category_id", 9)],
    "box_has_width": [("put", "objects", 2, "x_max_px", 3.0)],
    "box_has_height": [("put", "objects", 2, "y_max_px", 4.5)],
    "box_inside_picture": [("put", "objects", 2, "x_max_px", 64.5)],
    "box_large_enough": [("put", "objects", 2, "x_max_px", 4.5)],
    "box_smaller_than_picture": [
        ("put", "objects", 2, column, value)
        for column, value in {"x_min_px": 0.0, "y_min_px": 0.0, "x_max_px": 64.0, "y_max_px": 48.0}.items()
    ],
    "box_once": SAME_BOX,
}
COMPANIONS = {
    "image_id_unique": {"near_copies"},
    "copies_labelled_alike": {"exact_copies"},
    "quarantined_share": {"nothing_quarantined"},
    "level_range": {"not_bright"},
    "label_typo": {"class_has_enough_pictures"},
    "most_labels_sound": {"no_label_set_aside"},
    "category_name_filled": {"class_has_pictures", "class_has_enough_pictures", "labels_differ"},
    "category_name_unique": {"labels_differ"},
    "labels_differ": {"class_has_pictures", "class_has_enough_pictures"},
    "class_has_pictures": {"class_has_enough_pictures"},
}
