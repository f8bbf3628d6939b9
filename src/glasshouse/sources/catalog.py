"""The data sources by the names that params.yaml gives them."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from glasshouse.sources.example import Source

if TYPE_CHECKING:
    from glasshouse.params import Dataset
    from glasshouse.sources.labelled import LabelledFiles

DYNAMIC_IMPORTS = ("glasshouse.readers.${dataset.format}",)


def open_source(dataset: Dataset, seed: int) -> Source:
    """The source that the block `dataset` of params.yaml describes.

    Args:
        dataset: source (blooms | tfds | folder) and that source's own keys.
        seed: of whatever is drawn.

    Raises:
        SourceError: the source is missing, or not laid out as its format says.
    """
    if dataset.source == "blooms":
        from glasshouse.sources.blooms.source import Blooms

        return Blooms(dataset.blooms.pictures, dataset.blooms.size_px, seed)
    if dataset.source == "tfds":
        from glasshouse.sources.tfds import open_tfds

        return open_tfds(dataset.name, dataset.splits, dataset.data_dir)
    from glasshouse.sources.archives import open_archive
    from glasshouse.sources.groups import apply_groups

    folder = open_archive(Path(dataset.path), dataset.url, dataset.sha256)
    reader = import_module(f"glasshouse.readers.{dataset.format}")
    source: LabelledFiles = reader.read(folder, dataset.classes)
    return apply_groups(source, folder)
