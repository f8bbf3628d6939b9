"""Gathering the raw data set: one pass from a source to tables and shards of encoded pictures."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from dataclasses import astuple, dataclass, field
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from glasshouse.pictures.decode import UndecodablePicture, decode_picture
from glasshouse.pictures.fingerprint import take_fingerprint
from glasshouse.pictures.threads import map_in_order
from glasshouse.sources.example import Example, LabelFault, Source, SourceError
from glasshouse.sources.listing import refuse_control
from glasshouse.tables.folders import replace_folder
from glasshouse.tables.oddities import find_oddities
from glasshouse.tables.raw import TABLES
from glasshouse.tables.schema import get_columns
from glasshouse.tables.settle import Settled, settle_labels
from glasshouse.tables.writers import Row, ShardWriter, TableWriter

LOST_KIND = "picture_set_aside"
LOST = "the picture was set aside, and {} of its objects with it"


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look at a picture gives.

    Attributes:
        image: columns of `images` by name.
        levels: mean_level to sharpness of `statistics`.
        oddities: what was put right while decoding.
        settled: the labels.
    """

    image: dict[str, object]
    levels: Row
    oddities: tuple[LabelFault, ...]
    settled: Settled


def write_raw(source: Source, folder: Path) -> None:
    """Write tables and picture shards of a source; bytes depend on its examples alone.

    Pictures that cannot be decoded, or whose labels cannot be used, go to the quarantine table with their
    reason, and the rest goes on: they take no image_id, so that ids run from 1 without a gap over the good
    pictures in the source's order. Memory is bounded by a few pictures and a few thousand rows. The folder
    appears when all of it is written.

    Raises:
        SourceError: a label is none of the source's categories, two pictures have one name, all are
            quarantined, or a name holds a control character.
        OSError: the disk is full; what stood before is still there.
    """
    names = source.categories
    if len(set(names)) != len(names):
        raise SourceError(f"The data source names a category twice: {', '.join(names)}.")
    for name in names:
        refuse_control(name, "The class")
    with replace_folder(folder) as place, ExitStack() as files:
        tables = {table: files.enter_context(TableWriter(table, place)) for table in TABLES}
        shards = files.enter_context(ShardWriter(place))
        collector = Collector(source, tables, shards)
        bar = tqdm(source, "pictures", len(source), file=sys.stderr, disable=None)
        for example, seen in map_in_order(inspect_picture, bar):
            collector.take(example, seen)
        collector.finish()
        write_about(source, place / "source.json")


def write_about(source: Source, path: Path) -> None:
    """Write what a source says of itself, such as the version of a public data set; {} for nothing."""
    about = getattr(source, "about", {})
    text = json.dumps(about, indent=1, sort_keys=True, ensure_ascii=False)
    path.write_text(f"{text}\n", encoding="utf-8")


def inspect_picture(example: Example) -> Seen | str:
    """What there is to know of an example, or the reason why its picture cannot be used."""
    if example.unreadable is not None:
        return example.unreadable
    try:
        picture = decode_picture(example.picture)
    except UndecodablePicture as error:
        return error.reason
    height_px, width_px = picture.upright_size
    print_ = take_fingerprint(example.picture, picture.pixels_rgb)
    return Seen(
        {
            "sha256": print_.sha256,
            "phash": print_.phash,
            "phash_flipped": print_.phash_flipped,
            "thumbnail": print_.thumbnail,
            "width_px": width_px,
            "height_px": height_px,
            "mode": picture.mode,
        },
        (print_.mean_level, print_.spread_level, print_.sharpness),
        tuple(find_oddities(example.file_name, picture)),
        settle_labels(example, picture),
    )


@dataclass(slots=True)
class Collector:
    """Numbers pictures and objects, and hands the rows to their writers."""

    source: Source
    tables: dict[str, TableWriter]
    shards: ShardWriter
    category_ids: dict[str, int] = field(init=False)
    names: set[str] = field(default_factory=set)
    spoiled: dict[str, str] = field(default_factory=dict)  # picture: why the source set a label of it aside
    told: int = 0  # how many of the source's faults are written
    first_reason: str = ""

    def __post_init__(self) -> None:
        """Categories are known from the start."""
        self.category_ids = {name: number for number, name in enumerate(self.source.categories, 1)}
        for name, number in self.category_ids.items():
            self.tables["categories"].append((number, name))

    def take(self, example: Example, seen: Seen | str) -> None:
        """Write all rows of a picture, good or not."""
        self.tell_faults()
        if example.file_name in self.names:
            raise SourceError(f"{example.file_name}: the data source gives this name to two pictures.")
        refuse_control(example.file_name, "The picture")
        self.names.add(example.file_name)
        reason = seen if isinstance(seen, str) else self.find_objection(example, seen.settled)
        for fault in () if isinstance(seen, str) else (*seen.oddities, *seen.settled.faults):
            self.tables["faults"].append(astuple(fault))
        if isinstance(seen, str) or reason is not None:
            self.quarantine(example, str(reason), None if isinstance(seen, str) else seen.settled)
        else:
            self.accept(example, seen)

    def tell_faults(self) -> None:
        """Write the faults that the source has found since the last time."""
        for fault in self.source.faults[self.told :]:
            self.tables["faults"].append(astuple(fault))
            if fault.action == "set_aside" and fault.picture is not None:
                self.spoiled.setdefault(fault.picture, fault.reason)
            self.told += 1

    def find_objection(self, example: Example, settled: Settled) -> str | None:
        """Why a picture that decodes must be left out: it lost its labels, and would pass for background."""
        bare = not example.objects and example.label is None
        if settled.unusable is None and bare and example.file_name in self.spoiled:
            return f"its labels were set aside: {self.spoiled[example.file_name]}"
        return settled.unusable

    def quarantine(self, example: Example, reason: str, settled: Settled | None) -> None:
        """Note a picture that cannot be used, and how many objects are lost with it."""
        self.first_reason = self.first_reason or f"{example.file_name}: {reason}"
        self.tables["quarantine"].append((example.file_name, reason, len(example.picture)))
        told = [] if settled is None else [fault for fault in settled.faults if fault.action == "set_aside"]
        if lost := len(example.objects) - len(told):
            said = f"{LOST.format(lost)}: {reason}"
            self.tables["faults"].append(
                (example.file_name, "", LOST_KIND, "set_aside", said, example.file_name)
            )

    def accept(self, example: Example, seen: Seen) -> None:
        """Write a good picture with its objects."""
        if example.label is not None:
            self.find_category(example, example.label)
        image_id = self.tables["images"].count + 1
        said = {"label": example.label, "given_split": example.split, "given_group": example.group}
        row = {"image_id": image_id, "file_name": example.file_name, **seen.image, **said}
        self.tables["images"].append(tuple(row[name] for name in get_columns("images")))
        self.tables["statistics"].append((image_id, *seen.levels))
        for thing in seen.settled.objects:
            object_id = self.tables["objects"].count + 1
            category_id, box_xyxy_px = self.find_category(example, thing.label), map(float, thing.box_xyxy_px)
            self.tables["objects"].append(
                (object_id, image_id, category_id, *box_xyxy_px, thing.is_crowd, thing.mask)
            )
        self.shards.append(image_id, example.file_name, example.picture)

    def find_category(self, example: Example, label: str) -> int:
        """The category id of a label; raises SourceError naming picture and label."""
        if label not in self.category_ids:
            known = ", ".join(self.category_ids)
            raise SourceError(f"{example.file_name}: label {label!r} is none of the categories {known}.")
        return self.category_ids[label]

    def finish(self) -> None:
        """Write what the source told last; raises SourceError where no picture is good."""
        self.tell_faults()
        if self.tables["images"].count:
            return
        quarantined = self.tables["quarantine"].count
        if not quarantined:
            raise SourceError("The data source holds no pictures.")
        raise SourceError(
            f"None of the {quarantined} pictures of the data source can be used; the first, "
            f"{self.first_reason}."
        )


def count_lost(faults: pd.DataFrame) -> int:
    """How many labels the table `faults` tells to be lost: one a row that was set aside, and with a picture
    that was, all the objects that its row counts."""
    lost = faults[faults["action"] == "set_aside"]
    with_picture = lost.loc[lost["kind"] == LOST_KIND, "reason"]
    objects = with_picture.str.extract(LOST.format(r"(\d+)"), expand=False).astype("int64")
    return len(lost) - len(objects) + int(objects.sum())
