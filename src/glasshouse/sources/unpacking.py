"""What comes out of a zip or tar archive, and what must not: paths that lead out, links, bombs, halves."""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import re
import shutil
import stat
import sys
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from tqdm import tqdm

from glasshouse.sources.example import SourceError
from glasshouse.sources.listing import CONTROL, spell

# Limits that no honest data set meets. ImageNet: 1.4 million files, 155 GB. Pictures are compressed already
# (ratio 1 to 1.1), XML and JSON shrink 10 to 20 times, drawn masks and empty arrays up to 200 times; a bomb
# reaches 1,000 times in one layer. Under the floor a high ratio does no harm.
MAX_FILES = 5_000_000
MAX_BYTES = 1 << 40
MAX_RATIO = 200
RATIO_FLOOR_BYTES = 256 << 20
MAX_HEADER_BYTES = 16 << 20  # of a member of a tar archive: its path, its owner, what macOS notes of it
BLOCK_BYTES = 1 << 20

STARTS: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),  # an empty one
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!", "rar"),
)
DECOMPRESS: dict[str, Callable[[IO[bytes]], Any]] = {
    "gzip": lambda stream: gzip.GzipFile(fileobj=stream),
    "bzip2": bz2.BZ2File,
    "xz": lzma.LZMAFile,
    "tar": lambda stream: stream,
}
DAMAGE = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, gzip.BadGzipFile),
    RecursionError,  # tarfile, of a thousand headers for one member
)
BAD_NAME = (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ)
MADE_ON_WINDOWS = 0  # zip's number for DOS and Windows, where a backslash is no part of a name
DRIVE = re.compile("[A-Za-z]:")


def unpack_into(archive: Path, target: Target) -> None:
    """Unpack a zip or tar archive; raises SourceError, one of DAMAGE, or OSError."""
    kind = find_kind(archive)
    if kind == "zip":
        _unpack_zip(archive, target)
    elif kind in DECOMPRESS:
        _unpack_tar(archive, kind, target)
    else:
        what = f"a {kind} file" if kind else "no archive"
        raise target.fault(f"is {what}: only zip and tar (plain, gzip, bzip2, xz) are unpacked here")


def find_kind(archive: Path) -> str | None:
    """What kind of file it is by its first bytes, whatever its name; None for no archive."""
    with archive.open("rb") as stream:
        start = stream.read(512)
    for bytes_, kind in STARTS:
        if start.startswith(bytes_):
            return kind
    return "tar" if start[257:262] == b"ustar" or tarfile.is_tarfile(archive) else None


@dataclass
class Target:
    """Where an archive is unpacked to, and what has come out so far.

    Attributes:
        archive: what to call the archive in errors.
        packed_bytes: its size.
        folder: the folder that nothing may leave.
        names: of the members so far, and how Unicode composes them.
        unpacked_bytes: how many so far.
    """

    archive: str
    packed_bytes: int
    folder: Path = Path()
    names: set[str] = field(default_factory=set)
    unpacked_bytes: int = 0

    @property
    def limit_bytes(self) -> int:
        """How much may come out in all."""
        return min(max(self.packed_bytes * MAX_RATIO, RATIO_FLOOR_BYTES), MAX_BYTES)

    def fault(self, what: str, member: str | None = None) -> SourceError:
        """The error that names the archive and, where one is at fault, the member."""
        place = f"{self.archive}: " + (f"member {member!r} " if member is not None else "it ")
        return SourceError(f"dataset: {place}{what}.")

    def damage(self, error: Exception, member: str | None = None) -> SourceError:
        """The error for bytes that make no sense."""
        reason = " ".join(str(error).split()) or "its end is missing"
        return self.fault(f"is damaged or cut off ({reason}); fetch the archive again", member)

    def place(self, name: str) -> Path:
        """Where a member goes; raises SourceError where that would be outside, or is taken."""
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or DRIVE.match(name):
            raise self.fault("has a path that may leave the folder (.., absolute, drive or backslash)", name)
        if spelled_badly(name):
            reason = "has a name that is not UTF-8, or holds a zero or another control character; rename it"
            raise self.fault(reason, name)
        spelled = spell(path.as_posix())
        if spelled in self.names:
            raise self.fault("comes twice", name)
        self.names.add(spelled)
        if len(self.names) > MAX_FILES:
            raise self.fault(f"is one of more than {MAX_FILES:,} files, which no data set has", name)
        return self.folder / path

    def add_folder(self, name: str) -> None:
        """Make a folder; it may come before or after what lies in it, and again."""
        if unicodedata.normalize("NFC", PurePosixPath(name).as_posix()) not in self.names:
            place = self.place(name)
            with self.naming(name):
                place.mkdir(parents=True, exist_ok=True)

    def add_file(self, name: str, size: int, stream: IO[bytes]) -> None:
        """Write a file of so many bytes; more or fewer is damage."""
        place = self.place(name)
        self.demand_room(size, name)
        with self.naming(name):
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("xb") as file:
                shutil.copyfileobj(stream, file, BLOCK_BYTES)
                written = file.tell()
        if written != size:
            raise self.fault(f"is damaged: {written:,} bytes instead of {size:,}", name)

    @contextmanager
    def naming(self, name: str) -> Iterator[None]:
        """Tell what the file system has against a name."""
        try:
            yield
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise self.fault(
                "has the place of another member (letter case may not count here)", name
            ) from error
        except OSError as error:
            if error.errno not in BAD_NAME:
                raise
            raise self.fault(f"has a name that this disk cannot hold ({error.strerror})", name) from error

    def demand_room(self, size: int, name: str) -> None:
        """Count the bytes of a member before any is written."""
        self.unpacked_bytes += size
        if self.unpacked_bytes > self.limit_bytes:
            raise self.fault(
                f"brings the unpacked size to {self.unpacked_bytes:,} bytes, more than the "
                f"{self.limit_bytes:,} that an archive of {self.packed_bytes:,} bytes may hold: it looks "
                "like a bomb",
                name,
            )


def spelled_badly(name: str) -> bool:
    """Whether a name cannot be written in UTF-8, or holds a control character: a zero ends it in C."""
    surrogate = any("\ud800" <= character <= "\udfff" for character in name)
    return surrogate or CONTROL.search(name) is not None


def _unpack_zip(archive: Path, target: Target) -> None:
    with zipfile.ZipFile(archive) as source:
        for info in tqdm(source.infolist(), "unpacking", unit=" files", file=sys.stderr, disable=None):
            name, mode = _read_name(info), info.external_attr >> 16
            if info.flag_bits & 0x1:
                raise target.fault("is encrypted; unpack it by hand and set dataset.path to the folder", name)
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise target.fault("is a link or device; pack the files themselves", name)
            if name.endswith("/") and not info.file_size:
                target.add_folder(name)
                continue
            try:
                with source.open(info) as stream:
                    target.add_file(name, info.file_size, stream)
            except NotImplementedError as error:  # deflate64 and other methods that Python cannot read
                raise target.fault(f"cannot be unpacked ({error}); unpack it by hand", name) from error
            except DAMAGE as error:
                raise target.damage(error, name) from error


def _read_name(info: zipfile.ZipInfo) -> str:
    """A member's name; UTF-8 without the flag that says so is what macOS writes, backslashes between folders
    older .NET does. In other encodings, such as Japanese, a backslash may be half of a letter, and stays."""
    name, flagged = info.orig_filename, info.flag_bits & 0x800
    if not flagged:
        with suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    divided = info.create_system == MADE_ON_WINDOWS and "/" not in name and (flagged or name.isascii())
    return name.replace("\\", "/") if divided else name


class _Bounded:
    """Decompressed bytes of a tar archive, no more of them than may come out, and the last block seen.

    `header_bytes` counts those of a header, which tarfile takes into memory; None while a file is read.
    """

    header_bytes: int | None = None

    def __init__(self, stream: IO[bytes], target: Target) -> None:
        # Headers and padding come on top of the files: a kilobyte or two each.
        self.stream, self.target, self.limit = stream, target, 2 * target.limit_bytes
        self.count, self.tail = 0, b""

    def read(self, size: int) -> bytes:
        block = self.stream.read(size)
        self.count += len(block)
        if self.count > self.limit:
            raise self.target.fault(f"unpacks to more than {self.limit:,} bytes: it looks like a bomb")
        if self.header_bytes is not None:
            self.header_bytes += len(block)
            if self.header_bytes > MAX_HEADER_BYTES:
                raise self.target.fault(
                    f"has a header of more than {MAX_HEADER_BYTES:,} bytes: it looks like a bomb"
                )
        self.tail = (self.tail + block)[-tarfile.BLOCKSIZE :]
        return block


def _unpack_tar(archive: Path, kind: str, target: Target) -> None:
    """One pass; the end is read too, since only there compression and tar show that nothing is missing."""
    with archive.open("rb") as packed, DECOMPRESS[kind](packed) as stream:
        bounded = _Bounded(stream, target)
        with tarfile.open(fileobj=cast(IO[bytes], bounded), mode="r|") as source:
            members = _list_members(source, bounded)
            for info in tqdm(members, "unpacking", unit=" files", file=sys.stderr, disable=None):
                _unpack_tar_member(source, info, target)
        while bounded.read(BLOCK_BYTES):
            pass
        if bounded.tail.strip(b"\0"):
            raise target.fault("is cut off: the mark at its end is missing; fetch it again")


def _list_members(source: tarfile.TarFile, bounded: _Bounded) -> Iterator[tarfile.TarInfo]:
    """The members of a tar archive one by one; each is unpacked before the next one's header is read."""
    while True:
        bounded.header_bytes = 0
        info = source.next()
        bounded.header_bytes = None
        if info is None:
            return
        yield info
        source.members.clear()  # type: ignore[attr-defined]  # tarfile would keep a kilobyte of each


def _unpack_tar_member(source: tarfile.TarFile, info: tarfile.TarInfo, target: Target) -> None:
    if info.isdir():
        return target.add_folder(info.name)
    if not info.isreg():
        kind = "a link" if info.issym() or info.islnk() else "a device"
        raise target.fault(f"is {kind}; pack the files themselves (tar --dereference)", info.name)
    stream = source.extractfile(info)
    assert stream is not None  # a regular member has content
    try:
        target.add_file(info.name, info.size, stream)
    except DAMAGE as error:
        raise target.damage(error, info.name) from error
