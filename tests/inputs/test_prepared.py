"""Prepared splits: what is written, and how rows, labels and boxes come back."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from glasshouse.geometry.rle import encode_mask
from glasshouse.inputs import pixel_shards
from glasshouse.inputs.prepare import Written, take_mask, write_prepared
from glasshouse.inputs.prepared import open_prepared
from glasshouse.inputs.resize import resize_picture
from glasshouse.sources.example import Example, LabelFault, ObjectLabel
from glasshouse.tables.gather import write_raw
from glasshouse.tables.raw import read_raw
from glasshouse.tables.schema import BOX_COLUMNS, build_frame


@dataclass
class Listed:
    """A source over a list."""

    examples: list[Example]
    categories: tuple[str, ...] = ("daisy", "rose", "tulip")
    faults: tuple[LabelFault, ...] = ()

    def __len__(self) -> int:
        return len(self.examples)

    def __iter__(self) -> Iterator[Example]:
        return iter(self.examples)


LABELS = ["daisy", "tulip", "rose", "daisy", "rose", "tulip", "rose"]
SPLITS = ["train", "test", "train", "valid", "train", "train", "test"]
# pictures 200 wide, 100 high; the middle crop to a square shows x 50..150
OBJECTS: list[list[tuple[str, tuple[float, ...], bool]]] = [
    [("daisy", (60, 10, 100, 50), False), ("rose", (0, 0, 40, 40), False), ("tulip", (40, 0, 60, 20), False)],
    [],
    [("rose", (0, 0, 200, 100), True), ("rose", (110, 20, 190, 60), False)],
    [("daisy", (0, 0, 55, 50), False)],
    [],
    [("tulip", (-20, -10, 30, 30), False)],
    [("rose", (0, 0, 49, 49), True)],
]


def paint(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (100, 200, 3), np.uint8)


def encode(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def size(method: str) -> SimpleNamespace:
    return SimpleNamespace(height_px=50, width_px=50, resize=method, pad_value=9)


@pytest.fixture(scope="module")
def raw_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    examples = [
        Example(f"{row}.png", encode(paint(row)), label, tuple(ObjectLabel(*thing) for thing in things))
        for row, (label, things) in enumerate(zip(LABELS, OBJECTS, strict=True))
    ]
    folder = tmp_path_factory.mktemp("data") / "raw"
    write_raw(Listed(examples), folder)
    return folder


@pytest.fixture(scope="module")
def split_table() -> pd.DataFrame:
    return build_frame([(row, split, row, 1.0) for row, split in enumerate(SPLITS, 1)], "split")


@pytest.fixture
def folder(raw_folder: Path, split_table: pd.DataFrame, tmp_path: Path) -> Path:
    write_prepared(raw_folder, split_table, size("crop"), tmp_path / "prepared")
    return tmp_path / "prepared"


def test_pixels_and_rows_are_those_of_the_pictures(folder: Path) -> None:
    train = open_prepared(folder, "train")
    assert train.pixels.shape == (4, 50, 50, 3) and len(train.pixels) == 4
    assert train.images["image_id"].tolist() == [1, 3, 5, 6] and train.images["row"].tolist() == [0, 1, 2, 3]
    gathered = train.pixels.gather([3, 0, 3])
    for pixels, image in zip(gathered, (5, 0, 5), strict=True):
        np.testing.assert_array_equal(pixels, resize_picture(paint(image), size("crop"))[0])
    assert all(isinstance(shard, np.memmap) for shard in train.pixels.maps)
    assert train.pixels.gather([]).shape == (0, 50, 50, 3)


@pytest.mark.parametrize("rows", [[4], [-1, 0]])
def test_rows_out_of_range_are_named(folder: Path, rows: list[int]) -> None:
    with pytest.raises(IndexError, match=r"0\.\.3"):
        open_prepared(folder, "train").pixels.gather(rows)


def test_objects_are_moved_cut_dropped_and_counted(
    raw_folder: Path, split_table: pd.DataFrame, tmp_path: Path
) -> None:
    written = write_prepared(raw_folder, split_table, size("crop"), tmp_path / "prepared")
    # 8 objects; gone: rose at x 0..40 and tulip at -20..30 and the crowd at 0..49 (nothing left),
    # daisy 0..55 (5 of 55 columns left)
    assert written == Written({"test": 2, "train": 4, "valid": 1}, objects=4, dropped_objects=4)
    objects = open_prepared(tmp_path / "prepared", "train").objects
    # x -> (x - 50) / 2, y -> y / 2, cut to 0..50; tulip 40..60 has 10 of 20 columns left
    assert objects[["object_id", "image_id", "category_id"]].to_numpy().tolist() == [
        [1, 1, 1], [3, 1, 3], [4, 3, 2], [5, 3, 2]
    ]  # fmt: skip
    assert objects[BOX_COLUMNS].to_numpy().tolist() == [
        [5, 5, 25, 25], [0, 0, 5, 10], [0, 0, 50, 50], [30, 10, 50, 30]
    ]  # fmt: skip
    assert objects["is_crowd"].tolist() == [False, False, True, False]
    assert open_prepared(tmp_path / "prepared", "valid").objects.empty


def test_an_object_is_labelled_while_a_quarter_of_its_box_is_left(tmp_path: Path) -> None:
    # 20 px wide, seen from x 50: 6 columns (30 %), 5 (25 %) and 4 (20 %) are left.
    things = [ObjectLabel("rose", (x, 0, x + 20, 20), False) for x in (36, 35, 34)]
    write_raw(Listed([Example("1.png", encode(paint(1)), None, tuple(things))]), tmp_path / "raw")
    split = build_frame([(1, "train", 1, 1.0)], "split")
    written = write_prepared(tmp_path / "raw", split, size("crop"), tmp_path / "prepared")
    assert (written.objects, written.dropped_objects) == (2, 1)
    objects = open_prepared(tmp_path / "prepared", "train").objects
    assert objects["object_id"].tolist() == [1, 2]
    assert objects[BOX_COLUMNS].to_numpy().tolist() == [[0, 0, 3, 10], [0, 0, 2.5, 10]]


def test_a_crowd_is_kept_while_any_of_it_is_left(tmp_path: Path) -> None:
    # Seen from x 50: 1 of 51 columns, which a single thing would be dropped for, and none of 50.
    things = [ObjectLabel("rose", (0, 0, x, 20), crowd) for x, crowd in ((51, True), (50, True), (51, False))]
    write_raw(Listed([Example("1.png", encode(paint(1)), None, tuple(things))]), tmp_path / "raw")
    split = build_frame([(1, "train", 1, 1.0)], "split")
    write_prepared(tmp_path / "raw", split, size("crop"), tmp_path / "prepared")
    objects = open_prepared(tmp_path / "prepared", "train").objects
    assert objects["object_id"].tolist() == [1]
    assert objects[BOX_COLUMNS].to_numpy().tolist() == [[0, 0, 0.5, 10]]


def test_letterboxed_objects_are_cut_at_their_picture_not_at_the_padding(
    raw_folder: Path, split_table: pd.DataFrame, tmp_path: Path
) -> None:
    written = write_prepared(raw_folder, split_table, size("letterbox"), tmp_path / "prepared")
    assert written.dropped_objects == 0 and written.objects == 8
    objects = open_prepared(tmp_path / "prepared", "train").objects
    # scale 0.25, 12 rows of padding above (the odd one goes below): (-20, -10, 30, 30) -> (0, 12, 7.5, 19.5)
    assert objects[BOX_COLUMNS].to_numpy()[-1].tolist() == [0, 12, 7.5, 19.5]


def test_labels_are_padded_and_crowds_left_out(folder: Path) -> None:
    boxes, labels = open_prepared(folder, "train").labels()
    assert boxes.dtype == np.float32 and labels.dtype == np.int32
    assert labels.tolist() == [[0, 2], [1, -1], [-1, -1], [-1, -1]]
    assert boxes.tolist() == [
        [[5, 5, 25, 25], [0, 0, 5, 10]], [[30, 10, 50, 30], [0] * 4], [[0] * 4] * 2, [[0] * 4] * 2
    ]  # fmt: skip


def test_labels_stand_by_object_id_wherever_the_rows_stand(folder: Path) -> None:
    train = open_prepared(folder, "train")
    turned = replace(train, objects=train.objects.iloc[::-1].reset_index(drop=True))
    for one, other in zip(train.labels(), turned.labels(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_labels_of_a_split_without_objects_have_one_empty_place(folder: Path) -> None:
    boxes, labels = open_prepared(folder, "valid").labels()
    assert boxes.tolist() == [[[0] * 4]] and labels.tolist() == [[-1]]


def test_class_labels_are_category_id_less_one(folder: Path, tmp_path: Path) -> None:
    train = open_prepared(folder, "train")
    assert train.class_labels().tolist() == [0, 1, 1, 2] and train.class_labels().dtype == np.int32
    write_raw(Listed([Example("1.png", encode(paint(1)))]), tmp_path / "raw")
    write_prepared(
        tmp_path / "raw", build_frame([(1, "train", 1, 1.0)], "split"), size("crop"), tmp_path / "none"
    )
    with pytest.raises(ValueError, match=r"1 pictures have no class label \(image_id \[1\]\)"):
        open_prepared(tmp_path / "none", "train").class_labels()
    with pytest.raises(FileNotFoundError):
        open_prepared(tmp_path / "none", "test")


@pytest.mark.parametrize("method", ["letterbox", "crop", "stretch"])
def test_boxes_go_back_to_the_original(
    raw_folder: Path, split_table: pd.DataFrame, tmp_path: Path, method: str
) -> None:
    write_prepared(raw_folder, split_table, size(method), tmp_path / "prepared")
    train, raw_objects = open_prepared(tmp_path / "prepared", "train"), read_raw(raw_folder).objects
    rows = train.objects["image_id"].map(train.images.set_index("image_id")["row"])
    back = train.to_original(rows, train.objects[BOX_COLUMNS])
    original = raw_objects.set_index("object_id").loc[train.objects["object_id"], BOX_COLUMNS].to_numpy()
    window = np.array([50, 0, 150, 100] if method == "crop" else [0, 0, 200, 100])
    expected = np.clip(original, np.tile(window[:2], 2), np.tile(window[2:], 2))
    np.testing.assert_allclose(back, expected, atol=1e-9)


def test_back_of_many_boxes_a_picture_cuts_at_the_original(folder: Path) -> None:
    train = open_prepared(folder, "train")
    boxes = np.array([[[0, 0, 50, 50], [10, 10, 20, 30]]] * 2, np.float32)
    back = train.to_original([2, 0], boxes)
    assert back.dtype == np.float64
    assert back.tolist() == [[[50, 0, 150, 100], [70, 20, 90, 60]]] * 2
    assert train.to_original([0], [[-100, -5, 200, 60]]).tolist() == [[0, 0, 200, 100]]


def test_shards_are_cut_and_gathered_across(
    raw_folder: Path, split_table: pd.DataFrame, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixel_shards, "SHARD_BYTES", 3 * 50 * 50 * 3)
    write_prepared(raw_folder, split_table, size("crop"), tmp_path / "cut")
    names = sorted(path.name for path in (tmp_path / "cut" / "train").glob("*.npy"))
    assert names == ["pixels-00000-of-00002.npy", "pixels-00001-of-00002.npy"]
    whole, cut = open_prepared(folder, "train"), open_prepared(tmp_path / "cut", "train")
    assert [len(shard) for shard in cut.pixels.maps] == [3, 1]
    rows = [3, 2, 0, 3, 1]
    np.testing.assert_array_equal(cut.pixels.gather(rows), whole.pixels.gather(rows))
    (tmp_path / "cut" / "train" / names[0]).unlink()
    with pytest.raises(FileNotFoundError, match=r"pixels-00000-of-00002\.npy is missing"):
        open_prepared(tmp_path / "cut", "train")


def test_same_bytes_on_a_second_run(raw_folder: Path, split_table: pd.DataFrame, folder: Path) -> None:
    before = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    shuffled = split_table.sample(frac=1, random_state=1)
    write_prepared(raw_folder, shuffled, size("crop"), folder)
    assert {
        path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    } == before
    assert sorted(path.as_posix() for path in before) == [
        "categories.parquet",
        *(f"{split}/{name}" for split in ("test", "train", "valid")
          for name in ("images.parquet", "objects.parquet", "pixels-00000-of-00001.npy")),
    ]  # fmt: skip


Y, X = np.mgrid[:100, :200]
TRIANGLE = (Y >= 20) & (Y < 60) & (X >= 40) & (X - 40 <= 2 * (Y - 20))
HAIR = (X == 150) & (Y >= 10) & (Y < 90)


@pytest.fixture
def masked(tmp_path: Path) -> Path:
    """One picture 200 wide, 100 high, with a masked triangle, a thing without mask, and a hair."""
    things = (
        ObjectLabel("daisy", (40, 20, 119, 60), mask=encode_mask(TRIANGLE)),
        ObjectLabel("rose", (0, 0, 40, 40)),
        ObjectLabel("tulip", (150, 10, 151, 90), mask=encode_mask(HAIR)),
    )
    write_raw(Listed([Example("1.png", encode(paint(1)), None, things)]), tmp_path / "raw")
    return tmp_path


@pytest.mark.parametrize("method", ["letterbox", "crop", "stretch"])
def test_masks_lie_where_their_boxes_do(masked: Path, method: str) -> None:
    write_prepared(masked / "raw", build_frame([(1, "train", 1, 1.0)], "split"), size(method), masked / "out")
    train = open_prepared(masked / "out", "train")
    masks, (boxes, labels) = train.masks(), train.labels()
    assert masks is not None and isinstance(masks.bits, np.memmap)
    slots = {int(label): slot for slot, label in enumerate(labels[0]) if label >= 0}
    known = {label: bool(masks.known[0, slot]) for label, slot in slots.items()}
    # The hair is a quarter, or half, of a pixel wide; crop shows x 50..150.
    assert known == ({0: True} if method == "crop" else {0: True, 1: False, 2: False})
    mask, (left, top) = masks.read(0, slots[0])
    scale_x, scale_y = {"letterbox": (0.25, 0.25), "crop": (0.5, 0.5), "stretch": (0.25, 0.5)}[method]
    shown = TRIANGLE[:, 50:150] if method == "crop" else TRIANGLE
    assert masks.count(0, slots[0]) == mask.sum() == pytest.approx(shown.sum() * scale_x * scale_y, rel=0.05)
    rows, columns = np.nonzero(mask)
    found = [left + columns.min(), top + rows.min(), left + columns.max() + 1, top + rows.max() + 1]
    # What the crop leaves of the triangle begins lower than its box does.
    first = 2 if method == "crop" else 0
    assert found[first:] == pytest.approx(boxes[0, slots[0]].tolist()[first:], abs=1.0)
    shapes = train.shapes()
    assert shapes is not None and isinstance(shapes.packed, np.memmap)
    # A hair has strips where it is too thin to fill a pixel; what has no mask has none.
    told = {label: bool(shapes.counts[0, slot]) for label, slot in slots.items()}
    assert told == ({0: True} if method == "crop" else {0: True, 1: False, 2: True})
    strips, _, _ = shapes.gather(np.zeros(1, np.int64), np.array([slots[0]]))
    x_min, y_min, x_max, y_max = boxes[0, slots[0]].tolist()
    laid = strips * np.tile([x_max - x_min, y_max - y_min], 2) + np.tile([x_min, y_min], 2)
    assert [*laid[:, :2].min(axis=0), *laid[:, 2:].max(axis=0)] == pytest.approx(found, abs=1.0)
    assert (laid[:, 2:] - laid[:, :2]).prod(axis=1).sum() == pytest.approx(mask.sum(), rel=0.07)
    if method != "crop":
        hair, _, _ = shapes.gather(np.zeros(1, np.int64), np.array([slots[2]]))
        assert (hair[:, [0, 2]] == [0, 1]).all() and len(hair) == 80  # its rows, each from side to side


def test_rounding_opens_no_further_row_of_a_masks_pixels() -> None:
    # Columns 8 .. 16 and rows 4 .. 12 of the picture, at a half: 4 .. 8 and 2 .. 6.
    mask = np.zeros((20, 20), bool)
    mask[4:12, 8:16] = True
    for off in (0.0, 1e-9, -1e-9):
        taken = take_mask(mask, np.array([4.0, 2, 8, 6]) + off, np.array([0.5, 0.5, 0, 0]))
        assert taken is not None and taken[1] == (4, 2)
        assert taken[0].shape == (4, 4) and taken[0].all()


def test_masks_of_other_objects_are_refused(masked: Path) -> None:
    split = build_frame([(1, "train", 1, 1.0)], "split")
    write_prepared(masked / "raw", split, size("letterbox"), masked / "out")
    path = masked / "out/train/masks.npy"
    np.save(path, np.load(path)[:-1])
    with pytest.raises(ValueError, match=r"masks\.npy: .* for 3 objects; run `dvc repro preprocess` again"):
        open_prepared(masked / "out", "train")
    write_prepared(masked / "raw", split, size("letterbox"), masked / "out")
    assert open_prepared(masked / "out", "train").masks() is not None


def test_without_masks_there_is_no_file(folder: Path) -> None:
    assert open_prepared(folder, "train").masks() is None
    assert not list(folder.rglob("mask*.npy"))


def test_a_split_of_other_pictures_is_refused(
    raw_folder: Path, split_table: pd.DataFrame, tmp_path: Path
) -> None:
    for wrong in (split_table.iloc[1:], pd.concat([split_table, split_table.iloc[:1]])):
        with pytest.raises(ValueError, match="dvc repro split"):
            write_prepared(raw_folder, wrong, size("crop"), tmp_path / "prepared")
    assert not (tmp_path / "prepared").exists()
