"""COCO's polygons and run lengths, against hand-made masks and pycocotools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as oracle

from glasshouse.geometry.rle import count_runs, decode_mask, encode_mask
from glasshouse.readers.coco import read
from glasshouse.sources.coco.masks import (
    bound_intervals,
    read_counts,
    write_counts,
)
from glasshouse.sources.outlines import Outline, rasterise_outlines

from .files import (
    HEIGHT,
    SQUARE,
    WIDTH,
    build,
    draw_blob,
    label,
    list_objects,
    only_fault,
    write,
)


def test_run_lengths_compressed_or_not_are_one_mask(tmp_path: Path) -> None:
    mask = draw_blob(1)
    rle = oracle.encode(np.asfortranarray(mask.astype(np.uint8)))
    forms = [rle["counts"].decode(), count_runs(mask), [0, 0, *count_runs(mask)]]
    annotations = [
        label(n, segmentation={"size": [HEIGHT, WIDTH], "counts": counts}, iscrowd=1, bbox=[])
        for n, counts in enumerate(forms)
    ]
    source = read(write(tmp_path, build(annotations=annotations)), ())
    x, y, width, height = oracle.toBbox(rle)
    for item in list_objects(source):
        assert item.is_crowd and item.mask == encode_mask(mask)
        assert item.box_xyxy_px == (x, y, x + width, y + height)
    assert {(fault.kind, fault.action) for fault in source.faults} == {("box_from_mask", "repaired")}


@pytest.mark.parametrize(
    "segmentation, kind, said",
    [
        ({"size": [HEIGHT, WIDTH], "counts": [1, 2]}, "mask_malformed", "80 x 100 pixels"),
        ({"size": [HEIGHT, WIDTH], "counts": [-1, 8001]}, "mask_malformed", "80 x 100 pixels"),
        ({"size": [HEIGHT, WIDTH], "counts": [10**30]}, "mask_malformed", "whole numbers"),
        ({"size": [HEIGHT, WIDTH], "counts": [1, "x"]}, "mask_malformed", "whole numbers"),
        ({"size": [HEIGHT, WIDTH], "counts": ""}, "mask_malformed", "80 x 100 pixels"),
        ({"size": [HEIGHT, WIDTH], "counts": "P"}, "mask_malformed", "cut off"),
        ({"size": [HEIGHT, WIDTH], "counts": "ü "}, "mask_malformed", "no compressed run lengths"),
        ({"size": [HEIGHT, WIDTH], "counts": "o" * 40 + "0"}, "mask_malformed", "no picture has"),
        ({"size": [HEIGHT, WIDTH]}, "mask_malformed", "counts is missing"),
        ({"size": [WIDTH, HEIGHT], "counts": [8000]}, "mask_malformed", "its image has 80 x 100"),
        ({"size": [10**9, 10**9], "counts": [10**18]}, "mask_malformed", "1000000000"),
        ({"counts": [8000]}, "mask_malformed", "size is not"),
        ({"size": [HEIGHT, WIDTH], "counts": [8000]}, "mask_empty", "no pixel"),
        ("a.png", "mask_malformed", "neither polygons nor"),
        ([SQUARE, SQUARE[:4]], "polygon_malformed", "2 points"),
        ([SQUARE, SQUARE[:7]], "polygon_malformed", "7 numbers"),
        ([SQUARE, [1, 2, 3, 4, 5, "6"]], "polygon_malformed", "'6'"),
        ([SQUARE, [1, 2, 3, 4, 5, 1e300]], "polygon_malformed", "1e+300"),
        ([SQUARE, None], "polygon_malformed", "None"),
        ([[200, 200, 210, 200, 210, 210]], "mask_empty", "no pixel"),
    ],
)
def test_a_broken_mask_is_left_out_and_the_box_stays(
    tmp_path: Path, segmentation: Any, kind: str, said: str
) -> None:
    source = read(write(tmp_path, build(annotations=[label(1, segmentation=segmentation)])), ())
    fault = only_fault(source)
    assert (fault.kind, fault.action) == (kind, "set_aside") and said in fault.reason
    assert fault.place.startswith("annotations[0].segmentation")
    (item,) = list_objects(source)
    assert item.box_xyxy_px == (10, 20, 40, 60)
    sound = isinstance(segmentation, list) and SQUARE in segmentation
    assert (item.mask is not None) is sound


def test_a_polygon_along_pixel_edges_covers_just_those_pixels(tmp_path: Path) -> None:
    annotations = [
        {**label(1, segmentation=[SQUARE]), "bbox": None},
        label(2, segmentation=SQUARE),
        label(3, segmentation=[SQUARE, [20, 30, 50, 30, 50, 50, 20, 50]]),
        label(5, segmentation=[SQUARE, [12, 22, 28, 22, 28, 26, 12, 26], [12, 30, 28, 30, 28, 34, 12, 34]]),
        label(4, segmentation=[[-50, -50, 500, -50, 500, 500, -50, 500]]),
    ]
    source = read(write(tmp_path, build(annotations=annotations)), ())
    expected = np.zeros((5, HEIGHT, WIDTH), bool)
    expected[:4, 20:40, 10:30] = True
    expected[2, 30:50, 20:50] = True  # 20 x 20 + 20 x 30 - 10 x 10 = 900
    expected[4] = True
    assert expected.sum((1, 2)).tolist() == [400, 400, 900, 400, 8000]
    for item, mask in zip(list_objects(source), expected, strict=True):
        assert item.mask == encode_mask(mask)
    assert list_objects(source)[0].box_xyxy_px == (10, 20, 30, 40)
    assert only_fault(source).kind == "box_from_mask"


def test_pixels_are_those_whose_centres_lie_inside() -> None:
    rng = np.random.default_rng(3)
    triangles = [rng.uniform(-10, 60, (3, 2)) for _ in range(100)]
    y, x = np.mgrid[:40, :50] + 0.5
    drawn = rasterise_outlines([Outline([points], 40, 50) for points in triangles])
    for points, text in zip(triangles, write_counts([(runs, 40, 50) for runs in drawn]), strict=True):
        turns = [
            (after[0] - here[0]) * (y - here[1]) - (after[1] - here[1]) * (x - here[0])
            for here, after in zip(points, np.roll(points, -1, axis=0), strict=True)
        ]
        inside = np.all(np.array(turns) > 0, axis=0) | np.all(np.array(turns) < 0, axis=0)
        assert (decode_mask(text, 40, 50) == inside).all()


def test_polygons_agree_with_pycocotools() -> None:
    # It draws on a grid of a fifth of a pixel, so outlines differ by up to as much.
    rng = np.random.default_rng(5)
    outlines = []
    for _ in range(200):
        angle = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(5, 40)))
        radius = rng.uniform(15, 60, len(angle))
        corners = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
        outlines.append(Outline([corners + rng.uniform(60, 260, 2)], 320, 320))
    texts = write_counts([(runs, 320, 320) for runs in rasterise_outlines(outlines)])
    mine, theirs = [], []
    for outline, text in zip(outlines, texts, strict=True):
        mine.append({"size": [320, 320], "counts": text.encode()})
        theirs.append(oracle.frPyObjects([outline.polygons[0].ravel().tolist()], 320, 320)[0])
    ious = [oracle.iou([one], [other], [0])[0, 0] for one, other in zip(mine, theirs, strict=True)]
    areas = np.array(
        [[oracle.area(one), oracle.area(other)] for one, other in zip(mine, theirs, strict=True)], float
    )
    assert min(ious) > 0.93 and np.mean(ious) > 0.985
    assert abs(areas[:, 0].sum() / areas[:, 1].sum() - 1) < 0.002


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32)), max_size=4))
def test_runs_and_bitmaps_are_the_same_masks(sizes: list[tuple[int, int, int]]) -> None:
    masks = [np.random.default_rng(seed).random((h, w)) < seed % 5 / 4 for h, w, seed in sizes]
    texts = [encode_mask(mask) for mask in masks]
    runs = [read_counts(text, *mask.shape) for text, mask in zip(texts, masks, strict=True)]
    assert write_counts([(one, *mask.shape) for one, mask in zip(runs, masks, strict=True)]) == texts
    for one, mask in zip(runs, masks, strict=True):
        assert (read_counts(count_runs(mask), *mask.shape) == one).all()
        if mask.any():
            rows, columns = np.nonzero(mask)
            box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            assert bound_intervals(one, len(mask)) == box
