"""Builders of TensorFlow Datasets that write small sets to disk."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from glasshouse.sources.tfds import TfdsSource, open_tfds
from glasshouse.sources.tfds_examples import Record

tfds = pytest.importorskip("tensorflow_datasets")

ANIMALS = ["cat", "dog", "owl"]


Rows = dict[str, list[dict[str, Any]]]


def encode(height: int, width: int, level: int = 0, kind: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (level % 256, level // 256, 90)).save(buffer, kind)
    return buffer.getvalue()


def encode_levels(levels: list[list[int]]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.array(levels, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def declare(name: str, features: dict[str, Any], rows: Rows, **attributes: Any) -> type[Any]:
    """A builder class of these features and examples; TFDS knows it from now on by its name."""

    def describe(self: Any) -> Any:
        return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

    def generate(split: list[dict[str, Any]]) -> Iterator[tuple[int, dict[str, Any]]]:
        for number, row in enumerate(split):
            yield number, {key: io.BytesIO(v) if isinstance(v, bytes) else v for key, v in row.items()}

    body = {
        "VERSION": tfds.core.Version("1.2.0"),
        "_info": describe,
        "_split_generators": lambda self, manager: {name: generate(split) for name, split in rows.items()},
        "_generate_examples": generate,
        "__module__": __name__,
        **attributes,
    }
    return type(name, (tfds.core.GeneratorBasedBuilder,), body)


def prepare(folder: Path, name: str, features: dict[str, Any], rows: Rows, **how: Any) -> Any:
    config = tfds.download.DownloadConfig(num_shards=how.pop("shards", 1))
    builder = declare(name, features, rows)(data_dir=folder)
    builder.download_and_prepare(download_config=config, **how)
    return builder


def image(**how: Any) -> Any:
    return tfds.features.Image(**how)


def labels() -> Any:
    return tfds.features.ClassLabel(names=ANIMALS)


def box(y_min: float, x_min: float, y_max: float, x_max: float) -> Any:
    return tfds.features.BBox(ymin=y_min, xmin=x_min, ymax=y_max, xmax=x_max)


def object_features() -> dict[str, Any]:
    inner = {"bbox": tfds.features.BBoxFeature(), "label": labels(), "pose": labels(), "is_crowd": np.bool_}
    return {
        "image": image(),
        "image/filename": tfds.features.Text(),
        "labels": tfds.features.Sequence(labels()),
        "objects": tfds.features.Sequence(inner),
    }


def object_row(name: str, picture: bytes, *objects: tuple[Any, str, bool]) -> dict[str, Any]:
    things = [
        {"bbox": bbox, "label": label, "pose": "owl", "is_crowd": crowd} for bbox, label, crowd in objects
    ]
    return {"image": picture, "image/filename": name, "labels": [], "objects": things}


PICTURES = [encode(40, 80, level) for level in range(4)]


def read(name: str, folder: Path, splits: str = "all") -> tuple[TfdsSource, dict[str, Any]]:
    source = open_tfds(name, splits, str(folder))
    return source, {example.file_name: example for example in source}


def flower_rows(count: int) -> Rows:
    return {"train": [{"image": encode(24, 24, n), "label": ANIMALS[n % 3]} for n in range(count)]}


def make_record(**values: Any) -> Record:
    from tensorflow_datasets.proto import tf_example_pb2

    example = tf_example_pb2.Example()
    for key, value in values.items():
        feature = example.features.feature[key.replace("__", "/")]
        kind = {int: "int64_list", float: "float_list", bytes: "bytes_list"}[type(value[0])]
        getattr(feature, kind).value.extend(value)
    return Record(example.features.feature, "train", "05")
