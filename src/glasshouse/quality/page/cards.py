"""The worst pictures: those that findings name, then the extremes of the set, as cards."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from glasshouse.quality.boxes import CORNERS
from glasshouse.quality.page.histograms import say_number
from glasshouse.quality.page.thumbnails import draw_thumbnails

MOST_CARDS = 24
EACH = 6  # pictures of one finding, so that the next ones have room
EXTREMES = (
    ("mean_level", True, "darkest"),
    ("mean_level", False, "brightest"),
    ("spread_level", True, "least contrast"),
    ("sharpness", True, "least sharp"),
    ("sharpness", False, "sharpest"),
    ("boxes", False, "most boxes"),
)  # column, whether the smallest, words
_TABLES = {
    "images": ["image_id", "file_name", "width_px", "height_px"],
    "statistics": ["image_id", "mean_level", "spread_level", "sharpness"],
    "objects": ["object_id", "image_id", *CORNERS],
}
MARK = 0.04  # of the longer side: the smallest box that is drawn
_NUMBER = r"(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)"
_QUOTED_BOX = re.compile(
    rf"the box \({_NUMBER}, {_NUMBER}, {_NUMBER}, {_NUMBER}\)"
)  # as tables/settle.py says it
_NAMING = {"image_id", "object_id", "file_name", "files", "picture", "reason", "sha256", *CORNERS}


@dataclass(slots=True)
class Card:
    """One picture on the page, or the name of one that cannot be shown.

    Attributes:
        title: its file's name.
        notes: (level, check, what was found), level bad, warn or none.
        boxes: (x, y, width, height, level) in pixels of the upright original.
        size: (height, width) of the upright original.
        thumbnail: data URI, or "" where there is nothing to show.
    """

    title: str
    notes: list[tuple[str, str, str]] = field(default_factory=list)
    boxes: list[tuple[float, float, float, float, str]] = field(default_factory=list)
    size: tuple[int, int] = (0, 0)
    thumbnail: str = ""

    @property
    def level(self) -> str:
        """Of its worst note."""
        return min((note[0] for note in self.notes), key=["bad", "warn", "none"].index)


def gather_cards(findings: Iterable[tuple[str, Mapping[str, Any]]], raw: Path) -> list[Card]:
    """At most MOST_CARDS cards, those of critical findings first.

    Args:
        findings: (stage, outcome of its report) of checks that failed.
        raw: data/raw; where it is not there, pictures are named only.
    """
    tables = _read_tables(raw)
    desk = _Desk(tables)
    for _, finding in sorted(findings, key=lambda pair: str(pair[1]["severity"])):
        desk.add(finding)
    if tables:
        desk.add_extremes()
    shown = {image_id: card for image_id, card in desk.by_id.items() if card in desk.cards}
    for image_id, thumbnail in draw_thumbnails(raw, shown):
        shown[image_id].thumbnail = thumbnail
    return desk.cards


def _read_tables(raw: Path) -> dict[str, pd.DataFrame]:
    if not (raw / "images.parquet").is_file():
        return {}
    return {name: pd.read_parquet(raw / f"{name}.parquet", columns=names) for name, names in _TABLES.items()}


class _Desk:
    """Cards as they are laid out: one a picture, whatever number of findings names it."""

    def __init__(self, tables: Mapping[str, pd.DataFrame]) -> None:
        self.tables = tables
        self.cards: list[Card] = []
        self.by_id: dict[int, Card] = {}
        self.by_name: dict[str, Card] = {}
        images = tables["images"] if tables else pd.DataFrame({"image_id": [], "file_name": []})
        self.images = images.drop_duplicates("image_id").set_index("image_id")
        self.ids = dict(zip(images["file_name"], images["image_id"], strict=True))
        objects = tables["objects"].drop_duplicates("object_id") if tables else pd.DataFrame()
        self.corners = objects.set_index("object_id")[list(CORNERS)] if tables else pd.DataFrame()

    def add(self, finding: Mapping[str, Any]) -> None:
        """The pictures that a finding names: new cards for EACH of them at most, notes on those there are."""
        level, new = "bad" if finding["severity"] == "critical" else "warn", 0
        pairs = ((name, row) for row in finding["failing_rows"] for name in self._names(row))
        for name, row in pairs:
            card = self.by_name.get(name)
            if card is None:
                if new == EACH or len(self.cards) == MOST_CARDS:
                    continue
                card, new = self._lay(name), new + 1
            card.notes.append((level, str(finding["check"]), _say(row)))
            self._draw_box(card, row, level)

    def add_extremes(self) -> None:
        """The most extreme pictures of the set by level, sharpness and boxes, as far as there is room."""
        counts = self.tables["objects"].groupby("image_id").size()
        frame = self.tables["statistics"].assign(boxes=lambda f: f["image_id"].map(counts))
        for column, smallest, words in EXTREMES:
            ranked = frame.dropna(subset=[column]).sort_values(
                [column, "image_id"], ascending=[smallest, True]
            )
            if (
                len(self.cards) < MOST_CARDS
                and len(ranked)
                and int(ranked["image_id"].iloc[0]) in self.images.index
            ):
                image_id, value = int(ranked["image_id"].iloc[0]), ranked[column].iloc[0]
                name = str(self.images.at[image_id, "file_name"])
                card = self.by_name.get(name) or self._lay(name)
                card.notes.append(("none", words, f"{column} {say_number(value)}"))

    def _names(self, row: Mapping[str, Any]) -> list[str]:
        """File names of its pictures; an image_id counts more than a name, which may be an annotation's."""
        image_id = row.get("image_id")
        if image_id is not None and image_id in self.images.index:
            return [str(self.images.at[image_id, "file_name"])]
        name = row.get("picture") or row.get("file_name")
        return (
            [str(name)] if name else [name for name in str(row.get("files")).split(", ") if name in self.ids]
        )

    def _lay(self, name: str) -> Card:
        card = self.by_name[name] = Card(name)
        image_id = self.ids.get(name)
        if image_id is not None:
            sides = self.images[["height_px", "width_px"]].to_numpy()
            height, width = sides[self.images.index.get_loc(image_id)]
            card.size = (int(height), int(width))
            self.by_id[int(image_id)] = card
        self.cards.append(card)
        return card

    def _draw_box(self, card: Card, row: Mapping[str, Any], level: str) -> None:
        """The raw box of the object that the row names (the row's own may be in prepared pixels), or the one
        that the sentence on a faulty label quotes.
        """
        object_id = row.get("object_id")
        if not card.size[0]:
            return
        if object_id is not None and object_id in self.corners.index:
            corners = self.corners.loc[object_id].clip(-1e6, 1e6).tolist()
        elif quoted := _QUOTED_BOX.search(_say(row)):
            corners = [float(number) for number in quoted.groups()]
        else:
            return
        box = (*_make_visible(corners, card.size), level)
        if box not in card.boxes:
            card.boxes.append(box)


def _make_visible(corners: Sequence[float], size: tuple[int, int]) -> tuple[float, float, float, float]:
    """x, y, width, height of a box; one without area is widened about its place, so that it can be seen."""
    least = MARK * max(size)
    (left, right), (top, bottom) = sorted(corners[::2]), sorted(corners[1::2])
    width, height = max(right - left, least), max(bottom - top, least)
    return (left + right - width) / 2, (top + bottom - height) / 2, width, height


def _say(row: Mapping[str, Any]) -> str:
    """What the row tells beside the picture's name: where, and the offending values."""
    parts: Sequence[str] = [
        f"{name} {say_number(value)}" if isinstance(value, float) else f"{name} {value}"
        for name, value in row.items()
        if name not in _NAMING and value not in (None, "") and not name.endswith("_because")
    ]
    reasons = [str(value) for name, value in row.items() if name == "reason" or name.endswith("_because")]
    return "; ".join([", ".join(parts), *(reason for reason in reasons if reason != "None")]).strip("; ")
