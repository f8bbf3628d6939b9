"""Whole COCO sets: written and read back, beside pycocotools, large ones, and spoilt at any key."""

from __future__ import annotations

import random
import time
from collections import Counter
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as oracle
from pycocotools.coco import COCO

from glasshouse.geometry.rle import decode_mask, encode_mask
from glasshouse.readers.coco import read
from glasshouse.sources.example import SourceError

from .files import (
    HEIGHT,
    SQUARE,
    WIDTH,
    build,
    draw_blob,
    image,
    label,
    list_objects,
    touch,
    write,
)

NAMES = st.text("abüé 12", min_size=1, max_size=6).map(str.strip).filter(bool)


NUMBERS = st.floats(-20, 120, allow_nan=False).map(lambda value: round(value, 2))


THINGS = st.lists(
    st.tuples(
        st.sampled_from([3, 9, 11]), NUMBERS, NUMBERS, NUMBERS, NUMBERS, st.booleans(), st.integers(0, 9)
    ),
    max_size=4,
)


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(st.tuples(st.sampled_from(["", "sub/"]), NAMES), THINGS, min_size=1, max_size=5),
    st.randoms(use_true_random=False),
)
def test_what_is_written_as_coco_is_read_back(pictures: dict[Any, Any], shuffle: random.Random) -> None:
    images = [image(n, f"{folder}{stem}.png") for n, (folder, stem) in enumerate(pictures)]
    things = [(n, thing) for n, objects in enumerate(pictures.values()) for thing in objects]
    annotations = [
        label(
            number, n, category, bbox=[x, y, w, h], iscrowd=int(crowd),
            segmentation={"size": [HEIGHT, WIDTH], "counts": encode_mask(draw_blob(seed))},
        )
        for number, (n, (category, x, y, w, h, crowd, seed)) in enumerate(things)
    ]  # fmt: skip
    shuffle.shuffle(images)
    categories = [{"id": n, "name": f"c{n}"} for n in (11, 3, 9)]
    with TemporaryDirectory() as place:
        source = read(write(Path(place), build(images, annotations, categories)), ())
        assert source == read(Path(place), ()) and source.faults == ()
    assert source.categories == ("c3", "c9", "c11")
    found = {
        file.file_name: [(item.label, item.box_xyxy_px, item.is_crowd, item.mask) for item in file.objects]
        for file in source.files
    }
    assert found == {
        f"{folder}{stem}.png": [
            (f"c{category}", (x, y, x + w, y + h), crowd, encode_mask(draw_blob(seed)))
            for category, x, y, w, h, crowd, seed in objects
        ]
        for (folder, stem), objects in pictures.items()
    }


def test_pycocotools_reads_the_same(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    annotations = []
    for number in range(1, 60):
        x, y = rng.uniform(5, 40, 2)
        width, height = rng.uniform(10, 35, 2)
        corners = [x, y, x + width, y, x + width, y + height, x, y + height]
        annotations.append(
            label(
                number,
                int(rng.integers(1, 6)),
                int(rng.integers(1, 3)),
                bbox=[x, y, width, height],
                segmentation=[corners],
            )
        )
    write(tmp_path, build([image(n) for n in range(1, 6)], annotations))
    theirs = COCO(str(tmp_path / "annotations.json"))
    source = read(tmp_path, ())
    for number, file in enumerate(source.files, 1):
        entries = theirs.loadAnns(theirs.getAnnIds(imgIds=[number]))
        assert len(entries) == len(file.objects) > 0
        for item, entry in zip(file.objects, entries, strict=True):
            x, y, width, height = entry["bbox"]
            assert item.box_xyxy_px == (x, y, x + width, y + height)
            assert item.label == theirs.cats[entry["category_id"]]["name"]
            mask = {"size": [HEIGHT, WIDTH], "counts": (item.mask or "").encode()}
            assert oracle.iou([mask], [theirs.annToRLE(entry)], [0])[0, 0] > 0.9


def test_a_hundred_thousand_annotations_take_seconds(tmp_path: Path) -> None:
    images = [image(n) for n in range(1000)]
    annotations = [label(n, n % 1000, n % 2 + 1) for n in range(100_000)]
    write(tmp_path, build(images, annotations))
    start = time.process_time()
    source = read(tmp_path, ())
    assert time.process_time() - start < 10
    assert Counter(len(file.objects) for file in source.files) == {100: 1000}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=5,
)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_whatever_stands_at_any_key_there_is_a_sentence_or_a_data_set(data: st.DataObject) -> None:
    runs = {"size": [HEIGHT, WIDTH], "counts": [10, 20, 7970]}
    annotations = [label(1, segmentation=runs), label(2, 2, segmentation=[SQUARE])]
    document = deepcopy(build([image(1, group="a"), image(2)], annotations))
    for _ in range(data.draw(st.integers(1, 3))):
        place: Any = document
        while True:
            key = data.draw(
                st.sampled_from(list(place) if isinstance(place, dict) else list(range(len(place))))
            )
            deeper = place[key]
            if not isinstance(deeper, dict | list) or not deeper or data.draw(st.integers(0, 4)) == 0:
                place[key] = data.draw(VALUES)
                break
            place = deeper
    with TemporaryDirectory() as folder:
        for name in ("1.jpg", "2.jpg"):
            touch(Path(folder), name)
        try:
            source = read(write(Path(folder), document, pictures=False), ())
        except SourceError as error:
            assert "annotations.json" in str(error) or "dataset." in str(error)
        else:
            for item in list_objects(source):
                assert item.mask is None or decode_mask(item.mask, HEIGHT, WIDTH).any()
