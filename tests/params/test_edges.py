"""The last value that each limit lets pass, and the first one beyond: a limit that moves is seen here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from glasshouse.params import check

OWN = Path(__file__).parents[2] / "params.yaml"
Values = dict[str, Any]


def check_with(folder: Path, changes: Values) -> list[str]:
    """Keys at fault in the project's own params.yaml with some values changed."""
    yaml = YAML(typ="safe")
    values = yaml.load(OWN)
    for key, value in {"model.backbone.weights": "none", **changes}.items():
        *blocks, name = key.split(".")
        place = values
        for block in blocks:
            place = place[block]
        place[name] = value
    yaml.dump(values, folder / "params.yaml")
    return [fault.key for fault in check(folder / "params.yaml")]


# the key at fault, the last value that passes, the first that does not, what else is set
LIMITS: list[tuple[str, Any, Any, Values]] = [
    ("seed", 2**32 - 1, 2**32, {}),
    ("model.seed", 2**32 - 8, 2**32 - 7, {"seed": 7}),
    ("split.test", 0.49, 0.5, {"split.valid": 0.5}),  # nothing would train
    ("split.test", 1e-9, 0.0, {}),
    ("split.near_copy_bits", 64, 65, {}),
    ("preprocess.height_px", 4096, 4128, {}),
    ("preprocess.pad_value", 255, 256, {}),
    ("train_head.batch_size", 4096, 4097, {}),
    ("train_head.batch_size", 1, 0, {}),
    ("fine_tune.epochs", 1, 0, {"fine_tune.warmup_epochs": 0, "augment.mosaic_off_epochs": 0}),
    ("fine_tune.warmup_epochs", 6, 7, {"fine_tune.epochs": 6}),
    ("augment.mosaic_off_epochs", 6, 7, {"fine_tune.epochs": 6}),
    ("fine_tune.sizes_px.0", [32], [0], {}),
    ("fine_tune.sizes_px.0", [4096], [4128], {}),
    ("fine_tune.sizes_px.0", [96], [100], {}),
    ("augment.flip", 1.0, 1.01, {}),
    ("augment.flip", 0.0, -0.01, {}),
    ("augment.hue", 0.5, 0.51, {}),
    ("augment.rotate", 180.0, 180.1, {}),
    ("augment.scale", [0.1, 10.0], [0.09, 10.0], {}),
    ("augment.scale", [0.1, 10.0], [0.1, 10.1], {}),
    ("augment.scale", [1.0, 1.0], [1.01, 1.0], {}),
    ("evaluate.score_threshold", 0.99, 1.0, {"evaluate.gallery_score": 1.0}),
    ("evaluate.gallery_score", 0.3, 0.29, {"evaluate.score_threshold": 0.3}),
    ("evaluate.nms_iou", 1.0, 1.01, {}),
    ("evaluate.max_detections", 1000, 1001, {}),
    ("evaluate.bootstrap_rounds", 20, 19, {}),
    ("quality.download.max_side_px", 17, 16, {"quality.download.min_side_px": 16}),
    ("quality.download.max_mean_level", 5.5, 5.0, {"quality.download.min_mean_level": 5.0}),
    ("quality.download.max_ratio", 1.0, 0.99, {}),
    ("promotion.confidence", 0.5, 0.49, {}),
    ("promotion.confidence", 0.999, 1.0, {}),
    ("promotion.margin", 1.0, 1.01, {}),
    ("dataset.sha256", "0123456789abcdef" * 4, "0123456789abcdef" * 4 + "0", {}),
    ("dataset.sha256", "none", "nonesuch", {}),
    ("dataset.blooms.size_px", 2048, 2049, {}),
    ("tracking.model_name", "a model's name", 'a "model"', {}),
]


@pytest.mark.parametrize(
    ("key", "last", "beyond", "around"), LIMITS, ids=[f"{key} {beyond}" for key, _, beyond, _ in LIMITS]
)
def test_the_last_value_passes_and_the_next_does_not(
    key: str, last: Any, beyond: Any, around: Values, tmp_path: Path
) -> None:
    own = key.removesuffix(".0")  # a list's item is at fault where the list is set
    assert check_with(tmp_path, {**around, own: last}) == []
    assert check_with(tmp_path, {**around, own: beyond}) == [key]


def test_own_weights_are_an_h5_file_that_is_there(tmp_path: Path) -> None:
    for name in ("mine.weights.h5", "mine.keras"):
        (tmp_path / name).touch()
    for name, faults in (("mine.weights.h5", 0), ("mine.keras", 1), ("away.h5", 1)):
        found = check_with(tmp_path, {"model.backbone.weights": name})
        assert found == ["model.backbone.weights"] * faults


# xception takes 71 px and more; a head that pools takes any side
SMALLEST = {
    "model.backbone.name": "xception",
    "model.neck": {"name": "none"},
    "model.head": {"name": "classify"},
    "model.task": "classify",
    "dataset.source": "tfds",
    "augment.mosaic": 0.0,
    "preprocess.width_px": 128,
}


def test_the_smallest_side_of_a_network_is_one_that_it_takes(tmp_path: Path) -> None:
    assert check_with(tmp_path, {**SMALLEST, "preprocess.height_px": 71}) == []
    assert check_with(tmp_path, {**SMALLEST, "preprocess.height_px": 70}) == ["preprocess.height_px"]


def test_drawn_sizes_are_held_to_the_smallest_side_in_both_directions(tmp_path: Path) -> None:
    """96 px high, pictures of 128 x 71 are 53.25 px wide: 64 as a multiple of 32, which is less than 71."""
    wide = {**SMALLEST, "preprocess.height_px": 128, "fine_tune.sizes_px": [96]}
    assert check_with(tmp_path, wide) == []
    assert check_with(tmp_path, {**wide, "preprocess.width_px": 71}) == ["fine_tune.sizes_px"]


@pytest.mark.parametrize("height_px", [96, 160])
def test_weights_for_every_place_take_no_other_size_whether_less_or_more(
    height_px: int, tmp_path: Path
) -> None:
    head = {"model.head": {"name": "classify", "pool": "flatten"}, "preprocess.height_px": 128}
    assert check_with(tmp_path, {**SMALLEST, **head, "fine_tune.sizes_px": [128]}) == []
    sizes = {"fine_tune.sizes_px": [128, height_px]}
    assert check_with(tmp_path, {**SMALLEST, **head, **sizes}) == ["fine_tune.sizes_px"]


@pytest.mark.parametrize("form", ["voc", "coco", "yolo", "via"])
def test_formats_of_boxes_alone_serve_no_classifier(form: str, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    here = {**SMALLEST, "dataset.source": "folder", "dataset.path": "pictures", "preprocess.height_px": 128}
    assert check_with(tmp_path, {**here, "dataset.format": form}) == ["model.task"]
    assert check_with(tmp_path, {**here, "dataset.format": "csv"}) == []


@pytest.mark.parametrize("form", ["class_folders", "npy"])
def test_formats_of_labels_alone_serve_no_detector(form: str, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    here = {"dataset.source": "folder", "dataset.path": "pictures", "dataset.format": form}
    assert check_with(tmp_path, here) == ["model.task"]
    assert check_with(tmp_path, {**here, "dataset.source": "tfds"}) == []  # the format is not asked for there


@pytest.mark.parametrize("place", ["exports", "data", "data/raw/mine", "data/../models"])
def test_pictures_lie_beside_what_the_stages_write(place: str, tmp_path: Path) -> None:
    assert check_with(tmp_path, {"dataset.path": place}) == ["dataset.path"]
    assert check_with(tmp_path, {"dataset.path": f"{place}/../../other"}) == []
