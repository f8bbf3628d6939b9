"""What a fault must have come to in the tables, where counting it is not enough."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from glasshouse.geometry.rle import decode_mask
from glasshouse.tables.raw import read_raw
from glasshouse.tables.schema import BOX_COLUMNS, read_table

from .builders import GIVEN, HEIGHT_PX, VICTIM, WIDTH_PX, Box, make_scenes, place_boxes
from .builders_labels import SECRET
from .builders_sets import ARCHIVE

STEM = make_scenes()[VICTIM - 1].stem


def find_image(root: Path, ending: str) -> pd.Series:
    """The row of the only picture whose name ends so."""
    images = read_raw(root / "data/raw").images
    (row,) = images.index[images["file_name"].str.endswith(ending)]
    return images.loc[row]


def find_objects(root: Path) -> pd.DataFrame:
    """The victim's objects."""
    objects = read_raw(root / "data/raw").objects
    return objects[objects["image_id"] == find_image(root, f"{STEM}.jpg")["image_id"]]


def demand_boxes(root: Path, boxes: list[Box]) -> None:
    """The victim has these boxes, in this order."""
    np.testing.assert_allclose(find_objects(root)[BOX_COLUMNS].to_numpy(), boxes, atol=1e-9)


def demand_old_boxes(root: Path) -> None:
    """As drawn, on the upright picture."""
    demand_boxes(root, place_boxes(VICTIM))


def demand_one_box(root: Path) -> None:
    """The second box has stayed."""
    demand_boxes(root, place_boxes(VICTIM)[1:])


def demand_second_box(root: Path) -> None:
    """The second box has stayed, as exactly as six digits tell."""
    (box,) = find_objects(root)[BOX_COLUMNS].to_numpy()
    np.testing.assert_allclose(box, place_boxes(VICTIM)[1], atol=1e-3)


def demand_clipped_box(root: Path) -> None:
    """Half of the first box was outside: that half is gone."""
    x_min, y_min, x_max, y_max = place_boxes(VICTIM)[0]
    left = max(x_min - (x_max - x_min), 0.0)
    demand_boxes(root, [(left, y_min, x_max, y_max), place_boxes(VICTIM)[1]])


def demand_box_at_edge(root: Path) -> None:
    """The corner at 0 stays at the edge."""
    _, y_min, x_max, y_max = place_boxes(VICTIM)[0]
    demand_boxes(root, [(0.0, y_min, x_max, y_max), place_boxes(VICTIM)[1]])


def demand_upright(root: Path) -> None:
    """Wider than high again."""
    image = find_image(root, f"{STEM}.jpg")
    assert (image["width_px"], image["height_px"]) == (WIDTH_PX, HEIGHT_PX)


def demand_upright_boxes(root: Path) -> None:
    """Pixels and boxes were turned together."""
    demand_upright(root)
    demand_old_boxes(root)


def demand_crowd(root: Path) -> None:
    """The first object alone is a crowd."""
    assert find_objects(root)["is_crowd"].tolist() == [True, False]


def demand_masks(root: Path) -> None:
    """Each mask is its object's box, filled."""
    for row in find_objects(root).itertuples():
        wanted = np.zeros((HEIGHT_PX, WIDTH_PX), bool)
        wanted[int(row.y_min_px) : int(row.y_max_px), int(row.x_min_px) : int(row.x_max_px)] = True
        np.testing.assert_array_equal(decode_mask(row.mask, HEIGHT_PX, WIDTH_PX), wanted)


def demand_box_without_mask(root: Path) -> None:
    """The mask is gone, the box has stayed."""
    demand_old_boxes(root)
    assert find_objects(root)["mask"].isna().all()


def demand_copies_together(root: Path) -> None:
    """The copy lies in the split of its original."""
    split = read_table("split", root / "data/split.parquet").set_index("image_id")
    rows = split.loc[[find_image(root, name)["image_id"] for name in (f"{STEM}.jpg", "copy.jpg")]]
    assert rows["split"].nunique() == rows["group"].nunique() == 1


def read_splits(root: Path) -> pd.Series:
    """The split of each picture by its base name."""
    both = read_raw(root / "data/raw").images.merge(read_table("split", root / "data/split.parquet"))
    return both["split"].set_axis(both["file_name"].str.rpartition("/")[2])


def demand_given_places(root: Path) -> None:
    """Every picture is where it was when the data was accepted."""
    splits = read_splits(root)
    assert [splits[scene.name] for scene in make_scenes()] == list(GIVEN)


def demand_copy_tests(root: Path) -> None:
    """The copy lies with its original, and that where it was."""
    demand_given_places(root)
    assert read_splits(root)["copy.jpg"] == "test"


def demand_copy_left_out(root: Path) -> None:
    """The copy is in no split, all others are where they were."""
    demand_given_places(root)
    assert pd.isna(read_splits(root)["copy.jpg"])


def demand_group_together(root: Path) -> None:
    """The six pictures of groups.csv lie in one split."""
    images = read_raw(root / "data/raw").images
    split = read_table("split", root / "data/split.parquet").merge(images, on="image_id")
    grouped = split[split["given_group"] == "one afternoon"]
    assert len(grouped) == 6 and grouped["split"].nunique() == 1


def demand_no_secret(root: Path) -> None:
    """Nothing that any stage wrote holds the text of the file outside."""
    written = [path for name in ("data", "reports") for path in (root / name).rglob("*") if path.is_file()]
    assert written
    assert not [path for path in written if SECRET.encode() in path.read_bytes()]


def demand_nothing_unpacked(root: Path) -> None:
    """No file of the archive lies anywhere."""
    assert not list((root / ".glasshouse").rglob("*.jpg"))
    assert [path.name for path in (root / "pictures").iterdir() if path.stem != ARCHIVE] == []
    for folder in (root, root.parent, Path("/tmp")):
        assert not (folder / "escaped.jpg").exists()
