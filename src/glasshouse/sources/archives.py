"""A data set that comes as an archive: fetched, checked and unpacked once, and nothing outside its folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from glasshouse.sources.example import SourceError
from glasshouse.sources.fetch import fetch, hash_file
from glasshouse.sources.listing import PICTURE_SUFFIXES, is_junk
from glasshouse.sources.split_names import find_split
from glasshouse.sources.unpacking import DAMAGE, Target, unpack_into

UNPACKED = Path(".glasshouse", "unpacked")


def open_archive(path: Path, url: str, sha256: str) -> Path:
    """The folder with the data set: `path` itself, or what an archive holds.

    An archive (zip; tar, also compressed with gzip, bzip2 or xz) is unpacked to
    .glasshouse/unpacked/SHA256/, whole or not at all, and only once. The folder returned is the top of it;
    see find_top for the single folder that most archives hold.

    Args:
        path: a folder or an archive; not looked at where there is a URL.
        url: of an archive, or "none".
        sha256: of the archive, or "none" (for a path only).

    Raises:
        SourceError: nothing there, a wrong hash, no archive, a damaged or encrypted one, or a member that
            would leave the folder, is a link or device, or comes twice; the message names archive and member.
    """
    if url == "none" and path.is_dir():
        if sha256 != "none":
            raise SourceError(f"dataset.sha256 is of an archive, but {path} is a folder; set it to none.")
        return path
    if url == "none":
        return find_top(unpack(path, check_file(path, sha256)))
    done = UNPACKED / sha256
    return find_top(done if done.is_dir() else unpack(fetch(url, sha256), sha256, url))


def check_file(path: Path, sha256: str) -> str:
    """The SHA-256 of an archive, which has to be the given one where one is given."""
    if not path.is_file():
        raise SourceError(f"dataset.path: {path} does not exist; expected a folder, or a zip or tar archive.")
    found = hash_file(path)
    if sha256 not in ("none", found):
        raise SourceError(f"dataset.path: {path} has the SHA-256 {found}, but dataset.sha256 is {sha256}.")
    return found


def find_top(folder: Path) -> Path:
    """Where the data set begins: inside the only folder that an archive holds, and so on down.

    Not entered is a folder that means something itself: one with nothing but pictures directly in it (the
    only class of class_folders) and one that is named like a split.
    """
    while True:
        entries = [entry for entry in folder.iterdir() if not is_junk(entry.name)]
        if len(entries) != 1 or not entries[0].is_dir() or _has_meaning(entries[0]):
            return folder
        folder = entries[0]


def _has_meaning(folder: Path) -> bool:
    files = [entry for entry in folder.iterdir() if entry.is_file() and not is_junk(entry.name)]
    pictures = all(file.suffix.lower() in PICTURE_SUFFIXES for file in files)
    return find_split(folder.name) is not None or (bool(files) and pictures)


def unpack(archive: Path, sha256: str, name: str = "") -> Path:
    """Unpack an archive to .glasshouse/unpacked/SHA256 unless it is there; returns that folder.

    Args:
        archive: the file.
        sha256: of the file.
        name: what to call it in errors; its path by default.

    Raises: SourceError as open_archive does; OSError where the disk is full, and nothing is left of it.
    """
    folder = UNPACKED / sha256
    if folder.is_dir():
        return folder
    target = Target(name or str(archive), archive.stat().st_size)
    with _fresh_folder(folder) as target.folder:
        try:
            unpack_into(archive, target)
        except DAMAGE as error:
            raise target.damage(error) from error
        except OSError as error:
            if error.errno is not None:  # `write` does not say where the disk is full
                raise OSError(error.errno, error.strerror, error.filename or str(folder)) from error
            raise target.damage(error) from error  # bz2 reports damage so
        if not target.names:
            raise target.fault("is empty")
    return folder


@contextmanager
def _fresh_folder(folder: Path) -> Iterator[Path]:
    """A sibling folder to write into that becomes `folder` at the end, or vanishes."""
    new = folder.with_name(f".{folder.name}.new")
    if new.exists():  # left by a killed process
        shutil.rmtree(new)
    new.mkdir(parents=True)
    try:
        yield new
    except BaseException:
        shutil.rmtree(new)
        raise
    new.rename(folder)
