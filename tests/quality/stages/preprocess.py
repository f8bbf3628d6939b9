"""Sound tables of preprocess; for each check an edit that it alone, or with its companions, must notice."""

import pandas as pd

LIMITS = {"min_box_px": 1.0, "max_crop_difference": 15.0}
SPLITS = ["train"] * 8 + ["valid"] * 2 + ["test"] * 2
BARE = (7, 8, 10)


def make_tables():
    """12 pictures of 64 x 48, letterboxed to 32 x 32: halved, 4 px further down; 7, 8 and 10 are bare."""
    ids = list(range(1, 13))
    images = pd.DataFrame(
        {"image_id": ids, "file_name": [f"{i:02d}.png" for i in ids], "width_px": 64, "height_px": 48}
    )
    shown = [i for i in ids if i not in BARE]
    objects = pd.DataFrame({"object_id": range(1, len(shown) + 1), "image_id": shown, "category_id": 1})
    prepared = images.drop(columns="file_name").assign(
        split=SPLITS, row=[*range(8), 0, 1, 0, 1], scale_x=0.5, scale_y=0.5, offset_x_px=0.0, offset_y_px=4.0
    )
    raw_box = {"x_min_px": 10.0, "y_min_px": 6.0, "x_max_px": 30.0, "y_max_px": 48.0}
    box = {"x_min_px": 5.0, "y_min_px": 7.0, "x_max_px": 15.0, "y_max_px": 28.0}
    pixels = pd.DataFrame(
        {"split": ["train", "valid", "test"], "count": [8, 2, 2], "height_px": 32, "width_px": 32}
    )
    return {
        "images": images,
        "objects": objects.assign(**raw_box),
        "split": pd.DataFrame({"image_id": ids, "split": SPLITS}),
        "prepared_images": prepared,
        "prepared_objects": objects.assign(**box, split=[SPLITS[i - 1] for i in shown]),
        "pixels": pixels.assign(dtype="uint8", min=0.0, max=255.0, mean=120.0),
        "crops": pd.DataFrame(
            {"image_id": [1, 1], "file_name": "01.png", "split": "train", "what": ["whole picture", "object"]}
        ).assign(object_id=pd.array([None, 1], dtype="Int64"), crop_difference=[1.5, 2.5]),
    }


def put_box(**corners):
    """Another box for the first object."""
    return [("put", "prepared_objects", 0, column, value) for column, value in corners.items()]


BREAKS = {
    "table_counts_as_manifest": [("remove", "prepared_images", 7)],
    "shard_counts_as_manifest": [("put", "pixels", 0, "count", 9)],
    "rows_in_order": [("put", "prepared_images", 3, "row", 2)],
    "prepared_once": [("put", "prepared_images", 6, "image_id", 8)],
    "split_as_manifest": [
        ("put", "prepared_images", 6, "split", "valid"),
        ("put", "prepared_images", 6, "row", 1),
        ("put", "prepared_images", 9, "split", "train"),
        ("put", "prepared_images", 9, "row", 6),
    ],
    "original_size_kept": [("put", "prepared_images", 7, "width_px", 65)],
    "split_once": [("double", "pixels", 0)],
    "one_size": [("put", "pixels", 2, "height_px", 31)],
    "pixels_high": [("fill", "pixels", "height_px", 0)],
    "pixels_wide": [("fill", "pixels", "width_px", 0)],
    "pixels_uint8": [("put", "pixels", 0, "dtype", "float32")],
    "pixels_not_scaled": [("put", "pixels", 0, "max", 1.0), ("put", "pixels", 0, "mean", 0.5)],
    "pixels_not_negative": [("put", "pixels", 0, "min", -1.0)],
    "pixels_not_blank": [("put", "pixels", 0, column, 114.0) for column in ("min", "max", "mean")],
    "pixels_mean_inside": [("put", "pixels", 0, "mean", 255.0)],
    "object_prepared_once": [("double", "prepared_objects", 0)],
    "boxes_moved_with_pictures": put_box(x_min_px=5.1),
    "crops_show_the_same": [("put", "crops", 1, "crop_difference", 15.5)],
    "objects_not_cropped_away": [("remove", "prepared_objects", 0)],
    "box_has_picture": [("put", "prepared_objects", 0, "image_id", 99)],
    "box_has_category": [("put", "prepared_objects", 0, "category_id", 9)],
    "box_has_width": put_box(x_max_px=5.0),
    "box_has_height": put_box(y_max_px=7.0),
    "box_inside_picture": put_box(x_max_px=33.0),
    "box_large_enough": put_box(x_max_px=5.5),
    "box_smaller_than_picture": put_box(x_min_px=0.0, y_min_px=0.0, x_max_px=32.0, y_max_px=32.0),
    "box_once": [("put", "prepared_objects", 1, "image_id", 1)],
}
MOVED = {"boxes_moved_with_pictures"}
NO_ROOM = {"box_inside_picture", *MOVED}
COMPANIONS = {
    "table_counts_as_manifest": {"split_as_manifest"},
    "prepared_once": {"split_as_manifest"},
    "split_once": {"shard_counts_as_manifest"},
    "pixels_high": NO_ROOM,
    "pixels_wide": NO_ROOM,
    "object_prepared_once": {"box_once"},
    **dict.fromkeys(("box_has_width", "box_has_height", "box_inside_picture", "box_large_enough"), MOVED),
    "box_smaller_than_picture": MOVED,
}
