from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from glasshouse.commands.contact_sheet import COLOURS, GAP_PX, contact_sheet, main
from glasshouse.sources.drawing.source import encode_jpeg
from glasshouse.sources.example import Example, ObjectLabel


def make_example(height: int = 60, width: int = 80) -> Example:
    picture = encode_jpeg(np.full((height, width, 3), 90, np.uint8))
    return Example("a.jpg", picture, None, (ObjectLabel("rose", (20, 30, 50, 55)),))


def test_cells_stand_in_rows() -> None:
    sheet = contact_sheet([make_example()] * 5, columns=3)
    assert sheet.size == (3 * (80 + GAP_PX) + GAP_PX, 2 * (60 + GAP_PX) + GAP_PX)
    assert np.asarray(sheet)[-20, -20].tolist() == [0x20, 0x21, 0x24]  # the sixth cell is empty


def test_boxes_are_drawn_on_their_outermost_pixels() -> None:
    sheet = np.asarray(contact_sheet([make_example()], columns=1))[GAP_PX:, GAP_PX:]
    colour = [int(COLOURS[0][place : place + 2], 16) for place in (1, 3, 5)]
    for row, column in ((54, 40), (40, 20), (40, 49)):
        assert sheet[row, column].tolist() == colour
    assert sheet[55, 40].tolist() != colour and sheet[40, 50].tolist() != colour
    assert (sheet[20:29, 21:30] == colour).all(-1).any()  # the name's plate above


def test_without_boxes_the_pictures_stay_as_they_are() -> None:
    sheet = np.asarray(contact_sheet([make_example()], columns=1, boxes=False))
    assert np.ptp(sheet[GAP_PX : GAP_PX + 60, GAP_PX : GAP_PX + 80]) == 0


def test_names_at_the_border_stay_inside() -> None:
    example = Example("a.jpg", make_example().picture, None, (ObjectLabel("sunflowers", (70, 0, 80, 20)),))
    assert contact_sheet([example], columns=1).size == (80 + 2 * GAP_PX, 60 + 2 * GAP_PX)


@pytest.mark.parametrize(("examples", "columns"), [(0, 3), (1, 0)])
def test_nothing_to_show_is_refused(examples: int, columns: int) -> None:
    with pytest.raises(ValueError, match="needs examples and columns"):
        contact_sheet([make_example()] * examples, columns)


@pytest.mark.parametrize("world", ["blooms", "shapes"])
def test_command_writes_the_same_file_twice(tmp_path: Path, world: str) -> None:
    paths = [tmp_path / "new" / name for name in ("a.jpg", "b.jpg")]
    for path in paths:
        main([str(path), "--world", world, "--pictures", "4", "--columns", "2", "--size-px", "48"])
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert Image.open(paths[0]).size == (2 * (48 + GAP_PX) + GAP_PX,) * 2
