"""Many files through one network: decoded, predicted and drawn in threads, written in order."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from glasshouse.journal.machine import count_processors
from glasshouse.pictures.decode import UndecodablePicture
from glasshouse.pictures.threads import map_in_order
from glasshouse.prediction.drawing import draw_prediction, encode_jpeg
from glasshouse.prediction.files import PictureFile
from glasshouse.prediction.predictor import BATCH, Predictor, Prepared, read_pixels
from glasshouse.prediction.result import Prediction
from glasshouse.prediction.tables import JsonList, Table, naming

PICTURES, UNREADABLE = "pictures", "unreadable.json"
# A file system's own limits of names and paths: they concern one picture, where a full disk concerns all.
UNNAMEABLE = (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ, errno.ENOTDIR, errno.EISDIR)

# (decoded pixels, what was found, place relative to the folder of pictures): draws or explains one picture.
Draw = Callable[[NDArray[np.uint8], Prediction, Path], None]


@dataclass(slots=True)
class Outcome:
    """What became of the files: how many were predicted, and which could not be read, or not drawn, with the
    reason."""

    read: int = 0
    objects: int = 0
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    undrawn: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Done:
    """What is finished of one batch: what was found by file, and what could not be read, or not drawn."""

    found: list[tuple[PictureFile, Prediction]] = field(default_factory=list)
    unreadable: list[tuple[PictureFile, str]] = field(default_factory=list)
    undrawn: list[tuple[PictureFile, str]] = field(default_factory=list)


def predict_files(
    predictor: Predictor,
    files: Sequence[PictureFile],
    tables: Sequence[Table],
    out: Path,
    *,
    score: float,
    draw: Draw | None,
    unlisted: Sequence[tuple[str, str]] = (),
) -> Outcome:
    """Predict every file, add it to the tables in order, and draw it where `draw` is given.

    Whatever stops it (Ctrl-C, a full disk), the tables hold every picture that was finished. Pictures that
    are drawn at that moment are finished first, others of their batches are left.

    Args:
        predictor: best opened with `threads=1`, since batches run side by side.
        files: what to read.
        tables: open; they are closed here.
        out: folder for `unreadable.json`, which is written where a file cannot be read.
        score: what scores less is left out.
        draw: called in threads for each picture.
        unlisted: folders that could not be listed, with the reason: the first of what could not be read.
    """
    outcome, stop = Outcome(unreadable=list(unlisted)), threading.Event()
    unnoted: dict[int, Done] = {}  # by the batch's number; the threads fill them

    def run(numbered: tuple[int, list[PictureFile]]) -> None:
        number, batch = numbered
        run_batch(predictor, batch, score, draw, unnoted.setdefault(number, Done()), stop)

    with ExitStack() as stack:
        for table in tables:
            stack.callback(table.close)
        if unlisted:
            _list_unreadable(outcome, out)
        # Called after the threads have ended: what they finished and nobody noted yet.
        stack.callback(lambda: _note_all(unnoted, tables, outcome, out))
        bar = stack.enter_context(tqdm(total=len(files), desc="predict", unit="picture", disable=None))
        # Each thread runs a whole batch on one processor.
        work = map_in_order(run, enumerate(cut(files)), count_processors(), stop)
        stack.callback(work.close)  # type: ignore[attr-defined]
        for (number, batch), _ in work:
            _note(unnoted.pop(number), tables, outcome, out)
            bar.update(len(batch))
    return outcome


def cut(files: Sequence[PictureFile]) -> Iterator[list[PictureFile]]:
    """Batches of BATCH files, the last one as long as it is."""
    rest = iter(files)
    while batch := list(islice(rest, BATCH)):
        yield batch


def run_batch(
    predictor: Predictor,
    batch: Sequence[PictureFile],
    score: float,
    draw: Draw | None,
    done: Done,
    stop: threading.Event,
) -> None:
    """Read, predict and draw some files; one that cannot be read hinders no other.

    Args:
        done: gets each picture when it is finished.
        stop: looked at between pictures; where it is set, the rest is left.
    """
    read: list[tuple[PictureFile, NDArray[np.uint8] | None, Prepared]] = []
    for file in batch:
        if stop.is_set():
            return
        if reason := find_obstacle(file.path):
            done.unreadable.append((file, reason))
            continue
        try:
            pixels = read_pixels(file.path)
        except UndecodablePicture as error:
            done.unreadable.append((file, error.reason))
        except OSError as error:
            done.unreadable.append((file, f"cannot be read: {error.strerror}"))
        else:
            read.append((file, pixels if draw else None, predictor.prepare(pixels)))
    if not read:
        return
    predictions = predictor.predict_prepared([prepared for _, _, prepared in read], score)
    for (file, kept, _), prediction in zip(read, predictions, strict=True):
        if draw is not None and kept is not None:
            if stop.is_set():
                return
            try:
                draw(kept, prediction, file.target)
            except OSError as error:
                if error.errno not in UNNAMEABLE:
                    raise
                done.undrawn.append((file, f"{error.strerror}"))
        done.found.append((file, prediction))


def find_obstacle(path: Path) -> str | None:
    """Why a path need not be opened; a pipe would be waited for without end."""
    if os.path.isfile(path):
        return None
    if os.path.exists(path):
        return "no regular file, but a pipe, a device or the like"
    return "a link that leads nowhere" if os.path.islink(path) else None


def write_drawn(out: Path) -> Draw:
    """A `Draw` that writes out/pictures/..., each file whole or not at all."""

    def draw(pixels_rgb: NDArray[np.uint8], prediction: Prediction, target: Path) -> None:
        write_whole(out / PICTURES / target, encode_jpeg(draw_prediction(pixels_rgb, prediction)))

    return draw


def write_whole(path: Path, content: bytes) -> None:
    """Write a file in one step, so that a run cut off leaves no half of one."""
    part = path.with_name(f".{path.name}.part")
    with naming(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(content)
            part.replace(path)
        except OSError:
            with suppress(OSError):
                part.unlink()
            raise


def _note(done: Done, tables: Sequence[Table], outcome: Outcome, out: Path) -> None:
    for file, prediction in done.found:
        objects = prediction.list_objects()
        for table in tables:
            table.add(file.name, prediction, objects)
        outcome.read += 1
        outcome.objects += len(prediction)
    for table in tables:
        table.flush()
    outcome.undrawn += [(file.name, reason) for file, reason in done.undrawn]
    if done.unreadable:
        outcome.unreadable += [(file.name, reason) for file, reason in done.unreadable]
        _list_unreadable(outcome, out)


def _note_all(unnoted: dict[int, Done], tables: Sequence[Table], outcome: Outcome, out: Path) -> None:
    for number in sorted(unnoted):
        _note(unnoted[number], tables, outcome, out)


def _list_unreadable(outcome: Outcome, out: Path) -> None:
    listed = JsonList(out / UNREADABLE)
    for name, reason in outcome.unreadable:
        listed.add({"file": name, "reason": reason})
    listed.close()
