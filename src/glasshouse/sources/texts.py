"""Text files that people and their spreadsheets write."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from pathlib import Path

MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


class UnreadableText(ValueError):
    """A file that cannot be read as text; the message goes behind its name: "is not UTF-8 text (byte 3)"."""


@dataclass(frozen=True, slots=True)
class Text:
    """The content of a text file; `marked`: a byte order mark stood before it and is gone."""

    content: str
    marked: bool


def read_text(path: Path) -> Text:
    """Read UTF-8, or what a byte order mark announces; line ends stay as they are.

    Raises:
        UnreadableText: the file cannot be read, or holds other bytes.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnreadableText(f"cannot be read: {error.strerror}") from error
    mark, encoding = next((pair for pair in MARKS if data.startswith(pair[0])), (b"", "utf-8"))
    try:
        return Text(data[len(mark) :].decode(encoding), bool(mark))
    except UnicodeDecodeError as error:
        raise UnreadableText(
            f"is not UTF-8 text (byte {error.start + len(mark)}): save it as UTF-8"
        ) from error
