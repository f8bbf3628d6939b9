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
    "min_box_px": 2.0,
    "min_class_pictures": 5,
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
    return {
        "images": images,
        "objects": objects,
        "categories": pd.DataFrame({"category_id": [1, 2, 3], "name": NAMES}),
        "statistics": statistics,
        "quarantine": quarantine.astype({"bytes": "int64"}),
    }


SAME_BOX = [
    ("put", "objects", 1, column, value)
    for column, value in {"image_id": 1, "category_id": 1, "x_min_px": 1.0, "x_max_px": 21.0}.items()
]
BAD_FILES = [
    ("add", "quarantine", {"file_name": f"bad{i}.jpg", "reason": "truncated", "bytes": 7}) for i in range(3)
]
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
    "category_name_filled": [("put", "categories", 1, "name", " "), ("fill", "images", "label", "rose")],
    "category_name_unique": [("put", "categories", 2, "name", "tulip"), ("fill", "images", "label", "tulip")],
    "label_known": [("put", "images", 23, "label", "thistle")],
    "picture_labelled": [("head", "objects", 0)],
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
    "copies_labelled_alike": {"exact_copies"},
    "quarantined_share": {"nothing_quarantined"},
    "level_range": {"not_bright"},
    "category_name_filled": {"class_has_pictures", "class_has_enough_pictures"},
    "class_has_pictures": {"class_has_enough_pictures"},
}
