"""The blooms as a TensorFlow Datasets builder.

Importing this module registers it: `tfds.load("blooms", split="train[:10%]")` draws the default set once into
TFDS's data folder and reads slices of it. Another set: `tfds.load("blooms", builder_kwargs={"config":
BloomsConfig(name="small", pictures=100, size_px=96, seed=1)})`.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import tensorflow_datasets as tfds

from glasshouse.sources.blooms.scene import CATEGORIES
from glasshouse.sources.blooms.source import Blooms as BloomsSource
from glasshouse.sources.example import Example

NO_FLOWER = "none"  # class of a picture without flowers


@dataclass(kw_only=True)
class BloomsConfig(tfds.core.BuilderConfig):  # type: ignore[misc]
    """How many pictures, their side in pixels, and the seed they are drawn from."""

    pictures: int = 1600
    size_px: int = 160
    seed: int = 7


class Blooms(tfds.core.GeneratorBasedBuilder):  # type: ignore[misc]
    """Drawn flowers of five species with boxes; one split, `train`.

    Features: image (H, W, 3) uint8, image/filename, label (the most prominent species, or "none"), objects
    with bbox (ymin, xmin, ymax, xmax as shares of the side, TFDS's BBox) and label.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar[dict[str, str]] = {"1.0.0": "First release."}
    BUILDER_CONFIGS: ClassVar[list[BloomsConfig]] = [
        BloomsConfig(name="default", description="1,600 pictures of 160 px")
    ]

    def _info(self) -> tfds.core.DatasetInfo:
        side = self.builder_config.size_px
        return self.dataset_info_from_configs(
            description="Drawn pictures of the five species of tf_flowers with exact boxes.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(side, side, 3), encoding_format="jpeg"),
                    "image/filename": tfds.features.Text(),
                    "label": tfds.features.ClassLabel(names=[*CATEGORIES, NO_FLOWER]),
                    "objects": tfds.features.Sequence(
                        {
                            "bbox": tfds.features.BBoxFeature(),
                            "label": tfds.features.ClassLabel(names=CATEGORIES),
                        }
                    ),
                }
            ),
            supervised_keys=("image", "label"),
        )

    def _split_generators(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, Iterator[tuple[str, Any]]]:
        return {"train": self._generate_examples()}

    def _generate_examples(self) -> Iterator[tuple[str, Any]]:
        config = self.builder_config
        for example in BloomsSource(config.pictures, config.size_px, config.seed):
            yield example.file_name, _describe(example, config.size_px)


def _describe(example: Example, side_px: int) -> dict[str, Any]:
    return {
        "image": io.BytesIO(example.picture),
        "image/filename": example.file_name,
        "label": example.label or NO_FLOWER,
        "objects": [
            {"bbox": _as_bbox(item.box_xyxy_px, side_px), "label": item.label} for item in example.objects
        ],
    }


def _as_bbox(box_xyxy_px: tuple[float, float, float, float], side_px: int) -> tfds.features.BBox:
    x_min, y_min, x_max, y_max = (value / side_px for value in box_xyxy_px)
    return tfds.features.BBox(ymin=y_min, xmin=x_min, ymax=y_max, xmax=x_max)
