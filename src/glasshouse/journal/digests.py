"""MD5 digests of files and folders as dvc.lock writes them, remembered by (path, size, mtime)."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

REMEMBERED_FROM_BYTES = 1 << 18  # a smaller file is hashed faster than it is looked up
CHUNK_BYTES = 1 << 20


class Digests:
    """Digests of paths under `root`; a memory in `.glasshouse/` spares reading large files again."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._file = root / ".glasshouse" / "digests.json"
        self._memory: dict[str, list[int | str]] | None = None
        self._changed = False
        self._ignored: GitIgnoreSpec | None = None

    def digest(self, path: str | Path) -> str | None:
        """MD5 of a file, `<md5>.dir` of a folder's listing, None where there is neither."""
        place = self._root / path
        if place.is_dir():
            return self._folder(place)
        return self._file_digest(place) if place.is_file() else None

    def is_ignored(self, path: str) -> bool:
        """Whether .dvcignore leaves out a file, by its path in the project."""
        return bool(self._read_ignored().match_file(path))

    def save(self) -> None:
        """Write the memory, where it grew; another process's is replaced whole, never mixed."""
        if not self._changed:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._file.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps(self._memory), encoding="utf-8")
        fresh.replace(self._file)
        self._changed = False

    def _folder(self, folder: Path) -> str:
        """DVC's digest of a folder: MD5 of the JSON list of (md5, relpath), sorted by relpath."""
        paths = sorted(self._files_below(folder), key=lambda path: path.relative_to(folder).as_posix())
        listing = [
            {"md5": self._try_digest(path), "relpath": path.relative_to(folder).as_posix()} for path in paths
        ]
        text = json.dumps(listing, sort_keys=True)
        return f"{hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()}.dir"

    def _files_below(self, folder: Path) -> list[Path]:
        """All files that .dvcignore leaves; like DVC it follows no links to folders."""
        ignored, found = self._read_ignored(), []
        for parent, folders, files in os.walk(folder):
            place = os.path.relpath(parent, self._root)
            folders[:] = [name for name in folders if not ignored.match_file(f"{place}/{name}/")]
            found += [Path(parent, name) for name in files if not ignored.match_file(f"{place}/{name}")]
        return found

    def _read_ignored(self) -> GitIgnoreSpec:
        if self._ignored is None:
            from pathspec import GitIgnoreSpec

            path = self._root / ".dvcignore"
            self._ignored = GitIgnoreSpec.from_lines(path.read_text().splitlines() if path.is_file() else [])
        return self._ignored

    def _try_digest(self, path: Path) -> str | None:
        """None for a file that cannot be read: DVC has no digest of such a folder, but a stage goes on."""
        try:
            return self._file_digest(path)
        except OSError:
            return None

    def _file_digest(self, path: Path) -> str:
        status = path.stat()
        if status.st_size < REMEMBERED_FROM_BYTES:
            return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        key, stamp = os.path.relpath(path, self._root), [status.st_size, status.st_mtime_ns]
        memory = self._recall()
        known = memory.get(key)
        if known is None or known[:2] != stamp:
            memory[key] = [*stamp, _read_md5(path)]
            self._changed = True
        return str(memory[key][2])

    def _recall(self) -> dict[str, list[int | str]]:
        if self._memory is None:
            try:
                self._memory = dict(json.loads(self._file.read_text(encoding="utf-8")))
            except (FileNotFoundError, ValueError):  # no memory, or a torn one: hash anew
                self._memory = {}
        return self._memory


def _read_md5(path: Path) -> str:
    md5 = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            md5.update(chunk)
    return md5.hexdigest()
