"""TFDS as a source, against sets that TFDS itself writes to disk, and against TFDS's own reading of them."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from glasshouse.geometry.rle import decode_mask
from glasshouse.sources import tfds_sets
from glasshouse.sources.example import SourceError
from glasshouse.sources.tfds import TfdsSource, open_tfds
from glasshouse.sources.tfds_examples import ExampleReader, Record, make_unique, scale_boxes
from glasshouse.sources.tfds_layout import Boxes, Labels, Layout, find_layout
from glasshouse.sources.tfrecords import crc32c, read_tfrecords
from glasshouse.tables.split import slice_in_order

tfds = pytest.importorskip("tensorflow_datasets")

REPOSITORY = Path(__file__).parents[2]
ANIMALS = ["cat", "dog", "owl"]
Rows = dict[str, list[dict[str, Any]]]


def encode(height: int, width: int, level: int = 0, kind: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (level % 256, level // 256, 90)).save(buffer, kind)
    return buffer.getvalue()


def encode_levels(levels: list[list[int]]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.array(levels, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def declare(name: str, features: dict[str, Any], rows: Rows, **attributes: Any) -> type[Any]:
    """A builder class of these features and examples; TFDS knows it from now on by its name."""

    def describe(self: Any) -> Any:
        return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

    def generate(split: list[dict[str, Any]]) -> Iterator[tuple[int, dict[str, Any]]]:
        for number, row in enumerate(split):
            yield number, {key: io.BytesIO(v) if isinstance(v, bytes) else v for key, v in row.items()}

    body = {
        "VERSION": tfds.core.Version("1.2.0"),
        "_info": describe,
        "_split_generators": lambda self, manager: {name: generate(split) for name, split in rows.items()},
        "_generate_examples": generate,
        "__module__": __name__,
        **attributes,
    }
    return type(name, (tfds.core.GeneratorBasedBuilder,), body)


def prepare(folder: Path, name: str, features: dict[str, Any], rows: Rows, **how: Any) -> Any:
    config = tfds.download.DownloadConfig(num_shards=how.pop("shards", 1))
    builder = declare(name, features, rows)(data_dir=folder)
    builder.download_and_prepare(download_config=config, **how)
    return builder


def image(**how: Any) -> Any:
    return tfds.features.Image(**how)


def labels() -> Any:
    return tfds.features.ClassLabel(names=ANIMALS)


def box(y_min: float, x_min: float, y_max: float, x_max: float) -> Any:
    return tfds.features.BBox(ymin=y_min, xmin=x_min, ymax=y_max, xmax=x_max)


def object_features() -> dict[str, Any]:
    inner = {"bbox": tfds.features.BBoxFeature(), "label": labels(), "pose": labels(), "is_crowd": np.bool_}
    return {
        "image": image(),
        "image/filename": tfds.features.Text(),
        "labels": tfds.features.Sequence(labels()),
        "objects": tfds.features.Sequence(inner),
    }


def object_row(name: str, picture: bytes, *objects: tuple[Any, str, bool]) -> dict[str, Any]:
    things = [
        {"bbox": bbox, "label": label, "pose": "owl", "is_crowd": crowd} for bbox, label, crowd in objects
    ]
    return {"image": picture, "image/filename": name, "labels": [], "objects": things}


PICTURES = [encode(40, 80, level) for level in range(4)]


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Laid out as voc and coco are, three splits."""
    folder = tmp_path_factory.mktemp("farm")
    both = [(box(0.25, 0.125, 0.5, 1.0), "owl", False), (box(0.0, 0.1, 0.3, 0.2), "cat", True)]
    rows = {
        "test": [object_row("c.jpg", PICTURES[2])],
        "train": [object_row("a.jpg", PICTURES[0], *both), object_row("b.jpg", PICTURES[1])],
        "validation": [object_row("a.jpg", PICTURES[3], both[0])],
    }
    prepare(folder, "Farm", object_features(), rows)
    return folder


def read(name: str, folder: Path, splits: str = "all") -> tuple[TfdsSource, dict[str, Any]]:
    source = open_tfds(name, splits, str(folder))
    return source, {example.file_name: example for example in source}


def test_objects_come_in_pixels_with_labels_flags_and_official_splits(farm: Path) -> None:
    source, found = read("farm", farm)
    assert source.categories == tuple(ANIMALS)
    assert len(source) == 4 == len(found)
    assert {name: example.split for name, example in found.items()} == {
        "test/c.jpg": "test",
        "train/a.jpg": "train",
        "train/b.jpg": "train",
        "validation/a.jpg": "valid",
    }
    owl, cat = found["train/a.jpg"].objects
    # 80 wide, 40 high: x 0.125 * 80 = 10 to 80, y 0.25 * 40 = 10 to 0.5 * 40 = 20
    assert (owl.label, owl.box_xyxy_px, owl.is_crowd) == ("owl", (10.0, 10.0, 80.0, 20.0), False)
    assert (cat.label, cat.box_xyxy_px, cat.is_crowd) == ("cat", (8.0, 0.0, 16.0, 12.0), True)
    assert owl.origin in [f"train/a.jpg, train[{number}] objects/bbox[0]" for number in (0, 1)]
    assert found["train/a.jpg"].labelled_size == (40, 80)
    assert found["train/b.jpg"].objects == () == found["test/c.jpg"].objects
    assert source.faults == []


def test_encoded_bytes_are_those_that_went_in(farm: Path) -> None:
    _, found = read("farm", farm)
    names = ("train/a.jpg", "train/b.jpg", "test/c.jpg", "validation/a.jpg")
    assert [found[name].picture for name in names] == PICTURES


def test_every_pass_gives_the_same(farm: Path) -> None:
    source = open_tfds("farm:1.2.0", "all", str(farm))
    assert list(source) == list(source)


def test_splits_are_chosen_in_the_order_asked_for(farm: Path) -> None:
    source, found = read("farm", farm, "validation+train")
    assert [name.partition("/")[0] for name in found] == ["validation", "train", "train"]
    assert {example.split for example in found.values()} == {"valid", "train"}
    assert source.about["splits"] == "validation 1, train 2"
    assert source.about["name"] == "farm:1.2.0"
    assert source.about["tensorflow_datasets"] == tfds.__version__
    _, alone = read("farm", farm, "train")
    assert {example.split for example in alone.values()} == {None}


@pytest.mark.parametrize(
    "splits, wanted",
    [("valid", "Did you mean 'validation'"), ("train+tset", "Did you mean 'test'"), ("train+train", "once")],
)
def test_unknown_splits_are_named(farm: Path, splits: str, wanted: str) -> None:
    with pytest.raises(SourceError, match=wanted):
        open_tfds("farm", splits, str(farm))


def test_versions_are_taken_from_disk_from_code_and_by_pattern(farm: Path, tmp_path: Path) -> None:
    for name in ("farm:1.2.0", "farm:1.*.*", "farm:*.*.*", "farm"):
        assert open_tfds(name, "train", str(farm)).name == "farm:1.2.0"
    with pytest.raises(
        SourceError, match=r"farm:3\.0\.0 is not prepared .*there: 1\.2\.0.* makes version 1\.2\.0 only"
    ):
        open_tfds("farm:3.0.0", "train", str(farm))
    with pytest.raises(SourceError, match="name/config or name:version"):
        open_tfds("farm:", "train", str(farm))


def test_a_set_without_code_is_read_from_its_files(farm: Path, tmp_path: Path) -> None:
    """Copied from another machine, where its builder lives."""
    for old, new in (("1.2.0", "1.2.0"), ("1.2.0", "1.10.0")):
        place = tmp_path / "meadow" / new
        place.mkdir(parents=True)
        for file in (farm / "farm" / old).iterdir():
            place.joinpath(file.name.replace("farm", "meadow")).write_bytes(file.read_bytes())
        about = json.loads((place / "dataset_info.json").read_text())
        (place / "dataset_info.json").write_text(json.dumps({**about, "name": "meadow", "version": new}))
    assert open_tfds("meadow", "all", str(tmp_path)).name == "meadow:1.10.0"  # 10 is more than 2
    assert len(open_tfds("meadow:1.2.0", "all", str(tmp_path))) == 4


def test_unknown_names_give_the_nearest(farm: Path) -> None:
    for name, nearest in (
        ("tf_flowerz", "tf_flowers"),
        ("farn", "farm"),
        ("oxford_iit_pet", "oxford_iiit_pet"),
    ):
        with pytest.raises(SourceError, match=f"no set {name}.*Did you mean '{nearest}'"):
            open_tfds(name, "all", str(farm))
    with pytest.raises(SourceError, match=r"voc has no config '2077'. Did you mean '2007'"):
        open_tfds("voc/2077", "all", str(farm))


def test_a_folder_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mnist" / "3.0.1").mkdir(parents=True)
    with pytest.raises(SourceError, match=r"mnist/3\.0\.1 is not a whole set"):
        open_tfds("mnist", "all", str(tmp_path))


def flower_rows(count: int) -> Rows:
    return {"train": [{"image": encode(24, 24, n), "label": ANIMALS[n % 3]} for n in range(count)]}


@pytest.fixture(scope="module")
def flowers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Laid out as tf_flowers is: image and label, one split; in one shard and in three."""
    folder = tmp_path_factory.mktemp("flowers")
    features = {"image": image(), "label": labels()}
    prepare(folder, "Flowers", features, flower_rows(113))
    prepare(folder, "SharedFlowers", features, flower_rows(113), shards=3)
    return folder


@pytest.mark.parametrize("name", ["flowers", "shared_flowers"])
@pytest.mark.parametrize("test, valid", [(0.10, 0.15), (0.33, 0.01)])
def test_ordered_split_equals_tfds_slices_example_for_example(
    flowers: Path, name: str, test: float, valid: float
) -> None:
    first, second = round(test * 100), round((test + valid) * 100)
    pieces = tfds.load(
        name,
        split=[f"train[:{first}%]", f"train[{first}%:{second}%]", f"train[{second}%:]"],
        data_dir=flowers,
        decoders={"image": tfds.decode.SkipDecoding()},
        # TFDS's own order when it reads; without it, it takes turns with 16 pictures of each shard.
        read_config=tfds.ReadConfig(interleave_cycle_length=1),
    )
    examples = list(open_tfds(name, "all", str(flowers)))
    parts = slice_in_order(len(examples), {"test": test, "valid": valid})
    for split, piece in zip(("test", "valid", "train"), pieces, strict=True):
        theirs = [(row["image"], ANIMALS[row["label"]]) for row in tfds.as_numpy(piece)]
        ours = [(e.picture, e.label) for e, part in zip(examples, parts, strict=True) if part == split]
        assert ours == theirs
        assert len(ours) > 0


def test_default_reading_of_many_shards_gives_the_same_pictures_in_each_slice(flowers: Path) -> None:
    skip = {"image": tfds.decode.SkipDecoding()}
    pieces = tfds.load(
        "shared_flowers",
        split=["train[:10%]", "train[10%:25%]", "train[25%:]"],
        data_dir=flowers,
        decoders=skip,
    )
    examples = list(open_tfds("shared_flowers", "all", str(flowers)))
    parts = slice_in_order(len(examples), {"test": 0.10, "valid": 0.15})
    for split, piece in zip(("test", "valid", "train"), pieces, strict=True):
        theirs = {row["image"] for row in tfds.as_numpy(piece)}
        assert {e.picture for e, part in zip(examples, parts, strict=True) if part == split} == theirs


def test_pictures_without_a_name_are_numbered_as_tfds_counts(flowers: Path) -> None:
    examples = list(open_tfds("flowers", "all", str(flowers)))
    assert [example.file_name for example in examples[:2]] == ["train/000.jpg", "train/001.jpg"]
    assert {example.split for example in examples} == {None}
    piece = tfds.load(
        "flowers", split="train[57:58]", data_dir=flowers, decoders={"image": tfds.decode.SkipDecoding()}
    )
    (row,) = tfds.as_numpy(piece)
    assert next(e for e in examples if e.file_name == "train/057.jpg").picture == row["image"]


@pytest.mark.parametrize("file_format", ["array_record", "parquet"])
def test_other_file_formats_hold_the_same(tmp_path: Path, file_format: str) -> None:
    features = {"image": image(), "label": labels()}
    found = {}
    for format_ in ("tfrecord", file_format):
        with tfds.core.registered.skip_registration():
            prepare(tmp_path / format_, "Weeds", features, flower_rows(60), file_format=format_, shards=2)
        found[format_] = list(open_tfds("weeds", "all", str(tmp_path / format_)))
    assert len(found["tfrecord"]) == 60
    assert found[file_format] == found["tfrecord"]


def test_records_that_tfds_lost_are_missed(tmp_path: Path) -> None:
    """TFDS 4.9.10 writes to Parquet the first 100 of a shard and forgets others."""
    features = {"image": image(), "label": labels()}
    prepare(tmp_path, "LostFlowers", features, flower_rows(113), file_format="parquet")
    with pytest.raises(SourceError, match="100 records instead of 113"):
        list(open_tfds("lost_flowers", "all", str(tmp_path)))


def test_reading_a_prepared_set_loads_no_tensorflow(farm: Path, run_python: Callable[..., Any]) -> None:
    code = (
        "import sys; from glasshouse.sources.tfds import open_tfds; "
        f"print(len(list(open_tfds('farm', 'all', {str(farm)!r}))), 'tensorflow' in sys.modules)"
    )
    done = run_python("-c", code, cwd=farm)
    assert done.stdout.split() == ["4", "False"], done.stderr
    assert "farm:1.2.0 (test 1, train 2, validation 1), TensorFlow Datasets" in done.stderr


def test_tfds_own_mocking_is_read(tmp_path: Path) -> None:
    """Random examples of the real tf_flowers, over metadata written by hand (TFDS mocks no sound boxes)."""
    place = tmp_path / "tf_flowers" / "3.0.1"
    place.mkdir(parents=True)
    builder = tfds.builder("tf_flowers", data_dir=tmp_path / "none")
    builder.info.features.save_config(place)
    builder.info.features.save_metadata(place)
    splits = [{"name": name, "shardLengths": ["3"], "numBytes": "9"} for name in ("test", "train")]
    about = {"name": "tf_flowers", "version": "3.0.1", "fileFormat": "array_record", "splits": splits}
    (place / "dataset_info.json").write_text(json.dumps(about))
    use_files = tfds.testing.MockPolicy.USE_FILES
    with tfds.testing.mock_data(num_examples=5, data_dir=str(tmp_path), policy=use_files):
        source, found = read("tf_flowers", tmp_path)
    assert len(source) == 10 == len(found)
    assert source.categories == ("dandelion", "daisy", "tulips", "sunflowers", "roses")
    for example in found.values():
        assert example.label in source.categories
        assert Image.open(io.BytesIO(example.picture)).format == "PNG"
    assert next(iter(found)) == "test/0.png"


def test_single_box_takes_the_label_and_four_zeros_are_none(tmp_path: Path) -> None:
    features = {"image": image(), "file_name": tfds.features.Text(), "label": labels()}
    features |= {"head_bbox": tfds.features.BBoxFeature(), "segmentation_mask": image(shape=(None, None, 1))}
    trimap = encode_levels([[1, 2], [3, 1]])
    rows = [
        {
            "file_name": name,
            "label": "dog",
            "head_bbox": bbox,
            "image": encode(10, 20),
            "segmentation_mask": trimap,
        }
        for name, bbox in (("a", box(0.1, 0.5, 0.3, 0.75)), ("b.png", box(0.0, 0.0, 0.0, 0.0)))
    ]
    prepare(tmp_path, "Heads", features, {"train": rows})
    source, found = read("heads", tmp_path)
    (head,) = found["train/a.jpg"].objects  # the suffix is that of the bytes
    assert (head.label, head.box_xyxy_px, head.mask) == ("dog", (10.0, 1.0, 15.0, 3.0), None)
    assert found["train/b.png"].objects == () and found["train/b.png"].label == "dog"
    assert source.faults == [] and source.layout.unused == ("segmentation_mask",)


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
    assert (sea.label, sea.box_xyxy_px, sea.is_crowd) == ("sea", (1.0, 0.0, 3.0, 2.0), True)
    assert sea.mask is not None
    assert decode_mask(sea.mask, 2, 3).tolist() == [[False, True, True], [False, True, False]]
    assert source.categories == ("background", "sky", "sea")


def test_withheld_labels_are_none(tmp_path: Path) -> None:
    rows = [{"image": encode(8, 8), "label": -1}, {"image": encode(8, 8, 1), "label": "owl"}]
    prepare(tmp_path, "Withheld", {"image": image(), "label": labels()}, {"test": rows})
    source, found = read("withheld", tmp_path)
    assert sorted(str(example.label) for example in found.values()) == ["None", "owl"]
    assert source.faults == []


def make_record(**values: Any) -> Record:
    from tensorflow_datasets.proto import tf_example_pb2

    example = tf_example_pb2.Example()
    for key, value in values.items():
        feature = example.features.feature[key.replace("__", "/")]
        kind = {int: "int64_list", float: "float_list", bytes: "bytes_list"}[type(value[0])]
        getattr(feature, kind).value.extend(value)
    return Record(example.features.feature, "train", "05")


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
        ({"image": "Image", "faces": ["BBoxFeature"]}, r"faces: Sequence of \{bbox: BBoxFeature\}"),
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
        else tfds.features.Sequence({"bbox": tfds.features.BBoxFeature()})
        for key, kind in features.items()
    }
    with pytest.raises(SourceError, match=f"{wanted}.*Supported: an Image with a ClassLabel"):
        find_layout(tfds.features.FeaturesDict(made), None, "odd")


REAL = {
    "tf_flowers": ("label", None, 5),
    "voc/2007": (None, "objects/bbox", 20),
    "oxford_iiit_pet": ("label", "head_bbox", 37),
    "stanford_dogs": ("label", "objects/bbox", 120),
    "caltech_birds2011": ("label", "bbox", 200),
    "open_images_challenge2019_detection": (None, "bobjects/bbox", 500),
    "kitti": (None, "objects/bbox", 8),
    "mnist": ("label", None, 10),
}


@pytest.mark.parametrize("name", REAL)
def test_features_of_real_sets_are_found_by_themselves(name: str, tmp_path: Path) -> None:
    info = tfds.builder(name, data_dir=tmp_path).info
    layout = find_layout(info.features, info.supervised_keys, name)
    boxes = layout.boxes.key if layout.boxes else None
    assert (layout.label and layout.label.key, boxes, len(layout.categories)) == REAL[name]
    assert layout.picture == "image"


# Without network


def raise_unknown(*_: object, **__: object) -> Any:
    raise socket.gaierror(-2, "Name or service not known")


def hang(*_: object, **__: object) -> Any:
    time.sleep(60)
    raise socket.gaierror(-3, "Temporary failure in name resolution")


@pytest.mark.parametrize("resolve", [raise_unknown, hang])
@pytest.mark.parametrize("name, place", [("voc/2007", "voc/2007/5.0.0"), ("tf_flowers", "tf_flowers/3.0.1")])
def test_without_network_it_says_so_in_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resolve: Any, name: str, place: str
) -> None:
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(tfds_sets, "NETWORK_S", 1.0)
    started = time.monotonic()
    with pytest.raises(SourceError) as caught:
        open_tfds(name, "all", str(tmp_path))
    assert time.monotonic() - started < 5
    message = str(caught.value)
    assert message.startswith(f"dataset.name: {name}:{place.rpartition('/')[2]} is not prepared")
    assert f"Looked for in {tmp_path / place}." in message
    assert "download_and_prepare()" in message and f"copy DIR/{place} to {tmp_path / place}" in message
    assert not any(tmp_path.iterdir())


def test_sets_downloaded_by_hand_need_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tfds_sets, "find_reachable", lambda urls, seconds: (None, {"a.org": "no route"}))
    with pytest.raises(
        SourceError, match=r"no network.*wants files in .*downloads/manual: .*ILSVRC2012"
    ) as caught:
        open_tfds("imagenet2012", "all", str(tmp_path))
    assert "a.org: no route" in str(caught.value)
    (tmp_path / "downloads" / "manual").mkdir(parents=True)
    (tmp_path / "downloads" / "manual" / "other.tar").touch()
    with pytest.raises(SourceError, match="could not prepare imagenet2012"):  # TFDS misses the right file
        open_tfds("imagenet2012", "all", str(tmp_path))


def test_another_prepared_version_is_offered_without_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "tf_flowers" / "2.9.9"
    old.mkdir(parents=True)
    for file in ("dataset_info.json", "features.json"):
        (old / file).write_text("{}")
    monkeypatch.setattr(tfds_sets, "find_reachable", lambda urls, seconds: (None, {"a.org": "no route"}))
    with pytest.raises(SourceError, match=r"Prepared there are 2\.9\.9"):
        open_tfds("tf_flowers", "all", str(tmp_path))
    with pytest.raises(SourceError, match=r"2\.9\.9 cannot be opened"):  # what is there is not what it says
        open_tfds("tf_flowers:2.9.9", "all", str(tmp_path))


# Preparing, with a failure or a kill in the middle


class Server:
    """Serves one file and counts how often."""

    def __init__(self, content: bytes) -> None:
        self.count = 0

        class Handler(BaseHTTPRequestHandler):
            def do_GET(handler) -> None:  # noqa: N805
                self.count += handler.command == "GET"
                handler.send_response(200)
                handler.send_header("Content-Length", str(len(content)))
                handler.end_headers()
                handler.wfile.write(content)

            def log_message(handler, *_: object) -> None:  # noqa: N805
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/pictures.bin"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def server() -> Iterator[Server]:
    served = Server(encode(16, 16, 5))
    yield served
    served.server.shutdown()
    served.server.server_close()


SCRIPT = """
import os, sys, time
import tensorflow_datasets as tfds

class Orchard(tfds.core.GeneratorBasedBuilder):
    VERSION = tfds.core.Version("1.0.0")
    def _info(self):
        features = {{"image": tfds.features.Image(), "label": tfds.features.ClassLabel(names=["apple"])}}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))
    def _split_generators(self, manager):
        path = manager.download({url!r})
        return {{"train": self._generate_examples(path)}}
    def _generate_examples(self, path):
        for number in range(4):
            if number == 2 and sys.argv[1] == "hang":
                print("halfway", flush=True)
                time.sleep(60)
            if number == 2 and sys.argv[1] == "fail":
                raise RuntimeError("the second apple is rotten")
            yield number, {{"image": str(path), "label": 0}}

from glasshouse.sources.tfds import open_tfds
from glasshouse.sources.example import SourceError
try:
    print(len(list(open_tfds("orchard", "all", {folder!r}))))
except SourceError as error:
    print("SourceError", error)
"""


@pytest.fixture
def orchard(server: Server, tmp_path: Path) -> Callable[[str], subprocess.Popen[str]]:
    script = SCRIPT.format(url=server.url, folder=str(tmp_path / "sets"))
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src"), "TF_CPP_MIN_LOG_LEVEL": "3"}

    def start(how: str) -> subprocess.Popen[str]:
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        (tmp_path / "orchard.py").write_text(script)
        return subprocess.Popen([sys.executable, "orchard.py", how], env=environment, cwd=tmp_path, **pipes)

    return start


def test_killed_preparation_leaves_no_half_set_and_downloads_nothing_twice(
    orchard: Callable[[str], subprocess.Popen[str]], server: Server, tmp_path: Path
) -> None:
    killed = orchard("hang")
    assert killed.stdout is not None
    assert any(line.strip() == "halfway" for line in killed.stdout)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert not (tmp_path / "sets/orchard/1.0.0").exists()
    assert server.count == 1
    output, errors = orchard("go").communicate(timeout=100)
    assert output.split()[-1] == "4", errors
    assert server.count == 1
    assert "left by a preparation that was killed" in errors
    assert "orchard:1.0.0: preparing it in" in errors and "Generating" in errors  # TFDS's own bars


def test_failed_preparation_is_told_in_a_sentence(
    orchard: Callable[[str], subprocess.Popen[str]], tmp_path: Path
) -> None:
    output, errors = orchard("fail").communicate(timeout=100)
    assert "SourceError dataset.name: TensorFlow Datasets could not prepare orchard:1.0.0 in" in output
    assert "the second apple is rotten" in output, errors
    assert [entry.name for entry in (tmp_path / "sets/orchard").iterdir()] == []


def test_full_disk_passes_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(*_: object, **__: object) -> Any:
        raise OSError(28, "No space left on device")

    declare("Full", {"image": image(), "label": labels()}, flower_rows(2))
    monkeypatch.setattr(tfds.core.GeneratorBasedBuilder, "download_and_prepare", fill)
    with pytest.raises(OSError, match="No space left") as caught:
        open_tfds("full", "all", str(tmp_path))
    assert not isinstance(caught.value, SourceError)


# Shards


def test_checksum_is_that_of_the_standard() -> None:
    assert crc32c(b"123456789") == 0xE3069283  # RFC 3720's check value
    assert crc32c(bytes(32)) == 0x8A9136AA  # RFC 3720, B.4: 32 bytes of zeros


def damage_shard(farm: Path, tmp_path: Path, change: Callable[[bytes], bytes | None]) -> tuple[Path, Path]:
    """A copy of the set with the shard of `train` changed, or removed."""
    place = tmp_path / "farm" / "1.2.0"
    place.mkdir(parents=True)
    for file in (farm / "farm" / "1.2.0").iterdir():
        content = change(file.read_bytes()) if "train.tfrecord" in file.name else file.read_bytes()
        if content is not None:
            (place / file.name).write_bytes(content)
    return tmp_path, place / "farm-train.tfrecord-00000-of-00001"


@pytest.mark.parametrize(
    "change, wanted",
    [
        (lambda content: content[:-3], "record 1 is cut off"),
        (lambda content: content[: record_end(content)], "1 records instead of 2"),
        (lambda content: content[: record_end(content) + 5], "record 1 is cut off"),
        (lambda content: b"\x01" + content[1:], "record 0 is damaged"),
        (lambda content: None, "the shard is missing"),
    ],
)
def test_damaged_shards_are_named(farm: Path, tmp_path: Path, change: Any, wanted: str) -> None:
    folder, shard = damage_shard(farm, tmp_path, change)
    with pytest.raises(SourceError, match=wanted) as caught:
        list(open_tfds("farm", "all", str(folder)))
    assert str(caught.value).startswith(str(shard))


def record_end(content: bytes) -> int:
    return 12 + int(struct.unpack("<Q", content[:8])[0]) + 4


def test_records_equal_those_that_tensorflow_reads(flowers: Path) -> None:
    import tensorflow as tf

    for path in sorted(flowers.glob("*/1.2.0/*tfrecord*")):
        assert list(read_tfrecords(path)) == list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())


def test_unknown_file_format_is_refused() -> None:
    from glasshouse.sources.tfds import open_shards

    info = SimpleNamespace(file_format=SimpleNamespace(value="riegeli"), full_name="x/1.0.0")
    with pytest.raises(SourceError, match="prepared as riegeli; prepare it as tfrecord"):
        open_shards(SimpleNamespace(info=info), "train")
