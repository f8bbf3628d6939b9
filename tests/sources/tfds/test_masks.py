"""Masks beside a label, as oxford_iiit_pet has them; boxes and labels that other sets name in other ways."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glasshouse.geometry.rle import decode_mask
from glasshouse.sources.example import LabelFault
from glasshouse.sources.tfds_layout import find_layout
from glasshouse.sources.tfds_masks import find_inside

from .builders import box, encode, encode_levels, image, labels, prepare, read

tfds = pytest.importorskip("tensorflow_datasets")

AROUND, OBJECT, BORDER = 2, 1, 3
TRIMAP = [[2, 2, 2, 2, 2], [2, 3, 1, 1, 2], [2, 3, 1, 3, 2], [2, 2, 2, 2, 2]]
INSIDE = [[False] * 5, [False, False, True, True, False], [False, False, True, False, False], [False] * 5]


def mask_features(box_key: str | None = "head_bbox") -> dict[str, Any]:
    features = {"image": image(), "label": labels(), "file_name": tfds.features.Text()}
    features |= {"segmentation_mask": image(shape=(None, None, 1)), "species": labels()}
    return features | ({box_key: tfds.features.BBoxFeature()} if box_key else {})


def mask_row(name: str, levels: list[list[int]] | bytes, **more: Any) -> dict[str, Any]:
    mask = levels if isinstance(levels, bytes) else encode_levels(levels)
    row = {"image": encode(4, 5), "label": "dog", "file_name": name, "segmentation_mask": mask}
    return {**row, "species": "cat", **more}


def test_a_trimap_with_a_label_is_one_object_and_the_head_is_not(tmp_path: Path) -> None:
    head = box(0.0, 0.0, 0.5, 0.2)
    rows = [
        mask_row("a", TRIMAP, head_bbox=head),
        mask_row("b", TRIMAP, head_bbox=box(0.0, 0.0, 0.0, 0.0), label=-1),
    ]
    prepare(tmp_path, "Trimaps", mask_features(), {"train": rows})
    source, found = read("trimaps", tmp_path)
    (pet,) = found["train/a.jpg"].objects
    assert (pet.label, pet.box_xyxy_px, pet.is_crowd) == ("dog", (2.0, 1.0, 4.0, 3.0), False)
    assert pet.mask is not None and decode_mask(pet.mask, 4, 5).tolist() == INSIDE
    assert pet.origin.startswith("train/a.jpg, train[") and pet.origin.endswith("] segmentation_mask")
    assert found["train/a.jpg"].label == "dog" and found["train/a.jpg"].labelled_size == (4, 5)
    assert found["train/b.jpg"].objects == () and found["train/b.jpg"].unreadable is None  # label withheld
    assert source.categories == ("cat", "dog", "owl") and source.faults == []
    assert source.layout.unused == ("head_bbox", "species")
    assert "features not used: head_bbox, species" in source.describe()


def test_masks_of_0_and_another_level_need_no_box(tmp_path: Path) -> None:
    rows = [
        mask_row("binary", [[0, 0, 0, 255, 255]] * 4),
        mask_row("ones", [[0, 1, 1, 0, 0]] * 4),
        mask_row("classes", [[0, 1, 7, 0, 0]] * 4),
        mask_row("empty", [[2, 2, 3, 2, 2]] * 4),
        mask_row("small", [[1, 1]]),
        mask_row("broken", b"no picture"),
    ]
    prepare(tmp_path, "Binary", mask_features(None), {"train": rows})
    source, found = read("binary", tmp_path)
    boxes = {name: [thing.box_xyxy_px for thing in example.objects] for name, example in found.items()}
    assert boxes["train/binary.jpg"] == [(3.0, 0.0, 5.0, 4.0)] and boxes["train/ones.jpg"] == [(1, 0, 3, 4)]
    wrong = {name for name, example in found.items() if example.unreadable}
    assert wrong == {f"train/{name}.jpg" for name in ("classes", "empty", "small", "broken")}
    said = {fault.picture: fault for fault in source.faults}
    assert wrong == set(said)
    assert "levels 0, 1, 7; expected 1, 2, 3" in reason(said, "classes")
    assert "shows nothing of the object" in reason(said, "empty")
    assert "2 x 1 pixels, the picture 5 x 4" in reason(said, "small")
    assert "cannot be decoded" in reason(said, "broken")
    assert {(fault.kind, fault.action) for fault in source.faults} == {("mask_unusable", "set_aside")}


def reason(faults: dict[str | None, LabelFault], name: str) -> str:
    return faults[f"train/{name}.jpg"].reason


@pytest.mark.parametrize("key", ["bbox", "box", "bounding_box"])
def test_a_box_of_the_whole_object_comes_before_a_mask(key: str) -> None:
    layout = find_layout(tfds.features.FeaturesDict(mask_features(key)), None, "birds")
    assert layout.boxes is not None and layout.boxes.key == key
    assert layout.mask is None and "segmentation_mask" in layout.unused


def test_class_numbers_with_names_stay_regions_and_without_names_are_nothing() -> None:
    regions = tfds.features.LabeledImage(labels=["sky", "sea"], shape=(None, None, 1))
    features = mask_features(None) | {"scene": regions}
    layout = find_layout(tfds.features.FeaturesDict(features), None, "scenes")
    assert layout.regions is not None and layout.regions.key == "scene" and layout.mask is None
    unnamed = {"image": image(), "annotation": image(shape=(None, None, 1))}
    with pytest.raises(ValueError, match="no class or box"):
        find_layout(tfds.features.FeaturesDict(unnamed), None, "scene_parse150")


@pytest.mark.parametrize(
    "levels, inside",
    [
        ([1, 2, 3], [True, False, False]),
        ([1, 1], [True, True]),
        ([3, 1], [False, True]),
        ([0, 1], [False, True]),
        ([0, 3], [False, True]),
        ([7, 7], [True, True]),
        ([0, 0], "nothing of the object"),
        ([2, 3], "nothing of the object"),
        ([0, 1, 2], "levels 0, 1, 2;"),
        ([1, 4], "levels 1, 4;"),
        (list(range(9)), r"levels 0, 1, 2, 3, 4, ...;"),
    ],
)
def test_what_is_inside_a_mask(levels: list[int], inside: list[bool] | str) -> None:
    found = find_inside(np.array([levels]))
    assert inside in found if isinstance(inside, str) else found.tolist() == [inside]


def test_tfds_own_mocking_of_oxford_iiit_pet_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random examples of the real features; levels of masks are those of a trimap, sides and boxes sound."""
    from tensorflow_datasets.testing import mocking

    draw = mocking.RandomFakeGenerator._generate_random_obj

    def draw_trimap(self: Any, feature: Any, info: Any, rng: Any) -> Any:
        shape = tuple(10 if side is None else side for side in info.shape)
        if shape == (4,):
            return np.array([0.0, 0.0, 0.5, 0.5], np.float32)
        if len(shape) < 3:
            return draw(self, feature, info, rng)
        low, high = (1, 4) if shape[-1] == 1 else (0, 255)
        return rng.integers(low, high, shape).astype(np.uint8)

    monkeypatch.setattr(mocking.RandomFakeGenerator, "_generate_random_obj", draw_trimap)
    place = tmp_path / "oxford_iiit_pet" / "4.0.0"
    place.mkdir(parents=True)
    builder = tfds.builder("oxford_iiit_pet", data_dir=tmp_path / "none")
    builder.info.features.save_config(place)
    builder.info.features.save_metadata(place)
    splits = [{"name": name, "shardLengths": ["3"], "numBytes": "9"} for name in ("test", "train")]
    about = {"name": "oxford_iiit_pet", "version": "4.0.0", "fileFormat": "array_record", "splits": splits}
    (place / "dataset_info.json").write_text(json.dumps(about))
    use_files = tfds.testing.MockPolicy.USE_FILES
    with tfds.testing.mock_data(num_examples=3, data_dir=str(tmp_path), policy=use_files):
        source, found = read("oxford_iiit_pet", tmp_path)
    assert len(found) == 6 and len(source.categories) == 37 and source.faults == []
    for example in found.values():
        (pet,) = example.objects
        assert pet.label == example.label and pet.mask is not None
        mask = decode_mask(pet.mask, 10, 10)
        rows, columns = np.nonzero(mask)
        assert pet.box_xyxy_px == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        assert 10 < mask.sum() < 60  # a third of a hundred


def test_boxes_without_any_label_are_of_one_class(tmp_path: Path) -> None:
    inner = {"bbox": tfds.features.BBoxFeature(), "blur": np.uint8}
    features = {"image": image(), "faces": tfds.features.Sequence(inner)}
    faces = [{"bbox": box(0.0, 0.0, 0.5, 1.0), "blur": 1}, {"bbox": box(0.5, 0.0, 1.0, 1.0), "blur": 0}]
    rows = [{"image": encode(4, 4), "faces": faces}]
    prepare(tmp_path, "Faces", features, {"train": rows})
    source, found = read("faces", tmp_path)
    assert source.categories == ("faces",)
    things = [(thing.label, thing.box_xyxy_px) for thing in found["train/0.jpg"].objects]
    assert things == [("faces", (0, 0, 4, 2)), ("faces", (0, 2, 4, 4))]


def test_labels_that_are_texts_are_gathered_first(tmp_path: Path) -> None:
    features = {"image": image(), "label": tfds.features.Text()}
    names = ["Zoë", "Ada", "", "Ada"]
    rows = [{"image": encode(4, 4, level), "label": name} for level, name in enumerate(names)]
    prepare(tmp_path, "Persons", features, {"train": rows[:2], "test": rows[2:]})
    source, found = read("persons", tmp_path)
    assert source.categories == ("Ada", "Zoë")
    assert sorted(str(example.label) for example in found.values()) == ["Ada", "Ada", "None", "Zoë"]
    assert read("persons", tmp_path, "test")[0].categories == ("Ada",)
