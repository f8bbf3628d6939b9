"""Gathering the raw data set: one pass from a source to tables and shards of encoded pictures."""

from __future__ import annotations

import sys
from dataclasses import astuple, dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from glasshouse.pictures.decode import UndecodablePicture, decode_picture
from glasshouse.pictures.fingerprint import take_fingerprint
from glasshouse.pictures.threads import map_in_order
from glasshouse.sources.example import Example, Source, SourceError
from glasshouse.tables.folders import replace_folder
from glasshouse.tables.raw import TABLES
from glasshouse.tables.schema import build_frame, get_arrow_schema, write_table

SHARD_BYTES = 64 * 2**20
GROUP_BYTES = 4 * 2**20

Row = tuple[object, ...]


def write_raw(source: Source, folder: Path) -> None:
    """Write tables and picture shards of a source; bytes depend on its examples alone.

    Pictures that cannot be decoded go to the quarantine table with their reason, and the rest goes on: they
    take no image_id, so that ids run from 1 without a gap over the good pictures in the source's order.
    Memory is bounded by a few pictures and the tables. The folder appears when all of it is written.

    Raises:
        SourceError: a label is none of the source's categories, two pictures have one name, or all are
            quarantined.
    """
    with replace_folder(folder) as place:
        rows = collect_rows(source, place)
        if not rows["images"]:
            raise SourceError(summarise_quarantine(rows["quarantine"]))
        for table in TABLES:
            write_table(build_frame(rows[table], table), table, place / f"{table}.parquet")


def summarise_quarantine(quarantine: list[Row]) -> str:
    """What to say of a source without a single good picture."""
    if not quarantine:
        return "The data source holds no pictures."
    name, reason, _ = quarantine[0]
    return (
        f"None of the {len(quarantine)} files of the data source is a picture; the first, {name}: {reason}."
    )


def collect_rows(source: Source, place: Path) -> dict[str, list[Row]]:
    """Go through the source once: write the shards, return the tables' rows."""
    names = source.categories
    if len(set(names)) != len(names):
        raise SourceError(f"The data source names a category twice: {', '.join(names)}.")
    collector = Collector({name: number for number, name in enumerate(names, 1)})
    with ShardWriter(place) as shards:
        bar = tqdm(source, "pictures", len(source), file=sys.stderr, disable=None)
        for example, seen in map_in_order(inspect_picture, bar):
            if isinstance(seen, str):
                collector.quarantine(example, seen)
            else:
                shards.append(collector.accept(example, seen), example.file_name, example.picture)
    collector.rows["faults"] = [astuple(fault) for fault in source.faults]
    return collector.rows


def inspect_picture(example: Example) -> tuple[Row, Row] | str:
    """(sha256 to mode of `images`, levels of `statistics`), or the reason why it cannot be decoded."""
    try:
        picture = decode_picture(example.picture)
    except UndecodablePicture as error:
        return error.reason
    height_px, width_px = picture.pixels_rgb.shape[:2]
    print_ = take_fingerprint(example.picture, picture.pixels_rgb)
    image = (print_.sha256, print_.phash, print_.phash_flipped, width_px, height_px, picture.mode)
    return image, (print_.mean_level, print_.spread_level, print_.sharpness)


@dataclass(slots=True)
class Collector:
    """Numbers pictures and objects, and gathers the tables' rows."""

    category_ids: dict[str, int]
    rows: dict[str, list[Row]] = field(default_factory=lambda: {table: [] for table in TABLES})
    names: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Categories are known from the start."""
        self.rows["categories"] = [(number, name) for name, number in self.category_ids.items()]

    def quarantine(self, example: Example, reason: str) -> None:
        """Note a picture that cannot be decoded."""
        self.rows["quarantine"].append((example.file_name, reason, len(example.picture)))

    def accept(self, example: Example, seen: tuple[Row, Row]) -> int:
        """Note a good picture with its objects; returns its image_id."""
        if example.file_name in self.names:
            raise SourceError(f"{example.file_name}: the data source gives this name to two pictures.")
        self.names.add(example.file_name)
        if example.label is not None:
            self.find_category(example, example.label)
        image_id = len(self.rows["images"]) + 1
        image, levels = seen
        self.rows["images"].append(
            (image_id, example.file_name, *image, example.label, example.split, example.group)
        )
        self.rows["statistics"].append((image_id, *levels))
        for thing in example.objects:
            category_id, box_xyxy_px = self.find_category(example, thing.label), map(float, thing.box_xyxy_px)
            object_id = len(self.rows["objects"]) + 1
            self.rows["objects"].append(
                (object_id, image_id, category_id, *box_xyxy_px, thing.is_crowd, thing.mask)
            )
        return image_id

    def find_category(self, example: Example, label: str) -> int:
        """The category id of a label; raises SourceError naming picture and label."""
        if label not in self.category_ids:
            known = ", ".join(self.category_ids)
            raise SourceError(f"{example.file_name}: label {label!r} is none of the categories {known}.")
        return self.category_ids[label]


class ShardWriter:
    """Streams encoded pictures into Parquet shards of about SHARD_BYTES, in row groups of about GROUP_BYTES.

    Pictures are compressed already, so the shards are not.
    """

    def __init__(self, place: Path) -> None:
        """Shards go into the folder `place`; use as a context."""
        self.place, self.schema = place, get_arrow_schema("pictures")
        self.paths: list[Path] = []
        self.writer: pq.ParquetWriter | None = None
        self.rows: list[tuple[int, str, bytes]] = []
        self.group_bytes = self.shard_bytes = 0

    def __enter__(self) -> ShardWriter:
        """Nothing is opened before the first picture."""
        return self

    def append(self, image_id: int, file_name: str, picture: bytes) -> None:
        """Add one picture."""
        self.rows.append((image_id, file_name, picture))
        self.group_bytes += len(picture)
        self.shard_bytes += len(picture)
        if self.group_bytes >= GROUP_BYTES or self.shard_bytes >= SHARD_BYTES:
            self.flush()
        if self.shard_bytes >= SHARD_BYTES:
            self.close()

    def flush(self) -> None:
        """Write what has gathered as one row group."""
        if not self.rows:
            return
        if self.writer is None:
            self.paths.append(self.place / f"pictures-{len(self.paths):05d}.parquet")
            self.writer = pq.ParquetWriter(
                self.paths[-1], self.schema, compression="none", use_dictionary=False
            )
        columns = zip(*self.rows, strict=True)
        arrays = [pa.array(values, kind.type) for values, kind in zip(columns, self.schema, strict=True)]
        self.writer.write_table(pa.Table.from_arrays(arrays, schema=self.schema))
        self.rows, self.group_bytes = [], 0

    def close(self) -> None:
        """End the shard."""
        self.flush()
        if self.writer is not None:
            self.writer.close()
        self.writer, self.shard_bytes = None, 0

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """End the last shard, and name all of them with their number."""
        self.close()
        for number, path in enumerate(self.paths):
            path.rename(path.with_name(f"pictures-{number:05d}-of-{len(self.paths):05d}.parquet"))
