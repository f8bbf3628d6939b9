from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasshouse.evaluation.figures import BOTTOM, HEIGHT, RIGHT, TOP, WIDTH, Line, line_chart, ticks
from glasshouse.evaluation.histories import learning_charts, learning_rows, score_rows

HISTORIES = {
    "train_head": [
        {"epoch": 1, "loss": 2.0, "learning_rate": 1e-3},
        {"epoch": 2, "loss": 1.5, "learning_rate": 1e-3},
    ],
    "fine_tune": [{"epoch": 1, "loss": 1.0, "loss_box": 0.5, "valid_mAP_50": 0.75, "learning_rate": 1e-4}],
}


@given(low=st.floats(-1e6, 1e6), span=st.floats(1e-3, 1e6))
def test_ticks_are_few_even_and_inside(low: float, span: float) -> None:
    high = low + span
    found = ticks(low, high)
    assert 1 <= len(found) <= 7
    assert all(low - 1e-6 * span <= tick <= high + 1e-6 * span for tick in found)
    steps = [after - before for before, after in pairwise(found)]
    assert all(step == pytest.approx(steps[0], rel=1e-3) for step in steps)


def test_dots_share_the_axes_of_the_lines() -> None:
    dots = [(2.0, Line("boxes", ((0.0, 0.0), (10.0, 20.0)))), (5.0, Line("anchors", ((5.0, 10.0),)))]
    chart = line_chart([], "t", "x", "y", dots=dots)
    (boxes, small, places), (anchors, large, middle) = chart.dots
    assert (boxes, small, anchors, large) == ("boxes", 2.0, "anchors", 5.0)
    halfway = ((places[0][0] + places[1][0]) / 2, (places[0][1] + places[1][1]) / 2)
    assert middle[0] == pytest.approx(halfway, abs=0.1)  # places have one digit
    assert all(chart.left <= x <= WIDTH - RIGHT and TOP <= y <= HEIGHT - BOTTOM for x, y in places)
    with pytest.raises(ValueError, match="hold no point"):
        line_chart([], "t", "x", "y", dots=[(2.0, Line("none", ()))])


def test_what_a_chart_shows_is_told_in_words() -> None:
    hill, one = Line("F1", ((0.0, 0.5), (0.25, 0.9128), (1.0, 0.0))), Line("alone", ((2.0, 8.0),))
    falling = Line("loss", ((1.0, 2.0), (3.0, 0.5)))
    dots = [(2.0, Line("boxes", ((0.0, 0.0), (10.0, 20.0))))]
    chart = line_chart([hill, one, falling, Line("none", ())], "t", "epoch", "score", dots=dots)
    assert chart.seen == (
        "score over epoch: F1 from 0.5 at 0 to 0 at 1, highest 0.913 at 0.25; alone 8 at 2; "
        "loss from 2 at 1 to 0.5 at 3; boxes 2 dots"
    )


def test_ticks_by_hand() -> None:
    assert ticks(0, 1) == [0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert ticks(-0.1, 26.2) == [0, 5, 10, 15, 20, 25]


@given(points=st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), min_size=1, max_size=8))
def test_lines_stay_inside_the_axes(points: list[tuple[float, float]]) -> None:
    chart = line_chart([Line("a", tuple(points))], "t", "x", "y")
    for x, y in re.findall(r"([\d.e+-]+) ([\d.e+-]+)", chart.lines[0][1]):
        assert chart.left - 2.1 <= float(x) <= WIDTH - RIGHT + 0.1
        assert TOP - 0.1 <= float(y) <= HEIGHT - BOTTOM + 0.1


def test_unit_square_by_hand() -> None:
    chart = line_chart([Line("a", ((0.0, 0.0), (1.0, 1.0)))], "t", "x", "y", unit_square=True)
    # Left of the axis: 18 for its label, 3 x 8 for the words "0.2", 6 to spare.
    assert chart.left == 18 + 24 + 6
    assert chart.lines == (("a", "M48 260L468 10"),)


def test_axes_by_hand() -> None:
    chart = line_chart([Line("a", ((0.0, 0.0), (10.0, 20.0)))], "t", "x", "y")
    # Left: 18 + 2 x 8 + 6. A twenty-fifth above the highest: 40 + 10 / 10.4 x 428, 260 - 20 / 20.8 x 250.
    assert chart.lines == (("a", "M40 260L451.5 19.6"),)
    chart = line_chart([Line("a", ((-1.0, 0.2), (1.0, 0.7)))], "t", "x", "y")
    # x from -1.08 to 1.08, y from 0.18 to 0.72; left 18 + 3 x 8 + 6, that of "0.2"
    assert chart.lines == (("a", "M63.6 250.7L452.4 19.3"),)
    assert [words for _, words in chart.x_ticks] == ["-1", "-0.5", "0", "0.5", "1"]


def test_long_numbers_get_the_room_they_need() -> None:
    points = ((1.0, 0.0005), (2.0, 0.0021))
    chart = line_chart([Line("a", points)], "t", "x", "y")
    assert max(len(words) for _, words in chart.y_ticks) == len("0.0005")
    assert chart.left == 18 + 6 * 8 + 6


def test_the_words_of_a_ruler_stand_where_there_is_room() -> None:
    rulers = [(0.5, "F1 0.800 at 0.50"), (0.97, "F1 0.000 at 0.97"), (0.97, "a")]
    chart = line_chart([Line("a", ((0.0, 0.0),))], "t", "x", "y", unit_square=True, rulers=rulers)
    assert [side for _, _, side in chart.rulers] == ["start", "end", "start"]


@given(last=st.integers(1, 400), span=st.integers(0, 400))
def test_epochs_are_whole_numbers(last: int, span: int) -> None:
    points = ((float(last), 1.0), (float(last + span), 0.5))
    chart = line_chart([Line("a", points)], "t", "epoch", "y", whole_x=True)
    assert chart.x_ticks and all(words.isdigit() for _, words in chart.x_ticks)


def test_chart_without_points_is_refused() -> None:
    with pytest.raises(ValueError, match="'empty'"):
        line_chart([Line("a", ())], "empty", "x", "y")


def test_learning_rows_count_on_and_know_every_key() -> None:
    rows = learning_rows(HISTORIES)
    assert [(row["step"], row["phase"], row["epoch"]) for row in rows] == [
        (1, "train_head", 1),
        (2, "train_head", 2),
        (3, "fine_tune", 1),
    ]
    assert rows[0]["valid_mAP_50"] is None
    assert rows[2]["valid_mAP_50"] == 0.75
    assert len({tuple(row) for row in rows}) == 1


def test_learning_charts_hold_losses_and_scores() -> None:
    losses, scores = learning_charts(HISTORIES)
    assert [name for name, _ in losses.lines] == ["loss", "loss_box"]
    assert [name for name, _ in scores.lines] == ["valid_mAP_50"]
    assert [words for _, words, _ in losses.rulers] == ["fine_tune"]
    assert [words for _, words in losses.x_ticks] == ["1", "2", "3"]
    # The second phase begins between the second epoch and the third, which is its first.
    assert losses.rulers[0][0] == pytest.approx((losses.x_ticks[1][0] + losses.x_ticks[2][0]) / 2, abs=0.1)
    assert (losses.y_label, scores.y_label) == ("loss", "score")
    assert learning_charts({}) == []


def test_the_score_that_counts_is_named_whatever_the_task() -> None:
    assert score_rows(HISTORIES) == [{"step": 3, "phase": "fine_tune", "metric": "mAP_50", "score": 0.75}]
    assert score_rows({}) == []
