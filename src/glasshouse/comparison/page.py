"""Everything under reports/compare/: the leaderboard for people, for spreadsheets and for talks."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from glasshouse.comparison.leaderboard import Column, Row, find_best, find_front
from glasshouse.comparison.picture import draw_picture
from glasshouse.comparison.tables import tabulate_differences, write_csv, write_markdown
from glasshouse.comparison.words import read_points, say_choice, say_differences, say_front

FOLDER = Path("reports/compare")
TEMPLATES = Path(__file__).parent / "templates"
PICTURES = ("pareto.svg", "pareto.png")


@dataclass(frozen=True)
class Board:
    """What the page shows.

    Args:
        title, subtitle: of the page and the picture.
        score: name of the main score.
        rows: by falling validation score.
        columns: what is known of each.
        limits: sentences on what the figures do not say.
        setting: what the comparison ran on, name -> words.
    """

    title: str
    subtitle: str
    score: str
    rows: Sequence[Row]
    columns: Sequence[Column]
    limits: Sequence[str]
    setting: Mapping[str, str]


def write_board(folder: Path, board: Board) -> Path:
    """Write leaderboard.{html,md,csv} and pareto.{svg,png}; returns the HTML page."""
    best = find_best(board.rows, board.columns)
    sentences = [say_choice(board.rows, board.score), *say_differences(board.rows), say_front(board.rows)]
    pictures = draw_picture(board.rows, board.title, board.subtitle, board.score)
    files = {
        "leaderboard.csv": write_csv(board.rows, board.columns, best).encode(),
        "leaderboard.md": write_markdown(
            board.title, board.rows, board.columns, best, sentences, board.limits
        ).encode(),
        "leaderboard.html": render_page(board, best, pictures.get("pareto.svg")).encode(),
        **pictures,
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name in PICTURES:
        if name not in files:
            (folder / name).unlink(missing_ok=True)  # of an earlier comparison
    for name, content in files.items():
        draft = folder / f".{name}.draft"
        draft.write_bytes(content)
        draft.replace(folder / name)
    return folder / "leaderboard.html"


def render_page(board: Board, best: Mapping[str, set[str]], svg: bytes | None) -> str:
    """The HTML page, in one file."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from glasshouse.evaluation.page import TEMPLATES as STYLES

    environment = Environment(
        loader=FileSystemLoader([TEMPLATES, STYLES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("leaderboard.html.jinja").render(
        title=board.title,
        subtitle=board.subtitle,
        rows=board.rows,
        columns=board.columns,
        best=best,
        front=find_front(read_points(board.rows)),
        front_words=say_front(board.rows),
        choice=say_choice(board.rows, board.score),
        differences=say_differences(board.rows),
        matrix=tabulate_differences(board.rows),
        picture=f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}" if svg else None,
        limits=board.limits,
        setting=board.setting,
    )
