from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageColor

from glasshouse.prediction.drawing import COLOURS, draw_prediction, encode_jpeg, make_plate
from glasshouse.prediction.result import Prediction


def found(*boxes: tuple[float, ...], size: tuple[int, int] = (100, 120), name: str = "tulips") -> Prediction:
    count = len(boxes)
    return Prediction(
        np.array(boxes, np.float64), np.full(count, 0.5), np.arange(count), (name,) * count, size
    )


def luminance(colour: str | int) -> float:
    """Relative luminance, WCAG 2.1."""
    levels = np.array(ImageColor.getrgb(colour) if isinstance(colour, str) else (colour,) * 3) / 255
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("colour", COLOURS)
def test_words_and_lines_have_contrast(colour: str) -> None:
    """Black words on every colour at least 7 to 1 (WCAG AAA); of line and edge one shows on any grey."""
    light, dark = luminance(colour) + 0.05, 0.05
    assert light / dark >= 7
    for grey in range(256):
        ground = luminance(grey) + 0.05
        assert max(light / ground, ground / light, ground / dark) >= 3


@pytest.mark.parametrize("ground", [0, 255])
def test_the_box_is_where_it_was_found(ground: int) -> None:
    pixels = np.full((100, 120, 3), ground, np.uint8)
    drawn = np.asarray(draw_prediction(pixels, found((30.0, 40.0, 70.0, 80.0))))
    yellow = ImageColor.getrgb(COLOURS[0])
    rows, columns = np.nonzero((drawn[50:] == yellow).all(-1))  # below the words
    assert (columns.min(), columns.max(), rows.max() + 50) == (30, 69, 79)
    assert (drawn[60, 40:60] == ground).all()  # the inside is left as it is
    assert (drawn[60, 28] == ground).all()


def test_a_line_has_a_black_edge_on_either_side() -> None:
    drawn = draw_prediction(np.full((100, 120, 3), 255, np.uint8), found((30.0, 40.0, 70.0, 80.0)))
    row, column = np.asarray(drawn)[60], np.asarray(drawn)[60:, 50]
    white, black, yellow = (255, 255, 255), (0, 0, 0), ImageColor.getrgb(COLOURS[0])
    assert [tuple(row[x]) for x in range(28, 33)] == [white, black, yellow, black, white]
    assert [tuple(row[x]) for x in range(67, 72)] == [white, black, yellow, black, white]
    assert [tuple(column[y - 60]) for y in range(77, 82)] == [white, black, yellow, black, white]


def test_words_that_have_no_room_above_a_box_stand_inside_it() -> None:
    plate = np.asarray(make_plate("tulips 0.50", COLOURS[0], 10))
    height, width = plate.shape[:2]
    assert height == 15  # 10 px of letters, a quarter more, and 3
    for top, first in ((height, 0), (height - 1, height - 1 + 1 + 1)):  # below the line, which is 1 px wide
        box = (30.0, float(top), 118.0, 90.0)
        drawn = np.asarray(draw_prediction(np.zeros((100, 120, 3), np.uint8), found(box)))
        np.testing.assert_array_equal(drawn[first : first + height, 30 : 30 + width], plate)


def test_a_plate_has_an_edge_and_its_words_in_the_middle() -> None:
    plate = np.asarray(make_plate("HHH", COLOURS[6], 20).convert("L"))
    for edge in (plate[0], plate[-1], plate[:, 0], plate[:, -1]):
        assert not edge.any()
    rows, columns = np.nonzero(plate[1:-1, 1:-1] < 60)
    assert abs((rows.min() + rows.max()) / 2 + 1 - (len(plate) - 1) / 2) <= 1.5
    assert 3 <= columns.min() + 1 <= 6 and 3 <= plate.shape[1] - 1 - (columns.max() + 1) <= 7


def test_the_best_of_two_in_one_place_lies_on_top() -> None:
    box = (30.0, 40.0, 70.0, 80.0)
    drawn = np.asarray(draw_prediction(np.zeros((100, 120, 3), np.uint8), found(box, box)))
    best, plate = ImageColor.getrgb(COLOURS[0]), np.asarray(make_plate("tulips 0.50", COLOURS[0], 10))
    assert (drawn[79, 30:70] == best).all() and (drawn[60:80, 69] == best).all()
    height, width = plate.shape[:2]
    np.testing.assert_array_equal(drawn[40 - height : 40, 30 : 30 + width], plate)


@pytest.mark.parametrize(("long_side_px", "line_px"), [(300, 1), (599, 1), (600, 2), (900, 3)])
def test_lines_are_a_three_hundredth_of_the_long_side(long_side_px: int, line_px: int) -> None:
    box = (50.0, 60.0, 250.0, 190.0)
    picture = np.zeros((200, long_side_px, 3), np.uint8)
    drawn = np.asarray(draw_prediction(picture, found(box, size=(200, long_side_px))))
    yellow = (drawn[:, 150] == ImageColor.getrgb(COLOURS[0])).all(-1)
    assert np.flatnonzero(yellow[100:]).tolist() == list(range(90 - line_px, 90))


def test_a_drawn_picture_has_quality_90() -> None:
    """Of libjpeg: the table's first entry, 16, by 200 - 2 * 90 percent, is 3.2."""
    picture = Image.open(io.BytesIO(encode_jpeg(Image.new("RGB", (8, 8)))))
    assert picture.quantization[0][0] == 3  # type: ignore[attr-defined]


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (9, 9), (2000, 1500)])
def test_any_size_and_any_box_can_be_drawn(size: tuple[int, int]) -> None:
    height, width = size
    boxes = [(0, 0, width, height), (width - 0.5, height - 0.5, width, height), (0, 0, 0.2, 0.2)]
    image = draw_prediction(np.zeros((*size, 3), np.uint8), found(*boxes, size=size, name="n" * 50))
    assert image.size == (width, height)
    Image.open(io.BytesIO(encode_jpeg(image))).load()


def test_words_of_other_scripts_are_no_empty_boxes() -> None:
    assert make_plate("чаш", COLOURS[0], 20).tobytes() != make_plate("рож", COLOURS[0], 20).tobytes()


def test_what_was_given_is_left_as_it_was() -> None:
    pixels = np.zeros((50, 50, 3), np.uint8)
    draw_prediction(pixels, found((5, 5, 40, 40), size=(50, 50)))
    assert not pixels.any()


def test_a_class_is_written_in_the_corner() -> None:
    classes = Prediction(None, np.array([0.7, 0.3]), np.array([1, 0]), ("b", "a"), (80, 80))
    drawn = np.asarray(draw_prediction(np.zeros((80, 80, 3), np.uint8), classes))
    plate = make_plate("b 0.70", COLOURS[1], 10)
    np.testing.assert_array_equal(drawn[: plate.height, : plate.width], np.asarray(plate))
