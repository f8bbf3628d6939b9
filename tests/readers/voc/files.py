"""Small sets in Pascal VOC, for the tests of their reader."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

from glasshouse.sources.example import LabelFault
from glasshouse.sources.labelled import LabelledFiles

REPOSITORY = Path(__file__).parents[3]


BCCD = REPOSITORY.parent / "shared/data/bccd_voc"


Corners = tuple[object, object, object, object]


SOUND = ("rose", (11, 21, 30, 40))


def write(root: Path, name: str, text: str | bytes = b"picture") -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def describe(label: str, corners: Corners, extra: str = "") -> str:
    x_min, y_min, x_max, y_max = corners
    box = f"<xmin>{x_min}</xmin><ymin>{y_min}</ymin><xmax>{x_max}</xmax><ymax>{y_max}</ymax>"
    return f"<object>\n<name>{escape(label)}</name>{extra}<bndbox>{box}</bndbox></object>"


def annotate(
    *objects: tuple[str, Corners] | str,
    name: str = "",
    size: str | None = "<width>100</width><height>80</height>",
) -> str:
    parts = [item if isinstance(item, str) else describe(*item) for item in objects]
    sized = "" if size is None else f"<size>{size}</size>"
    return "\n".join(["<annotation>", f"<filename>{escape(name)}</filename>", sized, *parts, "</annotation>"])


def add(root: Path, stem: str, *objects: tuple[str, Corners] | str, **keys: str | None) -> None:
    """A picture and its annotation in the devkit's layout."""
    write(root, f"JPEGImages/{stem}.jpg")
    write(root, f"Annotations/{stem}.xml", annotate(*objects, **keys))  # type: ignore[arg-type]


def name_faults(source: LabelledFiles) -> list[tuple[str, str, str, str]]:
    return [(fault.file_name, fault.place, fault.kind, fault.action) for fault in source.faults]


def only_fault(source: LabelledFiles) -> LabelFault:
    (fault,) = source.faults
    return fault
