"""Format class_folders: one sub-folder of pictures a class; also train/, valid/ and test/ of such folders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from glasshouse.sources.example import Example, LabelFault, SourceError
from glasshouse.sources.listing import PICTURE_SUFFIXES, abridge, is_junk, list_files, spell


def read(folder: Path, classes: tuple[str, ...]) -> ClassFolders:
    """The labelled pictures below `folder`; see ClassFolders."""
    return ClassFolders(folder)


class ClassFolders:
    """Labelled pictures from a folder with one sub-folder a class, in an order that no file system decides.

    Categories are the sub-folders' names, sorted. Pictures come class by class, within one sorted by their
    path with numbers read as numbers (2.jpg before 10.jpg). Every file below a class folder, at any depth, is
    offered except hidden ones and what desktops leave behind: what it holds is for the reader to judge.
    """

    faults: tuple[LabelFault, ...] = ()

    def __init__(self, path: Path | str) -> None:
        """List the folder; no picture is read yet.

        Raises:
            SourceError: the folder or its class folders are missing or empty, pictures lie beside the class
                folders,
                or a name cannot be written in UTF-8.
        """
        self.path = Path(path)
        folders = list_class_folders(self.path)
        self.categories = tuple(folders)
        self._files = [
            (label, file_name, file)
            for label, folder in folders.items()
            for file_name, file in list_files(folder)
        ]

    def __len__(self) -> int:
        """Number of files offered."""
        return len(self._files)

    def __iter__(self) -> Iterator[Example]:
        """Read and give the files one by one; file_name is LABEL/path/below/it."""
        for label, file_name, file in self._files:
            yield Example(f"{label}/{file_name}", file.read_bytes(), label)


def list_class_folders(path: Path) -> dict[str, Path]:
    """Sorted names and paths of the class folders; raises SourceError as ClassFolders does."""
    if not path.is_dir():
        what = "is a file" if path.exists() else "does not exist"
        raise SourceError(
            f"dataset.path: {path} {what}; expected a folder with one sub-folder of pictures a class."
        )
    entries = [entry for entry in path.iterdir() if not is_junk(entry.name)]
    loose = sorted(
        entry.name for entry in entries if entry.is_file() and entry.suffix.lower() in PICTURE_SUFFIXES
    )
    if loose:
        raise SourceError(
            f"dataset.path: {path} holds {len(loose)} pictures outside any class folder ({abridge(loose)}); "
            "move each into a sub-folder named after its class."
        )
    folders = {spell(entry.name): entry for entry in entries if entry.is_dir()}
    if not folders:
        raise SourceError(
            f"dataset.path: {path} has no sub-folders; put the pictures of each class into one."
        )
    empty = sorted(name for name, folder in folders.items() if not list_files(folder))
    if empty:
        raise SourceError(f"dataset.path: class folders without pictures in {path}: {abridge(empty)}.")
    return dict(sorted(folders.items()))
