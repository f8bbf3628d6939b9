"""Small sound data sets in every format, cheaply drawn: what the faults are planted into."""

from __future__ import annotations

import csv
import json
import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

WIDTH_PX, HEIGHT_PX = 64, 48
PICTURES = 30
COLOURS = {"daisy": (250, 240, 90), "rose": (200, 30, 60), "tulip": (120, 60, 200), "orchid": (90, 200, 250)}
NAMES = ("daisy", "rose")  # the classes of every set that says nothing else
VICTIM = 6  # the number of the picture that suffers; each number has a picture and a class
GIVEN = (*["train"] * 21, *["valid"] * 5, *["test"] * 4)
Box = tuple[float, float, float, float]


@dataclass(slots=True)
class Scene:
    """A picture with two objects of one class.

    Attributes:
        number: from 1; another one is another picture.
        label: class of the picture and of its objects.
        boxes_xyxy_px: of the objects, maximum exclusive.
    """

    number: int
    label: str
    boxes_xyxy_px: list[Box]

    @property
    def stem(self) -> str:
        """`rose-06`."""
        return f"{self.label}-{self.number:02d}"

    @property
    def name(self) -> str:
        """`rose-06.jpg`."""
        return f"{self.stem}.jpg"


def make_scenes(pictures: int = PICTURES, labels: Sequence[str] = NAMES) -> list[Scene]:
    """So many scenes with the classes in turn."""
    return [
        Scene(number, labels[(number - 1) % len(labels)], place_boxes(number))
        for number in range(1, pictures + 1)
    ]


def place_boxes(number: int) -> list[Box]:
    """One box in the left half of the picture and one in the right, whole pixels, off the edges."""
    rng = np.random.default_rng([number, 1])
    boxes = []
    for left_px in (4, 36):
        x, y = left_px + int(rng.integers(0, 6)), int(rng.integers(4, 20))
        boxes.append((float(x), float(y), float(x + rng.integers(12, 18)), float(y + rng.integers(12, 22))))
    return boxes


def draw(scene: Scene) -> Image.Image:
    """A picture like no other number's: coloured clouds with an ellipse in each box of `place_boxes`."""
    rng = np.random.default_rng(scene.number)
    clouds = Image.fromarray(rng.integers(20, 236, (6, 8, 3)).astype(np.uint8))
    picture = clouds.resize((WIDTH_PX, HEIGHT_PX), Image.Resampling.BICUBIC)
    for x_min, y_min, x_max, y_max in place_boxes(scene.number):
        ImageDraw.Draw(picture).ellipse((x_min, y_min, x_max - 1, y_max - 1), COLOURS.get(scene.label, 0))
    return picture


def save(scene: Scene, path: Path) -> None:
    """Save the picture in the format that the path's ending names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draw(scene).save(path, quality=92)


def write_text(path: Path, text: str, encoding: str = "utf-8") -> None:
    """Write a text with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding=encoding, newline="\n")


def replace_text(path: Path, old: str, new: str) -> None:
    """Replace the first `old` in a text file, which has to be there."""
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{path.name} holds no {old!r}"
    write_text(path, text.replace(old, new, 1))


def write_class_folders(folder: Path, scenes: Iterable[Scene] | None = None) -> None:
    """LABEL/LABEL-NN.jpg."""
    for scene in make_scenes() if scenes is None else scenes:
        save(scene, folder / scene.label / scene.name)


def write_given_folders(folder: Path, scenes: Sequence[Scene] | None = None) -> None:
    """train|valid|test/LABEL/LABEL-NN.jpg, by the scene's number."""
    for scene in make_scenes() if scenes is None else scenes:
        save(scene, folder / GIVEN[scene.number - 1] / scene.label / scene.name)


def write_voc(folder: Path, scenes: Iterable[Scene] | None = None) -> None:
    """JPEGImages/ and Annotations/, pixels counted from 1."""
    for scene in make_scenes() if scenes is None else scenes:
        save(scene, folder / "JPEGImages" / scene.name)
        write_text(folder / "Annotations" / f"{scene.stem}.xml", spell_voc(scene))


def spell_voc(scene: Scene, size: tuple[int, int] | None = (HEIGHT_PX, WIDTH_PX)) -> str:
    """The annotation of a scene; without <size> where it is None."""
    lines = ["<annotation>", f"  <filename>{scene.name}</filename>"]
    if size:
        lines.append(f"  <size><width>{size[1]}</width><height>{size[0]}</height><depth>3</depth></size>")
    for x_min, y_min, x_max, y_max in scene.boxes_xyxy_px:
        corners = {"xmin": x_min + 1, "ymin": y_min + 1, "xmax": x_max, "ymax": y_max}
        box = "".join(f"<{tag}>{value:g}</{tag}>" for tag, value in corners.items())
        lines.append(f"  <object><name>{scene.label}</name><bndbox>{box}</bndbox></object>")
    return "\n".join([*lines, "</annotation>", ""])


def spell_coco(scenes: Sequence[Scene], names: Sequence[str] = NAMES) -> dict[str, Any]:
    """The document: image ids are the scenes' numbers, category ids count from 1, annotation ids too."""
    ids = {name: number for number, name in enumerate(names, 1)}
    images = [
        {"id": scene.number, "file_name": scene.name, "width": WIDTH_PX, "height": HEIGHT_PX}
        for scene in scenes
    ]
    annotations: list[dict[str, Any]] = []
    for scene in scenes:
        for x_min, y_min, x_max, y_max in scene.boxes_xyxy_px:
            box = [x_min, y_min, x_max - x_min, y_max - y_min]
            number, category = len(annotations) + 1, ids[scene.label]
            annotations.append(
                {"id": number, "image_id": scene.number, "category_id": category, "bbox": box, "iscrowd": 0}
            )
    categories = [{"id": number, "name": name} for name, number in ids.items()]
    return {"images": images, "annotations": annotations, "categories": categories}


def write_coco(folder: Path, document: Any = None, scenes: Sequence[Scene] | None = None) -> None:
    """labels.json and images/; another document in place of the scenes' own."""
    scenes = make_scenes() if scenes is None else scenes
    for scene in scenes:
        save(scene, folder / "images" / scene.name)
    document = spell_coco(scenes) if document is None else document
    write_text(folder / "labels.json", json.dumps(document, indent=1))


def write_yolo(folder: Path, scenes: Iterable[Scene] | None = None, names: Sequence[str] = NAMES) -> None:
    """images/, labels/ and data.yaml."""
    write_text(folder / "data.yaml", f"names: [{', '.join(names)}]\n")
    for scene in make_scenes() if scenes is None else scenes:
        save(scene, folder / "images" / scene.name)
        rows = (spell_yolo(names.index(scene.label), box) for box in scene.boxes_xyxy_px)
        write_text(folder / "labels" / f"{scene.stem}.txt", "".join(rows))


def spell_yolo(class_id: int, box: Box) -> str:
    """A row with its line end."""
    x_min, y_min, x_max, y_max = box
    across, down = (x_min + x_max) / 2 / WIDTH_PX, (y_min + y_max) / 2 / HEIGHT_PX
    size = f"{(x_max - x_min) / WIDTH_PX:.6f} {(y_max - y_min) / HEIGHT_PX:.6f}"
    return f"{class_id} {across:.6f} {down:.6f} {size}\n"


def spell_via(scenes: Iterable[Scene]) -> dict[str, Any]:
    """An export of VIA 2: {name and -1: entry}, rectangles with the attribute `class`."""
    entries = {}
    for scene in scenes:
        regions = [
            {
                "shape_attributes": {
                    "name": "rect", "x": x_min, "y": y_min, "width": x_max - x_min, "height": y_max - y_min
                },
                "region_attributes": {"class": scene.label},
            }
            for x_min, y_min, x_max, y_max in scene.boxes_xyxy_px
        ]  # fmt: skip
        entries[f"{scene.name}-1"] = {"filename": scene.name, "size": -1, "regions": regions}
    return entries


def write_via(folder: Path, document: Any = None) -> None:
    """via.json beside its pictures."""
    scenes = make_scenes()
    for scene in scenes:
        save(scene, folder / scene.name)
    write_text(folder / "via.json", json.dumps(document or spell_via(scenes), indent=1))


CSV_HEADER = ("file_name", "label", "x_min_px", "y_min_px", "x_max_px", "y_max_px")


def write_csv(folder: Path, scenes: Iterable[Scene] | None = None, delimiter: str = ",") -> None:
    """labels.csv and pictures/: the objects of picture n are in lines 2n and 2n + 1."""
    rows: list[Sequence[object]] = [CSV_HEADER]
    for scene in make_scenes() if scenes is None else scenes:
        save(scene, folder / "pictures" / scene.name)
        rows += [(f"pictures/{scene.name}", scene.label, *box) for box in scene.boxes_xyxy_px]
    with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, delimiter=delimiter, lineterminator="\n").writerows(rows)


def write_npy(folder: Path, pixels: Any = None, labels: Any = None) -> None:
    """X.npy (N, height, width, 3), y.npy from 0, classes.txt."""
    scenes = make_scenes()
    stack = np.stack([np.asarray(draw(scene)) for scene in scenes])
    numbers = np.array([NAMES.index(scene.label) for scene in scenes])
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "X.npy", stack if pixels is None else pixels)
    np.save(folder / "y.npy", numbers if labels is None else labels)
    write_text(folder / "classes.txt", "\n".join(NAMES) + "\n")


def pack_png(width_px: int, height_px: int, rows: bytes = b"") -> bytes:
    """A PNG whose header promises any size, whatever the rows hold."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width_px, height_px, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


SOUND = {
    "class_folders": write_class_folders,
    "voc": write_voc,
    "coco": write_coco,
    "yolo": write_yolo,
    "via": write_via,
    "csv": write_csv,
    "npy": write_npy,
}
