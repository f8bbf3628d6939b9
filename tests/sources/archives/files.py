"""Small archives, and what is left of them, for their tests."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from glasshouse.sources.archives import UNPACKED, open_archive
from glasshouse.sources.example import SourceError

FILES = {
    "set/cat/1.jpg": b"one",
    "set/cat/2.jpg": b"two" * 1000,
    "set/dog/ö ü.jpg": b"",
    "set/README.md": b"read",
}


KINDS = ("zip", "tar", "tar.gz", "tar.bz2", "tar.xz")


Member = tuple[str, bytes]


def pack(path: Path, members: dict[str, bytes] | list[Member], folders: tuple[str, ...] = ()) -> Path:
    rows = list(members.items()) if isinstance(members, dict) else members
    if path.name.endswith("zip"):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in folders:
                archive.writestr(f"{name}/", b"")
            for name, content in rows:
                archive.writestr(name, content)
        return path
    mode = {"tar": "w", "gz": "w:gz", "bz2": "w:bz2", "xz": "w:xz"}[path.name.rpartition(".")[2]]
    with tarfile.open(path, mode) as tar:
        for name in folders:
            info = tarfile.TarInfo(name)
            info.type = tarfile.DIRTYPE
            tar.addfile(info)
        for name, content in rows:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def pack_member(path: Path, kind: bytes, name: str = "set/link", target: str = "/etc/passwd") -> Path:
    with tarfile.open(path, "w") as tar:
        info = tarfile.TarInfo("set/a.jpg")
        tar.addfile(info)
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, target
        tar.addfile(info)
    return path


def read_tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def refuse(path: Path, wanted: str, url: str = "none", sha256: str = "none") -> str:
    """The message of the refusal; nothing may be left."""
    with pytest.raises(SourceError, match=wanted) as caught:
        open_archive(path, url, sha256)
    assert list(UNPACKED.glob("*")) == []
    return str(caught.value)
