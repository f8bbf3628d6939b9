"""Sound tables of split, and for each check an edit that it alone, or with the named others, must notice."""

import pandas as pd

LIMITS = {"ratio_tolerance": 0.02, "class_mix_tolerance": 0.10}


def make_tables():
    """40 pictures, two classes by turns: 28 train, 8 valid, 4 test; 1, 2 are near, 3, 4 exact copies, 7, 8 of
    one patient; tulips are drawn more often."""
    ids = list(range(1, 41))
    splits = ["train"] * 28 + ["valid"] * 8 + ["test"] * 4
    images = pd.DataFrame(
        {
            "image_id": ids,
            "file_name": [f"{i:02d}.png" for i in ids],
            "sha256": [f"{3 if i == 4 else i:064x}" for i in ids],
            "label": ["rose" if i % 2 else "tulip" for i in ids],
            "given_split": splits,
            "given_group": ["patient 7" if i in (7, 8) else None for i in ids],
        }
    )
    groups = [{2: 1, 4: 3, 8: 7}.get(i, i) for i in ids]
    weights = [1.5 if i <= 28 and i % 2 == 0 else 1.0 for i in ids]
    names = ["train", "valid", "test"]
    return {
        "images": images,
        "objects": pd.DataFrame({"image_id": [], "category_id": []}).astype("int64").assign(is_crowd=False),
        "categories": pd.DataFrame({"category_id": [1, 2], "name": ["rose", "tulip"]}),
        "split": pd.DataFrame({"image_id": ids, "split": splits, "group": groups, "weight": weights}),
        "accepted": pd.DataFrame({"image_id": ids[4:6], "split": "train"}),
        "left_out": pd.DataFrame({"image_id": [50], "lies_between": pd.Series([None], dtype="str")})[:0],
        "plan": pd.DataFrame(
            {"split": names, "share": [0.7, 0.2, 0.1], "method": "stratified", "balance": "oversample"}
        ),
    }


# An official split: it has no shares, and copies in it are told, not forbidden.
GIVEN = [("fill", "plan", "method", "given"), ("fill", "plan", "share", float("nan"))]

BREAKS = {
    "split_known": [("put", "split", 10, "split", "holdout"), ("put", "split", 10, "weight", 1.0)],
    "picture_in_one_split": [("double", "split", 10)],
    "picture_assigned": [("remove", "split", 10)],
    "picture_not_left_out": [
        ("put", "split", 10, "split", None),
        ("add", "left_out", {"image_id": 11, "lies_between": "05.png (train), 39.png (test)"}),
    ],
    "accepted_picture_stays": [("put", "accepted", 0, "split", "valid")],
    "assigned_picture_exists": [
        ("add", "split", {"image_id": 99, "split": "train", "group": 99, "weight": 1.0})
    ],
    "split_as_given": [*GIVEN, ("put", "images", 10, "given_split", "test")],
    "near_copies_together": [("put", "split", 0, "split", "valid")],
    "exact_copies_together": [("put", "split", 2, "split", "valid"), ("put", "split", 2, "group", 4)],
    "given_groups_together": [("put", "split", 6, "split", "valid"), ("put", "split", 6, "group", 29)],
    "copies_not_sliced_through": [
        ("put", "split", 0, "split", "valid"),
        ("fill", "plan", "method", "ordered"),
    ],
    "weight_at_least_one": [("put", "split", 10, "weight", 0.9)],
    "weight_within_reason": [("put", "split", 10, "weight", 5.3)],  # above the root of 28, 5.29
    "weight_one_unless_oversampled": [("put", "split", 30, "weight", 1.5)],
    "split_has_pictures": [("put", "split", row, "split", "train") for row in range(36, 40)],
    "share_as_planned": [("put", "split", row, "split", "valid") for row in (24, 26, 20)],
    "share_free_to_reach": [
        *[("add", "accepted", {"image_id": row + 1, "split": "valid"}) for row in range(28, 36)],
        *[("put", "split", row, "split", "valid") for row in (24, 26)],
        *[("add", "accepted", {"image_id": row + 1, "split": "valid"}) for row in (24, 26)],
    ],
    "class_mix_alike": [("put", "images", row, "label", "rose") for row in (29, 31, 33)],
    "class_in_train": [("put", "images", 30, "label", "lily"), ("put", "images", 37, "label", "lily")],
    "class_in_valid_and_test": [("put", "images", 10, "label", "lily")],
}
COMPANIONS = {"split_has_pictures": {"share_as_planned"}}
