"""One Pascal VOC annotation: the objects of one picture, each sound or with what is wrong with it.

Format: the devkit's development_kit_doc, section "Annotation" (http://host.robots.ox.ac.uk/pascal/VOC/).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from glasshouse.sources.listing import spell
from glasshouse.sources.voc.xml_tree import Element, XmlFault, parse_xml

CORNERS = ("xmin", "ymin", "xmax", "ymax")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+|nan|inf(inity)?)", re.ASCII | re.IGNORECASE)
FLAGS = {"1": True, "true": True, "0": False, "false": False, "": False, "unspecified": False}
MAX_SIDE_PX = 2**20


@dataclass(frozen=True, slots=True)
class VocObject:
    """One object: where it stands in the file, its class, xmin, ymin, xmax, ymax as written, VOC's flag."""

    place: str
    label: str
    corners: tuple[float, float, float, float]
    is_difficult: bool


@dataclass(frozen=True, slots=True)
class VocFault:
    """What is wrong at a place of the file, and whether it cost the object."""

    place: str
    kind: str
    reason: str
    action: Literal["set_aside", "repaired"] = "set_aside"


@dataclass(frozen=True, slots=True)
class VocAnnotation:
    """What one file says: the picture's name ("" for none), (height, width) or None, objects and faults."""

    picture_name: str
    size: tuple[int, int] | None
    objects: tuple[VocObject, ...]
    faults: tuple[VocFault, ...]


def read_annotation(data: bytes) -> VocAnnotation:
    """The annotation in the bytes of an XML file.

    Raises:
        XmlFault: it is no XML, refused, or not a VOC annotation.
    """
    root = parse_xml(data)
    if root.tag != "annotation":
        raise XmlFault(root.line, f"its outermost tag is <{root.tag}>, not VOC's <annotation>")
    faults: list[VocFault] = []
    objects = []
    for number, element in enumerate(root.find_all("object"), 1):
        found = read_object(element, f"object {number} (line {element.line})", faults)
        if found is not None:
            objects.append(found)
    size = read_size(root, faults)
    return VocAnnotation(root.find_text("filename") or "", size, tuple(objects), tuple(faults))


def read_size(root: Element, faults: list[VocFault]) -> tuple[int, int] | None:
    """(height, width) from <size>; where it is not there, or no size, a fault and None."""
    texts = [root.find_text("size", side) for side in ("height", "width")]
    sides = [float(text) if text and NUMBER.fullmatch(text) else 0.0 for text in texts]
    if all(1 <= side <= MAX_SIDE_PX and side == int(side) for side in sides):
        return int(sides[0]), int(sides[1])
    place = next((f"line {size.line}" for size in root.find_all("size")), "")
    said = f"<size> says height {texts[0]!r}, width {texts[1]!r}" if place else "there is no <size>"
    faults.append(VocFault(place, "size_missing", f"{said}; the picture's own size counts", "repaired"))
    return None


def read_object(element: Element, place: str, faults: list[VocFault]) -> VocObject | None:
    """The object, or None and a fault; its <part>s (heads, hands) are objects of no class and passed over."""
    label = spell(element.find_text("name") or "")
    if not label:
        faults.append(VocFault(place, "label_missing", "<name> is missing or empty: give the class"))
        return None
    corners = read_corners(element, label, place, faults)
    if corners is None:
        return None
    flag = element.find_text("difficult") or ""
    if flag.lower() not in FLAGS:
        reason = f"<difficult> is {flag!r}, neither 0 nor 1; taken as 0"
        faults.append(VocFault(place, "difficult_unknown", reason, "repaired"))
    return VocObject(place, label, corners, FLAGS.get(flag.lower(), False))


def read_corners(
    element: Element, label: str, place: str, faults: list[VocFault]
) -> tuple[float, float, float, float] | None:
    """The four numbers of the only <bndbox>, by their tags (their order varies), or None and a fault."""
    boxes = list(element.find_all("bndbox"))
    if len(boxes) != 1:
        others = ", ".join(f"<{child.tag}>" for child in element.children) or "nothing"
        reason = f"{label!r} has {len(boxes)} <bndbox> where one is needed; in it: {others}"
        faults.append(VocFault(place, "box_twice" if boxes else "box_missing", reason))
        return None
    texts = {tag: boxes[0].find_text(tag) for tag in CORNERS}
    wrong = [f"<{tag}> {text!r}" for tag, text in texts.items() if text and not NUMBER.fullmatch(text)]
    missing = [f"<{tag}> missing" for tag, text in texts.items() if not text]
    if wrong or missing:
        kind = "coordinate_missing" if missing else "coordinate_not_numeric"
        faults.append(
            VocFault(place, kind, f"{label!r}: {', '.join(missing + wrong)}; each must be one number")
        )
        return None
    x_min, y_min, x_max, y_max = (float(text or "nan") for text in texts.values())
    return x_min, y_min, x_max, y_max
