"""What a run leaves that is stopped while several batches are under way."""

from __future__ import annotations

import errno
import gc
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from glasshouse.prediction import batch
from glasshouse.prediction.batch import Done, predict_files, run_batch
from glasshouse.prediction.files import list_pictures
from glasshouse.prediction.predictor import Predictor
from glasshouse.prediction.tables import open_tables
from glasshouse.tracking.loading import load

THREADS, FILES = 2, 40
SECONDS, SECONDS_THEN = 0.05, 2.0  # that a picture is drawn, before it is stopped and while it is


@pytest.fixture
def predictor(box_network: Path) -> Predictor:
    return load(str(box_network), threads=1)


@pytest.fixture
def no_collection() -> Iterator[None]:
    """A Ctrl-C is lost where it comes in a callback of the garbage collector, of which Hypothesis has one."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize("stopped_by", ["Ctrl-C", "a full disk"])
def test_what_was_drawn_when_it_is_stopped_is_in_the_tables_and_little_is_drawn_after(
    stopped_by: str, predictor: Predictor, tmp_path: Path, encoded: Callable[..., bytes], monkeypatch: Any
) -> None:
    monkeypatch.setattr(batch, "count_processors", lambda: THREADS)
    for number in range(FILES):
        (tmp_path / f"{number}.jpg").write_bytes(encoded((255, 0, 0)))
    (tmp_path / "0.jpg").write_bytes(b"none")
    drawn: list[Path] = []
    told: list[Path] = []

    def draw(_pixels: Any, _found: Any, target: Path) -> None:
        if len(drawn) >= 3 and not told:
            told.append(target)
            if stopped_by == "a full disk":
                raise OSError(28, "No space left on device")
            os.kill(os.getpid(), signal.SIGINT)
        slowly = told and stopped_by == "Ctrl-C"  # a busy machine notes it meanwhile
        time.sleep(SECONDS_THEN if slowly else SECONDS)
        drawn.append(target)

    listing = list_pictures([tmp_path])
    tables = open_tables(["json"], tmp_path / "out", predictor.recipe)
    with pytest.raises((KeyboardInterrupt, OSError)):
        predict_files(predictor, listing.pictures, tables, tmp_path / "out", score=0.5, draw=draw)
    rows = json.loads((tmp_path / "out/predictions.json").read_text(encoding="utf-8"))
    assert sorted(Path(row["file"]).name for row in rows) == sorted(path.name for path in drawn)
    # The disk's error is raised at its batch's turn, when the batches before it are done.
    assert 3 <= len(drawn) <= (3 + THREADS * 2 if stopped_by == "Ctrl-C" else FILES - batch.BATCH)
    assert [row["file"] for row in rows] == [
        file.name for file in listing.pictures if file.target in drawn
    ]  # in order
    unread = json.loads((tmp_path / "out/unreadable.json").read_text(encoding="utf-8"))
    assert [Path(row["file"]).name for row in unread] == ["0.jpg"]


def test_pictures_and_objects_are_counted_each_by_itself(
    predictor: Predictor, tmp_path: Path, encoded: Callable[..., bytes]
) -> None:
    """White is red and green at once, so two boxes; black is none."""
    for name, colour in (("a", (255,) * 3), ("b", (0,) * 3), ("c", (255,) * 3)):
        (tmp_path / f"{name}.jpg").write_bytes(encoded(colour))
    tables = open_tables(["json"], tmp_path / "out", predictor.recipe)
    files = list_pictures([tmp_path]).pictures
    away = ("away", "cannot be listed: Permission denied")
    outcome = predict_files(predictor, files, tables, tmp_path / "out", score=0.5, draw=None, unlisted=[away])
    assert (outcome.read, outcome.objects, outcome.unreadable, outcome.undrawn) == (3, 4, [away], [])
    (row,) = json.loads((tmp_path / "out/unreadable.json").read_text(encoding="utf-8"))
    assert (row["file"], row["reason"]) == away


def test_a_batch_that_comes_after_the_stop_reads_nothing(
    predictor: Predictor, tmp_path: Path, encoded: Callable[..., bytes]
) -> None:
    (tmp_path / "a.jpg").write_bytes(encoded((255,) * 3))
    (tmp_path / "b.jpg").write_bytes(b"none")
    files, stop, done = list_pictures([tmp_path]).pictures, threading.Event(), Done()
    stop.set()
    run_batch(predictor, files, 0.5, None, done, stop)
    assert done == Done()


def test_what_could_not_be_read_or_drawn_is_told_of_every_batch(
    predictor: Predictor, tmp_path: Path, encoded: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system's limits of names concern one picture, which is in the tables all the same."""
    reasons = dict(
        zip(("01.jpg", "15.jpg", "16.jpg"), (errno.EINVAL, errno.ENAMETOOLONG, errno.EILSEQ), strict=True)
    )
    bad = [f"{number:02d}.jpg" for number in (0, 3, 12, 17)]
    read = batch.read_pixels

    def read_but_one(path: Path) -> Any:
        if path.name == bad[1]:
            raise OSError(errno.EIO, "Input/output error", str(path))
        return read(path)

    monkeypatch.setattr(batch, "read_pixels", read_but_one)
    for name in (f"{number:02d}.jpg" for number in range(18)):
        (tmp_path / name).write_bytes(b"none" if name in bad else encoded((255,) * 3))

    def draw(_pixels: Any, _found: Any, target: Path) -> None:
        if target.name in reasons:
            raise OSError(reasons[target.name], os.strerror(reasons[target.name]))

    tables = open_tables(["json"], tmp_path / "out", predictor.recipe)
    files, away = list_pictures([tmp_path]).pictures, ("away", "cannot be listed: Permission denied")
    outcome = predict_files(predictor, files, tables, tmp_path / "out", score=0.5, draw=draw, unlisted=[away])
    assert outcome.read == 14
    assert [(Path(name).name, reason) for name, reason in outcome.undrawn] == [
        (name, os.strerror(number)) for name, number in reasons.items()
    ]
    assert [Path(name).name for name, _ in outcome.unreadable] == ["away", *bad]
    assert outcome.unreadable[2][1] == "cannot be read: Input/output error"
    rows = json.loads((tmp_path / "out/unreadable.json").read_text(encoding="utf-8"))
    assert [(row["file"], row["reason"]) for row in rows] == outcome.unreadable
    tables = json.loads((tmp_path / "out/predictions.json").read_text(encoding="utf-8"))
    assert [Path(row["file"]).name for row in tables] == [
        file.path.name for file in files if file.path.name not in bad
    ]
