"""The data sources by the names that params.yaml gives them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from glasshouse.sources.example import Source, SourceError

if TYPE_CHECKING:
    from glasshouse.params import Dataset


def open_source(dataset: Dataset, seed: int) -> Source:
    """The source that the block `dataset` of params.yaml describes.

    Args:
        dataset: source (blooms | folder) and that source's own keys.
        seed: of whatever is drawn.

    Raises:
        SourceError: the source is unknown, or the folder is missing or not laid out as its format says.
    """
    if dataset.source == "blooms":
        from glasshouse.sources.blooms.source import Blooms

        return Blooms(dataset.blooms.pictures, dataset.blooms.size_px, seed)
    if dataset.source == "folder":
        return open_folder(Path(dataset.path), dataset.format)
    raise SourceError(f"dataset.source must be blooms or folder. Got {dataset.source!r} instead.")


def open_folder(path: Path, layout: str) -> Source:
    """The pictures in a folder that is laid out as dataset.format says."""
    if layout == "class_folders":
        from glasshouse.sources.folder import ClassFolders

        return ClassFolders(path)
    raise SourceError(f"dataset.format must be class_folders. Got {layout!r} instead.")
