"""TFDS as a source, against sets that TFDS itself writes to disk, and against TFDS's own reading of them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from glasshouse.sources.example import SourceError
from glasshouse.sources.tfds import open_tfds
from glasshouse.tables.split import slice_in_order

from .builders import (
    ANIMALS,
    PICTURES,
    flower_rows,
    image,
    labels,
    prepare,
    read,
)

tfds = pytest.importorskip("tensorflow_datasets")


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
