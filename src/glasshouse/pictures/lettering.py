"""Words on pictures: a font that has their letters, whatever script a class name is written in."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from PIL import ImageFont

UNKNOWN = "?"  # drawn for a letter that no font here has
LONGEST, LAST = 200, 10  # characters that are drawn, and of those at the end: Pillow refuses a million


def letter(text: str, size_px: int) -> tuple[str, ImageFont.FreeTypeFont]:
    """Words as they can be drawn, and the font for them.

    The font is DejaVu where it has all the letters (Latin, Greek, Cyrillic, Arabic and more), else the first
    font of this machine that has, by file name. Letters that none has become UNKNOWN, which is said once.
    Words on several lines, as a name in an XML file may be, come on one. Of very long ones the
    middle is left out: a score stands at the end.
    """
    text = " ".join(text.splitlines())  # Pillow measures one line
    text = text if len(text) <= LONGEST else f"{text[: LONGEST - LAST - 3]}...{text[-LAST:]}"
    path = find_font(text)
    if path is None:
        path, text = dejavu(), replace_unknown(text)
    return text, _open(path, size_px)


@cache
def find_font(text: str) -> Path | None:
    """The font file for some words; None where no font here has all their letters."""
    needed = {ord(each) for each in text if not each.isspace()}
    # Plain letters need no look into fonts, which loads Matplotlib.
    if text.isascii() or needed <= read_letters(dejavu()):
        return dejavu()
    return next((path for path in list_fonts() if needed <= read_letters(path)), None)


def replace_unknown(text: str) -> str:
    """The words with UNKNOWN for what DejaVu has not; tells the user, once for the same words."""
    known = read_letters(dejavu())
    drawn = "".join(each if each.isspace() or ord(each) in known else UNKNOWN for each in text)
    _tell_unknown("".join(sorted({each for each in text if not each.isspace() and ord(each) not in known})))
    return drawn


@cache
def _tell_unknown(letters: str) -> None:
    print(
        f"No font of this machine has {letters!r}: drawn as {UNKNOWN!r}, tables have them whole. Install "
        "a font of that script (Debian, Ubuntu: apt install fonts-noto-cjk).",
        file=sys.stderr,
    )


@cache
def read_letters(path: Path) -> frozenset[int]:
    """Code points that a font file has glyphs for; none where it cannot be read."""
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(FT2Font(str(path)).get_charmap())
    except RuntimeError:  # FreeType's, of a bitmap font for example
        return frozenset()


@cache
def list_fonts() -> tuple[Path, ...]:
    """Font files of this machine, by name."""
    from matplotlib.font_manager import findSystemFonts

    found: Iterable[str] = findSystemFonts()
    return tuple(sorted(Path(name) for name in found))


@cache
def dejavu() -> Path:
    """DejaVu Sans Bold, which Matplotlib brings along: Pillow's own font knows no Greek or Cyrillic letters.

    Raises:
        ValueError: Matplotlib is not installed.
    """
    spec = find_spec("matplotlib")
    if spec is None or spec.origin is None:
        raise ValueError("matplotlib is not installed, and its font is what names are drawn with.")
    return Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans-Bold.ttf"


@cache
def _open(path: Path, size_px: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(path), size_px)
