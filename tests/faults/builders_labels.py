"""Faults of labels: boxes that cannot be, and what only one format can get wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .builders import (
    CSV_HEADER,
    HEIGHT_PX,
    NAMES,
    VICTIM,
    WIDTH_PX,
    Box,
    draw,
    make_scenes,
    place_boxes,
    replace_text,
    save,
    spell_coco,
    spell_via,
    spell_voc,
    write_coco,
    write_csv,
    write_npy,
    write_text,
    write_via,
    write_voc,
    write_yolo,
)

STEM = make_scenes()[VICTIM - 1].stem
XML, TXT = f"Annotations/{STEM}.xml", f"labels/{STEM}.txt"
FIRST = 2 * (VICTIM - 1)  # the place of the victim's first object among all; its second follows
SECRET = "the content of a file outside"


def plant_box(folder: Path, box: Box) -> None:
    """A CSV in which the first object of the victim has this box."""
    scenes = make_scenes()
    scenes[VICTIM - 1].boxes_xyxy_px[0] = box
    write_csv(folder, scenes)


def write_reversed_box(folder: Path) -> None:
    x_min, y_min, x_max, y_max = place_boxes(VICTIM)[0]
    plant_box(folder, (x_max, y_max, x_min, y_min))


def write_zero_area_box(folder: Path) -> None:
    x_min, y_min, _, y_max = place_boxes(VICTIM)[0]
    plant_box(folder, (x_min, y_min, x_min, y_max))


def write_nan_box(folder: Path) -> None:
    plant_box(folder, (*place_boxes(VICTIM)[0][:3], float("nan")))


def write_outside_box(folder: Path) -> None:
    plant_box(folder, (WIDTH_PX + 6.0, 10.0, WIDTH_PX + 26.0, 30.0))


def write_half_outside_box(folder: Path) -> None:
    x_min, y_min, x_max, y_max = place_boxes(VICTIM)[0]
    plant_box(folder, (x_min - (x_max - x_min), y_min, x_max, y_max))


def write_whole_picture_box(folder: Path) -> None:
    plant_box(folder, (0.0, 0.0, float(WIDTH_PX), float(HEIGHT_PX)))


def write_box_twice(folder: Path) -> None:
    scenes = make_scenes()
    scenes[VICTIM - 1].boxes_xyxy_px.append(scenes[VICTIM - 1].boxes_xyxy_px[0])
    write_csv(folder, scenes)


def write_tiny_box(folder: Path) -> None:
    plant_box(folder, (20.0, 20.0, 21.0, 21.0))


def write_only_bad_boxes(folder: Path) -> None:
    """Both boxes of the victim are outside."""
    scenes = make_scenes()
    scenes[VICTIM - 1].boxes_xyxy_px = [(80.0, 0.0, 90.0, 9.0), (-30.0, 5.0, -10.0, 15.0)]
    write_csv(folder, scenes)


def write_voc_with(folder: Path, text: str) -> None:
    """VOC in which this is the victim's annotation."""
    write_voc(folder)
    write_text(folder / XML, text)


def write_xml_without_size(folder: Path) -> None:
    write_voc_with(folder, spell_voc(make_scenes()[VICTIM - 1], None))


def write_xml_wrong_size(folder: Path) -> None:
    write_voc_with(folder, spell_voc(make_scenes()[VICTIM - 1], (500, 333)))


def write_xml_of_larger_picture(folder: Path) -> None:
    """Labelled at four times the size, and shrunk since: three quarters of the boxes are outside."""
    scene = make_scenes()[VICTIM - 1]
    scene.boxes_xyxy_px = [tuple(4 * value for value in box) for box in scene.boxes_xyxy_px]
    write_voc_with(folder, spell_voc(scene, (4 * HEIGHT_PX, 4 * WIDTH_PX)))


def write_broken_xml(folder: Path) -> None:
    write_voc_with(folder, spell_voc(make_scenes()[VICTIM - 1]).replace("</bndbox>", "", 1))


def write_external_entity(folder: Path) -> None:
    """The class is the content of a file beside the data set."""
    write_text(folder.parent / "secret.txt", SECRET)
    text = spell_voc(make_scenes()[VICTIM - 1]).replace("<name>rose<", "<name>&secret;<")
    entity = f'<!DOCTYPE annotation [<!ENTITY secret SYSTEM "{folder.parent}/secret.txt">]>\n'
    write_voc_with(folder, entity + text)


def write_billion_laughs(folder: Path) -> None:
    """Ten entities, each ten times the one before: 10**9 copies of the first."""
    lines = ['<!ENTITY a "ha">']
    for before, name in zip("abcdefghi", "bcdefghij", strict=True):
        lines.append(f'<!ENTITY {name} "{f"&{before};" * 10}">')
    text = spell_voc(make_scenes()[VICTIM - 1]).replace("<name>rose<", "<name>&j;<")
    write_voc_with(folder, "<!DOCTYPE annotation [\n" + "\n".join(lines) + "\n]>\n" + text)


def write_mixed_numbering(folder: Path) -> None:
    """Three pictures count pixels from 1 and touch the left edge at 1; one counts from 0."""
    write_voc(folder)
    for number in (1, 2, 3, VICTIM):
        scene = make_scenes()[number - 1]
        _, y_min, x_max, y_max = scene.boxes_xyxy_px[0]
        scene.boxes_xyxy_px[0] = (-1.0 if number == VICTIM else 0.0, y_min, x_max, y_max)
        write_text(folder / "Annotations" / f"{scene.stem}.xml", spell_voc(scene))


def write_picture_without_xml(folder: Path) -> None:
    write_voc(folder)
    (folder / XML).unlink()


def write_dangling_xml(folder: Path) -> None:
    write_picture_without_xml(folder)
    (folder / XML).symlink_to("nowhere.xml")


def write_xml_without_picture(folder: Path) -> None:
    write_voc(folder)
    (folder / "JPEGImages" / f"{STEM}.jpg").unlink()


def write_coco_with(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """COCO after a change of the document."""
    document = spell_coco(make_scenes())
    change(document)
    write_coco(folder, document)


def write_json_without_categories(folder: Path) -> None:
    write_coco_with(folder, lambda document: document.pop("categories"))


def write_broken_json(folder: Path) -> None:
    write_coco(folder)
    replace_text(folder / "labels.json", '"annotations": [', '"annotations": ')


def write_unknown_image_id(folder: Path) -> None:
    write_coco_with(folder, lambda document: document["annotations"][FIRST].update(image_id=999))


def write_unknown_category_id(folder: Path) -> None:
    write_coco_with(folder, lambda document: document["annotations"][FIRST].update(category_id=77))


def write_duplicate_annotation_id(folder: Path) -> None:
    write_coco_with(folder, lambda document: document["annotations"][FIRST].update(id=1))


def write_duplicate_image_id(folder: Path) -> None:
    write_coco_with(folder, lambda document: document["images"][VICTIM - 1].update(id=1))


def write_missing_bbox(folder: Path) -> None:
    write_coco_with(folder, lambda document: document["annotations"][FIRST].pop("bbox"))


def write_category_mix(folder: Path) -> None:
    """Categories count from 1, annotations from 0."""

    def change(document: dict[str, Any]) -> None:
        for annotation in document["annotations"]:
            annotation["category_id"] -= 1

    write_coco_with(folder, change)


def write_coco_crowd(folder: Path) -> None:
    write_coco_with(folder, lambda document: document["annotations"][FIRST].update(iscrowd=1))


def write_coco_class_of_crowds(folder: Path) -> None:
    """Every rose is a crowd."""

    def change(document: dict[str, Any]) -> None:
        rose = document["annotations"][FIRST]["category_id"]
        for annotation in document["annotations"]:
            annotation["iscrowd"] = int(annotation["category_id"] == rose)

    write_coco_with(folder, change)


def write_csv_missing_twin(folder: Path) -> None:
    """The victim's picture is gone, and another of its base name lies in another folder."""
    write_csv(folder)
    (folder / "pictures" / f"{STEM}.jpg").unlink()
    save(make_scenes()[0], folder / "extra" / f"{STEM}.jpg")


def write_yolo_capital_suffix(folder: Path) -> None:
    write_yolo(folder)
    (folder / "labels" / f"{STEM}.txt").rename(folder / "labels" / f"{STEM}.TXT")


def count_runs(box: Box) -> list[int]:
    """COCO's run lengths of a filled box: down the columns, beginning with what is outside."""
    mask = np.zeros((HEIGHT_PX, WIDTH_PX), bool)
    x_min, y_min, x_max, y_max = map(int, box)
    mask[y_min:y_max, x_min:x_max] = True
    line = np.concatenate(([False], mask.T.ravel(), [False]))[:-1]
    edges = np.flatnonzero(line[1:] != line[:-1])
    return np.diff([0, *edges.tolist(), mask.size]).tolist()


def write_coco_rle(folder: Path) -> None:
    """The victim's objects have masks: run lengths as numbers, and compressed by pycocotools."""
    from pycocotools import mask as masks

    first, second = place_boxes(VICTIM)
    plain = {"size": [HEIGHT_PX, WIDTH_PX], "counts": count_runs(first)}
    packed = masks.frPyObjects({**plain, "counts": count_runs(second)}, HEIGHT_PX, WIDTH_PX)
    packed["counts"] = packed["counts"].decode("ascii")

    def change(document: dict[str, Any]) -> None:
        for number, rle in enumerate((plain, packed)):
            document["annotations"][FIRST + number]["segmentation"] = rle

    write_coco_with(folder, change)


def write_bad_rle(folder: Path) -> None:
    """Run lengths that end too early."""
    rle = {"size": [HEIGHT_PX, WIDTH_PX], "counts": [10, 20]}
    write_coco_with(folder, lambda document: document["annotations"][FIRST].update(segmentation=rle))


def write_yolo_row(folder: Path, row: str) -> None:
    """YOLO in which this is the victim's first row."""
    write_yolo(folder)
    path = folder / TXT
    write_text(path, "\n".join([row, *path.read_text(encoding="utf-8").splitlines()[1:], ""]))


def write_yolo_four_numbers(folder: Path) -> None:
    write_yolo_row(folder, "1 0.5 0.5 0.2")


def write_yolo_six_numbers(folder: Path) -> None:
    write_yolo_row(folder, "1 0.5 0.5 0.2 0.2 0.93")


def write_yolo_over_one(folder: Path) -> None:
    write_yolo_row(folder, "1 32 24 12 15")


def write_yolo_unnamed_class(folder: Path) -> None:
    write_yolo_row(folder, "7 0.5 0.5 0.2 0.2")


def write_yolo_from_one(folder: Path) -> None:
    """Ids count from 1 throughout."""
    write_yolo(folder)
    for path in (folder / "labels").iterdir():
        rows = path.read_text(encoding="utf-8").splitlines()
        write_text(path, "\n".join([*(f"{int(row[0]) + 1}{row[1:]}" for row in rows), ""]))


def write_yolo_no_row_left(folder: Path) -> None:
    write_yolo(folder)
    write_text(folder / TXT, "1 0.5 0.5 0.2\nrose 0.5 0.5 0.2 0.2\n")


def write_via_two_points(folder: Path) -> None:
    document = spell_via(make_scenes())
    line = {"name": "polygon", "all_points_x": [10, 30], "all_points_y": [10, 30]}
    document[f"{STEM}.jpg-1"]["regions"][0]["shape_attributes"] = line
    write_via(folder, document)


def write_via_missing_key(folder: Path) -> None:
    document = spell_via(make_scenes())
    del document[f"{STEM}.jpg-1"]["regions"]
    write_via(folder, document)


def write_csv_semicolons(folder: Path) -> None:
    write_csv(folder, delimiter=";")


def write_csv_without_header(folder: Path) -> None:
    write_csv(folder)
    replace_text(folder / "labels.csv", ",".join(CSV_HEADER) + "\n", "")


def write_csv_with_mark(folder: Path) -> None:
    write_csv(folder)
    path = folder / "labels.csv"
    write_text(path, path.read_text(encoding="utf-8"), "utf-8-sig")


def write_csv_missing_picture(folder: Path) -> None:
    write_csv(folder)
    with (folder / "labels.csv").open("a", encoding="utf-8") as stream:
        stream.write("pictures/lost.jpg,rose,1,1,9,9\n")


def write_csv_short_row(folder: Path) -> None:
    write_csv(folder)
    with (folder / "labels.csv").open("a", encoding="utf-8") as stream:
        stream.write(f"pictures/{STEM}.jpg,rose,1,1\n")


def write_npy_nan(folder: Path) -> None:
    stack = np.stack([np.asarray(draw(scene)) for scene in make_scenes()]).astype(np.float32)
    stack[VICTIM - 1, 3, 5] = np.nan
    write_npy(folder, stack)


def write_npy_fewer_labels(folder: Path) -> None:
    write_npy(folder, labels=np.array([number % 2 for number in range(len(make_scenes()) - 1)]))


def write_npy_from_one(folder: Path) -> None:
    write_npy(folder, labels=np.array([1 + NAMES.index(scene.label) for scene in make_scenes()]))
