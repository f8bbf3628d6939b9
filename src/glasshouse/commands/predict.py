"""`glasshouse predict`: boxes drawn on pictures, and tables of them."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from glasshouse.prediction.batch import Draw, Outcome
    from glasshouse.prediction.predictor import Predictor

SHOWN = 20  # files that are named on the terminal; unreadable.json names all that could not be read


def show(options: Namespace) -> int:
    """Predict; status 1 where no file at all could be read, 0 where some could not (they are listed)."""
    from glasshouse.prediction.batch import predict_files
    from glasshouse.prediction.files import choose_out, list_pictures
    from glasshouse.prediction.predictor import check_score
    from glasshouse.prediction.tables import choose_formats, open_tables

    check_score(options.score, "--score")
    out, listing = choose_out(options.out), list_pictures(options.pictures)
    predictor = open_model(options.model, threads=1)
    formats = choose_formats(options.format, predictor.recipe)
    print(f"model: {predictor.name}", file=sys.stderr)
    why = "an earlier run wrote it; name it to have it read"
    _name_some("passed over", [(name, why) for name in listing.earlier], "")
    tables = open_tables(formats, out, predictor.recipe)
    try:
        outcome = predict_files(
            predictor,
            listing.pictures,
            tables,
            out,
            score=options.score,
            draw=_choose_draw(options, predictor, out),
            unlisted=listing.unlisted,
        )
    except KeyboardInterrupt:
        print(f"stopped; what was finished is in {out}", file=sys.stderr)
        raise
    _tell(outcome, listing.others, out)
    return 0 if outcome.read else 1


def open_model(model: str | None, threads: int = 0) -> Predictor:
    """The network that is named; without a name the project's champion, or else its exports."""
    from glasshouse.tracking.loading import load, load_champion_or_export

    return load_champion_or_export(threads) if model is None else load(model, threads=threads)


def _choose_draw(options: Namespace, predictor: Predictor, out: Path) -> Draw | None:
    from glasshouse.prediction.batch import write_drawn

    if options.explain:
        from glasshouse.prediction.explaining import write_explained

        return write_explained(predictor, out, write_drawn(out) if options.draw else None)
    return write_drawn(out) if options.draw else None


def _tell(outcome: Outcome, others: int, out: Path) -> None:
    _name_some("not drawn", outcome.undrawn, "")
    _name_some("not read", outcome.unreadable, f", see {out}/unreadable.json")
    left = f", {others} files are no pictures by their suffix" if others else ""
    failed = f", {len(outcome.unreadable)} could not be read" if outcome.unreadable else ""
    print(f"{outcome.read} pictures, {outcome.objects} objects{failed}{left}: {out}")


def _name_some(what: str, listed: list[tuple[str, str]], where: str) -> None:
    from glasshouse.sources.listing import show_name

    for name, reason in listed[:SHOWN]:
        print(f"{what}: {show_name(name)}: {reason}", file=sys.stderr)
    if len(listed) > SHOWN:
        print(f"{what}: {len(listed) - SHOWN} more{where}", file=sys.stderr)
