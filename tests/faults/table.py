"""The table of planted faults: what is planted, and what becomes of it. docs/faults.md shows it to people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from . import builders_accepted as accepted
from . import builders_labels as labels
from . import builders_pictures as pictures
from . import builders_sets as sets
from . import checks
from .builders import PICTURES, write_csv, write_npy, write_via, write_voc, write_yolo
from .checks import STEM
from .stages import STAGES

Fate = Literal["critical", "set aside", "repaired", "told", "sound"]
Build = Callable[[Path], None]
Fault = tuple[str, str, str, str]  # file, place, kind, action
BAD = ("rose/bad.jpg",)
VICTIM = f"rose/{STEM}.jpg"
GIVEN = {"split.method": "given"}


@dataclass(frozen=True)
class Row:
    """One fault.

    Attributes:
        name: of the fault, for people.
        format: of the data set that it is planted into.
        build: writes that data set into an empty folder.
        fate: what becomes of it.
        said: what a person reads; file and row are in it, or in `faults` and `quarantined`.
        faults: all rows of the table faults.
        quarantined: all files of the table quarantine.
        findings: checks of the guard ("stage.check") that fail: all critical ones, some of the warnings.
        pictures: how many go on.
        ends: the stage that exits 1; it, and those after it, go through where the fate is not critical.
        params: settings other than the project's.
        path: of the data set, from the project's folder.
        check: further demands on what was written.
        limit_bytes: the size at which files stop to grow in the stage `ends`, as on a disk that is full.
    """

    name: str
    format: str
    build: Build
    fate: Fate
    said: str
    faults: tuple[Fault, ...] = ()
    quarantined: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    pictures: int = PICTURES
    ends: str = "download"
    params: Mapping[str, Any] = field(default_factory=dict)
    path: str = "pictures"
    check: Callable[[Path], None] | None = None
    limit_bytes: int | None = None

    @property
    def stages(self) -> tuple[str, ...]:
        """Those that run: a label that was left out, or a warning, is nothing that the last one could see."""
        if self.fate == "critical":
            return STAGES[: STAGES.index(self.ends) + 1]
        left_out = self.fate == "set aside" and not self.quarantined
        return STAGES[:-1] if left_out or self.fate == "told" else STAGES


def aside(file_name: str, place: str, kind: str) -> Fault:
    """A row of `faults` that says what was left out."""
    return file_name, place, kind, "set_aside"


def mended(file_name: str, place: str, kind: str) -> Fault:
    """A row of `faults` that says what was repaired."""
    return file_name, place, kind, "repaired"


def quarantine(name: str, build: Build, said: str, file_name: str) -> Row:
    """A file beside thirty sound pictures in class folders that cannot be used."""
    finding = ("download.nothing_quarantined",)
    return Row(name, "class_folders", build, "set aside", said, (), (file_name,), finding)


def oddity(name: str, build: Build, said: str, file_name: str, kind: str, *findings: str) -> Row:
    """A picture beside thirty others in class folders that is read all the same."""
    mend = (mended(file_name, "", kind),)
    return Row(name, "class_folders", build, "repaired", said, mend, findings=findings, pictures=PICTURES + 1)


def box(name: str, build: Build, said: str, kind: str, place: str = "line 12") -> Row:
    """A box in a CSV that is left out; the other one of its picture stays."""
    lost = (aside("labels.csv", place, kind),)
    return Row(name, "csv", build, "set aside", said, lost, check=checks.demand_one_box)


# A table, to be read by rows: one entry a fault, in as few lines as it takes.
# fmt: off
PICTURE_ROWS = (
    quarantine("truncated JPEG", pictures.write_truncated_jpeg, "truncated picture", *BAD),
    quarantine("file of zero bytes", pictures.write_zero_bytes, "empty file (0 bytes)", *BAD),
    quarantine("text named .jpg", pictures.write_text_named_jpg, "not a picture", *BAD),
    quarantine("header of 40,000 x 40,000 pixels (a bomb)", pictures.write_header_bomb, "too large",
        "rose/bomb.png"),
    quarantine("unreadable file (a dangling link)", pictures.write_dangling_link,
        "cannot be read: No such file or directory", "rose/link.jpg"),
    Row("link to a folder, which DVC would not look behind", "class_folders", pictures.write_linked_folder,
        "critical", "rose/linked is a link to a folder"),
    oddity("PNG named .jpg", pictures.write_png_named_jpg, "a PNG picture is named .jpg", "rose/odd.jpg",
        "extension_wrong"),
    oddity("CMYK", pictures.write_cmyk, "its colours are CMYK", "rose/odd.jpg", "colours_converted"),
    oddity("16 bits a level", pictures.write_16_bit, "16 bits", "rose/odd.png", "levels_cut",
        "download.eight_bit_mode"),
    oddity("animated GIF", pictures.write_animated_gif, "several frames; the first was taken", "rose/odd.gif",
        "first_frame_taken"),
    Row("picture that EXIF turns", "class_folders", pictures.write_exif_picture, "repaired",
        "EXIF orientation 6", (mended(VICTIM, "", "exif_turned"),), check=checks.demand_upright),
    Row("picture that EXIF turns, with boxes", "voc", pictures.write_exif_boxes, "repaired",
        "and its 2 objects with them", (mended(f"JPEGImages/{STEM}.jpg", "", "exif_turned"),),
        check=checks.demand_upright_boxes),
    Row("truncated JPEG with boxes", "csv", pictures.write_truncated_with_boxes, "set aside",
        "truncated JPEG picture", (aside(f"pictures/{STEM}.jpg", "", "picture_set_aside"),),
        (f"pictures/{STEM}.jpg",), ("download.nothing_quarantined",), pictures=PICTURES - 1),
    Row("bomb with boxes", "yolo", pictures.write_bomb_with_boxes, "set aside", "too large",
        (aside(labels.TXT, "", "picture_size_unknown"),), (f"images/{STEM}.jpg",),
        ("download.nothing_quarantined",), pictures=PICTURES - 1),
    Row("1 x 1 pixel", "class_folders", pictures.write_one_pixel, "critical", "file_name=rose/dot.png",
        findings=("download.picture_large_enough",)),
    Row("32 times as long as high", "class_folders", pictures.write_long_strip, "critical",
        "file_name=rose/strip.png", findings=("download.picture_ratio",)),
    Row("picture of one colour", "class_folders", pictures.write_blank, "told", "file_name=rose/blank.png",
        findings=("download.not_blank",), pictures=PICTURES + 1),
    Row("alpha, palette, grey, progressive, WebP, BMP", "class_folders", pictures.write_other_formats,
        "sound", "", pictures=PICTURES + 6),
    Row("unicode and spaces in a name", "class_folders", pictures.write_unicode_names, "sound", "",
        pictures=PICTURES + 1),
    Row("the same base name in two folders", "class_folders", pictures.write_same_base_name, "sound", "",
        pictures=PICTURES + 2),
)

COPIES = {
    "exact copy": (pictures.write_exact_copy, "exact_copies"),
    "re-encoded copy": (pictures.write_reencoded_copy, "near_copies"),
    "resized copy": (pictures.write_resized_copy, "near_copies"),
    "mirrored copy": (pictures.write_flipped_copy, "near_copies"),
}
COPY_ROWS = tuple(
    row
    for name, (build, found) in COPIES.items()
    for row in (
        Row(f"{name} in two given splits", "class_folders", build, "told", "test/rose/copy.jpg", params=GIVEN,
            findings=(f"download.{found}", "split.copies_not_sliced_through"), pictures=PICTURES + 1),
        Row(f"{name}, split by the project", "class_folders", build, "repaired",
            "they stay together in the split", findings=(f"download.{found}",), pictures=PICTURES + 1,
            check=checks.demand_copies_together),
    )
)

SET_ROWS = (
    Row("label typo", "class_folders", sets.write_label_typo, "critical", "files=rsoe/typo.jpg",
        findings=("download.label_typo",)),
    Row("label outside dataset.classes", "csv", sets.write_unknown_label, "critical",
        "labels.csv, line 12: label 'rosee' is none of dataset.classes. Did you mean 'rose'?",
        params={"dataset.classes": ["daisy", "rose"]}),
    Row("class missing in train", "class_folders", sets.write_class_not_trained, "critical",
        "class=tulip split=train", findings=("split.class_in_train",), ends="split", params=GIVEN),
    Row("class missing in valid and test", "class_folders", sets.write_class_not_tested, "told",
        "class=tulip split=test", findings=("split.class_in_valid_and_test",), params=GIVEN),
    Row("empty class folder", "class_folders", sets.write_empty_class_folder, "critical",
        "class folders without pictures in pictures: tulip"),
    Row("class without an object", "coco", sets.write_empty_class, "critical", "category_id=3 name=tulip",
        findings=("download.class_has_pictures",)),
    Row("class of crowds only", "coco", labels.write_coco_class_of_crowds, "critical",
        "name=rose", findings=("download.class_has_pictures",)),
    Row("two class folders that differ in Unicode form alone", "class_folders",
        sets.write_one_name_in_two_forms, "critical", "there are two 'café'"),
    Row("one class only, of objects", "csv", sets.write_one_class_of_objects, "sound", ""),
    Row("one class only, of pictures", "class_folders", sets.write_one_class_of_pictures, "critical",
        "label=rose pictures=30", findings=("download.labels_differ",)),
    Row("a class of three pictures", "class_folders", sets.write_few_of_a_class, "told", "name=tulip",
        findings=("download.class_has_enough_pictures",)),
    Row("empty data set", "class_folders", sets.write_empty_folder, "critical",
        "pictures has no sub-folders"),
    Row("labels without pictures", "csv", sets.write_no_pictures, "critical",
        "there is no picture 'pictures/daisy-01.jpg'"),
    Row("one picture", "class_folders", sets.write_one_picture, "critical", "found 1",
        findings=("download.enough_pictures", "download.labels_differ")),
    Row("one picture, where one is enough", "csv", sets.write_one_picture_to_split, "critical",
        "No picture of 1 is left for valid and test", ends="split",
        params={"quality.download.min_pictures": 1}, pictures=1),
    Row("picture in no list of the given splits", "voc", sets.write_picture_in_no_split, "critical",
        f"JPEGImages/{STEM}.jpg", ends="split", params=GIVEN),
    Row("group that must stay together", "class_folders", sets.write_group_across_splits, "sound", "",
        check=checks.demand_group_together),
)

ACCEPTED_ROWS = (
    Row("accepted pictures that hold more than their share", "class_folders", accepted.write_accepted, "told",
        "Accepted pictures keep their splits", findings=("split.share_free_to_reach",),
        check=checks.demand_given_places),
    Row("copy of a picture that tested", "class_folders", accepted.write_copy_of_tested, "repaired",
        "they stay together in the split", findings=("download.near_copies",), pictures=PICTURES + 1,
        check=checks.demand_copy_tests),
    Row("new picture tied to accepted ones of two splits", "class_folders", accepted.write_tie, "told",
        "lies_between=daisy/daisy-29.jpg (test), rose/rose-06.jpg (train)",
        findings=("split.picture_not_left_out",), pictures=PICTURES + 1, check=checks.demand_copy_left_out),
    Row("accepted pictures of two splits that belong together", "class_folders", accepted.write_torn,
        "critical", "accepted_split=train", findings=("split.near_copies_together",
        "split.given_groups_together"), ends="split"),
    Row("accepted with other shares", "class_folders", accepted.write_other_shares, "critical",
        "split.test is 0.1, and data/accepted_split.json was accepted with 0.2", ends="split"),
    Row("accepted pictures moved by split.method: ordered", "class_folders", accepted.write_accepted, "told",
        "accepted_split=train", findings=("split.accepted_picture_stays",),
        params={"split.method": "ordered"}),
)

STORAGE_ROWS = (
    Row("sound zip archive", "class_folders", sets.write_sound_zip, "sound", "", path="pictures/set.zip"),
    Row("zip: path that leaves the folder", "class_folders", sets.write_zip_escape, "critical",
        "'../../../escaped.jpg'", path="pictures/set.zip", check=checks.demand_nothing_unpacked),
    Row("tar: absolute path", "class_folders", sets.write_tar_escape, "critical", "'/tmp/escaped.jpg'",
        path="pictures/set.tar", check=checks.demand_nothing_unpacked),
    Row("tar: link", "class_folders", sets.write_tar_link, "critical", "'rose/link.jpg' is a link",
        path="pictures/set.tar", check=checks.demand_nothing_unpacked),
    Row("zip: bomb", "class_folders", sets.write_zip_bomb, "critical", "'rose/bomb.jpg'",
        path="pictures/set.zip", check=checks.demand_nothing_unpacked),
    Row("zip: cut off", "class_folders", sets.write_cut_zip, "critical", "pictures/set.zip",
        path="pictures/set.zip", check=checks.demand_nothing_unpacked),
    Row("disk full while unpacking", "class_folders", sets.write_zip_of_large_file, "critical",
        "the disk is full while writing .glasshouse/unpacked/", path="pictures/set.zip",
        check=checks.demand_nothing_unpacked, limit_bytes=20_000),
    Row("disk full while writing pictures", "csv", write_csv, "critical",
        "the disk is full while writing data/raw", limit_bytes=20_000),
    Row("disk full while writing the split", "csv", write_csv, "critical",
        "the disk is full while writing data/split.parquet", ends="split", limit_bytes=700),
    Row("disk full while writing pixels", "csv", write_csv, "critical",
        "the disk is full while writing data/prepared", ends="preprocess", limit_bytes=100_000),
)

BOX_ROWS = (
    Row("box reversed", "csv", labels.write_reversed_box, "repaired", "were reversed, and exchanged",
        (mended("labels.csv", "line 12", "box_reversed"),), check=checks.demand_old_boxes),
    box("box without area", labels.write_zero_area_box, "has no area", "box_without_area"),
    box("box of NaN", labels.write_nan_box, "is not finite", "box_not_finite"),
    box("box outside", labels.write_outside_box, "is outside the picture of 64 x 48 px", "box_outside"),
    Row("box half outside", "csv", labels.write_half_outside_box, "repaired", "and was cut to",
        (mended("labels.csv", "line 12", "box_clipped"),), check=checks.demand_clipped_box),
    Row("box of the whole picture", "csv", labels.write_whole_picture_box, "told",
        f"file_name=pictures/{STEM}.jpg", findings=("download.box_smaller_than_picture",)),
    Row("box of 1 x 1 pixel", "csv", labels.write_tiny_box, "told", f"file_name=pictures/{STEM}.jpg",
        findings=("download.box_large_enough",)),
    Row("box twice the same", "csv", labels.write_box_twice, "set aside", "the same rose in the same box",
        (aside("labels.csv", "line 14", "box_twice"),), check=checks.demand_old_boxes),
    Row("picture with no sound box", "csv", labels.write_only_bad_boxes, "set aside",
        "none of its 2 objects can be used",
        (aside("labels.csv", "line 12", "box_outside"), aside("labels.csv", "line 13", "box_outside")),
        (f"pictures/{STEM}.jpg",), pictures=PICTURES - 1),
)

XML = labels.XML
VOC_ROWS = (
    Row("no fault", "voc", write_voc, "sound", ""),
    Row("XML without size", "voc", labels.write_xml_without_size, "repaired", "there is no <size>",
        (mended(XML, "", "size_missing"),), check=checks.demand_old_boxes),
    Row("XML with a wrong size", "voc", labels.write_xml_wrong_size, "repaired",
        "the labels are for 333 x 500 px, the picture has 64 x 48 px", (mended(XML, "", "size_differs"),),
        check=checks.demand_old_boxes),
    Row("XML of the picture before it was shrunk", "voc", labels.write_xml_of_larger_picture, "set aside",
        "it seems to have been resized after it was labelled",
        (aside(f"JPEGImages/{STEM}.jpg", "", "picture_set_aside"),), (f"JPEGImages/{STEM}.jpg",),
        pictures=PICTURES - 1),
    Row("broken XML", "voc", labels.write_broken_xml, "set aside", "not well-formed XML: mismatched tag",
        (aside(XML, "line 4", "annotation_unreadable"),), pictures=PICTURES - 1),
    Row("XML with an external entity", "voc", labels.write_external_entity, "set aside",
        "uses the entity 'secret'", (aside(XML, "line 1", "annotation_unreadable"),), pictures=PICTURES - 1,
        check=checks.demand_no_secret),
    Row("billion laughs", "voc", labels.write_billion_laughs, "set aside", "uses the entity 'a'",
        (aside(XML, "line 2", "annotation_unreadable"),), pictures=PICTURES - 1),
    Row("pixels counted from 0 in one file of many", "voc", labels.write_mixed_numbering, "repaired",
        "0-based / 1-based mix", (mended(XML, "object 1 (line 4)", "numbering_mixed"),),
        check=checks.demand_box_at_edge),
    Row("picture without XML", "voc", labels.write_picture_without_xml, "set aside",
        "no XML labels this picture", (aside(f"JPEGImages/{STEM}.jpg", "", "annotation_missing"),),
        pictures=PICTURES - 1),
    Row("unreadable XML (a dangling link)", "voc", labels.write_dangling_xml, "set aside",
        "cannot be read: No such file or directory", (aside(XML, "", "annotation_unreadable"),),
        pictures=PICTURES - 1),
    Row("XML without picture", "voc", labels.write_xml_without_picture, "set aside",
        f"there is no picture '{STEM}.jpg'", (aside(XML, "", "picture_missing"),), pictures=PICTURES - 1),
)

COCO_ROWS = (
    Row("JSON with a missing key", "coco", labels.write_json_without_categories, "critical",
        "labels.json: the key 'categories' is missing"),
    Row("broken JSON", "coco", labels.write_broken_json, "critical",
        "labels.json, line 197, column 3: not JSON"),
    Row("image id that is not there", "coco", labels.write_unknown_image_id, "set aside",
        "is the number 999, and no such id is known",
        (aside("labels.json", "annotations[10].image_id", "image_unknown"),), check=checks.demand_one_box),
    Row("category id that is not there", "coco", labels.write_unknown_category_id, "set aside",
        "is the number 77, and no such id is known",
        (aside("labels.json", "annotations[10].category_id", "category_unknown"),),
        check=checks.demand_one_box),
    Row("annotation id twice", "coco", labels.write_duplicate_annotation_id, "critical",
        "labels.json, annotations[10]: id 1 is that of annotations[0]"),
    Row("image id twice", "coco", labels.write_duplicate_image_id, "critical",
        "labels.json, images[5]: id 1 is that of images[0]"),
    Row("annotation without bbox", "coco", labels.write_missing_bbox, "set aside",
        "there is no usable segmentation", (aside("labels.json", "annotations[10].bbox", "box_missing"),),
        check=checks.demand_one_box),
    Row("categories from 1, annotations from 0", "coco", labels.write_category_mix, "critical",
        "labels.json: category ids are 1 to 2 in categories, but 0 to 1 in annotations: a 0-based / "
        "1-based mix"),
    Row("crowd", "coco", labels.write_coco_crowd, "sound", "", check=checks.demand_crowd),
    Row("masks as run lengths", "coco", labels.write_coco_rle, "sound", "", check=checks.demand_masks),
    Row("run lengths that do not fit", "coco", labels.write_bad_rle, "set aside", "its runs do not add up",
        (aside("labels.json", "annotations[10].segmentation", "mask_malformed"),),
        check=checks.demand_box_without_mask),
)

TXT = labels.TXT
OTHER_ROWS = (
    Row("no fault", "yolo", write_yolo, "sound", ""),
    Row("no fault", "via", write_via, "sound", ""),
    Row("no fault", "npy", write_npy, "sound", ""),
    Row("YOLO: labels in .TXT", "yolo", labels.write_yolo_capital_suffix, "sound", ""),
    Row("YOLO: 4 numbers", "yolo", labels.write_yolo_four_numbers, "set aside", "4 numbers; expected 5",
        (aside(TXT, "line 1", "number_count"),), check=checks.demand_second_box),
    Row("YOLO: 6 numbers", "yolo", labels.write_yolo_six_numbers, "set aside", "A sixth is a confidence",
        (aside(TXT, "line 1", "number_count"),), check=checks.demand_second_box),
    Row("YOLO: values over 1", "yolo", labels.write_yolo_over_one, "set aside", "32 is not within 0..1",
        (aside(TXT, "line 1", "not_relative"),)),
    Row("YOLO: class without a name", "yolo", labels.write_yolo_unnamed_class, "set aside",
        "The class 7 has no name", (aside(TXT, "line 1", "class_without_name"),)),
    Row("YOLO: classes counted from 1", "yolo", labels.write_yolo_from_one, "critical",
        "labels/rose-02.txt, line 1: the class 2 has no name and 0 is never used: the labels count from 1"),
    Row("YOLO: file without a sound row", "yolo", labels.write_yolo_no_row_left, "set aside",
        "None of its rows can be used",
        (aside(TXT, "line 1", "number_count"), aside(TXT, "line 2", "not_a_number"),
        aside(TXT, "", "no_row_left")), pictures=PICTURES - 1),
    Row("VIA: polygon of 2 points", "via", labels.write_via_two_points, "set aside",
        "A polygon needs 3 points. Got 2 instead.",
        (aside("via.json", f"{STEM}.jpg-1.regions[0]", "too_few_points"),), check=checks.demand_one_box),
    Row("VIA: missing key", "via", labels.write_via_missing_key, "critical",
        f"via.json: {STEM}.jpg-1: expected an object"),
    Row("CSV with semicolons", "csv", labels.write_csv_semicolons, "repaired",
        "The file has semicolons between the columns", (mended("labels.csv", "", "delimiter"),),
        check=checks.demand_old_boxes),
    Row("CSV without header", "csv", labels.write_csv_without_header, "critical", "labels.csv: no header"),
    Row("CSV with a byte order mark", "csv", labels.write_csv_with_mark, "repaired", "byte order mark",
        (mended("labels.csv", "", "byte_order_mark"),), check=checks.demand_old_boxes),
    Row("CSV: row of a picture that is not there", "csv", labels.write_csv_missing_picture, "set aside",
        "there is no picture 'pictures/lost.jpg'", (aside("labels.csv", "line 62", "picture_missing"),)),
    Row("CSV: another picture has the base name of one that is not there", "csv",
        labels.write_csv_missing_twin, "set aside", f"there is no picture 'pictures/{STEM}.jpg' in pictures/",
        (aside("labels.csv", "line 12", "picture_missing"), aside("labels.csv", "line 13", "picture_missing"),
         aside(f"extra/{STEM}.jpg", "", "not_labelled")), pictures=PICTURES - 1),
    Row("CSV: row with too few fields", "csv", labels.write_csv_short_row, "set aside",
        "4 fields, and the header has 6", (aside("labels.csv", "line 62", "field_count"),),
        check=checks.demand_old_boxes),
    Row("npy: picture with NaN", "npy", labels.write_npy_nan, "set aside", "NaN",
        (aside("X.npy", "picture 5", "not_finite"),), pictures=PICTURES - 1),
    Row("npy: fewer labels than pictures", "npy", labels.write_npy_fewer_labels, "critical",
        "X.npy has the shape (30, 48, 64, 3), which is 30 pictures, and there are 29 labels"),
    Row("npy: labels counted from 1", "npy", labels.write_npy_from_one, "critical",
        "y.npy, label 1: 2 has no name"),
)

# fmt: on
TABLES = {
    "Pictures": PICTURE_ROWS,
    "Copies across splits": COPY_ROWS,
    "Classes, splits, size": SET_ROWS,
    "The accepted data version": ACCEPTED_ROWS,
    "Archives, and a disk that is full": STORAGE_ROWS,
    "Boxes, in any format": BOX_ROWS,
    "VOC": VOC_ROWS,
    "COCO": COCO_ROWS,
    "YOLO, VIA, CSV, NumPy": OTHER_ROWS,
}
ROWS = tuple(row for rows in TABLES.values() for row in rows)
