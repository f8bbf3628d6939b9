"""Sound tables of split, and for each check an edit that it alone, or with the named others, must notice."""

import pandas as pd

LIMITS = {"ratio_tolerance": 0.02, "class_mix_tolerance": 0.10}


def make_tables():
    """40 pictures, two classes by turns: 28 train, 8 valid, 4 test; 1, 2 are near, 3, 4 exact copies."""
    ids = list(range(1, 41))
    images = pd.DataFrame(
        {
            "image_id": ids,
            "file_name": [f"{i:02d}.png" for i in ids],
            "sha256": [f"{3 if i == 4 else i:064x}" for i in ids],
            "label": ["rose" if i % 2 else "tulip" for i in ids],
        }
    )
    groups = [{2: 1, 4: 3}.get(i, i) for i in ids]
    splits = ["train"] * 28 + ["valid"] * 8 + ["test"] * 4
    names = ["train", "valid", "test"]
    return {
        "images": images,
        "objects": pd.DataFrame({"image_id": [], "category_id": []}).astype("int64"),
        "split": pd.DataFrame({"image_id": ids, "split": splits, "group": groups}),
        "plan": pd.DataFrame({"split": names, "share": [0.7, 0.2, 0.1], "method": "stratified"}),
    }


BREAKS = {
    "split_known": [("put", "split", 10, "split", "holdout")],
    "picture_in_one_split": [("double", "split", 10)],
    "picture_assigned": [("remove", "split", 10)],
    "assigned_picture_exists": [("add", "split", {"image_id": 99, "split": "train", "group": 99})],
    "near_copies_together": [("put", "split", 1, "split", "valid")],
    "exact_copies_together": [("put", "split", 3, "split", "valid"), ("put", "split", 3, "group", 4)],
    "copies_not_sliced_through": [
        ("put", "split", 1, "split", "valid"),
        ("fill", "plan", "method", "ordered"),
    ],
    "split_has_pictures": [("put", "split", row, "split", "train") for row in range(36, 40)],
    "share_as_planned": [("put", "split", row, "split", "valid") for row in range(24, 27)],
    "class_mix_alike": [("put", "images", row, "label", "rose") for row in (29, 31, 33)],
    "class_in_train": [("put", "images", 30, "label", "lily"), ("put", "images", 37, "label", "lily")],
    "class_in_valid_and_test": [("put", "images", 10, "label", "lily")],
}
COMPANIONS = {"split_has_pictures": {"share_as_planned"}}
