"""Which features of a set are the picture, its class, its objects, and what becomes of them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from glasshouse.geometry.rle import decode_mask
from glasshouse.sources.example import SourceError
from glasshouse.sources.tfds_examples import ExampleReader, make_unique, scale_boxes
from glasshouse.sources.tfds_layout import Boxes, Labels, Layout, find_layout

from .builders import (
    box,
    encode,
    encode_levels,
    image,
    labels,
    make_record,
    prepare,
    read,
)

tfds = pytest.importorskip("tensorflow_datasets")


def test_single_box_takes_the_label_and_four_zeros_are_none(tmp_path: Path) -> None:
    features = {"image": image(), "file_name": tfds.features.Text(), "label": labels()}
    features |= {"head_bbox": tfds.features.BBoxFeature()}
    rows = [
        {"file_name": name, "label": "dog", "head_bbox": bbox, "image": encode(10, 20)}
        for name, bbox in (("a", box(0.1, 0.5, 0.3, 0.75)), ("b.png", box(0.0, 0.0, 0.0, 0.0)))
    ]
    prepare(tmp_path, "Heads", features, {"train": rows})
    source, found = read("heads", tmp_path)
    (head,) = found["train/a.jpg"].objects  # the suffix is that of the bytes
    assert (head.label, head.box_xyxy_px, head.mask) == ("dog", (10.0, 1.0, 15.0, 3.0), None)
    assert found["train/b.png"].objects == () and found["train/b.png"].label == "dog"
    assert source.faults == [] and source.layout.unused == ()


def test_masks_of_objects_and_of_classes(tmp_path: Path) -> None:
    inner = {"bbox": tfds.features.BBoxFeature(), "label": labels(), "mask": image(shape=(None, None, 1))}
    features = {"image": image(), "image/id": np.int64, "objects": tfds.features.Sequence(inner)}
    levels = [[0, 0, 0], [0, 255, 1]]
    things = [
        {"bbox": box(0.5, 0.33, 1.0, 1.0), "label": "dog", "mask": io.BytesIO(encode_levels(mask))}
        for mask in (levels, [[1, 1]])
    ]
    rows = [{"image": encode(2, 3), "image/id": 77, "objects": things}]
    prepare(tmp_path, "Masks", features, {"train": rows})
    source, found = read("masks", tmp_path)
    first, second = found["train/77.jpg"].objects
    assert first.mask is not None
    assert decode_mask(first.mask, 2, 3).tolist() == [[False] * 3, [False, True, True]]
    assert second.mask is None
    (fault,) = source.faults
    assert (fault.kind, fault.action, fault.picture) == ("mask_unusable", "repaired", "train/77.jpg")
    assert "2 x 1 pixels, the picture 3 x 2" in fault.reason

    regions = tfds.features.LabeledImage(labels=["background", "sky", "sea"], shape=(None, None, 1))
    rows = [{"image": encode(2, 3), "scene": encode_levels([[0, 2, 2], [9, 2, 0]])}]
    prepare(tmp_path, "Scenes", {"image": image(), "scene": regions}, {"train": rows})
    source, found = read("scenes", tmp_path)
    (sea,) = found["train/0.jpg"].objects
    assert (sea.label, sea.box_xyxy_px, sea.is_crowd) == ("sea", (1.0, 0.0, 3.0, 2.0), False)
    assert sea.mask is not None
    assert decode_mask(sea.mask, 2, 3).tolist() == [[False, True, True], [False, True, False]]
    assert source.categories == ("sky", "sea")


def test_withheld_labels_are_none(tmp_path: Path) -> None:
    rows = [{"image": encode(8, 8), "label": -1}, {"image": encode(8, 8, 1), "label": "owl"}]
    prepare(tmp_path, "Withheld", {"image": image(), "label": labels()}, {"test": rows})
    source, found = read("withheld", tmp_path)
    assert sorted(str(example.label) for example in found.values()) == ["None", "owl"]
    assert source.faults == []


def test_labels_out_of_range_and_uneven_objects_are_set_aside() -> None:
    names = Labels("objects/label", ("cat", "dog"))
    layout = Layout("image", None, Labels("label", ("x",)), Boxes("objects/bbox", names), None, ())
    reader = ExampleReader(layout)
    record = make_record(
        image=[encode(10, 10)], label=[4], objects__bbox=[0.0, 0.0, 1.0, 1.0] * 3, objects__label=[0, 7, -1]
    )
    example = reader.read(record, None)
    assert [thing.label for thing in example.objects] == ["cat"] and example.label is None
    assert [(fault.kind, fault.place) for fault in reader.faults] == [
        ("label_unknown", "train[5] label"),
        ("label_unknown", "train[5] objects/bbox[1]"),
        ("label_unknown", "train[5] objects/bbox[2]"),
    ]
    assert "class number 7 is not among 0..1" in reader.faults[1].reason
    uneven = make_record(image=[encode(10, 10)], objects__bbox=[0.0] * 8, objects__label=[0])
    assert reader.read(uneven, None).objects == ()
    assert reader.faults[-1].kind == "objects_uneven"


def test_bytes_that_are_no_picture_keep_their_name_and_have_no_boxes() -> None:
    layout = Layout("image", "name", None, Boxes("bbox", Labels("label", ("cat",))), None, ())
    record = make_record(image=[b"nothing"], name=[b"a b\xc3\xbc.jpg"], bbox=[0.0, 0.0, 1.0, 1.0], label=[0])
    example = ExampleReader(layout).read(record, "train")
    assert (example.file_name, example.picture, example.objects) == ("train/a bü.jpg", b"nothing", ())


def test_boxes_go_with_the_stored_pixels_of_a_picture_that_exif_turns() -> None:
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (80, 40)).save(buffer, "JPEG", exif=exif)
    layout = Layout("image", None, None, Boxes("bbox", Labels("label", ("cat",))), None, ())
    record = make_record(image=[buffer.getvalue()], bbox=[0.0, 0.5, 1.0, 1.0], label=[0])
    example = ExampleReader(layout).read(record, None)
    assert example.labelled_size == (40, 80)
    assert example.objects[0].box_xyxy_px == (40.0, 0.0, 80.0, 40.0)


@given(st.integers(1, 8000), st.integers(1, 8000), st.data())
def test_pixel_numbers_come_back_whole_from_float32_shares(height: int, width: int, data: Any) -> None:
    ys = sorted(data.draw(st.tuples(st.integers(0, height), st.integers(0, height))))
    xs = sorted(data.draw(st.tuples(st.integers(0, width), st.integers(0, width))))
    shares = np.array([ys[0] / height, xs[0] / width, ys[1] / height, xs[1] / width], np.float32)
    (back,) = scale_boxes(shares.astype(np.float64).reshape(1, 4), (height, width))
    assert back == (xs[0], ys[0], xs[1], ys[1])


def test_names_that_repeat_are_numbered() -> None:
    names: set[str] = set()
    given_names = ["a.jpg", "a.jpg", "a~2.jpg", "a.jpg", "b"]
    assert [make_unique(name, names) for name in given_names] == [
        "a.jpg",
        "a~2.jpg",
        "a~2~2.jpg",
        "a~3.jpg",
        "b",
    ]


@pytest.mark.parametrize(
    "features, wanted",
    [
        ({"sentence": "Text", "label": "ClassLabel"}, "no picture to look at.*sentence: Text"),
        ({"image": "Image"}, "no class or box.*image: Image"),
        ({"left": "Image", "right": "Image", "label": "ClassLabel"}, "no picture to look at"),
        ({"image": "Image", "faces": ["Text"]}, r"faces: Sequence of \{bbox: BBoxFeature, label: Text\}"),
        ({"image": "float Image", "label": "ClassLabel"}, "no picture to look at"),
    ],
)
def test_features_that_are_no_labelled_pictures_are_listed(features: dict[str, Any], wanted: str) -> None:
    kinds: dict[str, Callable[[], Any]] = {
        "Text": tfds.features.Text,
        "ClassLabel": labels,
        "Image": image,
        "float Image": lambda: image(shape=(None, None, 1), dtype=np.float32),
    }
    made = {
        key: kinds[kind]()
        if isinstance(kind, str)
        else tfds.features.Sequence({"bbox": tfds.features.BBoxFeature(), "label": tfds.features.Text()})
        for key, kind in features.items()
    }
    with pytest.raises(SourceError, match=f"{wanted}.*Supported: an Image with a ClassLabel"):
        find_layout(tfds.features.FeaturesDict(made), None, "odd")


REAL = {
    "tf_flowers": ("label", None, 5),
    "voc/2007": (None, "objects/bbox", 20),
    "oxford_iiit_pet": ("label", "segmentation_mask", 37),
    "stanford_dogs": ("label", "objects/bbox", 120),
    "caltech_birds2011": ("label", "bbox", 200),
    "open_images_challenge2019_detection": (None, "bobjects/bbox", 500),
    "kitti": (None, "objects/bbox", 8),
    "mnist": ("label", None, 10),
    "wider_face": (None, "faces/bbox", 1),
    "stanford_online_products": ("class_id", None, 22634),
    "lfw": ("label", None, 0),
}


@pytest.mark.parametrize("name", REAL)
def test_features_of_real_sets_are_found_by_themselves(name: str, tmp_path: Path) -> None:
    info = tfds.builder(name, data_dir=tmp_path).info
    layout = find_layout(info.features, info.supervised_keys, name)
    boxes = layout.boxes.key if layout.boxes else layout.mask
    assert (layout.label and layout.label.key, boxes, len(layout.categories)) == REAL[name]
    assert layout.picture == "image"
