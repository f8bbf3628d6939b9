from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasshouse.comparison.leaderboard import Row, find_best, find_front, list_columns, order_rows
from glasshouse.comparison.page import Board, write_board
from glasshouse.comparison.picture import choose_ticks, draw_picture, place_labels
from glasshouse.comparison.statistics import Sample
from glasshouse.comparison.tables import tabulate_differences, write_csv, write_markdown
from glasshouse.comparison.words import (
    say_choice,
    say_difference,
    say_differences,
    say_front,
    tell_limits,
)
from glasshouse.metrics.bootstrap import interval

MakeRow = Callable[..., Row]
COLUMNS = [
    column for column in list_columns("accuracy", False) if column.key in ("test", "valid", "cpu_ms_1")
]
GOOD, MIDDLE, BAD = [1] * 18 + [0] * 2, [1] * 17 + [0] * 3, [1] * 6 + [0] * 14


@pytest.fixture
def rows(make_row: MakeRow) -> list[Row]:
    return order_rows(
        [
            make_row("slow", BAD, valid=0.31, cpu_ms_1=40.0),
            make_row("broken"),
            make_row("quick", MIDDLE, valid=0.82, cpu_ms_1=5.004),
            make_row("best", GOOD, GOOD[::-1], valid=0.88, cpu_ms_1=20.0),
        ]
    )


def test_order_and_best(rows: list[Row]) -> None:
    assert [row.label for row in rows] == ["best", "quick", "slow", "broken"]
    assert find_best(rows, COLUMNS) == {"test": {"best"}, "valid": {"best"}, "cpu_ms_1": {"quick"}}


def test_what_looks_equal_is_equally_best(make_row: MakeRow) -> None:
    rows = [make_row("a", GOOD, cpu_ms_1=5.001), make_row("b", GOOD, cpu_ms_1=5.004)]
    assert find_best(rows, COLUMNS) == {"test": {"a", "b"}, "cpu_ms_1": {"a", "b"}}


def test_csv_holds_plain_values(rows: list[Row]) -> None:
    lines = list(csv.DictReader(io.StringIO(write_csv(rows, COLUMNS, find_best(rows, COLUMNS)))))
    assert [line["backbone"] for line in lines] == ["best", "quick", "slow", "broken"]
    best, quick, _, broken = lines
    assert (best["test"], best["valid"], best["seeds"], best["test_spread"]) == ("0.9", "0.88", "0 1", "0")
    assert float(best["test_low"]) < 0.9 < float(best["test_high"])
    assert (quick["cpu_ms_1"], quick["best_in"], quick["test_spread"]) == ("5.004", "cpu_ms_1", "")
    assert (broken["test"], broken["status"]) == ("", "failed: train_head: NotFinite: epoch 1")


def test_markdown(rows: list[Row]) -> None:
    text = write_markdown("Title", rows, COLUMNS, find_best(rows, COLUMNS), ["One.", ""], ["Two."])
    table = text.split("\n\n")[1].splitlines()
    assert (
        table[0]
        == "| backbone | weights | test accuracy | validation accuracy | CPU, batch 1 [ms] | status |"
    )
    assert table[1] == "| --- | --- | ---: | ---: | ---: | --- |"
    assert re.fullmatch(
        r"\| best \| none \| \*\*0.900 ± 0.000 \(0.\d{3} to 0.\d{3}\)\*\* \| \*\*0.880\*\* \| 20.00 \| ok \|",
        table[2],
    )
    assert "| 0.820 | **5.00** | ok |" in table[3]
    assert table[5] == "| broken | none | - | - | - | failed: train_head: NotFinite: epoch 1 |"
    assert "- One.\n" in text and "- Two.\n" in text and "pareto.png" in text


def test_markdown_tells_differences_and_what_its_columns_are(rows: list[Row]) -> None:
    parts = write_markdown("Title", rows, COLUMNS, {}, ["One."], ["Two."]).split("\n\n")
    assert parts[2] == "Bold: the best of its column. By falling validation score."
    start = parts.index("## Differences on the test pictures")
    assert parts[start + 1] == "Row minus column, bold where it is no chance."
    names, cells = tabulate_differences(rows) or ([], [])
    assert parts[start + 2].splitlines() == [
        "|  | best | quick | slow |",
        "| --- | --- | --- | --- |",
        *(f"| {name} | {' | '.join(line)} |" for name, line in zip(names, cells, strict=True)),
    ]
    assert cells[0][0] == "" and cells[0][1].startswith("+0.050 (") and cells[0][2].startswith("**+0.600** (")
    assert parts[start + 3 :] == ["## How to read it", "- Two.", "\n".join(EXPLAINED) + "\n"]


EXPLAINED = [
    "- test accuracy: mean over its seeds; with a 95 % interval.",
    "- validation accuracy: by which to choose.",
    "- CPU, batch 1: a picture, pixels to predictions, SavedModel on the CPU; all models in turns, median.",
]


def test_spread_and_seeds_that_failed(make_row: MakeRow) -> None:
    row = make_row("a", [1, 1, 1, 0], [1, 1, 0, 0])
    assert row.spread == pytest.approx(0.25 / 2**0.5)  # 0.75 and 0.5 about 0.625: sqrt(2 * 0.125**2 / 1)
    assert make_row("a", [1, 0]).spread is None
    several = Row("a", "none", {}, row.sample, (0, 1), {2: "killed", 3: "killed", 4: "NaN"})
    assert several.status == "seed 2, 3 failed: killed; seed 4 failed: NaN"


def test_a_backbone_of_which_no_seed_came_to_a_score() -> None:
    row = Row("a", "none", {}, None, (), {0: "killed", 1: "NaN", 2: "killed"})
    assert row.status == "seed 0, 2 failed: killed; seed 1 failed: NaN" and row.spread is None


def test_a_score_of_nothing_is_below_any_other() -> None:
    scores = {"none": 0.0, "unknown": None, "little": 0.05, "also none": 0.0}
    ordered = order_rows(Row(name, "none", {"valid": score}) for name, score in scores.items())
    assert [row.label for row in ordered] == ["little", "also none", "none", "unknown"]


def test_figures_stand_in_their_units() -> None:
    plain = {
        "test": 0.71254,
        "valid": 0.6995,
        "parameters": 4_235_000,
        "file_bytes": 17_190_000,
        "multiply_adds": 1_234_567_890,
        **{"cpu_ms_1": 12.344, "cpu_ms_32": 3.456, "gpu_ms_1": 1.004, "gpu_ms_32": 0.126},
        "training_seconds": 12_345.6,
        "peak_bytes": 2_345_600_000,
    }
    columns = list_columns("mAP_50_95", True)
    assert [column.key for column in columns] == list(plain)
    assert [f"{column.show(plain[column.key])} {column.unit}".strip() for column in columns] == [
        *("0.713", "0.700", "4.24 M", "17.2 MB", "1.235 G"),
        *("12.34 ms", "3.46 ms", "1.00 ms", "0.13 ms", "12,346 s", "2,346 MB"),
    ]
    assert [column.key for column in columns if column.better == "more"] == ["test", "valid"]
    assert columns[0].show(None) == "-" and len(list_columns("accuracy", False)) == len(columns) - 2


def test_words_for_differences(rows: list[Row]) -> None:
    said = say_differences(rows)
    assert re.fullmatch(
        r"best and quick cannot be told apart: \+0.050 \([+-]0.\d{3} to \+0.\d{3}\)\.", said[0]
    )
    assert re.fullmatch(r"best beats slow by 0.600 \(0.\d{3} to 0.\d{3}\)\.", said[1])
    assert said[2] == "Of the 1 pairs among the others, 0 cannot be told apart."
    assert say_choice(rows, "accuracy").startswith("best has the highest validation accuracy (0.880), so")


def test_the_chosen_one_may_lose_and_seeds_may_disagree(make_row: MakeRow) -> None:
    chosen = make_row("chosen", BAD, valid=0.9)
    other = make_row("other", GOOD, [1] * 6 + [0] * 14, GOOD, valid=0.8)
    (said,) = say_differences([chosen, other])
    assert said.startswith("other beats chosen by 0.400 (0.") and said.endswith("but not with every seed.")


def sample_of(*of_seeds: float, spread: float = 0.01) -> Sample:
    """The mean of some seeds; the middle 95 % of its rounds reach 0.95 of the spread to either side."""
    mean = sum(of_seeds) / len(of_seeds)
    rounds = mean + np.linspace(-spread, spread, 401)
    return Sample(mean, *interval(rounds), rounds, of_seeds)


def test_whoever_is_named_first_the_better_one_wins_by_the_same_margin() -> None:
    # 0.7 - 0.4, less and more by 0.95 (0.03 - 0.01)
    better, worse = sample_of(0.7, spread=0.03), sample_of(0.4, spread=0.01)
    told = "a beats b by 0.300 (0.281 to 0.319)."
    assert say_difference("a", better, "b", worse) == say_difference("b", worse, "a", better) == told


@pytest.mark.parametrize(
    ("mine", "theirs", "doubt"),
    [
        ((0.5, 0.9), (0.4, 0.55), True),  # 0.5 of one is less than 0.55 of the other
        ((0.5, 0.9), (0.4, 0.5), True),
        ((0.56, 0.9), (0.4, 0.55), False),
        ((0.7,), (0.4, 0.9), False),  # one seed says nothing of the others
    ],
)
def test_seeds_agree_where_the_worst_is_better_than_the_best_of_the_other(
    mine: tuple[float, ...], theirs: tuple[float, ...], doubt: bool
) -> None:
    said = say_difference("a", sample_of(*mine), "b", sample_of(*theirs))
    assert said.startswith("a beats b") or not doubt
    assert said.endswith(", but not with every seed.") is doubt


def test_pairs_that_cannot_be_told_apart_are_named() -> None:
    scores = {"first": 0.9, "x": 0.5, "y": 0.5, "z": 0.2}
    rows = [Row(name, "none", {}, sample_of(score)) for name, score in scores.items()]
    assert say_differences(rows)[-1] == ("Of the 3 pairs among the others, 1 cannot be told apart: x and y.")


def test_nothing_to_say(make_row: MakeRow) -> None:
    rows = [make_row("broken")]
    assert say_choice(rows, "accuracy") == "No backbone came to a score."
    assert (say_differences(rows), say_front(rows), tabulate_differences(rows)) == ([], "", None)
    assert draw_picture(rows, "Title", "", "accuracy") == {}


def test_matrix_is_antisymmetric(rows: list[Row]) -> None:
    names, cells = tabulate_differences(rows) or ([], [])
    assert names == ["best", "quick", "slow"] and [cells[place][place] for place in range(3)] == [""] * 3
    assert cells[0][2].startswith("**+0.600** (+0.") and cells[2][0].startswith("**-0.600** (-0.")


def test_front(rows: list[Row]) -> None:
    assert say_front(rows) == (
        "On the front of test score against latency, the fastest first: quick, best. "
        "Slower and no better than one of them: slow."
    )


@given(
    st.dictionaries(
        st.text("abcdef", min_size=1), st.tuples(st.integers(1, 9), st.integers(1, 9)), max_size=9
    )
)
def test_laws_of_the_front(points: dict[str, tuple[float, float]]) -> None:
    front = find_front(points)
    costs, scores = [points[name][0] for name in front], [points[name][1] for name in front]
    assert costs == sorted(costs) and scores == sorted(scores)
    for name, (cost, score) in points.items():
        beaten = [
            other for other, (c, s) in points.items() if c <= cost and s >= score and (c, s) != (cost, score)
        ]
        assert (name in front) == (not beaten)
    assert bool(front) == bool(points)


def test_labels_lie_apart_and_inside() -> None:
    points = [(50.0 + 8 * (place % 4), 40.0 + 7 * (place // 4)) for place in range(12)]
    frame = (0.0, 0.0, 600.0, 300.0)
    labels = place_labels(points, [(60.0, 10.0)] * 12, frame)
    boxes = [
        (x + label.x, y + label.y, x + label.x + 60, y + label.y + 10)
        for (x, y), label in zip(points, labels, strict=True)
    ]
    for place, one in enumerate(boxes):
        assert frame[0] <= one[0] and one[2] <= frame[2] and frame[1] <= one[1] and one[3] <= frame[3]
        for two in boxes[:place]:
            assert one[2] <= two[0] or two[2] <= one[0] or one[3] <= two[1] or two[3] <= one[1]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (11.2, 42.4, [15.0, 20.0, 30.0, 40.0]),
        (0.9, 110.0, [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]),
        (0.9, 1.1e6, [1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6]),
    ],
)
def test_ticks(low: float, high: float, ticks: list[float]) -> None:
    assert choose_ticks(low, high) == ticks


def test_page_is_the_same_every_time(rows: list[Row], tmp_path: Path) -> None:
    limits = tell_limits(2, 2, 20, 400)
    board = Board("3 backbones on <data>", "20 pictures", "accuracy", rows, COLUMNS, limits, {"head": "x"})
    pages = [write_board(tmp_path / name, board) for name in ("one", "two")]
    contents = [{path.name: path.read_bytes() for path in page.parent.iterdir()} for page in pages]
    assert contents[0] == contents[1]
    assert sorted(contents[0]) == [
        "leaderboard.csv",
        "leaderboard.html",
        "leaderboard.md",
        "pareto.png",
        "pareto.svg",
    ]
    html = contents[0]["leaderboard.html"].decode()
    assert "&lt;data&gt;" in html and html.count('class="number best"') == 3
    assert "failed: train_head: NotFinite" in html and "data:image/svg+xml;base64," in html
    write_board(tmp_path / "one", Board("none", "", "accuracy", [rows[-1]], COLUMNS, limits, {}))
    assert not (tmp_path / "one/pareto.png").exists()
    assert "pareto" not in (tmp_path / "one/leaderboard.md").read_text()


def test_tables_are_read_by_ear_and_scrolled_by_keyboard(rows: list[Row], tmp_path: Path) -> None:
    limits = tell_limits(2, 2, 20, 400)
    page = write_board(tmp_path, Board("2 backbones", "", "accuracy", rows, COLUMNS, limits, {}))
    text = page.read_text(encoding="utf-8")
    assert text.count("<main>") == 1
    headers = re.findall(r"<th[ >][^>]*", text)
    assert headers and all('scope="' in header for header in headers)
    scrolled = re.findall(r'<div class="wide" role="region" tabindex="0" aria-label="(\w+)"><table>', text)
    assert scrolled == ["Leaderboard", "Differences"] and text.count("<table>") == 2


def test_a_dollar_in_a_name_is_no_formula(make_row: MakeRow) -> None:
    rows = [make_row("a data/$_$.h5", GOOD, valid=0.9, cpu_ms_1=2.0)]
    assert draw_picture(rows, "1 backbone on $\\odd$", "$_$", "accuracy").keys() == {
        "pareto.svg",
        "pareto.png",
    }
