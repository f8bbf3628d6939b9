"""Which features of a TensorFlow Datasets set are the picture, its class, its objects: found by kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from glasshouse.sources.example import SourceError

NAME_KEYS = ("image/filename", "image/file_name", "file_name", "filename", "image/id", "image_id", "id")
LABEL_KEYS = ("label", "labels", "category", "type", "class", "class_id")
BOX_KEYS = ("bbox", "box", "bounding_box")  # a single box of another name is one of a part: head_bbox
CROWD_KEYS = ("is_crowd", "iscrowd", "is_group_of")
MASK_WORDS = ("mask", "segment", "annotation")  # in the name of an Image that is none to look at
NO_REGION = frozenset({"background", "void", "unlabeled", "unlabelled", "ignore", "none"})
SUPPORTED = (
    "an Image with a ClassLabel or a Text called label, with a Sequence of {BBoxFeature, ClassLabel} or of "
    "boxes of one kind, with a single BBoxFeature or a mask and a ClassLabel, or with a LabeledImage of "
    "named classes"
)


@dataclass(frozen=True, slots=True)
class Labels:
    """A class label: key in the record, and the names of its values 0, 1, ...

    `as_text`: the record holds the name itself; which there are, only a pass over the records tells.
    `background`: the one of the names that stands for what is of no class, or None.
    """

    key: str
    names: tuple[str, ...]
    as_text: bool = False
    background: str | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """The names that stand for classes."""
        return tuple(name for name in self.names if name != self.background)


@dataclass(frozen=True, slots=True)
class Boxes:
    """Labelled boxes: keys in the record.

    Attributes:
        key: of the boxes, four shares (y min, x min, y max, x max) each.
        labels: of the boxes, one each; None where they have the picture's own label, or all one name.
        crowd, mask: of a flag and of an encoded mask, one each, or None.
        single: there is at most one, and four zeros stand for none.
        name: class of all boxes where neither they nor the picture have a label, else None.
    """

    key: str
    labels: Labels | None
    crowd: str | None = None
    mask: str | None = None
    single: bool = False
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """What is taken from every record, and the features that are not.

    Attributes:
        picture: key of the encoded picture.
        name: key of a file name or id, or None.
        label: of the whole picture, or None.
        boxes: of its objects, or None.
        regions: a picture of class numbers, or None.
        unused: keys of all other features.
        mask: key of the mask of the picture's one object, which has the picture's label, or None.
    """

    picture: str
    name: str | None
    label: Labels | None
    boxes: Boxes | None
    regions: Labels | None
    unused: tuple[str, ...]
    mask: str | None = None

    @property
    def categories(self) -> tuple[str, ...]:
        """Names of all classes, each once: those of objects, then those of regions and of pictures."""
        kinds = (self.boxes.labels if self.boxes else None, self.regions, self.label)
        only = (self.boxes.name,) if self.boxes and self.boxes.name else ()
        return tuple(dict.fromkeys((*only, *(name for labels in kinds if labels for name in labels.classes))))


def find_layout(features: Any, supervised_keys: Any, name: str) -> Layout:
    """The layout of a set's features.

    The picture is the feature `image`, or else the only Image that no name calls a mask. The class is
    `label`, or else the one of the supervised keys, or else the only ClassLabel, or else one called as in
    LABEL_KEYS; where there is no ClassLabel, a Text called `label`. Objects are a Sequence with a box,
    `objects` before any other, or else a single box with the picture's class (a box of four zeros is none).
    Inside a Sequence `label` comes first, then the other LABEL_KEYS, then the only ClassLabel; without one
    the picture's class counts, and where it has none, all boxes are of one class that is called as the
    Sequence is (wider_face: faces). An Image beside each box is its mask (not zero: inside).

    A mask beside the picture's class shows its one object, and the box is the mask's (tfds_masks.py says how
    it is read), unless there is a box of the whole object. A box of a part gives way: of oxford_iiit_pet
    comes the animal, by its trimap, not the head, which only half of the pictures have. Beside a box of the
    whole object a mask is not used: caltech_birds2011's holds the votes of several people.

    A LabeledImage tells the class of each pixel, not where one object ends: without boxes, all that is of one
    class in a picture becomes one object with its mask (the first class, if it is called background, void or
    the like, is none). An Image of class numbers without names (cityscapes, scene_parse150) has no meaning
    here.

    Args:
        features: the FeaturesDict of the set.
        supervised_keys: (input, target) of the set, or None.
        name: of the set, for errors.

    Raises:
        SourceError: no such features; the message lists those found and what is supported.
    """
    flat = dict(features.items()) if hasattr(features, "items") else {}
    picture = _find_picture(flat)
    label = _find_label(flat, supervised_keys)
    boxes = _find_boxes(flat, label)
    regions = None if boxes else _find_regions(flat)
    mask = _find_mask(flat) if label and not regions and (boxes is None or _is_part(boxes)) else None
    boxes = None if mask else boxes
    if picture is None or not (label or boxes or regions):
        missing = "picture to look at" if picture is None else "class or box"
        raise SourceError(
            f"dataset.name: {name} has no {missing} among its features: {describe(flat) or repr(features)}. "
            f"Supported: {SUPPORTED}."
        )
    key = next((key for key in NAME_KEYS if _is_name(flat.get(key))), None)
    taken = {picture, key, mask, *(labels.key for labels in (label, regions) if labels)}
    taken |= {boxes.key.rpartition("/")[0] or boxes.key, boxes.key} if boxes else set()
    return Layout(picture, key, label, boxes, regions, tuple(sorted(flat.keys() - taken)), mask)


def describe(features: dict[str, Any]) -> str:
    """`image: Image, objects: Sequence of {bbox: BBoxFeature, ...}`."""
    parts = []
    for key, feature in features.items():
        inner = getattr(feature, "feature", None)
        if inner is None:
            what = f"{{{describe(dict(feature.items()))}}}" if hasattr(feature, "items") else _kind(feature)
        else:
            inside = f"{{{describe(dict(inner.items()))}}}" if hasattr(inner, "items") else _kind(inner)
            what = f"Sequence of {inside}"
        parts.append(f"{key}: {what}")
    return ", ".join(parts)


def _kind(feature: Any) -> str:
    return type(feature).__name__


def _is_image(feature: Any) -> bool:
    return _kind(feature) == "Image"


def _is_label(feature: Any) -> bool:
    return _kind(feature) == "ClassLabel" and feature.num_classes is not None


def _is_box(feature: Any) -> bool:
    """Boxes whose format is not stated are relative: that was TFDS's only one before it stated them."""
    stated = getattr(feature, "bbox_format", None)
    return _kind(feature) == "BBoxFeature" and (stated is None or stated.value == "REL_YXYX")


def _is_name(feature: Any) -> bool:
    if _kind(feature) == "Text":
        return True
    return (
        _kind(feature) in ("Scalar", "Tensor")
        and feature.shape == ()
        and np.dtype(feature.np_dtype).kind in "iu"
    )


def _only(keys: list[str]) -> str | None:
    return keys[0] if len(keys) == 1 else None


def _keys(features: dict[str, Any], test: Callable[[Any], bool]) -> list[str]:
    return [key for key, feature in features.items() if test(feature)]


def _find_picture(flat: dict[str, Any]) -> str | None:
    def shows(feature: Any) -> bool:
        return _is_image(feature) and np.dtype(feature.np_dtype).kind == "u" and len(feature.shape) == 3

    images = [key for key in _keys(flat, shows) if not any(word in key.lower() for word in MASK_WORDS)]
    return "image" if "image" in images else _only(images)


def _find_label(flat: dict[str, Any], supervised_keys: Any) -> Labels | None:
    found = _keys(flat, _is_label)
    target = supervised_keys[1] if supervised_keys and len(supervised_keys) > 1 else None
    first = next((key for key in ("label", target) if isinstance(key, str) and key in found), None)
    key = first or _only(found) or next((key for key in LABEL_KEYS if key in found), None)
    if key:
        return Labels(key, tuple(flat[key].names))
    return Labels("label", (), as_text=True) if _kind(flat.get("label")) == "Text" else None


def _find_boxes(flat: dict[str, Any], label: Labels | None) -> Boxes | None:
    """The first that has all it takes: sequences of boxes, `objects` before the others, then a single box."""
    for key in sorted(flat, key=lambda key: key != "objects"):
        inner = getattr(flat[key], "feature", None)
        if inner is not None and _kind(flat[key]) == "Sequence" and hasattr(inner, "items"):
            boxes = _find_boxes_inside(key, dict(inner.items()), label)
            if boxes:
                return boxes
    sequences = {key: flat[key].feature for key in flat if _kind(flat[key]) == "Sequence"}
    many, single = _only(_keys(sequences, _is_box)), _only(_keys(flat, _is_box))
    if many:
        labels = _choose_label("", sequences)
        return Boxes(many, labels) if labels or label else None
    return Boxes(single, None, single=True) if single and label else None


def _find_boxes_inside(key: str, inner: dict[str, Any], label: Labels | None) -> Boxes | None:
    box, labels = _only(_keys(inner, _is_box)), _choose_label(f"{key}/", inner)
    name = None if labels or label or any(word in inner for word in LABEL_KEYS) else key
    if box is None or not (labels or label or name):
        return None
    crowd = next((name for name in CROWD_KEYS if name in inner), None)
    mask = _only(_keys(inner, lambda feature: _is_image(feature) and feature.shape[-1] == 1))
    crowds, masks = crowd and f"{key}/{crowd}", mask and f"{key}/{mask}"
    return Boxes(f"{key}/{box}", labels, crowds, masks, name=name)


def _is_part(boxes: Boxes) -> bool:
    return boxes.single and boxes.key not in BOX_KEYS


def _find_mask(flat: dict[str, Any]) -> str | None:
    """The only picture of one channel of levels that is called a mask."""

    def is_mask(feature: Any) -> bool:
        return _is_image(feature) and np.dtype(feature.np_dtype).kind == "u" and feature.shape[-1] == 1

    return _only([key for key in _keys(flat, is_mask) if any(word in key.lower() for word in MASK_WORDS)])


def _choose_label(prefix: str, features: dict[str, Any]) -> Labels | None:
    found = _keys(features, _is_label)
    key = next((key for key in LABEL_KEYS if key in found), _only(found))
    return Labels(f"{prefix}{key}", tuple(features[key].names)) if key else None


def _find_regions(flat: dict[str, Any]) -> Labels | None:
    key = _only(_keys(flat, lambda feature: _kind(feature) == "LabeledImage" and feature.num_classes))
    if not key:
        return None
    names = tuple(flat[key].names)
    return Labels(key, names, background=names[0] if names[0].lower() in NO_REGION else None)
