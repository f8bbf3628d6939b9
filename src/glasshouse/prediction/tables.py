"""The tables of a prediction run: valid files after every batch, so that a run cut off loses nothing."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from glasshouse.inputs.recipe import Recipe
from glasshouse.prediction.result import BOX_DIGITS, Prediction

FORMATS = ("json", "csv", "coco")
Objects = list[dict[str, Any]]
CORNERS = ("x_min_px", "y_min_px", "x_max_px", "y_max_px")


class Table(Protocol):
    """A table that grows."""

    def add(self, name: str, prediction: Prediction, objects: Objects) -> None:
        """A picture, by its name, with what was found in it; `objects` are `prediction.list_objects()`."""

    def flush(self) -> None:
        """Bring the file up to all that was added."""

    def close(self) -> None:
        """Flush, and close the file."""


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """A full disk shows only when a file is written, and its error does not say to which path."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


class JsonList:
    """A JSON list on disk to which rows are added; the file is whole after every flush."""

    def __init__(self, path: Path, head: str = "[", tail: str = "]") -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Bytes: in a text file each look at where it stands takes a third of a millisecond.
        self._path, self._file = path, path.open("wb")
        self._tail, self._first = f"\n{tail}\n".encode(), True
        self._waiting: list[str] = []
        self._end = self._file.write(head.encode())
        self.flush()

    def add(self, row: Any) -> None:
        """One more row."""
        self._waiting.append(json.dumps(row, ensure_ascii=False, allow_nan=False))

    def flush(self) -> None:
        """Write the waiting rows in the place of the tail, and the tail behind them."""
        text = ",\n".join(self._waiting)
        if text:
            text, self._first = f"{'' if self._first else ','}\n{text}", False
        with naming(self._path):
            self._file.seek(self._end)
            self._end += self._file.write(text.encode())
            self._file.write(self._tail)
            self._file.flush()
        self._waiting.clear()

    def close(self) -> None:
        """Flush, and close the file."""
        self.flush()
        self._file.close()


class JsonTable:
    """predictions.json: one entry a picture, `file`, `width_px`, `height_px`, `objects`."""

    def __init__(self, folder: Path) -> None:
        self._list = JsonList(folder / "predictions.json")
        self.flush, self.close = self._list.flush, self._list.close

    def add(self, name: str, prediction: Prediction, objects: Objects) -> None:
        """See Table."""
        height, width = prediction.size
        self._list.add({"file": name, "width_px": width, "height_px": height, "objects": objects})


class CsvTable:
    """predictions.csv: one row an object, `file`, `label`, `score`, and the corners where there are boxes."""

    def __init__(self, folder: Path, boxes: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "predictions.csv"
        # The mark at the start tells spreadsheets that names are UTF-8.
        self._file = self._path.open("w", encoding="utf-8-sig", newline="")
        self._writer = csv.writer(self._file)
        self._writer.writerow(["file", "label", "score", *(CORNERS if boxes else ())])
        self.flush()

    def add(self, name: str, prediction: Prediction, objects: Objects) -> None:
        """See Table."""
        with naming(self._path):
            for row in objects:
                self._writer.writerow([name, row["label"], row["score"], *row.get("box_xyxy_px", ())])

    def flush(self) -> None:
        """See Table."""
        with naming(self._path):
            self._file.flush()

    def close(self) -> None:
        """See Table."""
        with naming(self._path):
            self._file.close()


class CocoTable:
    """coco_results.json, a list of COCO results; coco_images.json, the images and categories they point to.

    Image ids count the pictures from 1, category ids are class index + 1.
    """

    def __init__(self, folder: Path, recipe: Recipe) -> None:
        categories = [{"id": number, "name": name} for number, name in enumerate(recipe.labels, 1)]
        said = json.dumps(categories, ensure_ascii=False)
        self._results = JsonList(folder / "coco_results.json")
        self._images = JsonList(folder / "coco_images.json", f'{{"categories": {said},\n"images": [', "]}")
        self._count = 0

    def add(self, name: str, prediction: Prediction, objects: Objects) -> None:
        """See Table."""
        self._count += 1
        height, width = prediction.size
        self._images.add({"id": self._count, "file_name": name, "width": width, "height": height})
        for row, label in zip(objects, prediction.labels, strict=True):
            left, top, right, bottom = row["box_xyxy_px"]
            sides = [round(right - left, BOX_DIGITS), round(bottom - top, BOX_DIGITS)]
            box = {"category_id": int(label) + 1, "bbox": [left, top, *sides], "score": row["score"]}
            self._results.add({"image_id": self._count, **box})

    def flush(self) -> None:
        """See Table."""
        self._results.flush()
        self._images.flush()

    def close(self) -> None:
        """See Table."""
        self._results.close()
        self._images.close()


def choose_formats(asked: Sequence[str] | None, recipe: Recipe) -> tuple[str, ...]:
    """The formats that were asked for, else all that the network's task has.

    Raises:
        ValueError: an unknown format, or COCO from a classifier, which gives no boxes.
    """
    if asked is None:
        return tuple(name for name in FORMATS if name != "coco" or recipe.task != "classify")
    if unknown := [name for name in asked if name not in FORMATS]:
        raise ValueError(f"--format: no format {', '.join(unknown)}. There are {', '.join(FORMATS)}.")
    if "coco" in asked and recipe.task == "classify":
        raise ValueError(
            "--format coco: COCO results are boxes, and this network is a classifier: take json, csv."
        )
    return tuple(dict.fromkeys(asked))


def open_tables(formats: Sequence[str], folder: Path, recipe: Recipe) -> list[Table]:
    """New tables in a folder."""
    makers: dict[str, Callable[[], Table]] = {
        "json": lambda: JsonTable(folder),
        "csv": lambda: CsvTable(folder, recipe.task != "classify"),
        "coco": lambda: CocoTable(folder, recipe),
    }
    return [makers[name]() for name in formats]
