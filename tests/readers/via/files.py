"""Small sets as VIA writes them, for the tests of their reader."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from PIL import Image

from glasshouse.readers.via import read
from glasshouse.sources.labelled import LabelledFiles

RECT = {"name": "rect", "x": 10, "y": 5, "width": 20, "height": 30}


HEADER = "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes"


def paint(shade: int = 0, orientation: int = 1) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stream = io.BytesIO()
    Image.new("RGB", (100, 50), (shade, 0, 0)).save(stream, "JPEG", exif=exif)
    return stream.getvalue()


def region(shape: Any = RECT, **attributes: Any) -> dict[str, Any]:
    return {"shape_attributes": shape, "region_attributes": attributes or {"class": "cat"}}


def entry(name: str, *regions: Any, size: int = 1) -> dict[str, Any]:
    return {"filename": name, "size": size, "regions": list(regions), "file_attributes": {}}


def export(*entries: dict[str, Any]) -> str:
    return json.dumps({f"{one['filename']}{one['size']}": one for one in entries})


def lay_out(root: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = paint() if name.endswith(".jpg") and not content else content
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return root


def read_regions(tmp_path: Path, *regions: Any, classes: tuple[str, ...] = ()) -> LabelledFiles:
    content = export(entry("a.jpg", *regions), entry("b.jpg", region()))
    return read(lay_out(tmp_path, {"a.jpg": "", "b.jpg": "", "via.json": content}), classes)


def write_csv(rows: list[tuple[object, ...]], head: str = HEADER) -> str:
    stream = io.StringIO()
    csv.writer(stream).writerows(rows)
    return f"{head}\n{stream.getvalue()}"


def row(
    name: str, count: int, number: int, shape: dict[str, Any], attributes: dict[str, Any]
) -> tuple[object, ...]:
    return name, 1, "{}", count, number, json.dumps(shape), json.dumps(attributes)


one = entry("a.jpg", region(), region({**RECT, "x": 0}, **{"class": "dog"}))
