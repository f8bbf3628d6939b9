"""Any picture set of TensorFlow Datasets as a source: pictures as they were encoded, boxes in pixels."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from glasshouse.params.faults import suggest
from glasshouse.sources.example import Example, LabelFault, SourceError
from glasshouse.sources.split_names import find_split
from glasshouse.sources.tfds_examples import ExampleReader, Record, read_text
from glasshouse.sources.tfds_layout import Layout, find_layout
from glasshouse.sources.tfds_sets import open_builder
from glasshouse.sources.tfrecords import read_parquet_records, read_tfrecords

FORMATS = ("tfrecord", "parquet", "array_record")


def open_tfds(name: str, splits: str, data_dir: str) -> TfdsSource:
    """A set of TensorFlow Datasets, prepared first where it is not on disk.

    Args:
        name: name, name/config or either with :version, such as voc/2007.
        splits: `all`, or names of splits joined by +, such as train+validation.
        data_dir: folder of prepared sets; `default` for TFDS's own.

    Raises:
        SourceError: the set cannot be had (see open_builder), has no such split, or no features that make
            labelled pictures (see find_layout).
    """
    builder = open_builder(name, data_dir)
    info = builder.info
    full_name = info.full_name.replace(f"/{info.version}", f":{info.version}")
    layout = find_layout(info.features, info.supervised_keys, full_name)
    chosen = choose_splits(list(info.splits), splits, full_name)
    splits_of = {split: open_shards(builder, split) for split in chosen}
    source = TfdsSource(full_name, name_classes(layout, splits_of), splits_of)
    print(source.describe(), file=sys.stderr)
    return source


def choose_splits(known: list[str], splits: str, name: str) -> list[str]:
    """The splits asked for, in the order asked for; `all` is TFDS's own order."""
    if splits == "all":
        return known
    asked = [split.strip() for split in splits.split("+")]
    for split in asked:
        if split not in known:
            raise SourceError(f"dataset.splits: {name} has no split {split!r}. {suggest(split, known)}")
    if len(set(asked)) < len(asked):
        raise SourceError(f"dataset.splits must name each split once. Got {splits!r} instead.")
    return asked


class Shards:
    """The records of one split, in the order in which TFDS counts them: that of percent slices."""

    def __init__(self, file_format: str, shards: list[tuple[Path, int]], random_access: Any = None) -> None:
        self.file_format, self.shards, self.random_access = file_format, shards, random_access

    def __len__(self) -> int:
        """Number of records."""
        if self.random_access is not None:
            return len(self.random_access)
        return sum(records for _, records in self.shards)

    def __iter__(self) -> Iterator[bytes]:
        """One serialized record after the other; raises SourceError where a shard has not all of its own."""
        if self.random_access is not None:
            yield from (bytes(self.random_access[number]) for number in range(len(self)))
        for path, records in self.shards if self.random_access is None else ():
            read = read_tfrecords if self.file_format == "tfrecord" else read_parquet_records
            number = 0
            for record in read(path):
                yield record
                number += 1
            if number != records:
                raise SourceError(
                    f"{path}: {number:,} records instead of {records:,}; delete the folder {path.parent} and "
                    "prepare the set again."
                )


def open_shards(builder: Any, split: str) -> Shards:
    """The records of a split; raises SourceError where a shard is missing or of a format not read here."""
    file_format = str(builder.info.file_format.value)
    if file_format not in FORMATS:
        raise SourceError(
            f"dataset.name: {builder.info.full_name} is prepared as {file_format}; prepare it as "
            f"{FORMATS[0]}."
        )
    if file_format == "array_record":
        from tensorflow_datasets.core.decode import DeserializeMethod

        raw = builder.as_data_source(split, deserialize_method=DeserializeMethod.RAW_BYTES)
        return Shards(file_format, [], raw)
    files = builder.info.splits[split].file_instructions
    shards = [(Path(file.filename), int(file.take)) for file in files]
    missing = [path for path, _ in shards if not path.is_file()]
    if missing:
        raise SourceError(
            f"{missing[0]}: the shard is missing ({len(missing)} of {len(shards)}); copy the whole folder, "
            f"or delete {missing[0].parent} and prepare the set again."
        )
    return Shards(file_format, shards)


def name_classes(layout: Layout, splits: dict[str, Shards]) -> Layout:
    """The layout with the names of classes that the records hold as text, sorted: one more pass over them."""
    labels = layout.label
    if labels is None or not labels.as_text:
        return layout
    bar = tqdm(iterate(splits), "classes", sum(map(len, splits.values())), file=sys.stderr, disable=None)
    names = {read_text(record, labels.key) for record in bar}
    return replace(layout, label=replace(labels, names=tuple(sorted(filter(None, names)))))


def iterate(splits: dict[str, Shards]) -> Iterator[Record]:
    """The records of all splits in their order."""
    from tensorflow_datasets.proto import tf_example_pb2

    for split, shards in splits.items():
        digits = len(str(max(len(shards) - 1, 0)))
        for number, serialized in enumerate(shards):
            proto = tf_example_pb2.Example.FromString(serialized)
            yield Record(proto.features.feature, split, f"{number:0{digits}d}")


@dataclass
class TfdsSource:
    """The pictures of a set, split after split, each in TFDS's order.

    `tfds.load(split=["train[:10%]", ...])` takes the same pictures: its slices are counted in this order. (It
    mixes those of several shards when it reads them, unless ReadConfig(interleave_cycle_length=1).)

    file_name is SPLIT/NAME with the set's own name of the picture, else its number in the split. `split` is
    given where more than one split is read: train, valid (TFDS: validation) and test; None for any other.

    Attributes:
        name: of the set, with config and version.
        layout: which features are used for what.
        splits: the records of each split.
        faults: what was set aside in the last pass.
    """

    name: str
    layout: Layout
    splits: dict[str, Shards]
    faults: list[LabelFault] = field(default_factory=list)

    @property
    def categories(self) -> tuple[str, ...]:
        """Names of the classes in TFDS's order; those of objects before those of whole pictures."""
        return self.layout.categories

    @property
    def about(self) -> dict[str, str]:
        """What was read, to be recorded: set, config and version in `name`, splits with sizes, package."""
        import tensorflow_datasets as tfds

        splits = ", ".join(f"{split} {len(shards)}" for split, shards in self.splits.items())
        return {"name": self.name, "splits": splits, "tensorflow_datasets": tfds.__version__}

    def describe(self) -> str:
        """One line on what is read and what is not."""
        unused = f"; features not used: {', '.join(self.layout.unused)}" if self.layout.unused else ""
        about = self.about
        return f"{self.name} ({about['splits']}), TensorFlow Datasets {about['tensorflow_datasets']}{unused}"

    def __len__(self) -> int:
        """Number of pictures."""
        return sum(map(len, self.splits.values()))

    def __iter__(self) -> Iterator[Example]:
        """Read the records one by one; raises SourceError where a shard is damaged."""
        reader = ExampleReader(self.layout)
        self.faults = reader.faults
        for record in iterate(self.splits):
            yield reader.read(record, find_split(record.split) if len(self.splits) > 1 else None)
